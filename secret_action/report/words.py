"""How numbers, lists, times and unprintable characters are said. Pure functions on text."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 parameter`, `10,000 parameters`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def be(number: int) -> str:
    """The verb that agrees with the number."""
    return "is" if number == 1 else "are"


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *head, last = items or ("",)
    return f"{', '.join(head)} and {last}" if head else last


def some(items: Sequence[str], most: int = 20) -> str:
    """The first items, and how many more there are."""
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more:,} more" if more > 0 else "")


def duration(seconds: float) -> str:
    """`40 ms`, `0.4 s`, `12 s`, `3 min 5 s`."""
    if seconds < 0.095:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def visible(text: str) -> str:
    r"""The text with every character that hides, reorders or controls shown as an escape (`\n`, `\u202e`).

    Lone surrogates, which `os.environ` makes of bytes that are no UTF-8, could not be encoded otherwise.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def quoted(name: str) -> str:
    """A name inside a message, in backticks and on one line."""
    return f"`{visible(name)}`"


_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters of the text, and then how many were left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"
