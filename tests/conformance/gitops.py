"""What a GitOps tool shows of itself in a cluster in which none runs."""

import contextlib
from collections.abc import Iterator
from typing import Any

from sandbox.real.cluster import RealCluster
from tests.conformance.lab import Lab, Object, again_and_again, eventually

APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
REFRESH = "argocd.argoproj.io/refresh"


def define(cluster: RealCluster, group: str, version: str, kind: str) -> None:
    """A CRD that takes anything."""
    plural = f"{kind.lower()}s"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"plural": plural, "kind": kind, "singular": kind.lower(), "listKind": f"{kind}List"},
                "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
            },
        }
    )
    eventually(lambda: cluster.request("GET", f"/apis/{group}/{version}/{plural}")[0] == 200)


def application(lab: Lab, commit: str, sync: str = "Synced", **status: Any) -> str:
    """An Application that deploys this lab's `x`; returns its path."""
    name = f"app-{lab.namespace}"
    owned = {"group": "external-secrets.io", "kind": "ExternalSecret", "namespace": lab.namespace, "name": "x"}
    found = {
        "sync": {"status": sync, "revision": commit},
        "health": {"status": "Healthy"},
        "resources": [owned],
        **status,
    }
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}
    spec = {"source": {"repoURL": "https://github.com/org/tenants", "targetRevision": "main"}}
    lab.cluster.apply({**head, "metadata": {"name": name, "namespace": "argocd"}, "spec": spec, "status": found})
    return f"{APPLICATIONS}/{name}"


@contextlib.contextmanager
def controller(lab: Lab, path: str, commit: str, apply: Object) -> Iterator[None]:
    """Argo CD as far as we see it: asked to refresh it syncs `apply`, tells its commit and takes the request away."""

    def work() -> None:
        found = lab.read(path)
        if found["metadata"].get("annotations", {}).get(REFRESH) == "normal":
            lab.patch("x", apply)
            status = {"sync": {"status": "Synced", "revision": commit}}
            lab.cluster.request("PATCH", path, {"metadata": {"annotations": {REFRESH: None}}, "status": status})

    with again_and_again(work, 0.05):
        yield
