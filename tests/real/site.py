"""A namespace of the real cluster with what Git asks for in it: how it is deployed, ruined, and mended."""

from __future__ import annotations

import copy
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.aws import AwsServer
from sandbox.real.cluster import RealCluster
from sandbox.real.door import Door
from tests.conformance.lab import ESO, Object, ready

DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/externalsecrets.external-secrets.io"
_PATIENCE = 30.0  # seconds


@dataclass
class Site:
    """A namespace, what Git asks for in it (`manifests`, by name), and what all of it stands on."""

    cluster: RealCluster
    aws: AwsServer
    door: Door
    namespace: str
    manifests: dict[str, Object]
    values: dict[str, str] = field(default_factory=dict)
    """What SSM is to hold, by parameter."""
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the run has ended."""
    _away: set[str] = field(default_factory=set)

    def path(self, name: str = "", kind: str = "externalsecrets") -> str:
        """Where its ExternalSecrets are, or one of them."""
        group = "/api/v1" if kind == "secrets" else ESO
        return f"{group}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def change(self, name: str, change: object) -> None:
        """Merges a change into an ExternalSecret."""
        self.cluster.request("PATCH", self.path(name), change)

    def take(self, part: str) -> None:
        """Takes the `operator`, `etcd` or the `definition` away."""
        self._away.add(part)
        if part == "operator":
            self.cluster.kill_eso()
        elif part == "etcd":
            self.cluster.stop_etcd()
        else:
            self.cluster.request("DELETE", DEFINITION)
            self._until(lambda: self.cluster.request("GET", DEFINITION)[0] == 404, self._release, whole=True)

    def give(self, part: str) -> None:
        """Brings it back, if it is away."""
        if part not in self._away:
            return
        if part == "operator":
            self.cluster.start_eso()
        elif part == "etcd":
            self.cluster.start_etcd()
        else:
            self.cluster.create_definitions()
        self._away.discard(part)

    def restart_operator(self) -> None:
        """After what it may not have survived."""
        self.take("operator")
        self.give("operator")

    def deploy(self, name: str, manifest: Object | None = None) -> None:
        """What a GitOps tool does: the object becomes what the manifest says, and nothing else."""
        manifest = manifest or self.manifests[name]

        def done() -> bool:
            status, live = self.cluster.request("GET", self.path(name))
            if status == 404:
                return self.cluster.request("POST", self.path(), manifest)[0] == 201
            if status != 200 or "deletionTimestamp" in live["metadata"]:
                self.change(name, {"metadata": {"finalizers": None}})
                return False
            metadata = {**live["metadata"], "labels": manifest["metadata"]["labels"]}
            renewed = {**live, "metadata": metadata, "spec": manifest["spec"]}
            return self.cluster.request("PUT", self.path(name), renewed)[0] == 200

        self._until(done)

    def remove(self, name: str) -> None:
        """The object goes, as it does for good."""

        def gone() -> bool:
            self.cluster.request("DELETE", self.path(name))
            self.change(name, {"metadata": {"finalizers": None}})
            return self.cluster.request("GET", self.path(name))[0] == 404

        self._until(gone)

    def remove_namespace(self) -> None:
        """The namespace goes, with what counts here; its controllers, which would empty it, are played."""
        path = f"/api/v1/namespaces/{self.namespace}"
        self.cluster.request("DELETE", path)
        for name in self.manifests:
            self.remove(name)
            self.cluster.request("DELETE", self.path(name, "secrets"))
        status, found = self.cluster.request("GET", path)
        if status == 200:
            self.cluster.request("PUT", f"{path}/finalize", {**found, "spec": {"finalizers": []}})

    def mend(self) -> None:
        """Everything is there again, as Git asks for it, and the operator is content."""
        self.over.clear()
        self.door.faults.clear()
        self.aws.faults.clear()
        for part in ("etcd", "definition", "operator"):
            self.give(part)
        stored = self.aws.parameters()
        for path, value in self.values.items():
            if path not in stored:
                self.aws.put(path, value)
        path = f"/api/v1/namespaces/{self.namespace}"
        status, found = self.cluster.request("GET", path)
        if status == 200 and found["status"]["phase"] == "Terminating":
            self.remove_namespace()
        self.cluster.create_namespace(self.namespace)
        for name in self.manifests:
            self.deploy(name)
        self._until(
            lambda: all(ready(self._read(name)).get("status") == "True" for name in self.manifests), self._nudge
        )

    def _nudge(self) -> None:
        for name in self.manifests:
            self.change(name, {"metadata": {"annotations": {"nudge": str(time.monotonic_ns())}}})
        time.sleep(0.5)

    def _read(self, name: str) -> Object:
        found: Object = self.cluster.request("GET", self.path(name))[1]
        return found

    def _release(self) -> None:
        """The finalizers of all ExternalSecrets, which hold up the end of their definition."""
        status, listed = self.cluster.request("GET", f"{ESO}/externalsecrets")
        for item in listed["items"] if status == 200 else ():
            metadata = item["metadata"]
            path = f"{ESO}/namespaces/{metadata['namespace']}/externalsecrets/{metadata['name']}"
            self.cluster.request("PATCH", path, {"metadata": {"finalizers": None}})

    def _until(
        self,
        happened: Callable[[], bool],
        meanwhile: Callable[[], object] = lambda: time.sleep(0.05),
        *,
        whole: bool = False,
    ) -> None:
        """Waits, but not beyond the end of the run, unless it must be whole."""
        deadline = time.monotonic() + _PATIENCE
        while not happened():
            if self.over.is_set() and not whole:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.namespace} does not come right: {self.cluster.eso_log()[-1500:]}")
            meanwhile()


def otherwise(manifest: Object, chance: random.Random, parameters: list[str]) -> Object:
    """The manifest with another spec: what somebody else changed, what Git said yesterday."""
    changed = copy.deepcopy(manifest)
    spec = changed["spec"]
    reads = [each["remoteRef"] for each in spec.get("data", ())] + [
        each["extract"] for each in spec.get("dataFrom", ())
    ]
    reference = chance.choice(reads)
    kinds: list[Callable[[], object]] = [
        lambda: reference.update(key=chance.choice([path for path in parameters if path != reference["key"]])),
        lambda: reference.update(version="1"),
        lambda: reference.pop("property") if "property" in reference else reference.update(property="user"),
        lambda: spec.setdefault("target", {}).update(template={"data": {"other": "text"}}),
        lambda: spec.setdefault("target", {}).update(deletionPolicy="Merge"),
        lambda: spec.update(refreshPolicy="CreatedOnce"),
        lambda: spec.update(refreshInterval="0"),
        lambda: spec.update(dataFrom=[{"extract": {"key": reference["key"]}}]),
        lambda: spec.update(data=[{"secretKey": "one", "remoteRef": {"key": reference["key"]}}]),
    ]
    chance.choice(kinds)()
    return changed
