"""The outputs are those of the contract, and count what was done."""

from __future__ import annotations

from dataclasses import replace

import pytest
import report_samples as samples

from secret_action import contract
from secret_action.model import ContentState, RunReport
from secret_action.report.outputs import outputs


def told(report: RunReport) -> dict[str, str]:
    """The outputs that are neither empty nor zero nor about the place."""
    return {
        name: value for name, value in outputs(report, "").items() if value not in ("", "0") and name != "tenants-sha"
    }


@pytest.mark.parametrize("name", samples.ALL)
def test_every_run_has_every_output_of_the_contract(name: str) -> None:
    assert list(outputs(samples.ALL[name]())) == [output.name for output in contract.OUTPUTS]


@pytest.mark.parametrize(
    ("report", "wanted"),
    [
        (
            samples.first_release(),
            {"result": "success", "changed": "true", "created": "5", "refreshed": "5"},
        ),
        (
            samples.second_release(),
            {"result": "success", "changed": "false", "unchanged": "4", "kept": "1", "refreshed": "5"},
        ),
        (
            samples.store_not_ready(),
            {"result": "failure", "changed": "true", "updated": "1", "unchanged": "4", "failed": "5"},
        ),
        (samples.planning(), {"result": "success", "changed": "false", "unchanged": "1", "kept": "1"}),
        (samples.missing(), {"result": "failure", "changed": "false", "failed": "2"}),
        (samples.undone(), {"result": "failure", "changed": "true", "unchanged": "1", "failed": "2"}),
    ],
)
def test_counts(report: RunReport, wanted: dict[str, str]) -> None:
    assert told(report) == wanted


def test_a_secret_that_holds_other_values_failed_and_is_not_refreshed() -> None:
    report = samples.first_release()
    first, *rest = report.refreshes
    found = outputs(replace(report, refreshes=(replace(first, content=ContentState.DIFFERS), *rest)))
    assert (found["refreshed"], found["failed"]) == ("4", "1")


def test_the_commit_and_the_report_s_path_are_handed_on() -> None:
    found = outputs(samples.first_release(), "_github_home/report.json")
    assert found["tenants-sha"] == samples.TENANTS.sha
    assert found["report"] == "_github_home/report.json"
