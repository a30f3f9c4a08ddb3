"""Pods that run with old data are found and rolled, with the controllers of the stand-in and the real ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from sandbox.aws import AwsServer
from sandbox.kubelet import CRASHED
from sandbox.kubernetes import KubernetesServer
from sandbox.kubernetes_workloads import Controllers
from sandbox.real import build
from sandbox.real.controllers import NAME, RealControllers
from secret_action.cluster import inspect
from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.connect import connect
from secret_action.cluster.rollout import restart
from secret_action.cluster.standing import RESTARTED_AT
from secret_action.cluster.workloads import Survey, look, survey
from secret_action.model import Consumer, ExternalSecret, Location, WorkloadResult, WorkloadState
from secret_action.ports import SystemClock
from secret_action.selector import parse_selector
from secret_action.settings import ClusterSettings
from secret_action.values import SecretValue
from tests.conformance.lab import Cluster, Lab, Object, proven

LABELS = {"zerotouch.io/managed": "true"}
RELOADER = {"reloader.stakater.com/auto": "true"}
APPS = "/apis/apps/v1/namespaces"


class Quiet:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        yield

    def line(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, text: str) -> None:
        self.lines.append(text)

    def mask(self, text: str) -> None:
        pass


@pytest.fixture(scope="module")
def controllers(cluster: Cluster) -> Iterator[Controllers | RealControllers]:
    """Those of the cluster: nothing rolls without them."""
    if isinstance(cluster, KubernetesServer):
        with Controllers(cluster.store) as running:
            yield running
        return
    if build.binary(NAME) is None:
        pytest.skip(f"{NAME} is not built: python -m sandbox.real.controllers builds it")
    with RealControllers(cluster) as real:
        yield real


class Shop(Lab):
    """A namespace with the ExternalSecret `db` and what reads its Secret."""

    def __init__(self, cluster: Cluster, aws: AwsServer, controllers: Controllers | RealControllers) -> None:
        super().__init__(cluster, aws)
        self.troubles = controllers.troubles
        self.parameter("key", "one")
        self.settings = ClusterSettings(
            kubeconfig=SecretValue(cluster.kubeconfig()),
            kubeconfig_from="kubeconfig",
            context="",
            eks_cluster="",
            namespace="",
            selector=parse_selector("zerotouch.io/managed=true"),
            store="aws-parameter-store",
            refresh="always",
            timeout=30.0,
        )
        self.api = self.connect()
        self.log = Quiet()
        self.consumers: tuple[Consumer, ...] = ()
        self._runs = 0

    def connect(self, token: str | None = None) -> KubernetesApi:
        """The product's own client, as the admin or as another user."""
        kubeconfig = SecretValue(self.cluster.kubeconfig(token))
        return connect(replace(self.settings, kubeconfig=kubeconfig), Quiet(), eks=None)

    def sync(self, *names: str, **spec: Any) -> None:
        """Make ExternalSecrets that are synced."""
        for name in names or ("db",):
            self.synced(name, metadata={"labels": LABELS}, **spec)

    def run(self, kind: str, name: str, pod: Object | None = None, metadata: Object | None = None, **spec: Any) -> None:
        """A workload that reads the Secret `db` through its environment, unless told otherwise; all pods run."""
        self.start(kind, name, pod, metadata, **spec)
        self.wait_for(self.place(kind, name), available)

    def start(
        self, kind: str, name: str, pod: Object | None = None, metadata: Object | None = None, **spec: Any
    ) -> None:
        """The same, not waited for."""
        container = {"name": "app", "image": "shop:1", "envFrom": [{"secretRef": {"name": "db"}}]}
        template = {"metadata": {"labels": {"app": name}}, "spec": pod or {"containers": [container]}}
        given = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
        if kind == "StatefulSet":
            given.setdefault("serviceName", name)
        about = {"name": name, "namespace": self.namespace, **(metadata or {})}
        self.cluster.apply({"apiVersion": "apps/v1", "kind": kind, "metadata": about, "spec": given})

    def place(self, kind: str, name: str) -> str:
        return f"{APPS}/{self.namespace}/{kind.lower()}s/{name}"

    def rendered(self) -> tuple[ExternalSecret, ...]:
        """The ExternalSecrets of the namespace as manifests."""
        return tuple(
            ExternalSecret(
                each["metadata"]["name"],
                self.namespace,
                "external-secrets.io/v1",
                True,
                each["spec"],
                each["metadata"]["labels"],
                {},
                (),
                Location("es.yaml"),
            )
            for each in self.read(self.path)["items"]
            if each["metadata"].get("labels") == LABELS
        )

    def survey(self, api: KubernetesApi | None = None, *, rolls: bool = True) -> Survey:
        api = api or self.api
        seen = inspect(api, self.rendered(), self.settings, self.log)
        return survey(api, seen, self.consumers, restart=rolls)

    def refresh(self, known: Survey, *names: str) -> None:
        """Annotate as the product does, with the note of what was before, and wait for the proof."""
        self._runs += 1
        for name in names or ("db",):
            token = f"run-{self._runs}{known.notes.get((self.namespace, name), '')}"
            self.patch(name, {"metadata": {"annotations": {"force-sync": token}}})
        for name in names or ("db",):
            self.wait(name, proven)

    def release(self, *names: str, timeout: float = 20.0) -> dict[str, WorkloadResult]:
        """A run with `restart: changed`; its results by name."""
        known = self.survey()
        self.refresh(known, *names)
        return self.restart(known, timeout)

    def restart(self, known: Survey, timeout: float = 20.0) -> dict[str, WorkloadResult]:
        seen = look(self.api, known, restart=True)
        return {one.name: one for one in restart(self.api, seen, timeout, self.log, SystemClock())}

    def look(self, *names: str) -> dict[str, WorkloadResult]:
        """A run without restart."""
        known = self.survey(rolls=False)
        self.refresh(known, *names)
        return {one.name: one for one in look(self.api, known, restart=False).results}

    def pods(self) -> dict[str, str]:
        """The pods of the namespace: uid → name, without those that are going."""
        items = self.read(f"/api/v1/namespaces/{self.namespace}/pods")["items"]
        return {
            each["metadata"]["uid"]: each["metadata"]["name"]
            for each in items
            if "deletionTimestamp" not in each["metadata"]
        }


def available(live: Object) -> bool:
    """All pods of a workload are there, as its controller says."""
    status, wanted = live.get("status", {}), live["spec"].get("replicas", 1)
    if status.get("observedGeneration") != live["metadata"]["generation"]:
        return False
    return bool(wanted == status.get("availableReplicas", status.get("numberAvailable", 0)))


def a_second() -> None:
    """Kubernetes keeps whole seconds: what follows is certain to be later."""
    time.sleep(1.1)


@pytest.fixture
def shop(cluster: Cluster, aws: AwsServer, controllers: Controllers | RealControllers) -> Shop:
    return Shop(cluster, aws, controllers)


def states(results: dict[str, WorkloadResult]) -> dict[str, str]:
    return {name: str(result.state) for name, result in results.items()}


def test_each_workload_is_rolled_once_for_new_data_and_never_again(shop: Shop) -> None:
    """Two Secrets change, every kind reads both: one roll each; the next runs, which refresh as well, roll nothing."""
    shop.sync("db", "mail")
    a_second()
    both = [{"secretRef": {"name": name}} for name in ("db", "mail")]
    pod = {"containers": [{"name": "app", "image": "shop:1", "envFrom": both}]}
    names = {"Deployment": "web", "StatefulSet": "queue", "DaemonSet": "agent"}
    for kind, name in names.items():
        shop.start(kind, name, pod, **({} if kind == "DaemonSet" else {"replicas": 2}))
    for kind, name in names.items():
        shop.wait_for(shop.place(kind, name), available)
    before = shop.pods()
    a_second()

    shop.parameter("key", "two")
    assert states(shop.release("db", "mail")) == dict.fromkeys(names.values(), "restarted")
    after = shop.pods()
    assert (len(after), before.keys() & after.keys()) == (5, set())
    for kind, name in names.items():
        assert shop.read(shop.place(kind, name))["metadata"]["generation"] == 2

    for _ in range(2):
        a_second()
        assert states(shop.release("db", "mail")) == dict.fromkeys(names.values(), "up to date")
    assert shop.pods() == after


def test_each_of_two_changes_rolls(shop: Shop) -> None:
    """The second changes no more than a text that was there: its time is what tells."""
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    for generation, value in ((2, "two"), (3, "three")):
        a_second()
        shop.parameter("key", value)
        assert states(shop.release()) == {"web": "restarted"}
        assert shop.read(shop.place("Deployment", "web"))["metadata"]["generation"] == generation
        assert shop.secret("db") == {"key": value}


def test_a_run_that_died_after_the_refresh_is_made_good_by_the_next(shop: Shop) -> None:
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    a_second()
    shop.parameter("key", "two")
    shop.refresh(shop.survey())  # and here it died
    a_second()
    still = shop.look()["web"]
    assert still.state is WorkloadState.STILL_OLD
    assert still.secrets == ("db",)
    assert still.since
    assert still.command == f"kubectl -n {shop.namespace} rollout restart deployment/web"
    a_second()
    done = shop.release()["web"]
    assert done.state is WorkloadState.RESTARTED
    assert RESTARTED_AT in shop.read(shop.place("Deployment", "web"))["spec"]["template"]["metadata"]["annotations"]


def test_a_run_that_died_while_it_waited_is_made_good_without_another_roll(shop: Shop) -> None:
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    a_second()
    shop.parameter("key", "two")
    shop.troubles[shop.namespace] = "image"
    failed = shop.release(timeout=1.5)["web"]
    assert failed.state is WorkloadState.FAILED
    assert "is in ImagePullBackOff: Back-off pulling image" in failed.detail
    known = shop.survey()
    shop.refresh(known)
    seen = look(shop.api, known, restart=True)
    shop.troubles.clear()
    (done,) = restart(shop.api, seen, 20, shop.log, SystemClock())
    assert done.state is WorkloadState.RESTARTED
    assert shop.read(shop.place("Deployment", "web"))["metadata"]["generation"] == 2


def test_new_pods_that_crash_end_the_wait_with_what_they_said(shop: Shop) -> None:
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    a_second()
    shop.parameter("key", "two")
    shop.troubles[shop.namespace] = "crash"
    failed = shop.release()["web"]
    shop.troubles.clear()
    assert failed.state is WorkloadState.FAILED
    assert not failed.ok
    for words in ("CrashLoopBackOff", "exit code 1", CRASHED):
        assert words in failed.detail
    assert failed.command.startswith(f"kubectl -n {shop.namespace} logs web-")


def test_an_exceeded_progress_deadline_ends_the_wait(shop: Shop) -> None:
    shop.sync()
    a_second()
    shop.run("Deployment", "web", progressDeadlineSeconds=1)
    a_second()
    shop.parameter("key", "two")
    shop.troubles[shop.namespace] = "image"
    failed = shop.release(timeout=20)["web"]
    shop.troubles.clear()
    assert failed.state is WorkloadState.FAILED
    assert "its progress deadline is exceeded: ReplicaSet" in failed.detail
    assert "ImagePullBackOff" in failed.detail


def test_pods_that_waited_for_the_first_secret_have_what_it_holds(shop: Shop) -> None:
    """They are older than the Secret, and could not start without it."""
    shop.start("Deployment", "web")
    deadline = time.monotonic() + 10
    while not shop.pods() and time.monotonic() < deadline:
        time.sleep(0.05)
    a_second()
    shop.troubles[shop.namespace] = "image"  # keeps them from the first second of the Secret
    shop.sync()
    a_second()
    shop.troubles.clear()
    shop.wait_for(shop.place("Deployment", "web"), available)
    assert states(shop.look()) == {"web": "up to date"}


def test_what_a_changed_template_does_not_renew_is_said(shop: Shop) -> None:
    shop.sync()
    a_second()
    shop.run("Deployment", "paused")
    shop.run("Deployment", "none", replicas=0)
    shop.run("StatefulSet", "by-hand", updateStrategy={"type": "OnDelete"})
    canary = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    shop.run("StatefulSet", "canary", replicas=2, updateStrategy=canary)
    files = {
        "containers": [{"name": "app", "image": "shop:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        "volumes": [{"name": "v", "secret": {"secretName": "db"}}],
    }
    shop.run("Deployment", "files", files)
    shop.cluster.request("PATCH", shop.place("Deployment", "paused"), {"spec": {"paused": True}})
    job = {"template": {"spec": {"restartPolicy": "Never", "containers": [
        {"name": "app", "image": "shop:1", "envFrom": [{"secretRef": {"name": "db"}}]}]}}}  # fmt: skip
    nightly = {"schedule": "0 3 * * *", "jobTemplate": {"spec": job}}
    about = {"name": "nightly", "namespace": shop.namespace}
    shop.cluster.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": about, "spec": nightly})
    a_second()
    shop.parameter("key", "two")
    found = shop.release()
    assert states(found) == {
        "paused": "still old",
        "none": "up to date",
        "by-hand": "still old",
        "canary": "still old",
        "files": "files renewed",
        "nightly": "up to date",
    }
    assert "rollout resume deployment/paused && kubectl" in found["paused"].command
    assert found["by-hand"].command.endswith("delete pod by-hand-0")
    assert found["canary"].command.endswith("delete pod canary-0 canary-1")
    assert found["nightly"].detail == "Its next run reads the new data."
    assert all(one.ok for one in found.values())


def test_reloader_is_left_to_do_it_and_waited_for(shop: Shop) -> None:
    """Here nobody plays Reloader at first: that is said, and nothing is patched. Then somebody does."""
    shop.sync()
    a_second()
    shop.run("Deployment", "web", metadata={"annotations": RELOADER})
    a_second()
    shop.parameter("key", "two")
    failed = shop.release(timeout=0.5)["web"]
    assert failed.state is WorkloadState.FAILED
    assert failed.detail.startswith("Reloader has not rolled it")
    live = shop.read(shop.place("Deployment", "web"))
    assert live["metadata"]["generation"] == 1
    known = shop.survey()
    change = {"spec": {"template": {"metadata": {"annotations": {"reloader.stakater.com/last-reloaded-from": "db"}}}}}
    seen = look(shop.api, known, restart=True)
    shop.cluster.request("PATCH", shop.place("Deployment", "web"), change)
    (done,) = restart(shop.api, seen, 20, shop.log, SystemClock())
    assert (done.state, done.detail) == (WorkloadState.LEFT_TO_RELOADER, "Reloader has rolled it.")


def test_a_claim_is_followed_down_its_owners_to_the_workload(shop: Shop) -> None:
    """WebService → something → Deployment, whose template does not name the Secret itself."""
    shop.consumers = (Consumer("WebService", "shop", "db", "secret1Name"),)
    shop.sync()
    a_second()
    claim = {"apiVersion": "platform.example/v1", "kind": "WebService", "name": "shop", "uid": "c-1"}
    middle = {"name": "middle", "namespace": shop.namespace, "ownerReferences": [claim]}
    made = shop.cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": middle})
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "middle", "uid": made["metadata"]["uid"]}
    plain = {"containers": [{"name": "app", "image": "shop:1"}]}
    shop.run("Deployment", "web", plain, {"ownerReferences": [owner]})
    shop.run("Deployment", "other", plain)
    a_second()
    shop.parameter("key", "two")
    assert states(shop.release()) == {"web": "restarted"}


def test_a_claim_that_leads_nowhere_is_not_checked(shop: Shop) -> None:
    shop.consumers = (Consumer("WebService", "shop", "db", "secret1Name"),)
    shop.sync()
    assert states(shop.look()) == {"shop": "not checked"}


def test_a_rollout_of_argo_is_restarted_by_its_own_field(shop: Shop) -> None:
    """Neither cluster has Argo's controller: the test plays it."""
    _define_rollouts(shop.cluster)
    shop.sync()
    a_second()
    container = {"name": "app", "image": "shop:1", "envFrom": [{"secretRef": {"name": "db"}}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    about = {"name": "web", "namespace": shop.namespace}
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    shop.cluster.apply({**kind, "metadata": about, "spec": {"replicas": 1, "template": template}})
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{shop.namespace}/rollouts/web"
    _rollout_pod(shop, "web-77", container)
    a_second()
    shop.parameter("key", "two")
    known = shop.survey()
    shop.refresh(known)
    seen = look(shop.api, known, restart=True)
    assert [(one.workload.kind, str(one.state)) for one in seen.standings] == [("Rollout", "still old")]

    class Controller(SystemClock):
        """Plays the controller while the product waits."""

        def sleep(self, seconds: float) -> None:
            live = shop.read(path)
            if asked := live["spec"].get("restartAt"):
                shop.cluster.request(
                    "DELETE", f"/api/v1/namespaces/{shop.namespace}/pods/web-77", {"gracePeriodSeconds": 0}
                )
                status = {"restartedAt": asked, "availableReplicas": 1, "phase": "Healthy"}
                status["observedGeneration"] = str(live["metadata"]["generation"])
                shop.cluster.request("PATCH", f"{path}/status", {"status": status})
            super().sleep(seconds)

    (done,) = restart(shop.api, seen, 20, shop.log, Controller())
    assert done.state is WorkloadState.RESTARTED


def _rollout_pod(shop: Shop, name: str, container: Object) -> None:
    """A running pod as a Rollout's ReplicaSet makes it."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5b6", "uid": "r-1", "controller": True}
    labels = {"app": "web", "rollouts-pod-template-hash": "5b6"}
    about = {"name": name, "namespace": shop.namespace, "labels": labels, "ownerReferences": [owner]}
    shop.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": {"containers": [container]}})
    running = lambda pod: pod["status"].get("phase") == "Running"  # noqa: E731
    shop.wait_for(f"/api/v1/namespaces/{shop.namespace}/pods/{name}", running)


def _define_rollouts(cluster: Cluster) -> None:
    """The CRD, as far as it matters here, where the cluster wants one."""
    if isinstance(cluster, KubernetesServer):
        return
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}},
    }
    names = {"kind": "Rollout", "plural": "rollouts", "singular": "rollout", "listKind": "RolloutList"}
    spec = {"group": "argoproj.io", "scope": "Namespaced", "names": names, "versions": [version]}
    about = {"name": "rollouts.argoproj.io"}
    cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": about,
            "spec": spec,
        }
    )
    deadline = time.monotonic() + 10
    while cluster.request("GET", "/apis/argoproj.io/v1alpha1/rollouts")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
