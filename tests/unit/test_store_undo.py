"""A write stage that fails leaves everything as it was, or names exactly what it could not take back."""

import subprocess
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from store_world import (
    FakeClock,
    Fault,
    World,
    at,
    aws_error,
    denied,
    failing,
    reset,
    secret,
    states,
    texts,
    throttled,
)

from secret_action.errors import CancelledError
from secret_action.model import WriteResult
from secret_action.store import Metadata, WriteOutcome
from secret_action.store import commands as cli

KEPT = {"key_id": "alias/own", "tier": "Advanced", "description": "Theirs.", "allowed_pattern": ".*"}


def release(world: World, *, last: str = "z") -> dict[str, str]:
    """Values for twelve old and twelve new parameters, and for one whose write is told to fail."""
    for number in range(12):
        world.ssm.put(at(f"old{number}"), secret(f"before-{number}"), **KEPT)
    keys = [*(f"old{number}" for number in range(12)), *(f"new{number}" for number in range(12)), last]
    return {key: secret(f"after-{key}") for key in keys}


def everything_is_old(world: World) -> None:
    assert world.ssm.values() == {at(f"old{number}"): secret(f"before-{number}") for number in range(12)}
    for row in world.ssm.rows.values():
        assert {name: getattr(row, name) for name in KEPT} == KEPT
        assert row.type == "SecureString"


def of(outcome: WriteOutcome, key: str) -> WriteResult:
    [result] = [result for result in outcome.results if result.path == at(key)]
    return result


def holding_back(world: World, path: str, count: int) -> None:
    """Lets the write of `path` wait until so many others are done, so that there is something to undo."""

    def hold(operation: str, arguments: dict[str, Any]) -> Exception | None:
        if operation == "PutParameter" and arguments.get("Name") == path:
            done.wait(timeout=10)
        return None

    def tell(operation: str, arguments: dict[str, Any]) -> Exception | None:
        written.append(arguments.get("Name"))
        if len(written) >= count:
            done.set()
        return None

    written: list[Any] = []
    done = threading.Event()
    world.ssm.faults.insert(0, hold)
    real = world.ssm._put

    def put(**arguments: Any) -> dict[str, Any]:
        answer = real(**arguments)
        tell("PutParameter", arguments)
        return answer

    world.ssm._put = put  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "code", ["ValidationException", "InvalidKeyId", "ParameterLimitExceeded", "AccessDeniedException"]
)
def test_one_refusal_undoes_everything(code: str) -> None:
    world = World()
    values = release(world)
    plan = world.plan_keys(values)
    holding_back(world, at("z"), 24)
    world.ssm.faults.append(failing("PutParameter", lambda: aws_error(code), path=at("z")))

    outcome = world.write(plan)

    everything_is_old(world)
    assert of(outcome, "z").state == "failed"
    assert {state for key, state in states(outcome).items() if key != "z"} == {"undone"}
    assert len(outcome.problems) == 1
    assert outcome.cancelled is None
    assert "v4lue" not in texts(outcome, world.log)


def test_undo_says_what_it_did() -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "o", "new": "n", "z": "z"})
    holding_back(world, at("z"), 2)
    world.ssm.faults.append(failing("PutParameter", lambda: aws_error("InvalidKeyId"), path=at("z")))
    world.write(plan)
    assert world.log.lines[-2:] == [f"undone: {at('new')} removed", f"undone: {at('old')} put back (version 3)"]


def test_after_a_refusal_no_other_write_begins() -> None:
    world = World()
    values = {f"k{number:03}": "v" for number in range(100)}
    world.ssm.faults.append(failing("PutParameter", lambda: aws_error("InvalidKeyId")))
    outcome = world.push(values)
    found = list(states(outcome).values())
    assert found.count("failed") <= 8
    assert found.count("failed") + found.count("not started") == 100


def test_created_ones_are_removed_ten_a_call() -> None:
    world = World()
    values = {f"k{number}": "v" for number in range(25)} | {"z": "z"}
    plan = world.plan_keys(values)
    holding_back(world, at("z"), 25)
    world.ssm.faults.append(failing("PutParameter", lambda: aws_error("InvalidKeyId"), path=at("z")))
    world.write(plan)
    sizes = sorted(len(call["Names"]) for operation, call in world.ssm.calls if operation == "DeleteParameters")
    assert sizes == [5, 10, 10]
    assert world.ssm.values() == {}


def test_a_string_is_put_back_as_a_string() -> None:
    world = World()
    world.ssm.put(at("old"), "before", type="String", key_id="")
    plan = world.plan_keys({"old": "after", "z": "z"})
    holding_back(world, at("z"), 1)
    world.ssm.faults.append(failing("PutParameter", lambda: aws_error("InvalidKeyId"), path=at("z")))
    world.write(plan)
    row = world.ssm.rows[at("old")]
    assert (row.value, row.type, row.key_id) == ("before", "String", "")


def test_a_description_that_was_not_there_is_taken_away_again() -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after", "z": "z"}, description="New.")
    holding_back(world, at("z"), 1)
    world.ssm.faults.append(failing("PutParameter", lambda: aws_error("InvalidKeyId"), path=at("z")))
    world.write(plan)
    assert world.ssm.rows[at("old")].description == ""


def test_a_tier_that_was_raised_stays_and_is_said() -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after", "z": "z"}, tier="Advanced")
    holding_back(world, at("z"), 1)
    world.ssm.faults.append(failing("PutParameter", lambda: aws_error("InvalidKeyId"), path=at("z")))
    result = of(world.write(plan), "old")
    assert (result.state, result.detail) == ("undone", "put back; its tier stays as it was raised")


def test_a_version_that_moved_before_the_write_stops_the_run_and_stands() -> None:
    """Somebody wrote between the plan and our write: seen by the look just before it."""
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after"})
    world.ssm.put(at("old"), "theirs")

    outcome = world.write(plan)

    assert (world.ssm.rows[at("old")].value, world.ssm.rows[at("old")].version) == ("theirs", 2)
    assert of(outcome, "old").state == "failed"
    assert f"Somebody else wrote {at('old')}" in outcome.problems[0].what
    assert "Their version 2 stands" in outcome.problems[0].what


def test_the_same_value_written_by_somebody_else_is_what_was_wanted() -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after", "new": "n"})
    world.ssm.put(at("old"), "after")
    outcome = world.write(plan)
    assert states(outcome) == {"old": "written", "new": "written"}
    assert world.ssm.rows[at("old")].version == 2


def at_that_moment(world: World, path: str, act: Callable[[], None]) -> None:
    """Somebody else acts after our last look at `path`, before our write arrives."""

    def fault(operation: str, arguments: dict[str, Any]) -> Exception | None:
        if operation == "PutParameter" and arguments["Name"] == path:
            act()
        return None

    world.ssm.faults.append(fault)


def test_a_version_that_moved_at_that_moment_stops_the_run_and_is_never_overwritten() -> None:
    """Somebody wrote between our look and our write: ours stands on top of theirs, and only a person may decide."""
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after"})
    at_that_moment(world, at("old"), lambda: world.ssm.put(at("old"), "theirs"))

    outcome = world.write(plan)

    assert (world.ssm.rows[at("old")].value, world.ssm.rows[at("old")].version) == ("after", 3)
    result = of(outcome, "old")
    assert (result.state, result.version) == ("left", 3)
    assert f"{at('old')}:2" in result.command, "the command puts back what they wrote"
    assert "Somebody else wrote" in outcome.problems[0].what
    assert "The value of this run stands" in outcome.problems[0].what


def test_a_parameter_deleted_before_the_write_is_not_made_anew() -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after"})
    del world.ssm.rows[at("old")]
    outcome = world.write(plan, Metadata())
    assert world.ssm.values() == {}
    assert "They deleted it" in outcome.problems[0].what


def test_a_parameter_deleted_at_that_moment_and_made_anew_by_us_is_named() -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after"})
    at_that_moment(world, at("old"), lambda: world.ssm.rows.clear())
    result = of(world.write(plan, Metadata()), "old")
    assert (result.state, result.version) == ("left", 1)
    assert result.command == f"aws ssm delete-parameter --region eu-west-1 --name {at('old')}"


def test_a_parameter_that_somebody_created_in_between_is_not_touched() -> None:
    world = World()
    plan = world.plan_keys({"a": "ours", "b": "b"})
    world.ssm.put(at("a"), "theirs")
    outcome = world.write(plan)
    assert world.ssm.values() == {at("a"): "theirs"}
    assert of(outcome, "a").state == "failed"
    assert "Their value stands" in outcome.problems[0].what


def test_what_somebody_wrote_after_us_survives_the_undo() -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after", "new": "n", "z": "z"})
    holding_back(world, at("z"), 2)

    def refuse(operation: str, arguments: dict[str, Any]) -> Exception | None:
        if operation != "PutParameter" or arguments["Name"] != at("z"):
            return None
        world.ssm.put(at("old"), "theirs")
        world.ssm.put(at("new"), "theirs")
        return aws_error("InvalidKeyId")

    world.ssm.faults.append(refuse)
    outcome = world.write(plan)

    assert world.ssm.values() == {at("old"): "theirs", at("new"): "theirs"}
    assert states(outcome) == {"old": "left", "new": "left", "z": "failed"}
    assert "wrote version 3 since" in of(outcome, "old").detail
    assert "get-parameter-history" in of(outcome, "old").command
    assert "Not undone" in outcome.problems[-1].what


def refusing_then(world: World, fault: Fault, *, lost: bool = False) -> None:
    """Refuses the write of `z`, and from then on asks this fault too. lost: it is asked after the operation acted."""

    def refuse(operation: str, arguments: dict[str, Any]) -> Exception | None:
        if operation != "PutParameter" or arguments["Name"] != at("z"):
            return None
        (world.ssm.lost if lost else world.ssm.faults).append(fault)
        return aws_error("InvalidKeyId")

    world.ssm.faults.append(refuse)


@pytest.mark.parametrize("error", [throttled, reset], ids=["throttled", "reset"])
def test_what_somebody_wrote_while_the_removal_was_retried_survives(error: Callable[[], Exception]) -> None:
    world = World()
    plan = world.plan_keys({"new": "n", "other": "o", "z": "z"})
    holding_back(world, at("z"), 2)

    def meanwhile() -> Exception:
        world.ssm.put(at("new"), "theirs")
        return error()

    refusing_then(world, failing("DeleteParameters", meanwhile, times=1))
    outcome = world.write(plan)

    assert world.ssm.values() == {at("new"): "theirs"}
    assert states(outcome) == {"new": "left", "other": "undone", "z": "failed"}
    assert "wrote version 2 since" in of(outcome, "new").detail
    assert "get-parameter-history" in of(outcome, "new").command


@pytest.mark.parametrize("error", [throttled, reset], ids=["throttled", "reset"])
def test_what_somebody_wrote_while_the_put_back_was_retried_survives(error: Callable[[], Exception]) -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after", "z": "z"})
    holding_back(world, at("z"), 1)

    def meanwhile() -> Exception:
        world.ssm.put(at("old"), "theirs")
        return error()

    refusing_then(world, failing("PutParameter", meanwhile, path=at("old"), times=1))
    outcome = world.write(plan)

    assert (world.ssm.rows[at("old")].value, world.ssm.rows[at("old")].version) == ("theirs", 3)
    result = of(outcome, "old")
    assert (result.state, result.version) == ("left", 3)
    assert "wrote version 3 since" in result.detail
    assert "get-parameter-history" in result.command


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer lost"])
def test_a_put_back_that_came_onto_somebody_elses_version_says_so_and_how_to_restore_theirs(lost: bool) -> None:
    """They wrote between our look and our put-back, where SSM has nothing that could stop us."""
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after", "z": "z"})
    holding_back(world, at("z"), 1)

    def theirs_first(operation: str, arguments: dict[str, Any]) -> Exception | None:
        if operation == "PutParameter" and arguments["Name"] == at("old"):
            world.ssm.put(at("old"), "theirs")
            if lost:
                world.ssm.lost.append(failing("PutParameter", reset, path=at("old"), times=1))
        return None

    refusing_then(world, theirs_first)
    result = of(world.write(plan), "old")

    assert (world.ssm.rows[at("old")].value, world.ssm.rows[at("old")].version) == ("before", 4)
    assert (result.state, result.version) == ("left", 4)
    assert result.detail == (
        "Somebody else wrote version 3 at the moment at which it was put back. "
        "The value from before this run stands, as version 4."
    )
    assert f"{at('old')}:3 " in result.command, "the command restores what they wrote"


def test_a_put_back_of_what_somebody_removed_at_that_moment_says_so() -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after", "z": "z"})
    holding_back(world, at("z"), 1)

    def removed_first(operation: str, arguments: dict[str, Any]) -> Exception | None:
        if operation == "PutParameter" and arguments["Name"] == at("old"):
            del world.ssm.rows[at("old")]
        return None

    refusing_then(world, removed_first)
    result = of(world.write(plan), "old")

    assert (result.state, result.version) == ("left", 1)
    assert "Somebody else removed it" in result.detail
    assert result.command == cli.delete(at("old"), "eu-west-1")


def test_a_removal_whose_answer_was_lost_counts_as_removed() -> None:
    world = World()
    plan = world.plan_keys({"new": "n", "z": "z"})
    holding_back(world, at("z"), 1)
    refusing_then(world, failing("DeleteParameters", reset, times=1), lost=True)
    result = of(world.write(plan), "new")
    assert world.ssm.values() == {}
    assert (result.state, result.detail) == ("undone", "removed")


def test_without_the_right_to_delete_the_rest_is_still_put_back() -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"new": "n", "old": "after", "z": "z"})
    holding_back(world, at("z"), 2)
    world.ssm.faults.append(failing("PutParameter", lambda: aws_error("InvalidKeyId"), path=at("z")))
    world.ssm.faults.append(failing("DeleteParameters", lambda: denied("ssm:DeleteParameters", at("new"))))
    outcome = world.write(plan)
    assert world.ssm.values() == {at("new"): "n", at("old"): "before"}
    result = of(outcome, "new")
    assert (result.state, result.version) == ("left", 1)
    assert "ssm:DeleteParameters" in result.detail
    assert result.command == f"aws ssm delete-parameter --region eu-west-1 --name {at('new')}"


@pytest.mark.parametrize("operation", ["GetParameters", "DeleteParameters", "PutParameter"])
@pytest.mark.parametrize("error", [throttled, reset], ids=["throttled", "reset"])
def test_an_undo_goes_on_through_a_bad_day(operation: str, error: Any) -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"new": "n", "old": "after", "z": "z"})
    holding_back(world, at("z"), 2)

    def refuse(called: str, arguments: dict[str, Any]) -> Exception | None:
        if called == "PutParameter" and arguments["Name"] == at("z"):
            world.ssm.faults.append(failing(operation, error, times=5))
            return aws_error("InvalidKeyId")
        return None

    world.ssm.faults.append(refuse)
    outcome = world.write(plan)
    assert world.ssm.values() == {at("old"): "before"}
    assert states(outcome) == {"new": "undone", "old": "undone", "z": "failed"}


def test_a_put_back_whose_answer_was_lost_is_not_repeated() -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after", "z": "z"})
    holding_back(world, at("z"), 1)

    def refuse(called: str, arguments: dict[str, Any]) -> Exception | None:
        if called == "PutParameter" and arguments["Name"] == at("z"):
            world.ssm.lost.append(failing("PutParameter", reset, path=at("old"), times=1))
            return aws_error("InvalidKeyId")
        return None

    world.ssm.faults.append(refuse)
    world.write(plan)
    assert (world.ssm.rows[at("old")].value, world.ssm.rows[at("old")].version) == ("before", 3)


def test_when_nothing_answers_any_more_everything_written_is_named() -> None:
    world = World()
    world.ssm.put(at("old"), secret("before"))
    plan = world.plan_keys({"old": secret("after"), "new": secret("n"), "z": secret("z")})
    holding_back(world, at("z"), 2)
    down: list[bool] = []

    def outage(called: str, arguments: dict[str, Any]) -> Exception | None:
        if called == "PutParameter" and arguments["Name"] == at("z"):
            down.append(True)
        return reset() if down else None

    world.ssm.faults.append(outage)
    outcome = world.write(plan)
    assert states(outcome) == {"old": "left", "new": "left", "z": "left"}
    assert all(result.command for result in outcome.results)
    assert "v4lue" not in texts(outcome, world.log)


def test_a_write_of_unknown_fate_is_looked_at_and_undone() -> None:
    """The answer and every look were lost until patience ended; then SSM answers again."""
    world = World()
    plan = world.plan_keys({"a": "a"})
    began = world.clock.now()

    def outage(called: str, arguments: dict[str, Any]) -> Exception | None:
        return reset() if called == "GetParameters" and world.clock.now() < began + 75 else None

    world.ssm.lost.append(failing("PutParameter", reset))
    world.ssm.faults.append(outage)
    outcome = world.write(plan)
    assert states(outcome) == {"a": "undone"}
    assert world.ssm.values() == {}
    assert "for 60 seconds" in outcome.problems[0].what


def test_an_error_of_our_own_is_a_problem_and_undone() -> None:
    world = World()
    plan = world.plan_keys({"a": "a", "z": "z"})
    holding_back(world, at("z"), 1)
    world.ssm.faults.append(failing("PutParameter", lambda: ZeroDivisionError(secret("x")), path=at("z")))
    outcome = world.write(plan)
    assert world.ssm.values() == {}
    assert of(outcome, "a").state == "undone"
    assert "v4lue" not in texts(outcome, world.log)


# --- cancel ---


class Interrupting:
    """Raises a cancel in this thread at the nth line that the write stage executes, as a signal handler would."""

    def __init__(self, nth: int) -> None:
        self.left = nth
        self.fired = False

    def __enter__(self) -> "Interrupting":
        self._old = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._old)

    def _trace(self, frame: FrameType, event: str, arg: object) -> Any:
        if "/secret_action/store/" not in frame.f_code.co_filename:
            return None
        if event == "line" and not self.fired:
            self.left -= 1
            if self.left == 0:
                self.fired = True
                raise CancelledError("SIGTERM")
        return self._trace


def _cancelled_at(nth: int, *, refuse: bool) -> tuple[World, WriteOutcome | None, bool]:
    world = World()
    world.ssm.put(at("old"), "before", **KEPT)
    plan = world.plan_keys({"old": "after", "new": "n", "z": "z"})
    if refuse:
        holding_back(world, at("z"), 2)
        world.ssm.faults.append(failing("PutParameter", lambda: aws_error("InvalidKeyId"), path=at("z")))
    metadata = Metadata({at("old"): _details()})
    outcome = None
    with Interrupting(nth) as interrupting:
        try:
            outcome = world.write(plan, metadata)
        except CancelledError:
            assert world.ssm.writes() == [], "a cancel may leave the stage only before its first write"
    return world, outcome, interrupting.fired


def _details() -> Any:
    from secret_action.store.metadata import Details

    return Details(**KEPT)


@pytest.mark.parametrize("refuse", [False, True], ids=["writing", "while it undoes for another reason"])
def test_a_cancel_at_any_moment_leaves_everything_old_or_named(refuse: bool) -> None:
    nth = 1
    while True:
        world, outcome, fired = _cancelled_at(nth, refuse=refuse)
        if not fired:
            break
        if outcome is not None:
            assert outcome.cancelled is not None
            assert outcome.problems[0].what == "The run was cancelled (SIGTERM)."
            for result in outcome.results:
                assert result.state in ("undone", "left", "not started", "failed")
            named = {result.path for result in outcome.results if result.state == "left"}
            changed = {path for path, value in world.ssm.values().items() if (path, value) != (at("old"), "before")}
            assert changed <= named, nth
        nth += 1
    assert nth > 30


def test_a_request_that_hangs_is_named_after_the_grace() -> None:
    world = World(clock=FakeClock(tick=0.2))
    plan = world.plan_keys({"a": secret("a"), "hangs": secret("h")})
    hanging, goes_on = threading.Event(), threading.Event()

    def hang(operation: str, arguments: dict[str, Any]) -> Exception | None:
        if operation == "PutParameter" and arguments["Name"] == at("hangs"):
            hanging.set()
            goes_on.wait(timeout=30)
        return None

    def cancel(text: str) -> None:
        hanging.wait(timeout=10)
        world.log.line = world.log.lines.append  # type: ignore[method-assign]
        raise CancelledError("SIGINT")

    world.ssm.faults.append(hang)
    world.log.line = cancel  # type: ignore[method-assign]
    outcome = world.write(plan)
    goes_on.set()

    assert states(outcome) == {"a": "undone", "hangs": "left"}
    result = of(outcome, "hangs")
    assert "got no answer" in result.detail
    assert result.command == f"aws ssm delete-parameter --region eu-west-1 --name {at('hangs')}"
    assert "v4lue" not in texts(outcome, world.log)


def test_an_undo_that_does_not_fit_is_cut_off_and_named() -> None:
    world = World(clock=FakeClock(tick=0.5))
    world.ssm.put(at("old"), "before")
    plan = world.plan_keys({"old": "after"})
    goes_on = threading.Event()

    def cancel(text: str) -> None:
        world.ssm.faults.append(lambda operation, arguments: goes_on.wait(timeout=30) and None)
        world.log.line = world.log.lines.append  # type: ignore[method-assign]
        raise CancelledError("SIGINT")

    world.log.line = cancel  # type: ignore[method-assign]
    outcome = world.write(plan)
    goes_on.set()

    result = of(outcome, "old")
    assert (result.state, result.version, result.detail) == ("left", 2, "There was no time left to undo it.")
    assert f"{at('old')}:1" in result.command


# --- commands ---


@pytest.mark.parametrize("command", [cli.delete("/a/b c'd", "eu-west-1"), cli.history("/a/b c'd", "eu-west-1")])
def test_a_command_survives_any_name(command: str) -> None:
    words = subprocess.run(
        ["/bin/sh", "-c", f"set -- {command}\nprintf '%s\\n' \"$@\""], capture_output=True, text=True, check=True
    )
    assert "/a/b c'd" in words.stdout.splitlines()


def test_put_back_pipes_the_value_and_keeps_type_key_and_tier() -> None:
    command = cli.put_back("/a/b", 3, "eu-west-1", type="SecureString", key_id="alias/own", tier="Advanced")
    assert command == (
        "aws ssm get-parameter --region eu-west-1 --name /a/b:3 --with-decryption --query Parameter.Value "
        "--output text | perl -pe 'chomp if eof' | aws ssm put-parameter --region eu-west-1 --name /a/b --overwrite "
        "--type SecureString --key-id alias/own --tier Advanced --value file:///dev/stdin"
    )
