"""The decision table of the proof, row by row, on what the operator makes of real objects.

With SECRET_SYNC_RECORD set to a file, what the real operator made is recorded there: the everyday tests judge that.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.real.cluster import RealCluster
from secret_action.cluster.events import events_of
from secret_action.cluster.proof import Outcome, failed_attempts, judge, never_refreshes
from secret_action.cluster.rebuild import barred
from secret_action.model import RefreshState
from tests.conformance.lab import Lab, Object, eventually, proven, ready
from tests.conformance.product import Product
from tests.conformance.stores import make_store, store_path

Observed = tuple[Object, Object]
"""The object as the API server returned it for our patch, and as it was later."""


def annotated(lab: Lab, name: str = "x") -> Object:
    return lab.patch(name, {"metadata": {"annotations": {"force-sync": "token"}}})


def until(lab: Lab, condition: Callable[[Object], bool]) -> Observed:
    patched = annotated(lab)
    return patched, lab.wait("x", condition)


def synced(lab: Lab) -> Observed:
    lab.settled("x", parameter=lab.parameter())
    return until(lab, proven)


def first_sync(lab: Lab) -> Observed:
    lab.created("x")
    patched = annotated(lab)
    lab.parameter()
    return patched, lab.wait("x", proven)


def annotation_taken_away(lab: Lab) -> Observed:
    """After the operator has read it, and before anybody looks."""
    lab.settled("x", parameter=lab.parameter())
    patched, _ = until(lab, proven)
    lab.cluster.stop_eso()
    try:
        return patched, lab.patch("x", {"metadata": {"annotations": {"force-sync": None}}})
    finally:
        lab.cluster.start_eso()


def annotation_replaced(lab: Lab) -> Observed:
    """Before the operator has read it: it reads the object after that."""
    lab.settled("x", parameter=lab.parameter())
    lab.cluster.stop_eso()
    patched = annotated(lab)
    lab.patch("x", {"metadata": {"annotations": {"force-sync": "another's"}}})
    lab.cluster.start_eso()
    return patched, lab.wait("x", proven)


def annotation_reverted(lab: Lab) -> Observed:
    """Before the operator has read it: the object is what it had synced before."""
    lab.settled("x", parameter=lab.parameter())
    lab.cluster.stop_eso()
    try:
        patched = annotated(lab)
        return patched, lab.patch("x", {"metadata": {"annotations": {"force-sync": None}}})
    finally:
        lab.cluster.start_eso()


def retained(lab: Lab) -> Observed:
    lab.settled("x", dataFrom=[{"extract": {"key": lab.parameter(value='{"a": "1"}')}}])
    lab.parameter(value="{}")
    return until(lab, proven)


def missing(lab: Lab) -> Observed:
    lab.settled("x", parameter=lab.parameter(), target={"creationPolicy": "Merge"})
    return until(lab, proven)


def deleted(lab: Lab) -> Observed:
    lab.settled("x", parameter=lab.parameter(), target={"deletionPolicy": "Delete"})
    lab.aws.delete(lab.parameter())
    return until(lab, proven)


def failed_since(lab: Lab) -> Observed:
    """Synced, and then the Secret was altered while its parameter was gone."""
    lab.settled("x", parameter=lab.parameter())
    patched, _ = until(lab, proven)
    lab.aws.delete(lab.parameter())
    lab.cluster.request("DELETE", f"{lab.secrets}/x")
    return patched, lab.wait("x", lambda found: ready(found)["status"] == "False")


def failed(lab: Lab) -> Observed:
    lab.settled("x", parameter=lab.parameter())
    lab.aws.delete(lab.parameter())
    return until(lab, lambda found: ready(found)["status"] == "False")


def failed_otherwise(lab: Lab) -> Observed:
    """It was failing for want of its parameter; now the template fails."""
    template = {"data": {"a": "{{ .nothing }}"}}
    lab.created("x", target={"template": template})
    lab.cluster.stop_eso()
    patched = annotated(lab)
    lab.parameter()
    lab.cluster.start_eso()
    return patched, lab.wait("x", lambda found: ready(found)["message"] == "could not update secret")


def failed_alike(lab: Lab) -> Observed:
    """Nothing of the object changes: only its events tell."""
    lab.created("x")
    patched = annotated(lab)
    lab.quiet()
    return patched, lab.get("x")


def not_attempted(lab: Lab) -> Observed:
    lab.settled("x", parameter=lab.parameter())
    lab.cluster.stop_eso()
    try:
        patched = annotated(lab)
        time.sleep(0.2)
        return patched, lab.get("x")
    finally:
        lab.cluster.start_eso()


def never(lab: Lab) -> Observed:
    """`Ready` is True all the while."""
    lab.settled("x", parameter=lab.parameter(), refreshInterval="0")
    patched = annotated(lab)
    lab.quiet()
    return patched, lab.get("x")


def recreated(lab: Lab) -> Observed:
    lab.settled("x", parameter=lab.parameter())
    patched = annotated(lab)
    lab.cluster.request("DELETE", f"{lab.path}/x")
    lab.wait_until_gone(f"{lab.path}/x")
    return patched, lab.synced("x", parameter=lab.parameter())


def going(lab: Lab) -> Observed:
    lab.settled("x", parameter=lab.parameter(), metadata={"finalizers": ["example.com/stays"]})
    patched = annotated(lab)
    lab.cluster.request("DELETE", f"{lab.path}/x")
    found = lab.get("x")
    lab.patch("x", {"metadata": {"finalizers": None}})
    return patched, found


ROWS: dict[str, tuple[Callable[[Lab], Observed], Outcome]] = {
    "0 recreated": (recreated, Outcome.RECREATED),
    "0' being deleted": (going, Outcome.GOING),
    "A1 synced": (synced, Outcome.SYNCED),
    "A1 first sync": (first_sync, Outcome.SYNCED),
    "A1' retained": (retained, Outcome.SYNCED_WITHOUT_DATA),
    "A1' missing": (missing, Outcome.SYNCED_WITHOUT_DATA),
    "A1' deleted": (deleted, Outcome.SYNCED_WITHOUT_DATA),
    "A1'' failed since": (failed_since, Outcome.SYNCED_THEN_FAILED),
    "A0 annotation taken away": (annotation_taken_away, Outcome.SYNCED),
    "A2 annotation replaced": (annotation_replaced, Outcome.SYNCED),
    "A2 annotation reverted": (annotation_reverted, Outcome.UNMARKED),
    "B1 failed": (failed, Outcome.FAILED),
    "B2 failed otherwise": (failed_otherwise, Outcome.FAILED),
    "B3 failed alike": (failed_alike, Outcome.WAITING),
    "C not attempted": (not_attempted, Outcome.WAITING),
    "D never": (never, Outcome.WAITING),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_decision_table(lab: Lab, row: str) -> None:
    """Each row is brought about, and judged."""
    make, outcome = ROWS[row]
    patched, observed = make(lab)
    assert judge(patched, observed, "token").outcome is outcome
    file = os.environ.get("SECRET_SYNC_RECORD")
    if file and isinstance(lab.cluster, RealCluster):
        recorded = json.loads(Path(file).read_text()) if Path(file).exists() else {}
        recorded[row] = {"patched": bare(patched), "observed": bare(observed), "outcome": outcome.name}
        Path(file).write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


def bare(found: Object) -> Object:
    """Without the long list of who wrote which field."""
    return {**found, "metadata": {key: value for key, value in found["metadata"].items() if key != "managedFields"}}


def test_a_failure_like_the_one_before_is_told_by_events_alone(lab: Lab) -> None:
    """Row B3, and C beside it: without an attempt there is no further event."""
    api = Product(lab).api
    uid = lab.created("x")["metadata"]["uid"]
    event = f"error processing spec.data[0] (key: /zerotouch/{lab.namespace}/key), err: Secret does not exist"
    lab.wait_for_event("x", "Warning", "UpdateFailed", event)
    lab.cluster.stop_eso()
    before = events_of(api, lab.namespace, uid)
    patched = annotated(lab)
    time.sleep(0.2)
    assert failed_attempts(before, events_of(api, lab.namespace, uid)) == 0
    lab.cluster.start_eso()
    eventually(lambda: failed_attempts(before, events_of(api, lab.namespace, uid)))
    assert judge(patched, lab.get("x"), "token").outcome is Outcome.WAITING


def test_a_store_that_goes_to_another_controller_class(lab: Lab) -> None:
    """Row D3: it stays `Ready`, and nobody reads it again; the run warns of that, and does not believe."""
    store = make_store(lab, "moved")
    product = Product(lab, timeout=1.5)
    es = product.deploy("x", parameter=lab.parameter(value="old"), secretStoreRef=store)
    lab.cluster.request("PATCH", store_path(lab, store), {"spec": {"controller": "other"}})
    seen = product.inspect(es)
    assert any("`--controller-class=other`" in warning for warning in seen.warnings)
    (result,) = product.release(es, values={lab.parameter(value="old"): "new"})
    assert (result.state, ready(lab.get("x"))["status"]) == (RefreshState.NOT_PROVEN, "True")
    assert lab.secret("x") == {"key": "old"}


def test_what_a_cluster_external_secret_makes(lab: Lab) -> None:
    """Row D6: its controller takes our annotation away at once, so that it is not waited for."""
    if not isinstance(lab.cluster, RealCluster):
        pytest.skip("the stand-in has no such controller")
    made = lab.manifest("x", parameter=lab.parameter())
    lab.cluster.apply(
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ClusterExternalSecret",
            "metadata": {"name": f"all-{lab.namespace}"},
            "spec": {
                "externalSecretName": "x",
                "externalSecretSpec": made["spec"],
                "namespaceSelectors": [{"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}}],
            },
        }
    )
    found = lab.wait("x", proven)
    assert never_refreshes(found) == (
        f"the ClusterExternalSecret all-{lab.namespace}, which owns it, takes annotations away"
    )
    annotated(lab)
    lab.wait("x", lambda found: "force-sync" not in found["metadata"].get("annotations", {}))


SPECS: dict[str, tuple[dict[str, Any], bool, bool]] = {
    "periodic": ({}, False, False),
    "interval 0": ({"refreshInterval": "0"}, True, False),
    "on change": ({"refreshInterval": "0", "refreshPolicy": "OnChange"}, False, False),
    "created once": ({"refreshPolicy": "CreatedOnce"}, True, False),
    "immutable": ({"target": {"immutable": True}}, True, True),
    "none": ({"refreshInterval": "0", "target": {"creationPolicy": "None"}}, True, True),
}


@pytest.mark.parametrize("kind", SPECS)
def test_what_never_refreshes_is_known_before(lab: Lab, kind: str) -> None:
    """Rows D: by spec and status alone, and the operator agrees: the new value does not arrive."""
    spec, is_never, is_barred = SPECS[kind]
    lab.settled("x", parameter=lab.parameter(value="old"), **spec)
    found = lab.get("x")
    assert (bool(never_refreshes(found)), bool(barred(found))) == (is_never, is_barred)
    lab.parameter(value="new")
    annotated(lab)
    lab.quiet()
    if kind == "none":
        assert lab.cluster.request("GET", f"{lab.secrets}/x")[0] == 404
    else:
        assert lab.secret("x") == {"key": "old" if is_never else "new"}
