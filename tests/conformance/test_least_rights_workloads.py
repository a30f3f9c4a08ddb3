"""The rights of the example suffice to find old pods and to roll them, and each that is missing is told."""

from __future__ import annotations

import pytest

from sandbox.aws import AwsServer
from sandbox.kubernetes_workloads import Controllers
from sandbox.real.controllers import RealControllers
from secret_action.cluster.workloads import look
from secret_action.errors import ClusterError
from secret_action.model import WorkloadState
from tests.conformance.lab import Cluster
from tests.conformance.shop import Shop, a_second, available, define_rollouts, rollout_pod, states
from tests.conformance.test_least_rights import roles, user

pytestmark = pytest.mark.thorough

RIGHTS = [
    (resource, verb)
    for role in roles()
    if role["metadata"]["name"] == "secret-sync-workloads"
    for rule in role["rules"]
    for resource in rule["resources"]
    for verb in rule["verbs"]
] + [("secrets", "get")]
ROLLED = {"Deployment": "web", "StatefulSet": "queue", "DaemonSet": "agent"}


@pytest.fixture(scope="module")
def stale(cluster: Cluster, aws: AwsServer, controllers: Controllers | RealControllers) -> Shop:
    """A namespace with a workload of each kind whose pods have old data."""
    shop = Shop(cluster, aws, controllers)
    define_rollouts(cluster)
    shop.sync()
    a_second()
    for kind, name in ROLLED.items():
        shop.start(kind, name)
    pod = {"containers": [{"name": "app", "image": "shop:1", "envFrom": [{"secretRef": {"name": "db"}}]}]}
    template = {"metadata": {"labels": {"app": "site"}}, "spec": pod}
    about = {"name": "web", "namespace": shop.namespace}
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    cluster.apply({**head, "metadata": about, "spec": {"replicas": 1, "template": template}})
    rollout_pod(shop, "web-77", pod["containers"][0])
    for kind, name in ROLLED.items():
        shop.wait_for(shop.place(kind, name), available)
    a_second()
    shop.parameter("key", "two")
    shop.refresh(shop.survey())
    return shop


@pytest.mark.parametrize(("resource", "verb"), RIGHTS, ids=[" ".join(right) for right in RIGHTS])
def test_a_run_that_is_to_roll_is_told_of_each_right_before_its_first_write(
    stale: Shop, resource: str, verb: str
) -> None:
    """With the rule that grants it."""
    api = stale.connect(user(stale, without=(resource, verb)))
    with pytest.raises(ClusterError) as error:
        stale.survey(api)
    assert [problem.remedy.partition("resources: ")[2] for problem in error.value.problems] == [
        f'["{resource}"], verbs: ["{verb}"]}}'
    ]


@pytest.mark.parametrize(("resource", "verb"), RIGHTS, ids=[" ".join(right) for right in RIGHTS])
def test_a_run_that_only_tells_does_without_each_right(stale: Shop, resource: str, verb: str) -> None:
    """It says what it could not look at, and does not ask for what it would not use."""
    api = stale.connect(user(stale, without=(resource, verb)))
    found = look(api, stale.survey(api, rolls=False), restart=False).results
    unknown = [one.detail for one in found if one.state is WorkloadState.NOT_CHECKED]
    assert len(unknown) == (verb != "patch")
    assert all(f'resources: ["{resource}"], verbs: ["{verb}"]' in detail for detail in unknown)
    blind = resource in ("pods", "secrets")
    assert {one.state for one in found} - {WorkloadState.NOT_CHECKED} == (set() if blind else {WorkloadState.STILL_OLD})


def test_the_example_suffices_to_roll(shop: Shop) -> None:
    """From the survey to the last new pod."""
    shop.api = shop.connect(user(shop))
    shop.sync()
    a_second()
    for kind, name in ROLLED.items():
        shop.start(kind, name)
    for kind, name in ROLLED.items():
        shop.wait_for(shop.place(kind, name), available)
    a_second()
    shop.parameter("key", "two")
    assert states(shop.release()) == dict.fromkeys(ROLLED.values(), "restarted")
