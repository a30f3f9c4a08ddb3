"""Whether a value has the shape that its readers ask for: a JSON object with the properties they name.

ESO reads a `property` with gjson: first as a literal key, then as a dotted path
(https://github.com/tidwall/gjson/blob/master/SYNTAX.md). No text here ever holds a value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from secret_action.model import Problem, Reference

_GJSON_SYNTAX = frozenset("*?|#@!{}[]()\\\"'=<>%,")
"""Characters with a meaning in a gjson path. What such a path finds is left to ESO."""


def shape_problems(path: str, text: str, given_as: str, references: Sequence[Reference]) -> Iterator[Problem]:
    """Yields what the readers of a parameter would not find in its value.

    given_as: where the value comes from, for the message, e.g. `PROD_CREDENTIALS` or `the stored value`.
    References to a pinned version read another value, and are not judged.
    """
    structured = [ref for ref in references if (ref.property or ref.extract) and not ref.version]
    if not structured:
        return
    content = _parse(text)
    if not isinstance(content, dict):
        reader = structured[0]
        asked = "all its properties are" if reader.extract else f"its property {reader.property} is"
        yield Problem(
            f"{path}: {given_as} is not a JSON object, and {asked} read by {_reader(reader)}.",
            'Hand over a JSON object such as {"username": "…"}, or read the whole value (no property, no extract).',
            where=reader.where,
        )
        return
    missing = {ref.property: ref for ref in structured if ref.property and not _has_property(content, ref.property)}
    for name, reader in missing.items():
        yield Problem(
            f"{path}: the JSON object in {given_as} has no property {name}, which {_reader(reader)} reads.",
            f"Add {name} to the JSON object, or mend `property` in the manifest.",
            where=reader.where,
        )


def _reader(reference: Reference) -> str:
    return f"ExternalSecret {reference.external_secret}" if reference.external_secret else "secrets.yaml"


def _parse(text: str) -> object:
    """The JSON value, or None where the text is none. Numbers stay text: they may be of any length."""
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _has_property(content: dict[str, Any], name: str) -> bool:
    if name in content or _GJSON_SYNTAX.intersection(name):
        return True
    found: object = content
    for part in name.split("."):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return False
    return True
