"""What the stand-in alone can do: misbehave, imitate other operators, say what a test wants to hear."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
import yaml

from sandbox.aws import AwsServer
from sandbox.eso import EsoSettings
from sandbox.eso_model import UNKNOWN, V0_16_1, Version, data_hash, synced_version
from sandbox.kubernetes import ESO_NAMESPACE, ESO_POD, STORE, KubernetesServer
from tests.conformance.lab import ESO, Lab, Object, ready, seen

HASH = "reconcile.external-secrets.io/data-hash"

Start = Callable[..., Lab]


@pytest.fixture
def start(aws: AwsServer) -> Iterator[Start]:
    """Starts a stand-in with these options, which ends with the test."""
    running: list[KubernetesServer] = []

    def begin(**options: Any) -> Lab:
        server = KubernetesServer(aws.url, **options)
        running.append(server)
        return Lab(server.__enter__(), aws)

    yield begin
    for server in running:
        server.__exit__(None, None, None)


def server_of(lab: Lab) -> KubernetesServer:
    assert isinstance(lab.cluster, KubernetesServer)
    return lab.cluster


def synced_by(lab: Lab, version: Version) -> Object:
    """An ExternalSecret that an operator of this version has synced."""
    lab.create("x", parameter=lab.parameter())
    return lab.wait(
        "x",
        lambda found: bool(
            found.get("status", {}).get("syncedResourceVersion") == synced_version(found["metadata"], version)
        ),
    )


@pytest.mark.parametrize(("version", "digits"), [(V0_16_1, 32), (UNKNOWN, 64)])
def test_operators_with_other_hashes(start: Start, version: Version, digits: int) -> None:
    lab = start(settings=EsoSettings(version=version))
    found = synced_by(lab, version)
    assert len(found["status"]["syncedResourceVersion"].partition("-")[2]) == digits
    annotations = lab.read(f"{lab.secrets}/x")["metadata"]["annotations"]
    assert annotations[HASH] == data_hash({"key": b"value"}, version)


def test_the_md5_of_no_metadata_is_the_known_one() -> None:
    """Seen on clusters of others."""
    assert synced_version({"generation": 1}, V0_16_1) == "1-2f2c636d06132f67992c15a1daeb0a5f"


def test_an_older_operator_has_no_finalizer_and_calls_an_immutable_target_a_failure(start: Start) -> None:
    lab = start(settings=EsoSettings(version=V0_16_1))
    lab.create("x", parameter=lab.parameter(value="old"), target={"immutable": True})
    found = lab.wait("x", lambda found: bool(ready(found)))
    assert "finalizers" not in found["metadata"]
    lab.parameter(value="new")
    lab.annotate("x")
    text = "unable to update secret x: secret is immutable"
    lab.failed("x", "could not update secret, target is immutable", text)


def test_a_version_can_be_switched_off(start: Start) -> None:
    lab = start(serve_v1beta1=False)
    beta = "/apis/external-secrets.io/v1beta1"
    assert lab.cluster.request("GET", f"{beta}/externalsecrets") == (404, "404 page not found\n")
    assert lab.cluster.request("GET", beta) == (404, "404 page not found\n")
    assert [version["version"] for version in lab.read("/apis/external-secrets.io")["versions"]] == ["v1"]
    server_of(lab).serve("v1beta1", True)
    server_of(lab).serve("v1", False)
    assert lab.cluster.request("GET", f"{ESO}/externalsecrets") == (404, "404 page not found\n")
    assert lab.read(f"{beta}/externalsecrets")["items"] == []


def test_an_operator_that_is_stopped_does_nothing_until_it_starts(start: Start) -> None:
    lab = start(eso=False)
    lab.create("x", parameter=lab.parameter())
    time.sleep(0.1)
    assert "status" not in lab.get("x")
    lab.cluster.start_eso()
    lab.quiet()
    assert ready(lab.get("x"))["status"] == "True"
    lab.cluster.stop_eso()
    found = lab.annotate("x")
    time.sleep(0.1)
    assert lab.get("x") == found


def test_a_store_is_ready_or_not_as_it_is_told(start: Start) -> None:
    lab = start(settings=EsoSettings(backoff=0.05))
    store = f"{ESO}/clustersecretstores/{STORE}"
    lab.wait_for(store, lambda found: ready(found).get("status") == "True")
    server_of(lab).set_store_ready(STORE, False, "InvalidProviderConfig", "unable to validate store")
    found = lab.wait_for(store, lambda found: ready(found)["status"] == "False")
    assert ready(found)["message"] == "unable to validate store"
    lab.created("x", parameter=lab.parameter())
    assert ready(lab.get("x"))["status"] == "False"
    server_of(lab).set_store_ready(STORE, True)
    lab.wait("x", lambda found: ready(found)["status"] == "True")


def test_a_slow_operator_reads_later(start: Start) -> None:
    lab = start()
    server_of(lab).configure_eso(delay=0.2)
    began = time.monotonic()
    lab.synced("x", parameter=lab.parameter())
    assert time.monotonic() - began >= 0.2


def test_a_token_that_comes_while_the_operator_reads_is_not_proven_by_that_read(start: Start) -> None:
    """Its status update carries the version that it read, conflicts, and the sync is done again."""
    reads: list[str] = []
    reading, go_on = threading.Event(), threading.Event()

    def get_parameter(name: str, version: str) -> str | None:
        reads.append(name)
        reading.set()
        assert go_on.wait(5)
        return "value"

    lab = start(get_parameter=get_parameter)
    lab.create("x")
    assert reading.wait(5)
    expected = synced_version(lab.annotate("x")["metadata"])
    go_on.set()
    found = lab.wait("x", lambda found: bool(found.get("status")))
    assert found["status"]["syncedResourceVersion"] == expected
    assert len(reads) == 2


def test_a_dropped_watch_breaks_its_connection(start: Start) -> None:
    lab = start()
    timer = threading.Timer(0.1, server_of(lab).drop_watches)
    timer.start()
    with pytest.raises(urllib3.exceptions.ProtocolError):
        lab.watch(lab.path)
    timer.join()


def test_a_compacted_server_tells_who_resumes_that_the_version_is_too_old(start: Start) -> None:
    lab = start()
    for name in ("a", "b"):
        lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": name}})
    first = lab.read(f"{lab.config_maps}?limit=1")["metadata"]
    lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": "c"}})
    server_of(lab).forget()
    _, events = lab.watch(lab.config_maps, resourceVersion=first["resourceVersion"])
    assert [(event["type"], event["object"]["code"]) for event in events] == [("ERROR", 410)]
    assert lab.refuse("GET", f"{lab.config_maps}?continue={first['continue']}")[:2] == (410, "Expired")
    _, events = lab.watch(lab.config_maps, count=3)
    assert seen(events) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


def test_bookmarks_carry_the_version_alone(start: Start) -> None:
    lab = start()
    server_of(lab).bookmark_every(0.05)
    _, events = lab.watch(lab.path, count=1, allowWatchBookmarks="true")
    assert seen(events) == [("BOOKMARK", "")]
    assert int(events[0]["object"]["metadata"]["resourceVersion"]) == server_of(lab).store.version
    assert lab.watch(lab.path) == (200, [])


def test_faults_answer_in_its_place(start: Start) -> None:
    lab = start()
    faults = server_of(lab).faults
    faults.add(("PATCH", ".*/externalsecrets/x"), status=429, headers={"Retry-After": "1"})
    assert lab.cluster.request("PATCH", f"{lab.path}/x", {"metadata": {}})[0] == 429
    assert lab.cluster.request("PATCH", f"{lab.path}/x", {"metadata": {}})[0] == 404
    faults.add(("GET", "/readyz"), drop="before")
    with pytest.raises(urllib3.exceptions.ProtocolError):
        lab.cluster.request("GET", "/readyz")


def test_the_operators_log_is_a_pods(start: Start) -> None:
    lab = start()
    lab.created("x")
    selector = "labelSelector=app.kubernetes.io%2Fname%3Dexternal-secrets"
    pods = lab.read(f"/api/v1/namespaces/{ESO_NAMESPACE}/pods?{selector}")["items"]
    assert [pod["metadata"]["name"] for pod in pods] == [ESO_POD]
    status, text = lab.cluster.request("GET", f"/api/v1/namespaces/{ESO_NAMESPACE}/pods/{ESO_POD}/log?tailLines=1")
    assert status == 200
    assert text.count("\n") == 1
    assert "Secret does not exist" in text


def test_a_pods_log_is_what_a_test_says(start: Start) -> None:
    lab = start()
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    path = f"/api/v1/namespaces/{lab.namespace}/pods"
    lab.cluster.request("POST", path, pod)
    server_of(lab).set_pod_log(lab.namespace, "p", "one\ntwo\nthree\n")
    assert lab.cluster.request("GET", f"{path}/p/log?tailLines=2") == (200, "two\nthree\n")


def test_its_kubeconfig_serves_the_client_of_the_product(start: Start) -> None:
    from kubernetes import client, config

    lab = start()
    lab.synced("x", parameter=lab.parameter())
    connect: Any = config.new_client_from_config_dict
    api: Any = client.CustomObjectsApi(connect(yaml.safe_load(lab.cluster.kubeconfig())))
    found = api.get_namespaced_custom_object("external-secrets.io", "v1", lab.namespace, "externalsecrets", "x")
    assert ready(found)["status"] == "True"


def test_it_can_do_without_tls(start: Start) -> None:
    lab = start(tls=False)
    assert lab.cluster.url.startswith("http://")
    assert lab.read("/version")["major"] == "1"


def test_the_operators_own_requests_are_not_recorded(start: Start) -> None:
    """So that a test can hold the list of requests that the product made."""
    lab = start(eso=False)
    lab.create("x", parameter=lab.parameter())
    lab.cluster.start_eso()
    time.sleep(0.1)
    assert [str(request) for request in server_of(lab).requests] == [f"POST {lab.path}"]
