"""When did the data of a Secret last change? Told from metadata alone, by the API server's own times.

Kubernetes keeps one time for all that one writer owns of an object. External Secrets Operator (ESO) writes the data
and, where the ExternalSecret has no template, copies our annotation to the Secret as well: every forced refresh moves
that time, also one that changes no data. So each annotation of ours says what was before it: the last change, and a
keyed hash of the data's hash. A later run that finds the same data goes on from there, and one that finds other data,
or no such note, takes the writer's time, which is never too early.

Labels that others change move it as well, and so does data that changes and comes back; nothing tells the one from the
other. Then the note holds up to the annotation that bears it, and for pods that have not changed since.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from secret_action.cluster import durations
from secret_action.cluster.api import FIELD_MANAGER
from secret_action.cluster.live import Object, entries, section, text, uid_of
from secret_action.cluster.proof import ANNOTATION
from secret_action.cluster.rebuild import DATA_HASH

_NOTE = re.compile(r"\.(\d{1,11})\.([0-9a-f]{16})(?:-\d+)?")
_LONGEST = 60.0  # seconds after our annotation in which a write of the Secret counts as its answer
_DEFAULT_INTERVAL = 3600.0  # seconds; ESO's own default
SECOND = timedelta(seconds=1)
"""What Kubernetes tells times by."""


@dataclass(frozen=True)
class SecretData:
    """What the metadata of a Secret tells of its data."""

    uid: str
    hash: str
    """ESO's hash of the data; empty where there is none. It is unsalted: never to be printed, or stored elsewhere."""
    written: datetime | None
    """The last write of somebody who wrote the data: its last change is not after it. None where nobody kept it."""
    annotations: Mapping[str, object] = field(default_factory=dict)

    def same(self, other: SecretData | None) -> bool:
        """Whether the data is known to be the same."""
        return other is not None and bool(self.hash) and (self.uid, self.hash) == (other.uid, other.hash)


def secret_data(secret: Object) -> SecretData:
    """From the metadata of a Secret (`PartialObjectMetadata`)."""
    metadata = section(secret, "metadata")
    times = [
        moment(text(entry, "time"))
        for entry in entries(metadata, "managedFields")
        if section(entry, "fieldsV1", "f:data")
    ]
    return SecretData(
        uid_of(secret),
        text(metadata, "annotations", DATA_HASH),
        None if None in times else max(filter(None, times), default=None),
        section(metadata, "annotations"),
    )


@dataclass(frozen=True)
class Past:
    """What is known of a Secret's data up to now."""

    changed: datetime | None
    """Its last change, or later; None where that cannot be told."""
    unsure_since: datetime | None = None
    """From then to the last write it may have been something else for a time; None: it was not."""


def past(secret: SecretData, external_secret: Object | None) -> Past:
    """What its metadata and our last annotation tell. external_secret: the live one that fills it."""
    if external_secret is None or secret.written is None:
        return Past(secret.written)
    note = _NOTE.search(text(external_secret, "metadata", "annotations", ANNOTATION))
    asked = annotated_at(external_secret)
    if note is None or asked is None or note[2] != _digest(secret):
        return Past(secret.written)
    # ESO writes of its own accord only what it read after the interval; else it answers a change of the ExternalSecret,
    # at once. That is our annotation where nobody has changed anything since.
    patience = timedelta(seconds=min(_interval(external_secret), _LONGEST))
    answered = secret.written < asked + patience and not _touched(external_secret, asked)
    sure = answered or secret.written < asked
    return Past(min(secret.written, datetime.fromtimestamp(int(note[1]), UTC)), None if sure else asked)


def note(secret: SecretData, changed: datetime | None) -> str:
    """What our next annotation says of the Secret as it is before it, to be put at the end of the token.

    The hash is keyed by the Secret's uid, which only those see who may read the Secret itself: nobody else can try
    values against it. Empty where there is nothing to say.
    """
    if changed is None or not secret.hash or not secret.uid:
        return ""
    return f".{int(changed.timestamp())}.{_digest(secret)}"


def unnoted(annotation: str) -> str:
    """An annotation of ours without its note."""
    return _NOTE.sub("", annotation)


def moment(rfc3339: str) -> datetime | None:
    """A time of the API server's, whole seconds in UTC; None for what is none."""
    try:
        found = datetime.fromisoformat(rfc3339)
        return found.astimezone(UTC).replace(microsecond=0) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def after(changed: datetime) -> str:
    """The first second whose pods are certain to have what changed at that time, RFC 3339."""
    return spelled(changed + SECOND)


def spelled(when: datetime) -> str:
    """RFC 3339, as Kubernetes writes it."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _digest(secret: SecretData) -> str:
    return hmac.new(secret.uid.encode(), secret.hash.encode(), hashlib.sha256).hexdigest()[:16]


def annotated_at(external_secret: Object) -> datetime | None:
    """When our annotation was set, by the API server's clock. Whoever else has it may have written more, and later."""
    for entry in entries(section(external_secret, "metadata"), "managedFields"):
        ours = text(entry, "manager") == FIELD_MANAGER
        if ours and f"f:{ANNOTATION}" in section(entry, "fieldsV1", "f:metadata", "f:annotations"):
            return moment(text(entry, "time"))
    return None


def _touched(external_secret: Object, since: datetime) -> bool:
    """Whether anybody has written anything of it since, but its status."""
    times = [
        moment(text(entry, "time"))
        for entry in entries(section(external_secret, "metadata"), "managedFields")
        if not text(entry, "subresource")
    ]
    return any(when is None or when > since for when in times)


def _interval(external_secret: Object) -> float:
    """Seconds after which ESO reads again of its own accord."""
    spec = section(external_secret, "spec")
    found = durations.seconds(spec.get("refreshInterval", "1h"))
    periodic = text(spec, "refreshPolicy") in ("", "Periodic") and (found is None or found > 0)
    return (_DEFAULT_INTERVAL if found is None else found) if periodic else _LONGEST
