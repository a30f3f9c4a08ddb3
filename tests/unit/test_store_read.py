"""Reads are few, owned values alone are decrypted, and rights that do not reach are told apart by name."""

from typing import Any

import pytest
from store_world import REGION, World, at, aws_error, denied, secret, throttled, unreachable

from secret_action.errors import StoreError
from secret_action.store import read


def read_calls(world: World) -> list[tuple[list[str], bool]]:
    return sorted((call["Names"], call["WithDecryption"]) for _, call in world.ssm.calls)


def denying(world: World, *paths: str) -> None:
    def fault(operation: str, arguments: dict[str, Any]) -> Exception | None:
        for name in arguments["Names"]:
            if name in paths:
                return denied("ssm:GetParameters", name)
        return None

    world.ssm.faults.append(fault)


def test_ten_names_a_call_and_foreign_ones_apart_and_undecrypted() -> None:
    world = World()
    owned = [at(f"k{number:02}") for number in range(25)]
    foreign = ["/zerotouch/prod/zerotouch-platform/jwks_url"]
    for path in (*owned, *foreign):
        world.ssm.put(path, secret("x"))

    reading = read(world.session, owned, foreign, world.log)

    assert read_calls(world) == sorted([(owned[:10], True), (owned[10:20], True), (owned[20:], True), (foreign, False)])
    assert set(reading.stored) == {*owned, *foreign}
    assert reading.stored[foreign[0]].value is None
    found = reading.stored[owned[0]]
    assert (found.version, found.type, found.modified) == (1, "SecureString", "2026-01-02T03:04:05+00:00")
    assert found.value is not None
    assert found.value.reveal() == secret("x")


def test_values_that_are_read_are_masked() -> None:
    world = World()
    world.ssm.put(at("a"), secret("a"))
    read(world.session, [at("a")], [], world.log)
    assert world.log.masked == [secret("a")]


def test_a_foreign_string_is_known_and_not_masked() -> None:
    world = World()
    world.ssm.put("/other/url", "https://example.com", type="String")
    real = world.ssm._get
    world.ssm._get = lambda **arguments: real(**{**arguments, "WithDecryption": True})  # type: ignore[method-assign]
    value = read(world.session, [], ["/other/url"], world.log).stored["/other/url"].value
    assert value is not None
    assert value.reveal() == "https://example.com"
    assert world.log.masked == []


def test_names_that_do_not_exist_are_in_neither_field() -> None:
    reading = read(World().session, [at("a")], ["/other/b"], World().log)
    assert (reading.stored, reading.unchecked) == ({}, frozenset())


def test_a_name_that_ssm_could_not_hold_is_not_asked_for() -> None:
    """One such name would make SSM refuse the nine others beside it."""
    world = World()
    read(world.session, [at("a"), "/a b"], ["/c//d"], world.log)
    assert read_calls(world) == [([at("a")], True)]


def test_a_name_asked_for_twice_is_read_once() -> None:
    world = World()
    read(world.session, [at("a"), at("a")], [], world.log)
    assert read_calls(world) == [([at("a")], True)]


@pytest.mark.parametrize("answered", ["jwks_url", "/jwks_url"])
def test_names_match_with_and_without_a_leading_slash(answered: str) -> None:
    world = World()
    real = world.ssm._get
    world.ssm.put("jwks_url", "u")

    def rename(**arguments: Any) -> dict[str, Any]:
        answer = real(**arguments)
        for parameter in answer["Parameters"]:
            parameter["Name"] = answered
        return answer

    world.ssm._get = rename  # type: ignore[method-assign]
    assert set(read(world.session, [], ["jwks_url"], world.log).stored) == {"jwks_url"}


def test_a_shared_parameter_is_found_by_its_arn() -> None:
    world = World()
    arn = f"arn:aws:ssm:{REGION}:999999999999:parameter/shared/key"
    world.ssm.put(arn, "v")
    assert set(read(world.session, [], [arn], world.log).stored) == {arn}


def test_denied_foreign_names_are_unchecked_and_the_others_are_not() -> None:
    world = World()
    foreign = [f"/zerotouch/prod/other/k{number}" for number in range(12)]
    for path in foreign:
        world.ssm.put(path, "x")
    denying(world, foreign[1], foreign[5])
    reading = read(world.session, [], foreign, world.log)
    assert reading.unchecked == {foreign[1], foreign[5]}
    assert set(reading.stored) == set(foreign) - reading.unchecked


def test_denied_owned_names_are_all_named_with_the_policy_line() -> None:
    world = World()
    owned = [at(f"k{number:02}") for number in range(12)]
    denying(world, owned[1], owned[11])
    with pytest.raises(StoreError) as refused:
        read(world.session, owned, [], world.log)
    [problem] = refused.value.problems
    assert "assumed-role/release/secret-sync may not ssm:GetParameters on" in problem.what
    assert owned[1] in problem.what
    assert owned[11] in problem.what
    assert owned[2] not in problem.what
    assert problem.remedy == (
        'Add to the role\'s policy: {"Effect": "Allow", "Action": "ssm:GetParameters", '
        '"Resource": ["arn:aws:ssm:eu-west-1:123456789012:parameter/zerotouch/prod/my-service/*"]}'
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (throttled, "throttled"),
        (unreachable, "No connection to ssm.eu-west-1.amazonaws.com"),
        (lambda: aws_error("ExpiredTokenException"), "expired"),
        (lambda: aws_error("InvalidKeyId", "Key is disabled"), "disabled"),
    ],
)
def test_any_other_refusal_ends_the_run_and_says_why(error: Any, words: str) -> None:
    world = World()
    world.ssm.faults.append(lambda operation, arguments: error())
    with pytest.raises(StoreError, match=words):
        read(world.session, [at("a")], ["/other/b"], world.log)
