"""The write stage brings about all that the plan says, in the fewest writes, and tells nobody a value."""

import threading
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings as at_most
from hypothesis import strategies as st
from store_world import (
    FakeClock,
    Row,
    World,
    at,
    aws_error,
    denied,
    entries,
    failing,
    reset,
    secret,
    states,
    texts,
    throttled,
    unreachable,
)

from secret_action.model import Action
from secret_action.settings import AwsSettings
from secret_action.store import Metadata


def test_creates_and_updates_and_says_so_once_per_parameter() -> None:
    world = World()
    world.ssm.put(at("old"), "before")

    outcome = world.push({"new": "n", "old": "o"})

    assert world.ssm.values() == {at("new"): "n", at("old"): "o"}
    assert [(r.path, r.action, r.state, r.version) for r in outcome.results] == [
        (at("new"), "create", "written", 1),
        (at("old"), "update", "written", 2),
    ]
    assert outcome.problems == ()
    assert sorted(world.log.lines) == [f"created {at('new')} (version 1)", f"updated {at('old')} (version 2)"]


def test_a_new_parameter_is_a_secure_string_and_never_overwrites() -> None:
    world = World()
    world.settings = AwsSettings(**{**vars(world.settings), "kms_key_id": "alias/app"})
    world.push({"new": "n"}, tier="Advanced", description="For the API.")

    [sent] = [arguments for operation, arguments in world.ssm.calls if operation == "PutParameter"]
    assert sent == {
        "Name": at("new"),
        "Value": "n",
        "Type": "SecureString",
        "Overwrite": False,
        "KeyId": "alias/app",
        "Tier": "Advanced",
        "Description": "For the API.",
    }


def test_without_wishes_only_what_is_needed_is_sent() -> None:
    world = World()
    world.push({"new": "n"})
    [sent] = [arguments for operation, arguments in world.ssm.calls if operation == "PutParameter"]
    assert sorted(sent) == ["Name", "Overwrite", "Type", "Value"]


def test_an_overwrite_keeps_key_tier_description_and_pattern() -> None:
    world = World()
    kept = {"key_id": "alias/own", "tier": "Advanced", "description": "Theirs.", "allowed_pattern": ".*"}
    world.ssm.put(at("old"), "before", **kept)

    world.push({"old": "after"})

    row = world.ssm.rows[at("old")]
    assert (row.value, row.version) == ("after", 2)
    assert {name: getattr(row, name) for name in kept} == kept


def test_a_standard_parameter_is_sent_no_tier() -> None:
    world = World()
    world.ssm.put(at("old"), "before")
    world.push({"old": "after"})
    assert "Tier" not in world.ssm.calls[-1][1]


def test_the_configured_key_wins_over_the_one_it_has() -> None:
    world = World()
    world.settings = AwsSettings(**{**vars(world.settings), "kms_key_id": "alias/new"})
    world.ssm.put(at("old"), "before", key_id="alias/own")
    world.push({"old": "after"})
    assert world.ssm.rows[at("old")].key_id == "alias/new"


def test_a_string_becomes_a_secure_string() -> None:
    world = World()
    world.ssm.put(at("old"), "same", type="String", key_id="")
    outcome = world.push({"old": "same"})
    assert world.ssm.rows[at("old")].type == "SecureString"
    assert outcome.results[0].detail == "was a String, becomes a SecureString"


def test_nothing_to_do_calls_nobody() -> None:
    world = World()
    world.ssm.put(at("old"), "same")
    plan = world.plan_keys({"old": "same"})
    world.ssm.calls.clear()
    assert world.write(plan).results == ()
    assert world.ssm.calls == []


def test_without_the_right_to_describe_it_goes_on_and_notes_it() -> None:
    from secret_action.store import look_up

    world = World()
    world.ssm.put(at("old"), "before")
    world.ssm.faults.append(failing("DescribeParameters", lambda: denied("ssm:DescribeParameters", "")))
    plan = world.plan_keys({"old": "after"})
    metadata = look_up(world.session, plan)
    assert "No permission for ssm:DescribeParameters" in metadata.note
    world.write(plan, metadata)
    assert world.ssm.values() == {at("old"): "after"}


def test_details_are_looked_up_fifty_a_call() -> None:
    world = World()
    keys = [f"k{number}" for number in range(101)]
    for key in keys:
        world.ssm.put(at(key), "before")
    world.push(dict.fromkeys(keys, "after"))
    described = [call for operation, call in world.ssm.calls if operation == "DescribeParameters"]
    sizes = [len(call["ParameterFilters"][0]["Values"]) for call in described if "NextToken" not in call]
    assert sizes == [50, 50, 1]


@pytest.mark.parametrize(
    "error",
    [throttled, lambda: aws_error("TooManyUpdates"), lambda: aws_error("InternalServerError", "", 500), unreachable],
    ids=["throttled", "too many updates", "500", "no connection"],
)
def test_what_may_pass_is_tried_until_it_does(error: Any) -> None:
    """TooManyUpdates among it, which botocore does not retry."""
    world = World()
    world.ssm.put(at("b"), "before")
    world.ssm.faults.append(failing("PutParameter", error, times=7))
    outcome = world.push({"a": "a", "b": "b"})
    assert states(outcome) == {"a": "written", "b": "written"}
    assert [world.ssm.rows[at(key)].version for key in "ab"] == [1, 2]


@pytest.mark.parametrize("error", [reset, lambda: aws_error("InternalServerError", "", 500)], ids=["reset", "500"])
def test_a_write_whose_answer_was_lost_is_not_written_twice(error: Any) -> None:
    world = World()
    world.ssm.put(at("b"), "before")
    world.ssm.lost.append(failing("PutParameter", error, times=2))
    outcome = world.push({"a": "a", "b": "b"})
    assert states(outcome) == {"a": "written", "b": "written"}
    assert sorted(world.ssm.writes()) == [at("a"), at("b")]
    assert [world.ssm.rows[at(key)].version for key in "ab"] == [1, 2]


def test_a_lost_answer_and_a_lost_look_are_still_one_write() -> None:
    world = World()
    world.ssm.put(at("b"), "before")
    plan = world.plan_keys({"b": "b"})
    world.ssm.lost.append(failing("PutParameter", reset, times=1))
    world.ssm.faults.append(failing("GetParameters", reset, times=3))
    assert states(world.write(plan)) == {"b": "written"}
    assert world.ssm.rows[at("b")].version == 2


def test_a_create_that_lands_late_is_ours() -> None:
    """The first request seems lost, the second finds the parameter there: with our value, as version 1."""
    world = World()
    plan = world.plan_keys({"a": "a"})
    first = [True]

    def late(operation: str, arguments: dict[str, Any]) -> Exception | None:
        if operation != "PutParameter":
            return None
        if first.pop() if first else False:
            return reset()
        world.ssm.rows.setdefault(at("a"), Row("a"))
        return None

    world.ssm.faults.append(late)
    outcome = world.write(plan)
    assert states(outcome) == {"a": "written"}
    assert world.ssm.rows[at("a")].version == 1


def test_a_name_deleted_just_before_is_created_when_ssm_allows_it() -> None:
    """SSM refuses for about 30 seconds to make a deleted name again."""
    world = World()
    plan = world.plan_keys({"a": "a"})
    until = world.clock.now() + 30

    def deleted(operation: str, arguments: dict[str, Any]) -> Exception | None:
        refuse = operation == "PutParameter" and world.clock.now() < until
        return aws_error("ParameterAlreadyExists") if refuse else None

    world.ssm.faults.append(deleted)
    assert states(world.write(plan)) == {"a": "written"}


def test_somebody_created_the_same_value_first() -> None:
    world = World()
    plan = world.plan_keys({"a": "a"})
    world.ssm.put(at("a"), "a")
    [result] = world.write(plan).results
    assert (result.state, result.version) == ("written", 1)
    assert "Somebody else created it" in result.detail


def test_patience_ends_after_a_minute_without_a_success() -> None:
    world = World()
    world.ssm.faults.append(failing("PutParameter", throttled))
    began = world.clock.now()
    outcome = world.push({"a": secret("a")})
    assert states(outcome) == {"a": "failed"}
    assert "for 60 seconds" in outcome.problems[0].what
    assert world.clock.now() - began >= 60


def test_as_long_as_one_gets_through_nobody_gives_up() -> None:
    """SSM lets one write in every ten seconds; thirty of them take five minutes."""
    world = World()
    free_at = [world.clock.now()]

    def slow(operation: str, arguments: dict[str, Any]) -> Exception | None:
        if operation != "PutParameter":
            return None
        if world.clock.now() < free_at[0]:
            return throttled()
        free_at[0] = world.clock.now() + 10
        return None

    world.ssm.faults.append(slow)
    outcome = world.push({f"k{number}": "v" for number in range(30)})
    assert set(states(outcome).values()) == {"written"}


def test_at_most_eight_requests_at_a_time() -> None:
    world = World()
    running, most, lock = [0], [0], threading.Lock()
    gate = threading.Barrier(8)

    def count(operation: str, arguments: dict[str, Any]) -> Exception | None:
        if operation == "PutParameter":
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
        return None

    real = world.ssm.put_parameter

    def put(**arguments: Any) -> dict[str, Any]:
        count("PutParameter", arguments)
        gate.wait(timeout=10)
        try:
            return real(**arguments)
        finally:
            with lock:
                running[0] -= 1

    world.ssm.put_parameter = put  # type: ignore[method-assign]
    world.push({f"k{number}": "v" for number in range(16)})
    assert most[0] == 8


@pytest.mark.parametrize("seed", range(5))
def test_a_bad_day_loses_nothing(seed: int) -> None:
    """A tenth TooManyUpdates, some resets before and after the server acted, some 500: every value once."""
    import random

    chance = random.Random(seed)
    world = World()
    values = {f"k{number}": secret(str(number)) for number in range(60)}
    for key in list(values)[:30]:
        world.ssm.put(at(key), "before")
    plan = world.plan_keys(values)

    def before(operation: str, arguments: dict[str, Any]) -> Exception | None:
        if operation != "PutParameter":
            return None
        draw = chance.random()
        return aws_error("TooManyUpdates") if draw < 0.1 else reset() if draw < 0.13 else None

    def after(operation: str, arguments: dict[str, Any]) -> Exception | None:
        lost = operation == "PutParameter" and chance.random() < 0.05
        return aws_error("InternalServerError", "", 500) if lost else None

    world.ssm.faults.append(before)
    world.ssm.lost.append(after)
    outcome = world.write(plan, Metadata())

    assert outcome.problems == ()
    assert world.ssm.values() == {at(key): value for key, value in values.items()}
    assert {row.version for row in world.ssm.rows.values()} == {1, 2}


_VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=200)


@at_most(max_examples=60, deadline=None)
@for_all(st.lists(_VALUES, min_size=1, max_size=12))
def test_values_arrive_byte_for_byte_and_a_second_run_writes_nothing(values: list[str]) -> None:
    world = World()
    by_key = {f"k{number}": value for number, value in enumerate(values)}
    world.push(by_key)
    assert world.ssm.values() == {at(key): value for key, value in by_key.items()}
    again = world.plan_keys(by_key)
    assert {entry.action for entry in again.entries} == {Action.UNCHANGED}


@at_most(max_examples=60, deadline=None)
@for_all(
    st.lists(
        st.sampled_from(
            ["", "throttled", "reset", "lost", "ValidationException", "InvalidKeyId", "AccessDeniedException"]
        ),
        min_size=4,
        max_size=12,
    )
)
def test_no_text_of_an_outcome_holds_a_value(faults: list[str]) -> None:
    """Whatever goes wrong, and however much of the request AWS quotes in its words."""
    world = World()
    values = {f"k{number}": secret(f"new-{number}") for number in range(len(faults))}
    for number, key in enumerate(values):
        if number % 2:
            world.ssm.put(at(key), secret(f"old-{number}"))
    plan = world.plan_keys(values)
    kinds = {at(key): fault for key, fault in zip(values, faults, strict=True)}

    def fault(operation: str, arguments: dict[str, Any]) -> Exception | None:
        kind = kinds.get(arguments.get("Name", ""), "") if operation == "PutParameter" else ""
        if kind in ("", "lost"):
            return None
        if kind == "throttled":
            return throttled()
        return reset() if kind == "reset" else aws_error(kind, f"Value '{arguments['Value']}' at 'value' failed")

    def lost(operation: str, arguments: dict[str, Any]) -> Exception | None:
        return reset() if kinds.get(arguments.get("Name", "")) == "lost" else None

    world.ssm.faults.append(fault)
    world.ssm.lost.append(lost)
    outcome = world.write(plan)
    shown = texts(outcome, world.log)
    assert "v4lue" not in shown
    assert {r.state for r in outcome.results} & {"written"} == set() or not outcome.problems


def test_the_plan_itself_shows_no_value() -> None:
    world = World()
    world.ssm.put(at("old"), secret("old"))
    plan = world.plan_keys({"old": secret("new")})
    assert "v4lue" not in repr(plan)
    assert "v4lue" not in repr(entries(plan)["old"])


def test_progress_is_told_while_ssm_is_slow() -> None:
    """The request ends only when the main thread has told how far it is."""
    world = World(clock=FakeClock(tick=2))
    told = threading.Event()
    world.log.progress = lambda text: (world.log.lines.append(text), told.set())[0]  # type: ignore[method-assign]
    plan = world.plan_keys({"a": "a"})
    world.ssm.faults.append(lambda operation, arguments: None if told.wait(timeout=30) else AssertionError("silent"))
    assert states(world.write(plan)) == {"a": "written"}
    assert "0 of 1 parameters written" in world.log.lines
