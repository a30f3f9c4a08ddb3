"""The shape of a YAML text with the place of each part: what `yaml_edit` needs to change one of them.

Made of the parser's events, since a composed tree has forgotten where an alias stands. Places are offsets into the
text, which must not begin with a byte order mark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KEEPS_BREAKS = re.compile(r"[|>][0-9-]*\+")
_PROPERTIES = re.compile(r"(?:[&!]\S*|#[^\n]*|\s+)*")


@dataclass
class Node:
    """One scalar, alias, mapping or sequence.

    start, end: of its own text, with its anchor and tag; the end of a block collection is that of its last part, and
    that of a block scalar comes before its last line break. A mapping has `keys`, and `parts` as their values; a
    sequence has `parts`.
    """

    kind: str
    start: int
    end: int
    flow: bool = False
    style: str = ""
    value: str = ""
    opens: int = 0
    """Where it begins behind its anchor and tag."""
    parts: list[Node] = field(default_factory=list)
    keys: list[Node] = field(default_factory=list)

    def find(self, key: str) -> list[int]:
        """The places among `parts` that a mapping's key has; more than one where it is written twice."""
        return [i for i, name in enumerate(self.keys) if name.kind == "scalar" and name.value == key]

    @property
    def is_null(self) -> bool:
        """Nothing is there, or a plain `null`."""
        return self.kind == "scalar" and self.style == "" and self.value in ("", "~", "null", "Null", "NULL")

    @property
    def block(self) -> bool:
        """A collection that is written with indentation."""
        return self.kind in ("mapping", "sequence") and not self.flow


def parse(text: str) -> list[Node]:
    """The documents of a text that has been composed without an error before."""
    roots: list[Node] = []
    open_nodes: list[Node] = []
    waiting: list[Node | None] = []  # for each open mapping the key whose value comes next
    for event in yaml.parse(text, Loader=_LOADER):
        start, end = _span(event)
        if isinstance(event, yaml.CollectionEndEvent):
            node = open_nodes.pop()
            waiting.pop()
            if node.flow:
                node.end = end
            elif node.parts:
                node.end = max(node.end, node.parts[-1].end)
            _place(node, roots, open_nodes, waiting)
        elif isinstance(event, yaml.CollectionStartEvent):
            kind = "mapping" if isinstance(event, yaml.MappingStartEvent) else "sequence"
            opens = _behind_properties(text, start) if event.anchor or event.tag else start
            open_nodes.append(Node(kind, start, end, bool(event.flow_style), opens=opens))
            waiting.append(None)
        elif isinstance(event, yaml.AliasEvent):
            place = Node("alias", start, end, value=event.anchor or "")
            _place(place, roots, open_nodes, waiting)
        elif isinstance(event, yaml.ScalarEvent):
            _place(_scalar(text, event), roots, open_nodes, waiting)
    return roots


def _span(event: yaml.Event) -> tuple[int, int]:
    first, last = event.start_mark, event.end_mark
    return (first.index, last.index) if first and last else (0, 0)  # the parser always knows


def _place(node: Node, roots: list[Node], open_nodes: list[Node], waiting: list[Node | None]) -> None:
    if not open_nodes:
        roots.append(node)
    elif open_nodes[-1].kind == "sequence":
        open_nodes[-1].parts.append(node)
    elif (key := waiting[-1]) is None:
        waiting[-1] = node
    else:
        open_nodes[-1].keys.append(key)
        open_nodes[-1].parts.append(node)
        waiting[-1] = None


def _scalar(text: str, event: yaml.ScalarEvent) -> Node:
    start, end = _span(event)
    opens = _behind_properties(text, start) if event.anchor or event.tag else start
    style = event.style if event.style in ("'", '"', "|", ">") else ""
    if style in ("|", ">"):
        # The parser takes the empty lines below as part of it; they are, only where the header says `+`.
        body = text[start:end]
        breaks = r"\r?\n\Z" if _KEEPS_BREAKS.match(text, opens) else r"(\r?\n)+\Z"
        end = start + len(re.sub(breaks, "", body))
    return Node("scalar", start, end, style=style, value=event.value, opens=opens)


def _behind_properties(text: str, start: int) -> int:
    match = _PROPERTIES.match(text, start)
    return match.end() if match else start
