"""The action's outputs, as the contract names them. Counts are of what was done, never of what was planned."""

from __future__ import annotations

from secret_action.model import Action, RefreshState, RunReport, WorkloadState, WriteState
from secret_action.report import facts


def outputs(report: RunReport, report_path: str = "") -> dict[str, str]:
    """All outputs. `report_path`: the JSON report's path relative to `runner.temp`; empty where none was written."""
    left = facts.writes_in(report, WriteState.LEFT)
    created, updated = (facts.written(report, action) for action in (Action.CREATE, Action.UPDATE))
    pruned = len(facts.writes_in(report, WriteState.DELETED))
    refreshed = sum(
        1
        for result in report.refreshes
        if result.ok and result.state in (RefreshState.PROVEN, RefreshState.WEAKLY_PROVEN)
    )
    failed = (
        len(facts.writes_in(report, WriteState.FAILED))
        + len(left)
        + facts.planned(report, Action.MISSING)
        + len(facts.not_refreshed(report))
        + len(facts.not_rolled(report))
    )
    return {
        "result": "failure" if report.exit_code else "success",
        # A write that could not be undone stands, so SSM is not as it was.
        "changed": "true" if created or updated or pruned or left else "false",
        "created": str(created),
        "updated": str(updated),
        "unchanged": str(facts.planned(report, Action.UNCHANGED)),
        "kept": str(facts.planned(report, Action.KEEP)),
        "pruned": str(pruned),
        "refreshed": str(refreshed),
        "restarted": str(sum(1 for one in report.workloads if one.state is WorkloadState.RESTARTED)),
        "failed": str(failed),
        "tenants-sha": report.tenants.sha if report.tenants else "",
        "report": report_path,
    }
