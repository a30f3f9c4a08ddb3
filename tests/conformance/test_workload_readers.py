"""Who reads a Secret is told by templates, by the pods themselves, and by the owners of a workload."""

from __future__ import annotations

from typing import Any

import pytest

from secret_action.model import Consumer, WorkloadState
from tests.conformance.shop import Shop, a_second, states

pytestmark = pytest.mark.thorough

PLAIN = {"containers": [{"name": "app", "image": "shop:1"}]}
READS = [{"secretRef": {"name": "db"}}]
CLAIM = Consumer("WebService", "shop", "db", "secret1Name")
OWNER = {"apiVersion": "platform.example/v1", "kind": "WebService", "name": "shop", "uid": "c-1"}


def claimed(shop: Shop) -> None:
    """WebService → something → Deployment, whose template does not name the Secret itself."""
    shop.consumers = (CLAIM,)
    shop.sync()
    a_second()
    middle = {"name": "middle", "namespace": shop.namespace, "ownerReferences": [OWNER]}
    made = shop.cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": middle})
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "middle", "uid": made["metadata"]["uid"]}
    shop.run("Deployment", "web", PLAIN, {"ownerReferences": [owner]})
    a_second()


def rights(*more: dict[str, Any]) -> list[dict[str, Any]]:
    """What a look at the workloads needs."""
    return [
        {"apiGroups": ["external-secrets.io"], "resources": ["externalsecrets"], "verbs": ["list", "watch", "patch"]},
        {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "daemonsets"], "verbs": ["list"]},
        {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["list"]},
        {"apiGroups": ["argoproj.io"], "resources": ["rollouts"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        *more,
    ]


def test_a_claim_is_followed_down_its_owners_to_the_workload(shop: Shop) -> None:
    claimed(shop)
    shop.run("Deployment", "other", PLAIN)
    a_second()
    shop.parameter("key", "two")
    assert states(shop.release()) == {"web": "restarted"}


def test_a_claim_that_leads_nowhere_is_not_checked(shop: Shop) -> None:
    shop.consumers = (CLAIM,)
    shop.sync()
    assert states(shop.look()) == {"shop": "not checked"}


def test_a_claim_is_followed_although_another_reads_the_same_secret(shop: Shop) -> None:
    """Who else reads it says nothing of the claim's own workload."""
    claimed(shop)
    shop.run("Deployment", "worker")
    a_second()
    shop.parameter("key", "two")
    assert states(shop.release()) == {"web": "restarted", "worker": "restarted"}


def test_owners_that_may_not_be_read_make_not_checked(shop: Shop) -> None:
    """With the right that is missing, and whoever else reads the Secret."""
    claimed(shop)
    shop.run("Deployment", "worker")
    blind = shop.connect(shop.cluster.add_user(f"blind-{shop.namespace}", rights(), [shop.namespace]))
    found = shop.look(api=blind)
    assert states(found) == {"shop": "not checked", "worker": "up to date"}
    assert 'resources: ["configmaps"], verbs: ["get"]' in found["shop"].detail
    owners = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    sees = shop.connect(shop.cluster.add_user(f"sees-{shop.namespace}", rights(owners), [shop.namespace]))
    assert states(shop.look(api=sees)) == {"web": "up to date", "worker": "up to date"}


def test_a_workload_named_after_its_claim_settles_it(shop: Shop) -> None:
    """What a composition makes through another provider has no owner at all."""
    shop.consumers = (CLAIM,)
    shop.sync()
    a_second()
    shop.run("Deployment", "shop-x7k2p")
    assert states(shop.look()) == {"shop-x7k2p": "up to date"}


def test_pods_of_another_template_count_by_what_they_read_themselves(shop: Shop) -> None:
    """The template has ceased to name the Secret, and is not rolled out: the pods still run with it."""
    shop.sync()
    a_second()
    shop.run("Deployment", "web")
    change = {"spec": {"paused": True, "template": {"spec": PLAIN}}}
    shop.cluster.request("PATCH", shop.place("Deployment", "web"), change)
    assert "envFrom" not in shop.read(shop.place("Deployment", "web"))["spec"]["template"]["spec"]["containers"][0]
    a_second()
    shop.parameter("key", "two")
    found = shop.look()["web"]
    assert (found.state, found.secrets) == (WorkloadState.STILL_OLD, ("db",))


def test_a_container_that_runs_first_and_is_done_has_the_old_data_too(shop: Shop) -> None:
    """What it made of the Secret is what the others run with."""
    shop.sync()
    a_second()
    shop.run("Deployment", "web", {"initContainers": [{"name": "first", "image": "shop:1", "envFrom": READS}], **PLAIN})
    a_second()
    shop.parameter("key", "two")
    assert states(shop.release()) == {"web": "restarted"}
    a_second()
    assert states(shop.release()) == {"web": "up to date"}
