"""From a rendered key back to the file and line where a person wrote it.

The render is the truth; the sources are only searched for the place. Where the place is not certain, the overlay's
kustomization file is named without a line: never a wrong line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from secret_action.manifest.external_secrets import KEY_FIELDS
from secret_action.manifest.kustomize import ORIGIN, kustomization_file
from secret_action.manifest.yaml_files import (
    compose_documents,
    get,
    items,
    line_of,
    reads_as,
    scalars,
    source_nodes,
    text,
)
from secret_action.model import Location

# Where a kustomization names other files, and how.
_FOLDERS_OR_FILES = ("resources", "bases", "components")
_PLAIN_PATCHES = ("patchesStrategicMerge",)
_PATCHES = ("patches", "patchesJson6902")


class Sources:
    """The files that one kustomization is made of.

    root: the repository. folder: the kustomization's folder, absolute. Files outside of the root are not read.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root.resolve()
        self._folder = folder

    @property
    def fallback(self) -> Location:
        """The place where no better one is known."""
        return self.location(kustomization_file(self._folder) or self._folder)

    def locate(self, origin: str, name: str, secret_key: str, path: str) -> Location:
        """Where a rendered key is written.

        origin: the resource's origin file, relative to the folder. name: the ExternalSecret as rendered.
        path: the parameter's path; empty for an entry without one, and with no secretKey either for the
        ExternalSecret itself.
        """
        origin_file = self._origin_file(origin)
        names = self._names("ExternalSecret", name, origin_file)
        for file in self.files:
            places = self._entries(file, names, secret_key, path) if path or secret_key else []
            if path and not places:
                places = [
                    node
                    for document in documents(file)
                    if not isinstance(get(document, "kind"), yaml.ScalarNode) or _is_patch_like(document)
                    for node in scalars(document)
                    if node.value == path
                ]
            if len(places) == 1:
                return self.location(file, places[0])
            if places:
                return self.location(file)
        return (None if path else self._definition(origin_file, "ExternalSecret", names)) or self.fallback

    def definition(self, resource: Mapping[str, Any]) -> Location:
        """Where a rendered resource is defined: the line of its name."""
        kind, name, origin_file = _identity(resource, self._origin_file)
        names = self._names(kind, name, origin_file)
        # One that a generator makes is written nowhere: its origin is the kustomization that configures it.
        return self._definition(origin_file, kind, names) or (
            self.location(origin_file) if origin_file and self._inside(origin_file) else self.fallback
        )

    def place(self, resource: Mapping[str, Any], field: str, value: Any = None) -> Location:
        """Where a field of a rendered resource is written, the patches of the overlay first.

        field: its last key, at any depth. value: the scalar that it has, as rendered; None takes any. Where it is
        written twice in one file, the file; where it cannot be found, the resource's definition.
        """
        kind, name, origin_file = _identity(resource, self._origin_file)
        names = self._names(kind, name, origin_file)
        for file in self.files:
            places = [
                node
                for document in documents(file)
                if text(get(document, "kind")) == kind and text(get(document, "metadata", "name")) in names
                for node in _fields(document, field, value)
            ]
            if places:
                return self.location(file, places[0] if len(places) == 1 else None)
        return self.definition(resource)

    def renamed(self, name: str) -> str:
        """The name that the kustomization's own prefix and suffix make of one."""
        file = kustomization_file(self._folder)
        node = next(iter(source_nodes(file)), None) if file else None
        return text(get(node, "namePrefix")) + name + text(get(node, "nameSuffix"))

    def _origin_file(self, origin: str) -> Path | None:
        return Path(os.path.normpath(self._folder / origin)) if origin else None

    def _names(self, kind: str, name: str, file: Path | None) -> set[str]:
        """The rendered name and, where the origin file leaves no doubt, the one before a prefix changed it."""
        return {name, *self._names_in(file, kind)} if file else {name}

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """All local files, those nearest to the overlay first: its patches, itself, then what it builds on."""
        return tuple(dict.fromkeys(self._walk(self._folder, set())))

    def _walk(self, folder: Path, seen: set[Path]) -> Iterator[Path]:
        folder = Path(os.path.normpath(folder))
        file = kustomization_file(folder)
        if folder in seen or file is None or not self._inside(folder):
            return
        seen.add(folder)
        node = next(iter(source_nodes(file)), None)
        for field in _PATCHES:
            for entry in items(get(node, field)):
                yield from self._local(folder, text(get(entry, "path")))
        for field in _PLAIN_PATCHES:
            for entry in items(get(node, field)):
                yield from self._local(folder, text(entry))
        yield file
        for field in _FOLDERS_OR_FILES:
            for entry in items(get(node, field)):
                yield from self._local(folder, text(entry))
                yield from self._walk(folder / text(entry), seen)

    def _local(self, folder: Path, name: str) -> Iterator[Path]:
        if name and "\n" not in name:
            path = Path(os.path.normpath(folder / name))
            if os.path.isfile(path) and self._inside(path):
                yield path

    def _inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._root)

    def _names_in(self, file: Path, kind: str) -> set[str]:
        found = [document for document in source_nodes(file) if text(get(document, "kind")) == kind]
        return {text(get(document, "metadata", "name")) for document in found} if len(found) == 1 else set()

    def _definition(self, file: Path | None, kind: str, names: set[str]) -> Location | None:
        for document in source_nodes(file) if file and self._inside(file) else ():
            name = get(document, "metadata", "name")
            if text(get(document, "kind")) == kind and text(name) in names and name is not None:
                return self.location(file, name) if file else None
        return None

    def _entries(self, file: Path, names: set[str], secret_key: str, path: str) -> list[yaml.Node]:
        """The key nodes of entries with this path in ExternalSecrets (whole ones or patches) of these names.

        Of an entry that has none, its secretKey.
        """
        found = []
        for document in documents(file):
            if text(get(document, "kind")) != "ExternalSecret" or text(get(document, "metadata", "name")) not in names:
                continue
            for entry in items(get(document, "spec", "data")) + items(get(document, "spec", "dataFrom")):
                places = (get(entry, *fields) for fields in KEY_FIELDS)
                key = next((place for place in places if place is not None), None)
                shown = "" if key is None or key.tag == "tag:yaml.org,2002:null" else text(key)
                node = key or get(entry, "secretKey")
                if node is not None and shown == path and text(get(entry, "secretKey")) == secret_key:
                    found.append(node)
        return found

    def location(self, file: Path, node: yaml.Node | None = None) -> Location:
        """A file, and the line of a node of it, as a finding names them."""
        try:
            shown = file.resolve().relative_to(self._root).as_posix()
        except ValueError:
            shown = file.name
        return Location(shown, line_of(node) if node is not None else None)


def documents(file: Path) -> Iterator[yaml.Node]:
    """The documents of a source file, and those of the patches that a kustomization holds as texts."""
    for document in source_nodes(file):
        yield document
        inline = [get(entry, "patch") for field in _PATCHES for entry in items(get(document, field))]
        inline += [entry for field in _PLAIN_PATCHES for entry in items(get(document, field))]
        for node in inline:
            if isinstance(node, yaml.ScalarNode) and node.style == "|":
                # A literal block begins on the line after its mark; any other style moves lines.
                yield from compose_documents("\n" * line_of(node) + node.value)


def _identity(resource: Mapping[str, Any], origin_file: Callable[[str], Path | None]) -> tuple[str, str, Path | None]:
    metadata = resource.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    annotations = metadata.get("annotations")
    origin = annotations.get(ORIGIN) if isinstance(annotations, Mapping) else None
    return (
        str(resource.get("kind", "")),
        str(metadata.get("name", "")),
        origin_file(origin) if isinstance(origin, str) else None,
    )


def _fields(document: yaml.Node, field: str, value: Any) -> Iterator[yaml.Node]:
    """The scalars of this value under this key, at any depth; the keys themselves where any value will do."""
    seen: set[int] = set()
    pending = [document]
    while pending:
        node = pending.pop()
        if id(node) in seen:  # aliases
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            for key, below in node.value:
                pending.append(below)
                if text(key) != field:
                    continue
                if value is None:
                    yield key
                elif isinstance(below, yaml.ScalarNode) and reads_as(below, value):
                    yield below


def _is_patch_like(document: yaml.Node) -> bool:
    """A kustomization (it may hold inline patches and vars) is searched as a whole; other kinds are not."""
    return text(get(document, "kind")) in ("", "Kustomization", "Component")


def files_below(root: Path, names: Sequence[str]) -> Iterator[Path]:
    """Folders below `root`, at most three levels deep, that hold a file of one of these names. No links followed."""
    for current, folders, files in os.walk(root):
        depth = len(Path(current).relative_to(root).parts)
        folders[:] = [] if depth >= 3 else sorted(folder for folder in folders if not folder.startswith("."))
        if any(name in files for name in names):
            yield Path(current)
