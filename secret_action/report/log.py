"""The findings as lines of a log, where neither a table nor GitHub's few annotations show all of them."""

from __future__ import annotations

from secret_action.model import Finding, RunReport
from secret_action.report import facts


def finding_lines(report: RunReport) -> list[str]:
    """One line for each finding, the most severe first; then one for each that is silenced, with the reason."""
    told = [f"{finding.severity} {_told(finding)}" for finding in facts.findings_in_order(report)]
    return told + [f"silenced {_told(each.finding)} Reason: {each.reason}" for each in report.silenced]


def _told(finding: Finding) -> str:
    return f"{finding.rule} {finding.where}: {finding.message}"
