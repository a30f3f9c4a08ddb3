"""A cancelled run: the runner sends SIGINT, then SIGTERM, and ends the container ten seconds after the first."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from sandbox.runner import RunningAction, RunResult
from sandbox.world import VALUES
from tests.scenarios.conftest import CheckedWorld

pytestmark = pytest.mark.thorough

PATH = "/zerotouch/prod/my-service/"
OWNED = {f"{PATH}{name.lower()}" for name in VALUES}
LAST = PATH + "smtp_credentials"
FOR_EVER = 40.0  # seconds: longer than any run that minds a signal
PATIENCE = 30.0  # seconds until a test gives up: far more than the ten of the promise, for a machine under load


def until(condition: Callable[[], bool], running: RunningAction) -> None:
    """Waits until the run has come to a certain point."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert running.process.poll() is None, "the run ended before it was cancelled"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def cancelled(world: CheckedWorld, running: RunningAction, *signals: signal.Signals) -> RunResult:
    """Sends the signals, half a second apart; the run must end by itself, with exit code 1, and leak nothing."""
    for number in signals:
        running.signal(number)
        time.sleep(0.5 if len(signals) > 1 else 0)
    result = running.wait(PATIENCE)
    world.check(result, None, {})
    assert result.exit_code == 1, result.log_as_shown() + result.stderr
    assert result.stderr == ""
    assert result.outputs["result"] == "failure"
    assert result.report
    assert result.report["cancelled"] is True
    assert "Cancelled" in result.summary.splitlines()[0]
    assert signals[0].name in result.log_as_shown()
    assert "defect" not in result.log_as_shown()
    assert all(token.revoked for token in world.github.tokens)
    return result


def test_while_the_tenants_repository_is_fetched(world):
    """The token is handed back, and nothing was written anywhere."""
    world.github.faults.add(("GET", ".*/legacy.tar.gz/.*"), delay=FOR_EVER)
    with world.start() as running:
        until(lambda: "legacy.tar.gz" in str(world.github.requests[-1:]), running)
        result = cancelled(world, running, signal.SIGTERM)
    assert len(world.github.tokens) == 1
    assert "nothing was written" in result.summary.splitlines()[0]
    assert OWNED.isdisjoint(world.aws.parameters())


def test_while_writes_wait_for_their_turn(world):
    """All that was written is undone; a second signal in the middle of that changes nothing."""
    world.aws.put(PATH + "database_url", "before-database")
    world.aws.fail("PutParameter", code="ThrottlingException", name=LAST, times=None)
    world.aws.fail("DeleteParameters", delay=1.0)  # so that the second signal comes in the middle of the undo
    with world.start() as running:
        until(lambda: written(world) == OWNED - {LAST}, running)
        result = cancelled(world, running, signal.SIGINT, signal.SIGTERM)
    assert OWNED & set(world.aws.parameters()) == {PATH + "database_url"}
    assert world.aws.parameters()[PATH + "database_url"]["value"] == "before-database"
    assert "was put back" in result.summary.splitlines()[0]
    assert result.outputs["changed"] == "false"
    assert not [request for request in world.cluster.requests if request.headers.get("user-agent") == "secret-sync"
                and request.method == "PATCH"]  # fmt: skip


def test_while_a_write_has_no_answer(world):
    """What is on its way gets a moment; of what then is not known, the command that would undo it is named."""
    world.aws.fail("PutParameter", name=LAST, delay=FOR_EVER, drop="before")
    with world.start(mode="push") as running:
        until(lambda: written(world) == OWNED - {LAST}, running)
        result = cancelled(world, running, signal.SIGTERM)
    assert OWNED.isdisjoint(world.aws.parameters())
    assert f"aws ssm delete-parameter --region us-east-1 --name {LAST}" in result.summary
    assert "1 parameter of my-service in prod" in result.summary.splitlines()[0]


def test_while_the_proof_is_awaited(world):
    """Once the cluster stage has begun nothing is taken back: pods may run on it. The summary says what stands."""
    world.cluster.stop_eso()
    with world.start(timeout="60") as running:
        until(lambda: sum(request.method == "PATCH" and request.headers.get("user-agent") == "secret-sync"
                          for request in world.cluster.requests) == 5, running)  # fmt: skip
        result = cancelled(world, running, signal.SIGINT)
    assert set(world.aws.parameters()) >= OWNED
    assert "are in SSM; that the cluster has them is not proven" in result.summary.splitlines()[0]
    assert (result.outputs["changed"], result.outputs["created"], result.outputs["refreshed"]) == ("true", "6", "0")


def test_a_run_that_is_killed_is_completed_by_the_next(world):
    """No chance to undo or to report: the next run writes exactly what is missing, and proves all of it."""
    world.aws.fail("PutParameter", name=LAST, delay=FOR_EVER, drop="before")
    with world.start() as running:
        until(lambda: written(world) == OWNED - {LAST}, running)
        running.signal(signal.SIGKILL)
        killed = running.wait(PATIENCE)
    world.check(killed, None, {})
    assert killed.exit_code == -signal.SIGKILL
    result = world.run()
    assert result.exit_code == 0, result.log_as_shown()
    assert (result.outputs["created"], result.outputs["unchanged"], result.outputs["refreshed"]) == ("1", "5", "5")
    assert {found["version"] for found in world.aws.parameters().values()} == {1}


def written(world: CheckedWorld) -> set[str]:
    """Owned parameters that hold the values of this run."""
    return {
        path
        for name, value in VALUES.items()
        if (path := PATH + name.lower()) in world.aws.parameters() and world.aws.parameters()[path]["value"] == value
    }
