"""A GitOps tool is quoted, asked and believed only as far as what it says goes."""

from dataclasses import replace

import pytest
from cluster_samples import LABELS, PATH, Log, live, rendered

from secret_action.cluster.attempt import Terms
from secret_action.cluster.awaited import Awaited
from secret_action.cluster.deployed import deployment
from secret_action.cluster.deployers import NOWHERE, Deployers
from secret_action.cluster.errors import Forbidden, NotFound, Refused
from secret_action.cluster.gitops import APPLICATIONS, KUSTOMIZATIONS, Mark, mark_of, superseded, tool_of
from secret_action.cluster.gitops_requests import look
from secret_action.cluster.targets import Target
from secret_action.model import Problem, Tenants
from secret_action.selector import parse_selector

OURS, OTHER, THIRD = "a" * 40, "b" * 40, "c" * 40
KEY = ("shop", "a")


TENANTS = Tenants("", OURS, "org/tenants", "main", default_branch=True)
SOURCE = {"repoURL": "https://github.com/org/tenants.git", "targetRevision": "main"}


def application(name="shop", sync="Synced", revision=OTHER, annotations=None, source=None, sources=(), **status):
    owned = {"group": "external-secrets.io", "kind": "ExternalSecret", "namespace": "shop", "name": "a"}
    found = {
        "sync": {"status": sync, "revision": revision},
        "health": {"status": "Healthy"},
        "resources": [owned, {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "b"}],
    }
    metadata = {"name": name, "namespace": "argocd", "annotations": annotations or {}}
    spec = {"source": source or {}, "sources": list(sources)}
    return {"metadata": metadata, "spec": spec, "status": found | status}


def kustomization(ready="True", applied=f"main@sha1:{OTHER}", **status):
    condition = {"type": "Ready", "status": ready, "reason": "R", "message": "a\nmessage."}
    found = {
        "lastAppliedRevision": applied,
        "conditions": [condition],
        "inventory": {
            "entries": [{"id": f"shop_{each}"} for each in ("a_external-secrets.io_ExternalSecret", "b_apps_X")]
        },
    }
    return {"metadata": {"name": "shop", "namespace": "flux-system"}, "status": found | status}


@pytest.mark.parametrize(
    ("labels", "annotations", "mark"),
    [
        ({}, {}, None),
        ({}, {"argocd.argoproj.io/tracking-id": "shop:external-secrets.io/ExternalSecret:shop/a"}, ("shop", True)),
        ({}, {"argocd.argoproj.io/tracking-id": "apps_shop:external-secrets.io/ExternalSecret:x/a"}, ("shop", True)),
        ({"argocd.argoproj.io/instance": "shop"}, {}, ("shop", True)),
        ({"app.kubernetes.io/instance": "shop"}, {}, ("shop", False)),
    ],
)
def test_argos_mark_is_read(labels, annotations, mark):
    """The label that Helm sets too is a hint and no more."""
    found = live(rendered(labels=LABELS | labels), annotations=annotations)
    assert mark_of(found) == (mark and Mark(APPLICATIONS, *mark))


def test_fluxs_mark_is_read():
    """Its label on everything that it applies."""
    found = live(rendered(labels=LABELS | {"kustomize.toolkit.fluxcd.io/name": "shop"}))
    assert mark_of(found) == Mark(KUSTOMIZATIONS, "shop", True)


def test_an_application_is_told_in_one_sentence():
    """Sync, commit, health, and what its operation and its conditions say, cleaned."""
    tool = tool_of(
        APPLICATIONS,
        application(
            sync="OutOfSync",
            health={"status": "Degraded", "message": "no\x1b[31m pods"},
            operationState={"phase": "Failed", "message": "x"},
            conditions=[{"type": "ComparisonError", "message": "cannot render"}],
        ),
        OURS,
    )
    assert tool.words == (
        "Argo CD Application argocd/shop is OutOfSync at commit bbbbbbb, Degraded "
        "(no [31m pods; Failed x; ComparisonError: cannot render)"
    )
    assert (tool.commit, tool.owned) == ("", {KEY})


@pytest.mark.parametrize(
    ("sync", "commit"),
    [
        ({"status": "Synced", "revision": OTHER}, OTHER),
        ({"status": "Synced", "revisions": [OTHER, OURS]}, OURS),
        ({"status": "Synced", "revisions": [OTHER, THIRD]}, ""),
        ({"status": "Synced", "revision": "1.2.3"}, ""),
        ({"status": "OutOfSync", "revision": OTHER}, ""),
        ({}, ""),
    ],
)
def test_an_applications_commit_is_what_the_cluster_holds(sync, commit):
    """Of several sources the one that is ours; a chart's version is no commit, and what is not synced is not held."""
    assert tool_of(APPLICATIONS, application() | {"status": {"sync": sync}}, OURS).commit == commit


@pytest.mark.parametrize(
    ("found", "commit", "words"),
    [
        (kustomization(), OTHER, "ready at commit bbbbbbb (R; a message)"),
        (kustomization(applied=f"main/{OTHER}"), OTHER, "ready at commit"),
        (kustomization("False"), "", "not ready at commit bbbbbbb"),
        (kustomization("Unknown"), "", "at work"),
        (kustomization(lastAttemptedRevision=f"main@sha1:{OURS}"), "", "ready"),
        (kustomization(applied="sha256:x"), "", "is ready (R"),
    ],
)
def test_a_kustomization_is_told_in_one_sentence(found, commit, words):
    """Its commit only where it has applied what it last tried."""
    tool = tool_of(KUSTOMIZATIONS, found, OURS)
    assert (tool.commit, tool.owned) == (commit, {KEY})
    assert words in tool.words


@pytest.mark.parametrize(
    ("found", "known", "later"),
    [
        (application(), {}, False),
        (application(), {"looked_again": True}, False),
        (application(source=SOURCE), {"looked_again": True}, True),
        (application(source=SOURCE | {"repoURL": "git@github.com:org/Tenants.git"}), {"looked_again": True}, True),
        (application(source=SOURCE | {"targetRevision": "refs/heads/main"}), {"looked_again": True}, True),
        (application(source=SOURCE | {"targetRevision": "HEAD"}), {"looked_again": True}, True),
        (application(source={"repoURL": SOURCE["repoURL"]}), {"looked_again": True}, True),
        (application(sources=[{"repoURL": "https://x/charts"}, SOURCE]), {"looked_again": True}, True),
        (application(source=SOURCE | {"targetRevision": "v1.0"}), {"looked_again": True}, False),
        (application(source=SOURCE | {"repoURL": "https://github.com/other/charts"}), {"looked_again": True}, False),
        (application(source=SOURCE, sync="OutOfSync"), {"looked_again": True}, False),
        (application(), {"held_before": True}, True),
        (application(history=[{"revision": OTHER}, {"revision": OURS}, {"revision": OTHER}]), {}, False),
        (application(history=[{"revision": OTHER}, {"revision": OURS}]), {"held_before": True}, False),
        (application(history=[{"revision": OURS}, {"revision": THIRD}]), {}, True),
        (application(history=[{"revision": OURS}, {"revision": OTHER}]), {}, True),
        (application(history=[{"revision": THIRD}, {"revision": OTHER}]), {}, False),
        (application(revision=OURS), {"looked_again": True, "held_before": True}, False),
        (application(sync="OutOfSync"), {"looked_again": True}, False),
    ],
)
def test_a_later_commit_is_told_from_an_older_one(found, known, later):
    """Commits have no order of their own."""
    given = {"looked_again": False, "held_before": False} | known
    assert superseded(tool_of(APPLICATIONS, found, OURS), TENANTS, **given) is later
    assert not superseded(tool_of(APPLICATIONS, found, ""), NOWHERE, **given)


@pytest.mark.parametrize(
    ("ours", "follows", "later"),
    [
        (TENANTS, "main", True),
        (replace(TENANTS, ref="refs/heads/main"), "main", True),
        (replace(TENANTS, default_branch=False), "HEAD", False),
        (replace(TENANTS, ref="release"), "main", False),
        (replace(TENANTS, ref=""), "main", False),
        (replace(TENANTS, repository=""), "main", False),
    ],
)
def test_only_who_follows_our_branch_is_believed_after_looking_again(ours, follows, later):
    """Another branch's newest commit has nothing to do with ours."""
    found = tool_of(APPLICATIONS, application(source=SOURCE | {"targetRevision": follows}), OURS)
    assert superseded(found, ours, looked_again=True, held_before=False) is later


class Api:
    """Answers from a table of paths; all else is forbidden."""

    def __init__(self, table):
        self.table, self.asked = table, []

    def _answer(self, place):
        self.asked.append(place.path)
        answer = self.table.get(place.path, Forbidden(Problem("no")))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get(self, place):
        return self._answer(place)

    def list(self, place):
        return tuple(self._answer(place)), "1"


HOME = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
ALL = "/apis/argoproj.io/v1alpha1/applications"


@pytest.mark.parametrize(
    ("table", "marks", "found"),
    [
        ({}, {Mark(APPLICATIONS, "shop", True)}, []),
        ({f"{HOME}/shop": application()}, {Mark(APPLICATIONS, "shop", True)}, ["shop"]),
        ({f"{HOME}/shop": application()}, {Mark(APPLICATIONS, "shop", False)}, ["shop"]),
        ({f"{HOME}/shop": NotFound(Problem("no")), ALL: [application()]}, {Mark(APPLICATIONS, "shop", True)}, ["shop"]),
        ({HOME: [application("x", resources=[]), application()]}, set(), ["shop"]),
        ({ALL: [application("x", resources=[])]}, set(), []),
    ],
)
def test_tools_are_looked_for_as_far_as_rights_go(table, marks, found):
    """By name first, then among all; what is barred or not there is left out."""
    assert [tool.place.name for tool in look(Api(table), {KEY}, marks, OURS)] == found


class Outside:
    def __init__(self):
        self.looks, self.asked = 0, []

    def look_at_tools(self, keys, marks, commit):
        self.looks += 1

    def ask_to_refresh(self, place):
        self.asked.append(place.name)

    def annotate(self, key, token):
        pass


READ = [{"secretKey": "K0", "remoteRef": {"key": PATH}}]


def waiting(outside, changed="2h"):
    """One whose live object has another interval than the manifest."""
    terms = Terms("run-7", parse_selector("zerotouch.io/managed=true"), {}, False, frozenset(), 5.0)
    one = Awaited(Target("shop", rendered(refreshInterval=changed)), terms, outside)
    one.seen(live(), 0.0)
    return one


def test_argo_is_asked_once_and_believed_after_it_has_looked():
    """What was read before our request landed, or while it is pending, tells nothing of the order of commits."""
    outside, log = Outside(), Log()
    one = waiting(outside)
    deployers = Deployers(outside, log, TENANTS)
    read = tool_of(APPLICATIONS, application(source=SOURCE), OURS)
    for _ in range(2):
        deployers.tick([one], 1.0)
        deployers.seen([read], [one], 1.0)
    assert (outside.asked, "superseded" in one.words) == (["shop"], False)
    deployers.tick([one], 7.0)
    deployers.asked(read.place, None)
    deployers.seen([read], [one], 7.0)
    assert one.phase.name == "DEPLOYING"
    deployers.tick([one], 13.0)
    pending = application(source=SOURCE, annotations={"argocd.argoproj.io/refresh": "normal"})
    deployers.seen([tool_of(APPLICATIONS, pending, OURS)], [one], 13.0)
    assert one.phase.name == "DEPLOYING"
    deployers.tick([one], 20.0)
    deployers.seen([read], [one], 20.0)
    assert one.phase.name == "ANNOTATING"
    (said,) = log.lines
    assert said == f"{read.words}; this run judged commit aaaaaaa"


@pytest.mark.parametrize(("error", "told"), [(Refused(Problem("Frozen.")), True), (Forbidden(Problem("no")), False)])
def test_a_request_to_argo_that_is_refused_is_told_once_and_not_believed(error, told):
    """Where it is no more than a right that nobody need give, in silence."""
    log = Log()
    deployers = Deployers(Outside(), log, TENANTS)
    read = tool_of(APPLICATIONS, application(source=SOURCE), OURS)
    one = waiting(Outside())
    deployers.asked(read.place, error)
    deployers.tick([one], 7.0)
    deployers.seen([read], [one], 7.0)
    assert "superseded" not in one.words
    assert any("is not asked to look at its branch again. Frozen." in line for line in log.lines) is told


def test_nothing_is_looked_for_where_all_is_deployed():
    """No request without need."""
    outside = Outside()
    Deployers(outside, Log(), TENANTS).tick([waiting(outside, "1h")], 1.0)
    assert outside.looks == 0


@pytest.mark.parametrize(
    ("live_es", "selected", "later", "done"),
    [
        (rendered(refreshInterval="2h"), True, True, True),
        (rendered(refreshInterval="2h"), True, False, False),
        (rendered(refreshInterval="2h"), False, True, False),
        (rendered(references=["/zerotouch/dev/shop/a", "/more"]), True, True, True),
        (rendered(references=["/other"]), True, True, False),
        (rendered(data=[{"secretKey": "X", "remoteRef": {"key": PATH}}]), True, True, False),
        (rendered(data=[{"secretKey": "K0", "remoteRef": {"key": PATH, "property": "p"}}]), True, True, False),
        (rendered(data=[{"secretKey": "K0", "remoteRef": {"key": PATH, "version": "1"}}]), True, True, False),
        (rendered(data=[*READ, {"secretKey": "K0", "remoteRef": {"key": "/other"}}]), True, True, False),
        (rendered(secretStoreRef={"name": "another"}), True, True, False),
    ],
)
def test_a_later_commit_must_ask_for_the_same_parameters(live_es, selected, later, done):
    """More is fine; less is not what this run wrote."""
    assert deployment(rendered(), live(live_es), selected=selected, superseded=later).done is done
