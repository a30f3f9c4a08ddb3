"""What nothing asks for any more is deleted: only ours, only as it was planned, and never too much."""

from typing import Any

import pytest
from store_world import FOLDER, World, at, denied, failing, reset, secret, states, texts, throttled

from secret_action.errors import CancelledError, InputError, StoreError
from secret_action.model import PlannedParameter
from secret_action.store import check_leftovers, find_leftovers, find_preview, prune
from secret_action.store.writing import WriteOutcome

OURS = {"managed-by": "secret-sync"}


def world_with(*keys: str) -> World:
    world = World()
    for key in keys:
        world.ssm.put(at(key), secret(key), tags=dict(OURS))
    return world


def paths(leftovers: tuple[PlannedParameter, ...]) -> list[str]:
    return [entry.parameter.path for entry in leftovers]


def pruned(world: World, leftovers: tuple[PlannedParameter, ...]) -> WriteOutcome:
    return prune(world.session, leftovers, FOLDER, world.log)


def deletions(world: World) -> list[int]:
    return [len(call["Names"]) for operation, call in world.ssm.calls if operation == "DeleteParameters"]


def test_left_over_is_what_carries_our_tag_and_nobody_asks_for() -> None:
    world = world_with("old", "older", "wanted")
    world.ssm.put(at("by_hand"), "v")
    world.ssm.put(at("theirs"), "v", tags={"managed-by": "terraform"})
    world.ssm.put(at("deeper/old"), "v", tags=dict(OURS))
    world.ssm.put("/zerotouch/prod/my-service-2/old", "v", tags=dict(OURS))
    world.ssm.put("/zerotouch/staging/my-service/old", "v", tags=dict(OURS))
    assert paths(find_leftovers(world.session, FOLDER, [at("wanted")])) == [at("old"), at("older")]


def test_no_value_is_read_to_find_them() -> None:
    world = world_with("old")
    [entry] = find_leftovers(world.session, FOLDER, [])
    assert {operation for operation, _ in world.ssm.calls} == {"DescribeParameters"}
    assert (entry.action, entry.parameter.key, entry.parameter.owned) == ("prune", "old", True)
    assert entry.stored is not None
    assert (entry.stored.version, entry.stored.modified) == (1, "2026-01-02T03:04:05+00:00")
    assert entry.stored.value is None


def test_a_folder_that_is_compared_by_aws_is_compared_here_as_well() -> None:
    """A deletion is for ever: an answer with other parameters than were asked for deletes nothing."""
    world = world_with("old")
    world.ssm.put("/other/place/x", "v", tags=dict(OURS))
    world.ssm._passes = lambda name, condition: True  # type: ignore[method-assign]
    assert paths(find_leftovers(world.session, FOLDER, [])) == [at("old")]


@pytest.mark.parametrize("folder", ["", "/", "/zerotouch", "zerotouch/prod"])
def test_a_folder_that_is_no_services_own_is_refused(folder: str) -> None:
    with pytest.raises(ValueError, match="not the folder"):
        find_leftovers(World().session, folder, [])


def test_more_than_the_limit_is_an_error_that_names_them() -> None:
    world = world_with(*(f"k{number:02}" for number in range(11)))
    leftovers = find_leftovers(world.session, FOLDER, [])
    [problem] = check_leftovers(leftovers, 10, "write `prune: 11`.")
    assert "11 parameters are left over, and a run may delete at most 10. None was deleted" in problem.what
    assert all(at(f"k{number:02}") in problem.what for number in range(11))
    assert "write `prune: 11`" in problem.remedy
    assert check_leftovers(leftovers, 11, "") == ()


def test_what_another_overlay_of_the_environment_may_read_is_not_deleted() -> None:
    """It is not rendered in this run, and the parameters have one folder."""
    leftovers = find_leftovers(world_with("old").session, FOLDER, [])
    [problem] = check_leftovers(leftovers, 10, "", (), ("overlays/prod/us",))
    assert "overlays/prod/us may ask for parameters of this environment" in problem.what
    assert at("old") in problem.what
    assert check_leftovers((), 10, "", (), ("overlays/prod/us",)) == ()


def test_they_are_deleted_ten_a_call() -> None:
    world = world_with(*(f"k{number:02}" for number in range(25)), "wanted")
    outcome = pruned(world, find_leftovers(world.session, FOLDER, [at("wanted")]))
    assert set(states(outcome).values()) == {"deleted"}
    assert outcome.problems == ()
    assert deletions(world) == [10, 10, 5]
    assert list(world.ssm.rows) == [at("wanted")]
    assert f"deleted {at('k00')}" in world.log.lines


def test_nothing_left_over_calls_nobody() -> None:
    world = world_with()
    assert pruned(world, ()).results == ()
    assert world.ssm.calls == []


@pytest.mark.parametrize("what", ["written", "untagged", "gone"])
def test_what_changed_since_the_plan_is_left_alone(what: str) -> None:
    """Between the plan and the end of a release minutes pass."""
    world = world_with("old", "other")
    leftovers = find_leftovers(world.session, FOLDER, [])
    if what == "written":
        world.ssm.put(at("old"), "theirs")
    elif what == "untagged":
        world.ssm.rows[at("old")].tags.clear()
    else:
        del world.ssm.rows[at("old")]
    outcome = pruned(world, leftovers)
    assert (at("old") in world.ssm.rows) == (what != "gone")
    assert at("other") not in world.ssm.rows
    assert states(outcome) == {"old": "not started", "other": "deleted"}
    assert outcome.problems == ()
    assert f"{at('old')} was not deleted" in outcome.warnings[0]


@pytest.mark.parametrize("error", [throttled, reset], ids=["throttled", "reset"])
def test_a_deletion_goes_on_through_a_bad_day(error: Any) -> None:
    world = world_with("old")
    leftovers = find_leftovers(world.session, FOLDER, [])
    world.ssm.faults.append(failing("DeleteParameters", error, times=5))
    world.ssm.lost.append(failing("DeleteParameters", error, times=1))
    outcome = pruned(world, leftovers)
    assert (states(outcome), outcome.problems, world.ssm.values()) == ({"old": "deleted"}, (), {})


def test_without_the_right_to_delete_it_says_so_and_names_what_stays() -> None:
    world = world_with(*(f"k{number:02}" for number in range(12)))
    leftovers = find_leftovers(world.session, FOLDER, [])
    world.ssm.faults.append(failing("DeleteParameters", lambda: denied("ssm:DeleteParameters", at("k00"))))
    outcome = pruned(world, leftovers)
    found = list(states(outcome).values())
    assert (found.count("failed"), found.count("not started")) == (10, 2)
    assert "may not ssm:DeleteParameters" in outcome.problems[0].what
    assert "v4lue" not in texts(outcome, world.log)


def test_without_the_right_to_describe_nothing_is_found_and_the_run_says_why() -> None:
    world = world_with("old")
    world.ssm.faults.append(failing("DescribeParameters", lambda: denied("ssm:DescribeParameters", "")))
    with pytest.raises(StoreError, match="may not ssm:DescribeParameters"):
        find_leftovers(world.session, FOLDER, [])


def test_a_cancel_ends_it_and_the_outcome_tells_what_is_gone() -> None:
    world = world_with(*(f"k{number:02}" for number in range(15)))
    leftovers = find_leftovers(world.session, FOLDER, [])
    sent: list[str] = []

    def cancel(operation: str, arguments: dict[str, Any]) -> Exception | None:
        sent.append(operation)
        return CancelledError("SIGTERM") if sent.count("DeleteParameters") == 2 else None

    world.ssm.faults.append(cancel)
    outcome = pruned(world, leftovers)
    assert outcome.cancelled is not None
    assert outcome.problems[0].what == "The run was cancelled (SIGTERM)."
    found = list(states(outcome).values())
    assert (found.count("deleted"), found.count("failed")) == (10, 5)
    assert "look whether it is gone" in outcome.results[-1].detail


@pytest.mark.parametrize("environment", ["pr", "pr-123", "pr-fix-login"])
def test_a_preview_environment_is_removed_whole(environment: str) -> None:
    world = World()
    folder = f"/zerotouch/{environment}/my-service"
    world.ssm.put(f"{folder}/a", "v", tags=dict(OURS))
    world.ssm.put(f"{folder}/by_hand", "v")
    assert paths(find_preview(world.session, environment, folder)) == [f"{folder}/a"]


@pytest.mark.parametrize("environment", ["prod", "production", "staging", "dev", "preview", "pro", "prx", ""])
def test_no_other_environment_can_be_cleaned_up(environment: str) -> None:
    world = World()
    with pytest.raises(InputError, match="removes preview environments only"):
        find_preview(world.session, environment, f"/zerotouch/{environment}/my-service")
    assert world.ssm.calls == []
