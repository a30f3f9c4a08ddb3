"""Has the cluster taken over a rendered ExternalSecret? Whoever applied it, and however it was defaulted since."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from secret_action.cluster import durations
from secret_action.cluster.additions import LAST_APPLIED, Path, added, claims_of
from secret_action.cluster.defaults import ESO, Defaults
from secret_action.cluster.live import Object, entries, is_going, is_managed, section, text
from secret_action.masking import hidden
from secret_action.model import ExternalSecret
from secret_action.selector import Selector

# Argo CD, by its default way of tracking, replaces the value of this label with the Application's name.
_OVERWRITTEN_LABELS = {"app.kubernetes.io/instance"}
# Maps whose keys are the user's own words: there an empty text is an entry like any other.
_FREE = {"annotations", "labels", "tags"}
_TEMPLATE_DATA = ("spec", "target", "template", "data")
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
    """It holds what a later commit asks for, which includes all that the manifest reads."""
    spec: Object = field(default_factory=dict)
    """By which ESO is to make the Secret: the manifest's, or the live one where that is another commit's or has
    additions. Empty where it is not done."""


NOT_LOOKED_AT = Deployment(False, "not yet looked at")


def deployment(
    rendered: ExternalSecret, live: Object | None, *, selected: bool, superseded: bool, defaults: Defaults = ESO
) -> Deployment:
    """How the live object stands to the manifest.

    selected: its labels allow to touch it. superseded: the GitOps tool is known to have deployed a later commit.
    defaults: of the cluster's CRD.
    """
    if live is None or is_going(live):
        return Deployment(False, "It is not in the cluster." if live is None else "It is being deleted.")
    found, additions = _compared(rendered, live, defaults)
    later = bool(found) and superseded and _asks_for(rendered, live, defaults)
    if selected and (later or not found):
        return Deployment(True, later=later, spec=section(live, "spec") if later or additions else rendered.spec)
    found = found or ("metadata.labels: the label selector does not match those in the cluster",)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    only_labels = all(where.startswith("metadata.labels") for where in found)
    words = f"The cluster has not taken over the manifest: {found[0]}{more}."
    return Deployment(False, words, only_label_missing=only_labels and not selected)


class DeploymentCheck:
    """Checks whether the cluster has taken over one manifest; anew only where something that counts has changed."""

    def __init__(self, rendered: ExternalSecret, selector: Selector, defaults: Defaults) -> None:
        self._rendered = rendered
        self._selector = selector
        self._defaults = defaults
        self._last: tuple[tuple[object, ...], Deployment] | None = None

    def of(self, live: Object | None, *, superseded: bool) -> Deployment:
        """The deployment as this object shows it."""
        metadata = section(live or {}, "metadata")
        labels = section(metadata, "labels")
        about = (
            live is None,
            section(live or {}, "spec"),
            labels,
            metadata.get("deletionTimestamp"),
            superseded,
            text(metadata, "annotations", LAST_APPLIED),
            claims_of(live or {}),
        )
        if self._last is None or self._last[0] != about:
            selected = is_managed(labels) and self._selector.matches(labels)
            found = deployment(self._rendered, live, selected=selected, superseded=superseded, defaults=self._defaults)
            self._last = about, found
        return self._last[1]


def _asks_for(rendered: ExternalSecret, live: Object, defaults: Defaults) -> bool:
    """Whether the live object reads all that the manifest reads, from the same store and into the same keys."""
    wanted, found = rendered.spec, section(live, "spec")

    def same(mine: Any, theirs: Any) -> bool:
        return not any(_differences((), mine, theirs, defaults))

    last = {text(item, "secretKey"): item for item in entries(found, "data")}  # ESO: a later entry covers an earlier
    return (
        same(wanted.get("secretStoreRef"), found.get("secretStoreRef"))
        and all(same(item, last.get(text(item, "secretKey"))) for item in entries(wanted, "data"))
        and all(any(same(item, one) for one in entries(found, "dataFrom")) for item in entries(wanted, "dataFrom"))
    )


def differences(rendered: ExternalSecret, live: Object, defaults: Defaults = ESO) -> tuple[str, ...]:
    """Where the live object does not hold what is rendered, one sentence each; empty when it is deployed.

    A field that is absent, on either side, is its default: that is what the API server fills in and what ESO's first
    write leaves out or spells otherwise (`1h` becomes `1h0m0s`, a `false` goes). Any other field too many is what an
    older commit left there, and counts, unless whoever applied it shows that others added it. The API version does not
    count, nor do further labels. Lists must have the same length, since an entry too many is another key in the Secret.
    """
    return _compared(rendered, live, defaults)[0]


def as_deployed(rendered: ExternalSecret, live: Object, defaults: Defaults = ESO) -> Object:
    """The spec that ESO goes by once the manifest is deployed: the live one where others have added to it."""
    found, additions = _compared(rendered, live, defaults)
    return section(live, "spec") if additions and not found else rendered.spec


def _compared(rendered: ExternalSecret, live: Object, defaults: Defaults) -> tuple[tuple[str, ...], bool]:
    """The differences that count, one sentence each, and whether there are others, which were added."""

    def from_manifest(spec: Object) -> tuple[Difference, ...]:
        return tuple(_differences(("spec",), rendered.spec, spec, defaults))

    found = counting = from_manifest(section(live, "spec"))
    if any(one.more for one in found):
        is_added = added(live, lambda spec: not from_manifest(spec))
        counting = tuple(one for one in found if not (one.more and is_added(one.path)))
    live_labels = section(live, "metadata", "labels")
    labels = {name: value for name, value in rendered.labels.items() if name not in _OVERWRITTEN_LABELS}
    in_labels = _entries(("metadata", "labels"), labels, {name: live_labels.get(name) for name in labels})
    return tuple(map(str, (*counting, *in_labels))), len(counting) < len(found)


@dataclass(frozen=True)
class Difference:
    """One place where two specs differ."""

    path: Path
    words: str
    more: bool = False
    """A field that the manifest does not have at all."""

    def __str__(self) -> str:
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return f"{where.removeprefix('.')}: {self.words}"


def _differences(path: Path, wanted: Any, found: Any, defaults: Defaults) -> Iterator[Difference]:
    name = str(path[-1]) if path else ""
    if _is_either(Mapping, wanted, found):
        wanted, found = wanted or {}, found or {}
        if path == _TEMPLATE_DATA or name in _FREE:
            yield from _entries(path, wanted, found)
        else:
            for each in dict.fromkeys([*wanted, *found]):
                yield from _differences((*path, each), wanted.get(each), found.get(each), defaults)
    elif _is_either(list, wanted, found):
        wanted, found = wanted or [], found or []
        if len(wanted) == len(found):
            for at, (mine, theirs) in enumerate(zip(wanted, found, strict=True)):
                yield from _differences((*path, at), mine, theirs, defaults)
        else:
            yield Difference(path, f"the manifest lists {len(wanted)}, the cluster {len(found)}")
    else:
        if not _same(name, *(_meant(side, defaults.get(name)) for side in (wanted, found))):
            mine, theirs = (None if _is_absent(side) else side for side in (wanted, found))
            yield Difference(path, _words(mine, theirs), more=wanted is None)


def _is_either(kind: type, *sides: Any) -> bool:
    """Whether both sides are of this kind, or one is and the other is nothing."""
    return any(isinstance(side, kind) for side in sides) and all(
        isinstance(side, kind) or _is_absent(side) for side in sides
    )


def _is_absent(value: Any) -> bool:
    """Go's types leave an empty text and a `false` out, and the API server drops a `null`."""
    return value is None or value is False or value == ""


def _meant(value: Any, default: Any) -> Any:
    """What a field stands for: a `false` is said by leaving it out, unless its default is `true`."""
    meant = default if value is None or value == "" else value
    return None if meant is False else meant


def _entries(path: Path, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*wanted, *found]):
        mine, theirs = wanted.get(name), found.get(name)
        if type(mine) is not type(theirs) or mine != theirs:
            yield Difference((*path, name), _words(mine, theirs), more=mine is None)


def _same(name: str, wanted: Any, found: Any) -> bool:
    if name.endswith("nterval"):  # refreshInterval, retryInterval
        lengths = durations.seconds(wanted), durations.seconds(found)
        if None not in lengths:
            return lengths[0] == lengths[1]
    return type(wanted) is type(found) and bool(wanted == found)


def _words(wanted: Any, found: Any) -> str:
    return f"the manifest has {_shown(wanted)}, the cluster has {_shown(found)}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = hidden(value if isinstance(value, str) else json.dumps(value, default=str))
    return f"“{text[:_LONGEST]}…”" if len(text) > _LONGEST else f"“{text}”"
