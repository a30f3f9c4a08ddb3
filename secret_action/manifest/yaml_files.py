"""YAML as kustomize writes it, and the places of things in YAML as people write it.

Rendered documents are loaded; source files are only composed (parsed to nodes with positions), never constructed,
since they hold patches and odd scalars that only kustomize understands. Whoever writes a tenant may write any YAML:
what would end the process or keep it busy is refused before a tree is made of it.
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


_MAX_BYTES = 1024 * 1024
_MAX_DEPTH = 100


class _Loader(_SafeLoader):
    """SafeLoader that leaves dates and a bare `=` as the texts they are, and refuses a number too long to be shown."""

    def _shown_int(self, node: yaml.ScalarNode) -> int:
        value = int(self.construct_yaml_int(node))
        str(value)  # ValueError for one of thousands of digits, which only a decimal one has been asked for by now
        return value


# Copied before it is changed: the resolvers are a class attribute that all loaders share.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":value"))]
    for first, resolvers in _SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader._shown_int)


def load_documents(text: str, *, aliases: bool = True) -> list[Any]:
    """All documents of a YAML text as plain values, without the empty ones.

    aliases: False refuses them, so that the values are no larger than the text. Raises yaml.YAMLError.
    """
    _refuse_traps(text, aliases)
    try:
        # CSafeLoader is a loader class as good as SafeLoader: no arbitrary objects are made.
        return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except yaml.YAMLError:
        raise
    except Exception:  # `!!int abc`, `!!bool abc`, …: whatever the conversion of the scalar raises
        problem = "a value is not of the type that its tag or its look says"
        raise yaml.constructor.ConstructorError(None, None, problem, None) from None


def compose_documents(text: str) -> list[yaml.Node]:
    """All documents of a YAML text as nodes with positions; an empty list where it does not parse."""
    try:
        return _compose(text)
    except (yaml.YAMLError, ValueError):
        return []


@functools.lru_cache(maxsize=4096)
def source_nodes(path: Path) -> tuple[yaml.Node, ...]:
    """The documents of a source file as nodes; nothing where it cannot be read as text or YAML, or is over 1 MiB."""
    try:
        return tuple(_compose(_read(path)))
    except (OSError, ValueError, yaml.YAMLError):
        return ()


def why_unreadable(path: Path) -> str:
    """Why `source_nodes` has nothing of a file; empty where it could be read, and there is just nothing in it."""
    try:
        _compose(_read(path))
    except yaml.YAMLError as error:
        return f"it is not YAML: {in_one_line(error)}"
    except (OSError, ValueError):
        return "it is not UTF-8 text of at most 1 MiB"
    return ""


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError("larger than 1 MiB")
    return content.decode("utf-8")


def _compose(text: str) -> list[yaml.Node]:
    text = text.removeprefix("\ufeff")
    _refuse_traps(text, aliases=True)
    return [node for node in yaml.compose_all(text, Loader=_Loader) if node is not None]


def _refuse_traps(text: str, aliases: bool) -> None:
    """Composing calls itself for each level, in C without a limit: a deep nesting would end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                problem = f"it is nested deeper than {_MAX_DEPTH} levels"
                raise _refusal(problem, event)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent) and not aliases:
            raise _refusal("aliases are not read here", event)


def _refusal(problem: str, event: yaml.Event) -> yaml.YAMLError:
    mark: Any = event.start_mark
    return yaml.composer.ComposerError(None, None, problem, mark)


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
