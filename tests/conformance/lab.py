"""What a conformance test works with: a cluster, an SSM behind it, and a namespace of its own.

Everything here goes through the API server, so that it is the same for the stand-in and the real cluster.
"""

import base64
import itertools
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest
import urllib3

from sandbox.aws import AwsServer
from sandbox.eso_model import synced_version
from sandbox.kubernetes import STORE, KubernetesServer
from sandbox.real import build
from sandbox.real.cluster import RealCluster

Object = dict[str, Any]
Cluster = KubernetesServer | RealCluster


@contextmanager
def running_cluster(kind: str, aws: AwsServer) -> Iterator[Cluster]:
    """A cluster whose operator reads `aws`: the `stand-in`, or the `real` one where its programs are built."""
    if kind == "stand-in":
        with KubernetesServer(aws.url) as server:
            yield server
        return
    if build.binaries() is None:
        pytest.skip("the real cluster's programs are not built: make real-cluster builds them")
    with RealCluster(aws.url) as real:
        yield real


@contextmanager
def again_and_again(act: Callable[[], object], every: float) -> Iterator[None]:
    """Does something all the while that the block runs, with so many seconds between."""
    over = threading.Event()

    def loop() -> None:
        while not over.wait(every):
            act()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
JSON_PATCH = "application/json-patch+json"
ESO = "/apis/external-secrets.io/v1"

_PATIENCE = 60.0  # seconds, of a machine that others keep busy too
_NUMBERS = itertools.count()

_Found = TypeVar("_Found")


def eventually(look: Callable[[], _Found], so_far: Callable[[], object] = lambda: "") -> _Found:
    """What `look` finds, as soon as it finds something; fails the test with `so_far` when it never does."""
    deadline = time.monotonic() + _PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, so_far()
        time.sleep(0.02)
    return found


class Lab:
    """One test's namespace, with the few things that most tests do."""

    def __init__(self, cluster: Cluster, aws: AwsServer) -> None:
        self.cluster = cluster
        self.aws = aws
        self.namespace = f"lab-{next(_NUMBERS)}"
        cluster.create_namespace(self.namespace)
        self.path = f"{ESO}/namespaces/{self.namespace}/externalsecrets"
        self.secrets = f"/api/v1/namespaces/{self.namespace}/secrets"
        self.config_maps = f"/api/v1/namespaces/{self.namespace}/configmaps"
        self._tokens = itertools.count()

    def parameter(self, key: str = "key", value: str = "value") -> str:
        """Put a parameter of this test's own; returns its name."""
        name = f"/zerotouch/{self.namespace}/{key}"
        self.aws.put(name, value)
        return name

    def manifest(self, name: str, *, parameter: str = "", metadata: Object | None = None, **spec: Any) -> Object:
        """An ExternalSecret that reads `parameter` into the key `key`, unless `spec` says otherwise."""
        data = [{"secretKey": "key", "remoteRef": {"key": parameter or f"/zerotouch/{self.namespace}/key"}}]
        return {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": self.namespace, **(metadata or {})},
            "spec": {
                "secretStoreRef": {"name": STORE, "kind": "ClusterSecretStore"},
                "refreshInterval": "1h",
                **({} if "dataFrom" in spec else {"data": data}),
                **spec,
            },
        }

    def create(self, name: str, **spec: Any) -> Object:
        """Create that ExternalSecret; returns what the API server made of it."""
        status, created = self.cluster.request("POST", self.path, self.manifest(name, **spec))
        assert status == 201, created
        found: Object = created
        return found

    def create_as(self, version: str, name: str, **spec: Any) -> Object:
        """Create it in another API version, at the path of that version; returns what the API server made of it."""
        manifest = self.manifest(name, **spec) | {"apiVersion": f"external-secrets.io/{version}"}
        status, created = self.cluster.request("POST", self.path.replace("/v1/", f"/{version}/", 1), manifest)
        assert status == 201, created
        found: Object = created
        return found

    def created(self, name: str, **spec: Any) -> Object:
        """Create it and wait until the operator has said something about it."""
        self.create(name, **spec)
        return self.wait(name, lambda found: bool(ready(found)))

    def synced(self, name: str, **spec: Any) -> Object:
        """Create it and wait until it is synced."""
        self.create(name, **spec)
        return self.wait(name, proven)

    def settled(self, name: str, **spec: Any) -> Object:
        """Create it, and wait until it is synced and the operator has no more to do.

        Just after its first sync the real one may read once more, as its cache does not show that sync yet.
        """
        self.synced(name, **spec)
        self.quiet()
        return self.get(name)

    def get(self, name: str) -> Object:
        """The ExternalSecret as it is."""
        return self.read(f"{self.path}/{name}")

    def read(self, path: str, accept: str = "application/json") -> Object:
        """Whatever is at a path; fails the test when nothing is."""
        status, found = self.cluster.request("GET", path, accept=accept)
        assert status == 200, found
        obj: Object = found
        return obj

    def refuse(self, method: str, path: str, body: Any = None, **how: Any) -> tuple[int, str, str]:
        """Code, reason and message of an answer that is an error."""
        status, answer = self.cluster.request(method, path, body, **how)
        assert status >= 400, answer
        assert answer["kind"] == "Status"
        assert (answer["code"], answer["status"]) == (status, "Failure")
        return status, answer.get("reason", ""), answer["message"]

    def patch(self, name: str, patch: Any, **how: Any) -> Object:
        """Patch the ExternalSecret; returns the answer."""
        status, patched = self.cluster.request("PATCH", f"{self.path}/{name}", patch, **how)
        assert status == 200, patched
        found: Object = patched
        return found

    def annotate(self, name: str) -> Object:
        """Set `force-sync` to a new token; returns the answer of the API server."""
        return self.patch(name, {"metadata": {"annotations": {"force-sync": f"token-{next(self._tokens)}"}}})

    def force_sync(self, name: str) -> Object:
        """Annotate, and wait for the proof that the operator has synced after that."""
        expected = synced_version(self.annotate(name)["metadata"])
        return self.wait(name, lambda found: found["status"].get("syncedResourceVersion") == expected)

    def quiet(self) -> None:
        """Wait until the operator has looked once at all that was asked of it before.

        It has one worker and a fair queue, so an ExternalSecret that is new and synced was the last in line. What it
        tries again, after a conflict say, comes later: of what it must still do, wait for the result itself.
        """
        name = f"sentinel-{next(self._tokens)}"
        self.synced(name, parameter=self.parameter("sentinel"), target={"name": name})

    def wait(self, name: str, until: Callable[[Object], bool]) -> Object:
        """Wait until the ExternalSecret is as wanted; returns it."""
        return self.wait_for(f"{self.path}/{name}", until)

    def wait_for(self, path: str, until: Callable[[Object], bool]) -> Object:
        """Wait until what is at a path is there and as wanted; returns it."""
        found: Object = {}

        def look() -> bool:
            nonlocal found
            status, found = self.cluster.request("GET", path)
            return status == 200 and until(found)

        eventually(look, lambda: f"{path} is still {json.dumps(found, indent=1)}")
        return found

    def wait_until_gone(self, path: str) -> None:
        """Wait until nothing is at a path: what has a finalizer stays until the operator has let go of it."""
        eventually(lambda: self.cluster.request("GET", path)[0] == 404, lambda: f"{path} is still there")

    def secret(self, name: str) -> dict[str, str]:
        """The data of a Secret, decoded."""
        data = self.read(f"{self.secrets}/{name}").get("data", {})
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def events(self, name: str) -> list[tuple[str, str, str]]:
        """Type, reason and message of the events about an ExternalSecret of this namespace, sorted."""
        selector = urlencode({"fieldSelector": f"involvedObject.name={name}"})
        items = self.read(f"/api/v1/namespaces/{self.namespace}/events?{selector}")["items"]
        return sorted((item["type"], item["reason"], item["message"]) for item in items)

    def wait_for_event(self, name: str, *event: str) -> None:
        """Wait for an event (type, reason, message): the operator writes them beside its work."""
        eventually(lambda: tuple(event) in self.events(name), lambda: self.events(name))

    def failed(self, name: str, message: str, event: str) -> Object:
        """Wait until the ExternalSecret has failed with this condition and this event; returns it."""
        found = self.wait(name, lambda found: ready(found).get("message") == message)
        assert ready(found)["status"] == "False"
        assert ready(found)["reason"] == "SecretSyncedError"
        self.wait_for_event(name, "Warning", "UpdateFailed", event)
        return found

    def watch(
        self, path: str, token: str | None = None, *, count: int | None = None, **query: str
    ) -> tuple[int, list[Object]]:
        """Watch a path until `count` events are there, at most a second; returns status and events.

        The one "event" of a watch that is refused is the answer.
        """
        options = urlencode({"watch": "1", "timeoutSeconds": "1", **query})
        context = ssl.create_default_context(cadata=self.cluster.ca_pem)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the real one's certificate has no key identifier
        with urllib3.PoolManager(ssl_context=context) as http:
            answer = http.request(
                "GET",
                f"{self.cluster.url}{path}?{options}",
                headers={"Authorization": f"Bearer {token or self.cluster.admin_token}"},
                timeout=_PATIENCE,
                preload_content=False,
            )
            events: list[Object] = []
            for line in answer:
                events.append(json.loads(line))
                if len(events) == count:
                    break
            answer.close()
            return answer.status, events


def ready(obj: Object) -> Object:
    """The Ready condition, empty when there is none."""
    conditions = obj.get("status", {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == "Ready"), {})


def proven(external_secret: Object) -> bool:
    """Whether a sync has succeeded that read the metadata which the object has now."""
    synced = external_secret.get("status", {}).get("syncedResourceVersion")
    return bool(synced == synced_version(external_secret["metadata"]))


def seen(events: list[Object]) -> list[tuple[str, str]]:
    """Watch events as type and name."""
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]
