"""The YAML that we write into tenants, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from secret_action.authoring.request import Request
from secret_action.naming import MANAGED_LABEL, PLACEHOLDER


@dataclass(frozen=True)
class Habits:
    """How a tenant writes its ExternalSecrets. namespace: empty where they name none."""

    api_version: str = "external-secrets.io/v1"
    namespace: str = ""
    refresh_interval: str = "1h"
    store_kind: str = "ClusterSecretStore"

    def metadata(self, name: str) -> dict[str, Any]:
        """Name and namespace, as the definition and its patches say them."""
        return {"name": name} | ({"namespace": self.namespace} if self.namespace else {})


def external_secret(request: Request, habits: Habits) -> dict[str, Any]:
    """The definition in the base, with the placeholder."""
    return {
        "apiVersion": habits.api_version,
        "kind": "ExternalSecret",
        "metadata": {**habits.metadata(request.secret), "labels": {MANAGED_LABEL: "true"}},
        "spec": {
            "refreshInterval": habits.refresh_interval,
            "secretStoreRef": {"name": request.store, "kind": habits.store_kind},
            "target": {"name": request.secret},
            "data": request.items(PLACEHOLDER),
        },
    }


def patch(request: Request, habits: Habits, environment: str) -> dict[str, Any]:
    """The overlay's patch of it, with the environment."""
    return {
        "apiVersion": habits.api_version,
        "kind": "ExternalSecret",
        "metadata": habits.metadata(request.secret),
        "spec": {"data": request.items(environment)},
    }


def kustomization(resources: list[str], **fields: Any) -> Mapping[str, Any]:
    """A kustomization; what is empty is left out, but for its resources."""
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources}
    return head | {name: value for name, value in fields.items() if value}


def file_name(service: str, secret: str) -> str:
    """`my-service`, `my-service-db` → `db-es.yaml`."""
    return f"{secret.removeprefix(f'{service}-')}-es.yaml"
