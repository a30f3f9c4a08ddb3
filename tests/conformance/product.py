"""The product's own half of a run, against the cluster of a lab: inspect, prepare, refresh."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import contextmanager
from typing import Any

from secret_action.cluster import Inspection, KubernetesApi, connect, inspect, prepare, refresh
from secret_action.model import ExternalSecret, Location, Reference, RefreshResult, Tenants
from secret_action.ports import SystemClock
from secret_action.selector import parse_selector
from secret_action.settings import ClusterSettings
from secret_action.values import SecretValue
from tests.conformance.lab import Lab, Object

MANAGED = {"zerotouch.io/managed": "true"}


class Log:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def stage(self, title: str) -> Any:
        yield

    def line(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, text: str) -> None:
        self.lines.append(text)

    def mask(self, text: str) -> None:
        pass


def rendered(manifest: Object) -> ExternalSecret:
    """A manifest as the product knows it."""
    metadata, spec = manifest["metadata"], manifest["spec"]
    where = Location("external-secret.yaml", 1)
    entries = [(entry["secretKey"], entry["remoteRef"]) for entry in spec.get("data", [])]
    entries += [("", entry["extract"]) for entry in spec.get("dataFrom", []) if "extract" in entry]
    references = tuple(
        Reference(ref["key"], where, metadata["name"], key, ref.get("property", ""), ref.get("version", ""))
        for key, ref in entries
    )
    labels = metadata.get("labels", {})
    return ExternalSecret(
        metadata["name"], metadata["namespace"], manifest["apiVersion"], labels == MANAGED, spec, labels, {},
        references, where,
    )  # fmt: skip


class Product:
    """One run after another against one lab, as admin unless a token is given."""

    def __init__(self, lab: Lab, token: str | None = None, **settings: Any) -> None:
        self.lab = lab
        self.log = Log()
        given = {
            "kubeconfig": SecretValue(lab.cluster.kubeconfig(token)), "kubeconfig_from": "kubeconfig", "context": "",
            "eks_cluster": "", "namespace": "", "selector": parse_selector("zerotouch.io/managed=true"),
            "store": "aws-parameter-store", "refresh": "always", "timeout": 20.0,
        }  # fmt: skip
        self.settings = ClusterSettings(**{**given, **settings})  # type: ignore[arg-type]
        self.api: KubernetesApi = connect(self.settings, self.log, eks=None)
        self._runs = 0

    def deploy(self, name: str, **spec: Any) -> ExternalSecret:
        """Create a managed ExternalSecret and wait until it has synced; returns it as rendered."""
        metadata = {"labels": MANAGED, **spec.pop("metadata", {})}
        self.lab.settled(name, metadata=metadata, **spec)
        return self.rendered(name, metadata=metadata, **spec)

    def rendered(self, name: str, **spec: Any) -> ExternalSecret:
        """That manifest, not deployed."""
        return rendered(self.lab.manifest(name, **{"metadata": {"labels": MANAGED}, **spec}))

    def inspect(self, *wanted: ExternalSecret) -> Inspection:
        """What it sees before the first write."""
        return inspect(self.api, wanted, self.settings, self.log)

    def release(self, *wanted: ExternalSecret, values: dict[str, str], changed: Collection[str] = ()) -> Any:
        """Inspects, prepares, writes `values` into SSM, and refreshes; `changed`: all of them unless told."""
        known = {path: SecretValue(text) for path, text in values.items()}
        paths = frozenset(changed or values)
        seen = prepare(self.api, self.inspect(*wanted), known, paths, self.settings)
        for path, text in values.items():
            self.lab.aws.put(path, text)
        return self.refresh(*wanted, seen=seen, known=known, changed=paths)

    def refresh(
        self,
        *wanted: ExternalSecret,
        seen: Inspection | None = None,
        known: dict[str, SecretValue] | None = None,
        changed: frozenset[str] = frozenset(),
        commit: str = "",
        branch: str = "main",
    ) -> tuple[RefreshResult, ...]:
        """The refresh alone."""
        self._runs += 1
        return refresh(
            self.api, wanted, seen, known or {}, self.settings, self.log, SystemClock(),
            token=f"run-{self._runs}", changed_paths=changed, tenants=Tenants("", commit, "org/tenants", branch),
        )  # fmt: skip
