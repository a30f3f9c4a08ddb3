"""How a resource came about: its definition, and what each kustomization on its way has changed of it.

kustomize does this for real, and says only the result. Here it is followed with the place of each value. That is good
enough for custom resources, whose lists are replaced as a whole; where it is not, the render says something else, and
whoever asks must compare.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from secret_action.manifest.kustomization import Id, Kustomization, Nodes, Patch
from secret_action.manifest.kustomize import kustomization_file
from secret_action.manifest.parts import Part, UnknownError, doubted, merged, operated, part_of
from secret_action.manifest.yaml_files import get, items, line_of, text


@dataclass(frozen=True)
class Traced:
    """A resource with the places of its values.

    ids: all that it has had; met: the one by which the outermost kustomization's patches meet it. written: what was
    said of it, the last word first, its definition at the end. removed: what operations took out, and they themselves.
    patches: those that have changed it, the last word first.
    """

    kind: str
    tree: Part
    ids: tuple[Id, ...]
    met: Id
    written: tuple[Part, ...]
    removed: tuple[tuple[Part, Part], ...] = ()
    patches: tuple[Patch, ...] = ()

    @property
    def definition(self) -> Part:
        """Where it is defined."""
        return self.written[-1]


class Tracer:
    """Traces resources through one kustomization. inside: whether a file may be read."""

    def __init__(self, folder: Path, nodes: Nodes, inside: Callable[[Path], bool]) -> None:
        self._folder = Path(os.path.normpath(folder))
        self._nodes = nodes
        self._inside = inside
        self._layers: dict[Path, Kustomization | None] = {}
        self._documents: dict[Path, dict[str, list[tuple[str, yaml.Node]]]] = {}
        self._real: dict[Path, str] = {}
        self._bases: dict[Path, list[tuple[Path, Kustomization]]] = {}
        self._open: set[Path] = set()
        self._traced: dict[_Wanted, list[Traced]] = {}

    def over(self, nodes: Nodes, changed: AbstractSet[str]) -> Tracer:
        """One that reads these files (real paths) anew, and takes over what is made of others.

        nodes: reads them as they are by now.
        """
        other = Tracer(self._folder, nodes, self._inside)
        other._layers = {
            folder: layer
            for folder, layer in self._layers.items()
            if layer is None or changed.isdisjoint(layer.real_files)
        }
        kept = {layer.file for layer in other._layers.values() if layer}
        for file, below in self._bases.items():
            if kept.issuperset([file, *(layer.file for _, layer in below)]):
                other._bases[file] = below
        other._real = self._real
        other._documents = {
            origin: kinds for origin, kinds in self._documents.items() if self._real[origin] not in changed
        }
        return other

    @property
    def top(self) -> Kustomization | None:
        """The kustomization itself; None where there is none."""
        return self.layer(self._folder)

    def layer(self, folder: Path) -> Kustomization | None:
        """The kustomization of a folder (normalised)."""
        if folder not in self._layers:
            file = kustomization_file(folder) if self._inside(folder) else None
            self._layers[folder] = Kustomization(folder, file, self._nodes) if file else None
        return self._layers[folder]

    def trace(self, kind: str, rendered: Id, origin: Path) -> Traced | None:
        """The resource that is rendered under this name and namespace. origin: the file that defines it."""
        wanted = _Wanted(kind, rendered[0], origin)
        if wanted not in self._traced:
            reachable = self.top if self._inside(origin) else None
            self._traced[wanted] = self._built(reachable, wanted, [], {}) if reachable else []
        found = self._traced[wanted]
        named = [each for each in found if each.ids[-1][0] == rendered[0]]
        exact = [each for each in named if each.ids[-1] == rendered]
        return (exact or named)[0] if len(exact or named) == 1 else None

    def _built(
        self, layer: Kustomization, wanted: _Wanted, given: list[Traced], bases: dict[Path, list[Traced]]
    ) -> list[Traced]:
        """The candidates that a kustomization makes. given: for a component, what is there without it."""
        found = list(given)
        if layer.file in self._open:  # it builds on itself
            return found
        self._open.add(layer.file)
        if wanted.origin in layer.entries:
            found += self._defined(wanted)
        for entry, below in self._below(layer):
            if entry not in bases:
                bases[entry] = self._built(below, wanted, [], bases)
            found += bases[entry]
        for entry in layer.components:
            if (component := self.layer(entry)) is not None:
                found = self._built(component, wanted, found, bases)
        self._open.remove(layer.file)
        return [each for one in found if (each := _through(layer, one))]

    def _below(self, layer: Kustomization) -> list[tuple[Path, Kustomization]]:
        """The kustomizations that one builds on, its components apart."""
        if layer.file not in self._bases:
            self._bases[layer.file] = [(entry, below) for entry in layer.entries if (below := self.layer(entry))]
        return self._bases[layer.file]

    def _defined(self, wanted: _Wanted) -> Iterator[Traced]:
        origin = wanted.origin
        if origin not in self._documents:
            kinds: dict[str, list[tuple[str, yaml.Node]]] = {}
            for node in _flattened(self._nodes(origin)):
                kinds.setdefault(text(get(node, "kind")), []).append((text(get(node, "metadata", "name")), node))
            self._documents[origin] = kinds
            self._real[origin] = os.path.realpath(origin)
        for name, node in self._documents[origin].get(wanted.kind, ()):
            if name and name in wanted.name:
                tree = part_of(node, origin, lambda node: range(line_of(node), line_of(node) + 1))
                own = (name, text(get(node, "metadata", "namespace")))
                yield Traced(wanted.kind, tree, (own,), own, (tree,))


@dataclass(frozen=True)
class _Wanted:
    kind: str
    name: str
    origin: Path


def _flattened(nodes: Iterable[yaml.Node]) -> Iterator[yaml.Node]:
    for node in nodes:
        if text(get(node, "kind")).endswith("List") and (below := items(get(node, "items"))):
            yield from below
        else:
            yield node


def _through(layer: Kustomization, traced: Traced) -> Traced | None:
    """What a kustomization makes of a resource, in kustomize's order; None where it deletes it."""
    traced = replace(traced, met=traced.ids[-1])
    changed = _patched(layer, traced, late=False)
    if changed is None:
        return None
    name = layer.renamed(*changed.ids[-1])
    if name != changed.ids[-1]:
        changed = replace(changed, ids=(*changed.ids, name))
    for said in layer.metadata:
        changed = replace(changed, tree=merged(changed.tree, said) or changed.tree, written=(said, *changed.written))
    changed = _patched(layer, changed, late=True)
    if changed is not None:
        for steps in layer.doubts(changed.kind, changed.ids):
            changed = replace(changed, tree=doubted(changed.tree, steps))
    return changed


def _patched(layer: Kustomization, traced: Traced, *, late: bool) -> Traced | None:
    for patch, fits in layer.patches_of(traced.kind, traced.ids, late=late):
        try:
            changed = _merged(traced, patch) if patch.is_merge else _operated(traced, patch)
        except UnknownError:
            changed, fits = traced, None
        if fits is None:
            traced = replace(traced, tree=doubted(traced.tree))
        elif changed is None:
            return None
        else:
            traced = replace(changed, patches=(patch, *changed.patches))
    return traced


def _merged(traced: Traced, patch: Patch) -> Traced | None:
    said = patch.part()
    tree = merged(traced.tree, said)
    return replace(traced, tree=tree, written=(said, *traced.written)) if tree else None


def _operated(traced: Traced, patch: Patch) -> Traced:
    said = patch.part()
    tree, removed = traced.tree, traced.removed
    for operation in said.value if isinstance(said.value, list) else ():
        tree, gone = operated(tree, operation)
        removed += ((gone, operation),) if gone else ()
    return replace(traced, tree=tree, removed=removed, written=(said, *traced.written))
