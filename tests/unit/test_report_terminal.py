"""The report on a laptop: a table that can be read and copied from, no workflow commands, no stray escapes."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
import report_samples as samples
from hypothesis import given, settings
from test_report_markdown import TEXTS

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


def test_findings_are_a_table_with_severity_rule_and_place() -> None:
    report = replace(samples.validating(), manifests=())
    first = render_terminal(report, width=200).splitlines()[1]
    assert first.split()[:3] == [
        "error",
        "placeholder-left",
        "tenants/my-service/overlays/prod/patches/secrets.yaml:10",
    ]


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
