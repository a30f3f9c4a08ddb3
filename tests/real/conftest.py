"""The real cluster, started once for all tests that ask for it, with moto in the place of SSM.

Another suite gets it with ``from tests.real.conftest import real_cluster, ssm_url``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from sandbox.real import build
from sandbox.real.cluster import RealCluster


@pytest.fixture(scope="session")
def ssm_url() -> Iterator[str]:
    """The URL of an empty SSM."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def real_cluster(ssm_url: str) -> Iterator[RealCluster]:
    """A cluster whose ESO reads from ``ssm_url`` and which serves both of ESO's API versions."""
    if build.binaries() is None:
        pytest.skip("the real cluster's programs are not built: make real-cluster builds them")
    with RealCluster(ssm_url) as cluster:
        yield cluster
