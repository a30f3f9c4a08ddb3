"""One kustomization: what it builds on, and what it changes of that, in the order in which kustomize does.

It is read, never rendered; what cannot be told from reading alone is said to be unknown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from secret_action.manifest.parts import Part, part_of
from secret_action.manifest.yaml_files import compose_documents, get, items, line_of, text

Nodes = Callable[[Path], Sequence[yaml.Node]]
"""A file → its documents; none where it cannot be read."""

Id = tuple[str, str]
"""Name and namespace of a resource."""


@dataclass(frozen=True)
class Patch:
    """A document that patches.

    file: where it is written; document: its number there, or in the text `inline` of the kustomization. listed_in: that
    kustomization's folder, normalised. target: what the kustomization says of the resources that it is for; without, it
    names its own.
    """

    file: Path
    document: int
    node: yaml.Node
    listed_in: Path
    target: yaml.Node | None = None
    inline: yaml.ScalarNode | None = None

    @property
    def names(self) -> tuple[str, Id]:
        """Kind and id of the one resource that it is for, as far as it says so plainly."""
        name, namespace = self.target, get(self.target, "namespace")
        if self.target is None:
            name, namespace = get(self.node, "metadata"), get(self.node, "metadata", "namespace")
        kind = get(self.node, "kind") if self.target is None else get(self.target, "kind")
        return text(kind), (text(get(name, "name")), text(namespace))

    @property
    def is_merge(self) -> bool:
        """A strategic-merge patch, and no list of JSON6902 operations."""
        return isinstance(self.node, yaml.MappingNode)

    def part(self) -> Part:
        """What it says, with its places."""
        return part_of(self.node, self.file, self.lines)

    def lines(self, node: yaml.Node) -> range:
        """The lines of the file that a node of it may begin in: one, where that is certain."""
        if self.inline is None:
            return _one(line_of(node))
        if self.inline.style == "|":  # its text begins on the line after its mark
            return _one(line_of(self.inline) + line_of(node))
        # Any other style moves lines.
        return range(line_of(self.inline), self.inline.end_mark.line + 2)


def _one(line: int) -> range:
    return range(line, line + 1)


class Kustomization:
    """One kustomization. folder: normalised; nodes: reads its files.

    Its `node` is what stands in it, where that can be read.
    """

    def __init__(self, folder: Path, file: Path, nodes: Nodes) -> None:
        self.file = file
        self._folder = folder
        self._nodes = nodes
        self.node = next(iter(nodes(file)), None)

    @cached_property
    def entries(self) -> Mapping[Path, None]:
        """The files and folders that it lists as resources, in order."""
        return dict.fromkeys(self._paths("resources", "bases"))

    @cached_property
    def components(self) -> tuple[Path, ...]:
        """The folders of its components."""
        return tuple(self._paths("components"))

    @cached_property
    def patch_files(self) -> tuple[Path, ...]:
        """The files that it lists as patches."""
        return tuple(
            path for _, entry in self._patch_entries() if (path := self._path(_path_of(entry))) and os.path.isfile(path)
        )

    @cached_property
    def real_files(self) -> frozenset[str]:
        """What it is made of itself, behind all links."""
        return frozenset(map(os.path.realpath, (self.file, *self.patch_files)))

    @cached_property
    def patches(self) -> tuple[Patch, ...]:
        """Those that are made before names change, the last one has the last word."""
        return tuple(self._patches("patchesStrategicMerge", "patches"))

    @cached_property
    def late_patches(self) -> tuple[Patch, ...]:
        """Those that are made when names and labels have been changed."""
        return tuple(self._patches("patchesJson6902"))

    @property
    def inline_patches(self) -> tuple[Patch, ...]:
        """Those that stand in it as texts."""
        return tuple(patch for patch in (*self.patches, *self.late_patches) if patch.inline is not None)

    def patches_of(self, kind: str, ids: Sequence[Id], *, late: bool) -> Iterator[tuple[Patch, bool | None]]:
        """The patches that may be for a resource, in order, and whether they are; None where that is not known.

        ids: all that it has had.
        """
        patches, named, targeted = self._late if late else self._early
        spaces = {(kind, name, _space(namespace)) for name, namespace in ids}
        for place in sorted({*targeted, *(place for key in spaces for place in named.get(key, ()))}):
            patch = patches[place]
            fits = _selects(patch.target, kind, ids) if patch.target is not None else True
            if fits is not False:
                yield patch, fits

    @cached_property
    def _early(self) -> _Index:
        return _indexed(self.patches)

    @cached_property
    def _late(self) -> _Index:
        return _indexed(self.late_patches)

    def renamed(self, name: str, namespace: str) -> Id:
        """Name and namespace behind its prefix, suffix and namespace."""
        prefix, suffix, space = (text(get(self.node, field)) for field in ("namePrefix", "nameSuffix", "namespace"))
        return prefix + name + suffix, space or namespace

    @cached_property
    def metadata(self) -> tuple[Part, ...]:
        """What it puts into the metadata of all resources, as parts of such ones."""
        labels = [get(entry, "pairs") for entry in items(get(self.node, "labels"))]
        labels.append(get(self.node, "commonLabels"))
        annotations = [get(self.node, "commonAnnotations")]
        return tuple(
            Part({"metadata": Part({field: part}, self.file, part.lines)}, self.file, part.lines)
            for field, nodes in (("labels", labels), ("annotations", annotations))
            for node in nodes
            if isinstance(node, yaml.MappingNode)
            for part in [part_of(node, self.file, lambda node: _one(line_of(node)))]
        )

    def doubts(self, kind: str, ids: Sequence[Id]) -> Iterator[tuple[str, ...]]:
        """The fields of a resource, as keys from its root, that it may write in ways which are not followed here."""
        if items(get(self.node, "transformers")) or get(self.node, "openapi") is not None:
            yield ()
        for replacement in self._replacements():
            for target in items(get(replacement, "targets")):
                if _selects(get(target, "select"), kind, ids) is not False:
                    yield from (_fixed_keys(text(path)) for path in items(get(target, "fieldPaths")))

    def made_by_generator(self, kind: str, name: str) -> yaml.Node | None:
        """The name of the generator that makes a resource, whose name may have a prefix and a hash behind it."""
        field = {"Secret": "secretGenerator", "ConfigMap": "configMapGenerator"}.get(kind, "")
        names = [get(entry, "name") for entry in items(get(self.node, field))]
        found = [node for node in names if text(node) and text(node) in name]
        return found[0] if len(found) == 1 else None

    def _replacements(self) -> Iterator[yaml.Node]:
        for entry in items(get(self.node, "replacements")):
            path = self._path(text(get(entry, "path")))
            for node in self._nodes(path) if path else [entry]:
                yield from items(node) or [node]

    def _paths(self, *fields: str) -> Iterator[Path]:
        for field in fields:
            for entry in items(get(self.node, field)):
                if path := self._path(text(entry)):
                    yield path

    def _path(self, name: str) -> Path | None:
        return Path(os.path.normpath(self._folder / name)) if name and "\n" not in name and "\0" not in name else None

    def _patch_entries(self) -> Iterator[tuple[str, yaml.Node]]:
        for field in ("patchesStrategicMerge", "patches", "patchesJson6902"):
            yield from ((field, entry) for entry in items(get(self.node, field)))

    def _patches(self, *fields: str) -> Iterator[Patch]:
        for field, entry in self._patch_entries():
            if field in fields:
                target = get(entry, "target")
                path = self._path(_path_of(entry))
                inline = None if path else (entry if isinstance(entry, yaml.ScalarNode) else get(entry, "patch"))
                if path:
                    for index, node in enumerate(self._nodes(path)):
                        yield Patch(path, index, node, self._folder, target)
                elif isinstance(inline, yaml.ScalarNode):
                    for index, node in enumerate(compose_documents(inline.value)):
                        yield Patch(self.file, index, node, self._folder, target, inline)


def _path_of(entry: yaml.Node) -> str:
    name = text(entry) or text(get(entry, "path"))
    return "" if "\n" in name or name.startswith("{") else name


_Index = tuple[Sequence[Patch], dict[tuple[str, str, str], list[int]], list[int]]


def _indexed(patches: Sequence[Patch]) -> _Index:
    """Patches, where those that name one resource are among them, by its kind and id, and the places of all others."""
    named: dict[tuple[str, str, str], list[int]] = {}
    targeted = []
    for place, patch in enumerate(patches):
        if patch.target is not None:
            targeted.append(place)
        else:
            kind, (name, namespace) = patch.names
            named.setdefault((kind, name, _space(namespace)), []).append(place)
    return patches, named, targeted


def _space(namespace: str) -> str:
    return namespace or "default"


_PLAIN = re.compile(r"(?:[A-Za-z0-9|_-]|\\?\.(?!\*)|\.\*(?!.*\.\*.*\.\*))*")
_MOST_TRIED = 600
"""The patterns that are tried here, and how long they and the texts may be: nothing keeps them busy."""


def _selects(target: yaml.Node | None, kind: str, ids: Sequence[Id]) -> bool | None:
    """Whether a selector takes a resource; None where that is not known."""
    names, namespaces = zip(*ids, strict=True)
    certain = True
    for field, texts in (("kind", [kind]), ("name", names), ("namespace", [*namespaces, *map(_space, namespaces)])):
        pattern = text(get(target, field))
        if not pattern or pattern in texts:
            continue
        if len(pattern) + max(map(len, texts)) > _MOST_TRIED or not _PLAIN.fullmatch(pattern):
            certain = False
        elif not any(re.fullmatch(pattern, each) for each in texts):
            return False
    # These say no more where the kind is named.
    others = ("labelSelector", "annotationSelector") + (() if text(get(target, "kind")) else ("group", "version"))
    return True if certain and not any(text(get(target, field)) for field in others) else None


def _fixed_keys(path: str) -> tuple[str, ...]:
    """The first keys of a field path, as far as they are plain ones."""
    found = []
    for step in path.split("."):
        if not re.fullmatch(r"[A-Za-z][\w-]*", step):
            break
        found.append(step)
    return tuple(found)
