"""The decision table, on objects as a real External Secrets Operator left them (`recorded/decisions.json`)."""

import json
from pathlib import Path

import pytest

from secret_action.cluster.proof import Outcome, judge

ROWS = json.loads((Path(__file__).parent / "recorded" / "decisions.json").read_text())


@pytest.mark.parametrize("row", ROWS)
def test_the_decision_table(row):
    """One row, brought about on the real thing by `tests/conformance/test_decisions.py`."""
    recorded = ROWS[row]
    assert judge(recorded["patched"], recorded["observed"], "token").outcome is Outcome[recorded["outcome"]]
