"""The job summary: what a reader needs first comes first, it always fits, and nothing in it does harm."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import report_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st
from test_report_markdown import PARSER, TEXTS

from secret_action.model import Action, RunReport, Severity
from secret_action.report.summary import SIZE_LIMIT, render_summary


def size(report: RunReport) -> int:
    return len(render_summary(report).encode())


def headings(summary: str) -> list[str]:
    tokens = PARSER.parse(summary)
    return [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]


def test_one_row_tells_a_secret_s_whole_life() -> None:
    assert (
        "| `PROD_OPENAI_API_KEY` | `openai_api_key` | created, v1 | `my-service-llm` proven in 0.7 s "
        "| content proven | Deployment `my-service` |"
    ) in render_summary(samples.first_release())


def test_a_failure_says_what_failed_and_what_to_do_before_anything_else() -> None:
    summary = render_summary(samples.store_not_ready())
    assert headings(summary)[1:] == ["What failed, and what to do", "Secrets"]
    assert "**Likeliest cause:** The store aws-parameter-store is not ready" in summary
    assert "**What to do:** Check the role" in summary
    assert "AssumeRoleWithWebIdentity" in summary


def test_externalsecrets_that_failed_alike_are_told_once() -> None:
    assert render_summary(samples.store_not_ready()).count("Likeliest cause") == 1


def test_a_plan_shows_what_a_person_must_approve() -> None:
    summary = render_summary(samples.planning())
    assert "| Action | Parameter | Source | Version | Last changed | Why | Workload |" in summary
    assert (
        "| update | `database_password` | `PROD_DATABASE_PASSWORD` | v3 | 2025-11-03 08:15 | was a String |" in summary
    )


def test_validate_shows_findings_first_and_nothing_of_ssm() -> None:
    summary = render_summary(samples.validating())
    assert headings(summary)[1:] == [
        "Findings: 3 errors and 1 warning",
        "Overlays",
        "What the manifests ask for",
    ]
    assert "SSM" not in summary
    assert summary.index("❌ | `placeholder-left`") < summary.index("⚠️ | `never-refreshes`")


def test_what_could_not_be_undone_comes_with_the_command_that_would() -> None:
    summary = render_summary(samples.undone())
    assert "```sh\naws ssm delete-parameter --name /zerotouch/prod/my-service/database_password\n```" in summary


def test_no_given_value_is_a_warning_under_the_headline() -> None:
    headline, gap, warning = render_summary(samples.nothing_given()).splitlines()[:3]
    assert headline.startswith("## ⚠️ No value was given for any key of my-service in prod")
    assert not gap
    assert warning.startswith("⚠️ No owned key was given a value")


def test_unused_names_and_kept_parameters_are_notes() -> None:
    summary = render_summary(samples.second_release())
    assert "- 1 source name that no manifest asks for, not pushed: `PROD_OLD_TOKEN`." in summary
    assert "- 1 parameter given no value, and left as before: `tls_certificate`." in summary


def test_the_commit_that_was_judged_is_always_printed() -> None:
    for sample in samples.ALL.values():
        report = sample()
        assert report.tenants
        if sample is not samples.hostile:
            assert report.tenants.sha in render_summary(report)


def test_quiet_rows_fold_and_beyond_three_hundred_are_only_counted() -> None:
    folded = render_summary(samples.many(200, Action.UNCHANGED))
    assert "<details><summary>200 unchanged</summary>" in folded
    counted = render_summary(samples.many(301, Action.UNCHANGED))
    assert "Not listed: 301 unchanged. The JSON report has every one." in counted
    assert "number_7" not in counted


def test_ten_thousand_secrets_fit() -> None:
    report = samples.many()
    everything = replace(
        report,
        findings=tuple(samples.finding(number) for number in range(10_000)),
        problems=samples.missing().problems * 5_000,
        unused_sources=tuple(f"PROD_{number}" for number in range(10_000)),
        exit_code=1,
    )
    assert size(report) <= SIZE_LIMIT
    assert size(everything) <= SIZE_LIMIT


@settings(deadline=None, max_examples=30)
@given(st.integers(min_value=0, max_value=6_000), st.sampled_from([*samples.ALL.values()]))
def test_the_limit_holds_whatever_it_is(limit: int, sample: object) -> None:
    summary = render_summary(sample() if sample is not samples.many else samples.many(40), limit)  # type: ignore[operator]
    assert len(summary.encode()) <= limit


def test_what_does_not_fit_is_named() -> None:
    cut = render_summary(samples.undone(), 1_800)
    assert "The list of secrets does not fit here and is left out; the JSON report has it." in cut
    assert headings(cut)[1] == "What failed, and what to do"


def test_names_as_long_as_anyone_can_make_them_fit() -> None:
    assert size(samples.hostile("🔑|`" * 100_000)) <= SIZE_LIMIT


@settings(deadline=None, max_examples=60)
@given(TEXTS.filter(str.strip))
def test_no_text_from_outside_changes_the_page(name: str) -> None:
    calm = PARSER.parse(render_summary(samples.hostile("calm")))
    tokens = PARSER.parse(render_summary(samples.hostile(name)))
    kinds = ("heading_open", "table_open", "tr_open", "td_open", "html_block", "bullet_list_open", "list_item_open")
    for kind in kinds:
        found, wanted = (sum(1 for token in page if token.type == kind) for page in (tokens, calm))
        assert found == wanted, kind
    inline = {child.type for token in tokens for child in token.children or ()}
    assert not inline & {"link_open", "image", "em_open", "s_open"}
    html = {child.content for token in tokens for child in token.children or () if child.type == "html_inline"}
    assert html <= {"<sub>", "</sub>", "<br>"}


@pytest.mark.parametrize("name", samples.ALL)
def test_no_value_is_in_a_summary(name: str) -> None:
    assert samples.SECRET not in render_summary(samples.ALL[name]())


def test_findings_beyond_the_fold_are_counted() -> None:
    found = tuple(samples.finding(number, Severity.WARNING) for number in range(1_100))
    summary = render_summary(replace(samples.validating(), findings=found, exit_code=0))
    assert "<details><summary>980 more</summary>" in summary
    assert "Not listed: 100 more." in summary
