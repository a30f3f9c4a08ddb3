"""The changes that one edit makes in a text: where the part is that it is about, and what to write there.

The outcome is not checked: `yaml_edit` does that. What cannot be found or written safely raises EditError.
"""

from __future__ import annotations

import json
import re
from typing import Any

from secret_action.manifest.yaml_style import as_json, block, column, indented, inline, style_of
from secret_action.manifest.yaml_tree import Node

Path = tuple[str | int, ...]
"""The keys and places in lists that lead to a part of a document."""


class EditError(ValueError):
    """A change that cannot be made safely. The text says why, for a person."""


class Editor:
    """Collects changes of one document of a text: `result` makes them."""

    def __init__(self, text: str, roots: list[Node], document: int) -> None:
        self._text = text
        self.root = roots[document]
        self._style = style_of(text, roots)
        self._newline = newline_of(text)
        self._is_json = _is_json(text[self.root.opens : self.root.end])
        self._changes: list[tuple[int, int, str]] = []

    def result(self) -> str:
        """The changed text."""
        text = self._text
        for start, end, new in sorted(self._changes, key=lambda change: change[0])[::-1]:  # from behind
            text = text[:start] + new + text[end:]
        return text

    # --- finding the place ---

    def walk(self, path: Path) -> tuple[Node, Path]:
        """The collection that the path's last step belongs to, or the deepest there is, and the rest of the path."""
        node = self.root
        for at, step in enumerate(path):
            if node.kind not in ("mapping", "sequence"):
                raise EditError(f"`{shown(path[:at])}` is {kind_of(node)} and holds nothing.")
            place = self.index(node, step)
            if at == len(path) - 1 or place is None or node.parts[place].is_null:
                return node, path[at:]
            node = node.parts[place]
        raise AssertionError("an empty path has no parent")

    def index(self, node: Node, step: str | int) -> int | None:
        """Where a step is among the node's parts; None for a key that is not there yet."""
        if isinstance(step, int):
            if node.kind != "sequence" or not 0 <= step < len(node.parts):
                raise EditError(f"There is no item {step + 1} in {kind_of(node)}.")
            return step
        if node.kind != "mapping":
            raise EditError(f"{kind_of(node).capitalize()} has no key `{step}`.")
        found = node.find(step)
        if len(found) > 1:
            raise EditError(f"The key `{step}` is written twice.")
        if not found and node.find("<<"):
            raise EditError(f"`{step}` may come from a merge key (`<<`).")
        return found[0] if found else None

    # --- the kinds of change ---

    def add(self, parent: Node, rest: Path, value: Any) -> None:
        """Adds a key, with the mappings that are missing on the way to it."""
        if not all(isinstance(step, str) for step in rest[1:]):
            raise EditError("A list that is missing has no items.")
        for step in reversed(rest[1:]):
            value = {step: value}
        at = self.index(parent, rest[0])
        if at is not None:  # there, and empty
            self.replace(parent, at, value)
        elif parent.flow:
            self._add_to_flow(parent, {rest[0]: value})
        else:
            self._add_lines(parent, block({rest[0]: value}, self._style), column(self._text, parent.keys[0].start))

    def append(self, node: Node, value: Any) -> None:
        """Adds an item to a sequence."""
        if node.flow:
            self._add_to_flow(node, value)
        else:
            dash = self._dash(node, 0)
            self._add_lines(node, indented(block(value, self._style), 2, "- "), column(self._text, dash))

    def replace(self, parent: Node, at: int, value: Any) -> None:
        """Puts another value in the place of one."""
        node = parent.parts[at]
        quote = node.style if isinstance(value, str) and node.kind == "scalar" and node.style in ("'", '"') else ""
        lines = block(value, self._style)
        if parent.flow or (len(lines) == 1 and not (isinstance(value, dict | list) and value)):
            new = self._flow(value, node.start) if parent.flow else inline(value, quote)
            self._replace_inline(parent, at, new)
        elif isinstance(value, str):
            self._replace_inline(parent, at, as_json(value))
        else:
            self._replace_by_lines(parent, at, lines, value)

    def remove(self, parent: Node, at: int) -> None:
        """Removes one of several parts, or any of a flow collection."""
        if parent.flow:
            self._remove_from_flow(parent, at)
            return
        start = parent.keys[at].start if parent.kind == "mapping" else self._dash(parent, at)
        line, end = self._line(start), self._line_end(parent.parts[at].end)
        if not self._text[line:start].strip():
            self._cut_lines(line, end)
        else:  # the first part of a collection that begins behind a dash: the next one moves up
            end += len(self._text[end:]) - len(self._text[end:].lstrip(" \r\n"))
            self._changes.append((start, end, ""))

    # --- places in the text ---

    def _line(self, at: int) -> int:
        return self._text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        """Behind the line break."""
        found = self._text.find("\n", at)
        return len(self._text) if found < 0 else found + 1

    def _dash(self, node: Node, at: int) -> int:
        """Where the dash of a block sequence's item is."""
        if at == 0:
            return node.opens
        dashes = column(self._text, node.opens)
        line = self._line(node.parts[at].start)
        while line > node.parts[at - 1].end and self._text[line : line + dashes + 1].strip() != "-":
            line = self._line(line - 1)
        return line + dashes

    def _add_lines(self, node: Node, lines: list[str], indent: int) -> None:
        """Puts lines behind the last one of a block collection."""
        at = self._line_end(node.end)
        new = self._newline.join(indented(lines, indent))
        ends = self._text[:at].endswith("\n")
        self._changes.append((at, at, new + self._newline if ends else self._newline + new))

    def _replace_inline(self, parent: Node, at: int, new: str) -> None:
        """Puts one line's text behind the key or dash, in the place of whatever is there."""
        node = parent.parts[at]
        before = self._before(parent, at)
        if node.block and self._line(node.start) > before:
            # On lines of its own. The comments between stay.
            self._changes.append((before, before, f" {new}"))
            self._cut_lines(self._line(node.start), self._line_end(node.end))
        else:
            space = "" if node.start > before or (parent.flow and parent.kind == "sequence") else " "
            self._changes.append((node.start, node.end, space + new))

    def _replace_by_lines(self, parent: Node, at: int, lines: list[str], value: Any) -> None:
        """Puts a block collection in the place of a value."""
        node, text = parent.parts[at], self._text
        same_kind = node.block and node.kind == ("mapping" if isinstance(value, dict) else "sequence")
        if same_kind or parent.kind == "sequence":
            if parent.kind == "sequence" and not same_kind:
                indent = column(text, self._dash(parent, at)) + 2
            else:
                indent = column(text, node.opens)
            new = self._newline.join(indented(lines, indent)).lstrip(" ")
            self._changes.append((node.start, node.end, new if node.start > self._before(parent, at) else f" {new}"))
            return
        indent = column(text, parent.keys[at].start) + (
            self._style.step if isinstance(value, dict) else self._style.dash
        )
        new = self._newline.join(indented(lines, indent))
        before = self._before(parent, at)
        if node.block:
            self._changes.append((self._line(node.start), node.end, new))
            return
        # One value behind its key goes, a comment behind it stays, and the lines come below.
        start = before if not text[before : node.start].strip() else node.start
        end = self._line_end(node.end)
        body = text[node.end : end].rstrip("\r\n")
        broken = text[node.end + len(body) : end]
        self._changes.append((start, end, f"{body.rstrip()}{self._newline}{new}{broken}"))

    def _before(self, parent: Node, at: int) -> int:
        """Behind the colon or dash (or bracket or comma) that the part stands after."""
        if parent.kind == "sequence":
            return parent.parts[at].start if parent.flow else self._dash(parent, at) + 1
        key = parent.keys[at]
        colon = re.compile(r"[ \t]*:").match(self._text, key.end)
        return colon.end() if colon else parent.parts[at].start

    def _cut_lines(self, start: int, end: int) -> None:
        """Removes whole lines; a text without a last line break has none afterwards either."""
        if end == len(self._text) and not self._text.endswith("\n"):
            start = len(self._text[:start].removesuffix("\n").removesuffix("\r"))
        self._changes.append((start, end, ""))

    # --- flow style ---

    def _flow(self, value: Any, at: int) -> str:
        """A value as it is written inside a flow collection: JSON in JSON, and indented where that is."""
        whole = self._text[self.root.opens : self.root.end]
        if not self._is_json:
            return inline(value, flow=True)
        line = self._text[self._line(at) : at]
        spread = whole.count("\n") > 1 and not line.strip() and isinstance(value, dict | list)
        new = as_json(value, indent=self._json_indent(line)) if spread else as_json(value)
        return new.replace("\n", self._newline + line) if spread else new

    def _json_indent(self, line: str) -> int:
        first = re.search(r"\{\r?\n( +)", self._text[self.root.opens :])
        return len(first[1]) if first else max(len(line), 2)

    def _add_to_flow(self, node: Node, value: Any) -> None:
        """Adds an item, or one pair, at the end of a flow collection."""
        text, pair = self._text, node.kind == "mapping"
        if not node.parts:
            new = self._flow(value, node.opens)
            self._changes.append((node.opens + 1, node.opens + 1, new[1:-1] if pair else new))
            return
        first = (node.keys if pair else node.parts)[0]
        last = node.parts[-1]
        spread = "\n" in text[node.opens : first.start]
        new = self._flow(value, first.start)
        if pair:
            new = new[1:-1].strip()
            if spread and "\n" in new:  # the pair's braces are gone, and with them one level
                new = "\n".join(
                    [line[self._json_indent("") :] if i else line for i, line in enumerate(new.split("\n"))]
                )
        comma = re.compile(r"(?:\s|#[^\n]*)*,").match(text, last.end)
        after = comma.end() if comma else last.end
        if not comma:
            self._changes.append((after, after, ","))
        if spread:
            line = text[self._line(first.start) : first.start]
            rest = re.compile(r"[ \t]*(#[^\r\n]*)?").match(text, after)
            at = rest.end() if rest else after
            self._changes.append((at, at, f"{self._newline}{line}{new}" + ("," if comma else "")))
        else:
            self._changes.append((after, after, f" {new}" + ("," if comma else "")))

    def _remove_from_flow(self, parent: Node, at: int) -> None:
        firsts = parent.keys if parent.kind == "mapping" else parent.parts
        if at + 1 < len(firsts):
            start, end = firsts[at].start, firsts[at + 1].start
        elif at:
            start, end = parent.parts[at - 1].end, parent.parts[at].end
        else:
            start, end = parent.opens + 1, parent.end - 1
        if "#" in self._text[start : firsts[at].start] + self._text[parent.parts[at].end : end]:
            raise EditError("A comment stands between the items.")
        self._changes.append((start, end, ""))


def shown(path: Path) -> str:
    """A path as messages name it: `spec.data[0].secretKey`; `.` is the whole document."""
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return steps.removeprefix(".") or "."


def kind_of(node: Node) -> str:
    """What a node is, as messages say it: `a mapping`."""
    return {"scalar": "one value", "alias": "an alias"}.get(node.kind, f"a {node.kind}")


def newline_of(text: str) -> str:
    """How the lines of a text end."""
    return "\r\n" if "\r\n" in text else "\n"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
