"""Before the first write: what would not arrive, or could not be deployed, is refused, and what is needed is noted."""

import json

import pytest
from cluster_samples import PATH, Log, rendered, settings

from sandbox.kubernetes import KubernetesServer
from secret_action.cluster import connect, inspect, prepare
from secret_action.cluster.additions import LAST_APPLIED
from secret_action.cluster.comparison import Measure
from secret_action.cluster.content import Expectation
from secret_action.cluster.errors import Forbidden, NotFound, Unavailable
from secret_action.errors import ClusterError, ManifestError
from secret_action.model import Problem
from secret_action.values import SecretValue

RULE = {"apiGroups": ["external-secrets.io"], "resources": ["externalsecrets"], "verbs": ["list", "watch", "patch"]}
READ = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
WRITE = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["patch"]}
OPAQUE = {"template": {"mergePolicy": "Merge", "data": {"x": "{{ .K0 | upper }}"}}}


class Lab:
    def __init__(self, server):
        self.server, self.log = server, Log()

    def apply(self, es, synced=True, applied=False):
        metadata = {"name": es.name, "namespace": es.namespace, "labels": dict(es.labels)}
        if applied:
            metadata["annotations"] = {LAST_APPLIED: json.dumps({"spec": es.spec})}
        thing = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": metadata}
        self.server.apply({**thing, "spec": dict(es.spec)})
        path = f"/apis/external-secrets.io/v1/namespaces/{es.namespace}/externalsecrets/{es.name}"
        while synced and "syncedResourceVersion" not in self.server.request("GET", path)[1].get("status", {}):
            pass

    def prepare(self, *wanted, changed=(PATH,), token=None, **given):
        given = settings(self.server.kubeconfig(token), **given)
        api = connect(given, self.log, eks=None)
        values = {PATH: SecretValue("the new value")}
        try:
            return prepare(api, inspect(api, wanted, given, self.log), values, frozenset(changed), given)
        finally:
            api.close()


@pytest.fixture
def lab():
    with KubernetesServer("", get_parameter=lambda name, version: "the value") as server:
        server.create_namespace("shop")
        yield Lab(server)


def problems(error):
    return [f"{problem.what} {problem.remedy}" for problem in error.value.problems]


@pytest.mark.parametrize("there", [False, True])
def test_an_api_version_that_is_not_served_is_refused(lab, there):
    """Whoever applies it fails: rule, and what to write."""
    es = rendered()
    old = type(es)(**{**vars(es), "api_version": "external-secrets.io/v1beta1"})
    if there:
        lab.apply(rendered(refreshInterval="2h"))
    assert lab.prepare(old).served == ("v1", "v1beta1")
    lab.server.serve("v1beta1", False)
    with pytest.raises(ManifestError) as error:
        lab.prepare(old)
    (said,) = problems(error)
    for words in (
        "external-secrets.io/v1beta1, which the cluster does not serve",
        "it serves v1",
        "Nothing was written",
    ):
        assert words in said
    assert "`apiVersion: external-secrets.io/v1`" in said
    assert "api-version-retired" in said


def test_one_that_is_deployed_all_the_same_is_not_refused(lab):
    """Somebody rewrites it on its way."""
    es = rendered()
    lab.apply(es)
    lab.server.serve("v1beta1", False)
    lab.prepare(type(es)(**{**vars(es), "api_version": "external-secrets.io/v1beta1"}))


NEVER = {"refreshInterval": "0"}


def test_a_change_that_would_not_arrive_is_refused(lab):
    """With both ways out."""
    lab.apply(rendered(**NEVER))
    with pytest.raises(ManifestError) as error:
        lab.prepare(rendered(**NEVER))
    (said,) = problems(error)
    assert f"would never deliver the new value of {PATH}: `refreshInterval: 0`" in said
    assert "refreshPolicy: OnChange" in said
    assert "set `refresh: force`" in said
    lab.prepare(rendered(**NEVER), changed=())
    lab.prepare(rendered(**NEVER), refresh="force")


def test_what_others_add_is_judged_before_the_write(lab):
    """Applied as the manifest says, and made one that never refreshes on its way."""
    es = rendered()

    def add(kind, thing):
        if kind.name == "ExternalSecret":
            thing["spec"]["refreshPolicy"] = "CreatedOnce"

    lab.server.store.mutation.append(add)
    lab.apply(es, applied=True)
    with pytest.raises(ManifestError) as error:
        lab.prepare(es)
    assert "refreshPolicy: CreatedOnce" in problems(error)[0]


def test_a_change_that_reaches_no_secret_is_refused(lab):
    """The manifest that alone reads it makes none, and force does not change that."""
    without = rendered(target={"creationPolicy": "None"})
    lab.apply(without)
    for mode in ("always", "force"):
        with pytest.raises(ManifestError) as error:
            lab.prepare(without, refresh=mode)
        (said,) = problems(error)
        assert f"would never deliver the new value of {PATH}: with `creationPolicy: None` ESO makes no Secret" in said
        assert "target.creationPolicy" in said
        assert "OnChange" not in said


def test_a_change_behind_a_prefix_is_refused(lab):
    """ESO would read another parameter; where nothing changes that is a warning."""
    store = {"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore"}
    aws = {"service": "ParameterStore", "region": "us-east-1", "prefix": "/team"}
    lab.server.apply({**store, "metadata": {"name": "aws-parameter-store"}, "spec": {"provider": {"aws": aws}}})
    with pytest.raises(ManifestError) as error:
        lab.prepare(rendered())
    (said,) = problems(error)
    assert f"would never deliver the new value of {PATH}: ESO reads /team{PATH}" in said
    assert "Take `spec.provider.aws.prefix` off the store" in said
    assert "Nothing was written" in said
    inspection = lab.prepare(rendered(), changed=())
    assert any("puts the prefix `/team` before each key" in warning for warning in inspection.warnings)


def test_entries_with_stores_of_their_own_are_left_to_the_proof(lab):
    """The prefix of another store is not theirs."""
    store = {"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore"}
    aws = {"service": "ParameterStore", "region": "us-east-1", "prefix": "/team"}
    lab.server.apply({**store, "metadata": {"name": "aws-parameter-store"}, "spec": {"provider": {"aws": aws}}})
    source = {"storeRef": {"name": "other", "kind": "ClusterSecretStore"}}
    lab.prepare(rendered(data=[{"secretKey": "K0", "remoteRef": {"key": PATH}, "sourceRef": source}]))


def test_a_store_of_another_controller_class_is_told_and_left_to_the_proof(lab):
    """An ESO of that class may run beside the usual one, and may have synced it before."""
    lab.apply(rendered())
    store = {"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore"}
    lab.server.apply({**store, "metadata": {"name": "aws-parameter-store"}, "spec": {"controller": "platform"}})
    inspection = lab.prepare(rendered())
    assert any("only an ESO that runs with `--controller-class=platform`" in said for said in inspection.warnings)


def test_a_change_that_another_one_delivers_is_not_refused(lab):
    """The never refreshing one is told about later."""
    lab.apply(rendered("a", **NEVER))
    lab.apply(rendered("b"))
    lab.prepare(rendered("a", **NEVER), rendered("b"))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (NEVER | {"target": {"creationPolicy": "Orphan"}}, "creationPolicy: Orphan"),
        (NEVER | {"target": {"template": {"data": {"x": "{{ randAlphaNum 9 }}"}}}}, "random function"),
        (NEVER | {"target": {"template": {"templateFrom": [{"configMap": {"name": "t"}}]}}}, "templateFrom"),
        (NEVER | {"target": {"immutable": True}}, "immutable"),
        (NEVER | {"dataFrom": [{"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}}]}, "generator"),
        ({"data": [{"secretKey": "K0", "remoteRef": {"key": PATH, "version": "1"}}]}, "pins a version"),
    ],
)
def test_a_rebuild_that_is_not_safe_is_refused(lab, spec, words):
    """Before the first write, with the reason; force is no remedy then."""
    lab.apply(rendered(**NEVER))
    with pytest.raises(ManifestError) as error:
        lab.prepare(rendered(**spec), refresh="force")
    assert any(words in said for said in problems(error)), problems(error)
    assert all("Or set" not in said for said in problems(error))


def test_a_rebuild_needs_a_right(lab):
    """Asked for before the first write, with the rule; and only where a rebuild is due."""
    lab.apply(rendered(**NEVER))
    token = lab.server.add_user("ci", [RULE, READ], ["shop"])
    lab.prepare(rendered(**NEVER), changed=(), token=token, refresh="force")
    with pytest.raises(ClusterError) as error:
        lab.prepare(rendered(**NEVER), token=token, refresh="force")
    assert 'resources: ["secrets"], verbs: ["patch"]' in problems(error)[0]
    lab.server.add_user("ci", [WRITE], ["shop"])
    lab.prepare(rendered(**NEVER), token=token, refresh="force")


def test_hashes_are_noted_where_content_cannot_be_computed(lab):
    """Of Secrets that must change; one metadata read each, and none for the others."""
    lab.apply(rendered("a", target=OPAQUE))
    lab.apply(rendered("b"))
    wanted = rendered("a", target=OPAQUE), rendered("b"), rendered("new", target=OPAQUE)
    lab.server.requests.clear()
    (noted,) = lab.prepare(*wanted).hashes.items()
    assert (noted[0], len(noted[1])) == (("shop", "a"), 56)
    assert len([one for one in lab.server.requests if "/secrets/" in one.path]) == 1
    assert lab.prepare(*wanted, changed=()).hashes == {}
    token = lab.server.add_user("ci", [RULE], ["shop"])
    assert lab.prepare(*wanted, token=token).hashes == {}


BEFORE, AFTER = ({"metadata": {"annotations": {"reconcile.external-secrets.io/data-hash": c * 56}}} for c in "01")


@pytest.mark.parametrize(
    ("carried", "before", "answer", "matches", "words"),
    [
        (["/p"], "0" * 56, AFTER, None, "Content not checked: a template makes its data."),
        (["/p"], "0" * 56, BEFORE, False, "is the same as before, although it carries /p"),
        ([], "0" * 56, BEFORE, None, "either that does not show in it, or ESO reads another region"),
        (["/p"], "", AFTER, None, "a template makes its data."),
        (["/p"], "0" * 56, NotFound(Problem("gone")), False, "There is no Secret s."),
        ([], "0" * 56, NotFound(Problem("gone")), None, "a template makes its data."),
        (["/p"], "0" * 56, Forbidden(Problem("No.", "Rule.")), None, "Content not checked: No. Rule."),
        (["/p"], "0" * 56, Unavailable(Problem("Busy.", "Later.")), None, "Content not checked: Busy."),
        (["/p"], "", {"metadata": {}}, None, "a template makes its data."),
    ],
)
def test_what_cannot_be_computed_must_at_least_change(carried, before, answer, matches, words):
    """Where the value surely shows in the Secret; else it is said and left to the reader."""
    measure = Measure("s", Expectation("a template makes its data"), ("/p",), tuple(carried), before)
    found = measure.of(answer)
    assert (found.matches, measure.readable) == (matches, True)
    assert found.words.endswith(words) or words in found.words
