"""The decision table, on objects as a real External Secrets Operator left them (`recorded/decisions.json`)."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from secret_action.cluster.proof import Outcome, judge

ROWS = json.loads((Path(__file__).parent / "recorded" / "decisions.json").read_text())


@pytest.mark.parametrize("row", ROWS)
def test_the_decision_table(row):
    """One row, brought about on the real thing by `tests/conformance/test_decisions.py`."""
    recorded = ROWS[row]
    assert judge(recorded["patched"], recorded["observed"], "token").outcome is Outcome[recorded["outcome"]]


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize("row", ROWS)
def test_no_clock_is_asked(row, hours):
    """The operator's pod may be an hour off, before our annotation or after it."""
    recorded = ROWS[row]
    status = recorded["observed"].get("status", {})
    if refreshed := status.get("refreshTime"):
        status = status | {"refreshTime": _moved(refreshed, hours)}
    observed = recorded["observed"] | {"status": status}
    assert judge(recorded["patched"], observed, "token").outcome is Outcome[recorded["outcome"]]


def _moved(moment, hours):
    return (datetime.fromisoformat(moment) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
