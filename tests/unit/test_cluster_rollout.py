"""A roll is awaited as long as was asked for, and no request outlasts that by much."""

import threading

from cluster_samples import Log, Time

from secret_action.cluster import errors
from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.owners import Owners
from secret_action.cluster.rollout import restart
from secret_action.cluster.scene import Reader
from secret_action.cluster.standing import Standing, Step
from secret_action.cluster.workload import Workload
from secret_action.cluster.workloads import Look
from secret_action.errors import ClusterError
from secret_action.model import Problem, WorkloadState


class Hanging(Time):
    """An API server that takes requests and answers none, and the clock beside it."""

    server = "https://cluster"

    def send(self, method, url, *, body, headers, read_timeout):
        self.at += read_timeout
        raise errors.Unreachable(Problem("it does not answer"))


def test_a_server_that_does_not_answer_costs_no_more_than_the_timeout():
    """And a last look."""
    world = Hanging()
    live = {"metadata": {"namespace": "shop", "name": "web", "generation": 2}, "spec": {}}
    one = Standing(Workload("Deployment", live, {}), WorkloadState.STILL_OLD, ("db",), step=Step.WAIT)
    (found,) = restart(KubernetesApi(world, clock=world), Look((one,)), 30.0, Log(), world)
    assert found.state is WorkloadState.FAILED
    assert found.detail.startswith("Its new pods were not available after 30 s: The cluster's API server")
    assert not found.detail.endswith("..")
    assert world.at <= 32.0


class SideBySide:
    """Answers a list only when another is under way."""

    server = "https://cluster"

    def __init__(self):
        self.both = threading.Barrier(2, timeout=20)

    def send(self, method, url, *, body, headers, read_timeout):
        if "limit=" in url and url.startswith("/apis/apps/"):
            self.both.wait()
        return Empty()


class Empty:
    status, retry_after = 200, 0.0

    def read(self):
        return b'{"items": []}'


def test_workloads_are_listed_several_lists_at_a_time():
    """Of two namespaces: six lists of workloads that would wait for one another for ever."""
    scene = Reader(KubernetesApi(SideBySide()), strict=True).scene({"a", "b"})
    assert scene.workloads == ()


class Expired:
    """A cluster whose credentials can no longer be renewed; the error is none of the API server's."""

    def __getattr__(self, _):
        def refuse(*_, **__):
            raise ClusterError(Problem("The token cannot be renewed."))

        return refuse


def test_a_token_that_cannot_be_renewed_makes_workloads_unknown_and_not_the_release_fail():
    """Without a roll they are only told of; what was proven stays proven."""
    scene = Reader(Expired(), strict=False).scene(["shop"])
    assert (scene.workloads, scene.blind) == ((), frozenset({"shop"}))
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u"}
    live = {"metadata": {"namespace": "shop", "name": "web", "ownerReferences": [owner]}}
    workload = Workload("Deployment", live, {})
    assert Owners(Expired()).above([workload]).keys() == {workload.key}
