"""A small Kubernetes API with an External Secrets Operator, for the demo and for tests: the stand-in.

One conformance suite (`tests/conformance`) holds it to what a real kube-apiserver with a real operator does;
it offers the same interface as `sandbox.real.cluster.RealCluster`.
"""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import yaml

from sandbox.eso import Eso, EsoSettings
from sandbox.eso_provider import GetParameter, SsmParameters
from sandbox.eso_sign_in import signs_in_at
from sandbox.http import Certificate, HttpServer, Request, Response
from sandbox.kubernetes_api import Api
from sandbox.kubernetes_definitions import Definitions
from sandbox.kubernetes_kinds import CLUSTER_SECRET_STORE, ESO_GROUP, NAMESPACE, POD, Kind, Object
from sandbox.kubernetes_rbac import Rbac, User
from sandbox.kubernetes_store import Store, Writer
from sandbox.real.client import JSON, Client
from sandbox.real.users import Rule

STORE = "aws-parameter-store"
REGION = "us-east-1"
ESO_NAMESPACE = "external-secrets"
ESO_POD = "external-secrets-0"

_WRITER = Writer("sandbox")
_STATUS_WRITER = Writer("sandbox", subresource="status")


class KubernetesServer(HttpServer):
    """The stand-in's API server and its operator, open from `with` to the end of the block.

    `faults` (of `HttpServer`) answer errors, wait and drop connections; `drop_watches` and `forget` are the
    faults of watches.
    """

    def __init__(
        self,
        ssm_endpoint: str,
        *,
        workdir: Path | None = None,
        serve_v1: bool = True,
        serve_v1beta1: bool = True,
        eso: bool = True,
        settings: EsoSettings | None = None,
        get_parameter: GetParameter | None = None,
        tls: bool | Certificate = True,
    ) -> None:
        """`ssm_endpoint` is the SSM API that the operator reads, unless `get_parameter` reads instead.

        `workdir` is there because a real cluster has one; nothing is written. `eso=False` leaves the operator
        to `start_eso`.
        """
        super().__init__(tls=tls)
        self.store = Store()
        self.admin_token = secrets.token_urlsafe(24)
        self._versions = {"v1": serve_v1, "v1beta1": serve_v1beta1}
        self._logs: dict[tuple[str, str], str] = {}
        self._users: dict[str, tuple[str, str]] = {}
        self._rbac = Rbac(self.store)
        self._rbac.add_administrator(self.admin_token)
        self._definitions = Definitions(self.store)
        self._definitions.create()
        self._api = Api(
            self.store,
            self._rbac,
            served=self._is_served,
            read_log=self._pod_log,
            definitions=self._definitions,
        )
        in_region = SsmParameters(ssm_endpoint).in_region

        def reader(region: str) -> GetParameter:
            return get_parameter or in_region(region)

        sign_in = None if get_parameter else signs_in_at(ssm_endpoint)
        self._eso = Eso(self.store, reader, settings or EsoSettings(), sign_in)
        self._eso_wanted = eso
        self._client: Client | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        for name in ("default", "kube-system", ESO_NAMESPACE):
            self.create_namespace(name)
        self.store.create(POD, _eso_pod(), _WRITER)
        self.store.create(CLUSTER_SECRET_STORE, _store(), _WRITER)
        if self._eso_wanted:
            self.start_eso()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop_eso()
        super().__exit__(*exception)

    def handle(self, request: Request) -> Response:
        """Every request goes to the API; there are no routes."""
        return self._api.answer(request)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        content_type: str | None = None,
        accept: str = JSON,
    ) -> tuple[int, Any]:
        """Send one request as admin, or with another token: see `Client.request`."""
        return self._http().request(method, path, body, token=token, content_type=content_type, accept=accept)

    def apply(self, wanted: Object) -> Object:
        """Create an object, or merge it into the one that exists: see `Client.apply`."""
        return self._http().apply(wanted)

    def create_namespace(self, name: str) -> None:
        """Create a namespace, unless it exists."""
        if self.store.find(NAMESPACE, "", name) is None:
            self.store.create(NAMESPACE, {"metadata": {"name": name}}, _WRITER)

    def add_user(self, name: str, rules: Sequence[Rule], namespaces: Sequence[str] | None = None) -> str:
        """Give a user rights in namespaces, or in the whole cluster, besides those it has. Returns its token.

        As on the real cluster the API server calls the users `u0`, `u1` and so on, in order of appearance.
        """
        if name not in self._users:
            user, token = f"u{len(self._users)}", secrets.token_urlsafe(24)
            self._users[name] = (user, token)
            self._rbac.add(token, User(user))
        user, token = self._users[name]
        self._rbac.bind(user, [dict(rule) for rule in rules], namespaces)
        return token

    def kubeconfig(self, token: str | None = None) -> str:
        """A kubeconfig (YAML) that holds the CA and a token, the admin's unless another is given."""
        cluster = {"server": self.url}
        if self.ca_pem:
            cluster["certificate-authority-data"] = base64.b64encode(self.ca_pem.encode()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": cluster}],
            "users": [{"name": "user", "user": {"token": token or self.admin_token}}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "user"}}],
            "current-context": "sandbox",
        }
        text: str = yaml.safe_dump(config, sort_keys=False)
        return text

    def start_eso(self) -> None:
        """Start the operator; it looks at everything that is there."""
        self._pod_is("Running")
        self._eso.start()

    def stop_eso(self) -> None:
        """Stop the operator; all that it wrote stays as it is, and its pod's log."""
        self._eso.stop()
        self._pod_is("Failed")

    def _pod_is(self, phase: str) -> None:
        def change(pod: Object) -> Object:
            return pod | {"status": {"phase": phase}}

        if self.store.find(POD, ESO_NAMESPACE, ESO_POD) is not None:
            self.store.modify(POD, ESO_NAMESPACE, ESO_POD, change, _STATUS_WRITER)

    def eso_log(self) -> str:
        """All that the operator has logged: zap's JSON lines."""
        return self._eso.log()

    def configure_eso(self, **changes: Any) -> None:
        """Change fields of `EsoSettings`; `version` and `latency` from the operator's next start on."""
        self._eso.settings = replace(self._eso.settings, **changes)

    def set_store_ready(self, name: str, ready: bool, reason: str = "", message: str = "") -> None:
        """Fix the Ready condition that the operator writes to the stores of this name."""
        self._eso.set_store_ready(name, ready, reason, message)

    def set_pod_log(self, namespace: str, name: str, text: str) -> None:
        """What `pods/{name}/log` answers."""
        self._logs[namespace, name] = text

    def serve(self, version: str, served: bool) -> None:
        """Switch one of the operator's API versions on or off, as an upgrade of its CRDs does."""
        self._versions[version] = served

    def drop_watches(self) -> None:
        """Break the connection of every watch at its next event, or within a fifth of a second."""
        self._api.dropped += 1

    def bookmark_every(self, seconds: float) -> None:
        """How often watches that allow bookmarks get one: every minute, unless told."""
        self._api.bookmark_interval = seconds

    def forget(self) -> None:
        """Compact: who resumes a watch from before is told that the version is too old (410)."""
        self.store.forget()

    def _http(self) -> Client:
        if self._client is None:
            self._client = Client(self.url, self.ca_pem or "", self.admin_token)
        return self._client

    def _is_served(self, kind: Kind, version: str) -> bool:
        known = version in kind.versions and self._definitions.serve(kind)
        return known and (kind.group != ESO_GROUP or self._versions[version])

    def _pod_log(self, namespace: str, name: str) -> str:
        if (namespace, name) == (ESO_NAMESPACE, ESO_POD):
            return self._logs.get((namespace, name)) or self._eso.log()
        return self._logs.get((namespace, name), "")


def _store() -> Object:
    aws = {"service": "ParameterStore", "region": REGION}
    return {"metadata": {"name": STORE}, "spec": {"provider": {"aws": aws}}}


def _eso_pod() -> Object:
    labels = {
        "app.kubernetes.io/name": "external-secrets",
        "app.kubernetes.io/instance": "external-secrets",
        "app.kubernetes.io/version": "v0.20.4",
        "app.kubernetes.io/managed-by": "Helm",
        "helm.sh/chart": "external-secrets-0.20.4",
    }
    return {
        "metadata": {"name": ESO_POD, "namespace": ESO_NAMESPACE, "labels": labels},
        "spec": {"containers": [{"name": "external-secrets", "image": "external-secrets:v0.20.4"}]},
    }
