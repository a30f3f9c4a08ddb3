"""Tables on a screen of some width: how wide each column is, and where a line breaks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from secret_action.report.tables import Cell, Table
from secret_action.report.words import visible

_GAP = "  "
_WORD = re.compile(r"\s*\S+")
_CHUNK = re.compile(r"\s*[^\s/]*/?")
"""Where a word that is longer than a line may break. A name that is broken elsewhere cannot be copied."""
_LEAST_TEXT = 40
"""Columns. In a narrower one a sentence cannot be read."""


def lay_out(table: Table, width: int) -> tuple[str, list[list[str]]]:
    """The head, and the lines of each row. The widest columns give way until the table fits or nothing can break."""
    rows = _plain(table)
    widths = _widths(table.titles, rows, width)
    return _head(table, widths), [list(_wrapped(row, widths)) for row in rows]


def lay_out_places(table: Table, width: int) -> tuple[str, list[list[str]]]:
    """The same for a table of names and, last, a text: a name is never broken, so that a place can be clicked.

    Where that leaves too little for the text, it stands below the names, and there is no head.
    """
    rows = _plain(table)
    names = [max(_columns(text) for row in rows for text in row[i]) for i in range(len(table.titles) - 1)]
    names = [max(taken, _columns(title)) for taken, title in zip(names, table.titles, strict=False)]
    room = width - sum(names) - len(_GAP) * len(names)
    if room >= _LEAST_TEXT:
        widths = [*names, room]
        return _head(table, widths), [list(_wrapped(row, widths)) for row in rows]
    return "", [[_GAP.join(" ".join(cell) for cell in head), *_below(text, width)] for *head, text in rows]


def _below(lines: Sequence[str], width: int) -> Iterator[str]:
    return (_GAP + part for line in lines for part in _broken(line, width - len(_GAP)))


def _head(table: Table, widths: Sequence[int]) -> str:
    return _line([title.upper() for title in table.titles], widths)


def _plain(table: Table) -> list[list[list[str]]]:
    return [[_lines(cell) for cell in row] for row in table.rows]


def _lines(cell: Cell) -> list[str]:
    return [visible(" ".join(filter(None, line))) for line in cell]


def _widths(titles: Sequence[str], rows: Sequence[Sequence[list[str]]], most: int) -> list[int]:
    """The width of each column: what it needs; the widest give way until the table fits or nothing can break."""
    columns = [[titles[i], *(line for row in rows for line in row[i])] for i in range(len(titles))]
    widths = [max(_columns(text) for text in column) for column in columns]
    least = [max(_columns(chunk.strip()) for text in column for chunk in _CHUNK.findall(text)) for column in columns]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > most:
        spare = [i for i, width in enumerate(widths) if width > least[i]]
        if not spare:
            break
        widths[max(spare, key=widths.__getitem__)] -= 1
    return widths


def _wrapped(row: Sequence[list[str]], widths: Sequence[int]) -> Iterator[str]:
    columns = [
        [part for line in lines for part in _broken(line, width)] for lines, width in zip(row, widths, strict=True)
    ]
    for i in range(max(len(column) for column in columns)):
        yield _line([column[i] if i < len(column) else "" for column in columns], widths)


def _broken(text: str, width: int) -> list[str]:
    lines = [""]
    for word in _WORD.findall(text):
        for chunk in [word] if _columns(word.strip()) <= width else _CHUNK.findall(word):
            if lines[-1] and _columns(lines[-1] + chunk) > width:
                lines.append(chunk.lstrip())
            else:
                lines[-1] += chunk
    return lines


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = (text + " " * (width - _columns(text)) for text, width in zip(texts, widths, strict=True))
    return _GAP.join(padded).rstrip()


def _columns(text: str) -> int:
    """How many columns of the screen a text takes; emoji and East Asian letters take two, their selectors none."""
    wide = sum(1 for character in text if unicodedata.east_asian_width(character) in "WF")
    return len(text) + wide - sum(1 for character in text if unicodedata.combining(character) or character == "\ufe0f")
