"""What GitHub shows on the run itself, and beside the lines of a pull request. Most severe first, within its limits."""

from __future__ import annotations

import os.path
from collections.abc import Iterator

from secret_action.model import Annotation, Location, RunReport, Severity, WriteState
from secret_action.report import facts
from secret_action.report.links import rule_link
from secret_action.report.words import count, quoted, some

LEVEL_LIMIT = 10
"""Annotations of one level that GitHub takes from a step; it drops the rest without a word."""
MESSAGE_LIMIT = 4096
"""Characters. GitHub cuts a longer message."""


def annotate(report: RunReport) -> list[Annotation]:
    """The annotations of a run, errors first; of each level at most what GitHub takes."""
    found = list(_all(report))
    return [kept for level in Severity for kept in _within_limit(level, [one for one in found if one.level is level])]


def _all(report: RunReport) -> Iterator[Annotation]:
    """Problems before findings, as a reader needs them."""
    subject = facts.subject(report)
    for failure in facts.failures(report):
        told = [failure.what, some(failure.names), *failure.causes[:1], failure.remedy]
        title = facts.subject(report, [failure.service]) if failure.service else subject
        yield _annotation(Severity.ERROR, title, told, failure.where, report)
    for write in facts.writes_in(report, WriteState.LEFT):
        told = [f"{quoted(write.path)} was written and could not be undone.", write.detail, write.command]
        yield _annotation(Severity.ERROR, subject, told, None, report)
    for finding in report.findings:
        told = [finding.message, finding.remedy]
        link = rule_link(finding.rule)
        yield _annotation(finding.severity, finding.rule, told, finding.where, report, link)
    for warning in facts.warnings(report):
        yield _annotation(Severity.WARNING, subject, [warning], None, report)
    for notice in facts.notices(report):
        yield _annotation(Severity.NOTICE, subject, [notice], None, report)


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


def _within_limit(level: Severity, found: list[Annotation]) -> list[Annotation]:
    if len(found) <= LEVEL_LIMIT:
        return found
    shown = found[: LEVEL_LIMIT - 1]
    more = count(len(found) - len(shown), f"more {level}", f"more {level}s")
    return [*shown, Annotation(level, f"{more} in the job summary.", found[0].title)]
