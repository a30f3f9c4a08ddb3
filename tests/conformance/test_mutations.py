"""What alters objects on their way into the cluster must not make a run believe what is not so."""

from secret_action.model import RefreshState
from tests.conformance.lab import Lab, Object
from tests.conformance.mutations import altering
from tests.conformance.product import Product


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
