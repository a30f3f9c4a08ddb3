"""What others add to a spec leaves it deployed, and is judged; what Git has taken out does not, and looks alike."""

import copy
import json

import pytest
from cluster_samples import PATH, live, rendered
from cluster_world import World, run, secret_of, syncs

from secret_action.cluster.defaults import ESO
from secret_action.cluster.deployed import DeploymentCheck, as_deployed, deployment, differences
from secret_action.model import ContentState, RefreshState
from secret_action.selector import parse_selector

ADDED = {"target": {"template": {"metadata": {"labels": {"cost-centre": "42"}}}}}
FIELD = {"f:target": {"f:template": {"f:metadata": {"f:labels": {"f:cost-centre": {}}}}}}
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def _more(es=None, **more):
    """A live one that holds more than its manifest, as nobody explains yet."""
    found = live(es)
    found["spec"] |= copy.deepcopy(more or ADDED)
    return found


def _applied(found, spec):
    """The same, applied by a client."""
    found["metadata"]["annotations"] = {LAST_APPLIED: json.dumps({"kind": "ExternalSecret", "spec": spec})}
    return found


def _owned(found, *owners):
    """The same, with the API server's notes of who owns which fields: manager, operation, those of the spec."""
    found["metadata"]["managedFields"] = [
        {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": fields}}
        for manager, operation, fields in owners
    ]
    return found


MANIFEST = rendered().spec
OURS = {"f:data": {}, "f:refreshInterval": {}, "f:secretStoreRef": {"f:name": {}}}
FLUX = ("kustomize-controller", "Apply", OURS)
ASIDE = {
    "a client applied exactly the manifest": _applied(_more(), MANIFEST),
    "in other words": _applied(_more(), {**MANIFEST, "refreshInterval": "60m"}),
    "it counts as the writer": _owned(
        _applied(_more(), MANIFEST), ("kubectl-client-side-apply", "Update", {**OURS, **FIELD})
    ),
    "the server's applier does not own it": _owned(_more(), FLUX),
    "and wrote it on the way": _owned(_more(), FLUX, ("kustomize-controller", "Update", FIELD)),
    "another writer": _owned(_more(), FLUX, ("policy", "Update", FIELD)),
    "a part of what is owned": _owned(_more(), ("flux", "Apply", {**OURS, "f:target": {"f:name": {}}})),
    "besides, an older client": _owned(_applied(_more(), rendered(refreshInterval="2h").spec), FLUX),
}
# Of the client that applied, the entry that owns the annotation itself.
ASIDE["it counts as the writer"]["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"] = {
    "f:annotations": {f"f:{LAST_APPLIED}": {}}
}


@pytest.mark.parametrize("found", ASIDE.values(), ids=ASIDE)
def test_what_others_added_is_set_aside(found):
    """And the live spec is what ESO goes by."""
    assert differences(rendered(), found) == ()
    assert as_deployed(rendered(), found) == found["spec"]
    shown = deployment(rendered(), found, selected=True, superseded=False)
    assert (shown.done, shown.spec) == (True, found["spec"])


COUNTS = {
    "nobody tells": _more(),
    "nobody tells, and the API server knows": _owned(_more(), ("python", "Update", {**OURS, **FIELD})),
    "a client applied it": _applied(_more(), MANIFEST | ADDED),
    "a client applied something else": _applied(_more(), {**MANIFEST, "refreshInterval": "2h"}),
    "what it applied cannot be read": _applied(_more(), None),
    "another deployer wrote it since": _owned(_applied(_more(), MANIFEST), ("helm", "Update", FIELD)),
    "the server's applier owns it": _owned(_more(), ("flux", "Apply", {**OURS, **FIELD})),
    "or all of it": _owned(_more(), ("flux", "Apply", {**OURS, "f:target": {}})),
    "another applier owns it": _owned(_more(), FLUX, ("other", "Apply", FIELD)),
    "an older client left it": _owned(_applied(_more(), MANIFEST | ADDED), FLUX),
    "a deployer from before left it": _owned(_more(), FLUX, ("before-first-apply", "Update", FIELD)),
    "a list": _applied(_more(dataFrom=[{"extract": {"key": "/x"}}]), MANIFEST),
    "part of a list that the applier owns": _owned(
        _more(data=[{"secretKey": "K0", "remoteRef": {**MANIFEST["data"][0]["remoteRef"], "version": "1"}}]), FLUX
    ),
    "another value": _applied(_more(refreshInterval="2h"), MANIFEST),
}


@pytest.mark.parametrize("found", COUNTS.values(), ids=COUNTS)
def test_what_may_be_an_older_commits_counts(found):
    """It would be taken for deployed, and something else would be delivered."""
    assert differences(rendered(), found)
    assert as_deployed(rendered(), found) == MANIFEST
    assert not deployment(rendered(), found, selected=True, superseded=False).done


def test_what_a_client_did_not_apply_within_a_list_was_added():
    """It tells of every field, where the server's notes are of the list as one."""
    pinned = _more(data=[{"secretKey": "K0", "remoteRef": {**MANIFEST["data"][0]["remoteRef"], "version": "1"}}])
    assert differences(rendered(), _applied(pinned, MANIFEST)) == ()


def test_an_explicit_no_is_not_added_to():
    """`immutable: false` in the manifest, and `true` in the cluster."""
    es = rendered(target={"immutable": False})
    found = _more(es, target={"immutable": True})
    assert differences(es, _applied(found, es.spec))


def test_a_check_looks_again_when_the_applier_says_so():
    """The spec is the same all the while."""
    check = DeploymentCheck(rendered(), parse_selector(""), ESO)
    assert not check.of(_applied(_more(), MANIFEST | ADDED), superseded=False).done
    assert check.of(_applied(_more(), MANIFEST), superseded=False).done
    assert not check.of(_owned(_more(), ("flux", "Apply", FIELD)), superseded=False).done


@pytest.mark.parametrize(
    ("holds", "content"), [("by policy: the value", ContentState.PROVEN), ("the value", ContentState.DIFFERS)]
)
def test_the_content_is_what_eso_makes_with_the_additions(holds, content):
    """A template that a policy adds makes the Secret."""
    found = _applied(_more(target={"template": {"data": {"K0": "by policy: {{ .K0 }}"}}}), MANIFEST)
    result = run(World(found, syncs, [secret_of(holds)]), timeout=20.0)
    assert (result.state, result.content) == (RefreshState.PROVEN, content)


def test_an_addition_that_bars_the_refresh_is_heeded():
    """What never refreshes with it is not proven by our annotation."""
    found = _applied(_more(refreshPolicy="CreatedOnce"), MANIFEST)
    result = run(World(found, syncs, [secret_of("old")]), changed=[PATH])
    assert (result.state, result.ok) == (RefreshState.FAILED, False)
