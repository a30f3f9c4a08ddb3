"""The report on a laptop: a table that can be read and copied from, no workflow commands, no stray escapes."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
import report_samples as samples
from hypothesis import given, settings
from test_report_markdown import TEXTS

from secret_action.model import RunReport
from secret_action.report.headline import headline
from secret_action.report.terminal import render_terminal
from secret_action.report.words import visible


@pytest.mark.parametrize("name", samples.ALL)
def test_it_ends_with_the_headline_and_holds_no_value(name: str) -> None:
    report = samples.ALL[name]()
    shown = render_terminal(report)
    assert shown.splitlines()[-1] == visible(headline(report))
    assert samples.SECRET not in shown
    assert "::" not in shown.replace("arn:aws:iam::", "")


PLACE = "tenants/my-service/overlays/prod/patches/secrets.yaml:10"


def findings_alone(**fields: object) -> RunReport:
    return replace(samples.validating(), manifests=(), **fields)  # type: ignore[arg-type]


def test_findings_are_a_table_with_severity_place_and_rule() -> None:
    head, first, remedy = render_terminal(findings_alone(), width=150).splitlines()[:3]
    assert head.split()[:2] == ["PLACE", "RULE"]
    assert first.split()[:3] == ["error", PLACE, "placeholder-left"]
    assert first.endswith("  The key `/zerotouch/_ENV_/my-service/database_url` still names")
    assert remedy.strip() == "`_ENV_`."


def test_on_a_narrow_screen_the_text_stands_below_the_place() -> None:
    first, message, remedy = render_terminal(findings_alone(), width=80).splitlines()[:3]
    assert first.split() == ["error", PLACE, "placeholder-left"]
    assert message == "  The key `/zerotouch/_ENV_/my-service/database_url` still names `_ENV_`."
    assert remedy == "  Patch it in the overlay: `/zerotouch/prod/my-service/database_url`."


@pytest.mark.parametrize("width", [1, 40, 80, 100, 160])
def test_a_place_can_be_clicked_at_every_width(width: int) -> None:
    shown = render_terminal(findings_alone(), width=width)
    assert all(f" tenants/my-service/overlays/prod/patches/secrets.yaml:{line}" in shown for line in (10, 11, 12, 14))


def test_each_severity_has_its_colour() -> None:
    for width in (80, 160):
        shown = render_terminal(findings_alone(), colour=True, width=width)
        assert "\033[31merror\033[0m  " in shown
        assert f"\033[33mwarning\033[0m  {PLACE[:-2]}14" in shown


def test_what_mends_the_findings_is_a_coloured_patch() -> None:
    lines = render_terminal(findings_alone(), colour=True).splitlines()
    assert "\033[1m+++ b/tenants/my-service/overlays/prod/patches/secrets.yaml\033[0m" in lines
    assert "\033[36m@@ -10,3 +10,3 @@\033[0m" in lines
    assert "\033[31m-      key: /zerotouch/_ENV_/my-service/database_url\033[0m" in lines
    assert "\033[32m+      key: /zerotouch/prod/my-service/database_url\033[0m" in lines


@pytest.mark.parametrize("width", [80, 160])
def test_what_is_silenced_is_told_with_its_reason(width: int) -> None:
    shown = " ".join(render_terminal(findings_alone(findings=()), width=width).split())
    assert "Reason: read by operator number 0 of the platform" in shown
    assert "Silenced in tenants/my-service/secrets.yaml:4" in shown


def test_with_several_tenants_each_finding_names_its_own() -> None:
    other = replace(samples.finding(1), service="my-other-service")
    shown = render_terminal(findings_alone(findings=(samples.finding(), other)), width=80)
    assert "placeholder-left  my-other-service" in shown
    assert "placeholder-left  my-service" in shown


def test_a_name_is_never_broken_but_after_a_slash() -> None:
    shown = render_terminal(samples.first_release(), width=20)
    for name in ("PROD_DATABASE_PASSWORD", "my-service-payments", "zerotouch-platform/"):
        assert name in shown


def test_lines_keep_to_the_width_where_names_allow_it() -> None:
    shown = render_terminal(samples.first_release(), width=120)
    assert max(map(len, shown.splitlines())) <= 120


def test_colours_only_where_they_are_asked_for() -> None:
    report = samples.store_not_ready()
    assert "\033" not in render_terminal(report)
    assert "\033[31merror\033[0m: Each of 5 ExternalSecrets" in render_terminal(report, colour=True)


def test_ten_thousand_rows_are_not_all_printed() -> None:
    assert "Not listed: 9,000 created." in render_terminal(samples.many())


@settings(deadline=None)
@given(TEXTS)
def test_no_text_from_outside_can_steer_the_terminal(name: str) -> None:
    shown = render_terminal(samples.hostile(name))
    hidden = [character for character in shown if unicodedata.category(character) in ("Cc", "Cf", "Cs")]
    assert set(hidden) <= {"\n"}
    shown.encode()
