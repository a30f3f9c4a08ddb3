"""The job summary: what a reader needs first comes first, it always fits, and nothing in it does harm."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
import report_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st
from test_report_markdown import PARSER, TEXTS

from secret_action.model import Action, Finding, Problem, RunReport, Severity
from secret_action.report.links import RULES_PAGE
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
        "Ready to paste",
        "Silenced",
        "Overlays",
        "What the manifests ask for",
    ]
    assert "SSM" not in summary
    assert summary.index("| ❌ |") < summary.index("| ⚠️ |")


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


def test_who_deploys_is_told_with_its_commit_beside_ours() -> None:
    summary = render_summary(samples.second_release())
    sha = samples.TENANTS.sha[:7]
    assert f"Argo CD Application argocd/my-service is Synced at commit `{sha}`, Healthy" in summary
    assert f"This run judged commit `{sha}`, the same." in summary


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
    assert sum(token.info == "diff" for token in tokens) == sum(token.info == "diff" for token in calm) == 2
    inline = {child.type for token in tokens for child in token.children or ()}
    assert not inline & {"image", "em_open", "s_open"}
    links = [child for token in tokens for child in token.children or () if child.type == "link_open"]
    assert all(str(link.attrs["href"]).startswith(f"{RULES_PAGE}#") for link in links)
    assert len(links) == 3
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


def test_a_finding_s_rule_leads_to_its_page() -> None:
    link = "[`placeholder-left`](https://github.com/zerotouch/secret-sync/blob/v1/docs/rules.md#placeholder-left)"
    assert f"| ❌ | `tenants/my-service/overlays/prod/patches/secrets.yaml:10` | {link} |" in render_summary(
        samples.validating()
    )


def test_what_mends_the_findings_is_one_patch_for_each_file() -> None:
    summary = render_summary(samples.validating())
    assert summary.count("```diff") == 1
    assert (
        "<details open><summary><code>tenants/my-service/overlays/prod/patches/secrets.yaml</code>: "
        "<code>placeholder-left</code></summary>\n\n```diff\n--- a/tenants/my-service/overlays/prod/patches/"
    ) in summary
    assert "\n-      key: /zerotouch/_ENV_/my-service/database_url\n+      key: /zerotouch/prod/" in summary


def test_patches_of_several_files_are_folded() -> None:
    first, second = samples.finding(0), samples.finding(1)
    moved = replace(second, edits=tuple(replace(edit, file="other.yaml") for edit in second.edits))
    summary = render_summary(replace(samples.validating(), findings=(first, moved)))
    assert summary.count("```diff") == 2
    assert "<details open>" not in summary


def test_a_finding_whose_edits_overlap_is_told_to_be_mended_next() -> None:
    other = tuple(replace(edit, add=("another",)) for edit in samples.finding().edits)
    findings = (samples.finding(), replace(samples.finding(), rule="wrong-environment", edits=other))
    summary = render_summary(replace(samples.validating(), findings=findings))
    assert "1 more finding would change the same lines" in summary
    assert "another" not in summary


def test_a_patch_that_nobody_would_read_is_only_named() -> None:
    (edit,) = samples.finding().edits
    long = replace(samples.finding(), edits=(replace(edit, add=("x" * 100,) * 300),))
    summary = render_summary(replace(samples.validating(), findings=(long,)))
    assert "```diff" not in summary
    assert "The JSON report has its edits." in summary


def test_ten_thousand_findings_with_patches_of_their_own_fit() -> None:
    def own(number: int) -> Finding:
        found = samples.finding(number)
        return replace(found, edits=tuple(replace(edit, file=f"{edit.file}-{number}") for edit in found.edits))

    findings = tuple(own(number) for number in range(10_000))
    summary = render_summary(replace(samples.validating(), findings=findings))
    assert len(summary.encode()) <= SIZE_LIMIT
    assert "```diff" in summary
    assert re.search(r"Not listed: 9\d{3} more", summary)


MODES = ("validate", "plan", "push", "refresh", "release", "cleanup")


@pytest.mark.parametrize("mode", MODES)
def test_what_is_silenced_is_told_in_every_mode_with_its_reason(mode: str) -> None:
    for code in (0, 1, 2):
        summary = render_summary(RunReport(mode, "my-service", silenced=(samples.silenced(7),), exit_code=code))
        assert "Silenced" in headings(summary)
        assert "Reason: read by operator number 7 of the platform" in summary
        assert "Silenced in `tenants/my-service/secrets.yaml:4`" in summary


def test_thousands_of_silenced_findings_fold_and_are_counted() -> None:
    silenced = tuple(samples.silenced(number) for number in range(1_100))
    summary = render_summary(replace(samples.validating(), silenced=silenced))
    assert "<details><summary>980 more</summary>" in summary
    assert "Not listed: 100 more." in summary


def test_with_several_tenants_each_finding_names_its_own() -> None:
    report = replace(samples.validating(), service="", findings=(samples.finding(),))
    assert "| Tenant | What is wrong" not in render_summary(report)
    other = replace(samples.finding(1), service="my-other-service")
    summary = render_summary(replace(report, findings=(*report.findings, other)))
    assert "| Tenant | What is wrong" in summary
    assert "| `my-other-service` | The key" in summary


def test_an_overlay_s_errors_stand_in_its_row() -> None:
    summary = render_summary(samples.validating())
    assert "| `prod` | `tenants/my-service/overlays/prod` | 6 | 5 | 3 | 1 |" in summary
    assert "| `dev` | `tenants/my-service/overlays/dev` | 6 | 5 |  |  |" in summary


def test_a_deleted_parameter_is_told_as_such() -> None:
    summary = render_summary(samples.pruned())
    assert summary.startswith("## ✅ Released my-service to prod: 1 parameter deleted, 5 unchanged; all 5")
    assert "| `old_token` | deleted | no manifest asks for it |" in summary


def test_that_there_are_findings_is_no_failure_of_its_own() -> None:
    broken = Problem("secrets.yaml is no YAML.", "Mend it.")
    report = samples.validating()
    assert "What failed, and what to do" not in headings(render_summary(report))
    assert "What failed, and what to do" in headings(render_summary(replace(report, problems=(broken,))))
