"""Pods that run with old data are found and rolled, with the controllers of the stand-in and the real ones."""

from __future__ import annotations

import pytest

from sandbox.kubelet import CRASHED
from secret_action.cluster.rollout import restart
from secret_action.cluster.workload import RESTARTED_AT
from secret_action.cluster.workloads import look
from secret_action.model import WorkloadState
from secret_action.ports import SystemClock
from tests.conformance.lab import eventually
from tests.conformance.refusals import frozen
from tests.conformance.shop import LABELS, RELOADER, Shop, a_second, available, define_rollouts, rollout_pod, states

pytestmark = pytest.mark.thorough


def test_each_workload_is_rolled_once_for_new_data_and_never_again(shop: Shop) -> None:
    """Two Secrets change, every kind reads both: one roll each; the next runs, which refresh as well, roll nothing."""
    shop.sync("db", "mail")
    a_second()
    both = [{"secretRef": {"name": name}} for name in ("db", "mail")]
    pod = {"containers": [{"name": "app", "image": "shop:1", "envFrom": both}]}
    names = {"Deployment": "web", "StatefulSet": "queue", "DaemonSet": "agent"}
    for kind, name in names.items():
        shop.start(kind, name, pod, **({} if kind == "DaemonSet" else {"replicas": 2}))
    for kind, name in names.items():
        shop.wait_for(shop.place(kind, name), available)
    before = shop.pods()
    a_second()

    shop.parameter("key", "two")
    assert states(shop.release("db", "mail")) == dict.fromkeys(names.values(), "restarted")
    after = shop.pods()
    assert (len(after), before.keys() & after.keys()) == (5, set())
    for kind, name in names.items():
        assert shop.read(shop.place(kind, name))["metadata"]["generation"] == 2

    for _ in range(2):
        a_second()
        assert states(shop.release("db", "mail")) == dict.fromkeys(names.values(), "up to date")
    assert shop.pods() == after


def test_each_of_two_changes_rolls(shop: Shop) -> None:
    """The second changes no more than a text that was there: its time is what tells."""
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    for generation, value in ((2, "two"), (3, "three")):
        a_second()
        shop.parameter("key", value)
        assert states(shop.release()) == {"web": "restarted"}
        assert shop.read(shop.place("Deployment", "web"))["metadata"]["generation"] == generation
        assert shop.secret("db") == {"key": value}


def test_a_run_that_died_after_the_refresh_is_made_good_by_the_next(shop: Shop) -> None:
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    a_second()
    shop.parameter("key", "two")
    shop.refresh(shop.survey())  # and here it died
    a_second()
    still = shop.look()["web"]
    assert still.state is WorkloadState.STILL_OLD
    assert still.secrets == ("db",)
    assert still.since
    assert still.command == f"kubectl -n {shop.namespace} rollout restart deployment/web"
    a_second()
    done = shop.release()["web"]
    assert done.state is WorkloadState.RESTARTED
    assert RESTARTED_AT in shop.read(shop.place("Deployment", "web"))["spec"]["template"]["metadata"]["annotations"]


def test_a_run_that_died_while_it_waited_is_made_good_without_another_roll(shop: Shop) -> None:
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    a_second()
    shop.parameter("key", "two")
    shop.troubles[shop.namespace] = "image"
    failed = shop.release(timeout=1.5)["web"]
    assert failed.state is WorkloadState.FAILED
    assert "is in ImagePullBackOff: Back-off pulling image" in failed.detail
    known = shop.survey()
    shop.refresh(known)
    seen = look(shop.api, known, restart=True)
    shop.troubles.clear()
    (done,) = restart(shop.api, seen, 20, shop.log, SystemClock())
    assert done.state is WorkloadState.RESTARTED
    assert shop.read(shop.place("Deployment", "web"))["metadata"]["generation"] == 2


def test_new_pods_that_crash_end_the_wait_with_what_they_said(shop: Shop) -> None:
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    a_second()
    shop.parameter("key", "two")
    shop.troubles[shop.namespace] = "crash"
    failed = shop.release()["web"]
    shop.troubles.clear()
    assert failed.state is WorkloadState.FAILED
    assert not failed.ok
    for words in ("CrashLoopBackOff", "exit code 1", CRASHED):
        assert words in failed.detail
    assert failed.command.startswith(f"kubectl -n {shop.namespace} logs web-")


def test_a_roll_that_admission_refuses_is_told_as_that(shop: Shop) -> None:
    """Not as a right that is missing."""
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    a_second()
    shop.parameter("key", "two")
    with frozen(shop, "webhook", shop.place("Deployment", "web")):
        failed = shop.release()["web"]
    assert failed.state is WorkloadState.FAILED
    assert "The admission webhook frozen.example.com does not let this account patch deployments/web" in failed.detail
    assert "(403): until Monday." in failed.detail


def test_an_exceeded_progress_deadline_ends_the_wait(shop: Shop) -> None:
    shop.sync()
    a_second()
    shop.run("Deployment", "web", progressDeadlineSeconds=1)
    a_second()
    shop.parameter("key", "two")
    shop.troubles[shop.namespace] = "image"
    failed = shop.release(timeout=20)["web"]
    shop.troubles.clear()
    assert failed.state is WorkloadState.FAILED
    assert "its progress deadline is exceeded: ReplicaSet" in failed.detail
    assert "ImagePullBackOff" in failed.detail


def test_pods_that_waited_for_the_first_secret_have_what_it_holds(shop: Shop) -> None:
    """They are older than the Secret, and could not start without it: neither this run nor the next rolls them."""
    late = f"/zerotouch/{shop.namespace}/late"
    shop.created("db", metadata={"labels": LABELS}, parameter=late)
    shop.start("Deployment", "web")
    eventually(shop.pods)
    a_second()
    known = shop.survey()
    shop.aws.put(late, "first")
    shop.refresh(known)
    shop.wait_for(shop.place("Deployment", "web"), available)
    assert states(shop.restart(known)) == {"web": "up to date"}
    a_second()
    assert states(shop.release()) == {"web": "up to date"}
    assert shop.generation("Deployment", "web") == 1


def test_a_secret_that_was_made_anew_makes_pods_old_whatever_the_clock_of_their_node_says(shop: Shop) -> None:
    """They have started an hour after it, by that clock."""
    shop.troubles[shop.namespace] = "ahead"
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    a_second()
    shop.parameter("key", "two")
    shop.cluster.request("DELETE", f"{shop.secrets}/db")
    shop.wait_for(f"{shop.secrets}/db", lambda _: shop.secret("db") == {"key": "two"})
    a_second()
    assert states(shop.release()) == {"web": "restarted"}
    assert shop.generation("Deployment", "web") == 2


def test_what_a_changed_template_does_not_renew_is_said(shop: Shop) -> None:
    shop.sync()
    a_second()
    shop.run("Deployment", "paused")
    shop.run("Deployment", "none", replicas=0)
    shop.run("StatefulSet", "by-hand", updateStrategy={"type": "OnDelete"})
    canary = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    shop.run("StatefulSet", "canary", replicas=2, updateStrategy=canary)
    files = {
        "containers": [{"name": "app", "image": "shop:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        "volumes": [{"name": "v", "secret": {"secretName": "db"}}],
    }
    shop.run("Deployment", "files", files)
    shop.cluster.request("PATCH", shop.place("Deployment", "paused"), {"spec": {"paused": True}})
    job = {"template": {"spec": {"restartPolicy": "Never", "containers": [
        {"name": "app", "image": "shop:1", "envFrom": [{"secretRef": {"name": "db"}}]}]}}}  # fmt: skip
    nightly = {"schedule": "0 3 * * *", "jobTemplate": {"spec": job}}
    about = {"name": "nightly", "namespace": shop.namespace}
    shop.cluster.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": about, "spec": nightly})
    a_second()
    shop.parameter("key", "two")
    before = shop.pods()
    found = shop.release()
    assert states(found) == {
        "paused": "still old",
        "none": "up to date",
        "by-hand": "still old",
        "canary": "still old",
        "files": "files renewed",
        "nightly": "up to date",
    }
    assert "rollout resume deployment/paused && kubectl" in found["paused"].command
    assert found["by-hand"].command.endswith("delete pod by-hand-0")
    assert found["canary"].command.endswith("delete pod canary-0")
    assert "below number 1 (`partition`)" in found["canary"].detail
    kept = before.items() & shop.pods().items()
    assert {name for _, name in kept if name.startswith("canary")} == {"canary-0"}
    assert found["nightly"].detail == "Its next run reads the new data."
    assert all(one.ok for one in found.values())


def test_reloader_is_left_to_do_it_and_waited_for(shop: Shop) -> None:
    """Here nobody plays Reloader at first: that is said, and nothing is patched. Then somebody does."""
    shop.sync()
    a_second()
    shop.run("Deployment", "web", metadata={"annotations": RELOADER})
    a_second()
    shop.parameter("key", "two")
    failed = shop.release(timeout=0.5)["web"]
    assert failed.state is WorkloadState.FAILED
    assert failed.detail.startswith("Reloader has not rolled it")
    live = shop.read(shop.place("Deployment", "web"))
    assert live["metadata"]["generation"] == 1
    known = shop.survey()
    change = {"spec": {"template": {"metadata": {"annotations": {"reloader.stakater.com/last-reloaded-from": "db"}}}}}
    seen = look(shop.api, known, restart=True)
    shop.cluster.request("PATCH", shop.place("Deployment", "web"), change)
    (done,) = restart(shop.api, seen, 20, shop.log, SystemClock())
    assert (done.state, done.detail) == (WorkloadState.LEFT_TO_RELOADER, "Reloader has rolled it.")


def test_a_rollout_of_argo_is_restarted_by_its_own_field(shop: Shop) -> None:
    """Neither cluster has Argo's controller: the test plays it."""
    define_rollouts(shop.cluster)
    shop.sync()
    a_second()
    container = {"name": "app", "image": "shop:1", "envFrom": [{"secretRef": {"name": "db"}}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    about = {"name": "web", "namespace": shop.namespace}
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    shop.cluster.apply({**kind, "metadata": about, "spec": {"replicas": 1, "template": template}})
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{shop.namespace}/rollouts/web"
    rollout_pod(shop, "web-77", container)
    a_second()
    shop.parameter("key", "two")
    known = shop.survey()
    shop.refresh(known)
    seen = look(shop.api, known, restart=True)
    assert [(one.workload.kind, str(one.state)) for one in seen.standings] == [("Rollout", "still old")]

    class Controller(SystemClock):
        """Plays the controller while the product waits."""

        def sleep(self, seconds: float) -> None:
            live = shop.read(path)
            if asked := live["spec"].get("restartAt"):
                shop.cluster.request(
                    "DELETE", f"/api/v1/namespaces/{shop.namespace}/pods/web-77", {"gracePeriodSeconds": 0}
                )
                status = {"restartedAt": asked, "availableReplicas": 1, "phase": "Healthy"}
                status["observedGeneration"] = str(live["metadata"]["generation"])
                shop.cluster.request("PATCH", f"{path}/status", {"status": status})
            super().sleep(seconds)

    (done,) = restart(shop.api, seen, 20, shop.log, Controller())
    assert done.state is WorkloadState.RESTARTED
