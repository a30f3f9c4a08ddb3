"""What GitHub shows on the run itself, and beside the lines of a pull request. Most severe first, within its limits."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Sequence

from secret_action.model import Annotation, Finding, Location, RunReport, Severity, WriteState
from secret_action.report import facts
from secret_action.report.links import rule_link
from secret_action.report.words import count, quoted, some

LEVEL_LIMIT = 10
"""Annotations of one level that GitHub takes from a step; it drops the rest without a word."""
MESSAGE_LIMIT = 4096
"""Characters. GitHub cuts a longer message."""
_ROOM = 1500
"""Characters of what is found in one place, beyond which no more is told there."""
_OURS = "secret-sync"
"""The title of what is about no rule, tenant or environment."""


def annotate(report: RunReport) -> list[Annotation]:
    """The annotations of a run, errors first; of each level at most what GitHub takes."""
    found = list(_all(report))
    return [
        kept for level in Severity for kept in _within_limit(level, [one for one in found if one[0].level is level])
    ]


def _all(report: RunReport) -> Iterator[tuple[Annotation, int]]:
    """Problems before findings, as a reader needs them, and how many each tells."""
    subject = facts.subject(report)
    for failure in facts.failures(report):
        told = [failure.what, some(failure.names), *failure.causes[:1], failure.remedy]
        title = facts.subject(report, [failure.service]) if failure.service else subject
        yield _annotation(Severity.ERROR, title, told, failure.where, report), 1
    for write in facts.writes_in(report, WriteState.LEFT):
        told = [f"{quoted(write.path)} was written and could not be undone.", write.detail, write.command]
        yield _annotation(Severity.ERROR, subject, told, None, report), 1
    together: dict[tuple[Severity, str, Location], list[Finding]] = {}
    for finding in report.findings:
        together.setdefault((finding.severity, finding.rule, finding.where), []).append(finding)
    for (severity, rule, where), findings in together.items():
        yield _annotation(severity, rule, _told_at_once(findings), where, report, rule_link(rule)), len(findings)
    for warning in facts.warnings(report):
        yield _annotation(Severity.WARNING, subject, [warning], None, report), 1
    for notice in facts.notices(report):
        yield _annotation(Severity.NOTICE, subject, [notice], None, report), 1


def _told_at_once(findings: Sequence[Finding]) -> list[str]:
    """What one rule finds in one place, as of several overlays: what can be read at once, and how many more there are.

    A remedy that several share stands once, behind them.
    """
    told: list[str] = []
    for number, finding in enumerate(findings):
        if sum(map(len, told)) > _ROOM:
            return [*told, f"{len(findings) - number:,} more here: see the job summary."]
        if told and told[-1] == finding.remedy:
            told.pop()
        told += [finding.message, finding.remedy]
    return told


def _annotation(
    level: Severity,
    title: str,
    told: list[str],
    where: Location | None,
    report: RunReport,
    link: str = "",
) -> Annotation:
    """GitHub takes a file as a path of the workflow's repository, wherever the runner has that repository."""
    if where is None:
        return Annotation(level, _message(told, link), title)
    tenants = report.tenants
    if tenants is None or not tenants.workflow_root:
        return Annotation(level, _message([*told, f"In {where}."], link), title)
    file = os.path.relpath(os.path.join(tenants.root, where.file), tenants.workflow_root)
    return Annotation(level, _message(told, link), title, file, where.line)


def _message(told: list[str], link: str) -> str:
    """The link is the last line, and is there however long the rest is."""
    text, last = "\n".join(filter(None, told)), f"\n{link}" if link else ""
    most = MESSAGE_LIMIT - len(last)
    return (text if len(text) <= most else text[: most - 1] + "…") + last


def _within_limit(level: Severity, found: Sequence[tuple[Annotation, int]]) -> list[Annotation]:
    annotations = [annotation for annotation, _ in found]
    if len(found) <= LEVEL_LIMIT:
        return annotations
    left = sum(number for _, number in found[LEVEL_LIMIT - 1 :])
    more = count(left, f"more {level}", f"more {level}s")
    return [*annotations[: LEVEL_LIMIT - 1], Annotation(level, f"{more} in the job summary.", _OURS)]
