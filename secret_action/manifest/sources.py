"""From a rendered key back to the file and line where a person wrote it.

The render is the truth; the sources are only searched for the place. Where the place is not certain, the overlay's
kustomization file is named without a line: never a wrong line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import yaml

from secret_action.manifest.kustomize import kustomization_file
from secret_action.manifest.yaml_files import compose_documents, get, items, line_of, scalars, source_nodes, text
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
        return self._location(kustomization_file(self._folder) or self._folder)

    def locate(self, origin: str, name: str, secret_key: str, path: str) -> Location:
        """Where a rendered key is written.

        origin: the resource's origin file, relative to the folder. name: the ExternalSecret as rendered.
        path: the parameter's path; empty asks for the ExternalSecret itself.
        """
        origin_file = Path(os.path.normpath(self._folder / origin)) if origin else None
        names = {name, *self._names_in(origin_file)} if origin_file else {name}
        if not path:
            return self._definition(origin_file, names) or self.fallback
        for file in self.files:
            places = self._entries(file, names, secret_key, path)
            if not places:
                places = [
                    node
                    for document in _documents(file)
                    if not isinstance(get(document, "kind"), yaml.ScalarNode) or _is_patch_like(document)
                    for node in scalars(document)
                    if node.value == path
                ]
            if len(places) == 1:
                return self._location(file, places[0])
            if places:
                return self._location(file)
        return self.fallback

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

    def _names_in(self, file: Path) -> set[str]:
        """Names of the ExternalSecrets in the origin file: a prefix may have changed the rendered one."""
        found = [document for document in source_nodes(file) if text(get(document, "kind")) == "ExternalSecret"]
        return {text(get(document, "metadata", "name")) for document in found} if len(found) == 1 else set()

    def _definition(self, file: Path | None, names: set[str]) -> Location | None:
        for document in source_nodes(file) if file and self._inside(file) else ():
            name = get(document, "metadata", "name")
            if text(get(document, "kind")) == "ExternalSecret" and text(name) in names and name is not None:
                return self._location(file, name) if file else None
        return None

    def _entries(self, file: Path, names: set[str], secret_key: str, path: str) -> list[yaml.Node]:
        """The key nodes of entries with this path in ExternalSecrets (whole ones or patches) of these names."""
        found = []
        for document in _documents(file):
            if text(get(document, "kind")) != "ExternalSecret" or text(get(document, "metadata", "name")) not in names:
                continue
            for entry in items(get(document, "spec", "data")) + items(get(document, "spec", "dataFrom")):
                key = get(entry, "remoteRef", "key") or get(entry, "extract", "key")
                if key is not None and text(key) == path and text(get(entry, "secretKey")) == secret_key:
                    found.append(key)
        return found

    def _location(self, file: Path, node: yaml.Node | None = None) -> Location:
        try:
            shown = file.resolve().relative_to(self._root).as_posix()
        except ValueError:
            shown = file.name
        return Location(shown, line_of(node) if node is not None else None)


def _documents(file: Path) -> Iterator[yaml.Node]:
    """The documents of a source file, and those of the patches that a kustomization holds as texts."""
    for document in source_nodes(file):
        yield document
        inline = [get(entry, "patch") for field in _PATCHES for entry in items(get(document, field))]
        inline += [entry for field in _PLAIN_PATCHES for entry in items(get(document, field))]
        for node in inline:
            if isinstance(node, yaml.ScalarNode) and node.style == "|":
                # A literal block begins on the line after its mark; any other style moves lines.
                yield from compose_documents("\n" * line_of(node) + node.value)


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
