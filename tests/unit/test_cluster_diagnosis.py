"""What the cluster shows leads to one sentence with the likeliest cause and one with the remedy."""

import json

import pytest
from cluster_samples import PATH, live, rendered

from secret_action.cluster import errors
from secret_action.cluster.causes import CAUSES
from secret_action.cluster.diagnose import Diagnostician, Failure, diagnosis
from secret_action.cluster.evidence import Evidence
from secret_action.cluster.paths import external_secrets
from secret_action.cluster.targets import Target
from secret_action.errors import StoreError
from secret_action.model import Problem

FAILED = "could not get secret data from provider"
DENIED = (
    "error processing spec.data[0] (key: /p/a), err: operation error SSM: GetParameter, https response error "
    "StatusCode: 400, api error AccessDeniedException: User: arn:aws:sts::1:assumed-role/eso/x is not authorized to "
    "perform: {} on resource: arn:aws:x"
)


def evidence(*events, **changes):
    """Evidence of an attempt that failed with these events."""
    given = {
        "name": "a",
        "namespace": "shop",
        "answered": True,
        "synced_before": True,
        "condition": FAILED,
        "events": events,
        "store": "ClusterSecretStore aws-parameter-store",
        "store_found": True,
        "store_condition": "",
        "store_events": (),
        "store_region": "eu-west-1",
        "operator_running": True,
        "log": (),
        "parameters": {},
    }
    return Evidence(**(given | changes))


ROWS = {
    "parameter missing": (
        evidence("error processing spec.data[0] (key: /p/a), err: Secret does not exist"),
        "The parameter /p/a is not in SSM.",
    ),
    "parameter elsewhere": (
        evidence("error processing spec.data[0] (key: /p/a), err: Secret does not exist", parameters={"/p/a": True}),
        "reads another region or account",
    ),
    "access denied": (evidence(DENIED.format("ssm:GetParameter")), "may not read the parameter /p/a from SSM"),
    "clock": (
        evidence(
            "error processing spec.data[0] (key: /p/a), err: operation error SSM: GetParameter, api error "
            "InvalidSignatureException: Signature expired: 20261124T100000Z is now earlier than 20261124T105500Z"
        ),
        "clock of the node",
    ),
    "kms denied": (evidence(DENIED.format("kms:Decrypt")), "lacks kms:Decrypt"),
    "kms key gone": (
        evidence("api error AccessDeniedException: The ciphertext refers to a customer master key that does not exist"),
        "kms:Decrypt",
    ),
    "role not assumed": (
        evidence(
            "unable to create client",
            store_condition="InvalidProviderConfig unable to create client",
            store_events=("operation error STS: AssumeRoleWithWebIdentity, AccessDenied: Not authorized",),
        ),
        "cannot assume the IAM role",
    ),
    "no service account annotation": (
        evidence("an IAM role must be associated with service account eso (namespace: shop)"),
        "cannot assume the IAM role",
    ),
    "no credentials": (evidence("unable to create session: x"), "no valid AWS credentials"),
    "store missing": (
        evidence('could not get ClusterSecretStore "x", not found', store_found=False),
        "There is no ClusterSecretStore aws-parameter-store",
    ),
    "store not ready": (
        evidence(
            'ClusterSecretStore "x" is not ready', store_condition="InvalidProviderConfig unable to validate store"
        ),
        "is not ready: InvalidProviderConfig unable to validate store.",
    ),
    "store not ready, with an event": (
        evidence(
            'ClusterSecretStore "x" is not ready', store_condition="x", store_events=("could not find the region.",)
        ),
        "is not ready: could not find the region.",
    ),
    "namespace barred": (
        evidence('using cluster store "x" is not allowed from namespace "shop": denied by spec.condition'),
        "does not admit the namespace shop",
    ),
    "another controller": (evidence("can not reference unmanaged store"), "another controller class"),
    "throttled": (evidence("api error ThrottlingException: Rate exceeded"), "throttling"),
    "property missing": (
        evidence("error processing spec.data[0] (key: /p/a), err: key user does not exist in secret /p/a"),
        "The parameter /p/a is not a JSON object that has the property `user`.",
    ),
    "not JSON": (evidence("unable to unmarshal secret /p/a: invalid character"), "not a JSON object"),
    "decoding": (evidence("error decoding secret: illegal base64 data"), "`decodingStrategy`"),
    "owned by another": (
        evidence(condition="target is owned by another ExternalSecret"),
        "belongs to another ExternalSecret",
    ),
    "immutable": (evidence(condition="could not update secret, target is immutable"), "is immutable"),
    "webhook": (
        evidence('admission webhook "policy.example" denied the request: no', condition="could not update secret"),
        "refuses what ESO writes: policy.example.",
    ),
    "template": (evidence("could not apply template: x", condition="could not update secret"), "template fails"),
    "without data": (evidence(condition=""), "nothing to write"),
    "missing, and nothing said": (
        evidence(answered=False, condition="", parameters={"/p/b": False}),
        "The parameter /p/b is not in SSM.",
    ),
    "operator down": (evidence(answered=False, condition="", operator_running=False), "is not running in the cluster"),
    "not attempted": (evidence(answered=False, condition=""), "has not looked at it"),
    "unknown": (evidence("something new"), "does not say more than this: something new."),
}


@pytest.mark.parametrize(("found", "words"), ROWS.values(), ids=ROWS.keys())
def test_each_cause_is_recognised(found, words):
    """By ESO's own words, or by what is missing."""
    told = diagnosis(found)
    assert words in told.cause
    assert told.remedy
    assert "{" not in told.cause + told.remedy.replace("'{.", "")


def test_the_table_has_one_line_for_each_cause():
    """Ids are unique, since documentation is generated from them, and the last line fits everything."""
    ids = [cause.id for cause in CAUSES]
    assert len(set(ids)) == len(ids)
    assert CAUSES[-1].match(evidence()) == {}


class Cluster:
    """Answers what a diagnosis asks; what is not there is forbidden."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def _answer(self, name):
        self.asked.append(name)
        found = self.answers.get(name, errors.Forbidden(Problem("no")))
        if isinstance(found, Exception):
            raise found
        return found

    def within(self, seconds):
        return self

    def serves(self, resource):
        return self._answer("serves")

    def get(self, place, metadata_only=False):
        return self._answer(place.resource.plural)

    def list(self, place, **query):
        return self._answer(f"{place.resource.plural}_{place.namespace}".rstrip("_").replace("-", "_")), "1"

    def log(self, place, **query):
        return self._answer("log")


def _diagnose(cluster, exists=None, **live_changes):
    resource = external_secrets("external-secrets.io/v1")
    failure = Failure(Target("shop", rendered()), live(**live_changes), answered=False, known=False)
    return Diagnostician(cluster, resource, exists).explain([failure])["shop", "a"]


def test_many_failures_cost_one_list_of_events_for_each_namespace():
    """However many there are: a thousand lists would take minutes."""
    event = {"type": "Warning", "message": "Secret does not exist", "involvedObject": {"uid": "u3"}}
    cluster = Cluster(events_shop=(event,), events_store=())
    failures = [
        Failure(Target(namespace, rendered(f"es-{at}", namespace)), live(uid=f"u{at}"), answered=True, known=False)
        for namespace in ("shop", "store")
        for at in range(5)
    ]
    found = Diagnostician(cluster, external_secrets("external-secrets.io/v1"), None).explain(failures)
    assert len(found) == 10
    assert "is not in SSM" in found["shop", "es-3"].cause
    assert [name for name in cluster.asked if name.startswith("events")] == ["events_shop", "events_store"]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"serves": False}, "does not serve externalsecrets of external-secrets.io/v1"),
        ({"serves": True, "namespaces": errors.NotFound(Problem("none"))}, "There is no namespace shop"),
        (
            {"namespaces": {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}},
            "namespace shop is being deleted",
        ),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_an_external_secret_without_ground_needs_no_other_explanation(answers, words, there):
    """Its kind or its namespace is gone: ESO is not asked about, nor the GitOps tool."""
    cluster = Cluster(**answers)
    failure = Failure(Target("shop", rendered()), live() if there else None, answered=False, known=not there)
    found = Diagnostician(cluster, external_secrets("external-secrets.io/v1"), None).explain([failure])
    assert words in found["shop", "a"].cause
    assert "events_shop" not in cluster.asked


def test_what_is_known_stays_where_the_ground_is_there():
    """Nothing is found out about one that was never deployed."""
    cluster = Cluster(serves=True, namespaces={"metadata": {}})
    failure = Failure(Target("shop", rendered()), None, answered=False, known=True)
    assert Diagnostician(cluster, external_secrets("external-secrets.io/v1"), None).explain([failure]) == {}


def test_without_any_right_it_still_says_something():
    """What cannot be read is skipped."""
    assert "has not looked at it" in _diagnose(Cluster()).cause


def test_pods_are_looked_for_where_we_may_look():
    """In the whole cluster, else in ESO's usual namespace."""
    cluster = Cluster(pods_external_secrets=())
    assert "is not running" in _diagnose(cluster).cause
    assert [name for name in cluster.asked if name.startswith("pods")] == ["pods", "pods_external_secrets"]


def test_logs_are_read_about_this_one_alone():
    """ESO's JSON lines; the newest first, each once, cleaned, and no other object's."""

    def line(name, error, **more):
        return json.dumps({"ExternalSecret": {"name": name, "namespace": "shop"}, "error": error, **more})

    pods = ({"metadata": {"name": "p", "namespace": "eso"}, "status": {"phase": "Running"}},)
    log = "\n".join(
        ["not json about a", line("other", "SECRET"), line("a", "first\nwords"), line("a", "last"), line("a", "last")]
    )
    observed = _diagnose(Cluster(pods=pods, log=log)).observed
    assert observed == ("ESO's log: last", "ESO's log: first words")


def test_whether_a_parameter_exists_is_asked_with_our_credentials():
    """Missing is told; where SSM does not answer nothing is claimed."""
    assert PATH in _diagnose(Cluster(), lambda path: False).cause
    assert f"Parameter {PATH} does not exist, as this run sees it" in _diagnose(Cluster(), lambda path: False).observed

    def fails(path):
        raise StoreError(Problem("no"))

    assert "has not looked at it" in _diagnose(Cluster(), fails).cause


def test_a_store_is_described_by_its_condition_and_events():
    """A store that is not there is told as such."""
    store = {
        "metadata": {"name": "aws-parameter-store", "uid": "s"},
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "R", "message": "unable"}]},
    }
    events = ({"type": "Warning", "message": "no such role"}, {"type": "Normal", "message": "x"})
    told = _diagnose(Cluster(clustersecretstores=store, events_default=events))
    assert "is not ready: no such role." in told.cause
    missing = _diagnose(Cluster(clustersecretstores=errors.NotFound(Problem("none"))))
    assert "There is no ClusterSecretStore aws-parameter-store" in missing.cause
