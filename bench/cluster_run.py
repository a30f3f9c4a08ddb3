"""One refresh by the product, in a process of its own, with what it took: `cluster_run.py ORDER RESULT`.

ORDER (JSON): kubeconfig, the manifests with their values, token, timeout. RESULT (JSON): see the end.
"""

import collections
import json
import resource
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from secret_action.cluster import awaited, connect, follow, prepare, refresh
from secret_action.cluster.inspection import inspect
from secret_action.cluster.proof import Outcome, judge
from secret_action.cluster.transport import HttpTransport
from secret_action.model import ExternalSecret, Location, Reference
from secret_action.ports import SystemClock
from secret_action.selector import parse_selector
from secret_action.settings import ClusterSettings
from secret_action.values import SecretValue

order = json.loads(Path(sys.argv[1]).read_text())
proven: dict[str, float] = {}
requests: collections.Counter[str] = collections.Counter()


class Quiet:
    """A log that nobody reads."""

    def stage(self, _title: str) -> Any:
        return nullcontext()

    def line(self, text: str) -> None: ...

    def progress(self, text: str) -> None: ...

    def mask(self, text: str) -> None: ...


def timed_judge(patched: Any, observed: Any, token: str) -> Any:
    """The product's decision, with the moment at which it was made."""
    verdict = judge(patched, observed, token)
    if verdict.outcome is Outcome.SYNCED:
        metadata = observed["metadata"]
        key = f"{metadata['namespace']}/{metadata['name']} {observed['status']['syncedResourceVersion']}"
        proven.setdefault(key, time.time())
    return verdict


def counted_send(self: HttpTransport, method: str, url: str, **rest: Any) -> Any:
    """Counts requests by what they are for."""
    kind = "watch" if "watch=true" in url else "review" if "accessreviews" in url else method
    kind = "list" if kind == "GET" and "limit=" in url else "secret" if "/secrets/" in url else kind
    requests["other" if kind == "GET" else kind] += 1
    return send(self, method, url, **rest)


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mebibytes() -> float:
    """Of this program alone: what getrusage tells begins with the size of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


awaited.judge = timed_judge  # type: ignore[attr-defined]  # where it is called from
send, HttpTransport.send = HttpTransport.send, counted_send  # type: ignore[method-assign]
settings = ClusterSettings(
    kubeconfig=SecretValue(order["kubeconfig"]), kubeconfig_from="kubeconfig", context="", eks_cluster="",
    namespace="", selector=parse_selector("zerotouch.io/managed=true"), store="aws-parameter-store", refresh="always",
    timeout=order["timeout"],
)  # fmt: skip
wanted = []
values: dict[str, SecretValue] = {}
for manifest, value in order["manifests"]:
    metadata, spec = manifest["metadata"], manifest["spec"]
    paths = [entry["remoteRef"]["key"] for entry in spec["data"]]
    values |= {path: SecretValue(value) for path in paths}
    here = Location("es.yaml", 1)
    references = tuple(Reference(path, here, metadata["name"], "key") for path in paths)
    wanted.append(
        ExternalSecret(
            metadata["name"],
            metadata["namespace"],
            manifest["apiVersion"],
            True,
            spec,
            metadata["labels"],
            {},
            references,
            here,
        )
    )
log: Any = Quiet()
api = connect(settings, log, eks=None)
start, start_cpu = time.time(), cpu()
seen = prepare(api, inspect(api, tuple(wanted), settings, log), values, frozenset(), settings)
following = follow(api, seen)
inspected = time.time()
samples: list[tuple[float, float]] = []


class Sampling(SystemClock):
    """The clock of the run, which notes the processor time that was used by then."""

    def now(self) -> float:
        samples.append((time.time(), cpu())) if not samples or time.time() - samples[-1][0] >= 1 else None
        return super().now()


results = refresh(
    api, tuple(wanted), seen, values, settings, log, Sampling(), token=order["token"], following=following
)
Path(sys.argv[2]).write_text(
    json.dumps(
        {
            "proven": proven,
            "states": collections.Counter(f"{one.state}, content {one.content}" for one in results),
            "inspect_seconds": inspected - start,
            "seconds": time.time() - inspected,
            "cpu": cpu() - start_cpu,
            "samples": samples,
            "requests": requests,
            "mebibytes": peak_mebibytes(),
        }
    )
)
