"""What the tables say, as plain text: for the job summary and for a terminal alike. Columns without content go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import TypeVar

from secret_action.model import (
    Action,
    ContentState,
    Finding,
    Manifest,
    RefreshResult,
    RefreshState,
    RunReport,
    Severity,
    Silenced,
    WorkloadResult,
    WriteResult,
    WriteState,
)
from secret_action.report import facts
from secret_action.report.rows import Delivery, Row
from secret_action.report.words import duration

CROSS = "❌"


class Name(str):
    """A name from outside, shown as code where that can be."""

    __slots__ = ()


class RuleName(Name):
    """A rule, shown as a link to its page where that can be."""

    __slots__ = ()


Line = tuple[str, ...]
"""Words of one line; those that are a `Name` are shown as such."""
Cell = tuple[Line, ...]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Table:
    """Titles, and one cell for each of them in every row."""

    titles: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()


Column = tuple[str, Callable[[Item], Cell]]


def build(columns: Sequence[Column[Item]], items: Iterable[Item]) -> Table:
    """The table of these items. A column in which no row says anything is left out."""
    lines = [[cell(item) for _, cell in columns] for item in items]
    used = [i for i in range(len(columns)) if any(any(any(line) for line in cells[i]) for cells in lines)]
    return Table(
        tuple(columns[i][0] for i in used),
        tuple(tuple(cells[i] for i in used) for cells in lines),
    )


def secrets(report: RunReport, rows: Iterable[Row], folder: str) -> Table:
    """One row per secret. `folder` is not repeated in the paths. A preview leads with what would be done."""

    def path(row: Row) -> Cell:
        return _one(Name(row.parameter.path.removeprefix(folder))) if row.parameter else ()

    cluster: list[Column[Row]] = [
        ("ExternalSecret", _external_secret),
        ("Secret", _secret),
        ("Workload", _workload),
    ]
    if report.mode == "validate":
        return build([("Parameter", path), *cluster], rows)
    source: Column[Row] = ("Source", lambda row: _name(row.entry.given.source if row.entry and row.entry.given else ""))
    note: Column[Row] = ("Why", lambda row: _one(row.entry.note if row.entry else ""))
    if facts.is_preview(report):
        stored: list[Column[Row]] = [("Version", _version), ("Last changed", _modified)]
        return build([("Action", _action), ("Parameter", path), source, *stored, note, cluster[-1]], rows)
    return build([source, ("SSM parameter", path), ("State", _state), note, *cluster], rows)


def overlays(report: RunReport, tenant: bool) -> Table:
    """One row per overlay that was judged. `tenant`: say which tenant each is of."""

    def found(manifest: Manifest, severity: Severity) -> Cell:
        number = sum(
            1 for finding in report.findings if finding.severity is severity and _concerns(finding, manifest, report)
        )
        return _one(str(number) if number else "")

    def asked(manifest: Manifest, what: Sized) -> Cell:
        return _one(f"{len(what):,}" if manifest.rendered else "?")

    return build(
        [
            ("Tenant", lambda manifest: _name(manifest.service if tenant else "")),
            ("Environment", lambda manifest: _name(manifest.environment)),
            ("Overlay", lambda manifest: _name(manifest.overlay)),
            ("Parameters", lambda manifest: asked(manifest, manifest.parameters)),
            ("ExternalSecrets", lambda manifest: asked(manifest, manifest.external_secrets)),
            ("Errors", lambda manifest: found(manifest, Severity.ERROR)),
            ("Warnings", lambda manifest: found(manifest, Severity.WARNING)),
        ],
        report.manifests,
    )


def symbol(severity: Severity) -> str:
    """How the summary shows it."""
    return {Severity.ERROR: CROSS, Severity.WARNING: "⚠️", Severity.NOTICE: "ℹ️"}[severity]


def findings(found: Iterable[Finding], tenant: bool, mark: Callable[[Severity], str] = symbol) -> Table:
    """One row per finding, with what to do about it under what is wrong.

    tenant: say which tenant each is of. mark: how a severity is shown.
    """
    return build(
        [
            ("", lambda finding: _one(mark(finding.severity))),
            ("Place", lambda finding: _name(str(finding.where))),
            ("Rule", lambda finding: _one(RuleName(finding.rule))),
            ("Tenant", lambda finding: _name(finding.service if tenant else "")),
            ("What is wrong, and what to do", lambda finding: _lines(finding.message, finding.remedy)),
        ],
        found,
    )


def silenced(found: Iterable[Silenced], tenant: bool) -> Table:
    """One row per finding that a tenant chose to live with. `tenant`: as in `findings`."""
    return build(
        [
            ("Place", lambda one: _name(str(one.finding.where))),
            ("Rule", lambda one: _one(RuleName(one.finding.rule))),
            ("Tenant", lambda one: _name(one.finding.service if tenant else "")),
            ("What is silenced, and why", _silence),
        ],
        found,
    )


def _silence(silenced: Silenced) -> Cell:
    return (
        (silenced.finding.message,),
        (f"Reason: {silenced.reason}",),
        ("Silenced in", Name(str(silenced.where))),
    )


def workloads(found: Iterable[WorkloadResult]) -> Table:
    """What reads the Secrets, and whether its pods have the newest data."""
    columns: list[Column[WorkloadResult]] = [
        ("Workload", lambda one: ((one.kind, Name(f"{one.namespace}/{one.name}" if one.name else "")),)),
        ("State", _workload_state),
        ("Secrets", lambda one: tuple((Name(name),) for name in one.secrets)),
        ("Data changed", lambda one: _one(one.since[:16].replace("T", " "))),
        ("", lambda one: _one(one.detail)),
    ]
    return build(columns, found)


def _workload_state(one: WorkloadResult) -> Cell:
    took = f" in {duration(one.seconds)}" if one.seconds is not None else ""
    return _one(f"{'' if one.ok else CROSS + ' '}{one.state}{took}")


def writes(found: Iterable[WriteResult]) -> Table:
    """One row per write that did not simply succeed."""
    return build(
        [
            ("SSM parameter", lambda write: _name(write.path)),
            ("What became of it", lambda write: _one(_write_state(write))),
            ("Version now", lambda write: _one(str(write.version) if write.version else "")),
            ("Why", lambda write: _one(write.detail)),
        ],
        found,
    )


def _one(*words: str) -> Cell:
    return (words,) if any(words) else ()


def _name(name: str) -> Cell:
    return _one(Name(name)) if name else ()


def _lines(*lines: str) -> Cell:
    return tuple((line,) for line in lines if line)


def _concerns(finding: Finding, manifest: Manifest, report: RunReport) -> bool:
    """Findings that name no overlay, as those of a base, count for each overlay of their tenant."""
    if len(report.manifests) == 1:
        return True
    return finding.service in ("", manifest.service) and finding.overlay in ("", manifest.overlay)


_ACTIONS = {
    Action.CREATE: "create",
    Action.UPDATE: "update",
    Action.UNCHANGED: "unchanged",
    Action.KEEP: "keep",
    Action.MISSING: f"{CROSS} missing",
    Action.SKIP: "optional, no value given",
    Action.FOREIGN: "not ours",
    Action.UNCHECKED: "not ours, not checked",
    Action.PRUNE: "delete",
}


def _action(row: Row) -> Cell:
    return _one(_ACTIONS[row.entry.action] if row.entry else "")


def _version(row: Row) -> Cell:
    return _one(f"v{row.entry.stored.version}" if row.entry and row.entry.stored else "")


def _modified(row: Row) -> Cell:
    modified = row.entry.stored.modified if row.entry and row.entry.stored else ""
    return _one(modified[:16].replace("T", " "))


def _state(row: Row) -> Cell:
    entry, write = row.entry, row.write
    if write is not None:
        return _one(_write_state(write, before=entry.stored.version if entry and entry.stored else None))
    if entry is None:
        return ()
    version = f"v{entry.stored.version}" if entry.stored else ""
    kept = {Action.KEEP: "kept", Action.CREATE: "not created", Action.UPDATE: "not updated", Action.PRUNE: "left over"}
    return _one(", ".join(filter(None, (kept.get(entry.action, _ACTIONS[entry.action]), version))))


_DONE = {Action.CREATE: "created", Action.PRUNE: "deleted"}


def _write_state(write: WriteResult, before: int | None = None) -> str:
    done = _DONE.get(write.action, "updated")
    now = f"v{write.version}" if write.version else ""
    match write.state:
        case WriteState.WRITTEN:
            since = f"v{before} → {now}" if before and now else now
            return ", ".join(filter(None, (done, since)))
        case WriteState.FAILED:
            return f"{CROSS} not {done}"
        case WriteState.UNDONE:
            return f"{done}, then {'removed again' if write.action is Action.CREATE else 'put back'}"
        case WriteState.LEFT:
            return f"{CROSS} {done}, and could not be undone"
        case WriteState.NOT_STARTED:
            return "not started"
        case WriteState.DELETED:
            return "deleted"


def _external_secret(row: Row) -> Cell:
    return tuple((Name(way.name), *_refresh(way.result)) for way in row.deliveries)


def _refresh(result: RefreshResult | None) -> Line:
    if result is None:
        return ()
    bad = not result.ok and result.state is not RefreshState.PROVEN
    took = f" in {duration(result.seconds)}" if result.seconds is not None else ""
    if result.state in (RefreshState.PROVEN, RefreshState.WEAKLY_PROVEN):
        return (f"{result.state}{took}",)
    return (f"{CROSS} {result.state}" if bad else result.state.value,)


def _secret(row: Row) -> Cell:
    """The Secret's name, where it is not the ExternalSecret's, and what was seen of its content."""
    return tuple(
        (Name(way.secret_name if way.secret_name != way.name else ""), *_content(way)) for way in row.deliveries
    )


def _content(way: Delivery) -> Line:
    result = way.result
    # Where the refresh itself failed, that its content was not looked at goes without saying.
    if result is None or (not result.ok and result.content is ContentState.NOT_CHECKED):
        return ()
    told = {
        ContentState.PROVEN: "content proven",
        ContentState.DIFFERS: f"{CROSS} holds other values",
        ContentState.NOT_CHECKED: "content not checked",
    }
    return (told[result.content],)


def _workload(row: Row) -> Cell:
    return tuple(dict.fromkeys((consumer.kind, Name(consumer.name)) for consumer in row.consumers))
