"""All local servers together, with a tenants repository in GitHub and its overlays deployed to the cluster.

The demo and the scenario tests run the real entry point in such a world. Nothing here is imported by the product.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, Self

import yaml

from sandbox.aws import AwsServer
from sandbox.github import GitHubServer
from sandbox.github_model import App, Commit, Installation, Repository, make_app_key
from sandbox.kubernetes import ESO_NAMESPACE, KubernetesServer
from sandbox.oidc import OidcServer
from sandbox.runner import RunningAction, RunResult, run_action, start_action
from secret_action.manifest.kustomize import Kustomize, find_kustomize

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "tenants-repository"
ROLE = "arn:aws:iam::123456789012:role/secret-sync-my-service-prod"
SERVICE = "my-service"
JWKS_URL = "https://platform.example/.well-known/jwks.json"

# Values as people have them: several lines, leading dashes, a trailing =, quotes, JSON. None of them is real.
VALUES = {
    "DATABASE_URL": "postgres://app:pa$$w0rd-9f2c@db.internal:5432/app?sslmode=require",
    "OPENAI_API_KEY": "sk-sandbox-1f9c2d7b8e6a4530c1d2e3f4a5b6c7d8",
    "ANTHROPIC_API_KEY": "--looks-like-a-flag-c0ffee1234567890==",
    "JWT_PRIVATE_KEY": "-----BEGIN SANDBOX KEY-----\nc2FuZGJveC1qd3Qta2V5LWxpbmUtb25l\nbGluZS10d28tb2YtdGhlLWtleQ==\n"
    "-----END SANDBOX KEY-----\n",
    "JWT_PUBLIC_KEY": "-----BEGIN SANDBOX PUBLIC KEY-----\ncHVibGljLWtleS1vZi10aGUtc2FuZGJveA==\n"
    "-----END SANDBOX PUBLIC KEY-----\n",
    "SMTP_CREDENTIALS": '{"host": "smtp.sandbox.internal", "username": "mailer", "password": "qu\\"oted \'n\' odd-77"}',
}


class Cluster(Protocol):
    """What the stand-in and a real cluster have in common."""

    def kubeconfig(self, token: str | None = None) -> str:
        """A kubeconfig for a token."""

    def apply(self, wanted: Any) -> Any:
        """Creates or merges an object."""

    def create_namespace(self, name: str) -> None:
        """Makes a namespace."""

    def add_user(self, name: str, rules: Any, namespaces: Any = None) -> str:
        """A user with rights; returns the token."""

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request as admin."""


class World:
    """GitHub, AWS, the runner's OIDC endpoint and a cluster; open from `with` to the end of the block.

    workdir: an empty folder for the runs. tenants: the repository's files. make_cluster: from the SSM endpoint to a
    context manager that gives a cluster, the stand-in unless another is given.
    """

    github: GitHubServer
    aws: AwsServer
    oidc: OidcServer

    def __init__(
        self,
        workdir: Path,
        *,
        tenants: Path | Mapping[str, bytes] = EXAMPLE,
        make_cluster: Callable[[str], Any] = KubernetesServer,
    ) -> None:
        self.workdir = workdir
        self._tenants = tenants
        self._make_cluster = make_cluster
        self._open = ExitStack()
        self._runs = 0

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self.app_key, _, public = make_app_key()
            self.github = opening.enter_context(
                GitHubServer(
                    [App(1234, "Iv23sandbox", public)],
                    [Installation(1234, "zerotouch", ["zerotouch-tenants"])],
                    [Repository("zerotouch/zerotouch-tenants", {"main": Commit(self._tenants)})],
                )
            )
            self.oidc = opening.enter_context(OidcServer())
            self.aws = opening.enter_context(AwsServer())
            self.aws.trust(ROLE, self.oidc.public_key_pem, subject="repo:zerotouch/my-service:*")
            self.aws.put("/zerotouch/prod/zerotouch-platform/jwks_url", JWKS_URL, type="String")
            self.cluster = opening.enter_context(self._make_cluster(self.aws.url))
            self.token = self.cluster.add_user("release-pipeline", pipeline_rights("ClusterRole"))
            for namespace in (SERVICE, ESO_NAMESPACE):
                self.cluster.create_namespace(namespace)
                self.cluster.add_user("release-pipeline", pipeline_rights("Role", namespace), [namespace])
            self._open = opening.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def deploy(self, environment: str = "production", service: str = SERVICE) -> list[dict[str, Any]]:
        """What a GitOps tool does: renders the overlay and applies its ExternalSecrets. Returns them."""
        assert isinstance(self._tenants, Path)
        folder = self._tenants / "tenants" / service / "overlays" / environment
        resources = [
            resource for resource in Kustomize(find_kustomize()).render(folder) if resource["kind"] == "ExternalSecret"
        ]
        for resource in resources:
            resource["metadata"].pop("annotations", None)
            self.cluster.apply(resource)
        return resources

    def inputs(self, **changes: str) -> dict[str, str]:
        """The inputs of a release of the example tenant to production, with changes (`_` for `-`)."""
        inputs = {
            "mode": "release",
            "environment": "production",
            "service": SERVICE,
            "app-id": "1234",
            "app-private-key": self.app_key,
            "aws-region": "us-east-1",
            "aws-role-to-assume": ROLE,
            "kubeconfig": self.cluster.kubeconfig(self.token),
            "timeout": "20",
        }
        return inputs | {name.replace("_", "-"): value for name, value in changes.items()}

    def environment(self, values: Mapping[str, str] | None = None, prefix: str = "PROD_") -> dict[str, str]:
        """The step's environment: values under their source names, and where the servers are."""
        return {
            **{prefix + name: value for name, value in (VALUES if values is None else values).items()},
            **self.oidc.environment(),
            "GITHUB_API_URL": self.github.api_url,
            "AWS_ENDPOINT_URL": self.aws.url,
        }

    def run(
        self, values: Mapping[str, str] | None = None, *, env: Mapping[str, str] | None = None, **inputs: Any
    ) -> RunResult:
        """Runs the action once, as a child process. Inputs as for `inputs`."""
        on_line = inputs.pop("on_line", None)
        command = inputs.pop("command", None)
        return run_action(
            inputs=self.inputs(**inputs),
            env=self.environment(values) | dict(env or {}),
            workdir=self._next_folder(),
            on_line=on_line,
            command=command,
        )

    def start(
        self, values: Mapping[str, str] | None = None, *, env: Mapping[str, str] | None = None, **inputs: str
    ) -> RunningAction:
        """Starts the action and returns while it runs."""
        return start_action(
            inputs=self.inputs(**inputs), env=self.environment(values) | dict(env or {}), workdir=self._next_folder()
        )

    def secret(self, name: str) -> dict[str, bytes]:
        """The data of a Secret in the service's namespace, as pods would see it; empty where there is none."""
        status, content = self.cluster.request("GET", f"/api/v1/namespaces/{SERVICE}/secrets/{name}")
        data = content.get("data") or {} if status == 200 else {}
        return {key: base64.b64decode(value) for key, value in data.items()}

    def _next_folder(self) -> Path:
        self._runs += 1
        folder = self.workdir / f"run-{self._runs}"
        folder.mkdir(parents=True)
        return folder


def pipeline_rights(kind: str, namespace: str = SERVICE) -> list[Any]:
    """The rules of the RBAC example, for Roles in one namespace, so that every run shows that they are enough."""
    documents = [
        document
        for file in sorted((ROOT / "examples" / "cluster").glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        if document and document["kind"] == kind
    ]
    where = namespace if kind == "Role" else ""
    roles = [document for document in documents if document["metadata"].get("namespace", "") == where]
    return [rule for role in roles for rule in role["rules"]]
