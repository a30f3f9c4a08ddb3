"""The two clusters of the conformance suite: the sandbox's stand-in, and the real thing where it is built."""

from collections.abc import Iterator

import pytest

from sandbox.aws import AwsServer
from sandbox.kubernetes import KubernetesServer
from sandbox.real import build
from sandbox.real.cluster import RealCluster
from tests.conformance.lab import Cluster, Lab


@pytest.fixture(scope="session")
def aws() -> Iterator[AwsServer]:
    """The SSM that both operators read."""
    with AwsServer() as server:
        yield server


@pytest.fixture(scope="session", params=["stand-in", pytest.param("real", marks=pytest.mark.real)])
def cluster(request: pytest.FixtureRequest, aws: AwsServer) -> Iterator[Cluster]:
    """A cluster whose operator reads `aws`, with both of its API versions."""
    if request.param == "stand-in":
        with KubernetesServer(aws.url) as server:
            yield server
        return
    if build.binaries() is None:
        pytest.skip("the real cluster's programs are not built: make real-cluster builds them")
    with RealCluster(aws.url) as real:
        yield real


@pytest.fixture
def lab(cluster: Cluster, aws: AwsServer) -> Lab:
    """A namespace for one test."""
    return Lab(cluster, aws)
