"""Proven is what Git asks for today, not what the cluster was still doing when the run looked."""

import threading
from typing import Any

import pytest

from secret_action.cluster.outside import Threads
from secret_action.model import ContentState, RefreshState
from secret_action.values import SecretValue
from tests.conformance.lab import Lab, Object, proven
from tests.conformance.product import Product

pytestmark = pytest.mark.thorough

PAIR = '{{"password":"{0}","user":"u"}}'
REMOVED: dict[str, dict[str, Any]] = {
    "a property": {"remoteRef": {"property": "password"}},
    "a template": {"target": {"template": {"data": {"key": "yesterday-{{ .key }}"}}}},
    "a policy": {"refreshPolicy": "CreatedOnce"},
    "a pinned version": {"remoteRef": {"version": "1"}},
    "a whole object": {"dataFrom": [{"extract": {}}]},
}


def yesterday(name: str, removed: Object) -> Object:
    """What the cluster holds of a manifest that had more fields."""
    spec = {**removed}
    entry = {"secretKey": "key", "remoteRef": {"key": name, **spec.pop("remoteRef", {})}}
    if "dataFrom" in spec:
        spec["dataFrom"] = [{"extract": {"key": name}}]
    return {"data": [entry], **spec}


def entry(name: str, key: str = "key") -> list[Object]:
    return [{"secretKey": key, "remoteRef": {"key": name}}]


@pytest.mark.parametrize("removed", REMOVED.values(), ids=REMOVED.keys())
def test_what_git_took_out_is_waited_for(lab: Lab, removed: Object) -> None:
    """Seen as not deployed until it is gone, and then the new value is proven, also where it could not have come."""
    name = lab.parameter(value=PAIR.format("old"))
    product = Product(lab)
    product.deploy("x", **yesterday(name, removed))
    es = product.rendered("x", data=entry(name))
    gone = dict.fromkeys(field for field in removed if field != "remoteRef")
    gitops = threading.Timer(0.5, lambda: lab.patch("x", {"spec": {**gone, **es.spec}}))
    gitops.start()
    (result,) = product.release(es, values={name: PAIR.format("new")})
    gitops.join()
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.PROVEN), (result, product.log.lines)
    assert lab.secret("x") == {"key": PAIR.format("new")}


def test_what_git_took_out_and_nobody_deploys_is_no_success(lab: Lab) -> None:
    """It says which field is still there."""
    name = lab.parameter(value="old")
    product = Product(lab, timeout=1.5)
    product.deploy("x", **yesterday(name, REMOVED["a template"]))
    (result,) = product.release(product.rendered("x", data=entry(name)), values={name: "new"})
    assert result.state is RefreshState.NOT_DEPLOYED
    assert "spec.target.template.data.key: the manifest has nothing, the cluster has “yesterday-" in result.detail


def test_a_spec_that_changes_after_the_annotation_is_no_proof(lab: Lab) -> None:
    """The operator reads our token and another parameter."""
    name, other = lab.parameter(value="old"), lab.parameter("other", "other")
    product = Product(lab, timeout=3.0)
    es = product.deploy("x", parameter=name, target={"template": {"data": {"key": "{{ .key | upper }}"}}})
    lab.cluster.stop_eso()

    def change() -> None:
        lab.wait("x", lambda found: "force-sync" in found["metadata"].get("annotations", {}))
        lab.patch("x", {"spec": {"data": entry(other)}})
        lab.cluster.start_eso()

    thread = threading.Thread(target=change)
    thread.start()
    (result,) = product.release(es, values={name: "new"})
    thread.join()
    assert result.state is RefreshState.NOT_DEPLOYED, (result, product.log.lines)
    assert "spec.data[0].remoteRef.key" in result.detail


@pytest.mark.parametrize("policy", ["Retain", "Merge", "Delete"])
def test_a_secret_that_lacks_a_key_is_no_success(lab: Lab, policy: str) -> None:
    """The operator does not see one parameter: with these policies it says nothing, and leaves the key out."""
    a, b = lab.parameter("a", "1"), lab.parameter("b", "1")
    product = Product(lab, timeout=3.0)
    es = product.deploy("x", data=entry(a, "A") + entry(b, "B"), target={"deletionPolicy": policy})
    seen = product.inspect(es)
    lab.parameter("a", "2")
    lab.aws.delete(b)
    known = {a: SecretValue("2"), b: SecretValue("2")}
    (result,) = product.refresh(es, seen=seen, known=known, changed=frozenset(known))
    assert not result.ok
    if policy != "Retain":
        assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.DIFFERS)
        assert lab.secret("x") == {"A": "2"}


@pytest.mark.parametrize("creation", ["Owner", "Orphan", "Merge"])
def test_a_key_that_is_left_out_is_seen_without_any_value(lab: Lab, creation: str) -> None:
    """`mode: refresh` knows none; the metadata names the keys that the Secret has, those of others among them."""
    a, b = lab.parameter("a", "1"), lab.parameter("b", "1")
    secret = {"metadata": {"name": "x"}, "data": {"own": "eA=="}}
    assert lab.cluster.request("POST", f"{lab.secrets}?fieldManager=kubectl-create", secret)[0] == 201
    product = Product(lab, timeout=3.0)
    # Only an owner may delete.
    target = {"creationPolicy": creation, "deletionPolicy": "Delete" if creation == "Owner" else "Merge"}
    es = product.deploy("x", data=entry(a, "A") + entry(b, "B"), target=target)
    (whole,) = product.refresh(es)
    assert (whole.state, whole.content, whole.ok) == (RefreshState.PROVEN, ContentState.NOT_CHECKED, True), whole
    lab.aws.delete(b)
    (result,) = product.refresh(es)
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, ContentState.DIFFERS, False), result
    assert result.detail == "The Secret x lacks the key B."
    assert result.diagnosis is not None
    assert b in result.diagnosis.remedy
    assert "B" not in lab.secret("x")


def test_what_a_template_makes_has_the_keys_of_the_template(lab: Lab) -> None:
    """Not those that the provider gives."""
    product = Product(lab)
    template = {"data": {"url": "{{ .key | upper }}"}}
    target = {"deletionPolicy": "Delete", "template": template}
    es = product.deploy("x", parameter=lab.parameter(), target=target)
    (result,) = product.refresh(es)
    assert (result.state, result.ok, set(lab.secret("x"))) == (RefreshState.PROVEN, True, {"url"}), result


@pytest.mark.parametrize("policy", ["Merge", "Delete"])
def test_a_secret_that_has_all_its_keys_is_proven_under_any_policy(lab: Lab, policy: str) -> None:
    """Whole is whole."""
    name = lab.parameter(value="old")
    product = Product(lab)
    es = product.deploy("x", parameter=name, target={"deletionPolicy": policy})
    (result,) = product.release(es, values={name: "new"})
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.PROVEN)


@pytest.mark.parametrize(
    "spec", [{"refreshPolicy": "CreatedOnce"}, {"refreshInterval": "0"}], ids=["once", "interval 0"]
)
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_a_first_sync_that_overtakes_the_annotation_delivers(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, spec: Object, known: bool
) -> None:
    """What never refreshes is deployed while the run waits, and synced between its look and its patch.

    A slow admission webhook is enough for that. No second sync will come, and none is needed.
    """
    product, name = Product(lab), lab.parameter(value="old")
    es = product.rendered("x", parameter=name, **spec)
    watch, patch, skip_to_now = product.api.watch, product.api.merge_patch, Threads.skip_to_now
    waiting = threading.Event()

    def deploy() -> None:
        waiting.wait()
        lab.create("x", parameter=name, metadata={"labels": es.labels}, **spec)

    def watch_then_deploy(*what: Any) -> Any:
        threading.Thread(target=deploy).start()
        return watch(*what)

    def begin(outside: Threads) -> None:
        skip_to_now(outside)
        waiting.set()

    def after_its_first_sync(*change: Any, **how: Any) -> Any:
        lab.wait("x", proven)
        lab.quiet()
        return patch(*change, **how)

    monkeypatch.setattr(product.api, "watch", watch_then_deploy)
    monkeypatch.setattr(Threads, "skip_to_now", begin)
    monkeypatch.setattr(product.api, "merge_patch", after_its_first_sync)
    results = product.release(es, values={name: "new"}) if known else product.refresh(es)
    assert [(one.state, one.ok) for one in results] == [(RefreshState.PROVEN, True)], results
    assert "Its first sync came after this run's write" in results[0].detail
    assert (results[0].content is ContentState.PROVEN) == known
    assert lab.secret("x") == {"key": "new" if known else "old"}
