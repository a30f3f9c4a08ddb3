"""What the cluster shows leads to one sentence with the likeliest cause and one with the remedy."""

import json

import pytest
from cluster_samples import PATH, live, rendered

from secret_action.cluster import errors
from secret_action.cluster.causes import CAUSES
from secret_action.cluster.diagnose import Diagnostician, Failure, diagnosis
from secret_action.cluster.evidence import Account, Evidence
from secret_action.cluster.paths import external_secrets
from secret_action.cluster.quoting import Said
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
        "dropped": False,
        "api_version": "external-secrets.io/v1",
        "condition": FAILED,
        "events": events,
        "store": "ClusterSecretStore aws-parameter-store",
        "store_found": True,
        "store_near": "",
        "store_condition": "",
        "store_events": (),
        "store_region": "eu-west-1",
        "store_prefix": "",
        "account": None,
        "operator_running": True,
        "operator_trouble": "",
        "operator_version": "v0.20.4",
        "operator_log": (),
        "log": (),
        "parameters": {},
    }
    said = {
        name: Said(text) if isinstance(text, str) else tuple(map(Said, text))
        for name, text in (given | changes).items()
        if name in ("condition", "events", "store_condition", "store_events", "log")
    }
    return Evidence(**(given | changes | said))


WEB_IDENTITY = "failed to refresh cached credentials, operation error STS: AssumeRoleWithWebIdentity,"
ACTION = "sts:AssumeRoleWithWebIdentity"


def entry(words, key="/p/a"):
    """An event about one entry of an ExternalSecret."""
    return f"error processing spec.data[0] (key: {key}), err: {words}"


def signing_in(*said, account=None):
    """Evidence of a store that cannot sign in to AWS."""
    return evidence(
        entry('ClusterSecretStore "aws-parameter-store" is not ready'),
        store_condition="InvalidProviderConfig unable to validate store",
        store_events=said,
        account=account or Account("eso", "reader", True, "arn:aws:iam::1:role/eso", True),
    )


ROWS = {
    "annotation dropped": (
        evidence(answered=False, dropped=True, operator_running=False),
        "An admission webhook or policy removes the annotation `force-sync`",
    ),
    "parameter missing": (
        evidence("error processing spec.data[0] (key: /p/a), err: Secret does not exist"),
        "The parameter /p/a is not in SSM.",
    ),
    "parameter elsewhere": (
        evidence("error processing spec.data[0] (key: /p/a), err: Secret does not exist", parameters={"/p/a": True}),
        "reads another region or account",
    ),
    "parameter behind a prefix": (
        evidence(entry("Secret does not exist"), parameters={"/p/a": True}, store_prefix="/team"),
        "ESO looks for the parameter /team/p/a, which is not in SSM: the ClusterSecretStore aws-parameter-store puts "
        "the prefix `/team` before each key.",
    ),
    "parameter behind a prefix, which is no backoff": (
        evidence(entry("Secret does not exist"), parameters={"/p/a": True}, store_prefix="/team", answered=False),
        "puts the prefix `/team` before each key",
    ),
    "access denied behind a prefix": (
        evidence(DENIED.format("ssm:GetParameter"), store_prefix="/team"),
        "may not read the parameter /team/p/a from SSM",
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
    "kms key disabled": (
        evidence(
            entry(
                "api error InvalidKeyId: arn:aws:kms:eu-west-1:1:key/x is disabled. (Service: AWSKMS; Status Code: 400;"
                " Error Code: DisabledException; Proxy: null)"
            )
        ),
        "The KMS key of the parameter /p/a cannot be used",
    ),
    "role not assumed": (
        signing_in(
            "operation error STS: AssumeRole, api error AccessDenied: User: arn:aws:sts::1:assumed-role/node/i is not "
            "authorized to perform: sts:AssumeRole on resource: arn:aws:iam::1:role/eso"
        ),
        "cannot assume the IAM role of the ClusterSecretStore aws-parameter-store",
    ),
    "trust policy": (
        signing_in(f"{WEB_IDENTITY} StatusCode: 403, api error AccessDenied: Not authorized to perform {ACTION}"),
        "The trust policy of the IAM role arn:aws:iam::1:role/eso does not admit the service account eso/reader",
    ),
    "no OIDC provider": (
        signing_in(f"{WEB_IDENTITY} api error InvalidIdentityToken: No OpenIDConnect provider found in your account"),
        "it has no IAM OIDC provider",
    ),
    "token of another audience": (
        signing_in(f"{WEB_IDENTITY} api error InvalidIdentityToken: Incorrect token audience"),
        "does not accept the token of the service account eso/reader for the IAM role",
    ),
    "token expired": (
        signing_in(f"{WEB_IDENTITY} api error ExpiredTokenException: Token expired: current date/time 1 must be"),
        "the clock of the API server",
    ),
    "no service account annotation": (
        evidence("unable to create session: an IAM role must be associated with service account eso (namespace: shop)"),
        "signs in to AWS through its service account, which names no IAM role",
    ),
    "no service account annotation, and nothing said": (
        signing_in(account=Account("eso", "reader", True, "", True)),
        "through the service account eso/reader, which names no IAM role",
    ),
    "ESO's own account without a role, where it may have another way": (
        signing_in(account=Account("eso", "external-secrets", True, "", False)),
        "is not ready: InvalidProviderConfig",
    ),
    "no service account": (
        signing_in('unable to create session: ServiceAccount "reader" not found'),
        "through the service account eso/reader, which is not in the cluster",
    ),
    "no service account, and nothing said": (
        signing_in(account=Account("eso", "reader", False, "", True)),
        "through the service account eso/reader, which is not in the cluster",
    ),
    "no credentials": (evidence("unable to create session: x"), "no valid AWS credentials"),
    "wrong secret key": (
        evidence(entry("api error InvalidSignatureException: The request signature we calculated does not match")),
        "no valid AWS credentials",
    ),
    "store misspelt": (
        evidence(store_found=False, store_near="ClusterSecretStore aws-parameters"),
        "in the cluster; ClusterSecretStore aws-parameters may be meant.",
    ),
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
    "KMS throttled": (
        evidence(entry("api error ThrottlingException: Rate exceeded (Service: AWSKMS; Status Code: 400)")),
        "KMS is throttling",
    ),
    "AWS failing": (
        evidence(entry("https response error StatusCode: 500, RequestID: , InternalServerError: An error occurred")),
        "AWS answers ESO with a failure of its own",
    ),
    "AWS out of reach": (
        evidence(entry('request send failed, Post "https://ssm.eu-west-1.amazonaws.com/": dial tcp: no such host')),
        "does not reach AWS's endpoint in eu-west-1",
    ),
    "no such version": (
        evidence(entry("https response error StatusCode: 400, ParameterVersionNotFound: could not find version 7")),
        "The parameter /p/a has no such version",
    ),
    "no good name": (
        evidence(entry('api error ValidationException: Parameter name: can\'t be prefixed with "ssm"')),
        "does not take the name of the parameter /p/a",
    ),
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
    "webhook away": (
        evidence(
            'Internal error occurred: failed calling webhook "validate.kyverno.svc": failed to call webhook: Post '
            '"https://kyverno.svc:443/": dial tcp 10.0.0.1:443: connect: connection refused',
            condition="could not update secret",
        ),
        "The admission webhook validate.kyverno.svc does not answer",
    ),
    "admission policy": (
        evidence("secrets \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"),
        "A ValidatingAdmissionPolicy refuses what ESO writes: p.",
    ),
    "quota": (
        evidence('secrets "x" is forbidden: exceeded quota: few, requested: count/secrets=1, used: count/secrets=5'),
        "The ResourceQuota few of the namespace shop has no room",
    ),
    "ESO's own rights": (
        evidence('secrets "x" is forbidden: User "system:serviceaccount:eso:eso" cannot create resource "secrets" in'),
        "ESO's own service account may not create secrets",
    ),
    "namespace going": (
        evidence(
            'secrets "x" is forbidden: unable to create new content in namespace shop because it is being terminated'
        ),
        "The namespace shop is being deleted",
    ),
    "no valid Secret": (
        evidence('Secret "x" is invalid: data[a b]: Invalid value: "a b": a valid config key must consist of'),
        "does not take the Secret as ESO writes it: data[…]: Invalid value: …: a valid config key must consist of.",
    ),
    "not written, and nothing said": (evidence(condition="could not update secret"), "cannot write the Secret."),
    "template": (evidence("could not apply template: x", condition="could not update secret"), "template fails"),
    "without data": (evidence(condition=""), "nothing to write"),
    "missing, and nothing said": (
        evidence(answered=False, condition="", parameters={"/p/b": False}),
        "The parameter /p/b is not in SSM.",
    ),
    "operator down": (evidence(answered=False, condition="", operator_running=False), "is not running in the cluster"),
    "operator down, whatever it said before": (
        evidence(
            entry("Secret does not exist"), answered=False, operator_running=False, operator_trouble="CrashLoopBackOff"
        ),
        "is not running in the cluster (CrashLoopBackOff).",
    ),
    "mended, and not tried again": (
        evidence(entry("Secret does not exist"), answered=False, parameters={"/p/a": True}),
        "waits out its backoff",
    ),
    "store mended, and not tried again": (
        evidence(entry('ClusterSecretStore "aws-parameter-store" is not ready'), answered=False),
        "waits out its backoff after failures of the ClusterSecretStore aws-parameter-store",
    ),
    "older CRD, by ESO's log": (
        evidence(
            answered=False,
            condition="",
            operator_log=('no matches for kind "ExternalSecret" in version "external-secrets.io/v1"',),
        ),
        "External Secrets Operator v0.20.4 finds no CRD of the version that it needs",
    ),
    "older CRD, by ESO's version": (
        evidence(answered=False, condition="", api_version="external-secrets.io/v1beta1"),
        "the cluster serves external-secrets.io/v1beta1",
    ),
    "v1beta1 is no trouble to an ESO that knows it": (
        evidence(answered=False, condition="", api_version="external-secrets.io/v1beta1", operator_version="v0.16.2"),
        "has not looked at it",
    ),
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


# Words that patterns look for, as people name their parameters, services, stores and templates.
NAMES = (
    "throttling_limits", "ThrottlingException", "template-service", "my_template", "decoding_key", "AccessDenied",
    "kms-Decrypt", "x509", "dial-tcp", "ssm.GetParameter", "ValidationException", "admission-webhook", "sts.AssumeRole",
    "Rate-exceeded", "not-ready", "ExpiredToken", "ParameterNotFound", "immutable", "quota", "StatusCode", "is-invalid",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("words", "id_"),
    [
        ("Secret does not exist", "parameter-missing"),
        ("operation error SSM: GetParameter, api error SomethingNew: oops", "unknown"),
        ("operation error SSM: GetParameter, api error SomethingNew: User: arn:aws:sts::1:role/{} is odd", "unknown"),
        ("unable to unmarshal secret /prod/svc/{}: invalid character", "not-json"),
        ("key a does not exist in secret /prod/svc/{}", "property-missing"),
        ('SecretStore "{}" is not ready', "store-not-ready"),
    ],
)
def test_a_name_decides_nothing(name, words, id_):
    """What the parameter, the store or the role is called is not what was said of it."""
    expected = next(cause for cause in CAUSES if cause.id == id_)
    found = evidence(entry(words.format(name), f"/prod/svc/{name}"), store_condition="R" if "ready" in words else "")
    cause = next(cause for cause in CAUSES if cause.match(found) is not None)
    assert cause is expected


def test_a_cause_is_found_far_into_a_text():
    """AWS names the permission after two ARNs; what is quoted is shortened, what is looked at is not."""
    user = f"arn:aws:sts::123456789012:assumed-role/{'long-' * 60}role/session"
    told = diagnosis(evidence(DENIED.format("kms:Decrypt").replace("arn:aws:sts::1:assumed-role/eso/x", user)))
    assert "lacks kms:Decrypt" in told.cause
    assert max(map(len, told.observed)) < 320


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
    failure = Failure(Target("shop", rendered()), live(**live_changes), answered=False, dropped=False, known=False)
    return Diagnostician(cluster, resource, exists).explain([failure])["shop", "a"]


def test_many_failures_cost_one_list_of_events_for_each_namespace():
    """However many there are: a thousand lists would take minutes."""
    event = {"type": "Warning", "message": "Secret does not exist", "involvedObject": {"uid": "u3"}}
    cluster = Cluster(events_shop=(event,), events_store=())
    failing = ("False", "SecretSyncedError", "could not get secret data from provider")
    failures = [
        Failure(
            Target(namespace, rendered(f"es-{at}", namespace)),
            live(uid=f"u{at}", ready=failing),
            answered=True,
            dropped=False,
            known=False,
        )
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
    failure = Failure(
        Target("shop", rendered()), live() if there else None, answered=False, dropped=False, known=not there
    )
    found = Diagnostician(cluster, external_secrets("external-secrets.io/v1"), None).explain([failure])
    assert words in found["shop", "a"].cause
    assert "events_shop" not in cluster.asked


def test_what_is_known_stays_where_the_ground_is_there():
    """Nothing is found out about one that was never deployed."""
    cluster = Cluster(serves=True, namespaces={"metadata": {}})
    failure = Failure(Target("shop", rendered()), None, answered=False, dropped=False, known=True)
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
    observed = _diagnose(Cluster(pods=pods, log=log), ready=("False", "SecretSyncedError", FAILED)).observed
    assert observed == (f"Condition: {FAILED}", "ESO's log: last", "ESO's log: first words")


def test_what_was_said_before_the_last_success_counts_for_nothing():
    """ESO has stopped since; its old events name a store that was not ready, and a parameter that was missing."""
    events = ({"type": "Warning", "message": entry("Secret does not exist")},)
    told = _diagnose(Cluster(events_shop=events), lambda path: True)
    assert "has not looked at it" in told.cause
    assert told.observed == ()


def test_whether_a_parameter_exists_is_asked_with_our_credentials():
    """Missing is told; where SSM does not answer nothing is claimed."""
    assert PATH in _diagnose(Cluster(), lambda path: False).cause
    unknown = _diagnose(Cluster(), lambda path: None)
    assert "has not looked at it" in unknown.cause
    assert not any("Parameter" in text for text in unknown.observed)
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


def test_a_misspelt_store_is_told_with_the_nearest_name():
    """Of either kind; without the right to list them nothing is claimed."""
    gone = {"clustersecretstores": errors.NotFound(Problem("none"))}
    near = ({"metadata": {"name": "aws-parameters-store"}}, {"metadata": {"name": "vault"}})
    told = _diagnose(Listing(**gone, lists={"clustersecretstores": near}))
    assert "; ClusterSecretStore aws-parameters-store may be meant." in told.cause
    other_kind = ({"metadata": {"name": "aws-parameter-store"}},)
    told = _diagnose(Listing(**gone, lists={"secretstores": other_kind}))
    assert "; SecretStore aws-parameter-store may be meant." in told.cause
    assert "may be meant" not in _diagnose(Cluster(**gone)).cause


class Listing(Cluster):
    """Answers lists by the resource alone."""

    def list(self, place, **query):
        if place.resource.plural not in self.answers["lists"]:
            raise errors.Forbidden(Problem("no"))
        return self.answers["lists"][place.resource.plural], "1"


STORE = {
    "metadata": {"name": "aws-parameter-store", "uid": "s"},
    "spec": {"provider": {"aws": {"auth": {"jwt": {"serviceAccountRef": {"name": "reader", "namespace": "eso"}}}}}},
    "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "R", "message": "unable"}]},
}


@pytest.mark.parametrize(
    ("account", "cause", "seen"),
    [
        ({"metadata": {}}, "which names no IAM role", "is annotated with no role"),
        (errors.NotFound(Problem("none")), "which is not in the cluster", "is not there"),
    ],
)
def test_the_service_account_of_a_store_is_read(account, cause, seen):
    """Its annotation names the role; what is seen of it is shown."""
    told = _diagnose(Cluster(clustersecretstores=STORE, serviceaccounts=account))
    assert cause in told.cause
    assert f"Service account eso/reader: {seen}" in told.observed


def test_a_service_account_that_may_not_be_read_is_not_checked():
    """The trust policy is still told from the words of the store, which ESO's log has too."""
    pods = ({"metadata": {"name": "p", "namespace": "eso"}, "status": {"phase": "Running"}},)
    said = f"could not get provider client: {WEB_IDENTITY} api error AccessDenied: Not authorized to perform {ACTION}"
    log = json.dumps({"ClusterSecretStore": {"name": "aws-parameter-store"}, "error": said})
    told = _diagnose(Cluster(clustersecretstores=STORE, pods=pods, log=log))
    assert "does not admit the service account eso/reader" in told.cause
    assert "system:serviceaccount:eso:reader" in told.remedy
    assert "Service account eso/reader: not checked, since this run may not read it" in told.observed


def test_a_crash_loop_is_not_running():
    """Its pod has the phase Running all the same."""
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    pods = ({"metadata": {"name": "p"}, "status": {"phase": "Running", "containerStatuses": [waiting]}},)
    assert "is not running in the cluster (CrashLoopBackOff)." in _diagnose(Cluster(pods=pods)).cause


def test_a_cause_is_recognised_by_what_is_not_shown():
    """Of a long text, what tells may stand behind what is left out."""
    found = diagnosis(evidence("error calling fail: S3cret api error ThrottlingException: Rate exceeded"))
    assert "throttling" in found.cause
    assert "S3cret" not in str(found)
