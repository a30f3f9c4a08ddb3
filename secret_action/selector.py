"""Kubernetes label selectors, parsed and matched here so that a wrong one is found before anything is done.

Grammar: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY = rf"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?{_NAME}"
_VALUE = rf"({_NAME})?"
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<word>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUALITY = re.compile(rf"(?P<key>{_KEY})\s*(?P<sign>==|=|!=)\s*(?P<value>{_VALUE})")
_EXISTENCE = re.compile(rf"(?P<absent>!)?\s*(?P<key>{_KEY})")


@dataclass(frozen=True)
class Requirement:
    """One condition on one label. `values` None asks only whether the label is there."""

    key: str
    wanted: bool
    values: frozenset[str] | None

    def matches(self, labels: Mapping[str, object]) -> bool:
        """Whether these labels meet it. As in Kubernetes, `!=` and `notin` are met by a label that is absent."""
        if self.values is None:
            return (self.key in labels) is self.wanted
        return (labels.get(self.key) in self.values) is self.wanted


@dataclass(frozen=True)
class Selector:
    """A whole selector: all requirements must be met."""

    text: str
    requirements: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, object]) -> bool:
        """Whether an object with these labels is selected."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_selector(text: str) -> Selector:
    """Parses a label selector. Raises ValueError that names the part that is wrong."""
    parts = [part.strip() for part in re.split(r",(?![^(]*\))", text)] if text.strip() else []
    return Selector(text, tuple(_requirement(part) for part in parts))


def _requirement(part: str) -> Requirement:
    if match := _SET.fullmatch(part):
        values = [value.strip() for value in match["values"].split(",")]
        if all(re.fullmatch(_VALUE, value) for value in values):
            return Requirement(match["key"], match["word"] == "in", frozenset(values))
    elif match := _EQUALITY.fullmatch(part):
        return Requirement(match["key"], match["sign"] != "!=", frozenset({match["value"]}))
    elif match := _EXISTENCE.fullmatch(part):
        return Requirement(match["key"], match["absent"] is None, None)
    raise ValueError(f"“{part}” is not a label requirement")
