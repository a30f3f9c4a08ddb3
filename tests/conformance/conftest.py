"""The two clusters of the conformance suite: the sandbox's stand-in, and the real thing where it is built."""

from collections.abc import Iterator

import pytest

from sandbox.aws import AwsServer
from sandbox.kubernetes import KubernetesServer
from sandbox.kubernetes_workloads import Controllers
from sandbox.real import build
from sandbox.real.cluster import RealCluster
from sandbox.real.controllers import NAME, RealControllers
from tests.conformance.gitops import define
from tests.conformance.lab import Cluster, Lab, running_cluster
from tests.conformance.shop import Shop


@pytest.fixture(scope="session")
def aws() -> Iterator[AwsServer]:
    """The SSM that both operators read."""
    with AwsServer() as server:
        yield server


@pytest.fixture(scope="session", params=["stand-in", pytest.param("real", marks=pytest.mark.real)])
def cluster(request: pytest.FixtureRequest, aws: AwsServer) -> Iterator[Cluster]:
    """A cluster whose operator reads `aws`, with both of its API versions."""
    with running_cluster(request.param, aws) as started:
        yield started


@pytest.fixture
def lab(cluster: Cluster, aws: AwsServer) -> Lab:
    """A namespace for one test."""
    return Lab(cluster, aws)


@pytest.fixture(scope="module")
def controllers(cluster: Cluster) -> Iterator[Controllers | RealControllers]:
    """Those of the cluster: nothing rolls without them."""
    if isinstance(cluster, KubernetesServer):
        with Controllers(cluster.store) as running:
            yield running
        return
    if build.binary(NAME) is None:
        pytest.skip(f"{NAME} is not built: python -m sandbox.real.controllers builds it")
    with RealControllers(cluster) as real:
        yield real


@pytest.fixture
def shop(cluster: Cluster, aws: AwsServer, controllers: Controllers | RealControllers) -> Shop:
    """A namespace for one test in which workloads roll."""
    return Shop(cluster, aws, controllers)


@pytest.fixture(scope="module")
def tools(cluster: Cluster) -> None:
    """A cluster in which both tools' kinds are known; neither tool runs."""
    for group, version, kind in (
        ("argoproj.io", "v1alpha1", "Application"),
        ("kustomize.toolkit.fluxcd.io", "v1", "Kustomization"),
    ):
        if isinstance(cluster, RealCluster):
            define(cluster, group, version, kind)
    cluster.create_namespace("argocd")
    cluster.create_namespace("flux-system")
