"""Random trouble for a real API server and a real operator, for as long as it is told to: no false proof.

SECRET_SYNC_CHAOS_SECONDS says for how long (a few seconds by default), SECRET_SYNC_CHAOS_SEED which one to repeat.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import urllib3

from sandbox.aws import AwsServer
from sandbox.real import build
from sandbox.real.cluster import RealCluster
from sandbox.real.process import ClusterError as ProgramError
from secret_action.errors import SecretSyncError
from secret_action.model import ContentState, ExternalSecret, RefreshResult, RefreshState
from secret_action.values import SecretValue
from tests.conformance.lab import Lab
from tests.conformance.product import MANAGED, Product

pytestmark = pytest.mark.real

SECONDS = float(os.environ.get("SECRET_SYNC_CHAOS_SECONDS", "8"))
SEED = int(os.environ.get("SECRET_SYNC_CHAOS_SEED", str(random.randrange(10**6))))
PROVEN = (RefreshState.PROVEN, RefreshState.WEAKLY_PROVEN)
KINDS = {
    "plain": {},
    "opaque": {"target": {"template": {"mergePolicy": "Merge", "data": {"more": "{{ .key | upper }}"}}}},
    "never": {"refreshInterval": "0"},
    "once": {"refreshPolicy": "CreatedOnce"},
}


@pytest.fixture
def lab() -> Iterator[Lab]:
    if build.binaries() is None:
        pytest.skip("the real cluster's programs are not built: make real-cluster builds them")
    with AwsServer() as aws, RealCluster(aws.url) as cluster:
        yield Lab(cluster, aws)


class Trouble:
    """What can go wrong. Each kind mends itself in the end, so that the next round begins well."""

    def __init__(self, lab: Lab, chance: random.Random) -> None:
        self._lab, self._chance = lab, chance
        assert isinstance(lab.cluster, RealCluster)
        self._cluster = lab.cluster
        self.kinds: dict[str, Callable[[str], None]] = {
            "nothing": lambda _: None,
            "operator killed": self._operator_killed,
            "annotation taken": self._annotation_taken,
            "annotation replaced": self._annotation_replaced,
            "made anew": self._made_anew,
            "parameter away": self._parameter_away,
            "label lost": self._label_lost,
            "Secret deleted": self._secret_deleted,
            "API server restarts": self._api_server_restarts,
            "etcd lost": self._etcd_lost,
        }
        self.weights = [3, 4, 4, 4, 3, 3, 2, 3, 1, 1]

    def _pause(self, longest: float = 0.6) -> None:
        time.sleep(self._chance.uniform(0, longest))

    def _change(self, name: str, change: object) -> None:
        self._cluster.request("PATCH", f"{self._lab.path}/{name}", change)

    def _operator_killed(self, _: str) -> None:
        self._cluster.kill_eso()
        self._pause(2.0)
        self._cluster.start_eso()

    def _annotation_taken(self, name: str) -> None:
        for _ in range(20):
            self._change(name, {"metadata": {"annotations": {"force-sync": None}}})
            self._pause(0.1)

    def _annotation_replaced(self, name: str) -> None:
        for number in range(10):
            self._change(name, {"metadata": {"annotations": {"force-sync": f"another's {number}"}}})
            self._pause(0.2)

    def _made_anew(self, name: str) -> None:
        old = self._cluster.request("GET", f"{self._lab.path}/{name}")[1]
        self._cluster.request("DELETE", f"{self._lab.path}/{name}")
        self._change(name, {"metadata": {"finalizers": None}})
        self._pause(0.3)
        metadata = {key: old["metadata"][key] for key in ("name", "namespace", "labels")}
        self._cluster.request("POST", self._lab.path, {**old, "metadata": metadata, "status": None})

    def _parameter_away(self, name: str) -> None:
        path = f"/zerotouch/{self._lab.namespace}/{name}"
        value = self._lab.aws.parameters()[path]["value"]
        self._lab.aws.delete(path)
        self._pause(2.0)
        self._lab.aws.put(path, value)

    def _label_lost(self, name: str) -> None:
        self._change(name, {"metadata": {"labels": {"zerotouch.io/managed": None}}})
        self._pause(1.0)
        self._change(name, {"metadata": {"labels": MANAGED}})

    def _secret_deleted(self, name: str) -> None:
        self._cluster.request("DELETE", f"{self._lab.secrets}/{name}")

    def _api_server_restarts(self, _: str) -> None:
        self._cluster.restart_apiserver()
        self._cluster.kill_eso()  # it ends by itself where it loses its lease, or stays: either way it is there again
        self._cluster.start_eso()

    def _etcd_lost(self, _: str) -> None:
        self._cluster.stop_etcd()
        self._pause(3.0)
        self._cluster.start_etcd()
        self._cluster.kill_eso()
        self._cluster.start_eso()


def test_no_false_proof(lab: Lab) -> None:
    """Whatever is called proven, the operator has read after the write: the Secret shows it."""
    chance = random.Random(SEED)
    trouble = Trouble(lab, chance)
    product = Product(lab, refresh="force", timeout=8.0)
    wanted = [product.deploy(kind, parameter=lab.parameter(kind, "old"), **spec) for kind, spec in KINDS.items()]
    counted: Counter[str] = Counter()
    false: list[str] = []
    end, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < end or not rounds:
        rounds += 1
        (kind,) = chance.choices(list(trouble.kinds), trouble.weights)
        values = {one.references[0].path: f"value-{rounds}-of-{one.name}" for one in wanted}
        for path, value in values.items():
            lab.aws.put(path, value)
        victim = chance.choice(wanted).name
        delay = chance.uniform(0, 0.6)
        thread = threading.Thread(target=lambda: (time.sleep(delay), trouble.kinds[kind](victim)))  # noqa: B023
        thread.start()
        try:
            results = _refreshed(product, wanted, values)
        except SecretSyncError as error:
            counted[f"{kind}: {type(error).__name__}"] += 1
            results = ()
        thread.join()
        for result in results:
            counted[f"{kind}: {result.state}, content {result.content}"] += 1
            claimed = result.state in PROVEN or result.content is ContentState.PROVEN
            held = _held(lab, result.name) if claimed and result.content is not ContentState.DIFFERS else None
            if held is not None and held != values[f"/zerotouch/{lab.namespace}/{result.name}"]:
                false.append(f"round {rounds}, {kind} on {victim}: {result} holds {held}")
    print(f"\nseed {SEED}, {rounds} rounds, {len(false)} false proofs")
    for what, number in sorted(counted.items()):
        print(f"{number:5}  {what}")
    assert false == [], f"SECRET_SYNC_CHAOS_SEED={SEED}"


def _refreshed(product: Product, wanted: list[ExternalSecret], values: dict[str, str]) -> tuple[RefreshResult, ...]:
    known = {path: SecretValue(value) for path, value in values.items()}
    return product.refresh(*wanted, known=known, changed=frozenset(values))


def _held(lab: Lab, name: str) -> str | None:
    """What the Secret holds; None where it is not there: somebody deleted it after the proof."""
    for _ in range(50):
        try:
            status, _found = lab.cluster.request("GET", f"{lab.secrets}/{name}")
        except (urllib3.exceptions.HTTPError, ProgramError):
            status = 0
        if status in (200, 404):
            break
        time.sleep(0.2)
    return lab.secret(name)["key"] if status == 200 else None
