"""The report for a person at a terminal: plain text, no workflow commands, colours only where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from secret_action.model import RunReport, Severity, WriteState
from secret_action.report import facts, tables
from secret_action.report.diff import Patch
from secret_action.report.layout import lay_out, lay_out_places
from secret_action.report.links import RULES_PAGE
from secret_action.report.tables import Table
from secret_action.report.view import Fold, Item, View
from secret_action.report.words import count, some, visible

_RESET, _BOLD, _DIM = "\033[0m", "\033[1m", "\033[2m"
_COLOURS = {Severity.ERROR: "\033[31m", Severity.WARNING: "\033[33m", Severity.NOTICE: "\033[36m"}
_DIFF_COLOURS = {"+": "\033[32m", "-": "\033[31m", "@": "\033[36m"}
_MOST_ROWS = 1_000


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
        yield from self._workloads(view)
        yield from self._findings(view)
        yield from self._patches(view)
        yield from self._silenced(view)
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

    def _workloads(self, view: View) -> Iterator[str]:
        fold = view.workloads
        if fold.shown:
            yield self._table(view.workloads_table((*fold.shown, *fold.folded)))
            yield from self._not_listed(fold)
        if view.rolls:
            yield "\n".join(["To roll those that still have the data from before:", *map(self._indented, view.rolls)])

    def _findings(self, view: View) -> Iterator[str]:
        fold = view.findings
        findings = (*fold.shown, *fold.folded)
        if not findings:
            return
        table = tables.findings(findings, view.several_tenants, mark=str)
        yield self._places(table, [finding.severity for finding in findings])
        yield from self._not_listed(fold)
        yield self._painted(_DIM, f"Each rule is explained at {RULES_PAGE}")

    def _patches(self, view: View) -> Iterator[str]:
        fold = view.patches
        if not fold.shown:
            return
        how = "What mends them, as one patch for each file: git apply --unidiff-zero --ignore-whitespace"
        yield self._painted(_BOLD, how)
        yield from map(self._diff, fold.shown)
        yield from self._not_listed(fold)
        if view.patches_left:
            left = count(view.patches_left, "more finding")
            yield f"{left} would change the same lines: apply these patches first, and check again."

    def _silenced(self, view: View) -> Iterator[str]:
        fold = view.silenced
        if fold.shown:
            yield self._painted(_BOLD, "Silenced:")
            yield self._places(tables.silenced((*fold.shown, *fold.folded), view.several_tenants))
            yield from self._not_listed(fold)

    def _not_listed(self, fold: Fold[Item]) -> Iterator[str]:
        if fold.counted:
            yield f"Not listed: {len(fold.counted):,} more."

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
        head, rows = lay_out(table, self._width)
        return "\n".join([self._painted(_DIM, head), *(line for row in rows for line in row)])

    def _places(self, table: Table, marks: Sequence[Severity] = ()) -> str:
        """A table of places. marks: the severity that each row begins with, to be coloured."""
        head, rows = lay_out_places(table, self._width)
        for row, mark in zip(rows, marks, strict=False):
            row[0] = self._painted(_COLOURS[mark], mark) + row[0].removeprefix(mark)
        told = [line for row in rows for line in row]
        return "\n".join([self._painted(_DIM, head), *told] if head else told)

    def _diff(self, patch: Patch) -> str:
        return "\n".join(self._diff_line(line) for line in patch.diff.splitlines())

    def _diff_line(self, line: str) -> str:
        shown = visible(line.expandtabs(4))
        if line.startswith(("--- ", "+++ ")):
            return self._painted(_BOLD, shown)
        colour = _DIFF_COLOURS.get(line[0])
        return self._painted(colour, shown) if colour else shown
