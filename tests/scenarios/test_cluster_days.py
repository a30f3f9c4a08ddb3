"""The cluster on bad days: what is proven, what is not, and what is said about it."""

from __future__ import annotations

import base64
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.http import Request, Response
from sandbox.kubernetes import STORE, KubernetesServer
from sandbox.runner import RunResult
from sandbox.world import EXAMPLE, JWKS_URL, SERVICE, VALUES
from tests.scenarios.conftest import CheckedWorld

pytestmark = pytest.mark.thorough

ESO = "/apis/external-secrets.io/v1"
OBJECTS = f"{ESO}/namespaces/{SERVICE}/externalsecrets"
PATH = "/zerotouch/prod/my-service/"
JWKS = "/zerotouch/prod/zerotouch-platform/jwks_url"
ROTATED = VALUES | {"DATABASE_URL": "postgres://app:rotated-77aa@db.internal:5432/app"}


def tenants_with(folder: Path, change: Callable[[str], str]) -> Path:
    """The example tenants repository with the text of each of its YAML files changed."""
    copy = folder / "tenants-repository"
    shutil.copytree(EXAMPLE, copy)
    for file in copy.rglob("*.yaml"):
        file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    return copy


def failed(result: RunResult, exit_code: int = 1) -> str:
    """The summary of a run that ended with this code, and without a defect of ours."""
    assert result.exit_code == exit_code, result.log_as_shown() + result.stderr
    assert result.outputs["result"] == "failure"
    assert result.stderr == ""
    assert any(annotation.level == "error" for annotation in result.annotations)
    assert "❌" in result.summary.splitlines()[0]
    assert "defect" not in result.summary
    return result.summary


def patched(world: CheckedWorld, since: int = 0) -> set[str]:
    """The ExternalSecrets that the action changed, from the cluster's request of that number on."""
    ours = [request for request in world.cluster.requests[since:] if request.headers.get("user-agent") == "secret-sync"]
    return {request.path.rpartition("/")[2] for request in ours if request.method not in ("GET", "POST")}


def states(result: RunResult) -> dict[str, tuple[str, str]]:
    """State and content of each ExternalSecret, from the JSON report."""
    assert result.report
    return {each["name"]: (each["state"], each["content"]) for each in result.report["external_secrets"]}


def put_all(world: CheckedWorld) -> None:
    """Stores all values as an earlier push did, for runs that are about the cluster alone."""
    for name, value in VALUES.items():
        world.aws.put(PATH + name.lower(), value)


def eventually(condition: Callable[[], bool]) -> None:
    """Waits until something outside the run has happened."""
    deadline = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def meanwhile(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Another actor, as a thread; it is told when to stop."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def kubeconfig(world: CheckedWorld, change: Callable[[dict[str, Any]], None]) -> str:
    """The pipeline's kubeconfig, changed."""
    config = yaml.safe_load(world.cluster.kubeconfig(world.token))
    change(config)
    text: str = yaml.safe_dump(config)
    return text


class TestDeployed:
    """A refresh of yesterday's manifests proves nothing about today's."""

    def test_manifests_that_the_cluster_has_not_taken_over(self, world):
        """What differs is named; what lacks the label in the cluster is never touched; the others are proven."""
        old = {"spec": {"data": [{"secretKey": "DATABASE_URL", "remoteRef": {"key": PATH + "db_url"}}]}}
        unlabelled = {"metadata": {"labels": {"zerotouch.io/managed": None}}}
        world.cluster.request("PATCH", f"{OBJECTS}/my-service-db", old)
        world.cluster.request("PATCH", f"{OBJECTS}/my-service-llm-keys", unlabelled)
        world.cluster.request("DELETE", f"{OBJECTS}/my-service-smtp")
        result = world.run(timeout="2")
        summary = failed(result)
        found = states(result)
        assert found["my-service-db"][0] == found["my-service-smtp"][0] == "not deployed"
        assert found["my-service-llm-keys"][0] == "not managed"
        assert found["my-service-jwt-keys"] == found["platform-global-config"] == ("proven", "proven")
        assert f"the cluster has “{PATH}db_url”" in summary
        assert "It is not in the cluster" in summary
        assert "zerotouch.io/managed" in summary
        assert "the values are in SSM" in summary.splitlines()[0]
        assert patched(world) == {"my-service-jwt-keys", "platform-global-config"}
        assert result.outputs["refreshed"] == "2"

    def test_a_deployment_that_comes_late_is_waited_for(self, make_world):
        """A release that waits for a GitOps tool: the manifests appear, or mend what was there, while it does."""
        world = make_world()
        world.aws.put(PATH + "database_url", "postgres://before")
        (database,) = [each for each in world.deploy() if each["metadata"]["name"] == "my-service-db"]
        for name in ("jwt-keys", "llm-keys", "smtp"):
            world.cluster.request("DELETE", f"{OBJECTS}/my-service-{name}")
        world.cluster.apply(database | {"spec": database["spec"] | {"refreshInterval": "0"}})
        eventually(lambda: world.secret("my-service-db") != {})

        def deploy_late(stop: threading.Event) -> None:
            eventually(lambda: PATH + "smtp_credentials" in world.aws.parameters())
            time.sleep(1.0)
            world.deploy()

        with meanwhile(deploy_late):
            result = world.run()
        assert result.exit_code == 0, result.log_as_shown()
        assert result.outputs["refreshed"] == "5"
        assert world.secret("my-service-db") == {"DATABASE_URL": VALUES["DATABASE_URL"].encode()}

    def test_namespace_is_asked_for_only_where_manifests_name_none(self, make_world, tmp_path):
        """Told before any write, with the names; with the input the same manifests are released."""
        tenants = tenants_with(tmp_path, lambda text: text.replace("  namespace: my-service\n", ""))
        world = make_world(tenants=tenants)
        result = world.run()
        assert "Input `namespace` is empty" in failed(result, 2)
        assert set(world.aws.parameters()) == {JWKS}
        for name in ("db", "llm-keys", "jwt-keys", "smtp"):
            assert f"my-service-{name}" in result.summary
        result = world.run(mode="release", namespace=SERVICE, timeout="1")
        assert states(result)["my-service-db"][0] == "not deployed"


class TestNeverRefreshes:
    """An annotation moves an ExternalSecret without interval only until its first sync."""

    def test_an_interval_of_zero(self, make_world, tmp_path):
        """First sync: proven. Nothing changed: left alone. A changed value: refused before any write."""
        tenants = tenants_with(tmp_path, lambda text: text.replace("refreshInterval: 1h", 'refreshInterval: "0"'))
        world = make_world(tenants=tenants)
        world.deploy()
        first = world.run()
        assert first.exit_code == 0, first.log_as_shown()
        assert set(states(first).values()) == {("proven", "proven")} | {states(first)["platform-global-config"]}
        so_far = len(world.cluster.requests)
        second = world.run()
        assert second.exit_code == 0, second.log_as_shown()
        assert states(second)["my-service-db"] == ("never refreshes", "proven")
        assert patched(world, so_far) == set()
        third = world.run(ROTATED)
        summary = failed(third, 2)
        assert "my-service-db" in summary
        assert "OnChange" in summary
        assert world.aws.parameters()[PATH + "database_url"]["version"] == 1


class TestNotProven:
    """What keeps a value from the cluster is told in words (an operator that is down: `tests/conformance`)."""

    def test_a_parameter_that_nobody_pushed(self, world):
        """`refresh` alone: the key that is missing, and that it is missing."""
        put_all(world)
        world.aws.delete(PATH + "database_url")
        summary = failed(world.run(mode="refresh", timeout="3"))
        assert f"{PATH}database_url" in summary
        assert "Secret does not exist" in summary
        assert "my-service-db" in summary.splitlines()[0] + summary

    def test_an_operator_that_may_not_read(self, world):
        """Our role sees the parameter, ESO's does not: its role, the key and the permission are named."""
        world.aws.denies.append(lambda operation, name: operation == "GetParameter" and name.endswith("database_url"))
        result = world.run(timeout="3")
        summary = failed(result)
        assert f"ESO's role may not read the parameter {PATH}database_url" in summary
        assert "ssm:GetParameter" in summary
        assert result.outputs["refreshed"] == "4"

    def test_a_store_that_is_not_there(self, world):
        """The likeliest mistake in a new cluster."""
        put_all(world)
        world.cluster.request("DELETE", f"{ESO}/clustersecretstores/{STORE}")
        summary = failed(world.run(mode="refresh", timeout="2"))
        assert f"There is no ClusterSecretStore {STORE} in the cluster" in summary

    def test_an_operator_that_reads_something_else(self, make_world):
        """ESO synced after our write and gave the Secret an older value: failure, and the Secret is named."""
        world = make_world(make_cluster=lambda url: KubernetesServer(url, get_parameter=_yesterday))
        world.deploy()
        result = world.run(timeout="2")
        summary = failed(result)
        assert states(result)["my-service-db"] == ("proven", "differs")
        assert states(result)["my-service-jwt-keys"] == ("proven", "proven")
        assert "kubectl get secret my-service-db" in summary
        assert result.outputs["refreshed"] == "4"


def _yesterday(name: str, _: str) -> str:
    key = name.rpartition("/")[2].upper()
    return {"JWKS_URL": JWKS_URL, "DATABASE_URL": "postgres://yesterday"}.get(key) or VALUES[key]


class TestRights:
    """Least privilege: a right that is missing is told as the rule that grants it, before any write."""

    def test_rights_that_a_refresh_needs(self, world):
        """List is refused by itself, patch and watch are found out by asking the API server; rules are shown."""
        rule = {"apiGroups": ["external-secrets.io"], "resources": ["externalsecrets"]}
        for verbs, missing in ((["get"], ["list"]), (["get", "list"], ["patch", "watch"])):
            token = world.cluster.add_user("-".join(verbs), [rule | {"verbs": verbs}], [SERVICE])
            result = world.run(kubeconfig=world.cluster.kubeconfig(token))
            failed(result)
            text = json.dumps(result.report)
            for verb in missing:
                shown = f'{{apiGroups: ["external-secrets.io"], resources: ["externalsecrets"], verbs: ["{verb}"]}}'
                assert json.dumps(shown)[1:-1] in text
        assert set(world.aws.parameters()) == {JWKS}
        assert patched(world) == set()

    def test_without_the_right_to_secrets_the_content_is_not_checked(self, world):
        """The refresh is proven, the summary says what is not, and the run succeeds."""
        rules = [{"apiGroups": ["external-secrets.io"], "resources": ["externalsecrets"], "verbs": ["*"]}]
        token = world.cluster.add_user("no-secrets", rules, [SERVICE])
        result = world.run(kubeconfig=world.cluster.kubeconfig(token))
        assert result.exit_code == 0, result.log_as_shown()
        assert set(states(result).values()) == {("proven", "not checked")}
        assert "content not checked" in result.summary
        assert "proven to be refreshed" in result.summary.splitlines()[0]

    def test_credentials_that_the_cluster_does_not_know(self, world):
        """401, before any write."""
        summary = failed(world.run(kubeconfig=world.cluster.kubeconfig("not-a-token")))
        assert "does not accept the credentials (401)" in summary
        assert set(world.aws.parameters()) == {JWKS}


class TestConnection:
    """Ways to a cluster, and ways that lead nowhere."""

    @pytest.mark.parametrize(
        ("change", "exit_code", "words"),
        [
            (
                lambda config: config["clusters"][0]["cluster"].update(server="https://127.0.0.1:9"),
                1,
                "cannot be reached",
            ),
            (
                lambda config: config["clusters"][0]["cluster"].pop("certificate-authority-data"),
                1,
                "TLS with the cluster",
            ),
            (lambda config: config.update({"current-context": "production"}), 2, "sandbox"),
            (
                lambda config: config["users"][0].update(user={"exec": _EKS_PLUGIN}),
                2,
                "eks-cluster: shop",
            ),
        ],
        ids=["nobody listens", "unknown CA", "missing context", "missing plug-in"],
    )
    def test_no_way_to_the_cluster(self, world, change, exit_code, words):
        """One message that names what is wrong, before any write."""
        result = world.run(kubeconfig=kubeconfig(world, change))
        assert words in failed(result, exit_code)
        assert set(world.aws.parameters()) == {JWKS}

    def test_a_kubeconfig_that_is_not_yaml(self, world):
        """The input is named; its text, which may hold a key, is not quoted."""
        summary = failed(world.run(kubeconfig="apiVersion: v1\nusers: [unclosed-tok3n-8812"), 2)
        assert "`kubeconfig` is not a kubeconfig in YAML" in summary
        assert "unclosed-tok3n-8812" not in summary

    def test_a_path_and_base64_are_kubeconfigs_too(self, world, tmp_path):
        """And one that does not check certificates works, with a warning."""
        put_all(world)
        file = tmp_path / "kubeconfig"
        file.write_text(world.cluster.kubeconfig(world.token))
        result = world.run(mode="refresh", kubeconfig=str(file))
        assert result.exit_code == 0, result.log_as_shown()

        def skip_verification(config: dict[str, Any]) -> None:
            config["clusters"][0]["cluster"].pop("certificate-authority-data")
            config["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True

        text = base64.b64encode(kubeconfig(world, skip_verification).encode()).decode()
        result = world.run(mode="refresh", kubeconfig=text)
        assert result.exit_code == 0, result.log_as_shown()
        assert "insecure-skip-tls-verify" in result.log_as_shown()
        assert any("insecure-skip-tls-verify" in warning for warning in result.report["warnings"])

    def test_an_eks_cluster_by_its_name(self, make_world):
        """Address and token come from the AWS credentials: no kubeconfig, no aws CLI."""
        world = make_world(make_cluster=_EksServer)
        world.deploy()
        world.cluster.pipeline_token = world.token
        world.aws.add_cluster("shop", world.cluster.url, world.cluster.ca_pem)
        result = world.run(kubeconfig="", eks_cluster="shop")
        assert result.exit_code == 0, result.log_as_shown()
        assert result.outputs["refreshed"] == "5"
        assert len(world.cluster.eks_tokens) == 1  # one for the whole run
        assert "DescribeCluster" in [str(call) for call in world.aws.calls]


_EKS_PLUGIN = {"command": "aws-of-another-image", "args": ["eks", "get-token", "--cluster-name", "shop"]}


class _EksServer(KubernetesServer):
    """Takes the tokens that EKS takes, for the pipeline's user: a signed request to STS, with the cluster's name."""

    pipeline_token = ""

    def __init__(self, ssm_endpoint: str) -> None:
        super().__init__(ssm_endpoint)
        self.eks_tokens: set[str] = set()

    def handle(self, request: Request) -> Response:
        found = re.fullmatch(r"Bearer k8s-aws-v1\.([\w-]+)", request.headers.get("authorization", ""))
        if found:
            url = base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode()
            assert "Action=GetCallerIdentity" in url
            assert "X-Amz-SignedHeaders=host%3Bx-k8s-aws-id" in url
            self.eks_tokens.add(found[1])
            request = replace(request, headers={**request.headers, "authorization": f"Bearer {self.pipeline_token}"})
        return super().handle(request)


def is_watch(request):
    return request.query.get("watch") == "true"


class TestWeather:
    """What passes is waited out: the proof is decided by objects, not by an undisturbed connection."""

    def test_an_api_server_in_trouble(self, world):
        """Errors of all kinds, watches that break, a history that is compacted: proven all the same."""
        world.cluster.configure_eso(delay=0.3)
        world.cluster.faults.add(("GET", OBJECTS), status=500, times=2)
        world.cluster.faults.add(("PATCH", f"{OBJECTS}/my-service-db"), status=503, times=2)
        world.cluster.faults.add(("PATCH", f"{OBJECTS}/my-service-smtp"), drop="after")
        world.cluster.faults.add(is_watch, status=410, times=1)
        world.cluster.faults.add(is_watch, drop="before", times=1)

        def break_watches(stop: threading.Event) -> None:
            while not stop.wait(0.3):
                world.cluster.forget()
                world.cluster.drop_watches()

        with meanwhile(break_watches):
            result = world.run()
        assert result.exit_code == 0, result.log_as_shown()
        assert set(states(result).values()) == {("proven", "proven")} | {states(result)["platform-global-config"]}

    def test_another_actor_that_removes_the_annotation(self, world):
        """A sync that has read our token is proof even when the token is gone by the time we look."""

        def remove(stop: threading.Event) -> None:
            gone = {"metadata": {"annotations": {"force-sync": None}}}
            while not stop.wait(0.02):
                found = world.cluster.request("GET", f"{OBJECTS}/my-service-db")[1]
                if "force-sync" in (found["metadata"].get("annotations") or {}):
                    world.cluster.request("PATCH", f"{OBJECTS}/my-service-db", gone)

        with meanwhile(remove):
            result = world.run()
        assert result.exit_code == 0, result.log_as_shown()
        assert states(result)["my-service-db"] == ("proven", "proven")
