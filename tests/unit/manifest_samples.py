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


def claim(*secrets: str, name: str = "shop", **spec) -> str:
    """The platform's claim for a deployment, which names its Secrets as `secret1Name`, `secret2Name`, …"""
    numbered = {f"secret{number}Name": secret for number, secret in enumerate(secrets, 1)}
    resource = {
        "apiVersion": "platform.zerotouch.io/v1alpha1",
        "kind": "WebService",
        "metadata": {"name": name},
        "spec": {"port": 8080, **numbered, **spec},
    }
    return yaml.safe_dump(resource, sort_keys=False)


def deployment(*secrets: str, name: str = "shop", **pod) -> str:
    """A Deployment whose only container has its variables from Secrets."""
    container = {"name": "app", "image": "shop", "envFrom": [{"secretRef": {"name": secret}} for secret in secrets]}
    resource = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": [container], **pod}}},
    }
    return yaml.safe_dump(resource, sort_keys=False)


def other(api_version: str, kind: str, name: str, **fields: object) -> str:
    """Any resource as YAML."""
    resource = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}
    return yaml.safe_dump(resource, sort_keys=False)


def patch(*data: dict, name: str = "db", **spec) -> str:
    """A strategic-merge patch of the list of an ExternalSecret."""
    resource = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name},
        "spec": {"data": list(data), **spec},
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


def judged(root: Path, files: Mapping[str, str | bytes], environment: str = "prod", **scope) -> Judged:
    """Writes a tenant and reads it; all its overlays where `environment` is empty."""
    write_tree(root, files)
    return judged_again(root, environment, **scope)


def judged_again(root: Path, environment: str = "", **scope) -> Judged:
    """Reads the tenant that is there."""
    fields = {"parameter_path": ParameterPath(TEMPLATE), "store": "aws-parameter-store", **scope}
    return read_tenant(root, Scope(SERVICE, environment, "tenants/{service}", **fields))


def overlays(base: str, *environments: str, deployed: str = "", **patches: str) -> dict[str, str]:
    """A base with one file, and overlays that patch it. patches: by environment; deployed: in each overlay."""
    tree = {"base/kustomization.yaml": kustomization("es.yaml"), "base/es.yaml": base}
    for environment in environments:
        folder, more = f"overlays/{environment}", ["deployment.yaml"] if deployed else []
        listed = {"patches": [{"path": "patch.yaml"}]} if environment in patches else {}
        tree[f"{folder}/kustomization.yaml"] = kustomization("../../base", *more, **listed)
        if environment in patches:
            tree[f"{folder}/patch.yaml"] = patches[environment]
        if deployed:
            tree[f"{folder}/deployment.yaml"] = deployed
    return tree


def with_component(added: str, *environments: str, prod: str = "", **fields: object) -> dict[str, str]:
    """As `overlays`, with a component in the place of the base. It also patches the deployment of each overlay, which
    is not there when the component is looked at by itself.
    """
    tree = {
        "components/extra/kustomization.yaml": kustomization(
            "es.yaml", kind="Component", patches=[{"path": "deployment.yaml"}], **fields
        ),
        "components/extra/es.yaml": added,
        "components/extra/deployment.yaml": claim(replicas=2),
    }
    for environment in environments:
        folder = f"overlays/{environment}"
        listed = {"patches": [{"path": "patch.yaml"}]} if prod and environment == "prod" else {}
        tree[f"{folder}/kustomization.yaml"] = kustomization(
            "deployment.yaml", components=["../../components/extra"], **listed
        )
        tree[f"{folder}/deployment.yaml"] = claim("db")
    return tree | ({"overlays/prod/patch.yaml": prod} if prod else {})


def with_layer(base: str, layer: str, prod: str = "", **fields: object) -> dict[str, str]:
    """A base, a folder `shared` that patches it, and an overlay of that folder, which may have a patch of its own."""
    listed = {"patches": [{"path": "patch.yaml"}]}
    tree = base_and_patch(base, prod) if prod else overlays(base, "prod")
    return tree | {
        "shared/kustomization.yaml": kustomization("../base", **(listed if layer else {}), **fields),
        "shared/patch.yaml": layer,
        "overlays/prod/kustomization.yaml": kustomization("../../shared", **(listed if prod else {})),
    }


def regions(base: str, **common: str) -> dict[str, str]:
    """A base, and two overlays of each environment that share a folder, `common`, with a patch. common: the patches."""
    tree = overlays(base)
    for environment, text in common.items():
        folder = f"overlays/{environment}"
        tree[f"{folder}/common/kustomization.yaml"] = kustomization("../../../base", patches=[{"path": "patch.yaml"}])
        tree[f"{folder}/common/patch.yaml"] = text
        for region in ("eu", "us"):
            tree[f"{folder}/{region}/kustomization.yaml"] = kustomization("../common")
    return tree


def with_component_each(base: str, **components: str) -> dict[str, str]:
    """A base, and for each environment a component that patches it, and adds nothing. components: the patches."""
    tree = overlays(base)
    for environment, text in components.items():
        component = f"components/{environment}"
        tree[f"{component}/kustomization.yaml"] = kustomization(kind="Component", patches=[{"path": "patch.yaml"}])
        tree[f"{component}/patch.yaml"] = text
        tree[f"overlays/{environment}/kustomization.yaml"] = kustomization(
            "../../base", components=[f"../../{component}"]
        )
    return tree


def inline(base: str, text: str, style: str = "|-", target: str = "{kind: ExternalSecret}") -> dict[str, str]:
    """A base, and an overlay whose kustomization has a patch as a text."""
    written = text.strip().replace("\n", "\n      ")
    patches = f"patches:\n  - target: {target}\n    patch: {style}\n      {written}\n"
    return overlays(base, "prod") | {"overlays/prod/kustomization.yaml": f"resources: [../../base]\n{patches}"}


def one_overlay(*documents: str) -> dict[str, str]:
    """A tenant of one overlay, `prod`, whose ExternalSecrets lie in it."""
    return {
        "overlays/prod/kustomization.yaml": kustomization("es.yaml"),
        "overlays/prod/es.yaml": "---\n".join(documents),
    }


URL = "/zerotouch/prod/shop/url"
CA = "/zerotouch/prod/shop/ca"
WAITING = external_secret(data=[entry("URL", "/zerotouch/_ENV_/shop/url")])
TWO_WAITING = external_secret(data=[entry("URL", "/zerotouch/_ENV_/shop/url"), entry("CA", "/zerotouch/_ENV_/shop/ca")])
UNSTORED = external_secret().replace(
    "  secretStoreRef:\n    name: aws-parameter-store\n    kind: ClusterSecretStore\n", ""
)
"""The first two wait for an overlay's patch; the third names no store."""
PASSWORD = {"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}}
GENERATED = external_secret(
    labels={}, data=[], secretStoreRef=None, refreshInterval="0", refreshPolicy="CreatedOnce", dataFrom=[PASSWORD]
)
"""An entry that a generator makes, and an ExternalSecret of such alone, which keeps the password that it has made."""


def reading(path: object, key: str = "URL", **remote: str) -> dict[str, str]:
    """One overlay with one entry."""
    return one_overlay(external_secret(data=[entry(key, path, **remote)]))


def searching(path: str, **find: object) -> dict[str, str]:
    """One overlay with one ExternalSecret that takes all parameters below a path."""
    find = {"path": path, "name": {"regexp": ".*"}, **find}
    return one_overlay(external_secret(data=[], dataFrom=[{"find": find}]))


def cluster_external_secret(path: str) -> str:
    """A ClusterExternalSecret with one entry."""
    made = yaml.safe_load(external_secret(data=[entry("URL", path)]))["spec"]
    spec = {"externalSecretName": "shared", "namespaceSelectors": [], "externalSecretSpec": made}
    return other("external-secrets.io/v1", "ClusterExternalSecret", "cluster", spec=spec)


def sharing(key: str, text: str, **template: object) -> str:
    """An ExternalSecret that shares the Secret `db` with others, and whose template puts its URL there as this key."""
    made = {"data": {key: text}, **template}
    target = {"name": "db", "creationPolicy": "Merge", "template": made}
    return external_secret(key, data=[entry("URL", f"/zerotouch/prod/shop/{key}")], target=target)


def base_and_patch(base: str, text: str, **fields: object) -> dict[str, str]:
    """A base, and an overlay that patches it."""
    listed = kustomization("../../base", patches=[{"path": "patch.yaml"}], **fields)
    return overlays(base, "prod", prod=text) | {"overlays/prod/kustomization.yaml": listed}


def operations(base: str, *replaced: tuple[int, str], **target: str) -> dict[str, str]:
    """A base, and an overlay that changes it by JSON6902."""
    lines = [f"- {{op: replace, path: /spec/data/{n}/remoteRef/key, value: {path}}}" for n, path in replaced]
    listed = [{"path": "patch.yaml", "target": {"kind": "ExternalSecret", "name": "db"} | target}]
    return overlays(base, "prod", prod="\n".join(lines) + "\n") | {
        "overlays/prod/kustomization.yaml": kustomization("../../base", patches=listed)
    }


def patched(environment: str, key: str = "url") -> str:
    """A patch that gives URL the environment's path."""
    return patch(entry("URL", f"/zerotouch/{environment}/shop/{key}"))
