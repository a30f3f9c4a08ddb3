"""Requests to the API server: what may pass is tried again, all else ends in one clear error."""

import json
import math
import threading
import time

import pytest
from cluster_samples import Log, settings

from sandbox.http import make_certificate
from sandbox.kubernetes import KubernetesServer
from secret_action import masking
from secret_action.cluster import connect, errors
from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.gitops import APPLICATIONS
from secret_action.cluster.inspection import Listing
from secret_action.cluster.messages import RefreshAsked, Seen, ToolsSeen, WatchBroken
from secret_action.cluster.outside import Threads
from secret_action.cluster.paths import PODS, SECRETS, Resource, external_secrets
from secret_action.errors import ClusterError
from secret_action.model import Problem

ES = external_secrets("external-secrets.io/v1")


class Answer:
    """One answer of the API server."""

    def __init__(self, status, body=None, retry_after=0.0, lines=()):
        self.status, self.retry_after = status, retry_after
        self._body = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        self._lines = lines
        self.closed = False

    def read(self):
        return self._body

    def lines(self):
        yield from self._lines

    def interrupt(self):
        self.closed = True

    def close(self):
        self.closed = True


class Scripted:
    """A transport that gives the answers of a list, and a clock that only counts."""

    server = "https://cluster"

    def __init__(self, *answers):
        self.answers, self.sent, self.slept, self.at = list(answers), [], [], 0.0
        self.timeouts = []

    def send(self, method, url, *, body, headers, read_timeout):
        self.sent.append((method, url, body, headers))
        self.timeouts.append(read_timeout)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        pass

    def now(self):
        return self.at

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.at += seconds


def api(*answers):
    transport = Scripted(*answers)
    return KubernetesApi(transport, clock=transport), transport


UNREACHABLE = errors.Unreachable(Problem("no"))
FORBIDDEN = errors.Forbidden(Problem("no"))


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (ES.at("shop", "a"), "/apis/external-secrets.io/v1/namespaces/shop/externalsecrets/a"),
        (SECRETS.at("shop", "a"), "/api/v1/namespaces/shop/secrets/a"),
        (PODS.at(), "/api/v1/pods"),
        (PODS.at("x", "p", "log"), "/api/v1/namespaces/x/pods/p/log"),
        (SECRETS.at("a/b", "..%"), "/api/v1/namespaces/a%2Fb/secrets/..%25"),
    ],
)
def test_places_are_urls(place, path):
    """Core and groups, with and without a namespace; names cannot climb out."""
    assert place.path == path


@pytest.mark.parametrize("first", [Answer(500), Answer(503), Answer(429), Answer(409), UNREACHABLE])
def test_what_may_pass_is_tried_again(first):
    """The next answer counts."""
    kubernetes, transport = api(first, Answer(200, {"a": 1}))
    assert kubernetes.get(ES.at("shop", "a")) == {"a": 1}
    assert len(transport.sent) == 2


def test_retry_after_is_obeyed():
    """As long as the server asks, within reason."""
    kubernetes, transport = api(Answer(429, retry_after=7.0), Answer(429, retry_after=9999.0), Answer(200, {"a": 1}))
    kubernetes.get(ES.at("shop", "a"))
    assert transport.slept == [7.0, 30.0]


def test_retry_after_counts_for_all_requests():
    """Also for the next one, whoever sends it and whatever it is about, after the last attempt of this one."""
    kubernetes, transport = api(*[Answer(429, retry_after=3.0)] * 5, Answer(200, {"a": 1}))
    with pytest.raises(errors.Unavailable):
        kubernetes.merge_patch(ES.at("shop", "a"), {})
    kubernetes.get(ES.at("store", "b"))
    assert transport.slept == [3.0] * 5


def test_a_right_is_not_taken_for_missing_while_the_api_server_starts():
    """Until it is ready it has not read its rules; then a 403 is what it says."""
    starting = [UNREACHABLE, Answer(403), Answer(500), Answer(403), Answer(200)]
    kubernetes, transport = api(*starting, Answer(200, {"a": 1}), Answer(403))
    assert kubernetes.get(ES.at("shop", "a")) == {"a": 1}
    assert [url for _, url, _, _ in transport.sent].count("/readyz") == 2
    with pytest.raises(errors.Forbidden):
        kubernetes.get(ES.at("shop", "a"))
    kubernetes, _ = api(UNREACHABLE, *[Answer(403), Answer(500)] * 4)
    with pytest.raises(errors.Unavailable, match="has just started"):
        kubernetes.get(ES.at("shop", "a"))


def test_what_only_helps_is_asked_for_some_seconds():
    """No request lasts longer, none is begun after it, and none after one that brought no answer."""
    kubernetes, transport = api(Answer(200, {"a": 1}), Answer(503), Answer(503), Answer(503))
    hurried = kubernetes.within(1.0)
    hurried.get(PODS.at("shop", "a"))
    with pytest.raises(errors.Unreachable, match="no time left"):
        hurried.get(PODS.at("shop", "a"))
    assert transport.timeouts == [1.0, 1.0, 0.75, 0.25]
    kubernetes, transport = api(*[UNREACHABLE] * 5, Answer(200, {"a": 1}))
    hurried = kubernetes.within(100.0)
    for _ in range(2):
        with pytest.raises(errors.Unreachable):
            hurried.get(PODS.at("shop", "a"))
    assert kubernetes.get(PODS.at("shop", "a")) == {"a": 1}


@pytest.mark.parametrize("error", [Answer(503, {"message": "etcd is down"}), UNREACHABLE])
def test_it_gives_up_after_some_tries(error):
    """The last error is told."""
    kubernetes, transport = api(*[error] * 5)
    with pytest.raises((errors.Unavailable, errors.Unreachable)) as caught:
        kubernetes.get(ES.at("shop", "a"))
    assert errors.may_pass(caught.value)
    assert len(transport.sent) == 5


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, errors.Unauthorized, ["does not accept the credentials", "access entry"]),
        (
            403,
            errors.Forbidden,
            [
                "allow this account to patch externalsecrets/a in namespace shop",
                '{apiGroups: ["external-secrets.io"], resources: ["externalsecrets"], verbs: ["patch"]}',
                "a Role in namespace shop",
            ],
        ),
        (404, errors.NotFound, ["There is no externalsecrets/a in namespace shop"]),
        (410, errors.Gone, ["too old"]),
        (422, errors.Refused, ["refuses to patch", "Mend"]),
    ],
)
def test_each_refusal_is_told_in_words(status, kind, words):
    """What was asked, and for a missing right the line of RBAC that grants it; tried once."""
    kubernetes, transport = api(Answer(status, {"message": "server\nsays\x1b[31m so"}))
    with pytest.raises(kind) as caught:
        kubernetes.merge_patch(ES.at("shop", "a"), {})
    problem = caught.value.problems[0]
    said = f"{problem.what} {problem.remedy}"
    assert all(word in said for word in words), said
    assert all("\n" not in cause and "\x1b" not in cause for cause in problem.causes)
    assert len(transport.sent) == 1


WEBHOOK = 'admission webhook "frozen.example.com" denied the request'
ADMISSION = {
    "a webhook": (403, f"{WEBHOOK}: [frozen] until Monday.", "admission webhook frozen.example.com", "[frozen] until"),
    "a webhook with a status of its own": (404, f'{WEBHOOK}: User "x" cannot patch', "frozen.example.com", "cannot"),
    "a webhook of few words": (400, f"{WEBHOOK} without explanation", "frozen.example.com", "does not say why"),
    "a policy": (
        422,
        "externalsecrets.external-secrets.io \"a\" is forbidden: ValidatingAdmissionPolicy 'frozen' with binding 'all' "
        "denied request: until Monday",
        "ValidatingAdmissionPolicy frozen",
        "until Monday",
    ),
    "a policy that mutates": (403, "policy 'm' with binding 'b' denied request: no such field", "policy m", "no such"),
    "a quota": (
        403,
        'deployments.apps "web" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1',
        "ResourceQuota few",
        "requested: pods=1",
    ),
    "PodSecurity": (
        403,
        'deployments.apps "web" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        "PodSecurity level restricted:latest",
        "runAsNonRoot",
    ),
    "another plug-in": (
        403,
        'deployments.apps "web" is forbidden: maximum cpu usage per Pod is 1',
        "cluster's admission control",
        "maximum cpu",
    ),
}


@pytest.mark.parametrize(("status", "said", "who", "words"), ADMISSION.values(), ids=ADMISSION.keys())
def test_what_admission_refuses_is_no_missing_right(status, said, who, words):
    """Who refuses, and what it says; a Role would help nobody."""
    kubernetes, transport = api(Answer(status, {"message": said}))
    with pytest.raises(errors.Refused) as caught:
        kubernetes.merge_patch(ES.at("shop", "a"), {})
    (problem,) = caught.value.problems
    assert problem.what.startswith("The ")
    assert f"{who} does not let this account patch externalsecrets/a in namespace shop ({status})" in problem.what
    assert words in problem.what
    assert not problem.what.endswith("..")
    assert "Role" not in problem.remedy
    assert len(transport.sent) == 1


def test_what_admission_says_holds_no_value(monkeypatch):
    """A webhook may quote the object."""
    redactor = masking.Redactor()
    redactor.add("pa55-in-a-webhook")
    monkeypatch.setattr(masking, "_active", [redactor])
    kubernetes, _ = api(Answer(403, {"message": f"{WEBHOOK}: pa55-in-a-webhook is weak"}))
    with pytest.raises(errors.Refused) as caught:
        kubernetes.merge_patch(ES.at("shop", "a"), {})
    assert "pa55" not in str(caught.value)


def test_rbacs_own_no_is_a_missing_right():
    """Whatever the object and the user are called."""
    said = (
        'deployments.apps "exceeded quota" is forbidden: User "admission webhook" cannot patch resource "deployments"'
    )
    kubernetes, _ = api(Answer(403, {"message": said}))
    with pytest.raises(errors.Forbidden):
        kubernetes.merge_patch(ES.at("shop", "a"), {})


def test_a_webhook_that_does_not_answer_is_tried_again_and_named():
    """It may come back."""
    said = 'Internal error occurred: failed calling webhook "away.example.com": failed to call webhook: no endpoints'
    kubernetes, transport = api(*[Answer(500, {"message": said})] * 5)
    with pytest.raises(errors.Unavailable, match=r"The admission webhook away\.example\.com does not answer"):
        kubernetes.merge_patch(ES.at("shop", "a"), {})
    assert len(transport.sent) == 5


def test_a_login_page_is_no_api_server():
    """A good status with another body."""
    kubernetes, _ = api(Answer(200, b"<html>"))
    with pytest.raises(errors.Refused, match="is not a Kubernetes API server"):
        kubernetes.get(ES.at("shop", "a"))


def test_a_list_is_read_page_by_page():
    """All pages, and the version to watch on from."""
    kubernetes, transport = api(
        Answer(200, {"items": [{"n": 1}], "metadata": {"continue": "more", "resourceVersion": "4"}}),
        Answer(200, {"items": [{"n": 2}], "metadata": {"resourceVersion": "5"}}),
    )
    assert kubernetes.list(ES.at("shop")) == (({"n": 1}, {"n": 2}), "5")
    assert transport.sent[1][1].endswith("continue=more")


@pytest.mark.parametrize(
    ("page", "size"),
    [
        ({"items": [{"n": 1}], "metadata": {"continue": "more", "remainingItemCount": 6}}, 7),
        ({"items": [{"n": 1}], "metadata": {"continue": "more"}}, math.inf),
        ({"items": [{"n": 1}], "metadata": {}}, 1),
        ({"items": []}, 0),
    ],
)
def test_the_size_of_a_list_is_told_by_its_first_object(page, size):
    """As far as the API server says."""
    kubernetes, transport = api(Answer(200, page))
    assert kubernetes.size(ES.at()) == size
    assert transport.sent[0][1].endswith("?limit=1")


def test_a_patch_names_us_and_merges():
    """Field manager and content type."""
    kubernetes, transport = api(Answer(200, {"a": 1}))
    kubernetes.merge_patch(ES.at("shop", "a"), {"metadata": {}})
    method, url, body, headers = transport.sent[0]
    assert (method, body) == ("PATCH", {"metadata": {}})
    assert url.endswith("?fieldManager=secret-sync")
    assert headers["Content-Type"] == "application/merge-patch+json"


def test_a_secrets_data_stays_in_the_cluster():
    """Only metadata is asked for."""
    kubernetes, transport = api(Answer(200, {"metadata": {}}))
    kubernetes.get(SECRETS.at("shop", "a"), metadata_only=True)
    assert "as=PartialObjectMetadata" in transport.sent[0][3]["Accept"]


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        (Answer(201, {"status": {"allowed": True}}), True),
        (Answer(201, {"status": {"allowed": False}}), False),
        (Answer(201, {}), True),
        (Answer(403), True),
        (Answer(404), True),
    ],
)
def test_rights_are_reviewed(answer, allowed):
    """Only a plain no is a no: where the review itself is barred, the request will tell."""
    kubernetes, _ = api(answer)
    assert kubernetes.may("patch", ES.at("shop", "a")) is allowed


def test_an_absent_group_serves_no_version():
    """ESO is not there."""
    assert api(Answer(404))[0].served_versions("external-secrets.io") == ()


def _line(kind, **thing):
    return json.dumps({"type": kind, "object": thing}).encode()


def test_a_watch_gives_events_and_ends_with_the_server():
    """Half a line at the end is left to the next watch."""
    answer = Answer(200, lines=[_line("ADDED", n=1), _line("BOOKMARK", n=2), b'{"type": "MOD'])
    kubernetes, transport = api(answer)
    assert list(kubernetes.watch(ES.at("shop"), "5", 60)) == [("ADDED", {"n": 1}), ("BOOKMARK", {"n": 2})]
    assert "resourceVersion=5" in transport.sent[0][1]
    assert answer.closed


def test_a_watch_that_is_too_old_says_so():
    """410 in an event, as the API server sends it in the middle of a watch."""
    kubernetes, _ = api(Answer(200, lines=[_line("ERROR", code=410, message="too old")]))
    with pytest.raises(errors.Gone):
        list(kubernetes.watch(ES.at("shop"), "5", 60))


@pytest.mark.parametrize("items", [[1, "x"], [{"n": 1}, None], "x", 7, {"a": 1}])
def test_a_list_of_something_else_is_refused(items):
    """What has no objects in it is not taken for objects."""
    with pytest.raises(errors.Refused, match="is not a Kubernetes API server"):
        api(Answer(200, {"items": items}))[0].list(ES.at("shop"))


def test_a_watch_of_something_else_is_refused():
    """A line that is JSON, and no event."""
    with pytest.raises(errors.Refused, match="is not a Kubernetes API server"):
        list(api(Answer(200, lines=[b"[1]"]))[0].watch(ES.at("shop"), "5", 60))


class Odd:
    """An API whose answers nobody foresaw."""

    def __getattr__(self, name):
        def fails(*arguments, **options):
            raise AttributeError(name)

        return fails


def test_a_thread_tells_of_an_answer_that_nobody_foresaw():
    """It does not die: the run would wait for its timeout."""
    threads = Threads(Odd(), ES, [("shop", "a")])
    broken = threads.next(5.0)
    assert isinstance(broken, WatchBroken)
    assert broken.ended
    threads.annotate(("shop", "a"), "run-7")
    assert isinstance(threads.next(5.0).result, ClusterError)
    threads.read_hash(("shop", "a"), "a")
    assert isinstance(threads.next(5.0).result, ClusterError)
    threads.read_events(("shop", "a"), "u1")
    assert threads.next(5.0).events == ()
    threads.close()


class Watched(Odd):
    """A namespace that may not be watched, and another whose watch tells nothing."""

    def __init__(self):
        self.over = threading.Event()

    def watch(self, place, *_):
        if place.namespace == "barred":
            raise FORBIDDEN
        self.over.wait(5.0)
        raise UNREACHABLE


def test_a_look_at_tools_that_nobody_foresaw_is_answered_all_the_same():
    """Unanswered, nobody would look again, and the worker would be gone."""
    cluster = Watched()
    threads = Threads(cluster, ES, [("shop", "a")], Listing({}, {"shop": "1"}))
    for _ in range(20):  # more than there are workers
        threads.look_at_tools({("shop", "a")}, set(), "")
        threads.ask_to_refresh(APPLICATIONS.at("argocd", "x"))
    answers = []
    while len(answers) < 40:
        message = threads.next(5.0)
        assert message is not None
        answers += [message] if isinstance(message, ToolsSeen | RefreshAsked) else []
    assert all(answer == ToolsSeen(()) or isinstance(answer.error, ClusterError) for answer in answers)
    assert sum(answer == ToolsSeen(()) for answer in answers) == 20
    threads.close()
    cluster.over.set()


def test_what_came_while_nobody_listened_is_told_once_and_holds_up_nothing():
    """Of each ExternalSecret its last state; what comes from now on is told before it, and in its place."""

    def seen(name, version, namespace="shop"):
        return Seen((namespace, name), {"metadata": {"name": name, "resourceVersion": version}})

    cluster = Watched()
    keys = [*(("shop", name) for name in "abc"), ("barred", "d")]
    first = {key: seen(key[1], "1").live for key in keys}
    threads = Threads(cluster, ES, keys, Listing(first, {"shop": "1", "barred": "1"}))
    threads._messages.put(seen("a", "2"))
    while threads._messages.qsize() < 6:
        time.sleep(0.01)
    threads.skip_to_now()
    threads._messages.put(seen("b", "3"))
    assert [threads.next(0.0) for _ in range(6)] == [
        seen("d", "1", "barred"),
        WatchBroken({("barred", "d")}, FORBIDDEN, ended=True),
        seen("b", "3"),
        seen("a", "2"),
        seen("c", "1"),
        None,
    ]
    threads.close()
    cluster.over.set()


@pytest.mark.parametrize("value", ["x9" * 400, "two  words\tand\x01more", "request id: abcdef-0123"])
def test_known_values_are_hidden_before_a_text_is_cut(value, monkeypatch):
    """One that is cut or folded would be found no more."""
    redactor = masking.Redactor()
    redactor.add(value)
    monkeypatch.setattr(masking, "_active", [redactor])
    assert errors.clean(f"the webhook says {value} here") == "the webhook says *** here"


def test_a_stopped_watch_gives_nothing():
    """Stopped before it began, or while it waits."""
    answer = Answer(200, lines=[_line("ADDED")])
    watch = api(answer)[0].watch(ES.at("shop"), "5", 60)
    watch.stop()
    assert list(watch) == []
    assert answer.closed


@pytest.mark.parametrize(
    ("outside", "told"),
    [
        ("a\nb\tc\x1b[0m\u2028d", "a b c [0m d"),
        ("status: 400, RequestID: 1b2f-9a, api error X: no", "status: 400, api error X: no"),
        ("denied, request id: ABC-1", "denied"),
        ("x" * 500, "x" * 299 + "…"),
    ],
)
def test_outside_text_is_cleaned(outside, told):
    """One line, no control characters, no request ids, and not long."""
    assert errors.clean(outside) == told


# Over a real connection


def test_a_certificate_without_key_identifier_is_accepted():
    """As kubectl does; Python ≥ 3.13 alone would refuse it."""
    with KubernetesServer("", eso=False, tls=make_certificate(authority_key_identifier=False)) as server:
        kubernetes = connect(settings(server.kubeconfig()), Log(), eks=None)
        assert "v1" in kubernetes.served_versions("external-secrets.io")
        kubernetes.close()


def test_another_ca_is_refused():
    """Relaxed is only the form of the certificate: trust is not."""
    other = make_certificate()
    with KubernetesServer("", eso=False) as server:
        kubeconfig = server.kubeconfig()
        server.ca_pem = other.certificate_pem
        kubernetes = connect(settings(server.kubeconfig()), Log(), eks=None)
        with pytest.raises(errors.NotTrusted, match=r"TLS with .* fails: .*certificate"):
            kubernetes.served_versions("external-secrets.io")
        verified = connect(settings(kubeconfig), Log(), eks=None)
        assert verified.served_versions("external-secrets.io")


def test_another_host_name_is_refused_and_tls_server_name_mends_it():
    """The name in the certificate counts, or the one that the kubeconfig says."""
    with KubernetesServer("", eso=False) as server:
        wrong = server.kubeconfig().replace("server:", "tls-server-name: elsewhere\n    server:")
        with pytest.raises(errors.NotTrusted):
            connect(settings(wrong), Log(), eks=None).served_versions("external-secrets.io")
        right = wrong.replace("elsewhere", "localhost")
        assert connect(settings(right), Log(), eks=None).served_versions("external-secrets.io")


def test_a_loopback_address_goes_through_no_proxy(monkeypatch):
    """As Go has it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with KubernetesServer("", eso=False) as server:
        assert connect(settings(server.kubeconfig()), Log(), eks=None).served_versions("external-secrets.io")


@pytest.mark.parametrize(
    ("server", "words"),
    [("https://127.0.0.1:1", "Connection refused"), ("https://nowhere.invalid", "its name is not known to DNS")],
)
def test_a_server_that_is_not_there_is_told_by_name(server, words, monkeypatch):
    """The address, why, and what to check."""
    monkeypatch.setattr("secret_action.cluster.api._BACKOFF", ())
    kubeconfig = (
        f"clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers: []\n"
        "contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n"
    )
    with pytest.raises(errors.Unreachable) as caught:
        connect(settings(kubeconfig), Log(), eks=None).get(Resource("v1", "pods").at())
    assert f"{server} cannot be reached: {words}" in caught.value.problems[0].what
    assert "0x" not in str(caught.value)


def test_eks_is_reached_by_name():
    """Address, CA and token come from AWS; the token is masked."""

    class Eks:
        def __init__(self, server):
            self.server = server

        def describe_cluster(self, name):
            import base64

            assert name == "shop"
            return self.server.url, base64.b64encode(self.server.ca_pem.encode()).decode()

        def token(self, name):
            return self.server.admin_token

    with KubernetesServer("", eso=False) as server:
        log = Log()
        kubernetes = connect(settings(eks_cluster="shop"), log, eks=lambda: Eks(server))
        assert kubernetes.served_versions("external-secrets.io")
        assert server.admin_token in log.masked
        assert log.lines == [f"Cluster: EKS shop at {server.url}"]
