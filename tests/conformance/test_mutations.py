"""What alters objects on their way into the cluster must not make a run believe what is not so."""

import json
from typing import Any

import pytest

from sandbox.real.cluster import RealCluster
from secret_action.cluster.additions import LAST_APPLIED
from secret_action.model import ContentState, ExternalSecret, RefreshState
from tests.conformance.lab import Lab, Object, proven
from tests.conformance.mutations import altering
from tests.conformance.product import MANAGED, Product

pytestmark = pytest.mark.thorough


def test_an_annotation_that_is_dropped_on_its_way_is_a_failure(lab: Lab) -> None:
    """Nothing asks the operator to read again, and the Secret keeps the old value: that is said, with who it may be."""

    def drop(obj: Object) -> None:
        obj["metadata"].get("annotations", {}).pop("force-sync", None)

    product = Product(lab, timeout=6.0)
    path = lab.parameter(value="old")
    known = product.deploy("x", parameter=path)
    unknown = product.deploy("y", parameter=path, target={"template": {"data": {"a": "{{ .key | upper }}"}}})
    with altering(lab, "externalsecrets", drop):
        for results in (product.release(known, unknown, values={path: "new"}), product.refresh(known, unknown)):
            for result in results:
                assert (result.state, result.ok) == (RefreshState.FAILED, False)
                assert result.diagnosis is not None
                assert "admission webhook or policy removes the annotation `force-sync`" in result.diagnosis.cause
    assert (lab.secret("x"), lab.secret("y")) == ({"key": "old"}, {"a": "OLD"})


def test_an_older_token_that_is_put_in_the_place_of_ours_proves_nothing(lab: Lab) -> None:
    """A policy that pins the annotation: the object is what the operator has synced before."""

    def pin(obj: Object) -> None:
        obj["metadata"].setdefault("annotations", {})["force-sync"] = "pinned"

    product = Product(lab, timeout=6.0)
    path = lab.parameter(value="old")
    with altering(lab, "externalsecrets", pin):
        es = product.deploy("x", parameter=path)
        (result,) = product.release(es, values={path: "new"})
    assert (result.state, result.ok) == (RefreshState.FAILED, False)
    assert lab.secret("x") == {"key": "old"}


def by_client(lab: Lab, product: Product, **spec: Any) -> ExternalSecret:
    """Applied as kubectl and Argo CD apply; waits until it is synced."""
    manifest = lab.manifest("x", metadata={"labels": MANAGED}, **spec)
    said = {LAST_APPLIED: json.dumps(manifest)}
    lab.settled("x", metadata={"labels": MANAGED, "annotations": said}, **spec)
    return product.rendered("x", **spec)


def by_server(lab: Lab, product: Product, **spec: Any) -> ExternalSecret:
    """Applied as Flux applies; waits until it is synced."""
    if not isinstance(lab.cluster, RealCluster):
        pytest.skip("the stand-in knows no server-side apply")
    manifest = lab.manifest("x", metadata={"labels": MANAGED}, **spec)
    path = f"{lab.path}/x?fieldManager=kustomize-controller&force=true"
    status, answer = lab.cluster.request("PATCH", path, manifest, content_type="application/apply-patch+yaml")
    assert status in (200, 201), answer
    lab.wait("x", proven)
    lab.quiet()
    return product.rendered("x", **spec)


@pytest.mark.parametrize("apply", [by_client, by_server])
def test_what_a_policy_adds_leaves_it_deployed(lab: Lab, apply: Any) -> None:
    """A label on each Secret, say; what Git takes out goes on being waited for, whoever applied it."""
    product = Product(lab)
    path = lab.parameter(value="old")

    def add(obj: Object) -> None:
        obj["spec"].setdefault("target", {}).setdefault("template", {})["metadata"] = {"labels": {"cost-centre": "42"}}

    with altering(lab, "externalsecrets", add):
        es = apply(lab, product, parameter=path)
        (result,) = product.release(es, values={path: "new"})
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.PROVEN), (result, product.log.lines)
    assert lab.secret("x") == {"key": "new"}
    assert lab.read(f"{lab.secrets}/x")["metadata"]["labels"]["cost-centre"] == "42"


@pytest.mark.parametrize("apply", [by_client, by_server])
def test_what_git_took_out_is_no_addition(lab: Lab, apply: Any) -> None:
    """It was applied once, and has not been taken out of the cluster yet."""
    product = Product(lab, timeout=1.5)
    path = lab.parameter(value="old")
    apply(lab, product, parameter=path, target={"template": {"data": {"key": "yesterday-{{ .key }}"}}})
    (result,) = product.release(product.rendered("x", parameter=path), values={path: "new"})
    assert result.state is RefreshState.NOT_DEPLOYED
    assert "spec.target.template.data.key: the manifest has nothing" in result.detail


def test_what_a_policy_adds_is_what_is_judged(lab: Lab) -> None:
    """Its template makes the Secret, and where that cannot be computed nothing is claimed of the content."""
    product = Product(lab)
    path = lab.parameter(value="old")

    def add(obj: Object) -> None:
        obj["spec"].setdefault("target", {})["template"] = {"data": {"key": "by policy: {{ .key }}"}}

    with altering(lab, "externalsecrets", add):
        es = by_client(lab, product, parameter=path)
        (result,) = product.release(es, values={path: "new"})
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.PROVEN), (result, product.log.lines)
    assert lab.secret("x") == {"key": "by policy: new"}
