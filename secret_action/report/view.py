"""What the summary's template asks for: lists already ordered, counted and cut to what a reader can take in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from secret_action import __version__
from secret_action.model import (
    Action,
    Finding,
    RunReport,
    Silenced,
    WorkloadResult,
    WorkloadState,
    WriteResult,
    WriteState,
)
from secret_action.report import facts, tables
from secret_action.report.diff import patches
from secret_action.report.headline import headline
from secret_action.report.rows import Row, common_folder, rows
from secret_action.report.tables import Table
from secret_action.report.words import count, duration

FOLD_ABOVE = 20
"""Rows. Up to here all stand open; above it the quiet ones fold."""
QUIET_LIMIT = 300
"""Rows. Above it the quiet ones are only counted."""
PATCH_LIMIT = 20_000
"""Characters. A longer patch is no reading matter, and is only named."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Fold(Generic[Item]):
    """A list of which the first items stand open, more are folded, and the rest is only counted."""

    shown: tuple[Item, ...]
    folded: tuple[Item, ...] = ()
    counted: tuple[Item, ...] = ()

    @classmethod
    def of(cls, items: Sequence[Item], shown: int, most: int) -> Fold[Item]:
        """The first `shown` items open, folded up to `most`, the rest counted."""
        shown = min(shown, most)
        return cls(tuple(items[:shown]), tuple(items[shown:most]), tuple(items[most:]))


class View:
    """One report as the template sees it, with at most `most` items in each list."""

    def __init__(self, report: RunReport, most: int) -> None:
        self.report = report
        self.headline = headline(report)
        self.symbol = _symbol(report)
        self.warnings = facts.warnings(report)
        self.notices = (*facts.notices(report), *facts.kept(report))
        self.severities = facts.severities(report)
        self.failures = Fold.of(facts.failures(report), 10, min(50, most))
        findings = facts.findings_in_order(report)
        self.findings = Fold.of(findings, FOLD_ABOVE, most)
        found, self.patches_left = patches(findings)
        self.patches = Fold.of(found, most, most)
        self.patch_limit = PATCH_LIMIT
        self.silenced = Fold.of(report.silenced, FOLD_ABOVE, most)
        self.several_tenants = len(facts.services(report)) > 1
        self.writes = Fold.of(_unfinished(report), FOLD_ABOVE, most)
        self.commands = [write.command for write in facts.writes_in(report, WriteState.LEFT)[:most] if write.command]
        self.workloads = Fold.of(_workloads(report), FOLD_ABOVE, most)
        listed = (*self.workloads.shown, *self.workloads.folded)
        self.rolls = [one.command for one in listed if one.state is WorkloadState.STILL_OLD and one.command]
        self.secrets = _secrets(report, most)
        self.secrets_title = "What the manifests ask for" if report.mode == "validate" else "Secrets"
        self.folder = common_folder((*self.secrets.shown, *self.secrets.folded))
        several = report.mode == "validate" and len(report.manifests) > 1
        self.overlays = tables.overlays(report, self.several_tenants) if several else Table()
        self.footer = _footer(report)

    def secrets_table(self, found: Iterable[Row]) -> Table:
        """The table of these rows."""
        return tables.secrets(self.report, found, self.folder)

    def findings_table(self, found: Iterable[Finding]) -> Table:
        """The table of these findings."""
        return tables.findings(found, self.several_tenants)

    def silenced_table(self, found: Iterable[Silenced]) -> Table:
        """The table of these silenced findings."""
        return tables.silenced(found, self.several_tenants)

    def writes_table(self, found: Iterable[WriteResult]) -> Table:
        """The table of these writes."""
        return tables.writes(found)

    def workloads_table(self, found: Iterable[WorkloadResult]) -> Table:
        """The table of these workloads."""
        return tables.workloads(found)

    def tally(self, found: Sequence[Row]) -> str:
        """`9,000 unchanged, 700 kept`; `24 parameters` where nothing more is known of them."""
        if not self.report.plan:
            return count(len(found), "parameter")
        kinds = Counter(_kind(row) for row in found)
        return ", ".join(f"{number:,} {kind}" for kind, number in kinds.items())


def _symbol(report: RunReport) -> str:
    if report.exit_code:
        return tables.CROSS
    if facts.nothing_given(report):
        return "⚠️"
    return "" if facts.is_preview(report) else "✅"


def _unfinished(report: RunReport) -> tuple[WriteResult, ...]:
    states = (WriteState.LEFT, WriteState.FAILED, WriteState.UNDONE, WriteState.NOT_STARTED)
    return tuple(write for state in states for write in facts.writes_in(report, state))


def _workloads(report: RunReport) -> tuple[WorkloadResult, ...]:
    """Those that need the reader first."""
    order = [WorkloadState.FAILED, WorkloadState.STILL_OLD]
    order += [state for state in WorkloadState if state not in (*order, WorkloadState.UP_TO_DATE)]
    return tuple(one for state in (*order, WorkloadState.UP_TO_DATE) for one in facts.workloads_in(report, state))


def _secrets(report: RunReport, most: int) -> Fold[Row]:
    if report.plan is None and not report.refreshes and report.mode != "validate":
        return Fold(())
    found = rows(report)
    if len(found) <= min(FOLD_ABOVE, most) and report.mode != "validate":
        return Fold(found)
    loud = Fold.of([row for row in found if not row.quiet], 50, most)
    quiet = tuple(row for row in found if row.quiet)
    if len(found) > min(QUIET_LIMIT, most):
        return Fold(loud.shown, loud.folded, (*loud.counted, *quiet))
    return Fold(loud.shown, (*loud.folded, *quiet), loud.counted)


_KINDS = {
    Action.KEEP: "kept",
    Action.SKIP: "optional and not given",
    Action.FOREIGN: "not ours",
    Action.UNCHECKED: "not ours and not checked",
}


def _kind(row: Row) -> str:
    if row.write and row.write.state is WriteState.WRITTEN:
        return "created" if row.write.action is Action.CREATE else "updated"
    if row.write:
        return row.write.state.value
    if row.entry:
        return _KINDS.get(row.entry.action, row.entry.action.value)
    return "without a parameter of their own"


def _footer(report: RunReport) -> tuple[str, ...]:
    tenants = report.tenants
    commit = f"{tenants.repository or 'tenants'} at {tenants.sha or 'an unknown commit'}" if tenants else ""
    if tenants and tenants.ref and tenants.ref != tenants.sha:
        commit += f" ({tenants.ref})"
    if tenants and tenants.on_disk:
        commit += ", as checked out"
    names = [f"{key} {value}" for key, value in report.context.items() if key != "version" and value]
    stages = ", ".join(f"{name} {duration(seconds)}" for name, seconds in report.stage_seconds.items())
    total = duration(report.seconds) if report.seconds else ""
    took = f"{total} ({stages})" if total and stages else total or stages
    mode = f"{report.mode}, dry run" if report.dry_run else report.mode
    return tuple(filter(None, (mode, commit, *names, took, f"secret-sync {__version__}")))
