"""What the Secret holds is proven where it can be computed, and where it cannot, at least that it changed."""

import base64
from typing import Any

import boto3
import pytest

from secret_action.model import ContentState, RefreshState
from secret_action.values import SecretValue
from tests.conformance.lab import Lab
from tests.conformance.product import Product
from tests.conformance.stores import make_store

pytestmark = pytest.mark.thorough

COMPUTED: dict[str, dict[str, Any]] = {
    "no template data": {"metadata": {"labels": {"a": "b"}}},
    "a text around it": {"data": {"url": "postgres://app:{{ .key }}@db/app?x={{.key}}", "fixed": "y"}},
    "encoded": {"data": {"a": "{{ .key | b64enc }}", "b": "{{ .key | toString | b64enc }}"}},
    "beside the keys": {"mergePolicy": "Merge", "data": {"more": "{{ .key }}!", "key": "over {{ .key }}"}},
}
# ESO alone knows what this makes, and the value itself stands beside it.
OPAQUE = {"mergePolicy": "Merge", "data": {"more": "{{ .key | upper }}"}}


def elsewhere(lab: Lab) -> tuple[dict[str, str], str]:
    """A store that reads another region, and a parameter that is there too."""
    store = make_store(lab, "elsewhere", aws={"region": "eu-west-1"})
    name = lab.parameter(value="old")
    other = boto3.client("ssm", "eu-west-1", endpoint_url=lab.aws.url, aws_access_key_id="a", aws_secret_access_key="b")
    other.put_parameter(Name=name, Value="old", Type="SecureString", Overwrite=True)
    return store, name


@pytest.mark.parametrize("template", COMPUTED.values(), ids=COMPUTED.keys())
def test_the_plainest_templates_are_computed(lab: Lab, template: dict[str, Any]) -> None:
    """As ESO does it, byte for byte, a value of several lines included."""
    product = Product(lab)
    es = product.deploy("x", parameter=lab.parameter(value="old"), target={"template": template})
    (result,) = product.release(es, values={lab.parameter(value="old"): "new ✓\n--two="})
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.PROVEN), result


def test_a_template_that_is_not_computed_is_proven_by_its_sync(lab: Lab) -> None:
    """And says that the content was not checked."""
    product = Product(lab)
    es = product.deploy("x", parameter=lab.parameter(value="old"), target={"template": OPAQUE})
    (result,) = product.release(es, values={lab.parameter(value="old"): "new"})
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, ContentState.NOT_CHECKED, True), result
    assert "same as before" not in result.detail


@pytest.mark.parametrize("target", [{}, {"template": OPAQUE}], ids=["computed", "not computed"])
def test_an_operator_that_reads_another_region_is_noticed(lab: Lab, target: dict[str, Any]) -> None:
    """It reads after our token, and what it reads is not what was written: a failure, in words."""
    store, name = elsewhere(lab)
    product = Product(lab, timeout=3.0)
    es = product.deploy("x", parameter=name, secretStoreRef=store, target=target)
    (result,) = product.release(es, values={name: "new"})
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, ContentState.DIFFERS, False), result
    assert name in result.detail or not target
    assert result.diagnosis is not None
    assert "another region" in result.diagnosis.cause


def test_a_value_that_a_template_may_leave_out_is_no_failure(lab: Lab) -> None:
    """The Secret is the same: that is said, and it is the reader's to judge."""
    product = Product(lab)
    template = {"data": {"a": "{{ .key | upper }}"}}
    es = product.deploy("x", parameter=lab.parameter(value="SAME"), target={"template": template})
    (result,) = product.release(es, values={lab.parameter(value="SAME"): "same"})
    assert (result.content, result.ok) == (ContentState.NOT_CHECKED, True), result
    assert "is the same as before" in result.detail


def _written(lab: Lab, name: str, text: str) -> None:
    """Somebody writes the Secret's key by hand, and leaves the operator's hash as it is."""
    data = {"data": {"key": base64.b64encode(text.encode()).decode()}}
    status, answer = lab.cluster.request("PATCH", f"{lab.secrets}/{name}?fieldManager=kubectl-edit", data)
    assert status == 200, answer


def test_what_somebody_wrote_after_the_operator_is_not_taken_for_proven(lab: Lab) -> None:
    """The operator leaves it alone (Orphan), and its hash on the Secret tells of what it wrote itself.

    What can be refreshed is; of what never is, the content is said not to be known, and by whose doing.
    """
    product = Product(lab, refresh="changed")
    path, orphan = lab.parameter(value="right"), {"creationPolicy": "Orphan"}
    refreshes = product.deploy("x", parameter=path, target=orphan)
    never = product.deploy("y", parameter=path, target=orphan, refreshPolicy="CreatedOnce")
    for name in ("x", "y"):
        _written(lab, name, "wrong")
    mended, left = product.refresh(refreshes, never, known={path: SecretValue("right")})
    assert (mended.state, mended.content, lab.secret("x")) == (
        RefreshState.PROVEN,
        ContentState.PROVEN,
        {"key": "right"},
    )
    assert (left.state, left.content, left.ok) == (RefreshState.NEVER_REFRESHES, ContentState.NOT_CHECKED, True)
    assert "`kubectl-edit` wrote data of the Secret y after ESO" in left.detail
    assert lab.secret("y") == {"key": "wrong"}


def test_what_is_written_while_the_operator_is_away_is_not_up_to_date(lab: Lab) -> None:
    """It would put that right; as long as it cannot, nothing is proven."""
    product = Product(lab, refresh="changed", timeout=2.0)
    path = lab.parameter(value="right")
    es = product.deploy("x", parameter=path)
    lab.cluster.stop_eso()
    try:
        _written(lab, "x", "wrong")
        (result,) = product.refresh(es, known={path: SecretValue("right")})
    finally:
        lab.cluster.start_eso()
    assert (result.state, result.ok) == (RefreshState.NOT_PROVEN, False)


@pytest.mark.parametrize("refresh", ["always", "changed"])
@pytest.mark.parametrize("spec", [{}, {"target": {"template": {"type": "Opaque"}}}])
def test_a_secret_from_a_backup_is_proven_by_the_sync_after_it(lab: Lab, refresh: str, spec: dict[str, Any]) -> None:
    """Others wrote all of it, and the operator, which finds it right, may write nothing at all."""
    product = Product(lab, refresh=refresh)
    path = lab.parameter(value="right")
    es = product.deploy("x", parameter=path, **spec)
    lab.cluster.stop_eso()
    backup = lab.read(f"{lab.secrets}/x")
    lab.cluster.request("DELETE", f"{lab.secrets}/x")
    kept = ("name", "namespace", "labels", "annotations", "ownerReferences")
    metadata = {name: backup["metadata"][name] for name in kept}
    restored = {"metadata": metadata, "data": backup["data"], "type": backup["type"]}
    status, answer = lab.cluster.request("POST", f"{lab.secrets}?fieldManager=velero-server", restored)
    lab.cluster.start_eso()
    assert status == 201, answer
    lab.quiet()
    (result,) = product.refresh(es, known={path: SecretValue("right")})
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, ContentState.PROVEN, True)
