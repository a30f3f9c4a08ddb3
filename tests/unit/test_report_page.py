"""The demo's page shows logs and summaries, and loads nothing from anywhere."""

from __future__ import annotations

import re

import report_samples as samples

from sandbox.page import render_page
from secret_action.report.links import RULES_PAGE
from secret_action.report.summary import render_summary


def test_the_page_holds_each_run_with_its_log_and_summary() -> None:
    summary = render_summary(samples.store_not_ready())
    page = render_page("Four <runs>", [("A failure", "log <b> line", summary)])
    assert "<title>Four &lt;runs&gt;</title>" in page
    assert "log &lt;b&gt; line" in page
    assert "<table>" in page
    assert "<details open><summary>What was seen</summary>" in page


def test_the_page_stands_alone() -> None:
    page = render_page("x", [("y", "", render_summary(samples.hostile()))])
    page = page.replace(f'href="{RULES_PAGE}#', "")  # leads to the rules, and loads nothing
    assert not re.search(r"<(?:script|link|img|iframe)|(?:src|href)=|url\(|@import", page)
