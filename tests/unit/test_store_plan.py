"""The plan says what a run would do, and finds before any write what SSM or a reader would refuse."""

import json
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from store_world import REGION, WHERE, at, entries, given, parameter

from secret_action.model import Action, Parameter, Plan, Problem, Reference, StoredParameter
from secret_action.store import Metadata, check_plan, judge_tiers, make_plan
from secret_action.store.limits import name_fault
from secret_action.store.metadata import Details
from secret_action.store.reading import Reading
from secret_action.values import SecretValue

FOREIGN = "/zerotouch/prod/zerotouch-platform/jwks_url"


def stored(key: str, text: str | None = "old", *, path: str = "", type: str = "SecureString") -> StoredParameter:
    value = None if text is None else SecretValue(text)
    return StoredParameter(path or at(key), version=4, type=type, value=value)


def holding(*rows: StoredParameter, unchecked: frozenset[str] = frozenset()) -> Reading:
    return Reading({row.path: row for row in rows}, unchecked)


def plan_of(each: Parameter, text: str | None = None, reading: Reading | None = None, source: str = "PROD_X") -> Plan:
    values = {} if text is None else {each.path: given(text, source)}
    return make_plan([each], values, reading or Reading({}))


def problems(plan: Plan, **more: Any) -> tuple[Problem, ...]:
    metadata = more.pop("metadata", Metadata())
    return check_plan(plan, looked_for=more, region=REGION, metadata=metadata)


@pytest.mark.parametrize(
    ("text", "row", "optional", "action"),
    [
        ("new", None, False, Action.CREATE),
        ("new", stored("k"), False, Action.UPDATE),
        ("old", stored("k"), False, Action.UNCHANGED),
        ("old", stored("k", type="String"), False, Action.UPDATE),
        (None, stored("k"), False, Action.KEEP),
        (None, stored("k"), True, Action.KEEP),
        (None, None, False, Action.MISSING),
        (None, None, True, Action.SKIP),
    ],
)
def test_what_happens_to_an_owned_parameter(
    text: str | None, row: StoredParameter | None, optional: bool, action: Action
) -> None:
    plan = plan_of(parameter("k", optional=optional), text, holding(row) if row else None)
    assert [entry.action for entry in plan.entries] == [action]


@pytest.mark.parametrize(
    ("reading", "action"),
    [
        (holding(stored("", None, path=FOREIGN)), Action.FOREIGN),
        (holding(unchecked=frozenset({FOREIGN})), Action.UNCHECKED),
        (holding(), Action.MISSING),
    ],
)
def test_what_happens_to_a_foreign_parameter(reading: Reading, action: Action) -> None:
    """Never a write, not even where a value was handed over for it."""
    plan = plan_of(parameter("jwks_url", path=FOREIGN, owned=False), "value", reading)
    assert [entry.action for entry in plan.entries] == [action]


def test_the_plan_keeps_the_manifests_order() -> None:
    keys = ["z", "a", "m"]
    plan = make_plan([parameter(key) for key in keys], {}, Reading({}))
    assert list(entries(plan)) == keys


def test_a_change_of_type_is_said() -> None:
    plan = plan_of(parameter("k"), "old", holding(stored("k", type="StringList")))
    assert plan.entries[0].note == "was a StringList, becomes a SecureString"


def test_a_wrong_type_is_said_also_where_no_value_was_given() -> None:
    kept = plan_of(parameter("k"), None, holding(stored("k", type="String"))).entries[0]
    assert kept.action is Action.KEEP
    assert kept.note == "is a String; hand its value over to make it a SecureString"
    changed = plan_of(parameter("k"), "old", holding(stored("k", type="String"))).entries[0]
    assert changed.action is Action.UPDATE
    assert not plan_of(parameter("k"), "new", holding(stored("k"))).entries[0].note


@pytest.mark.parametrize(
    ("tier", "has", "text", "small"),
    [
        ("", "Standard", "x" * 4097, True),
        ("Standard", "Standard", "x" * 4097, True),
        ("", "Advanced", "x" * 4097, False),
        ("Advanced", "Standard", "x" * 4097, False),
        ("", "Standard", "x" * 4096, False),
    ],
)
def test_a_tier_that_is_too_small_is_marked(tier: str, has: str, text: str, small: bool) -> None:
    metadata = Metadata({at("k"): Details(tier=has)})
    plan = judge_tiers(plan_of(parameter("k", tier=tier), text, holding(stored("k"))), metadata)
    assert plan.entries[0].tier_too_small == small
    assert bool(problems(plan, metadata=metadata)) == small


def test_the_plan_knows_what_an_approver_asks() -> None:
    """Which version stands, since when, and where the new value comes from."""
    row = StoredParameter(at("k"), 4, "SecureString", "2026-01-02T03:04:05+00:00", SecretValue("old"))
    [entry] = plan_of(parameter("k"), "new", holding(row), "PROD_K").entries
    assert entry.stored is not None
    assert entry.given is not None
    assert (entry.stored.version, entry.stored.modified) == (4, "2026-01-02T03:04:05+00:00")
    assert entry.given.source == "PROD_K"


def test_every_missing_value_is_named_with_the_names_it_was_looked_for_under() -> None:
    plan = make_plan([parameter("a"), parameter("b")], {}, Reading({}))
    found = problems(plan, **{at("a"): ("PROD_A in the environment",), at("b"): ("PROD_B", "B in `secrets`")})
    assert [problem.what for problem in found] == [
        f"{at('a')} has no value: it is not in SSM, and nothing was handed over as PROD_A in the environment.",
        f"{at('b')} has no value: it is not in SSM, and nothing was handed over as PROD_B; B in `secrets`.",
    ]
    assert {problem.where for problem in found} == {WHERE}


def test_a_foreign_parameter_must_exist_as_far_as_rights_allow() -> None:
    foreign = parameter("jwks_url", path=FOREIGN, owned=False)
    [problem] = problems(plan_of(foreign))
    assert problem.what.startswith(f"{FOREIGN} does not exist, and belongs to another")
    assert problems(plan_of(foreign, reading=holding(unchecked=frozenset({FOREIGN})))) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty value"),
        ("a\0b", "NUL byte"),
        ("\ud800", "not Unicode text"),
        ("{{ssm:x}}", "{{…}}"),
        ("before {{ a\nb }} after", "{{…}}"),
        ("x" * 8193, "over 8,192 bytes"),
        ("é" * 4097, "over 8,192 bytes"),
        ("x" * 4097, "over 4,096 bytes"),
        ("é" * 2049, "over 4,096 bytes"),
    ],
)
def test_values_that_ssm_refuses_are_found_before_the_first_write(text: str, words: str) -> None:
    for reading in (Reading({}), holding(stored("k"))):
        [problem] = problems(plan_of(parameter("k"), text, reading, "PROD_K"))
        assert words in problem.what
        assert problem.what.startswith(f"{at('k')} (from PROD_K) ")
        assert problem.remedy
        assert problem.where == WHERE
        assert text == "" or text not in problem.what


@pytest.mark.parametrize(
    "text", ["x" * 4096, "é" * 2048, "{}", "{{", "}}{{", "a\tb\r\n", "-----BEGIN", "file:///etc/passwd", "😀", " ", "="]
)
def test_values_that_ssm_takes_pass(text: str) -> None:
    assert problems(plan_of(parameter("k"), text)) == ()


@pytest.mark.parametrize("tier", ["Advanced", "Intelligent-Tiering"])
def test_a_tier_that_was_asked_for_makes_room(tier: str) -> None:
    assert problems(plan_of(parameter("k", tier=tier), "x" * 8192)) == ()
    [problem] = problems(plan_of(parameter("k", tier=tier), "x" * 8193))
    assert "8,192" in problem.what


def test_a_parameter_that_is_advanced_already_makes_room() -> None:
    advanced = Metadata({at("k"): Details(tier="Advanced")})
    assert problems(plan_of(parameter("k"), "x" * 5000, holding(stored("k"))), metadata=advanced) == ()


def test_a_large_stored_value_shows_the_tier_where_it_may_not_be_asked() -> None:
    assert problems(plan_of(parameter("k"), "x" * 5000, holding(stored("k", "y" * 5000)))) == ()


def test_the_remedy_for_a_large_value_is_what_to_write() -> None:
    [problem] = problems(plan_of(parameter("k"), "x" * 5000))
    assert problem.remedy == "Write `tier: Advanced` for it in secrets.yaml (AWS charges for it)."


def test_an_advanced_parameter_cannot_become_standard() -> None:
    advanced = Metadata({at("k"): Details(tier="Advanced")})
    plan = plan_of(parameter("k", tier="Standard"), "new", holding(stored("k")))
    [problem] = problems(plan, metadata=advanced)
    assert "AWS does not take a parameter back" in problem.what


def test_a_large_value_that_stays_is_no_business_of_the_plan() -> None:
    large = "x" * 5000
    assert problems(plan_of(parameter("k", tier="Standard"), large, holding(stored("k", large)))) == ()


def test_a_description_that_is_too_long() -> None:
    [problem] = problems(plan_of(parameter("k", description="d" * 1025), "v"))
    assert "1,024 characters" in problem.what
    assert problems(plan_of(parameter("k", description="d" * 1024), "v")) == ()


@pytest.mark.parametrize(
    "name",
    [
        "/a b",
        "/a:b",
        "/ä/b",
        "a/b",
        "/a//b",
        "/a/b/",
        "//a",
        "",
        "/" + "/".join("x" * 16),
        "/aws/x",
        "/SSM-x/y",
        "awsome",
        "/" + "x" * 967,
    ],
)
def test_names_that_ssm_refuses(name: str) -> None:
    assert name_fault(name, REGION) is not None
    [problem] = problems(plan_of(parameter("k", path=name or " "), "v"))
    assert problem.remedy == "Rename it in the manifest."


@pytest.mark.parametrize(
    "name",
    [
        "/a/b",
        "a",
        "/" + "/".join("x" * 15),
        "/zerotouch/prod/aws/ssm",
        # 1,011 characters with `arn:aws:ssm:eu-west-1:123456789012:parameter` in front
        "/" + "x" * (1010 - len("arn:aws:ssm:eu-west-1:123456789012:parameter")),
        "arn:aws:ssm:eu-west-1:999999999999:parameter/shared/x",
    ],
)
def test_names_that_ssm_takes(name: str) -> None:
    assert name_fault(name, REGION) is None


@pytest.mark.parametrize(("region", "room"), [("eu-west-1", 967), ("cn-north-1", 963), ("us-gov-west-1", 956)])
def test_the_longest_name_depends_on_the_region(region: str, room: int) -> None:
    assert name_fault("/" + "x" * (room - 1), region) is None
    assert name_fault("/" + "x" * room, region) is not None


# --- shapes ---


def reading_property(name: str, **more: Any) -> Parameter:
    return parameter("k", references=(Reference(at("k"), WHERE, "app", "USER", property=name, **more),))


EXTRACTED = parameter("k", references=(Reference(at("k"), WHERE, "app", extract=True),))
CONTENT = {"user": "u", "a.b": 1, "nested": {"deep": {"x": None}, "list": [{"y": 1}]}, "empty": ""}


@pytest.mark.parametrize("name", ["user", "a.b", "nested", "nested.deep.x", "nested.list.0.y", "empty"])
def test_properties_that_are_there(name: str) -> None:
    assert problems(plan_of(reading_property(name), json.dumps(CONTENT))) == ()


@pytest.mark.parametrize("name", ["nothere", "user.x", "nested.deep.z", "nested.list.1.y", "nested.list.x", "User"])
def test_properties_that_are_not_there(name: str) -> None:
    [problem] = problems(plan_of(reading_property(name), json.dumps(CONTENT), source="PROD_K"))
    assert problem.what == (
        f"{at('k')}: the JSON object in the value from PROD_K has no property {name}, which ExternalSecret app reads."
    )
    assert problem.where == WHERE


@pytest.mark.parametrize("name", ["nested.list.#", "us*r", "@pretty", 'nested.list.#(y=="1")'])
def test_what_only_gjson_can_judge_is_left_to_it(name: str) -> None:
    assert problems(plan_of(reading_property(name), json.dumps(CONTENT))) == ()


@pytest.mark.parametrize("text", ["plain", '"text"', "[1]", "{", "NaN", '{"user": Infinity}', "null", "[" * 5000])
@pytest.mark.parametrize("each", [reading_property("user"), EXTRACTED], ids=["property", "extract"])
def test_a_value_that_is_no_json_object(text: str, each: Parameter) -> None:
    found = problems(plan_of(each, text))
    assert any("is not a JSON object" in problem.what for problem in found)
    assert not any(text in problem.what for problem in found if len(text) > 4)


def test_numbers_of_any_length_are_json() -> None:
    assert problems(plan_of(reading_property("user"), '{"user": ' + "9" * 4000 + "}", source="S")) == ()


def test_an_object_is_enough_for_extract() -> None:
    assert problems(plan_of(EXTRACTED, "{}")) == ()


def test_the_shape_of_a_value_that_stays_is_judged_too() -> None:
    [problem] = problems(plan_of(reading_property("user"), None, holding(stored("k", "plain"))))
    assert "the stored value is not a JSON object" in problem.what
    assert "plain" not in problem.what


def test_a_pinned_version_reads_another_value() -> None:
    assert problems(plan_of(reading_property("user", version="3"), "plain")) == ()


def test_a_parameter_that_is_read_whole_may_hold_anything() -> None:
    assert problems(plan_of(parameter("k"), "plain")) == ()


@for_all(st.text(min_size=6, max_size=300))
def test_no_problem_holds_a_value(text: str) -> None:
    marked = f"v4lue{text}"
    for each in (parameter("k"), reading_property("user"), EXTRACTED):
        for reading in (Reading({}), holding(stored("k", marked, type="String"))):
            found = problems(plan_of(each, marked, reading))
            assert "v4lue" not in " ".join(f"{problem.what} {problem.remedy} {problem.causes}" for problem in found)
