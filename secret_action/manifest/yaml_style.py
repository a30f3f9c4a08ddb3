"""Plain values → YAML text, in the style that a file has or that we write ourselves."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from secret_action.manifest.yaml_tree import Node

# Texts that one of the YAML readers between Git and the cluster takes for a number, a boolean or nothing, though
# PyYAML does not: `1e3`, `0o17`, `y`.
_AMBIGUOUS = re.compile(
    r"[-+]?(0[xob][0-9a-fA-F_]+|(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|\.(inf|Inf|INF)|\.(nan|NaN|NAN))"
    r"|[yYnN]|"
)
_WIDE = 1_000_000
"""No line is ever broken."""


@dataclass(frozen=True)
class Style:
    """step: columns by which a mapping inside a mapping is indented; dash: by which a sequence's dashes are."""

    step: int = 2
    dash: int = 2


def style_of(text: str, roots: list[Node]) -> Style:
    """The indentation that a file has, as its first nested mapping and its first nested sequence show it."""
    step = dash = 0
    pending = list(reversed(roots))
    while pending and not (step and dash):
        node = pending.pop()
        if node.kind == "mapping" and node.block:
            for key, value in zip(node.keys, node.parts, strict=True):
                # A sequence may stand in the column of its key; zero must be told from "not seen yet".
                offset = column(text, value.opens) - column(text, key.start) + 1
                if value.block and value.kind == "mapping" and value.parts:
                    step = step or offset
                elif value.block and value.parts:
                    dash = dash or offset
        pending.extend(reversed(node.parts))
    step = step - 1 if step > 1 else 2
    return Style(step, dash - 1 if dash else 2)


def column(text: str, at: int) -> int:
    """The column of a place, from 0."""
    return at - (text.rfind("\n", 0, at) + 1)


def block(value: Any, style: Style) -> list[str]:
    """A value as lines in block style, the first at column 0."""
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in _pair(key, item, style)]
    if isinstance(value, list) and value:
        return [line for item in value for line in indented(block(item, style), 2, "- ")]
    if isinstance(value, str) and (mark := _literal_mark(value)):
        return [mark, *indented(value.removesuffix("\n").split("\n"), 2)]
    return [inline(value)]


def indented(lines: list[str], by: int, first: str = "") -> list[str]:
    """The lines moved to the right; the first of them behind `first`, where that is given."""
    moved = [" " * by + line if line else "" for line in lines]
    return [first + lines[0], *moved[1:]] if first else moved


def _pair(key: Any, value: Any, style: Style) -> list[str]:
    lines = block(value, style)
    if isinstance(value, dict | list) and value:
        return [f"{inline(key)}:", *indented(lines, style.step if isinstance(value, dict) else style.dash)]
    return [f"{inline(key)}: {lines[0]}", *lines[1:]]


def _literal_mark(value: str) -> str:
    """`|` or `|-` where the text can be written as it is; else empty."""
    lines = value.removesuffix("\n").split("\n")
    plain = all((line.isprintable() and line == line.rstrip()) for line in lines)
    if "\n" not in value or not plain or not lines[0] or lines[0][0] == " " or not lines[-1]:
        return ""
    return "|" if value.endswith("\n") else "|-"


def inline(value: Any, quote: str = "", flow: bool = False) -> str:
    """A value on one line.

    quote: the quotes that a text had before, which it keeps. flow: it stands inside a flow collection, where more
    characters have a meaning.
    """
    if isinstance(value, str) and quote:
        return as_json(value) if quote == '"' else _single_quoted(value)
    text: str = yaml.dump(
        [value] if flow else value,
        Dumper=_Dumper,
        default_flow_style=True,
        width=_WIDE,
        allow_unicode=True,
        sort_keys=False,
    )
    return text.strip()[1:-1] if flow else text.removesuffix("...\n").removesuffix("\n")


def _single_quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'" if value.isprintable() else inline(value)


def as_json(value: Any, indent: int | None = None) -> str:
    """A value as JSON. Raises ValueError for what JSON cannot say."""
    return json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)


class _Dumper(yaml.SafeDumper):
    """Quotes what needs it, and then with double quotes, as manifests commonly do; writes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML asks so
        return True

    def choose_scalar_style(self) -> str:
        style: str = super().choose_scalar_style()
        return '"' if style == "'" else style

    def represent_text(self, value: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", value, '"' if _AMBIGUOUS.fullmatch(value) else None)


_Dumper.add_representer(str, _Dumper.represent_text)
