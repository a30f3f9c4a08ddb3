"""Small tenants on disk, for the tests of what is read from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import yaml

from secret_action.manifest.read import Judged, Scope, read_tenant
from secret_action.naming import ParameterPath

TEMPLATE = "/zerotouch/{env}/{service}/{key}"
SERVICE = "shop"
TENANT = f"tenants/{SERVICE}"
PATCH = f"{TENANT}/overlays/prod/patch.yaml"


def entry(secret_key: str, path: str, **remote: str) -> dict:
    """One entry of spec.data."""
    return {"secretKey": secret_key, "remoteRef": {"key": path, **remote}}


def external_secret(name: str = "db", *, data: list[dict] | None = None, labels: dict | None = None, **spec) -> str:
    """An ExternalSecret as YAML; managed unless `labels` says otherwise."""
    resource = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name, "labels": {"zerotouch.io/managed": "true"} if labels is None else labels},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"name": "aws-parameter-store", "kind": "ClusterSecretStore"},
            "data": [entry("URL", "/zerotouch/prod/shop/url")] if data is None else data,
            **spec,
        },
    }
    return yaml.safe_dump(resource, sort_keys=False)


def kustomization(*resources: str, **fields: object) -> str:
    """A kustomization as YAML."""
    return yaml.safe_dump({"resources": list(resources), **fields}, sort_keys=False)


def write_tree(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Writes files below `root/tenants/shop`, texts without their common indentation. Returns the root."""
    for name, content in files.items():
        path = root / TENANT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())
    return root


def judged(root: Path, files: Mapping[str, str | bytes], environment: str = "prod") -> Judged:
    """Writes a tenant and reads it."""
    return read_tenant(
        write_tree(root, files),
        Scope(SERVICE, environment, "tenants/{service}", ParameterPath(TEMPLATE), "aws-parameter-store"),
    )


def one_overlay(*documents: str) -> dict[str, str]:
    """A tenant of one overlay, `prod`, whose ExternalSecrets lie in it."""
    return {
        "overlays/prod/kustomization.yaml": kustomization("es.yaml"),
        "overlays/prod/es.yaml": "---\n".join(documents),
    }
