"""`refresh: force`: what no annotation refreshes is rebuilt in place, proven like everything else, and never gone."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from secret_action.errors import ManifestError
from secret_action.model import ContentState, RefreshState
from tests.conformance.lab import Lab, again_and_again
from tests.conformance.product import Product

NEVER: dict[str, dict[str, Any]] = {
    "interval 0": {"refreshInterval": "0"},
    "created once": {"refreshPolicy": "CreatedOnce"},
}


def watched(lab: Lab, name: str, during: Callable[[], Any]) -> tuple[Any, set[str]]:
    """What `during` returns, and the states that a reader of the Secret saw meanwhile."""
    states: set[str] = set()

    def read() -> None:
        status, secret = lab.cluster.request("GET", f"{lab.secrets}/{name}")
        states.add(secret["data"]["key"] if status == 200 else "gone")

    with again_and_again(read, 0):
        return during(), states


@pytest.mark.parametrize("spec", NEVER.values(), ids=NEVER.keys())
def test_it_is_rebuilt_and_proven(lab: Lab, spec: dict[str, Any]) -> None:
    """The Secret goes from the old value to the new one, and is there all the while."""
    product = Product(lab, refresh="force")
    es = product.deploy("x", parameter=lab.parameter(value="old"), **spec)
    (result,), states = watched(lab, "x", lambda: product.release(es, values={lab.parameter(): "new"}))
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.PROVEN), result
    assert "rebuild" in result.detail
    assert lab.secret("x") == {"key": "new"}
    assert "gone" not in states


@pytest.mark.parametrize("spec", NEVER.values(), ids=NEVER.keys())
def test_without_values_it_is_rebuilt_too(lab: Lab, spec: dict[str, Any]) -> None:
    """`mode: refresh` reads no SSM: what is not shown to be right is rebuilt."""
    product = Product(lab, refresh="force")
    es = product.deploy("x", parameter=lab.parameter(value="old"), **spec)
    lab.parameter(value="new")
    (result,) = product.refresh(es)
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.NOT_CHECKED), result
    assert lab.secret("x") == {"key": "new"}


def test_what_holds_the_values_is_left_alone(lab: Lab) -> None:
    """A second run changes nothing."""
    product = Product(lab, refresh="force")
    es = product.deploy("x", parameter=lab.parameter(value="same"), refreshInterval="0")
    before = lab.get("x")
    (result,) = product.release(es, values={lab.parameter(value="same"): "same"})
    assert (result.state, result.content) == (RefreshState.NEVER_REFRESHES, ContentState.PROVEN)
    assert lab.get("x") == before


def test_keys_of_others_stay(lab: Lab) -> None:
    """`creationPolicy: Merge`: the Secret is another's, and only ESO's keys change."""
    body = {"metadata": {"name": "x"}, "stringData": {"own": "kept"}}
    assert lab.cluster.request("POST", lab.secrets, body)[0] == 201
    product = Product(lab, refresh="force")
    target = {"creationPolicy": "Merge"}
    es = product.deploy("x", parameter=lab.parameter(value="old"), refreshInterval="0", target=target)
    (result,) = product.release(es, values={lab.parameter(): "new"})
    assert result.state is RefreshState.PROVEN, result
    assert lab.secret("x") == {"own": "kept", "key": "new"}


UNSAFE: dict[str, tuple[dict[str, Any], str]] = {
    "immutable": ({"target": {"immutable": True}}, "immutable"),
    "orphan": ({"refreshInterval": "0", "target": {"creationPolicy": "Orphan"}}, "Orphan"),
    "none": ({"refreshInterval": "0", "target": {"creationPolicy": "None"}}, "None"),
    "random": (
        {"refreshPolicy": "CreatedOnce", "target": {"template": {"data": {"key": "{{ .key }}{{ randAlphaNum 9 }}"}}}},
        "random",
    ),
}


@pytest.mark.parametrize(("spec", "word"), UNSAFE.values(), ids=UNSAFE.keys())
def test_what_must_not_be_rebuilt_is_refused_before_the_first_write(lab: Lab, spec: dict[str, Any], word: str) -> None:
    """With what to write instead; neither SSM nor the cluster is touched."""
    product = Product(lab, refresh="force")
    plain = {key: value for key, value in spec.items() if word != "random"} or {"refreshPolicy": "CreatedOnce"}
    product.deploy("x", parameter=lab.parameter(value="old"), **plain)
    es = product.rendered("x", parameter=lab.parameter(value="old"), **spec)
    before = lab.get("x")
    with pytest.raises(ManifestError) as error:
        product.release(es, values={lab.parameter(value="old"): "new"})
    assert word in str(error.value)
    assert "out of the question" in str(error.value) or word == "immutable"
    # One that makes no Secret is not helped by reading more often.
    assert ("target.creationPolicy" if word == "None" else "OnChange") in error.value.problems[0].remedy
    assert lab.get("x") == before


def test_an_operator_that_is_away_leaves_it_unproven(lab: Lab) -> None:
    """The hash is off and nobody answers: not proven; a later operator makes it good by itself."""
    product = Product(lab, refresh="force", timeout=2.0)
    es = product.deploy("x", parameter=lab.parameter(value="old"), refreshInterval="0")
    lab.cluster.stop_eso()
    try:
        (result,) = product.release(es, values={lab.parameter(value="old"): "new"})
    finally:
        lab.cluster.start_eso()
    assert result.state is RefreshState.NOT_PROVEN
    new = base64.b64encode(b"new").decode()
    lab.wait_for(f"{lab.secrets}/x", lambda secret: secret["data"] == {"key": new})
