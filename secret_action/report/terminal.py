"""The report for a person at a terminal: plain text, no workflow commands, colours only where they are asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from secret_action.model import RunReport, Severity, WriteState
from secret_action.report import facts, tables
from secret_action.report.tables import Cell, Table
from secret_action.report.view import View
from secret_action.report.words import some, visible

_RESET, _BOLD, _DIM = "\033[0m", "\033[1m", "\033[2m"
_COLOURS = {Severity.ERROR: "\033[31m", Severity.WARNING: "\033[33m", Severity.NOTICE: "\033[36m"}
_GAP = "  "
_MOST_ROWS = 1_000
_CHUNK = re.compile(r"\s*[^\s/]*/?")
"""Where a line may break: at spaces and after a slash. A name that is broken elsewhere cannot be copied."""


def render_terminal(report: RunReport, colour: bool = False, width: int = 100) -> str:
    """What a run did and found, the sentence that sums it up last. `width`: of the screen, which only names exceed."""
    return "\n\n".join(_Terminal(colour, width).sections(report)) + "\n"


class _Terminal:
    def __init__(self, colour: bool, width: int) -> None:
        self._colour = colour
        self._width = width

    def sections(self, report: RunReport) -> Iterator[str]:
        view = View(report, _MOST_ROWS)
        yield from self._secrets(view)
        if report.findings:
            yield self._table(tables.findings(facts.findings_in_order(report), mark=str))
        left = facts.writes_in(report, WriteState.LEFT)
        if left:
            yield self._table(tables.writes(left))
            yield "\n".join(["To undo by hand:", *map(self._indented, view.commands)])
        for failure in facts.failures(report):
            yield self._failure(failure)
        yield from (self._paragraph(Severity.WARNING, text) for text in view.warnings)
        yield from (self._paragraph(Severity.NOTICE, text) for text in view.notices)
        yield self._painted(_BOLD, visible(view.headline))

    def _secrets(self, view: View) -> Iterator[str]:
        if view.overlays.rows:
            yield self._table(view.overlays)
            return
        fold = view.secrets
        listed = (*fold.shown, *fold.folded)
        if listed:
            if view.folder:
                yield f"Parameters below {visible(view.folder)}"
            yield self._table(view.secrets_table(listed))
        if fold.counted:
            yield f"Not listed: {view.tally(fold.counted)}."

    def _failure(self, failure: facts.Failure) -> str:
        told = [self._paragraph(Severity.ERROR, failure.what)]
        details = {
            "in": [str(failure.where)] if failure.where else [],
            "namely": [some(failure.names)] if failure.names else [],
            "likely cause": failure.causes,
            "what to do": [failure.remedy] if failure.remedy else [],
            "seen": failure.observed,
        }
        for word, texts in details.items():
            told += [self._indented(f"{word}: {text}") for text in texts]
        return "\n".join(told)

    def _paragraph(self, level: Severity, text: str) -> str:
        first, *rest = text.splitlines() or [""]
        return "\n".join([f"{self._painted(_COLOURS[level], level)}: {visible(first)}", *map(self._indented, rest)])

    def _indented(self, text: str) -> str:
        return "\n".join(f"  {visible(line)}" for line in text.splitlines())

    def _painted(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colour else text

    def _table(self, table: Table) -> str:
        cells = [[_plain(cell) for cell in row] for row in table.rows]
        widths = _widths(table.titles, cells, self._width)
        head = self._painted(_DIM, _line([title.upper() for title in table.titles], widths))
        return "\n".join([head, *(line for row in cells for line in _wrapped(row, widths))])


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


def _plain(cell: Cell) -> list[str]:
    return [visible(" ".join(filter(None, line))) for line in cell]


def _wrapped(row: Sequence[list[str]], widths: Sequence[int]) -> Iterator[str]:
    columns = [
        [part for line in lines for part in _broken(line, width)] for lines, width in zip(row, widths, strict=True)
    ]
    for i in range(max(len(column) for column in columns)):
        yield _line([column[i] if i < len(column) else "" for column in columns], widths)


def _broken(text: str, width: int) -> list[str]:
    lines = [""]
    for chunk in _CHUNK.findall(text):
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
