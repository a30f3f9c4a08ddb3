"""Values as people wrote them, each with its place, and what kustomize's patches make of them.

Nothing is changed in place, so that what aliases or overlays share is shared here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from secret_action.manifest.yaml_files import reads_as

Lines = Callable[[yaml.Node], range]
"""A node → the lines of the file that it may begin in: one, where that is certain."""


class UnknownError(ValueError):
    """What becomes of a value cannot be told."""


@dataclass(frozen=True, eq=False)
class Part:
    """One value: a scalar, a mapping or a list.

    lines: those that it may begin in. key_lines: the same of the key that it stands behind; empty for an item.
    sure: nothing is known that might have put another value in its place.
    """

    value: yaml.ScalarNode | dict[str, Part] | list[Part]
    file: Path
    lines: range
    key_lines: range = range(0)
    sure: bool = True

    @property
    def fields(self) -> Mapping[str, Part]:
        """Of a mapping; none of anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def text(self) -> str:
        """Of a scalar; empty for anything else."""
        return self.value.value if isinstance(self.value, yaml.ScalarNode) else ""

    @property
    def is_null(self) -> bool:
        """Nothing is there, or `null`."""
        return isinstance(self.value, yaml.ScalarNode) and self.value.tag.endswith(":null")

    def at(self, *steps: str | int) -> Part | None:
        """The part below keys and places in lists."""
        part: Part | None = self
        for step in steps:
            if part is None:
                return None
            if isinstance(step, str):
                part = part.fields.get(step)
            else:
                part = part.value[step] if isinstance(part.value, list) and step < len(part.value) else None
        return part

    def below(self) -> Iterator[tuple[str, Part]]:
        """All that stands behind keys, at any depth. What is shared comes once."""
        seen: set[int] = set()
        pending = [self]
        while pending:
            part = pending.pop()
            if id(part.value) in seen:
                continue
            seen.add(id(part.value))
            yield from part.fields.items()
            pending.extend(part.value if isinstance(part.value, list) else part.fields.values())


def part_of(node: yaml.Node, file: Path, lines: Lines) -> Part:
    """A composed node as a part: merge keys are merged, aliases are shared."""
    made: dict[int, Any] = {}

    def build(node: yaml.Node, key_lines: range = range(0)) -> Part:
        if isinstance(node, yaml.ScalarNode):
            return Part(node, file, lines(node), key_lines)
        if id(node) not in made:
            made[id(node)] = {}  # also for one that holds itself
            made[id(node)] = [*map(build, node.value)] if isinstance(node, yaml.SequenceNode) else fields(node)
        return Part(made[id(node)], file, lines(node), key_lines)

    def fields(node: yaml.Node) -> dict[str, Part]:
        found: dict[str, Part] = {}
        own = {key.value: build(below, lines(key)) for key, below in node.value if isinstance(key, yaml.ScalarNode)}
        if merging := own.pop("<<", None):
            sources = merging.value if isinstance(merging.value, list) else [merging]
            found = {key: below for source in sources[::-1] for key, below in source.fields.items()}
        return found | own

    return build(node)


def merged(old: Part | None, patch: Part) -> Part | None:
    """What a strategic-merge patch makes of a custom resource's part: lists are replaced. None: nothing is left."""
    if patch.is_null:
        return None
    if isinstance(patch.value, list):
        return replace(patch, value=[item for item in patch.value if "$patch" not in item.fields])
    if not isinstance(patch.value, dict):
        return patch
    directive = patch.value["$patch"].text if "$patch" in patch.value else ""
    if directive == "delete":
        return None
    there = old.fields if old and directive != "replace" else {}
    made = dict(there)
    for key, below in patch.value.items():
        if not key.startswith("$"):
            new = merged(there.get(key), below)
            made.pop(key, None)
            made |= {key: new} if new else {}
    return replace(old if old and there else patch, value=made)


def operated(root: Part, operation: Part) -> tuple[Part, Part | None]:
    """What a JSON6902 operation makes of a resource, and what it takes out. Raises UnknownError."""
    op, path, value = _said(operation, "op"), _pointer(operation, "path"), operation.at("value")
    if op == "test":
        return root, None
    if op == "remove":
        return _changed(root, path, None, insert=False), _found(root, path)
    if op in ("move", "copy"):
        value = _found(root, _pointer(operation, "from"))
        root = _changed(root, _pointer(operation, "from"), None, insert=False) if op == "move" else root
    if op not in ("add", "replace", "move", "copy") or value is None:
        raise UnknownError(op)
    old = _found(root, path) if op == "replace" else None
    return _changed(root, path, value, insert=op != "replace"), old


def _said(operation: Part, field: str) -> str:
    part = operation.at(field)
    return part.text if part else ""


def _pointer(operation: Part, field: str) -> list[str]:
    steps = _said(operation, field).split("/")[1:]
    if not steps:
        raise UnknownError(field)
    return [step.replace("~1", "/").replace("~0", "~") for step in steps]


def _place(items: Sequence[Part], step: str) -> int:
    place = len(items) if step == "-" else int(step) if step.isdecimal() and len(step) < 9 else -1
    if not 0 <= place <= len(items):
        raise UnknownError(step)
    return place


def _found(part: Part, steps: Sequence[str]) -> Part:
    for step in steps:
        found = part.at(_place(part.value, step)) if isinstance(part.value, list) else part.at(step)
        if found is None:
            raise UnknownError(step)
        part = found
    return part


def _changed(part: Part, steps: Sequence[str], new: Part | None, *, insert: bool) -> Part:
    """A copy with another part at that place; without one where `new` is None."""
    step, rest = steps[0], steps[1:]
    if rest:
        new = _changed(_found(part, [step]), rest, new, insert=insert)
    if isinstance(part.value, list):
        place, there = _place(part.value, step), 0 if insert and not rest else 1
        changed = [*part.value[:place], *([new] if new else []), *part.value[place + there :]]
        return replace(part, value=changed)
    if not isinstance(part.value, dict):
        raise UnknownError(step)
    return replace(
        part, value={key: old for key, old in part.value.items() if key != step} | ({step: new} if new else {})
    )


def plain(part: Part) -> Any:
    """The same without its places, each scalar as the text that it is. Not for what holds itself."""
    if isinstance(part.value, dict):
        return {key: plain(below) for key, below in part.value.items()}
    if isinstance(part.value, list):
        return [plain(item) for item in part.value]
    return None if part.is_null else part.text


def doubted(part: Part, steps: Sequence[str] = ()) -> Part:
    """The same, but not sure below these keys; below a list there are no finer steps."""
    if steps and isinstance(part.value, dict):
        below = part.value.get(steps[0])
        return replace(part, value=part.value | {steps[0]: doubted(below, steps[1:])}) if below else part
    made: dict[int, Any] = {}

    def unsure(part: Part) -> Part:
        key = id(part.value)
        if key not in made:
            made[key] = part.value  # also for one that holds itself
            if isinstance(part.value, list):
                made[key] = [unsure(item) for item in part.value]
            elif isinstance(part.value, dict):
                made[key] = {name: unsure(below) for name, below in part.value.items()}
        return replace(part, value=made[key], sure=False)

    return unsure(part)


def agrees(part: Part | None, value: Any) -> bool:
    """True where a part is surely what was rendered as this value, all the way down."""
    if part is None or not part.sure:
        return False
    if isinstance(part.value, dict):
        fields = part.value
        return (
            isinstance(value, dict)
            and fields.keys() == value.keys()
            and all(agrees(fields[key], below) for key, below in value.items())
        )
    if isinstance(part.value, list):
        items = part.value
        return isinstance(value, list) and len(items) == len(value) and all(map(agrees, items, value))
    return part.is_null if value is None else not isinstance(value, dict | list) and reads_as(part.value, value)
