"""A real cluster for tests: etcd, kube-apiserver and External Secrets Operator (ESO) as child processes.

There is no kubelet and no controller-manager: no pod runs, no Deployment rolls (patch its status), nothing
is garbage collected and no namespace ever finishes being deleted. It must never touch another cluster.
"""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import urllib3
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.real import build
from sandbox.real.client import JSON, Client
from sandbox.real.process import ClusterError, Process, answers, free_port
from sandbox.real.users import Rule, Tokens, Users

STORE = "aws-parameter-store"
REGION = "us-east-1"
USERS = 60
START_TIMEOUT = 60.0  # seconds, for each program: many times what a small machine needs

ESO_GROUP = "external-secrets.io"
CRDS = (
    f"externalsecrets.{ESO_GROUP}",
    f"secretstores.{ESO_GROUP}",
    f"clustersecretstores.{ESO_GROUP}",
    f"clusterexternalsecrets.{ESO_GROUP}",
    f"generatorstates.generators.{ESO_GROUP}",
)
"""What ESO's controllers watch, those for pushing being off: it ends when one of them is missing."""


class RealCluster:
    """A cluster whose ESO reads parameters from ``ssm_endpoint``; it runs while its context is open."""

    url: str
    """Where the API server listens: ``https://127.0.0.1:PORT``."""
    ca_pem: str
    """The certificates, as PEM, that the API server is verified against."""
    admin_token: str
    """Bearer token of a member of ``system:masters``."""

    def __init__(
        self,
        ssm_endpoint: str,
        *,
        workdir: Path | None = None,
        serve_v1beta1: bool = True,
        eso: bool = True,
        eso_flags: Sequence[str] = (),
    ) -> None:
        """Say what is wanted; opening the context starts it.

        ``ssm_endpoint`` is the URL of an SSM (and STS) API. ``workdir`` is an empty folder for data and
        logs, which stays; by default a temporary one that goes at the end. ``serve_v1beta1`` serves ESO's
        older API version beside v1, as older installations do. ``eso=False`` leaves ESO to ``start_eso``.
        ``eso_flags`` come after those that it is started with anyway.
        """
        self._ssm_endpoint = ssm_endpoint
        self._workdir = workdir
        self._serve_v1beta1 = serve_v1beta1
        self._eso_wanted = eso
        self._eso_flags = eso_flags
        self._running: dict[str, Process] = {}  # in the order in which they were started

    def __enter__(self) -> Self:
        """Start everything; returns when the store is Ready (without ESO: when the API server is).

        Raises ``ClusterError``, with the last lines of its log, for a program that does not start.
        """
        programs = build.binaries()
        if programs is None:
            raise ClusterError("the programs are not built: run `python -m sandbox.real.build`")
        self._programs = programs
        self._folder = self._workdir or Path(tempfile.mkdtemp(prefix="secret-sync-cluster-"))
        try:
            self._start_etcd()
            tokens = Tokens(USERS)
            self.admin_token = tokens.admin
            self._prepare_apiserver(tokens)
            self._start_apiserver()
            self._users = Users(self._client, tokens)
            self.create_definitions()
            self._create_store()
            if self._eso_wanted:
                self.start_eso()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything, and remove the temporary folder."""
        self._close()

    # What a test does with it

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
        """Send one request as admin, or with another token: see ``Client.request``."""
        return self._client.request(method, path, body, token=token, content_type=content_type, accept=accept)

    def apply(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Create an object, or merge it into the one that exists: see ``Client.apply``."""
        return self._client.apply(wanted)

    def create_namespace(self, name: str) -> None:
        """Create a namespace, unless it exists."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def add_user(self, name: str, rules: Sequence[Rule], namespaces: Sequence[str] | None = None) -> str:
        """Give a user rights in namespaces, or in the whole cluster: see ``Users.add``. Returns its token."""
        return self._users.add(name, rules, namespaces)

    def kubeconfig(self, token: str | None = None) -> str:
        """A kubeconfig (YAML) that holds the CA and a token, the admin's unless another is given."""
        return kubeconfig(self.url, self.ca_pem, token or self.admin_token)

    def start_eso(self) -> None:
        """Start ESO; returns when the store is Ready: at once where an ESO before it has left it so.

        Raises ``ClusterError`` with the last lines of ESO's log.
        """
        kubeconfig = self._folder / "kubeconfig"
        kubeconfig.write_text(self.kubeconfig())
        operator = self._run(
            "external-secrets",
            # 0 is no server: a fixed port would be one for all clusters of this machine.
            "--metrics-addr=0",
            f"--live-addr=127.0.0.1:{free_port()}",
            "--loglevel=debug",
            "--enable-push-secret-reconciler=false",
            "--enable-cluster-push-secret-reconciler=false",
            *self._eso_flags,
            KUBECONFIG=str(kubeconfig),
            AWS_SSM_ENDPOINT=self._ssm_endpoint,
            AWS_STS_ENDPOINT=self._ssm_endpoint,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            AWS_EC2_METADATA_DISABLED="true",
        )
        operator.wait_until(f"the store {STORE} is Ready", self._store_is_ready, timeout=START_TIMEOUT)

    def stop_eso(self) -> None:
        """Stop ESO; all that it wrote stays as it is, the store's Ready too."""
        self._stop("external-secrets")

    def kill_eso(self) -> None:
        """End ESO at once, in the middle of whatever it does."""
        if process := self._running.pop("external-secrets", None):
            process.kill()

    def eso_log(self) -> str:
        """All that ESO has logged, from every time it was started: zap's JSON lines."""
        log = self._log("external-secrets")
        return log.read_text(errors="replace") if log.exists() else ""

    def restart_apiserver(self) -> None:
        """Stop the API server and start it again at the same address, with the same data, CA and tokens."""
        self._stop("kube-apiserver")
        self._start_apiserver()

    def create_definitions(self) -> None:
        """Create those of ESO's CRDs that are not there; returns when their kinds are served."""
        served: list[str] = []
        for crd in _crds(self._programs[build.CRDS]):
            spec = crd["spec"]
            spec.pop("conversion", None)  # names a webhook, which does not run here
            for version in spec["versions"]:
                if self._serve_v1beta1 and version["name"] == "v1beta1":
                    version["served"] = True
                if version["served"]:
                    served.append(f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}")
            self.apply(crd)
        self._running["kube-apiserver"].wait_until(
            "ESO's kinds are served",
            lambda: all(self.request("GET", path)[0] == 200 for path in served),
            timeout=START_TIMEOUT,
        )

    def stop_etcd(self) -> None:
        """Stop etcd: the API server stays, and can neither read nor write."""
        self._stop("etcd")

    def start_etcd(self) -> None:
        """Start etcd again at the same address, with the same data; returns when the API server is ready again."""
        self._run_etcd()
        self._running["kube-apiserver"].wait_until("it is ready", self._apiserver_is_ready, timeout=START_TIMEOUT)

    # How it starts

    def _start_etcd(self) -> None:
        self._etcd_url, self._etcd_peer = (f"http://127.0.0.1:{port}" for port in (free_port(), free_port()))
        self._run_etcd()

    def _run_etcd(self) -> None:
        client, peer = self._etcd_url, self._etcd_peer
        etcd = self._run(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )
        port = int(client.rpartition(":")[2])
        etcd.wait_until("it listens", lambda: answers(port), timeout=START_TIMEOUT)

    def _prepare_apiserver(self, tokens: Tokens) -> None:
        """Write what the API server reads at its start, and pick its address."""
        port = free_port()
        self.url = f"https://127.0.0.1:{port}"
        token_file, key_file = self._folder / "tokens.csv", self._folder / "service-accounts.pem"
        tokens.write(token_file)
        key_file.write_bytes(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,  # PKCS 8 is not read as a public key
                serialization.NoEncryption(),
            )
        )
        self._certificates = self._folder / "certificates"
        self._apiserver_flags = (
            f"--etcd-servers={self._etcd_url}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={self._certificates}",  # where it puts the certificate that it makes for itself
            f"--token-auth-file={token_file}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={key_file}",
            f"--service-account-signing-key-file={key_file}",
            f"--service-account-issuer={self.url}",
            # Nothing makes the service accounts that this plugin asks for before it admits a pod.
            "--disable-admission-plugins=ServiceAccount",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
            "--allow-privileged=true",
        )

    def _start_apiserver(self) -> None:
        apiserver = self._run("kube-apiserver", *self._apiserver_flags)
        port = int(self.url.rpartition(":")[2])
        apiserver.wait_until("it listens", lambda: answers(port), timeout=START_TIMEOUT)
        self.ca_pem = (self._certificates / "apiserver.crt").read_text()
        self._client = Client(self.url, self.ca_pem, self.admin_token)
        apiserver.wait_until("it is ready", self._apiserver_is_ready, timeout=START_TIMEOUT)

    def _apiserver_is_ready(self) -> bool:
        try:
            return self.request("GET", "/readyz")[0] == 200
        except urllib3.exceptions.HTTPError:
            return False

    def _create_store(self) -> None:
        self.apply(
            {
                "apiVersion": f"{ESO_GROUP}/v1",
                "kind": "ClusterSecretStore",
                "metadata": {"name": STORE},
                "spec": {"provider": {"aws": {"service": "ParameterStore", "region": REGION}}},
            }
        )

    def _store_is_ready(self) -> bool:
        _, store = self.request("GET", f"/apis/{ESO_GROUP}/v1/clustersecretstores/{STORE}")
        conditions = store.get("status", {}).get("conditions", [])
        return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)

    # Its processes

    def _log(self, program: str) -> Path:
        return self._folder / f"{program}.log"

    def _run(self, program: str, *flags: str, **environment: str) -> Process:
        """Start a program with an environment of its own: no credential or proxy of this machine."""
        home = {"HOME": str(self._folder), "TMPDIR": str(self._folder)}
        argv = [str(self._programs[program]), *flags]
        self._running[program] = Process(argv, log=self._log(program), environment=home | environment)
        return self._running[program]

    def _stop(self, program: str) -> None:
        if process := self._running.pop(program, None):
            process.stop()

    def _close(self) -> None:
        for program in reversed(list(self._running)):
            self._stop(program)
        if self._workdir is None:
            shutil.rmtree(self._folder, ignore_errors=True)


def kubeconfig(url: str, ca_pem: str, token: str) -> str:
    """A kubeconfig (YAML) for an API server, what its certificate is verified against, and a bearer token."""
    authority = base64.b64encode(ca_pem.encode()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "real", "cluster": {"server": url, "certificate-authority-data": authority}}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": "real", "context": {"cluster": "real", "user": "user"}}],
        "current-context": "real",
    }
    text: str = yaml.safe_dump(config, sort_keys=False)
    return text


def _crds(bundle: Path) -> list[dict[str, Any]]:
    """The definitions that ESO needs, out of its bundle; the other twenty would only take time."""
    documents = bundle.read_text().split("\n---\n")
    wanted = (text for text in documents if any(f"\n  name: {name}\n" in text for name in CRDS))
    # yaml.safe_load in C: the definitions are long, and in Python they take longer than the API server.
    return [yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) for text in wanted]
