"""Has the cluster taken over a rendered ExternalSecret? Whoever applied it, and however it was defaulted since."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secret_action.cluster import durations
from secret_action.cluster.live import Object, entries, is_going, section, text
from secret_action.masking import hidden
from secret_action.model import ExternalSecret

# Argo CD, by its default way of tracking, replaces the value of this label with the Application's name.
_OVERWRITTEN_LABELS = {"app.kubernetes.io/instance"}
_LONGEST = 80  # characters of a value that a difference shows


@dataclass(frozen=True)
class Deployment:
    """Whether the cluster has taken over one manifest."""

    done: bool
    words: str = ""
    """Why not, one sentence."""
    only_label_missing: bool = False
    """Nothing but labels differ, and without them it must not be touched."""
    later: bool = False
    """It holds what a later commit asks for, which includes the same parameters."""


NOT_LOOKED_AT = Deployment(False, "not yet looked at")
LABEL_LOST = Deployment(
    False,
    "The cluster has not taken over the manifest: metadata.labels: the label selector no longer matches those in the "
    "cluster.",
    only_label_missing=True,
)


def deployment(rendered: ExternalSecret, live: Object | None, *, selected: bool, superseded: bool) -> Deployment:
    """How the live object stands to the manifest.

    selected: its labels allow to touch it. superseded: the GitOps tool is known to have deployed a later commit.
    """
    if live is None or is_going(live):
        return Deployment(False, "It is not in the cluster." if live is None else "It is being deleted.")
    found = differences(rendered, live)
    later = bool(found) and superseded and _asks_for(rendered, live)
    if selected and (later or not found):
        return Deployment(True, later=later)
    found = found or ("metadata.labels: the label selector does not match those in the cluster",)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    only_labels = all(where.startswith("metadata.labels") for where in found)
    words = f"The cluster has not taken over the manifest: {found[0]}{more}."
    return Deployment(False, words, only_label_missing=only_labels and not selected)


def _asks_for(rendered: ExternalSecret, live: Object) -> bool:
    """Whether the live object reads all the parameters that the manifest reads."""
    spec = section(live, "spec")
    read = [section(item, "remoteRef") for item in entries(spec, "data")]
    read += [section(item, "extract") for item in entries(spec, "dataFrom")]
    return {reference.path for reference in rendered.references} <= {text(each, "key") for each in read}


def differences(rendered: ExternalSecret, live: Object) -> tuple[str, ...]:
    """Where the live object does not hold what is rendered, one sentence each; empty when it is deployed.

    Defaults and additions in the cluster do not count, nor does the API version, and durations are compared by what
    they mean: ESO's first write stores the spec as its Go types print it (`1h` becomes `1h0m0s`, a `false` is left
    out). Lists must have the same length, since an entry too many is another key in the Secret.
    """
    labels = {name: value for name, value in rendered.labels.items() if name not in _OVERWRITTEN_LABELS}
    return (
        *_differences("spec", rendered.spec, section(live, "spec")),
        *_differences("metadata.labels", labels, section(live, "metadata", "labels")),
    )


def _differences(where: str, wanted: Any, found: Any) -> Iterator[str]:
    if not wanted and not found:
        return  # an empty value, `false` and `0` are left out on the way through Go's types
    if found is None:
        found = {} if isinstance(wanted, Mapping) else [] if isinstance(wanted, list) else None
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for name, value in wanted.items():
            yield from _differences(f"{where}.{name}", value, found.get(name))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for at, (mine, theirs) in enumerate(zip(wanted, found, strict=True)):
            yield from _differences(f"{where}[{at}]", mine, theirs)
    elif isinstance(wanted, list) and isinstance(found, list):
        yield f"{where}: the manifest lists {len(wanted)}, the cluster {len(found)}"
    elif not _same(where, wanted, found):
        there = "nothing" if found is None else _shown(found)
        yield f"{where}: the manifest has {_shown(wanted)}, the cluster has {there}"


def _same(where: str, wanted: Any, found: Any) -> bool:
    if where.endswith("nterval"):  # refreshInterval, retryInterval
        lengths = durations.seconds(wanted), durations.seconds(found)
        if None not in lengths:
            return lengths[0] == lengths[1]
    return type(wanted) is type(found) and bool(wanted == found)


def _shown(value: Any) -> str:
    text = hidden(value if isinstance(value, str) else json.dumps(value, default=str))
    return f"“{text[:_LONGEST]}…”" if len(text) > _LONGEST else f"“{text}”"
