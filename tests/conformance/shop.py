"""A namespace with an ExternalSecret, what reads its Secret, and the product's half of a run that rolls it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from sandbox.aws import AwsServer
from sandbox.kubernetes import KubernetesServer
from sandbox.kubernetes_workloads import Controllers
from sandbox.real.controllers import RealControllers
from secret_action.cluster import inspect
from secret_action.cluster.api import FIELD_MANAGER, KubernetesApi
from secret_action.cluster.connect import connect
from secret_action.cluster.rollout import restart
from secret_action.cluster.workloads import Survey, look, survey
from secret_action.model import Consumer, ExternalSecret, Location, WorkloadResult
from secret_action.ports import SystemClock
from secret_action.selector import parse_selector
from secret_action.settings import ClusterSettings
from secret_action.values import SecretValue
from tests.conformance.lab import Cluster, Lab, Object, eventually, proven
from tests.conformance.product import Log

LABELS = {"zerotouch.io/managed": "true"}
RELOADER = {"reloader.stakater.com/auto": "true"}
APPS = "/apis/apps/v1/namespaces"


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
        self.log = Log()
        self.consumers: tuple[Consumer, ...] = ()
        self._runs = 0

    def connect(self, token: str | None = None) -> KubernetesApi:
        """The product's own client, as the admin or as another user."""
        kubeconfig = SecretValue(self.cluster.kubeconfig(token))
        return connect(replace(self.settings, kubeconfig=kubeconfig), Log(), eks=None)

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
            if LABELS.items() <= each["metadata"].get("labels", {}).items()
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
            change = {"metadata": {"annotations": {"force-sync": token}}}
            status, answer = self.cluster.request("PATCH", f"{self.path}/{name}?fieldManager={FIELD_MANAGER}", change)
            assert status == 200, answer
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

    def look(self, *names: str, api: KubernetesApi | None = None) -> dict[str, WorkloadResult]:
        """A run without restart."""
        known = self.survey(api, rolls=False)
        self.refresh(known, *names)
        return {one.name: one for one in look(api or self.api, known, restart=False).results}

    def generation(self, kind: str, name: str) -> int:
        """How often the spec of a workload was written."""
        found: int = self.read(self.place(kind, name))["metadata"]["generation"]
        return found

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


def states(results: dict[str, WorkloadResult]) -> dict[str, str]:
    return {name: str(result.state) for name, result in results.items()}


def rollout_pod(shop: Shop, name: str, container: Object) -> None:
    """A running pod as a Rollout's ReplicaSet makes it."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5b6", "uid": "r-1", "controller": True}
    labels = {"app": "web", "rollouts-pod-template-hash": "5b6"}
    about = {"name": name, "namespace": shop.namespace, "labels": labels, "ownerReferences": [owner]}
    shop.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": {"containers": [container]}})
    path = f"/api/v1/namespaces/{shop.namespace}/pods/{name}"
    shop.wait_for(path, lambda pod: pod["status"].get("phase") == "Running")


def define_rollouts(cluster: Cluster) -> None:
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
    eventually(lambda: cluster.request("GET", "/apis/argoproj.io/v1alpha1/rollouts")[0] == 200)
