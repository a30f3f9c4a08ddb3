"""The run waits until the cluster holds what is rendered, and says who is to bring it there and what ails that."""

import pytest

from secret_action.model import Deployer, RefreshState
from tests.conformance.gitops import REFRESH, application, controller
from tests.conformance.lab import Lab
from tests.conformance.product import MANAGED, Product

pytestmark = pytest.mark.thorough

OURS, OLDER, LATER = "a" * 40, "b" * 40, "c" * 40


def test_argo_is_asked_and_deploys(tools: None, lab: Lab) -> None:
    """Its own annotation makes it look at the branch; then the run goes on."""
    product = Product(lab)
    product.deploy("x", parameter=lab.parameter())
    es = product.rendered("x", parameter=lab.parameter("other", "new"), refreshInterval="2h")
    path = application(lab, OLDER)
    with controller(lab, path, OURS, {"spec": dict(es.spec)}):
        (result,) = product.refresh(es, commit=OURS)
    assert result.state is RefreshState.PROVEN, (result, product.log.lines)
    assert "superseded" not in result.detail
    title = f"Argo CD Application argocd/app-{lab.namespace}"
    assert result.deployer == Deployer(title, OURS, f"{title} is Synced at commit {OURS[:7]}, Healthy")
    said = "\n".join(product.log.lines)
    assert f"Argo CD Application argocd/app-{lab.namespace} is Synced at commit {OLDER[:7]}, Healthy" in said
    assert f"this run judged commit {OURS[:7]}" in said


def test_who_deploys_is_told_where_nothing_had_to_be_waited_for(tools: None, lab: Lab) -> None:
    """Known by Argo CD's default label, which others set too, and by the Application's own account."""
    product = Product(lab)
    labels = MANAGED | {"app.kubernetes.io/instance": f"app-{lab.namespace}"}
    es = product.deploy("x", parameter=lab.parameter(), metadata={"labels": labels})
    application(lab, OLDER)
    (result,) = product.refresh(es, commit=OURS)
    assert result.state is RefreshState.PROVEN, (result, product.log.lines)
    assert result.deployer is not None
    assert (result.deployer.title, result.deployer.commit) == (f"Argo CD Application argocd/app-{lab.namespace}", OLDER)


def test_what_argo_says_is_quoted(tools: None, lab: Lab) -> None:
    """Sync, health and message, beside what differs."""
    product = Product(lab, timeout=2.0)
    product.deploy("x", parameter=lab.parameter())
    es = product.rendered("x", parameter=lab.parameter(), refreshInterval="2h")
    path = application(
        lab,
        OLDER,
        "OutOfSync",
        health={"status": "Degraded", "message": "a pod\nfails"},
        operationState={"phase": "Failed", "message": "one or more objects failed to apply"},
    )
    (result,) = product.refresh(es, commit=OURS)
    assert result.state is RefreshState.NOT_DEPLOYED
    assert result.diagnosis is not None
    for words in (
        "spec.refreshInterval: the manifest has “2h”, the cluster has “1h0m0s”",
        "is OutOfSync at commit bbbbbbb, Degraded (a pod fails; Failed one or more objects failed to apply)",
    ):
        assert words in result.diagnosis.cause
    assert lab.read(path)["metadata"]["annotations"][REFRESH] == "normal"
    assert "force-sync" not in lab.get("x")["metadata"].get("annotations", {})


@pytest.mark.parametrize("known_by", ["its history", "having looked again"])
def test_a_later_commit_that_asks_for_the_same_goes_on(tools: None, lab: Lab, known_by: str) -> None:
    """Main has moved on: said, and proven with what the cluster holds."""
    product = Product(lab, timeout=8.0)
    later = product.deploy("x", parameter=lab.parameter(value="old"), refreshInterval="3h")
    es = product.rendered("x", parameter=lab.parameter(value="new"), refreshInterval="2h")
    history = {"history": [{"id": 1, "revision": OURS}, {"id": 2, "revision": LATER}]}
    path = application(lab, LATER, **(history if known_by == "its history" else {}))
    with controller(lab, path, LATER, {"spec": dict(later.spec)}):
        (result,) = product.refresh(es, commit=OURS)
    assert (result.state, result.ok) == (RefreshState.PROVEN, True), (result, product.log.lines)
    assert f"holds commit {LATER[:7]}, which superseded ours" in result.detail
    assert lab.secret("x") == {"key": "new"}


def test_another_commit_is_not_taken_for_a_later_one(tools: None, lab: Lab) -> None:
    """An older one may hold the same parameters, and has not been replaced yet: waited for."""
    product = Product(lab, timeout=2.0)
    product.deploy("x", parameter=lab.parameter(value="old"), refreshInterval="3h")
    es = product.rendered("x", parameter=lab.parameter(value="old"), refreshInterval="2h")
    application(lab, OLDER)
    (result,) = product.refresh(es, commit=OURS)
    assert result.state is RefreshState.NOT_DEPLOYED


def test_a_later_commit_that_asks_for_others_is_no_success(tools: None, lab: Lab) -> None:
    """What this run wrote is not what the cluster reads."""
    product = Product(lab, timeout=2.0)
    product.deploy("x", parameter=lab.parameter("other"))
    es = product.rendered("x", parameter=lab.parameter())
    application(lab, LATER, history=[{"id": 1, "revision": OURS}])
    (result,) = product.refresh(es, commit=OURS)
    assert result.state is RefreshState.NOT_DEPLOYED


def test_a_tool_that_follows_another_branch_is_not_believed(tools: None, lab: Lab) -> None:
    """It has looked again, and is where it was: that says nothing of what came first."""
    product = Product(lab, timeout=8.0)
    older = product.deploy("x", parameter=lab.parameter(value="old"), refreshInterval="3h")
    es = product.rendered("x", parameter=lab.parameter(value="old"), refreshInterval="2h")
    path = application(lab, OLDER)
    with controller(lab, path, OLDER, {"spec": dict(older.spec)}):
        (result,) = product.refresh(es, commit=OURS, branch="release")
    assert result.state is RefreshState.NOT_DEPLOYED
    assert "superseded" not in result.detail


def test_flux_is_quoted(tools: None, lab: Lab) -> None:
    """Its Kustomization is known by the object's label, or by its inventory where the object is not there."""
    labels = {"kustomize.toolkit.fluxcd.io/name": lab.namespace, "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
    condition = {"type": "Ready", "status": "False", "reason": "BuildFailed", "message": "kustomize build failed"}
    status = {
        "lastAppliedRevision": f"main@sha1:{OLDER}",
        "conditions": [condition],
        "inventory": {"entries": [{"id": f"{lab.namespace}_y_external-secrets.io_ExternalSecret", "v": "v1"}]},
    }
    head = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization"}
    lab.cluster.apply({**head, "metadata": {"name": lab.namespace, "namespace": "flux-system"}, "status": status})
    product = Product(lab, timeout=2.0)
    product.deploy("x", parameter=lab.parameter(), metadata={"labels": MANAGED | labels})
    wanted = [product.rendered(name, parameter=lab.parameter(), refreshInterval="2h") for name in ("x", "y")]
    for result in product.refresh(*wanted, commit=OURS):
        assert result.state is RefreshState.NOT_DEPLOYED
        assert result.diagnosis is not None
        assert "is not ready at commit bbbbbbb (BuildFailed; kustomize build failed)" in result.diagnosis.cause


def test_flux_at_another_commit_is_not_believed_to_be_later(tools: None, lab: Lab) -> None:
    """It is not asked to look again, and its commits have no order that we see: both are told, with the way out."""
    labels = {"kustomize.toolkit.fluxcd.io/name": lab.namespace, "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
    revision = f"main@sha1:{LATER}"
    ready = {"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded", "message": "Applied"}
    status = {"lastAppliedRevision": revision, "lastAttemptedRevision": revision, "conditions": [ready]}
    head = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization"}
    lab.cluster.apply({**head, "metadata": {"name": lab.namespace, "namespace": "flux-system"}, "status": status})
    product = Product(lab, timeout=2.0)
    product.deploy("x", parameter=lab.parameter(), refreshInterval="3h", metadata={"labels": MANAGED | labels})
    (result,) = product.refresh(product.rendered("x", parameter=lab.parameter(), refreshInterval="2h"), commit=OURS)
    assert result.state is RefreshState.NOT_DEPLOYED
    assert result.diagnosis is not None
    assert f"is ready at commit {LATER[:7]}" in result.diagnosis.cause
    assert "release from that" in result.diagnosis.remedy
    assert f"this run judged commit {OURS[:7]}" in "\n".join(product.log.lines)


def test_without_rights_on_the_tools_nothing_is_assumed(tools: None, lab: Lab) -> None:
    """As if there were none."""
    product = Product(lab)
    product.deploy("x", parameter=lab.parameter())
    path = application(lab, OLDER, "OutOfSync")
    rule = {"apiGroups": ["external-secrets.io"], "resources": ["externalsecrets"], "verbs": ["list", "watch", "patch"]}
    token = lab.cluster.add_user("no-tools", [rule], [lab.namespace])
    narrow = Product(lab, token, timeout=2.0)
    es = narrow.rendered("x", parameter=lab.parameter(), refreshInterval="2h")
    (result,) = narrow.refresh(es, commit=OURS)
    assert result.state is RefreshState.NOT_DEPLOYED
    assert "Argo" not in str(result)
    assert REFRESH not in lab.read(path)["metadata"].get("annotations", {})
