"""Whatever happens at whichever request of a release: all new, all old, or what is neither is named; and then again."""

import threading
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import pytest
from store_world import Row, World, at, aws_error, reset, secret, texts, throttled

from secret_action.errors import StoreError
from secret_action.store import WriteOutcome, tags_of, threads, writing

TAGS = tags_of("my-service", "prod", "zerotouch/my-service", {})
NEW = [f"new{number}" for number in range(10)]
CHANGED = [f"changed{number}" for number in range(10)]
SAME = [f"same{number}" for number in range(10)]
KEPT = {"key_id": "alias/own", "tier": "Advanced", "description": "Theirs."}
WANTED = {key: secret(f"after-{key}") for key in (*NEW, *CHANGED)} | {key: secret(key) for key in SAME}


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests in one order, so that each can be counted; and nobody waits for a line that does not come."""
    monkeypatch.setattr(threads, "THREADS", 1)
    monkeypatch.setattr(writing, "_STEP", 0.002)


def before_the_release() -> World:
    world = World()
    world.tags = TAGS
    world.ssm.recreate_wait = 30
    for key in CHANGED:
        world.ssm.put(at(key), secret(f"before-{key}"), **KEPT)
    for key in SAME:
        world.ssm.put(at(key), secret(key), **KEPT)
    return world


def content(row: Row | None) -> tuple[Any, ...] | None:
    """All that an undo puts back: everything but version, history and tags."""
    return astuple(row)[:2] + astuple(row)[3:7] if row else None


OLD = {path: content(row) for path, row in before_the_release().ssm.rows.items()}


class Release:
    """A release in which the nth request meets something. `requests` counts all of them."""

    def __init__(self, nth: int, kind: str, *, refuse: str = "") -> None:
        self.world = before_the_release()
        self.requests = 0
        self.outcome: WriteOutcome | None = None
        self._nth = nth
        self._kind = kind
        self._met: tuple[str, Any] | None = None
        self._refuse = refuse
        self._writing = False
        self.world.ssm.faults.append(self._before)
        self.world.ssm.lost.append(self._after)

    def run(self) -> "Release":
        try:
            plan = self.world.plan_keys(WANTED)
            self._writing = True
            self.outcome = self.world.write(plan)
        except (StoreError, Killed):
            assert self.outcome is None
        return self

    def _before(self, operation: str, arguments: dict[str, Any]) -> Exception | None:
        self.requests += 1
        about = (operation, arguments.get("Name") or arguments.get("Names"))
        if self.requests == self._nth:
            self._met = about
        if self._refuse and about == ("PutParameter", self._refuse):
            return aws_error("InvalidKeyId")
        if self._met is None:
            return None
        if self._kind == "killed":
            return self._kill()
        if self._kind == "denied":
            return aws_error("AccessDeniedException") if about == self._met else None
        if self._kind == "reset before":
            return reset() if self.requests == self._nth else None
        return _FOR_GOOD[self._kind]() if self._kind in _FOR_GOOD else None

    def _after(self, operation: str, arguments: dict[str, Any]) -> Exception | None:
        return reset() if self._kind == "reset after" and self.requests == self._nth else None

    def _kill(self) -> Exception:
        if not self._writing:
            return RuntimeError("killed")
        if threading.current_thread() is threading.main_thread():
            raise Killed

        def now() -> float:
            raise Killed

        self.world.clock.now = now  # type: ignore[method-assign]  # the main thread looks at it all the time
        raise SystemExit  # ends this thread without a word


_FOR_GOOD: dict[str, Callable[[], Exception]] = {
    "throttled": throttled,
    "500": lambda: aws_error("InternalServerError", "", 500),
    "reset for good": reset,
    "expired": lambda: aws_error("ExpiredTokenException"),
}
KINDS = [*_FOR_GOOD, "denied", "reset before", "reset after", "killed"]
LAST = at(CHANGED[-1])


def assert_all_is_told(release: Release) -> None:
    rows, outcome = release.world.ssm.rows, release.outcome
    now = {path: content(row) for path, row in rows.items()}
    if outcome is None:
        assert now == OLD or release._kind == "killed"
        return
    assert "v4lue" not in texts(outcome, release.world.log)
    if not outcome.problems:
        assert {path: row.value for path, row in rows.items()} == {at(key): text for key, text in WANTED.items()}
        assert {rows[at(key)].version for key in (*NEW, *SAME)} == {1}
        assert {rows[at(key)].version for key in CHANGED} == {2}, "no value was written twice"
        return
    neither = {path for path in {*now, *OLD} if now.get(path) != OLD.get(path)}
    named = {result.path: result for result in outcome.results if result.state == "left"}
    assert neither <= named.keys()
    for path in named.keys() - neither:
        assert "got no answer" in named[path].detail, "only what is not known is named beside what is neither"
    assert all(result.command for result in named.values())
    for path in named:
        assert path in " ".join(problem.what for problem in outcome.problems)


def assert_the_next_run_completes(release: Release) -> None:
    world = World(release.world.ssm)
    world.tags = TAGS
    world.ssm.faults.clear()
    world.ssm.lost.clear()
    world.ssm.deleted = {path: world.clock.now() for path in world.ssm.deleted}  # just now
    outcome = world.push(WANTED)
    assert outcome.problems == ()
    assert world.ssm.values() == {at(key): text for key, text in WANTED.items()}


def requests_of_a_release(**more: Any) -> int:
    return Release(0, "nothing", **more).run().requests


def test_the_release_is_what_it_should_be() -> None:
    """Three reads; key and tier, and the tags; one look; ten of each write; ten repaired tags."""
    release = Release(0, "nothing").run()
    done = [operation for operation, _ in release.world.ssm.calls]
    counted = {operation: done.count(operation) for operation in done}
    assert counted == {"GetParameters": 4, "DescribeParameters": 4, "PutParameter": 20, "AddTagsToResource": 10}
    assert_all_is_told(release)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_each_request_of_a_release(kind: str) -> None:
    requests = requests_of_a_release()
    assert requests > 30
    for nth in range(1, requests + 1):
        release = Release(nth, kind).run()
        assert_all_is_told(release)
        assert_the_next_run_completes(release)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_each_request_of_an_undo(kind: str) -> None:
    """The last write is refused for good, so nineteen others are taken back, and there the fault comes."""
    requests = requests_of_a_release(refuse=LAST)
    refused_at = 4 + 4 + 20
    assert requests > refused_at + 10
    for nth in range(refused_at + 1, requests + 1):
        release = Release(nth, kind, refuse=LAST).run()
        assert_all_is_told(release)
        assert_the_next_run_completes(release)


@pytest.mark.parametrize("kind", ["throttled", "500", "reset for good"])
def test_a_failure_that_stays_is_given_up_after_a_minute_and_said(kind: str) -> None:
    release = Release(15, kind)
    began = release.world.clock.now()
    release.run()
    assert release.world.clock.now() - began >= 60
    assert release.outcome is not None
    assert "SSM let no write through for 60 seconds" in release.outcome.problems[0].what
