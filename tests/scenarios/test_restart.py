"""Pods that really have the new value: `restart`, what is said without it, and `refresh: force`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sandbox.kubelet import CRASHED
from sandbox.kubernetes_workloads import Controllers
from sandbox.world import SERVICE, VALUES, pipeline_rights
from tests.scenarios.conftest import CheckedWorld, MakeWorld
from tests.scenarios.test_cluster_days import PATH, eventually, failed, put_all, states, tenants_with

pytestmark = pytest.mark.thorough

DEPLOYMENTS = f"/apis/apps/v1/namespaces/{SERVICE}/deployments"
NEVER = 'refreshInterval: "0"'
ROTATED = VALUES | {"DATABASE_URL": "postgres://app:rotated-77aa@db.internal:5432/app"}


@pytest.fixture
def controllers(make_world: MakeWorld) -> Iterator[tuple[CheckedWorld, Controllers]]:
    """A released tenant with two Deployments, `web` and `batch`, whose pods run and read its database's URL."""
    world = make_world()
    world.deploy()
    with Controllers(world.cluster.store) as running:
        assert world.run(VALUES).exit_code == 0
        for name in ("web", "batch"):
            _deploy(world, name)
        for name in ("web", "batch"):
            eventually(lambda name=name: _live(world, name)["status"].get("availableReplicas") == 1)
        time.sleep(1.1)  # Kubernetes keeps whole seconds: the next change is certain to be later than these pods
        yield world, running


def _deploy(world: CheckedWorld, name: str) -> None:
    container = {"name": "app", "image": "shop:1", "envFrom": [{"secretRef": {"name": "my-service-db"}}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"app": name}}, "replicas": 1, "template": template}
    about = {"name": name, "namespace": SERVICE}
    world.cluster.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": about, "spec": spec})


def _live(world: CheckedWorld, name: str) -> dict:
    return world.cluster.request("GET", f"{DEPLOYMENTS}/{name}")[1]


def _workloads(result) -> dict[str, str]:
    return {each["name"]: each["state"] for each in result.report["workloads"] if each["kind"] == "Deployment"}


def test_a_changed_value_rolls_what_reads_it_and_the_next_run_nothing(controllers):
    world, _ = controllers
    result = world.run(ROTATED, restart="changed")
    assert result.exit_code == 0, result.log_as_shown()
    assert _workloads(result) == {"web": "restarted", "batch": "restarted"}
    assert result.outputs["restarted"] == "2"
    assert "2 workloads restarted" in result.summary.splitlines()[0]
    time.sleep(1.1)
    again = world.run(ROTATED, restart="changed")
    assert again.exit_code == 0, again.log_as_shown()
    assert _workloads(again) == {"web": "up to date", "batch": "up to date"}
    assert again.outputs["restarted"] == "0"
    assert [_live(world, name)["metadata"]["generation"] for name in ("web", "batch")] == [2, 2]


def test_a_release_asks_the_cluster_once_for_each_thing(controllers):
    """One list and one watch; of each ExternalSecret one patch; of its Secret's metadata one look before the write,
    for the workloads that read it, and one after it, for the content and for the workloads."""
    world, _ = controllers
    since = len(world.cluster.requests)
    assert world.run(ROTATED).exit_code == 0
    ours = [one for one in world.cluster.requests[since:] if one.headers.get("user-agent") == "secret-sync"]
    about = [one for one in ours if one.path.endswith("/externalsecrets")]
    assert sorted(bool(one.query.get("watch")) for one in about) == [False, True]
    patches = [one.path for one in ours if one.method == "PATCH"]
    looks = [one.path for one in ours if "/secrets/" in one.path]
    assert len(patches) == len(set(patches)) == len(set(looks))
    assert max(map(looks.count, looks)) == 2


def test_without_restart_it_is_said_what_has_the_old_value_and_how_to_roll_it(controllers):
    world, _ = controllers
    result = world.run(ROTATED)
    assert result.exit_code == 0, result.log_as_shown()
    assert _workloads(result) == {"web": "still old", "batch": "still old"}
    assert "2 workloads still with the data from before" in result.summary.splitlines()[0]
    for name in ("web", "batch"):
        assert f"kubectl -n {SERVICE} rollout restart deployment/{name}" in result.summary
        assert _live(world, name)["metadata"]["generation"] == 1
    assert any("still run with the data from before" in each.message for each in result.annotations)
    # A later run that is asked to makes it good, though it changes no value itself.
    later = world.run(ROTATED, restart="changed")
    assert _workloads(later) == {"web": "restarted", "batch": "restarted"}, later.log_as_shown()


def test_pods_that_crash_with_the_new_value_fail_the_run_and_say_why(controllers):
    world, running = controllers
    running.troubles[SERVICE] = "crash"
    result = world.run(ROTATED, restart="changed", timeout="20")
    summary = failed(result)
    assert _workloads(result) == {"web": "failed", "batch": "failed"}
    assert result.outputs["failed"] == "2"
    assert "2 workloads are not running with them" in summary.splitlines()[0]
    for words in ("CrashLoopBackOff", CRASHED, f"kubectl -n {SERVICE} logs"):
        assert words in summary


def test_a_right_that_restart_lacks_ends_the_run_before_the_first_write(world):
    """The rights of `examples/` without the patch of workloads; without `restart` they are not missed."""
    narrow = [
        rule
        | {"verbs": [verb for verb in rule["verbs"] if verb != "patch" or rule["apiGroups"] == ["external-secrets.io"]]}
        for rule in pipeline_rights("Role")
    ]
    _deploy(world, "web")
    kubeconfig = world.cluster.kubeconfig(world.cluster.add_user("narrow", narrow, [SERVICE]))
    before = world.aws.parameters()
    summary = failed(world.run(VALUES, restart="changed", kubeconfig=kubeconfig))
    assert world.aws.parameters() == before
    assert "does not allow this account to patch deployments in namespace my-service" in summary
    without = world.run(VALUES, kubeconfig=kubeconfig)
    assert without.exit_code == 0, without.log_as_shown()


def test_rights_that_are_missing_make_not_checked_and_no_failure(world):
    """A pipeline with the rights that the refresh alone needs."""
    refresh = [rule for rule in pipeline_rights("Role") if rule["apiGroups"] == ["external-secrets.io"]]
    kubeconfig = world.cluster.kubeconfig(world.cluster.add_user("refresh-only", refresh, [SERVICE]))
    result = world.run(VALUES, kubeconfig=kubeconfig)
    assert result.exit_code == 0, result.log_as_shown()
    assert {each["state"] for each in result.report["workloads"]} == {"not checked"}
    assert "list deployments in namespace my-service" in result.summary


def test_force_rebuilds_what_never_refreshes(make_world, tmp_path):
    """Refused without it, before the first write; with it the Secret has the new value, and that is proven."""
    world = make_world(tenants=tenants_with(tmp_path, lambda text: text.replace("refreshInterval: 1h", NEVER)))
    world.deploy()
    put_all(world)
    eventually(lambda: world.secret("my-service-db") != {})
    refused = world.run(ROTATED)
    assert "refresh: force" in failed(refused, 2)
    assert world.aws.parameters()[PATH + "database_url"]["value"] == VALUES["DATABASE_URL"]
    result = world.run(ROTATED, refresh="force")
    assert result.exit_code == 0, result.log_as_shown()
    assert states(result)["my-service-db"] == ("proven", "proven")
    assert world.secret("my-service-db") == {"DATABASE_URL": ROTATED["DATABASE_URL"].encode()}
