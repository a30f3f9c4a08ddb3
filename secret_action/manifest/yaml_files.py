"""YAML as kustomize writes it, and the places of things in YAML as people write it.

Rendered documents are loaded; source files are only composed (parsed to nodes with positions), never constructed,
since they hold patches and odd scalars that only kustomize understands.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as _SafeLoader
except ImportError:  # PyYAML without its C part: slower, the same result
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]


class _Loader(_SafeLoader):
    """SafeLoader that leaves dates and a bare `=` as the texts they are."""


# Copied before it is changed: the resolvers are a class attribute that all loaders share.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":value"))]
    for first, resolvers in _SafeLoader.yaml_implicit_resolvers.items()
}


def load_documents(text: str) -> list[Any]:
    """All documents of a YAML text as plain values, without the empty ones. Raises yaml.YAMLError."""
    # CSafeLoader is a loader class as good as SafeLoader: no arbitrary objects are made.
    return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]


def compose_documents(text: str) -> list[yaml.Node]:
    """All documents of a YAML text as nodes with positions; an empty list where it does not parse."""
    try:
        return [node for node in yaml.compose_all(text.removeprefix("\ufeff"), Loader=_Loader) if node is not None]
    except (yaml.YAMLError, ValueError):
        return []


@functools.lru_cache(maxsize=4096)
def source_nodes(path: Path) -> tuple[yaml.Node, ...]:
    """The documents of a source file as nodes; nothing where it cannot be read as text or YAML."""
    try:
        return tuple(compose_documents(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return ()


def line_of(node: yaml.Node) -> int:
    """The node's line, from 1."""
    return int(node.start_mark.line) + 1


def get(node: yaml.Node | None, *keys: str) -> yaml.Node | None:
    """The node at a path of mapping keys, or None."""
    for key in keys:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for name, value in node.value if name.value == key), None)
    return node


def text(node: yaml.Node | None) -> str:
    """A scalar's text; empty for anything else."""
    return node.value if isinstance(node, yaml.ScalarNode) else ""


def items(node: yaml.Node | None) -> list[yaml.Node]:
    """A sequence's entries; none for anything else."""
    return node.value if isinstance(node, yaml.SequenceNode) else []


def scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """All scalars below a node, in the order of the text. Aliased parts come once."""
    seen: set[int] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, yaml.ScalarNode):
            yield current
        elif isinstance(current, yaml.SequenceNode):
            pending.extend(reversed(current.value))
        elif isinstance(current, yaml.MappingNode):
            pending.extend(part for pair in reversed(current.value) for part in reversed(pair))


def where_it_fails(error: yaml.YAMLError) -> int | None:
    """The line of a YAML error, from 1, where the parser knows it."""
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else None


def in_one_line(error: yaml.YAMLError) -> str:
    """A YAML error without the excerpt of the file, which might hold a value."""
    problem = getattr(error, "problem", None) or type(error).__name__
    return re.sub(r"\s+", " ", str(problem))
