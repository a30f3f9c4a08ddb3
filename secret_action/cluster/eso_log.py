"""ESO's log (zap, JSON lines): its errors, by what each is about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from secret_action.cluster.live import Object, text

Subject = tuple[str, str, str]
"""Kind, namespace (empty for a ClusterSecretStore) and name."""

NOTHING: Subject = ("", "", "")
"""What an error is about that names no object."""


def errors_by_subject(lines: Iterable[str]) -> Mapping[Subject, Sequence[str]]:
    """The errors about each thing, in the order of the lines. They are texts from outside, as they stand there."""
    found: dict[Subject, list[str]] = {}
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, Mapping) and (error := text(entry, "error")):
            found.setdefault(_subject(entry), []).append(error)
    return found


def _subject(entry: Object) -> Subject:
    for kind in ("ExternalSecret", "ClusterSecretStore", "SecretStore"):
        about = entry.get(kind) or entry.get(kind.lower())
        if isinstance(about, Mapping):
            return kind, text(about, "namespace"), text(about, "name")
        if isinstance(about, str):  # ESO 0.10 and older
            namespace, _, name = about.rpartition("/")
            return kind, namespace, name
    return NOTHING
