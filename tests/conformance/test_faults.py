"""Whatever goes wrong underneath: a true result or a clear failure, and never "proven" for what was not read."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from sandbox.aws import AwsServer
from sandbox.http import Request
from sandbox.kubernetes import KubernetesServer
from sandbox.real.cluster import RealCluster
from sandbox.real.door import Door
from secret_action.model import ContentState, ExternalSecret, RefreshResult, RefreshState
from secret_action.values import SecretValue
from tests.conformance.lab import Cluster, Lab, again_and_again
from tests.conformance.product import MANAGED, Product
from tests.conformance.test_least_rights import user

pytestmark = pytest.mark.thorough


@contextmanager
def meanwhile(act: Callable[[], object], after: float = 0.3) -> Iterator[None]:
    """Something happens while the block runs."""
    timer = threading.Timer(after, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def right(lab: Lab, result: RefreshResult) -> None:
    """Proven, and true."""
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.PROVEN), result
    assert lab.secret("x") == {"key": "new"}


def release(product: Product, es: ExternalSecret) -> RefreshResult:
    (result,) = product.release(es, values={product.lab.parameter(value="old"): "new"})
    found: RefreshResult = result
    return found


class TestBoth:
    """On the stand-in and on the real thing."""

    def test_an_operator_that_comes_back(self, lab: Lab) -> None:
        """Killed before it could read, and started again."""
        product = Product(lab)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        if isinstance(lab.cluster, RealCluster):
            lab.cluster.kill_eso()
        else:
            lab.cluster.stop_eso()
        with meanwhile(lab.cluster.start_eso, 1.0):
            right(lab, release(product, es))

    def test_an_operator_that_stays_away(self, lab: Lab) -> None:
        """`Ready` stays True; that is what a failure looks like."""
        product = Product(lab, timeout=1.5)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        lab.cluster.stop_eso()
        try:
            result = release(product, es)
        finally:
            lab.cluster.start_eso()
        assert (result.state, result.ok) == (RefreshState.NOT_PROVEN, False)
        assert result.diagnosis is not None

    def test_an_object_that_is_made_anew_meanwhile(self, lab: Lab) -> None:
        """Another uid is another object: annotated and proven again."""
        product = Product(lab)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        lab.cluster.stop_eso()

        def anew() -> None:
            lab.cluster.request("DELETE", f"{lab.path}/x")
            lab.patch("x", {"metadata": {"finalizers": None}})
            lab.create("x", parameter=f"/zerotouch/{lab.namespace}/key", metadata={"labels": MANAGED})
            lab.cluster.start_eso()

        with meanwhile(anew, 0.5):
            right(lab, release(product, es))

    def test_an_object_that_is_deleted(self, lab: Lab) -> None:
        """As when its namespace goes."""
        product = Product(lab, timeout=2.0)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        lab.cluster.stop_eso()

        def delete() -> None:
            lab.cluster.request("DELETE", f"{lab.path}/x")
            lab.patch("x", {"metadata": {"finalizers": None}})

        try:
            with meanwhile(delete, 0.3):
                result = release(product, es)
        finally:
            lab.cluster.start_eso()
        assert (result.state, result.ok) == (RefreshState.NOT_DEPLOYED, False)
        assert "not in the cluster" in result.detail

    def test_somebody_who_takes_the_annotation_away(self, lab: Lab) -> None:
        """Answered by another one, and never believed: proven only for what the operator has read."""
        product = Product(lab)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        bare = {"metadata": {"annotations": {"force-sync": None}}}
        with again_and_again(lambda: lab.cluster.request("PATCH", f"{lab.path}/x", bare), 0.02):
            right(lab, release(product, es))


class TestReal:
    """What only the real thing can show."""

    @pytest.fixture
    def real(self, lab: Lab) -> RealCluster:
        if not isinstance(lab.cluster, RealCluster):
            pytest.skip("the stand-in has no such part")
        return lab.cluster

    @pytest.mark.parametrize("administrator", [True, False], ids=["administrator", "user"])
    def test_an_api_server_that_restarts(self, lab: Lab, real: RealCluster, administrator: bool) -> None:
        """It allows a user nothing until it has read its rules, which is not taken for a missing right."""
        es = Product(lab).deploy("x", parameter=lab.parameter(value="old"))
        token = None if administrator else user(lab)
        product = Product(lab, token, timeout=60.0)
        real.stop_eso()

        def restart() -> None:
            real.restart_apiserver()
            real.start_eso()

        with meanwhile(restart):
            right(lab, release(product, es))

    def test_an_etcd_that_is_lost(self, lab: Lab, real: RealCluster) -> None:
        """For ten seconds the API server can neither read nor write."""
        product = Product(lab, timeout=60.0)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        seen = product.inspect(es)
        real.stop_etcd()
        lab.aws.put(f"/zerotouch/{lab.namespace}/key", "new")

        with meanwhile(real.start_etcd, 10.0):
            (result,) = product.refresh(es, seen=seen)
        assert result.state is RefreshState.PROVEN, result
        assert lab.secret("x") == {"key": "new"}


Server = KubernetesServer | Door
"""What misbehaves: the stand-in itself, or a door before the real API server."""


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Iterator[Server]:
    if isinstance(cluster, KubernetesServer):
        yield cluster
        return
    with Door(cluster) as door:
        yield door


@pytest.fixture
def faulty(server: Server, lab: Lab) -> Iterator[Server]:
    yield server
    server.faults.clear()


def through(server: Server, lab: Lab, **settings: Any) -> Product:
    """The product, which meets the faults."""
    return Product(lab, kubeconfig=SecretValue(server.kubeconfig()), **settings)


@contextmanager
def without_operator(lab: Lab) -> Iterator[None]:
    lab.cluster.stop_eso()
    try:
        yield
    finally:
        lab.cluster.start_eso()


class TestInjected:
    """Answers of the API server that no test can ask of a real one."""

    def test_watches_that_are_cut_all_the_time(self, lab: Lab, faulty: Server) -> None:
        product = through(faulty, lab)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        lab.cluster.stop_eso()
        with again_and_again(faulty.drop_watches, 0.2), meanwhile(lab.cluster.start_eso, 0.8):
            right(lab, release(product, es))

    def test_a_past_that_is_gone_at_each_resume(self, lab: Lab, faulty: Server) -> None:
        product = through(faulty, lab)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        lab.cluster.stop_eso()

        def gone() -> None:
            lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": f"c-{time.monotonic_ns()}"}})
            faulty.forget()
            faulty.drop_watches()

        with again_and_again(gone, 0.2), meanwhile(lab.cluster.start_eso, 0.8):
            right(lab, release(product, es))

    @pytest.mark.parametrize("answer", [{"status": 410}, {"status": 200, "body": b""}], ids=["410", "empty"])
    def test_watches_that_never_tell_anything(self, lab: Lab, faulty: Server, answer: dict[str, Any]) -> None:
        """As behind a proxy that ends every stream: lists tell instead, and the API server is not flooded."""
        product = through(faulty, lab)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        faulty.faults.add(lambda request: bool(request.query.get("watch")), times=None, **answer)
        before = len(faulty.requests)
        right(lab, release(product, es))
        assert sum(bool(request.query.get("watch")) for request in faulty.requests[before:]) < 10

    def test_watches_that_are_cut_are_not_blamed_for_an_operator_that_stays_away(
        self, lab: Lab, faulty: Server
    ) -> None:
        """Each of them was taken up again."""
        product = through(faulty, lab, timeout=1.5)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        with without_operator(lab), again_and_again(faulty.drop_watches, 0.3):
            result = release(product, es)
        assert result.state is RefreshState.NOT_PROVEN
        assert result.diagnosis is not None
        assert "External Secrets Operator is not running" in result.diagnosis.cause

    def test_a_right_that_goes_in_one_namespace(self, lab: Lab, faulty: Server) -> None:
        """The others are proven."""
        other = Lab(lab.cluster, lab.aws)
        product = through(faulty, lab)
        barred = product.deploy("x", parameter=lab.parameter(value="old"))
        healthy = Product(other).deploy("y", parameter=other.parameter(value="old"))
        seen = product.inspect(barred, healthy)
        lab.cluster.stop_eso()
        faulty.faults.add(
            lambda request: bool(request.query.get("watch")) and f"/{lab.namespace}/" in request.path,
            status=403,
            times=None,
        )
        with meanwhile(lab.cluster.start_eso, 0.5):
            first, second = product.refresh(barred, healthy, seen=seen)
        assert (first.state, second.state) == (RefreshState.NOT_PROVEN, RefreshState.PROVEN)
        assert first.diagnosis is not None
        assert f"watch externalsecrets in namespace {lab.namespace}" in first.diagnosis.cause

    @pytest.mark.parametrize(("method", "status"), [("PATCH", 409), ("PATCH", 429), ("GET", 500), ("GET", 503)])
    def test_answers_that_pass(self, lab: Lab, faulty: Server, status: int, method: str) -> None:
        """The next one counts; Retry-After is obeyed."""
        product = through(faulty, lab)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        wait = {"Retry-After": "1"} if status == 429 else {}
        faulty.faults.add((method, f".*{lab.namespace}.*"), status=status, headers=wait, times=1)
        right(lab, release(product, es))

    def test_slow_answers(self, lab: Lab, faulty: Server) -> None:
        product = through(faulty, lab)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        faulty.faults.add(lambda request: lab.namespace in request.path, delay=0.15, times=1000)
        right(lab, release(product, es))

    @pytest.mark.parametrize(
        ("part", "state"),
        [
            ("PATCH", RefreshState.FAILED),
            ("watch", RefreshState.NOT_PROVEN),
            ("list", RefreshState.NOT_PROVEN),
            ("secrets", RefreshState.PROVEN),
        ],
    )
    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_a_right_that_goes_meanwhile(
        self, lab: Lab, faulty: Server, status: int, part: str, state: RefreshState
    ) -> None:
        """A clear failure; without the right to read the Secret a proof without its content."""
        product = through(faulty, lab, timeout=2.0)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        seen = product.inspect(es)
        if part == "list":  # what is seen no more by a watch is listed
            faulty.faults.add(lambda request: bool(request.query.get("watch")), status=410, times=None)

        def concerned(request: Request) -> bool:
            match part:
                case "watch":
                    return bool(request.query.get("watch"))
                case "list":
                    return request.path == lab.path and not request.query.get("watch")
                case "secrets":
                    return "/secrets/" in request.path
            return request.method == part

        # The first list is what the refresh begins with.
        faulty.faults.add(concerned, status=status, times=None, skip=1 if part == "list" else 0)
        with without_operator(lab) if part in ("watch", "list") else nullcontext():
            (result,) = product.refresh(es, seen=seen, changed=frozenset())
        if (part, status) == ("PATCH", 404):  # as of an object that is deleted at that moment
            assert result.state in (RefreshState.NOT_DEPLOYED, RefreshState.NOT_PROVEN, RefreshState.FAILED)
        else:
            assert result.state is state, result
        assert part == "secrets" or (result.diagnosis is not None and not result.ok)


def test_a_version_that_is_not_served_for_a_while(aws: AwsServer) -> None:
    """As in an upgrade of ESO's definitions: nothing was lost, and it goes on. On the stand-in, which can do that."""
    with KubernetesServer(aws.url) as server:
        lab = Lab(server, aws)
        product = Product(lab)
        es = product.deploy("x", parameter=lab.parameter(value="old"))
        server.stop_eso()

        def back() -> None:
            server.serve("v1", True)
            server.start_eso()

        with meanwhile(lambda: server.serve("v1", False), 0.3), meanwhile(back, 0.8):
            right(lab, release(product, es))
