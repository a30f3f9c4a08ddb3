"""What ExternalSecrets stand on goes while a run waits: their definition, their namespace. On clusters of their own."""

import threading
from collections.abc import Iterator

import pytest

from sandbox.aws import AwsServer
from secret_action.model import RefreshState
from tests.conformance.lab import ESO, Cluster, Lab, running_cluster
from tests.conformance.product import Product
from tests.conformance.test_faults import meanwhile, release

pytestmark = pytest.mark.thorough

NAME = "externalsecrets.external-secrets.io"
DEFINITION = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{NAME}"


@pytest.fixture(scope="module", params=["stand-in", pytest.param("real", marks=pytest.mark.real)])
def own(request: pytest.FixtureRequest, aws: AwsServer) -> Iterator[Cluster]:
    """A cluster that these tests may ruin."""
    with running_cluster(request.param, aws) as started:
        yield started


@pytest.fixture
def lab(own: Cluster, aws: AwsServer) -> Lab:
    return Lab(own, aws)


def test_a_namespace_that_is_being_deleted(lab: Lab) -> None:
    """What is in it stays as long as nothing empties it; nothing new gets in, and the run says why it waits in vain."""
    product = Product(lab, timeout=2.0)
    es = product.deploy("x", parameter=lab.parameter(value="old"))
    lab.cluster.stop_eso()
    with meanwhile(lambda: lab.cluster.request("DELETE", f"/api/v1/namespaces/{lab.namespace}"), 0.5):
        result = release(product, es)
    lab.cluster.start_eso()
    assert (result.state, result.ok) == (RefreshState.NOT_PROVEN, False)
    assert result.diagnosis is not None
    assert result.diagnosis.cause == f"The namespace {lab.namespace} is being deleted, with all that is in it."
    found = lab.read(f"/api/v1/namespaces/{lab.namespace}")
    assert found["status"]["phase"] == "Terminating"
    assert "deletionTimestamp" in found["metadata"]
    assert lab.refuse("POST", lab.config_maps, {"metadata": {"name": "c"}}) == (
        403,
        "Forbidden",
        f'configmaps "c" is forbidden: unable to create new content in namespace {lab.namespace} because it is being '
        "terminated",
    )


def test_a_definition_that_is_removed(lab: Lab) -> None:
    """Its objects go first, held up by ESO's finalizers; then the kind is not served, and the run says so."""
    product = Product(lab, timeout=8.0)
    es = product.deploy("x", parameter=lab.parameter(value="old"))
    lab.cluster.stop_eso()
    events: list[str] = []
    watching = threading.Thread(
        target=lambda: events.extend(event["type"] for event in lab.watch(lab.path, timeoutSeconds="15")[1])
    )
    watching.start()
    refused: list[tuple[int, str, str]] = []

    def remove() -> None:
        lab.cluster.request("DELETE", DEFINITION)
        lab.wait("x", lambda found: "deletionTimestamp" in found["metadata"])
        refused.append(lab.refuse("POST", lab.path, lab.manifest("y")))
        for item in lab.read(f"{ESO}/externalsecrets")["items"]:
            metadata = item["metadata"]
            path = f"{ESO}/namespaces/{metadata['namespace']}/externalsecrets/{metadata['name']}"
            lab.cluster.request("PATCH", path, {"metadata": {"finalizers": None}})

    with meanwhile(remove, 0.5):
        result = release(product, es)
    why = f'{NAME} "y" is forbidden: create not allowed while custom resource definition is terminating'
    assert refused == [(403, "Forbidden", why)]
    assert (result.state, result.ok) == (RefreshState.NOT_DEPLOYED, False)
    assert result.diagnosis is not None
    assert "does not serve externalsecrets of external-secrets.io/v1 any more" in result.diagnosis.cause
    lab.wait_until_gone(DEFINITION)
    assert lab.cluster.request("GET", lab.path) == (404, "404 page not found\n")
    assert "externalsecrets" not in {resource["name"] for resource in lab.read(ESO)["resources"]}
    watching.join()
    assert events[-1] == "DELETED"
