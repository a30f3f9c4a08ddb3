"""The report for a person at a terminal: plain text, no workflow commands, colours only where they are asked for."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

from secret_action.model import RunReport, Severity, WriteState
from secret_action.report import facts, tables
from secret_action.report.headline import headline
from secret_action.report.rows import common_folder, rows
from secret_action.report.tables import Cell, Table
from secret_action.report.words import visible

_RESET, _BOLD, _DIM = "\033[0m", "\033[1m", "\033[2m"
_COLOURS = {Severity.ERROR: "\033[31m", Severity.WARNING: "\033[33m", Severity.NOTICE: "\033[36m"}
_GAP = "  "
_NARROWEST = 12
"""Columns of the screen below which no column of a table is squeezed."""


def render_terminal(report: RunReport, colour: bool = False, width: int = 100) -> str:
    """What a run did and found, at most about `width` columns wide where names allow it."""
    return "\n\n".join(_Terminal(colour, width).sections(report)) + "\n"


class _Terminal:
    def __init__(self, colour: bool, width: int) -> None:
        self._colour = colour
        self._width = width

    def sections(self, report: RunReport) -> Iterator[str]:
        if report.mode == "validate" and len(report.manifests) > 1:
            yield self._table(tables.overlays(report))
        elif report.plan or report.refreshes or report.mode == "validate":
            found = rows(report)
            folder = common_folder(found)
            if folder and found:
                yield f"Parameters below {visible(folder)}"
            yield self._table(tables.secrets(report, found, folder))
        if report.findings:
            yield self._table(tables.findings(facts.findings_in_order(report)))
        yield from self._writes(report)
        for failure in facts.failures(report):
            yield self._failure(failure)
        yield from (self._paragraph(Severity.WARNING, "warning", text) for text in facts.warnings(report))
        yield from (self._paragraph(Severity.NOTICE, "notice", text) for text in facts.notices(report))
        yield self._painted(_BOLD, visible(headline(report)))

    def _writes(self, report: RunReport) -> Iterator[str]:
        left = facts.writes_in(report, WriteState.LEFT)
        if left:
            yield self._table(tables.writes(left))
            yield "\n".join(["To undo by hand:", *(f"  {visible(write.command)}" for write in left if write.command)])

    def _failure(self, failure: facts.Failure) -> str:
        told = [self._paragraph(Severity.ERROR, "error", failure.what)]
        details = {
            "in": [str(failure.where)] if failure.where else [],
            "each of": failure.names,
            "likely cause": failure.causes,
            "what to do": [failure.remedy] if failure.remedy else [],
            "seen": failure.observed,
        }
        for word, texts in details.items():
            told += [self._indented(f"{word}: {text}") for text in texts]
        return "\n".join(told)

    def _paragraph(self, level: Severity, word: str, text: str) -> str:
        first, *rest = text.splitlines() or [""]
        return "\n".join([f"{self._painted(_COLOURS[level], word)}: {visible(first)}", *map(self._indented, rest)])

    def _indented(self, text: str) -> str:
        return "\n".join(f"  {visible(line)}" for line in text.splitlines())

    def _painted(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colour else text

    def _table(self, table: Table) -> str:
        if not table.rows:
            return "No parameters."
        cells = [[_plain(cell) for cell in row] for row in table.rows]
        widths = self._widths(table.titles, cells)
        head = self._painted(_DIM, _line([title.upper() for title in table.titles], widths))
        return "\n".join([head, *(line for row in cells for line in _wrapped(row, widths))])

    def _widths(self, titles: Sequence[str], rows: Sequence[Sequence[list[str]]]) -> list[int]:
        """The width of each column: what it needs; the widest give way until the table fits."""
        widths = [
            max(_columns(text) for text in (titles[i], *(line for row in rows for line in row[i])))
            for i in range(len(titles))
        ]
        while sum(widths) + len(_GAP) * (len(widths) - 1) > self._width and max(widths) > _NARROWEST:
            widths[widths.index(max(widths))] -= 1
        return widths


def _plain(cell: Cell) -> list[str]:
    return [visible(" ".join(filter(None, line))) for line in cell]


def _wrapped(row: Sequence[list[str]], widths: Sequence[int]) -> Iterator[str]:
    columns = [
        [part for line in lines for part in textwrap.wrap(line, width) or [""]]
        for lines, width in zip(row, widths, strict=True)
    ]
    for i in range(max(len(column) for column in columns)):
        yield _line([column[i] if i < len(column) else "" for column in columns], widths)


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = (text + " " * (width - _columns(text)) for text, width in zip(texts, widths, strict=True))
    return _GAP.join(padded).rstrip()


def _columns(text: str) -> int:
    """How many columns of the screen a text takes; emoji and East Asian letters take two, their selectors none."""
    wide = sum(1 for character in text if unicodedata.east_asian_width(character) in "WF")
    return len(text) + wide - sum(1 for character in text if unicodedata.combining(character) or character == "\ufe0f")
