"""The JSON report follows its published schema, and holds every secret by name and none by value."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest
import report_samples as samples

from secret_action.model import Problem, RunReport
from secret_action.report.document import document, schema


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", samples.ALL)
def test_every_report_follows_the_schema(name: str) -> None:
    jsonschema.Draft202012Validator(schema()).validate(json.loads(json.dumps(document(samples.ALL[name]()))))


@pytest.mark.parametrize("name", samples.ALL)
def test_no_value_is_in_a_report(name: str) -> None:
    assert samples.SECRET not in json.dumps(document(samples.ALL[name]()))


def test_the_schema_names_every_field_that_a_report_has() -> None:
    assert set(document(RunReport("plan"))) == set(schema()["properties"])


def test_a_report_can_be_made_of_a_run_that_never_began() -> None:
    jsonschema.validate(document(RunReport("relese", exit_code=2)), schema())


def test_every_secret_is_in_it_however_many_there_are() -> None:
    assert len(document(samples.many())["parameters"]) == 10_000


def test_a_parameter_tells_its_whole_life() -> None:
    first = document(samples.store_not_ready())["parameters"][0]
    assert first == {
        "path": "/zerotouch/prod/my-service/database_url",
        "key": "database_url",
        "owned": True,
        "action": "update",
        "note": "",
        "source": "PROD_DATABASE_URL",
        "version_before": 3,
        "modified_before": "2025-11-03T08:15:30Z",
        "write": {"state": "written", "version": 4, "detail": "", "undo_command": ""},
        "asked_by": [
            {
                "external_secret": "my-service-db",
                "secret_key": "DATABASE_URL",
                "property": "",
                "file": "tenants/my-service/overlays/prod/patches/secrets.yaml",
                "line": 12,
            }
        ],
        "consumers": [
            {"kind": "Deployment", "name": "my-service", "secret": "my-service-db"},
            {"kind": "CronJob", "name": "my-service-report", "secret": "my-service-db"},
        ],
    }


def test_a_finding_comes_with_what_a_program_needs_to_mend_it() -> None:
    first = document(samples.validating())["findings"][0]
    file = "tenants/my-service/overlays/prod/patches/secrets.yaml"
    assert first == {
        "rule": "placeholder-left",
        "severity": "error",
        "message": "The key `/zerotouch/_ENV_/my-service/database_url` still names `_ENV_`.",
        "remedy": "Patch it in the overlay: `/zerotouch/prod/my-service/database_url`.",
        "service": "my-service",
        "overlay": "tenants/my-service/overlays/prod",
        "file": file,
        "line": 10,
        "about": ["my-service-db", "DATABASE_URL", "/zerotouch/_ENV_/my-service/database_url"],
        "edits": [
            {
                "file": file,
                "line": 10,
                "remove": ["      key: /zerotouch/_ENV_/my-service/database_url"],
                "add": ["      key: /zerotouch/prod/my-service/database_url"],
            }
        ],
        "help": "https://github.com/zerotouch/secret-sync/blob/v1/docs/rules.md#placeholder-left",
    }
    described = schema()["$defs"]
    assert set(first) == set(described["finding"]["properties"])
    assert set(first["edits"][0]) == set(described["edit"]["properties"])


def test_what_is_silenced_comes_with_its_reason_and_is_no_finding() -> None:
    report = document(samples.validating())
    (silenced,) = report["silenced"]
    assert silenced["finding"]["rule"] == "never-refreshes"
    assert silenced["reason"] == "read by operator number 0 of the platform"
    assert (silenced["file"], silenced["line"]) == ("tenants/my-service/secrets.yaml", 4)
    assert len(report["findings"]) == 4


def test_a_report_of_an_earlier_version_still_follows_the_schema() -> None:
    report = document(replace(samples.validating(), problems=(Problem("x", service="shop"),)))
    del report["silenced"]
    del report["problems"][0]["service"]
    for finding in report["findings"]:
        for name in ("service", "about", "edits", "help"):
            del finding[name]
    jsonschema.Draft202012Validator(schema()).validate(report)


def test_every_field_that_is_new_is_described() -> None:
    described = schema()["$defs"]
    for kind in ("finding", "edit", "silenced"):
        for name, field in described[kind]["properties"].items():
            assert field.get("description"), (kind, name)
    assert described["problem"]["properties"]["service"]["description"]
