"""Annotations: most severe first, within GitHub's limits, at a line only where GitHub can show it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import report_samples as samples

from secret_action.model import Annotation, Location, Problem, Severity, Tenants, WorkloadResult, WorkloadState
from secret_action.report.annotations import LEVEL_LIMIT, MESSAGE_LIMIT, annotate


def checked_out(root: str = "/github/workspace", workflow_root: str = "/github/workspace") -> Tenants:
    return replace(samples.TENANTS, root=root, workflow_root=workflow_root)


def test_errors_come_before_warnings_and_problems_before_findings() -> None:
    report = replace(
        samples.missing(),
        findings=(samples.finding(0, Severity.WARNING), samples.finding(1)),
        unused_sources=("PROD_OLD",),
        warnings=("careful",),
    )
    assert [(one.level, one.title) for one in annotate(report)] == [
        (Severity.ERROR, "my-service in prod"),
        (Severity.ERROR, "my-service in prod"),
        (Severity.ERROR, "placeholder-left"),
        (Severity.WARNING, "never-refreshes"),
        (Severity.WARNING, "my-service in prod"),
        (Severity.NOTICE, "my-service in prod"),
    ]


def test_a_finding_points_at_its_line_when_the_manifest_is_in_the_workflow_s_repository() -> None:
    report = replace(samples.validating(), findings=(samples.finding(5),), tenants=checked_out())
    assert annotate(report) == [
        Annotation(
            Severity.ERROR,
            "The key `/zerotouch/_ENV_/my-service/database_url` still names `_ENV_`.\n"
            "Patch it in the overlay: `/zerotouch/prod/my-service/database_url`.\n"
            "https://github.com/zerotouch/secret-sync/blob/v1/docs/rules.md#placeholder-left",
            "placeholder-left",
            "tenants/my-service/overlays/prod/patches/secrets.yaml",
            15,
        )
    ]


def test_what_keeps_a_tenant_from_being_judged_bears_that_tenant_s_name() -> None:
    """Not the names of those that were judged beside it."""
    problem = Problem("tenants/other/secrets.yaml: version: must be 1.", service="other")
    report = replace(samples.validating(), service="", findings=(), problems=(problem,))
    assert [one.title for one in annotate(report)] == ["other"]


def test_the_file_is_relative_to_the_workflow_s_repository_wherever_its_checkout_lies() -> None:
    """GitHub knows nothing of where the runner has it, and takes the file as it is given."""
    file = "tenants/my-service/overlays/prod/patches/secrets.yaml"
    below = "/github/workspace/checkout"
    for root, shown in ((below, file), (f"{below}/deploy", f"deploy/{file}")):
        report = replace(samples.validating(), tenants=checked_out(root, below))
        assert {one.file for one in annotate(report)} == {shown}


def test_elsewhere_the_place_is_in_the_text() -> None:
    report = replace(samples.missing(), findings=(samples.finding(),))
    for one in annotate(report):
        assert not one.file
        assert one.line is None
        assert "In tenants/my-service/overlays/prod/patches/secrets.yaml:1" in one.message


def test_more_than_github_takes_end_with_how_many_more_there_are() -> None:
    report = replace(
        samples.validating(),
        findings=tuple(
            samples.finding(number, level) for number in range(25) for level in (Severity.ERROR, Severity.WARNING)
        ),
        notices=tuple(str(number) for number in range(LEVEL_LIMIT)),
    )
    found = annotate(report)
    assert Counter(one.level for one in found) == dict.fromkeys(Severity, LEVEL_LIMIT)
    assert found[9].message == "16 more errors in the job summary."
    assert found[19].message == "16 more warnings in the job summary."
    assert found[29].message == "9"


def test_a_message_is_no_longer_than_github_shows() -> None:
    report = replace(samples.missing(), problems=(Problem("x" * 10_000, where=Location("a", 1)),))
    (only,) = annotate(report)
    assert len(only.message) == MESSAGE_LIMIT
    assert only.message.endswith("…")


def test_the_rule_s_page_is_the_last_line_however_long_the_message_is() -> None:
    long = replace(samples.finding(), message="x" * 10_000)
    for report in (samples.validating(), replace(samples.validating(), tenants=samples.TENANTS)):
        (only,) = annotate(replace(report, findings=(long,)))
        assert len(only.message) == MESSAGE_LIMIT
        assert only.message.splitlines()[-1].endswith("/docs/rules.md#placeholder-left")


def test_what_could_not_be_undone_is_an_error_with_its_command() -> None:
    message = annotate(samples.undone())[1].message
    assert "`/zerotouch/prod/my-service/database_password` was written and could not be undone." in message
    assert "aws ssm delete-parameter --name" in message


def test_externalsecrets_that_failed_alike_make_one_annotation_that_names_them() -> None:
    (only,) = annotate(samples.store_not_ready())
    assert "my-service/my-service-db, my-service/my-service-llm" in only.message
    assert "ESO cannot assume its role" in only.message


def test_no_given_value_is_a_warning() -> None:
    (only,) = annotate(samples.nothing_given())
    assert only.level is Severity.WARNING
    assert only.message.startswith("No owned key was given a value")


def test_a_good_release_says_nothing() -> None:
    assert annotate(samples.first_release()) == []


def workloads(*, restarts: bool) -> list[str]:
    """The warnings of a run after which one workload has old pods and one could not be judged."""
    told = (
        WorkloadResult("Deployment", "shop", "web", WorkloadState.STILL_OLD),
        WorkloadResult("WebService", "shop", "api", WorkloadState.NOT_CHECKED),
    )
    report = replace(samples.second_release(), restarts=restarts, workloads=told)
    return [one.message for one in annotate(report) if "data from before" in one.message]


def test_old_pods_are_a_warning_also_where_the_run_was_to_renew_them() -> None:
    """A run that only tells of them names the input; one that could not renew them says so, and what it did not see."""
    (told,) = workloads(restarts=False)
    assert told == (
        "1 workload still runs with the data from before: `Deployment shop/web`. "
        "The commands that roll them are in the job summary; `restart: changed` does it in the run."
    )
    old, unknown = workloads(restarts=True)
    assert old.endswith("`Deployment shop/web`. As they are defined no roll renews them; the commands that do are in "
                        "the job summary.")  # fmt: skip
    assert unknown.startswith("1 workload not checked for the data from before: `WebService shop/api`.")
