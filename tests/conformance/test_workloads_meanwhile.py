"""What others do to workloads and Secrets meanwhile is neither undone, nor done twice, nor mistaken for new data."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from secret_action.cluster import progress
from secret_action.cluster.rollout import restart
from secret_action.cluster.workload import RESTARTED_AT
from secret_action.cluster.workloads import look
from secret_action.model import WorkloadState
from secret_action.ports import SystemClock
from tests.conformance.lab import Object, again_and_again, eventually
from tests.conformance.shop import RELOADER, Shop, a_second, available, states

pytestmark = pytest.mark.thorough


def annotated(name: str, value: str) -> Object:
    return {"spec": {"template": {"metadata": {"annotations": {name: value}}}}}


def test_a_roll_by_hand_that_is_on_its_way_is_awaited(shop: Shop) -> None:
    """Somebody was faster than the run: one roll is enough."""
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    a_second()
    shop.parameter("key", "two")
    shop.refresh(shop.survey())
    time.sleep(2.1)
    shop.troubles[shop.namespace] = "image"
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    shop.cluster.request("PATCH", shop.place("Deployment", "web"), annotated(RESTARTED_AT, now))
    known = shop.survey()
    shop.refresh(known)
    seen = look(shop.api, known, restart=True)
    assert [one.state for one in seen.standings] == [WorkloadState.STILL_OLD]
    shop.troubles.clear()
    (done,) = restart(shop.api, seen, 20, shop.log, SystemClock())
    assert done.state is WorkloadState.RESTARTED
    assert shop.generation("Deployment", "web") == 2


def test_a_roll_of_reloader_whose_pods_do_not_come_up_fails_the_run(shop: Shop) -> None:
    """Though no pod with the old data is left, there is none with the new data either."""
    shop.sync()
    a_second()
    shop.run("StatefulSet", "queue", metadata={"annotations": RELOADER})
    a_second()
    shop.parameter("key", "two")
    known = shop.survey()
    shop.refresh(known)
    shop.troubles[shop.namespace] = "crash"
    a_second()
    old = shop.pods().keys()
    shop.cluster.request("PATCH", shop.place("StatefulSet", "queue"), annotated("reloaded", "db"))
    shop.wait_for(shop.place("StatefulSet", "queue"), lambda live: not available(live) and not old & shop.pods().keys())
    seen = look(shop.api, known, restart=True)
    (failed,) = restart(shop.api, seen, 20, shop.log, SystemClock())
    shop.troubles.clear()
    assert failed.state is WorkloadState.FAILED
    assert failed.detail.startswith("Its new pods do not become available: ")
    assert "CrashLoopBackOff" in failed.detail
    assert shop.generation("StatefulSet", "queue") == 2


def test_a_pod_that_is_lost_after_a_roll_is_not_awaited(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """No later run has anything to roll, whatever ails the workload by then."""
    monkeypatch.setattr(progress, "_LONGEST_ROLL", timedelta(seconds=1))  # instead of ten minutes
    shop.sync()
    a_second()
    names = {"Deployment": "web", "StatefulSet": "queue", "DaemonSet": "agent"}
    for kind, name in names.items():
        shop.run(kind, name, **({} if kind == "DaemonSet" else {"replicas": 2}))
    a_second()
    shop.parameter("key", "two")
    assert states(shop.release(timeout=60)) == dict.fromkeys(names.values(), "restarted")
    time.sleep(3)
    shop.troubles[shop.namespace] = "image"
    victims = {name.rpartition("-")[0].partition("-")[0]: (uid, name) for uid, name in shop.pods().items()}
    for _, name in victims.values():
        shop.cluster.request("DELETE", f"/api/v1/namespaces/{shop.namespace}/pods/{name}", {"gracePeriodSeconds": 0})
    eventually(lambda: len(shop.pods()) == 5 and not shop.pods().keys() & {uid for uid, _ in victims.values()})
    for kind, name in names.items():
        shop.wait_for(shop.place(kind, name), lambda live: not available(live) and all_made(live))
    found = shop.release(timeout=60)
    shop.troubles.clear()
    assert states(found) == dict.fromkeys(names.values(), "up to date"), found
    assert all("since then, " in one.detail for one in found.values())
    assert [shop.generation(kind, name) for kind, name in names.items()] == [2, 2, 2]


def all_made(live: Object) -> bool:
    """All its pods are there, and new, as its controller says."""
    status, wanted = live["status"], live["spec"].get("replicas", 1)
    return bool(status.get("updatedReplicas", status.get("updatedNumberScheduled")) == wanted)


@pytest.mark.parametrize("strategy", ["variables", "annotation"])
def test_a_roll_of_reloader_in_the_second_of_the_change_is_its_roll(shop: Shop, strategy: str) -> None:
    """It is faster than the clock of Kubernetes, which counts whole seconds. The next run has nothing to do either."""
    shop.sync()
    a_second()
    shop.run("Deployment", "web", metadata={"annotations": RELOADER})
    a_second()
    shop.parameter("key", "two")
    known = shop.survey()
    with reloader(shop, strategy):
        time.sleep(1.02 - time.time() % 1)  # so that one second is likely to hold it all
        shop.refresh(known)
        done = shop.restart(known, timeout=60)["web"]
    assert done.state in (WorkloadState.LEFT_TO_RELOADER, WorkloadState.UP_TO_DATE), done
    for _ in range(2):
        a_second()
        assert states(shop.release()) == {"web": "up to date"}
    assert shop.generation("Deployment", "web") == 2


@contextmanager
def reloader(shop: Shop, strategy: str) -> Iterator[None]:
    """Rolls the Deployment `web` whenever the Secret `db` has other data, as Reloader does."""
    before = shop.secret("db")

    def run() -> None:
        nonlocal before
        if (now := shop.secret("db")) != before:
            before = now
            shop.cluster.request("PATCH", shop.place("Deployment", "web"), change(now["key"]))

    def change(seen: str) -> Object:
        if strategy == "annotation":
            told = {"type": "SECRET", "name": "db", "namespace": shop.namespace, "hash": seen}
            return annotated("reloader.stakater.com/last-reloaded-from", json.dumps(told))
        live = shop.read(shop.place("Deployment", "web"))
        (container,) = live["spec"]["template"]["spec"]["containers"]
        marked = container | {"env": [{"name": "STAKATER_DB_SECRET", "value": seen}]}
        return {"spec": {"template": {"spec": {"containers": [marked]}}}}

    with again_and_again(run, 0.02):
        yield


def test_labels_that_others_change_are_no_new_data(shop: Shop) -> None:
    """A GitOps tool labels each release, and ESO copies that to the Secret: nothing is rolled for it."""
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    a_second()
    for run in (1, 2):
        assert states(shop.release()) == {"web": "up to date"}
        a_second()
        relabelled(shop, f"1.{run}.0")
    assert states(shop.release()) == {"web": "up to date"}
    a_second()
    shop.parameter("key", "two")
    relabelled(shop, "2.0.0")
    a_second()
    assert states(shop.release()) == {"web": "restarted"}
    for run in (1, 2):  # the pods that the roll has made are younger than the run's own annotation
        a_second()
        relabelled(shop, f"2.{run}.0")
        a_second()
        assert states(shop.release()) == {"web": "up to date"}
    assert shop.generation("Deployment", "web") == 2


def test_a_pod_that_may_have_started_with_data_that_came_and_went_is_rolled(shop: Shop) -> None:
    """Of which the labels of the next release leave no trace: once, and not again for the labels after that."""
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    shop.run("Deployment", "batch")
    a_second()
    assert states(shop.release()) == {"web": "up to date", "batch": "up to date"}
    a_second()
    shop.parameter("key", "two")
    relabelled(shop, "1.1.0")
    assert shop.secret("db") == {"key": "two"}
    a_second()
    (victim,) = (name for name in shop.pods().values() if name.startswith("web-"))
    shop.cluster.request("DELETE", f"/api/v1/namespaces/{shop.namespace}/pods/{victim}", {"gracePeriodSeconds": 0})
    eventually(lambda: victim not in shop.pods().values())
    shop.wait_for(shop.place("Deployment", "web"), available)
    a_second()
    shop.parameter("key", "one")
    relabelled(shop, "1.2.0")
    assert shop.secret("db") == {"key": "one"}
    a_second()
    assert states(shop.release()) == {"web": "restarted", "batch": "up to date"}
    a_second()
    relabelled(shop, "1.3.0")
    a_second()
    assert states(shop.release()) == {"web": "up to date", "batch": "up to date"}
    assert [shop.generation("Deployment", name) for name in ("web", "batch")] == [2, 1]


def test_what_a_run_that_died_found_doubtful_is_rolled_by_the_next(shop: Shop) -> None:
    """Its annotation is newer than the doubtful pod, and says so."""
    shop.sync()
    a_second()
    shop.run("Deployment", "batch")
    assert states(shop.release()) == {"batch": "up to date"}
    a_second()
    shop.run("Deployment", "web")
    a_second()
    relabelled(shop, "1.1.0")
    shop.refresh(shop.survey())  # and here it died
    a_second()
    assert states(shop.release())["web"] == "restarted"


def relabelled(shop: Shop, version: str) -> None:
    """As by a GitOps tool, and copied to the Secret."""
    change = {"metadata": {"labels": {"app.kubernetes.io/version": version}}}
    shop.cluster.request("PATCH", f"{shop.path}/db?fieldManager=argocd-controller", change)
    wanted = change["metadata"]["labels"].items()
    shop.wait_for(f"{shop.secrets}/db", lambda secret: wanted <= secret["metadata"].get("labels", {}).items())
