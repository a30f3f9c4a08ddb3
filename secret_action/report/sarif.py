"""The findings as SARIF 2.1.0, the form that GitHub's code scanning and editors read.

Standard: docs.oasis-open.org/sarif/sarif/v2.1.0. What GitHub takes of it: docs.github.com, "SARIF support for code
scanning". GitHub shows suppressed results like all others; docs/pull-requests.md says how they are left out.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from secret_action import __version__
from secret_action.model import Edit, Finding, Location, Problem, RunReport, Severity, Silenced
from secret_action.report import facts
from secret_action.report.links import rule_link
from secret_action.report.words import count, shorten, visible

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HOME = "https://github.com/zerotouch/secret-sync"
RESULT_LIMIT = 25_000
"""Results of one run. GitHub refuses a file with more."""
TEXT_LIMIT = 1_024
"""Characters of a rule's description. GitHub cuts a longer one."""

_ROOT = "%SRCROOT%"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTICE: "note"}
_SEVERITIES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTICE: "recommendation"}

Json = dict[str, Any]


class RuleText(Protocol):
    """What is told of a rule."""

    @property
    def id(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def finds(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def example(self) -> str: ...
    @property
    def mended(self) -> str: ...


def sarif(report: RunReport, rules: Iterable[RuleText] = (), server: str = "https://github.com") -> Json:
    """The run as a SARIF log: most severe results first, silenced ones last, and no more than GitHub takes.

    rules: those that the run judged by. server: where the tenants repository is, as in GITHUB_SERVER_URL. What is no
    finding (a broken `secrets.yaml`, no kustomize) is a notification, and then `executionSuccessful` is false: such a
    run must not be read as one without results.
    """
    every: tuple[Finding | Silenced, ...] = (*facts.findings_in_order(report), *report.silenced)
    kept = every[:RESULT_LIMIT]
    described = _rules(rules, kept)
    places = {rule["id"]: index for index, rule in enumerate(described)}
    seen: Counter[str] = Counter()
    run: Json = {
        "tool": {
            "driver": {
                "name": "secret-sync",
                "version": __version__,
                "semanticVersion": __version__,
                "informationUri": HOME,
                "rules": described,
            }
        },
        "invocations": [_invocation(report, len(every) - len(kept))],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the tenants repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, places, seen) for one in kept],
    }
    if provenance := _provenance(report, server):
        run["versionControlProvenance"] = [provenance]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


# --- the tool ---


def _rules(rules: Iterable[RuleText], kept: Sequence[Finding | Silenced]) -> list[Json]:
    known = {rule.id: _rule(rule) for rule in rules}
    for finding in map(_finding, kept):
        known.setdefault(_text(finding.rule), _unknown_rule(finding))
    return list(known.values())


def _rule(rule: RuleText) -> Json:
    finds = rule.finds[:1].upper() + rule.finds[1:]
    blocks = [(title, text.strip()) for title, text in (("Breaks it", rule.example), ("Mended", rule.mended)) if text]
    markdown = [f"{finds}.", rule.why, *(f"{title}:\n\n```yaml\n{text}\n```" for title, text in blocks)]
    plain = [f"{finds}.", rule.why, *(f"{title}:\n{text}" for title, text in blocks), rule_link(rule.id)]
    markdown.append(f"[All about this rule]({rule_link(rule.id)})")
    return {
        "id": rule.id,
        "shortDescription": {"text": shorten(finds, TEXT_LIMIT)},
        "fullDescription": {"text": shorten(rule.why, TEXT_LIMIT)},
        "help": {"text": "\n\n".join(plain), "markdown": "\n\n".join(markdown)},
        "helpUri": rule_link(rule.id),
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"precision": "very-high", "problem.severity": _SEVERITIES[rule.severity]},
    }


def _unknown_rule(finding: Finding) -> Json:
    """Of a rule of which only a finding is known."""
    text = _text(finding.rule)
    return {
        "id": text,
        "shortDescription": {"text": text},
        "fullDescription": {"text": text},
        "help": {"text": rule_link(finding.rule)},
        "helpUri": rule_link(finding.rule),
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
    }


# --- the run ---


def _invocation(report: RunReport, left_out: int) -> Json:
    problems = report.problems
    told = [_notification("error", _problem(problem), problem.where) for problem in problems]
    told += [_notification("warning", text) for text in facts.warnings(report)]
    told += [_notification("note", text) for text in facts.notices(report)]
    if left_out:
        more = count(left_out, "more result")
        told.append(_notification("warning", f"{more} left out, the least severe; the JSON report has every one."))
    return {
        "executionSuccessful": not problems and not report.cancelled,
        "exitCode": report.exit_code,
        "toolExecutionNotifications": told,
    }


def _problem(problem: Problem) -> str:
    return "\n".join(filter(None, (problem.what, *problem.causes, problem.remedy)))


def _notification(level: str, text: str, where: Location | None = None) -> Json:
    found: Json = {"level": level, "message": {"text": _text(text) or "Something went wrong."}}
    return found | ({"locations": [_place(where)]} if where and where.file else {})


def _provenance(report: RunReport, server: str) -> Json:
    tenants = report.tenants
    if not tenants or not tenants.repository or not tenants.sha:
        return {}
    return {
        "repositoryUri": f"{server.rstrip('/')}/{_encoded(tenants.repository)}",
        "revisionId": _text(tenants.sha),
        "mappedTo": {"uriBaseId": _ROOT},
    }


# --- results ---


def _finding(one: Finding | Silenced) -> Finding:
    return one.finding if isinstance(one, Silenced) else one


def _result(one: Finding | Silenced, places: Mapping[str, int], seen: Counter[str]) -> Json:
    finding = _finding(one)
    told: Json = {
        "ruleId": _text(finding.rule),
        "ruleIndex": places[_text(finding.rule)],
        "level": _LEVELS[finding.severity],
        "message": {"text": _text("\n".join(filter(None, (finding.message, finding.remedy)))) or finding.rule},
        "locations": [_place(finding.where)],
        "partialFingerprints": {"secretSyncFinding/v1": _fingerprint(finding, seen)},
    }
    if finding.edits:
        told["fixes"] = [{"description": {"text": _text(finding.remedy)}, "artifactChanges": list(_changes(finding))}]
    if isinstance(one, Silenced):
        told["suppressions"] = [_suppression(one)]
    return told


def _suppression(silenced: Silenced) -> Json:
    """`external`: the reason stands in `secrets.yaml` or at the ExternalSecret, which need not be where it is found."""
    suppression: Json = {"kind": "external", "status": "accepted", "justification": _text(silenced.reason)}
    return suppression | ({"location": _place(silenced.where)} if silenced.where.file else {})


_LINE = re.compile(r":\d+\b")


def _fingerprint(finding: Finding, seen: Counter[str]) -> str:
    """The same for the same finding after its lines have moved; the number behind it tells equal ones apart.

    Not `primaryLocationLineHash`: github/codeql-action computes that from the file, and warns of any other.
    """
    what = finding.about or (_LINE.sub("", finding.message),)
    parts = (finding.rule, finding.service, finding.overlay, finding.where.file, *what)
    digest = hashlib.sha256("\0".join(parts).encode(errors="backslashreplace")).hexdigest()[:32]
    seen[digest] += 1
    return f"{digest}:{seen[digest]}"


def _changes(finding: Finding) -> Iterator[Json]:
    by_file: dict[str, list[Edit]] = {}
    for edit in finding.edits:
        by_file.setdefault(edit.file, []).append(edit)
    for file, edits in by_file.items():
        yield {"artifactLocation": _artifact(file), "replacements": [_replacement(edit) for edit in edits]}


def _replacement(edit: Edit) -> Json:
    """Whole lines: up to the beginning of the one behind the last that goes."""
    end = edit.line + len(edit.remove)
    told: Json = {"deletedRegion": {"startLine": edit.line, "startColumn": 1, "endLine": end, "endColumn": 1}}
    added = "".join(f"{line}\n" for line in edit.add)
    return told | ({"insertedContent": {"text": _encodable(added)}} if added else {})


def _place(where: Location) -> Json:
    """GitHub wants a line of every result: the first stands for a file whose line is not known."""
    return {
        "physicalLocation": {
            "artifactLocation": _artifact(where.file),
            "region": {"startLine": max(where.line or 1, 1)},
        }
    }


def _artifact(file: str) -> Json:
    return {"uri": _encoded(file or "."), "uriBaseId": _ROOT}


def _encoded(path: str) -> str:
    """A relative URI; bytes that are no UTF-8 are those of the file's name."""
    return quote(path.encode("utf-8", "surrogateescape"), safe="/-._~")


def _text(text: str) -> str:
    """A message: control characters are shown, and nothing in it is one of SARIF's links (`[text](target)`)."""
    return "\n".join(map(visible, text.split("\n"))).replace("](", "] (")


def _encodable(text: str) -> str:
    """Text for a file, as it is; only what UTF-8 cannot hold becomes an escape."""
    return text.encode("utf-8", "backslashreplace").decode()
