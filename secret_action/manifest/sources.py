"""From a rendered value back to the file and line where a person wrote it.

The render is the truth; the sources are only searched for the place, and a place counts only where what stands there
is what was rendered. Where it is not certain, the overlay's kustomization file is named without a line: never a wrong
line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from secret_action.manifest.draft import Draft
from secret_action.manifest.kustomization import Id, Kustomization, Patch
from secret_action.manifest.kustomize import ORIGIN, kustomization_file
from secret_action.manifest.parts import Part, agrees
from secret_action.manifest.trace import Traced, Tracer
from secret_action.manifest.written import is_yaml, named_in, nearest_kustomization, tenant_files
from secret_action.manifest.yaml_files import (
    MAX_BYTES,
    get,
    has_aliases,
    leads_outside,
    line_of,
    read_regular,
    reads_as,
    source_nodes,
    text,
)
from secret_action.model import Location


class Sources:
    """The files that one kustomization is made of.

    root: the repository. folder: the kustomization's folder, absolute. Files outside of the root are not read.
    tracer: of that folder, where it is not made of the files as they are on disk.
    """

    def __init__(self, root: Path, folder: Path, tracer: Tracer | None = None) -> None:
        self._root = root.resolve()
        self._folder = folder
        self._own = tracer
        self._names: dict[Path, str] = {}

    def over(self, draft: Draft) -> Sources:
        """The same as they are with a draft's changes."""
        changed = {os.path.realpath(self._root / name) for name in draft.changed()}
        return Sources(self._root, self._folder, self._tracer.over(draft.nodes, changed)) if changed else self

    @property
    def _tracer(self) -> Tracer:
        return self._own or _tracer(self)

    def new_tracer(self) -> Tracer:
        """One that has read nothing yet."""
        return Tracer(self._folder, source_nodes, self._inside)

    @property
    def folder(self) -> Path:
        """The kustomization's, absolute and normalised."""
        return Path(os.path.normpath(self._folder))

    @property
    def fallback(self) -> Location:
        """The place where no better one is known."""
        return self.location(kustomization_file(self._folder) or self._folder)

    @property
    def layer(self) -> Kustomization | None:
        """The kustomization itself."""
        return self._tracer.top

    def trace(self, resource: Mapping[str, Any]) -> Traced | None:
        """How a rendered resource came about; None where that cannot be told."""
        kind, name, namespace, origin = _identity(resource)
        return self._tracer.trace(kind, (name, namespace), self._path(origin)) if origin else None

    def part(self, resource: Mapping[str, Any], *steps: str | int) -> Part | None:
        """What was written for a value of a rendered resource; None where that is not certain.

        steps: the keys and places in lists that lead to it.
        """
        traced = self.trace(resource)
        part, value = traced.tree.at(*steps) if traced else None, _value(resource, steps)
        return part if agrees(part, value) else None

    def locate(self, resource: Mapping[str, Any], *steps: str | int) -> Location:
        """Where a value of a rendered resource is written, or what it is missing in; without steps, the resource."""
        while steps and not _has(resource, steps):
            steps = steps[:-1]
        if not steps:
            return self.definition(resource)
        part = self.part(resource, *steps)
        return self.where(part) if part else self.fallback

    def definition(self, resource: Mapping[str, Any]) -> Location:
        """Where a rendered resource is defined: the line of its name."""
        kind, name, _, origin = _identity(resource)
        traced = self.trace(resource)
        if traced and (defined := traced.definition.at("metadata", "name")):
            return self.where(defined)
        file = self._path(origin) if origin else None
        if file is None or not self._inside(file):
            return self.fallback
        # One that a generator makes is written nowhere: its origin is the kustomization that configures it.
        generator = Kustomization(file.parent, file, source_nodes).made_by_generator(kind, name)
        return self.location(file, generator or _unquoted_name(file, kind, _value(resource, ("metadata", "name"))))

    def place(self, resource: Mapping[str, Any], field: str, value: Any = None) -> Location:
        """Where a field of a rendered resource is written.

        field: its last key, at any depth. value: the scalar that it has, as rendered; None takes any. Where it is
        written twice in one file, the file; where it cannot be found, the resource's definition.
        """
        traced = self.trace(resource)
        for said in (traced.tree, *traced.written) if traced else ():
            if found := list(_fields(said, field, value)):
                files = {part.file for part in found}
                if len(found) == 1:
                    return self.where(found[0] if value is not None else replace(found[0], lines=found[0].key_lines))
                if len(files) == 1:
                    return self.location(files.pop())
        return self.definition(resource)

    def renamed(self, name: str) -> str:
        """The name that the kustomization's own prefix and suffix make of one."""
        return self.layer.renamed(name, "")[0] if self.layer else name

    def _path(self, origin: str) -> Path:
        return Path(os.path.normpath(self._folder / origin))

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """All local files, those nearest to the overlay first: its patches, itself, then what it builds on."""
        return tuple(dict.fromkeys(self._walk(self.folder, set())))

    @cached_property
    def unlisted(self) -> Mapping[str, tuple[tuple[str, str, Id], ...]]:
        """The YAML files of the folder that are the kustomization's to list, and that it names nowhere.

        By their names relative to the folder; and of each document there, its version, kind, and id. Those with aliases
        are left out: nobody has seen yet what they stand for.
        """
        folder = self.folder
        kustomization = kustomization_file(folder)
        if kustomization is None:
            return {}
        named = {file.resolve() for file in (*self.files, *named_in(kustomization))}
        return {
            file.relative_to(folder).as_posix(): tuple(map(_named, nodes))
            for file in tenant_files(folder)
            if is_yaml(file) and file.resolve() not in named and nearest_kustomization(file, folder) == kustomization
            if not any(map(has_aliases, nodes := source_nodes(file)))
        }

    def _walk(self, folder: Path, seen: set[Path]) -> Iterator[Path]:
        layer = None if folder in seen else self._tracer.layer(folder)
        if layer is None:
            return
        seen.add(folder)
        yield from filter(self._inside, layer.patch_files)
        yield layer.file
        for path in (*layer.entries, *layer.components):
            if os.path.isfile(path) and self._inside(path):
                yield path
            yield from self._walk(path, seen)

    def inline_patches(self, file: Path) -> tuple[Patch, ...]:
        """The patches that one of `files` holds as texts; none where it is no kustomization."""
        layer = self._tracer.layer(file.parent)
        return layer.inline_patches if layer and layer.file == file else ()

    def _inside(self, path: Path) -> bool:
        return not leads_outside(self._root, path)

    def location(self, file: Path, at: yaml.Node | int | None = None) -> Location:
        """A file, and a line of it, or that of a node, as a finding names them."""
        return Location(self._shown(file), line_of(at) if isinstance(at, yaml.Node) else at)

    def _shown(self, file: Path) -> str:
        if file not in self._names:
            try:
                self._names[file] = file.resolve().relative_to(self._root).as_posix()
            except ValueError:
                self._names[file] = file.name
        return self._names[file]

    def where(self, part: Part) -> Location:
        """The place of a part: of several lines the one that says it, if just one does."""
        lines = part.lines
        if len(lines) > 1 and part.text:
            content = read_regular(part.file, MAX_BYTES).decode("utf-8", "replace").split("\n")
            saying = [line for line in lines if line <= len(content) and part.text in content[line - 1]]
            lines = range(saying[0], saying[0] + 1) if len(saying) == 1 else range(0)
        return Location(self._shown(part.file), lines[0] if len(lines) == 1 else None)


@lru_cache(maxsize=2)
def _tracer(sources: Sources) -> Tracer:
    """Kept for the latest ones only, since it holds all their files' nodes."""
    return sources.new_tracer()


def _identity(resource: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Kind, name, namespace, and the origin file as kustomize says it."""
    metadata = resource.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    annotations = metadata.get("annotations")
    origin = annotations.get(ORIGIN) if isinstance(annotations, Mapping) else None
    name, namespace = str(metadata.get("name", "")), metadata.get("namespace")
    return (
        str(resource.get("kind", "")),
        name,
        namespace if isinstance(namespace, str) else "",
        origin if isinstance(origin, str) else "",
    )


def _named(node: yaml.Node) -> tuple[str, str, Id]:
    """Version, kind and id of a document, as it calls itself."""
    metadata = get(node, "metadata")
    name, namespace = text(get(metadata, "name")), text(get(metadata, "namespace"))
    return text(get(node, "apiVersion")), text(get(node, "kind")), (name, namespace or "default")


def _unquoted_name(file: Path, kind: str, name: Any) -> yaml.Node | None:
    """What kustomize made another value of than a text, so that no trace finds it: `1e3`, of which it makes 1000."""
    named = (get(node, "metadata", "name") for node in source_nodes(file) if text(get(node, "kind")) == kind)
    found = (
        []
        if isinstance(name, str)
        else [node for node in named if isinstance(node, yaml.ScalarNode) and reads_as(node, name)]
    )
    return found[0] if len(found) == 1 else None


def _value(node: Any, steps: Sequence[str | int]) -> Any:
    for step in steps:
        if isinstance(step, str):
            node = node.get(step) if isinstance(node, Mapping) else None
        else:
            node = node[step] if isinstance(node, list) and step < len(node) else None
    return node


def _has(node: Any, steps: Sequence[str | int]) -> bool:
    *parents, last = steps
    node = _value(node, parents)
    return last in node if isinstance(node, Mapping) else isinstance(node, list) and last in range(len(node))


def _fields(part: Part, field: str, value: Any) -> Iterator[Part]:
    """What stands behind this key at any depth; of scalars only those of this value."""
    for key, below in part.below():
        fits = value is None or (isinstance(below.value, yaml.ScalarNode) and reads_as(below.value, value))
        if key == field and below.sure and fits:
            yield below
