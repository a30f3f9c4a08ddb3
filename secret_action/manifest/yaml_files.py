"""YAML as kustomize writes it, and the places of things in YAML as people write it.

Rendered documents are loaded; source files are only composed (parsed to nodes with positions), never constructed,
since they hold patches and odd scalars that only kustomize understands. Whoever writes a tenant may write any YAML:
what would end the process or keep it busy is refused before a tree is made of it.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as _SafeLoader
except ImportError:  # PyYAML without its C part: slower, the same result
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]


MAX_PARTS = 150_000
"""The most that is parsed of one text: some 50 MiB of nodes."""

MAX_BYTES = 1024 * 1024
"""Of a file that is read."""
_MAX_DEPTH = 100
# What no deep text is without: each block in a block begins in a later column, of which its line has only these
# before it, or it is a list in a mapping (so two to a column); each flow in a flow has its bracket.
_INDENTED = re.compile(rf"[ \t?:-]{{{_MAX_DEPTH // 2 - 10}}}")
_BRACKETS = 20
_MOST_COUNTED = 10**9


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
    refuse_traps(text, aliases=aliases)
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


class _Cache:
    """Source files that were composed, the latest of them: as many as hold MAX_PARTS altogether."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[tuple[object, ...], tuple[int, tuple[yaml.Node, ...]]] = OrderedDict()
        self._parts = 0

    def nodes(self, path: Path) -> tuple[yaml.Node, ...]:
        """Those of a file. Raises OSError, ValueError or yaml.YAMLError."""
        status = os.stat(path)
        key = (str(path), status.st_mtime_ns, status.st_size)
        with self._lock:
            if key in self._files:
                self._files.move_to_end(key)
                return self._files[key][1]
        text = _read(path)
        nodes, parts = tuple(_compose(text)), parts_of(text)
        with self._lock:
            if key not in self._files:
                self._files[key] = parts, nodes
                self._parts += parts
            while self._parts > MAX_PARTS:
                self._parts -= self._files.popitem(last=False)[1][0]
        return nodes


_cache = _Cache()


def source_nodes(path: Path) -> tuple[yaml.Node, ...]:
    """The documents of a source file as nodes; nothing where it cannot be read as text or YAML, or is over 1 MiB."""
    try:
        return _cache.nodes(path)
    except (OSError, ValueError, yaml.YAMLError):
        return ()


def why_unreadable(path: Path) -> str:
    """Why `source_nodes` has nothing of a file; empty where it could be read, and there is just nothing in it."""
    try:
        _compose(_read(path))
    except yaml.YAMLError as error:
        return f"as YAML it is not read here: {in_one_line(error)}"
    except (OSError, ValueError):
        return "it is not UTF-8 text of at most 1 MiB"
    return ""


def parts_of(text: str) -> int:
    """At least as many as the text has nodes; counted, not parsed, since that takes no time."""
    return 2 + sum(map(text.count, "\n\r,:-?[{"))


def expanded_parts(text: str) -> int:
    """How many nodes a text would be if each alias were a copy: a few lines of aliases can stand for billions.

    One billion at most is counted. Raises yaml.YAMLError.
    """
    anchored: dict[str, int] = {}
    counted: list[tuple[str | None, int]] = [(None, 0)]  # of what is open, with its anchor
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            counted.append((event.anchor, 1))
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, parts = counted.pop()
        elif isinstance(event, yaml.AliasEvent):
            anchor, parts = None, anchored.get(event.anchor or "", 1)  # 1 for one that holds itself
        elif isinstance(event, yaml.ScalarEvent):
            anchor, parts = event.anchor, 1
        else:
            continue
        if anchor:
            anchored[anchor] = parts
        around, before = counted[-1]
        counted[-1] = around, min(before + parts, _MOST_COUNTED)
    return counted[0][1]


def leads_outside(root: Path, path: Path) -> bool:
    """Whether a path is, or lies behind, a link that leads out of the folder `root`."""
    # Not `Path.resolve`, which raises for links in a circle.
    top, real = os.path.realpath(root), os.path.realpath(path)
    return real != top and not real.startswith(os.path.join(top, ""))


def read_regular(path: Path, limit: int) -> bytes:
    """The content of a file, `limit` bytes at most. Raises OSError, also where it is a device or a pipe."""
    # Not blocking: a pipe is opened at once, even if nobody writes into it.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("no regular file")
        return file.read(limit)


def _read(path: Path) -> str:
    content = read_regular(path, MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError("larger than 1 MiB")
    return content.decode("utf-8")


def _compose(text: str) -> list[yaml.Node]:
    text = text.removeprefix("\ufeff")
    refuse_traps(text)
    return [node for node in yaml.compose_all(text, Loader=_Loader) if node is not None]


def refuse_traps(text: str, *, aliases: bool = True) -> None:
    """Raises yaml.YAMLError for a text that is nested too deeply or holds too much; aliases: False refuses them too.

    Composing calls itself for each level, in C without a limit: a deep nesting would end the process. A text that is
    plainly flat is not parsed here, any other one must parse.
    """
    flat = text.count("[") + text.count("{") <= _BRACKETS and not _INDENTED.search(text)
    if flat and parts_of(text) <= MAX_PARTS and (aliases or "*" not in text):
        return  # most texts: neither deep nor large, which shows without parsing them twice
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if number > MAX_PARTS:
            raise _refusal(f"it holds more than {MAX_PARTS:,} values", event)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _refusal(f"it is nested deeper than {_MAX_DEPTH} levels", event)
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


def has_aliases(node: yaml.Node) -> bool:
    """Whether a part of it stands in several places."""
    seen: set[int] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if id(current) in seen:
            return True
        seen.add(id(current))
        if isinstance(current, yaml.SequenceNode):
            pending.extend(current.value)
        elif isinstance(current, yaml.MappingNode):
            pending.extend(part for pair in current.value for part in pair)
    return False


def pairs_below(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """All pairs of key and value below a node. Aliased parts come once."""
    seen: set[int] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, yaml.SequenceNode):
            pending.extend(reversed(current.value))
        elif isinstance(current, yaml.MappingNode):
            yield from current.value
            pending.extend(value for _, value in reversed(current.value))


def reads_as(node: yaml.ScalarNode, value: Any) -> bool:
    """True where kustomize makes this value of the scalar: of `007` the number 7, of `1.10` 1.1, of `1e3` 1000."""
    if isinstance(value, str) or node.style:
        return bool(node.value == value)
    if isinstance(value, bool):
        return str(node.value).lower() == str(value).lower()
    for convert in (float, lambda digits: int(digits, 8), lambda digits: int(digits, 0)):
        try:
            if convert(node.value) == value:
                return True
        except (ValueError, OverflowError):
            continue
    return False


def where_it_fails(error: yaml.YAMLError) -> int | None:
    """The line of a YAML error, from 1, where the parser knows it."""
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else None


def in_one_line(error: yaml.YAMLError) -> str:
    """A YAML error without the excerpt of the file, which might hold a value."""
    problem = getattr(error, "problem", None) or type(error).__name__
    return re.sub(r"\s+", " ", str(problem))
