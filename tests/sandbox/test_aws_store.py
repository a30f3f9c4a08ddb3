"""The store room, through the real AWS client, against a Parameter Store that refuses what AWS refuses."""

import itertools
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck
from hypothesis import given as for_all
from hypothesis import settings as at_most
from hypothesis import strategies as st

from sandbox.aws import AwsServer
from secret_action.model import Action, Location, Parameter, Plan, Reference, SourcedValue
from secret_action.ports import SystemClock
from secret_action.settings import AwsSettings
from secret_action.store import (
    AwsSession,
    Metadata,
    WriteOutcome,
    check_plan,
    find_leftovers,
    look_up,
    make_plan,
    prune,
    read,
    tags_of,
    write,
)
from secret_action.values import SecretValue
from tests.values import BYTES

REGION = "us-east-1"
FOLDER = "/zerotouch/prod/my-service"
SETTINGS = AwsSettings(region=REGION, role="", kms_key_id="", oidc=None, session_name="secret-sync")
TAGS = tags_of("my-service", "prod", "zerotouch/my-service", {"team": "zahlungen-ä", "cost centre": "a=b:c/d"})


class Log:
    """Says nothing."""

    def stage(self, title: str) -> Any:
        raise NotImplementedError

    def line(self, text: str) -> None:
        pass

    def progress(self, text: str) -> None:
        pass

    def mask(self, text: str) -> None:
        pass


LOG = Log()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsServer]:
    with AwsServer() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield running


def session() -> AwsSession:
    made = boto3.Session("AKIASANDBOX", "not-a-key", region_name=REGION)
    return AwsSession(made, REGION, SystemClock())


def plan_of(aws: AwsSession, values: dict[str, str], **more: Any) -> Plan:
    """values: by key."""
    where = Location("tenants/my-service/base/app.yaml", 1)
    parameters = [
        Parameter(f"{FOLDER}/{key}", key, True, (Reference(f"{FOLDER}/{key}", where, "app", key),), **more)
        for key in values
    ]
    given = {f"{FOLDER}/{key}": SourcedValue(SecretValue(text), "PROD_X") for key, text in values.items()}
    return make_plan(parameters, given, read(aws, list(given), [], LOG))


def push(values: dict[str, str], aws: AwsSession | None = None, **more: Any) -> WriteOutcome:
    aws = aws or session()
    plan = plan_of(aws, values, **more)
    metadata = look_up(aws, plan, TAGS)
    assert check_plan(plan, looked_for={}, region=REGION, metadata=metadata) == ()
    return write(aws, plan, SETTINGS, LOG, SystemClock(), metadata=metadata, tags=TAGS)


def test_every_byte_arrives_and_a_second_run_finds_nothing_to_do(server: AwsServer) -> None:
    values = {f"k{number:02}": text for number, text in enumerate(BYTES.values())}
    outcome = push(values)
    assert outcome.problems == ()
    stored = {name.rpartition("/")[2]: found["value"] for name, found in server.parameters().items()}
    broken = [name for name, key in zip(BYTES, values, strict=True) if stored[key] != values[key]]
    assert broken == []
    assert {entry.action for entry in plan_of(session(), values).entries} == {Action.UNCHANGED}


_numbers = itertools.count()
_sessions: dict[str, AwsSession] = {}


def _once(server: AwsServer) -> AwsSession:
    """One session for all examples, since a client takes long to make."""
    if server.url not in _sessions:
        _sessions[server.url] = session()
    return _sessions[server.url]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=1024).filter(
    lambda text: "{{" not in text
)


@at_most(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@for_all(st.lists(TEXT, min_size=1, max_size=10))
def test_all_of_unicode_arrives(server: AwsServer, values: list[str]) -> None:
    by_key = {f"k{next(_numbers)}": text for text in values}
    assert push(by_key, _once(server)).problems == ()
    stored = server.parameters()
    assert all(stored[f"{FOLDER}/{key}"]["value"] == text for key, text in by_key.items())


def test_what_the_plan_refuses_ssm_would_have_refused(server: AwsServer) -> None:
    """And it is SSM, not the plan, that is asked here."""
    aws = session()
    for text in ("", "{{ssm:x}}", "a {{ b\n }} c", "x" * 4097, "é" * 2049):
        plan = plan_of(aws, {"k": text})
        assert check_plan(plan, looked_for={}, region=REGION, metadata=Metadata()) != ()
        outcome = write(aws, plan, SETTINGS, LOG, SystemClock(), metadata=Metadata(), tags=TAGS)
        assert [result.state for result in outcome.results] == ["failed"]
        assert server.parameters() == {}


def test_tags_come_with_a_creation_and_are_repaired_beside_an_overwrite(server: AwsServer) -> None:
    server.put(f"{FOLDER}/right", "before", tags=TAGS)
    server.put(f"{FOLDER}/wrong", "before", tags={**TAGS, "service": "other", "theirs": "x"})
    assert push({"new": "n", "right": "after", "wrong": "after"}).warnings == ()
    tags = {name.rpartition("/")[2]: found["tags"] for name, found in server.parameters().items()}
    assert tags == {"new": TAGS, "right": TAGS, "wrong": {**TAGS, "theirs": "x"}}
    assert [call.names for call in server.calls if call.operation == "AddTagsToResource"] == [[f"{FOLDER}/wrong"]]


def test_left_overs_are_found_by_folder_and_tag_and_deleted(server: AwsServer) -> None:
    push({"wanted": "w", "old": "o", "older": "o"})
    server.put(f"{FOLDER}/by_hand", "v")
    server.put(f"{FOLDER}/deeper/x", "v", tags=TAGS)
    server.put("/zerotouch/prod/my-service-2/x", "v", tags=TAGS)
    aws = session()
    leftovers = find_leftovers(aws, FOLDER, [f"{FOLDER}/wanted"])
    assert [entry.parameter.key for entry in leftovers] == ["old", "older"]
    server.put(f"{FOLDER}/older", "written since")
    outcome = prune(aws, leftovers, FOLDER, LOG)
    assert [result.state for result in outcome.results] == ["deleted", "not started"]
    assert f"{FOLDER}/old" not in server.parameters()
    assert len(server.parameters()) == 5


def test_an_account_at_its_quota_is_told_and_nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    with AwsServer(quota=3) as full:
        monkeypatch.setenv("AWS_ENDPOINT_URL", full.url)
        outcome = push({f"k{number}": "v" for number in range(5)})
        assert full.parameters() == {}
    assert "as many parameters" in outcome.problems[0].what
    assert "tier: Advanced" in outcome.problems[0].remedy


def test_an_oldest_version_with_a_label_is_told_with_its_remedy(server: AwsServer) -> None:
    aws = session()
    for number in range(100):
        server.put(f"{FOLDER}/k", f"v{number}")
    aws.ssm.label_parameter_version(Name=f"{FOLDER}/k", ParameterVersion=1, Labels=["keep"])
    outcome = push({"k": "new"}, aws)
    assert "the oldest carries a label" in outcome.problems[0].what
    assert "unlabel-parameter-version" in outcome.problems[0].remedy
    assert server.parameters()[f"{FOLDER}/k"]["value"] == "v99"


def test_a_thousand_that_are_unchanged_are_a_hundred_reads_and_no_write(monkeypatch: pytest.MonkeyPatch) -> None:
    with AwsServer(read_rate=40, read_burst=2000) as quick:
        monkeypatch.setenv("AWS_ENDPOINT_URL", quick.url)
        values = {f"k{number:04}": "v" for number in range(1000)}
        for key, text in values.items():
            quick.put(f"{FOLDER}/{key}", text, tags=TAGS)
        aws = session()
        aws.pace.reads._tokens = 100.0  # the pace is another test's
        assert push(values, aws).results == ()
        assert [str(call) for call in quick.calls] == ["GetParameters"] * 100
