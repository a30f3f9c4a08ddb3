"""When did the data of a Secret last change? Told from metadata alone, by the API server's own times.

Kubernetes keeps one time for all that one writer owns of an object. External Secrets Operator (ESO) writes the data
and, where the ExternalSecret has no template, copies our annotation to the Secret as well: every forced refresh moves
that time, also one that changes no data. So each annotation of ours says what was before it: the last change, and a
keyed hash of the data's hash. A later run that finds the same data goes on from there, and one that finds other data,
or no such note, takes the writer's time, which is never too early. Labels that others change move it as well; when
they did is in the ExternalSecret's own times.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from secret_action.cluster import durations
from secret_action.cluster.live import Object, entries, section, text, uid_of
from secret_action.cluster.proof import ANNOTATION
from secret_action.cluster.rebuild import DATA_HASH

_NOTE = re.compile(r"\.(\d{1,11})\.([0-9a-f]{16})(?:-\d+)?")
_LONGEST = 300.0  # seconds after an annotation or label in which the first write of the Secret counts as its answer
_DEFAULT_INTERVAL = 3600.0  # seconds; ESO's own default
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class SecretData:
    """What the metadata of a Secret tells of its data."""

    uid: str
    hash: str
    """ESO's hash of the data; empty where there is none. It is unsalted: never to be printed, or stored elsewhere."""
    written: datetime | None
    """The last write of somebody who wrote the data: its last change is not after it. None where nobody kept it."""
    born: datetime | None
    """When the Secret was made."""
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
        moment(text(metadata, "creationTimestamp")),
        section(metadata, "annotations"),
    )


def last_change(secret: SecretData, external_secret: Object | None) -> datetime | None:
    """When its data last changed, or later. external_secret: the live one that fills it, with our last annotation."""
    if external_secret is None or secret.written is None:
        return secret.written
    note = _NOTE.search(text(external_secret, "metadata", "annotations", ANNOTATION))
    asked = _annotated(external_secret)
    if note is None or asked is None or note[2] != _digest(secret):
        return secret.written
    # Data that is back at what it was before our annotation may have been something else in between. ESO writes of its
    # own accord only what it read after the interval; else it answers a change of the ExternalSecret, at once. That
    # is our annotation, or somebody else's labels, which it copies to the Secret: a GitOps tool's, with each release.
    patience = timedelta(seconds=min(_interval(external_secret), _LONGEST))
    told = any(when <= secret.written < when + patience for when in _relabelled(external_secret))
    if secret.written < asked + patience or told:
        return min(secret.written, datetime.fromtimestamp(int(note[1]), UTC))
    return secret.written


def note(secret: SecretData, changed: datetime | None) -> str:
    """What our next annotation says of the Secret as it is before it, to be put at the end of the token.

    The hash is keyed by the Secret's uid, which only those see who may read the Secret itself: nobody else can try
    values against it. Empty where there is nothing to say.
    """
    if changed is None or not secret.hash or not secret.uid:
        return ""
    return f".{int(changed.timestamp())}.{_digest(secret)}"


def moment(rfc3339: str) -> datetime | None:
    """A time of the API server's, whole seconds in UTC; None for what is none."""
    try:
        found = datetime.fromisoformat(rfc3339)
        return found.astimezone(UTC).replace(microsecond=0) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def after(changed: datetime) -> str:
    """The first second whose pods are certain to have what changed at that time, RFC 3339."""
    return spelled(changed + _SECOND)


def spelled(when: datetime) -> str:
    """RFC 3339, as Kubernetes writes it."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _digest(secret: SecretData) -> str:
    return hmac.new(secret.uid.encode(), secret.hash.encode(), hashlib.sha256).hexdigest()[:16]


def _annotated(external_secret: Object) -> datetime | None:
    """When our annotation was set, by the API server's clock."""
    for entry in entries(section(external_secret, "metadata"), "managedFields"):
        if f"f:{ANNOTATION}" in section(entry, "fieldsV1", "f:metadata", "f:annotations"):
            return moment(text(entry, "time"))
    return None


def _relabelled(external_secret: Object) -> Iterator[datetime]:
    """When others last wrote its labels or annotations, or what else is theirs of it: one time for each writer."""
    for entry in entries(section(external_secret, "metadata"), "managedFields"):
        fields = section(entry, "fieldsV1", "f:metadata")
        copied = section(fields, "f:labels").keys() | section(fields, "f:annotations").keys()
        theirs = copied - {".", f"f:{ANNOTATION}"} and not text(entry, "subresource")
        if theirs and (when := moment(text(entry, "time"))):
            yield when


def _interval(external_secret: Object) -> float:
    """Seconds after which ESO reads again of its own accord."""
    spec = section(external_secret, "spec")
    found = durations.seconds(spec.get("refreshInterval", "1h"))
    periodic = text(spec, "refreshPolicy") in ("", "Periodic") and (found is None or found > 0)
    return (_DEFAULT_INTERVAL if found is None else found) if periodic else _LONGEST
