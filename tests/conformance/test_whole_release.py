"""The whole release, through the entry point, on the stand-in and on a real cluster with a real operator.

The action has the rights of `examples/cluster/pipeline-rbac.yaml` and no others. Each test is the same for both
clusters and asserts the same, so a scenario that passes on the stand-in is known to tell the truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.kubernetes import STORE, KubernetesServer
from sandbox.real import build
from sandbox.real.cluster import RealCluster
from sandbox.runner import RunResult
from sandbox.world import JWKS_URL, SERVICE, VALUES
from tests.conformance.lab import eventually
from tests.scenarios.conftest import CheckedWorld

pytestmark = pytest.mark.thorough

ESO = "/apis/external-secrets.io/v1"
OBJECTS = f"{ESO}/namespaces/{SERVICE}/externalsecrets"
SECRETS = f"/api/v1/namespaces/{SERVICE}/secrets"
PATH = "/zerotouch/prod/my-service/"
JWKS = "/zerotouch/prod/zerotouch-platform/jwks_url"
NAMES = {"my-service-db", "my-service-jwt-keys", "my-service-llm-keys", "my-service-smtp", "platform-global-config"}
ROTATED = VALUES | {"DATABASE_URL": "postgres://app:rotated-5d1e@db.internal:5432/app"}


@pytest.fixture(scope="module", params=["stand-in", pytest.param("real", marks=pytest.mark.real)])
def shared_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedWorld]:
    """One world for all tests, since a real cluster takes its time to start."""
    if request.param == "real" and build.binaries() is None:
        pytest.skip("the real cluster's programs are not built: make real-cluster builds them")
    make_cluster = {"stand-in": KubernetesServer, "real": RealCluster}[request.param]
    with CheckedWorld(tmp_path_factory.mktemp("release"), make_cluster=make_cluster) as world:
        yield world


@pytest.fixture
def world(shared_world: CheckedWorld) -> CheckedWorld:
    """The world as it is before a service's first release: its manifests are deployed, and SSM has none of its values.

    What the test before this one left is removed first; neither cluster has a garbage collector.
    """
    for name in NAMES:
        shared_world.cluster.request("DELETE", f"{OBJECTS}/{name}")
    eventually(lambda: not objects(shared_world))
    for name in NAMES:
        shared_world.cluster.request("DELETE", f"{SECRETS}/{name}")
    for path in shared_world.aws.parameters():
        if path != JWKS:
            shared_world.aws.delete(path)
    shared_world.aws.put(JWKS, JWKS_URL, type="String")
    shared_world.deploy()
    return shared_world


def objects(world: CheckedWorld) -> dict[str, dict[str, Any]]:
    """The service's ExternalSecrets by name."""
    status, found = world.cluster.request("GET", OBJECTS)
    assert status == 200
    return {each["metadata"]["name"]: each for each in found["items"]}


def put_all(world: CheckedWorld) -> None:
    """Stores all values, as an earlier push did."""
    for name, value in VALUES.items():
        world.aws.put(PATH + name.lower(), value)


def sync_all(world: CheckedWorld) -> None:
    """What an earlier release left: all values are in SSM, and all ExternalSecrets are ready."""
    put_all(world)
    for number, name in enumerate(NAMES):
        world.cluster.request("PATCH", f"{OBJECTS}/{name}", {"metadata": {"annotations": {"earlier": str(number)}}})
    eventually(lambda: {ready(each) for each in objects(world).values()} == {"True"})


def ready(thing: dict[str, Any]) -> str:
    """Status of the Ready condition; empty where there is none."""
    conditions = thing.get("status", {}).get("conditions") or []
    return "".join(each["status"] for each in conditions if each["type"] == "Ready")


def states(result: RunResult) -> dict[str, tuple[str, str]]:
    """State and content of each ExternalSecret."""
    assert result.report
    return {each["name"]: (each["state"], each["content"]) for each in result.report["external_secrets"]}


def tokens(world: CheckedWorld) -> dict[str, str]:
    """The annotation that the action writes, of each ExternalSecret."""
    return {
        name: (each["metadata"].get("annotations") or {}).get("force-sync", "") for name, each in objects(world).items()
    }


def test_first_second_and_changed_release(world: CheckedWorld) -> None:
    """Everything created and proven; then nothing written and still proven; then one update, and the new bytes."""
    first = world.run()
    assert first.exit_code == 0, first.log_as_shown()
    assert states(first) == dict.fromkeys(NAMES, ("proven", "proven"))
    assert (first.outputs["created"], first.outputs["refreshed"]) == ("6", "5")
    assert "all 5 ExternalSecrets proven to hold the new values" in first.summary.splitlines()[0]
    assert world.secret("my-service-jwt-keys") == {
        name: VALUES[name].encode() for name in ("JWT_PRIVATE_KEY", "JWT_PUBLIC_KEY")
    }
    assert world.secret("my-service-smtp")["SMTP_PASSWORD"] == b"qu\"oted 'n' odd-77"
    assert world.secret("platform-global-config") == {"PLATFORM_JWKS_URL": JWKS_URL.encode()}
    annotated = tokens(world)

    second = world.run()
    assert second.exit_code == 0, second.log_as_shown()
    assert states(second) == dict.fromkeys(NAMES, ("proven", "proven"))
    assert (second.outputs["changed"], second.outputs["unchanged"]) == ("false", "6")
    assert all(tokens(world)[name] not in ("", annotated[name]) for name in NAMES)

    third = world.run(ROTATED)
    assert third.exit_code == 0, third.log_as_shown()
    assert (third.outputs["updated"], third.outputs["unchanged"], third.outputs["refreshed"]) == ("1", "5", "5")
    assert world.secret("my-service-db") == {"DATABASE_URL": ROTATED["DATABASE_URL"].encode()}

    fourth = world.run(ROTATED, refresh="changed")
    assert fourth.exit_code == 0, fourth.log_as_shown()
    assert set(states(fourth).values()) == {("up to date", "proven")}


def test_a_parameter_of_the_platform_that_is_missing(world: CheckedWorld) -> None:
    """A release stops before its first write; a refresh alone says what ESO cannot find, and proves the others."""
    world.aws.delete(JWKS)
    result = world.run()
    assert result.exit_code == 2, result.log_as_shown()
    assert f"{JWKS} does not exist" in result.summary
    assert world.aws.parameters() == {}
    assert set(tokens(world).values()) == {""}

    put_all(world)
    # That one has been synced before its parameter went; now it fails.
    result = world.run(mode="refresh", timeout="6")
    assert result.exit_code == 1, result.log_as_shown()
    found = states(result)
    assert found.pop("platform-global-config")[0] == "failed"
    assert set(found.values()) == {("proven", "proven")}
    assert JWKS in result.summary
    assert "Secret does not exist" in result.summary


def test_a_store_that_fails(world: CheckedWorld) -> None:
    """The values are in SSM, the cluster is not proven to have them, and the store is named as the reason."""
    sync_all(world)
    _, store = world.cluster.request("GET", f"{ESO}/clustersecretstores/{STORE}")
    missing = {"name": "nowhere", "namespace": SERVICE}
    keys = {"accessKeyIDSecretRef": missing | {"key": "id"}, "secretAccessKeySecretRef": missing | {"key": "secret"}}
    store["spec"]["provider"]["aws"]["auth"] = {"secretRef": keys}
    world.cluster.request("PATCH", f"{ESO}/clustersecretstores/{STORE}", {"spec": store["spec"]})
    try:
        eventually(lambda: ready(world.cluster.request("GET", f"{ESO}/clustersecretstores/{STORE}")[1]) == "False")
        result = world.run(ROTATED, timeout="6")
    finally:
        mended = {"spec": {"provider": {"aws": {"auth": None}}}}
        world.cluster.request("PATCH", f"{ESO}/clustersecretstores/{STORE}", mended)
        eventually(lambda: ready(world.cluster.request("GET", f"{ESO}/clustersecretstores/{STORE}")[1]) == "True")
    assert result.exit_code == 1, result.log_as_shown()
    assert {state for state, _ in states(result).values()} == {"failed"}
    assert "the values are in SSM" in result.summary.splitlines()[0]
    assert f"ClusterSecretStore {STORE}" in result.summary
    assert "not ready" in result.summary
    assert world.secret("my-service-db") == {"DATABASE_URL": VALUES["DATABASE_URL"].encode()}


def test_an_operator_that_does_not_answer(world: CheckedWorld) -> None:
    """`Ready` stays True while nobody works: never a success. The next run, with the operator back, completes it."""
    sync_all(world)
    world.cluster.stop_eso()
    try:
        result = world.run(ROTATED, timeout="2")
        assert {ready(each) for each in objects(world).values()} == {"True"}
    finally:
        world.cluster.start_eso()
    assert result.exit_code == 1, result.log_as_shown()
    assert {state for state, _ in states(result).values()} == {"not proven"}
    assert "External Secrets Operator is not running in the cluster" in result.summary
    assert (result.outputs["updated"], result.outputs["refreshed"]) == ("1", "0")
    again = world.run(ROTATED)
    assert again.exit_code == 0, again.log_as_shown()
    assert again.outputs["changed"] == "false"
    assert world.secret("my-service-db") == {"DATABASE_URL": ROTATED["DATABASE_URL"].encode()}


def test_manifests_that_are_not_deployed(world: CheckedWorld) -> None:
    """An object without the label is never touched, one of an older manifest is not refreshed: both are named."""
    unlabelled = {"metadata": {"labels": {"zerotouch.io/managed": None}}}
    world.cluster.request("PATCH", f"{OBJECTS}/my-service-llm-keys", unlabelled)
    older = {"spec": {"data": [{"secretKey": "DATABASE_URL", "remoteRef": {"key": PATH + "db_url"}}]}}
    world.cluster.request("PATCH", f"{OBJECTS}/my-service-db", older)
    result = world.run(timeout="3")
    assert result.exit_code == 1, result.log_as_shown()
    found = states(result)
    assert (found["my-service-llm-keys"][0], found["my-service-db"][0]) == ("not managed", "not deployed")
    assert found["my-service-jwt-keys"] == found["platform-global-config"] == ("proven", "proven")
    assert f"{PATH}db_url" in result.summary
    after = tokens(world)
    assert after["my-service-llm-keys"] == after["my-service-db"] == ""
