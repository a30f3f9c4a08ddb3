"""Which workloads run with old data, and how far a roll is: decided from objects alone."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from secret_action.cluster.claims import with_claims
from secret_action.cluster.consumption import reloader_marks_of
from secret_action.cluster.owners import Above
from secret_action.cluster.pods import pod
from secret_action.cluster.progress import progress
from secret_action.cluster.roll import Roll
from secret_action.cluster.scene import Scene
from secret_action.cluster.standing import Dated, Step, standing
from secret_action.cluster.workload import RESTARTED_AT, Workload
from secret_action.model import Consumer, WorkloadState

CHANGED = datetime(2026, 5, 2, 12, 0, 0, tzinfo=UTC)
BEFORE, AFTER = "2026-05-01T00:00:00Z", "2026-05-03T00:00:00Z"
SPEC = {"containers": [{"name": "app", "envFrom": [{"secretRef": {"name": "db"}}]}]}
PLAIN = {"containers": [{"name": "app"}]}
RUNNING = [{"name": "app", "state": {"running": {"startedAt": BEFORE}}}]
DB = {"db": Dated(CHANGED, {})}


AUTO = {"reloader.stakater.com/auto": "true"}
RELOADED_FROM = "reloader.stakater.com/last-reloaded-from"


def live_pod(name="p", made=BEFORE, spec=SPEC, phase="Running", told=(), owner="", metadata=None, **status):
    fields = [{"manager": "kubelet", "subresource": "status", "time": when} for when in told]
    about = metadata or {}
    metadata = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "creationTimestamp": made, **about}
    if owner:
        metadata["labels"] = {"pod-template-hash": "5f"}
        metadata["ownerReferences"] = [{"kind": "ReplicaSet", "name": f"{owner}-5f", "controller": True}]
    metadata["managedFields"] = [{"manager": "kube-controller-manager", "time": made}, *fields]
    return pod({"metadata": metadata, "spec": spec, "status": {"phase": phase, **status}})


def workload(kind="Deployment", template=SPEC, status=None, annotations=None, name="w", **spec):
    template = {"metadata": {"annotations": annotations or {}}, "spec": template}
    metadata = {"namespace": "shop", "name": name, "generation": 1}
    live = {"metadata": metadata, "spec": {"template": template, **spec}, "status": status or {}}
    return Workload(kind, live, template)


ASKED = "2026-05-02T12:00:01Z"
ANNOTATED = {f"f:{RESTARTED_AT}": {}}
DONE = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
HALF = DONE | {"replicas": 2, "availableReplicas": 1}


@pytest.mark.parametrize(
    ("spec", "status", "state"),
    [
        (SPEC, {"containerStatuses": RUNNING}, "still old"),
        (SPEC, {}, "still old"),
        (SPEC, {"phase": "Pending"}, "up to date"),
        (SPEC, {"phase": "Pending", "containerStatuses": [{"name": "app", "state": {"waiting": {}}}]}, "up to date"),
        (SPEC, {"containerStatuses": [{"name": "side", "state": {"running": {"startedAt": BEFORE}}}]}, "still old"),
        (
            {"initContainers": SPEC["containers"], **PLAIN},
            {"phase": "Pending", "initContainerStatuses": [{"name": "app", "state": {"terminated": {"exitCode": 0}}}]},
            "still old",
        ),
    ],
)
def test_a_pod_that_runs_counts_as_old_also_where_no_kubelet_tells_of_its_containers(spec, status, state):
    """Virtual nodes may not; only one that is known not to have started has read nothing yet."""
    found = standing(workload(template=spec), [live_pod(spec=spec, **status)], DB)
    assert found.state == state


@pytest.mark.parametrize(
    ("made", "told", "phase", "state"),
    [
        ("2026-05-01T00:00:00Z", ["2026-05-01T00:00:10Z"], "Running", "still old"),
        ("2026-05-01T00:00:01Z", ["2026-05-01T00:00:10Z"], "Running", "up to date"),
        ("2026-05-01T00:00:01Z", ["2026-05-01T00:00:10Z", "2026-05-01T12:00:00Z"], "Running", "still old"),
        ("2026-05-01T00:00:01Z", ["2026-05-01T00:00:10Z", ""], "Running", "still old"),
        ("2026-05-01T00:00:01Z", [], "Running", "still old"),
        ("2026-05-01T12:00:01Z", ["2026-05-01T12:00:10Z"], "Running", "still old"),
        ("2026-05-01T12:00:01Z", [], "Pending", "up to date"),
        ("2026-05-02T12:00:01Z", ["2026-05-02T12:00:10Z"], "Running", "up to date"),
    ],
)
def test_where_data_may_have_come_and_gone_a_pod_counts_by_what_the_api_server_knows_of_it(made, told, phase, state):
    """The data was the same from midnight to noon; what came then is unknown, up to noon of the next day."""
    certain = (datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC))
    found = standing(
        workload(), [live_pod(made=made, told=told, phase=phase)], {"db": replace(DB["db"], certain=certain)}
    )
    assert found.state == state


OPTIONAL = {"containers": [{"name": "app", "envFrom": [{"secretRef": {"name": "db", "optional": True}}]}]}
BOTH = {"containers": SPEC["containers"] + [{**OPTIONAL["containers"][0], "name": "side"}]}
STARTED = [{"name": "app", "state": {"running": {"startedAt": AFTER}}}]


@pytest.mark.parametrize(
    ("begun", "spec", "state"),
    [
        (None, SPEC, "still old"),
        ({"uid-p"}, SPEC, "still old"),
        (set(), SPEC, "up to date"),
        ({"uid-another"}, SPEC, "up to date"),
        (set(), OPTIONAL, "still old"),
        (set(), BOTH, "still old"),
    ],
)
def test_a_pod_older_than_its_secret_is_new_where_it_was_seen_to_wait_for_it(begun, spec, state):
    """When it has started is told by its node's clock, which proves nothing. Another Secret of the name may have been
    there before, and what can do without one does not wait."""
    secret = Dated(CHANGED, {}, fresh=True, begun=None if begun is None else frozenset(begun))
    found = standing(workload(template=spec), [live_pod(spec=spec, containerStatuses=STARTED)], {"db": secret})
    assert found.state == state


def test_each_pod_counts_by_what_it_reads_itself():
    """A webhook has added the Secret to one, and another is of a template that did not have it."""
    found = standing(workload(template=PLAIN), [live_pod("a"), live_pod("b", spec=PLAIN)], DB)
    assert (found.state, found.old) == (WorkloadState.STILL_OLD, {"uid-a": "a"})
    assert standing(workload(template=PLAIN), [live_pod(spec=PLAIN)], DB) is None


def test_a_rollout_whose_template_is_elsewhere_is_known_by_its_pods():
    """Argo also takes it from a ReplicaSet or a PodTemplate."""
    rollout = workload("Rollout", {}, workloadRef={"kind": "PodTemplate", "name": "w"})
    assert standing(rollout, [live_pod()], DB).step is Step.ROLL


@pytest.mark.parametrize(
    ("asked", "status", "step"),
    [
        ("", HALF, Step.ROLL),
        ("2026-05-02T12:00:00Z", HALF, Step.ROLL),
        ("2026-05-02T12:00:01Z", HALF, Step.WAIT),
        ("2026-05-02T14:00:01+02:00", HALF, Step.WAIT),
        ("2026-05-02T14:00:00+02:00", HALF, Step.ROLL),
        ("2026-05-03T00:00:00Z", DONE, Step.ROLL),
        ("yesterday", HALF, Step.ROLL),
        ("0001-01-01T00:00:00+14:00", HALF, Step.ROLL),
    ],
)
def test_a_roll_since_the_change_that_is_not_done_is_awaited(asked, status, step):
    """By whoever; one that is done and has left old pods was another's."""
    rolled = workload(status=status, annotations={RESTARTED_AT: asked})
    assert standing(rolled, [live_pod()], DB).step is step


def test_a_roll_that_was_on_its_way_and_left_old_pods_is_followed_by_ours():
    """Its time was another clock's."""
    roll = Roll(standing(workload(status=HALF, annotations={RESTARTED_AT: AFTER}), [live_pod()], DB))
    assert not roll.due
    roll.seen(workload(status=HALF).live, [live_pod()], 1.0)
    assert not roll.due
    roll.seen(workload(status=DONE).live, [live_pod()], 2.0)
    assert roll.due
    roll.begun(workload(status=DONE).live)
    roll.seen(workload(status=DONE).live, [live_pod()], 3.0)
    assert not roll.due
    roll.seen(workload(status=DONE).live, [live_pod("new", AFTER)], 4.0)
    assert roll.told(0.0, 5.0).state is WorkloadState.RESTARTED


AVAILABLE = {"conditions": [{"type": "Progressing", "reason": "NewReplicaSetAvailable"}]}
LOST = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}
REVISION = {"currentRevision": "b", "updateRevision": "b"}
ON_NODES = {"observedGeneration": 1, "desiredNumberScheduled": 2, "numberAvailable": 1}
LONG_AGO = "2026-05-02T12:10:02Z"  # after the roll, which was asked for at 12:00:01
READY = [{"type": "Ready", "status": "True"}]


@pytest.mark.parametrize(
    ("kind", "status", "made", "waits"),
    [
        ("Deployment", LOST | AVAILABLE, "2026-05-02T12:00:03Z", False),
        ("Deployment", LOST | AVAILABLE | {"observedGeneration": 0}, LONG_AGO, True),
        ("Deployment", LOST | AVAILABLE | {"updatedReplicas": 1}, LONG_AGO, True),
        ("Deployment", LOST | AVAILABLE | {"replicas": 0, "updatedReplicas": 0}, LONG_AGO, True),
        ("Deployment", LOST | {"conditions": [{"type": "Progressing", "reason": "ReplicaSetUpdated"}]}, LONG_AGO, True),
        ("Deployment", LOST, "2026-05-02T12:00:03Z", True),
        ("Deployment", LOST, LONG_AGO, False),
        ("StatefulSet", LOST | REVISION, "2026-05-02T12:00:03Z", False),
        ("StatefulSet", LOST | REVISION | {"currentRevision": "a"}, LONG_AGO, True),
        ("StatefulSet", LOST, LONG_AGO, True),
        ("DaemonSet", ON_NODES | {"updatedNumberScheduled": 2}, "2026-05-02T12:00:03Z", True),
        ("DaemonSet", ON_NODES | {"updatedNumberScheduled": 2}, LONG_AGO, False),
        ("DaemonSet", ON_NODES | {"updatedNumberScheduled": 1}, LONG_AGO, True),
        ("Rollout", LOST | {"restartedAt": ASKED}, LONG_AGO, False),
        ("Rollout", LOST | {"restartedAt": ""}, LONG_AGO, True),
    ],
)
def test_a_roll_that_was_done_once_is_not_awaited_again(kind, status, made, waits):
    """Its pods have the data; that one of them is not available since is another matter, and said."""
    one = workload(kind, status=status, annotations={RESTARTED_AT: ASKED}, replicas=2)
    spec = {"f:restartAt": {}} if kind == "Rollout" else {"f:template": {"f:metadata": {"f:annotations": ANNOTATED}}}
    one.live["metadata"]["managedFields"] = [{"time": ASKED, "fieldsV1": {"f:spec": spec}}]
    one.live["spec"]["restartAt"] = ASKED
    pods = [live_pod("a", "2026-05-02T12:00:02Z", conditions=READY), live_pod("b", made)]
    found = standing(one, pods, DB)
    assert (found.state, found.step is Step.WAIT) == (WorkloadState.UP_TO_DATE, waits)
    assert ("since then, 1 of 2 pods are available" in found.detail) is not waits


def test_old_pods_are_rolled_where_the_roll_since_the_change_was_done_once():
    """It was asked for by another clock. That a pod is not available since keeps the others from nothing."""
    one = workload(status=LOST | AVAILABLE, annotations={RESTARTED_AT: AFTER}, replicas=2)
    assert standing(one, [live_pod(), live_pod("b", AFTER)], DB).step is Step.ROLL


def test_a_roll_that_is_awaited_ends_when_it_was_done_once():
    """Between two looks a pod may have been lost again. Nothing is old, so nothing is rolled."""
    awaited = Roll(standing(workload(status=LOST, annotations={RESTARTED_AT: AFTER}, replicas=2), [], DB))
    assert (awaited.over, awaited.due) == (False, False)
    awaited.seen(workload(status=LOST | AVAILABLE, replicas=2).live, [live_pod("b", AFTER)], 1.0)
    assert (awaited.over, awaited.due) == (True, False)


@pytest.mark.parametrize(
    ("kind", "status", "spec", "waits"),
    [
        ("Deployment", HALF, {}, True),
        ("Deployment", HALF, {"paused": True}, False),
        ("StatefulSet", HALF, {"updateStrategy": {"type": "OnDelete"}}, False),
        ("CronJob", {}, {}, False),
    ],
)
def test_where_reloader_has_rolled_for_fresh_data_the_new_pods_are_awaited(kind, status, spec, waits):
    """Unless nothing comes of a changed template."""
    fresh = {"db": Dated(CHANGED, {}, fresh=True)}
    one = workload(kind, status=status, **spec)
    one = Workload(kind, one.live, one.template | {"metadata": {"annotations": AUTO}})
    assert (standing(one, [], fresh).step is Step.WAIT) is waits
    assert standing(one, [], DB).step is Step.NONE


SECOND = "2026-05-02T12:00:00Z"


def reloaders():
    """A workload that is Reloader's to roll, and in order."""
    one = workload(status=DONE)
    return Workload("Deployment", one.live, one.template | {"metadata": {"annotations": AUTO}})


def mark(secret="db", value="1", **told):
    """What Reloader leaves in a pod that it makes, of its two strategies by the second."""
    told = {"type": "SECRET", "name": secret, "hash": value, **told}
    return {"metadata": {"annotations": {RELOADED_FROM: json.dumps(told)}}}


def variable(name="STAKATER_DB_SECRET", value="1"):
    """The same by the first."""
    return {"spec": {"containers": [{**SPEC["containers"][0], "env": [{"name": name, "value": value}]}]}}


@pytest.mark.parametrize(
    ("made", "pod", "written", "step"),
    [
        (SECOND, mark(), ["db"], None),
        (SECOND, mark(type="", kind="Secret"), ["db"], None),
        (SECOND, variable(), ["STAKATER_DB_SECRET"], None),
        (SECOND, variable(), ["STAKATER_DB_SECRET", "STAKATER_MAIL_SECRET"], None),
        (BEFORE, mark(), ["db"], Step.WAIT),
        (SECOND, {}, ["db"], Step.WAIT),
        (SECOND, mark(), [], Step.WAIT),
        (SECOND, variable(), [], Step.WAIT),
        (SECOND, variable(value="0"), ["STAKATER_DB_SECRET"], Step.WAIT),
        (SECOND, mark("mail"), ["mail"], Step.ROLL),
        (SECOND, mark(type="CONFIGMAP"), [""], Step.ROLL),
        (SECOND, {"metadata": {"annotations": {RELOADED_FROM: "db"}}}, [""], Step.ROLL),
        (SECOND, {"metadata": {"annotations": {RELOADED_FROM: "[1]"}}}, [""], Step.ROLL),
        (SECOND, variable("STAKATER_MAIL_SECRET"), ["STAKATER_MAIL_SECRET"], Step.ROLL),
    ],
)
def test_a_pod_of_the_very_second_is_new_where_reloader_made_it_for_this_secret(made, pod, written, step):
    """It rolls what has changed, so what it has written since the survey is from after the change. Where that is about
    another Secret, nothing shows which change was first, and Reloader has no more to do: it is rolled here."""
    found = live_pod(made=made, owner="w", **pod)
    ours = {name: found.marks.get(name, "1") for name in written}
    if found.marks.get("STAKATER_DB_SECRET") == "0":  # the pod is of an older template
        ours["STAKATER_DB_SECRET"] = "1"
    fresh = {"db": Dated(CHANGED, {}, fresh=True, reloads={("shop", "Deployment", "w"): ours})}
    judged = standing(reloaders(), [found], fresh)
    assert (judged.state is WorkloadState.UP_TO_DATE, judged.step) == (step is None, step or Step.NONE)


def test_a_pod_of_the_very_second_that_reloader_had_its_time_for_is_rolled():
    """In a later run nothing tells when it was made, and Reloader does nothing more about it."""
    assert standing(reloaders(), [live_pod(made=SECOND, owner="w", **mark())], DB).step is Step.ROLL
    assert standing(reloaders(), [live_pod(made=SECOND), live_pod("older")], DB).step is Step.WAIT


def test_marks_of_reloader_are_hashes_of_data_and_not_shown():
    assert "marker" not in repr(live_pod(**mark(value="marker"), **variable(value="marker")))
    assert "marker" not in repr(Dated(CHANGED, {}, reloads={("shop", "Deployment", "w"): {"db": "marker"}}))


@pytest.mark.parametrize(
    ("secret", "name"), [("db", "STAKATER_DB_SECRET"), ("my-app.db--1", "STAKATER_MY_APP_DB_1_SECRET")]
)
def test_reloader_names_its_variables_after_the_secret(secret, name):
    assert name in reloader_marks_of(secret)


@pytest.mark.parametrize(
    ("start", "kept", "old"),
    [({}, {"w-0"}, {"w-1", "w-2"}), ({"ordinals": {"start": 1}}, {"w-1"}, {"w-2", "w-3"})],
)
def test_a_partition_keeps_the_pods_below_it_and_no_others(start, kept, old):
    """Those from it on are rolled, and the rest is said."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    one = workload("StatefulSet", updateStrategy=rolling, replicas=3, **start)
    found = standing(one, [live_pod(name) for name in sorted(kept | old)], DB)
    assert (set(found.kept.values()), set(found.old.values()), found.step) == (kept, old, Step.ROLL)
    assert found.command.endswith(" ".join(sorted(kept | old)))
    none = standing(one, [live_pod(name) for name in kept], DB)
    assert (none.state, none.step) == (WorkloadState.STILL_OLD, Step.NONE)


def test_a_roll_with_a_partition_is_done_when_the_pods_from_it_on_are_new():
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    status = {"observedGeneration": 1, "currentRevision": "a", "updateRevision": "b", "availableReplicas": 3}
    for new, words in ((1, "1 of 2 pods are new"), (2, "")):
        one = workload("StatefulSet", None, status | {"updatedReplicas": new}, updateStrategy=rolling, replicas=3)
        assert progress(one, [], ()).words == words


def test_a_claim_is_asked_for_in_its_own_namespace():
    """Another namespace may have a Secret of the same name."""
    consumer = Consumer("WebService", "shop", "db", "secret1Name", namespace="shop")
    scene = Scene((workload(template=PLAIN),), {}, frozenset())

    class Owners:
        def above(self, workloads):
            return {one.key: Above(frozenset({("WebService", "shop")})) for one in workloads}

    found, unknown = with_claims(Owners(), scene, (consumer,), {("shop", "db"), ("other", "db")})
    assert ([use.secret for use in found.workloads[0].claimed], unknown) == (["db"], ())


def test_of_a_pod_only_what_matters_is_kept():
    """Thousands are listed: not their values, their mounts, their managers."""
    spec = {"containers": [{"name": "app", "env": [{"name": "X", "value": "marker"}], "image": "marker"}]}
    metadata = {"namespace": "shop", "name": "p", "managedFields": ["marker"], "annotations": {"marker": "marker"}}
    status = {"containerStatuses": [{"name": "app", "image": "marker"}], "conditions": [{"type": "marker"}]}
    assert "marker" not in repr(pod({"metadata": metadata, "spec": spec, "status": status}))
