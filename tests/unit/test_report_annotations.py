"""Annotations: most severe first, within GitHub's limits, at a line only where GitHub can show it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import report_samples as samples

from secret_action.model import Annotation, Finding, Location, Problem, Severity, Tenants, WorkloadResult, WorkloadState
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
    assert (found[9].title, found[19].title) == ("secret-sync", "secret-sync"), "what is left out may be of other rules"


def at_one_place(number: int, **changes: str) -> tuple[Finding, ...]:
    """What one rule finds in one place in several overlays."""
    return tuple(
        replace(samples.finding(), message=f"Lost in {each}.", overlay=str(each), **changes) for each in range(number)
    )


def test_what_one_rule_finds_in_one_place_is_one_annotation() -> None:
    """GitHub takes few, and shows them beside one another there."""
    other = replace(samples.finding(), rule="key-lost")
    milder = replace(samples.finding(), severity=Severity.WARNING)
    findings = (*at_one_place(2), other, milder, *at_one_place(3)[2:])
    found = annotate(replace(samples.validating(), findings=findings))
    assert [(one.title, one.level) for one in found] == [
        ("placeholder-left", Severity.ERROR),
        ("key-lost", Severity.ERROR),
        ("placeholder-left", Severity.WARNING),
    ]
    remedy, link = samples.finding().remedy, found[0].message.splitlines()[-1]
    assert found[0].message == f"Lost in 0.\nLost in 1.\nLost in 2.\n{remedy}\n{link}"
    own = [replace(each, remedy=f"Mend {each.overlay}.") for each in at_one_place(2)]
    (only,) = annotate(replace(samples.validating(), findings=tuple(own)))
    assert only.message == f"Lost in 0.\nMend 0.\nLost in 1.\nMend 1.\n{link}"


def test_of_many_in_one_place_it_is_said_how_many_more_there_are() -> None:
    (only,) = annotate(replace(samples.validating(), findings=at_one_place(1000, remedy="x" * 700)))
    assert only.message.splitlines()[-2] == "926 more here: see the job summary."
    assert "Lost in 1." in only.message
    assert len(only.message) < MESSAGE_LIMIT
    single = tuple(replace(samples.finding(number), rule="other") for number in range(LEVEL_LIMIT - 1))
    found = annotate(replace(samples.validating(), findings=(*single, *at_one_place(5), samples.finding(99))))
    assert found[-1].message == "6 more errors in the job summary."


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
