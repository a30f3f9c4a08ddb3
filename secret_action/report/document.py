"""The JSON report: names, states and findings for other programs, never a value.

`report.schema.json` beside this module describes it. A field may be added within a version; none changes or goes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from secret_action import __version__
from secret_action.model import (
    Edit,
    Finding,
    Location,
    Parameter,
    Problem,
    Reference,
    RefreshResult,
    RunReport,
    Silenced,
    WorkloadResult,
)
from secret_action.report import facts
from secret_action.report.headline import headline
from secret_action.report.links import rule_link
from secret_action.report.outputs import outputs
from secret_action.report.rows import Row, rows

VERSION = 1

Json = dict[str, Any]


def document(report: RunReport) -> Json:
    """The whole run as a JSON object."""
    tenants = report.tenants
    return {
        "version": VERSION,
        "secret_sync": __version__,
        "mode": report.mode,
        "service": report.service,
        "environment": report.environment,
        "dry_run": report.dry_run,
        "cancelled": report.cancelled,
        "result": "failure" if report.exit_code else "success",
        "exit_code": report.exit_code,
        "headline": headline(report),
        "tenants": {"repository": tenants.repository, "ref": tenants.ref, "sha": tenants.sha} if tenants else None,
        "counts": {name: int(value) for name, value in outputs(report).items() if value.isdecimal()},
        "parameters": [_parameter(row.parameter, row) for row in rows(report) if row.parameter],
        "external_secrets": [_external_secret(result) for result in report.refreshes],
        "workloads": [_workload(result) for result in report.workloads],
        "findings": [_finding(finding) for finding in facts.findings_in_order(report)],
        "silenced": [_silenced(silenced) for silenced in report.silenced],
        "problems": [_problem(problem) for problem in report.problems],
        "warnings": list(facts.warnings(report)),
        "notices": list(report.notices),
        "unused_sources": list(report.unused_sources),
        "seconds": report.seconds,
        "stage_seconds": dict(report.stage_seconds),
        "context": dict(report.context),
    }


def schema() -> Json:
    """The published JSON Schema of the report."""
    text = Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _parameter(parameter: Parameter, row: Row) -> Json:
    entry, write = row.entry, row.write
    stored = entry.stored if entry else None
    return {
        "path": parameter.path,
        "key": parameter.key,
        "owned": parameter.owned,
        "action": entry.action.value if entry else None,
        "note": entry.note if entry else "",
        "source": entry.given.source if entry and entry.given else None,
        "version_before": stored.version if stored else None,
        "modified_before": stored.modified if stored else "",
        "write": {
            "state": write.state.value,
            "version": write.version,
            "detail": write.detail,
            "undo_command": write.command,
        }
        if write
        else None,
        "asked_by": [_reference(reference) for reference in parameter.references],
        "consumers": [
            {"kind": consumer.kind, "name": consumer.name, "secret": consumer.secret_name} for consumer in row.consumers
        ],
    }


def _reference(reference: Reference) -> Json:
    return {
        "external_secret": reference.external_secret,
        "secret_key": reference.secret_key,
        "property": reference.property,
        **_location(reference.where),
    }


def _external_secret(result: RefreshResult) -> Json:
    diagnosis, deployer = result.diagnosis, result.deployer
    return {
        "namespace": result.namespace,
        "name": result.name,
        "secret": result.secret_name,
        "ok": result.ok,
        "state": result.state.value,
        "content": result.content.value,
        "seconds": result.seconds,
        "detail": result.detail,
        "diagnosis": {
            "cause": diagnosis.cause,
            "remedy": diagnosis.remedy,
            "observed": list(diagnosis.observed),
        }
        if diagnosis
        else None,
        "deployer": {"tool": deployer.title, "commit": deployer.commit, "state": deployer.words} if deployer else None,
    }


def _workload(result: WorkloadResult) -> Json:
    return {
        "kind": result.kind,
        "namespace": result.namespace,
        "name": result.name,
        "ok": result.ok,
        "state": result.state.value,
        "secrets": list(result.secrets),
        "since": result.since,
        "seconds": result.seconds,
        "detail": result.detail,
        "command": result.command,
    }


def _finding(finding: Finding) -> Json:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": finding.message,
        "remedy": finding.remedy,
        "service": finding.service,
        "overlay": finding.overlay,
        **_location(finding.where),
        "about": list(finding.about),
        "edits": [_edit(edit) for edit in finding.edits],
        "help": rule_link(finding.rule),
    }


def _edit(edit: Edit) -> Json:
    return {"file": edit.file, "line": edit.line, "remove": list(edit.remove), "add": list(edit.add)}


def _silenced(silenced: Silenced) -> Json:
    return {"finding": _finding(silenced.finding), "reason": silenced.reason, **_location(silenced.where)}


def _problem(problem: Problem) -> Json:
    return {
        "what": problem.what,
        "remedy": problem.remedy,
        "causes": list(problem.causes),
        "service": problem.service,
        **_location(problem.where),
    }


def _location(where: Location | None) -> Json:
    return {"file": where.file if where else "", "line": where.line if where else None}
