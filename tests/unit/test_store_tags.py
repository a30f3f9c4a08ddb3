"""Every parameter that is written says whose it is, in as few calls as AWS allows."""

from typing import Any

from store_world import World, at, aws_error, denied, failing, states, throttled

from secret_action.store import look_up, tags_of

TAGS = tags_of("my-service", "prod", "zerotouch/my-service", {"team": "payments"})


def tagging(world: World) -> list[str]:
    return [call["Name"] for operation, call in world.ssm.calls if operation == "AddTagsToResource"]


def world_with(**tags: dict[str, str]) -> World:
    """By key: parameters that are there, with these tags."""
    world = World()
    world.tags = TAGS
    for key, found in tags.items():
        world.ssm.put(at(key), "before", tags=dict(found))
    return world


def test_our_tags_name_service_environment_and_repository() -> None:
    assert TAGS == {
        "managed-by": "secret-sync",
        "service": "my-service",
        "environment": "prod",
        "repository": "zerotouch/my-service",
        "team": "payments",
    }


def test_the_users_tags_never_replace_ours() -> None:
    """`prune` deletes by the tag: whoever sets the input must not be able to turn that."""
    tags = tags_of("my-service", "prod", "", {"managed-by": "me", "service": "other"})
    assert tags == {"managed-by": "secret-sync", "service": "my-service", "environment": "prod"}


def test_a_creation_brings_its_tags_along() -> None:
    world = world_with()
    world.push({"new": "n"})
    assert world.ssm.rows[at("new")].tags == TAGS
    assert tagging(world) == []


def test_an_overwrite_repairs_tags_only_where_they_differ() -> None:
    wrong = {**TAGS, "service": "other", "cost-centre": "7"}
    world = world_with(right=TAGS, none={}, wrong=wrong, more={**TAGS, "cost-centre": "7"})
    outcome = world.push(dict.fromkeys(("right", "none", "wrong", "more"), "after"))
    assert set(states(outcome).values()) == {"written"}
    assert outcome.warnings == ()
    assert sorted(tagging(world)) == [at("none"), at("wrong")]
    assert world.ssm.rows[at("none")].tags == TAGS
    assert world.ssm.rows[at("wrong")].tags == {**TAGS, "cost-centre": "7"}, "what is not ours stays"


def test_what_is_not_written_is_not_tagged() -> None:
    world = world_with(same={})
    world.push({"same": "before"})
    assert tagging(world) == []


def test_whether_tags_differ_is_asked_for_fifty_at_a_time() -> None:
    world = world_with(**{f"k{number:03}": TAGS for number in range(60)})
    plan = world.plan_keys({f"k{number:03}": "after" for number in range(60)})
    world.ssm.calls.clear()
    metadata = look_up(world.session, plan, TAGS)
    filters = [call["ParameterFilters"] for _, call in world.ssm.calls if "NextToken" not in call]
    assert [len(each[0]["Values"]) for each in filters] == [50, 50, 10, 10]
    assert metadata.untagged == frozenset()


def test_tags_that_may_not_be_repaired_are_a_warning_and_no_reason_to_undo() -> None:
    world = world_with(a={}, b={})
    world.ssm.faults.append(failing("AddTagsToResource", lambda: denied("ssm:AddTagsToResource", at("a"))))
    outcome = world.push({"a": "after", "b": "after"})
    assert set(states(outcome).values()) == {"written"}
    assert outcome.problems == ()
    [warning] = outcome.warnings
    assert "tags of 2 overwritten parameters" in warning
    assert "may not ssm:AddTagsToResource" in warning


def test_tags_are_repaired_through_a_bad_day() -> None:
    world = world_with(a={})
    world.ssm.faults.append(failing("AddTagsToResource", throttled, times=9))
    assert world.push({"a": "after"}).warnings == ()
    assert world.ssm.rows[at("a")].tags == TAGS


def test_a_release_that_fails_leaves_the_tags_of_others_alone() -> None:
    world = world_with(a={})
    plan = world.plan_keys({"a": "after", "z": "z"})
    world.ssm.faults.append(failing("PutParameter", lambda: aws_error("InvalidKeyId"), path=at("z")))
    outcome = world.write(plan)
    assert outcome.problems
    assert world.ssm.rows[at("a")].tags == {}


def test_where_ssm_does_not_take_the_filters_all_are_tagged_anew() -> None:
    world = world_with(a=TAGS)

    def refuse(operation: str, arguments: dict[str, Any]) -> Exception | None:
        many = operation == "DescribeParameters" and len(arguments["ParameterFilters"]) > 1
        return aws_error("ValidationException") if many else None

    world.ssm.faults.append(refuse)
    assert set(states(world.push({"a": "after"})).values()) == {"written"}
    assert tagging(world) == [at("a")]
