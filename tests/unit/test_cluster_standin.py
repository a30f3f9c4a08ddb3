"""The room as a whole, over HTTPS, against the sandbox's API server and operator."""

import threading

import pytest
from cluster_samples import LABELS, PATH, Log, rendered, settings

from sandbox.kubernetes import KubernetesServer
from secret_action.cluster import connect, inspect, refresh
from secret_action.errors import ClusterError, InputError
from secret_action.model import ContentState, RefreshState
from secret_action.ports import SystemClock
from secret_action.selector import parse_selector
from secret_action.values import SecretValue

RULES = {"apiGroups": ["external-secrets.io"], "resources": ["externalsecrets"]}


class Lab:
    """A cluster with a namespace `shop`, and the parameters that its operator reads."""

    def __init__(self, server, parameters):
        self.server, self.parameters, self.log = server, parameters, Log()

    def apply(self, es):
        metadata = {"name": es.name, "namespace": es.namespace, "labels": dict(es.labels)}
        thing = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": metadata}
        self.server.apply({**thing, "spec": dict(es.spec)})

    def inspect(self, *wanted, token=None):
        api = connect(settings(self.server.kubeconfig(token)), self.log, eks=None)
        return inspect(api, wanted, settings(), self.log)

    def refresh(self, *wanted, timeout=20.0, token=None, run="run-7", **changes):
        given = settings(self.server.kubeconfig(token), timeout=timeout, **changes)
        api = connect(given, self.log, eks=None)
        values = {path: SecretValue(text) for path, text in self.parameters.items()}
        try:
            return refresh(api, wanted, None, values, given, self.log, SystemClock(), token=run)
        finally:
            api.close()


@pytest.fixture
def lab():
    parameters = {PATH: "the value"}
    with KubernetesServer("", get_parameter=lambda name, version: parameters.get(name)) as server:
        server.create_namespace("shop")
        yield Lab(server, parameters)


def test_a_release_is_proven_with_few_requests(lab):
    """One list and one watch for the namespace, one patch and one metadata read for each."""
    wanted = [rendered("a"), rendered("b")]
    for es in wanted:
        lab.apply(es)
    lab.parameters[PATH] = "another value"
    results = lab.refresh(*wanted)
    assert [(one.state, one.content) for one in results] == [(RefreshState.PROVEN, ContentState.PROVEN)] * 2
    assert len([one for one in lab.server.requests if one.method == "PATCH"]) == 2
    assert len([one for one in lab.server.requests if "/secrets/" in one.path]) == 2
    assert len([one for one in lab.server.requests if one.query.get("watch")]) == 1


def test_nothing_but_the_annotation_is_touched(lab):
    """And only of the ExternalSecrets that carry the mark."""
    lab.apply(rendered("a"))
    lab.apply(rendered("jwks", labels={}))
    results = lab.refresh(rendered("a"), rendered("jwks", labels={}))
    assert [one.name for one in results] == ["a"]
    assert any("shop/jwks" in line for line in lab.log.lines)
    patches = [one for one in lab.server.requests if one.method == "PATCH"]
    assert [one.path.rpartition("/")[2] for one in patches] == ["a"]
    assert b"force-sync" in patches[0].body


@pytest.mark.parametrize("fault", ["dropped", "too old", "answers 500", "slow"])
def test_a_watch_that_breaks_is_taken_up_again(lab, fault):
    """Nothing that happened in between is missed."""
    lab.server.stop_eso()
    lab.apply(rendered("a"))
    if fault == "answers 500":
        lab.server.faults.add(lambda request: bool(request.query.get("watch")), status=500, times=2)
    if fault == "slow":
        lab.server.faults.add(lambda request: bool(request.query.get("watch")), delay=0.5)

    def disturb():
        if fault == "too old":
            lab.server.forget()
        lab.server.drop_watches()
        lab.server.start_eso()

    timer = threading.Timer(0.5, disturb)
    timer.start()
    (result,) = lab.refresh(rendered("a"))
    timer.join()
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.PROVEN)


def test_a_failure_is_diagnosed(lab):
    """Attempted, confirmed once, and told with ESO's own words."""
    es = rendered("m", references=["/zerotouch/dev/shop/missing"])
    lab.apply(es)
    (result,) = lab.refresh(es, timeout=5.0)
    assert result.state is RefreshState.FAILED
    assert "/zerotouch/dev/shop/missing is not in SSM" in result.diagnosis.cause
    assert result.diagnosis.observed


def test_an_older_api_version_is_used_where_it_is_the_only_one(lab):
    """v1 is preferred; without it v1beta1 does as well, and without any the error says what is missing."""
    lab.apply(rendered("a"))
    assert lab.inspect(rendered("a")).resource.group_version == "external-secrets.io/v1"
    lab.server.serve("v1", False)
    seen = lab.inspect(rendered("a"))
    assert (seen.resource.group_version, seen.served) == ("external-secrets.io/v1beta1", ("v1beta1",))
    assert lab.refresh(rendered("a"))[0].state is RefreshState.PROVEN
    lab.server.serve("v1beta1", False)
    with pytest.raises(ClusterError, match=r"serves nothing of external-secrets\.io"):
        lab.inspect(rendered("a"))


def test_rights_are_checked_before_anything_is_written(lab):
    """All that lack at once, each with the rule that grants it."""
    lab.apply(rendered("a"))
    token = lab.server.add_user("ci", [{**RULES, "verbs": ["list"]}], ["shop"])
    with pytest.raises(ClusterError) as error:
        lab.inspect(rendered("a"), token=token)
    assert [problem.remedy.rpartition("verbs: ")[2] for problem in error.value.problems] == ['["patch"]}', '["watch"]}']


def test_a_selector_that_leaves_nothing_in_is_refused(lab):
    """Before anything is asked of the cluster: a release would write, and refresh nothing."""
    narrow = settings(selector=parse_selector("team=typo"))
    with pytest.raises(InputError) as error:
        inspect(None, (rendered("a"), rendered("jwks", labels={})), narrow, lab.log)
    (problem,) = error.value.problems
    assert "label-selector “team=typo” matches no managed ExternalSecret" in problem.what
    assert problem.causes == ("shop/a has the labels zerotouch.io/managed=true.",)
    assert "leave it out" in problem.remedy


def test_what_a_selector_leaves_out_is_warned_about(lab):
    """By name."""
    wanted = rendered("a"), rendered("db", labels=LABELS | {"tier": "db"})
    narrow = settings(selector=parse_selector("tier=db"))
    api = connect(settings(lab.server.kubeconfig()), lab.log, eks=None)
    (warning, *_) = inspect(api, wanted, narrow, lab.log).warnings
    api.close()
    assert warning == "label-selector “tier=db” leaves out, so this run does not refresh: shop/a."


def test_the_least_rights_suffice(lab):
    """list, watch and patch; without the rest it says what it did not check."""
    lab.apply(rendered("a"))
    token = lab.server.add_user("ci", [{**RULES, "verbs": ["list", "watch", "patch"]}], ["shop"])
    (result,) = lab.refresh(rendered("a"), token=token)
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.NOT_CHECKED)
    assert 'resources: ["secrets"], verbs: ["get"]' in result.detail


def test_an_inspection_tells_what_the_run_must_know(lab):
    """What is there, what is marked, what never refreshes, and what ails the store; it changes nothing."""
    never = rendered("never", refreshInterval="0")
    astray = rendered("astray", secretStoreRef={"name": "nope", "kind": "ClusterSecretStore"})
    for es in (rendered("a"), never):
        lab.apply(es)
    assert lab.refresh(never, run="run-6")[0].ok
    lab.server.set_store_ready("aws-parameter-store", False, "InvalidProviderConfig", "unable to validate store")
    lab.server.stop_eso()
    lab.server.start_eso()
    lab.server.requests.clear()
    seen = lab.inspect(rendered("a"), never, astray)
    assert [(one.target.name, one.live is not None, one.managed) for one in seen.found] == [
        ("a", True, True),
        ("never", True, True),
        ("astray", False, False),
    ]
    assert [bool(one.never_refreshes) for one in seen.found] == [False, True, False]
    assert "There is no ClusterSecretStore nope in the cluster." in seen.warnings
    assert {one.method for one in lab.server.requests} <= {"GET", "POST"}
