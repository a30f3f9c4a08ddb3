"""Who wrote a Secret's data besides External Secrets Operator (ESO), told by the metadata alone (`managedFields`).

ESO's hash tells what ESO wrote. It stays where somebody else changes the data after that, and then tells nothing.
Kubernetes notes for each writer which fields it was the last to change, and when, in whole seconds of its own clock.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from secret_action.cluster.changes import annotated_at, moment
from secret_action.cluster.live import Object, entries, section, text

# ESO names itself after the ExternalSecret; a client that names nothing is noted by the name of its program.
_MANAGER, _PROGRAM = "externalsecrets.external-secrets.io/", "external-secrets"
_LONGEST_MANAGER = 63  # characters; for a longer one ESO takes a hash of the name
_DATA = ("f:data", "f:stringData")
_LAG = timedelta(seconds=1)  # what was written so shortly before ESO read the Secret it may not have seen
_NEVER, _ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Write:
    """Somebody's last write of a Secret's data."""

    manager: str
    """As the writer calls itself."""
    when: datetime | None
    """None where nobody kept it."""


def data_keys(secret: Object) -> frozenset[str] | None:
    """The keys of a Secret's data, by its metadata; None where that does not tell all of them.

    It does where the API server has noted who made the map of them (`.`, or nothing else): then it has noted all that
    came after, by whichever writer.
    """
    noted: set[str] = set()
    complete = False
    for entry in entries(section(secret, "metadata"), "managedFields"):
        fields = section(entry, "fieldsV1")
        complete |= "f:data" in fields and (not section(fields, "f:data") or "." in section(fields, "f:data"))
        noted.update(key for field in _DATA for key in section(fields, field))
    return frozenset(key.removeprefix("f:") for key in noted - {"."}) if complete else None


def unseen_write(secret: Object, external_secret: str, annotated: Object) -> Write | None:
    """The last write of the data by somebody else that ESO is not known to have put right or found right since.

    It has by each write of its own, which is of all the data and of the Secret as it was then; and by each sync, also
    where there was nothing to write. secret: its metadata. external_secret: the name of the one that fills it.
    annotated: that, as the API server returned it for the annotation after which a sync is proven; empty for none.
    """
    owners = {_manager(external_secret), _PROGRAM}
    own = _NEVER
    others: list[Write] = []
    for entry in entries(section(secret, "metadata"), "managedFields"):
        when = moment(text(entry, "time"))
        if text(entry, "manager") in owners:
            own = max(own, when or _NEVER)
        elif any(section(entry, "fieldsV1", field).keys() - {"."} for field in _DATA):
            others.append(Write(text(entry, "manager"), when))
    last = max(others, key=lambda write: write.when or _ALWAYS, default=None)
    asked = annotated_at(annotated)
    if last and last.when and (last.when < own or (asked is not None and last.when < asked - _LAG)):
        return None
    return last


def _manager(external_secret: str) -> str:
    manager = _MANAGER + external_secret
    if len(manager) > _LONGEST_MANAGER:
        return f"{_MANAGER}sha3/{hashlib.sha3_224(external_secret.encode()).hexdigest()}"
    return manager
