"""What the refresh and its proof cost on a real API server with a real External Secrets Operator (ESO).

    python -m bench.cluster [EXTERNAL_SECRETS] [NAMESPACES]

Prints, of one cluster and one run: how long after a bare watch ours has the proof, what it asks of the API server, what
waiting costs, and what `kubectl annotate` with `kubectl wait` makes of the same work. Needs `make real-cluster`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sandbox.aws import AwsServer
from sandbox.eso_model import synced_version
from sandbox.real import build
from sandbox.real.cluster import STORE, RealCluster
from sandbox.world import pipeline_rights

HERE = Path(__file__).parent
SAMPLE = 60
"""ExternalSecrets that kubectl is tried on in turn: a thousand would take minutes and show the same."""
STOPPED = 20
"""ExternalSecrets that are refreshed while ESO is stopped."""
AWAITED_SECONDS = 60.0
ESO_FLAGS = ("--concurrent=16", "--client-qps=1000", "--client-burst=2000", "--loglevel=info")
"""ESO at its fastest, so that what is measured is not its own pace (by default it reads one after the other)."""
_TOKENS = itertools.count(1)


def main() -> int:
    """Measures and prints. Returns 0; the goals are printed, not enforced. 3 where there is no real cluster."""
    number, namespaces = (int(each) for each in (*sys.argv[1:], *("1000", "20")[len(sys.argv) - 1 :]))
    if build.binaries() is None:
        print("The real cluster's programs are not built: make real-cluster")
        return 3
    folder = Path(tempfile.mkdtemp(prefix="secret-sync-bench-"))
    try:
        with AwsServer() as aws, RealCluster(aws.url, eso_flags=ESO_FLAGS) as cluster:
            bench = Bench(cluster, aws, folder)
            bench.deploy(number, namespaces)
            print(f"{number} ExternalSecrets in {namespaces} namespaces, kube-apiserver and ESO on this machine\n")
            bench.proof()
            bench.waiting()
            bench.kubectl()
    finally:
        shutil.rmtree(folder)
    return 0


class Bench:
    """One cluster, measured in turns."""

    def __init__(self, cluster: RealCluster, aws: AwsServer, folder: Path) -> None:
        self._cluster = cluster
        self._aws = aws
        self._folder = folder
        self._manifests: list[dict[str, Any]] = []
        self._token = ""
        """Of a user with the rights of the example, in each namespace."""
        (folder / "ca.pem").write_text(cluster.ca_pem)
        (folder / "kubeconfig").write_text(cluster.kubeconfig())

    def deploy(self, number: int, namespaces: int) -> None:
        """Creates them, and waits until ESO has synced each once."""
        for at in range(namespaces):
            self._cluster.create_namespace(f"bench-{at}")
        spaces = [f"bench-{at}" for at in range(namespaces)]
        self._token = self._cluster.add_user("pipeline", pipeline_rights("Role"), spaces)
        self._manifests = [_manifest(at, f"bench-{at % namespaces}") for at in range(number)]
        self._write("first")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._cluster.apply, self._manifests))
        while (missing := len(self._manifests) - self._synced()) > 0:
            print(f"\rESO has {missing:5} to go ", end="", file=sys.stderr)
            time.sleep(1)
        print("\r                      \r", end="", file=sys.stderr)

    def proof(self) -> None:
        """How long after a bare watch, and by how many requests."""
        value = f"value-{next(_TOKENS)}"
        self._write(value)
        with self._bare_watch("bare") as bare, self._bare_watch("another") as another:
            ours = self._run(value, timeout=600.0)
            time.sleep(1)
        seen, control = json.loads(bare.read_text()), json.loads(another.read_text())
        self._write(value := f"value-{next(_TOKENS)}")
        as_admin = self._run(value, timeout=600.0, token=self._cluster.admin_token)
        number, spaces = len(self._manifests), len({manifest["metadata"]["namespace"] for manifest in self._manifests})
        goal = f"≤ {number} patches, {number} Secret metadata, {spaces} lists, watches"
        late = [1000 * (at - seen[key]) for key, at in ours["proven"].items() if key in seen]
        noise = [1000 * (control[key] - seen[key]) for key in ours["proven"] if key in seen and key in control]
        _rows(
            ("outcome", ", ".join(f"{n} {state}" for state, n in ours["states"].items()), ""),
            ("whole refresh", f"{ours['seconds']:.1f} s (most of it is ESO at work)", ""),
            ("inspection before it", f"{ours['inspect_seconds']:.2f} s", ""),
            ("proof after a bare watch, median", f"{statistics.median(late):.1f} ms", "≤ 20 ms"),
            ("proof after a bare watch, worst", f"{max(late):.1f} ms", "≤ 100 ms"),
            ("another bare watch after that one, worst", f"{max(noise):.1f} ms (what this machine adds)", ""),
            ("requests, inspection included", _counted(ours["requests"]), goal),
            ("the same as administrator", _counted(as_admin["requests"]), ""),
            ("memory at most", f"{ours['mebibytes']:.0f} MiB", "≤ 150 MiB"),
        )

    def waiting(self) -> None:
        """What it costs to wait for an ESO that does not answer."""
        self._cluster.stop_eso()
        self._write(value := f"value-{next(_TOKENS)}")
        ours = self._run(value, timeout=AWAITED_SECONDS)
        self._cluster.start_eso()
        (first, at_first), (last, at_last) = ours["samples"][0], ours["samples"][-1]
        settled = next((each for each in ours["samples"] if each[0] - first >= 10), ours["samples"][0])
        quiet = (at_last - settled[1]) / (last - settled[0])
        whole = (at_last - at_first) / (last - first)
        _rows(
            ("outcome without ESO", ", ".join(f"{n} {state}" for state, n in ours["states"].items()), ""),
            ("CPU while waiting", f"{100 * quiet:.1f} % of a core", "≤ 5 %"),
            ("CPU, its annotations included", f"{100 * whole:.1f} % of a core", ""),
            ("memory at most", f"{ours['mebibytes']:.0f} MiB", "≤ 150 MiB"),
        )
        self._until_synced()

    def kubectl(self) -> None:
        """`kubectl annotate` and `kubectl wait`: in turn as scripts loop, for a whole namespace, without ESO."""
        program = shutil.which("kubectl")
        if program is None:
            print("kubectl is not on this machine: not compared")
            return
        sample = self._manifests[:SAMPLE]
        mine = self._ours(sample)
        said: dict[tuple[str, str], float] = {}
        with self._bare_watch("in-turn") as bare:
            start = time.monotonic()
            for manifest in sample:
                namespace, name = _key(manifest)
                self._kubectl(program, namespace, "annotate", name, f"force-sync=k-{next(_TOKENS)}", "--overwrite")
                said |= self._kubectl_wait(program, namespace, name)
            theirs = time.monotonic() - start
            self._until_synced()
        early = self._early(said, bare)
        _rows(
            (f"kubectl annotate, kubectl wait: {len(sample)} in turn", f"{theirs:.1f} s", ""),
            (f"ours, the same {len(sample)}, the whole process", f"{mine:.1f} s", ""),
            ("ours is faster", f"{theirs / mine:.1f} ×", ""),
            ("kubectl wait said yes before ESO had synced", f"{early} of {len(sample)}", ""),
        )
        mine = self._ours(self._manifests)
        said = {}
        with self._bare_watch("whole") as bare:
            start = time.monotonic()
            for namespace in sorted({_key(manifest)[0] for manifest in self._manifests}):
                self._kubectl(program, namespace, "annotate", "--all", f"force-sync=k-{next(_TOKENS)}", "--overwrite")
                said |= self._kubectl_wait(program, namespace, "--all")
            theirs = time.monotonic() - start
            self._until_synced()
        early = self._early(said, bare)
        _rows(
            (f"kubectl annotate --all, wait --all: all {len(self._manifests)}", f"{theirs:.1f} s", ""),
            ("ours, the same, the whole process", f"{mine:.1f} s", ""),
            ("ours is faster", f"{theirs / mine:.1f} ×", "≥ 10 ×"),
            ("kubectl wait said yes before ESO had synced", f"{early} of {len(self._manifests)}", ""),
        )
        self._cluster.stop_eso()
        believed = 0
        for manifest in sample[:STOPPED]:
            namespace, name = _key(manifest)
            self._kubectl(program, namespace, "annotate", name, f"force-sync=k-{next(_TOKENS)}", "--overwrite")
            self._kubectl_wait(program, namespace, name)
            believed += not _is_synced(self._get(manifest))
        found = self._run("never read", timeout=5.0, manifests=sample[:STOPPED])
        ours = sum(number for state, number in found["states"].items() if state.startswith("proven"))
        _rows(
            ("ESO stopped: kubectl wait said yes", f"{believed} of {STOPPED}", ""),
            ("ESO stopped: ours said proven", f"{ours} of {STOPPED}", "0"),
        )

    def _kubectl(self, program: str, namespace: str, verb: str, *rest: str) -> dict[str, float]:
        """Runs it; returns when it said which line (of the wall clock)."""
        command = [program, "--kubeconfig", str(self._folder / "kubeconfig"), "-n", namespace, verb, "externalsecret"]
        with subprocess.Popen([*command, *rest], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            said = {line: time.time() for line in child.stdout}
        if child.returncode:
            sys.exit(f"kubectl {verb} failed")
        return said

    def _kubectl_wait(self, program: str, namespace: str, which: str) -> dict[tuple[str, str], float]:
        """When it said of which ExternalSecret that it is ready."""
        said = self._kubectl(program, namespace, "wait", which, "--for=condition=Ready", "--timeout=60s")
        return {(namespace, line.split()[0].rpartition("/")[2]): at for line, at in said.items()}

    def _early(self, said: dict[tuple[str, str], float], bare: Path) -> int:
        """Of how many it said so before a bare watch saw ESO's sync of the last annotation."""
        seen = json.loads(bare.read_text())
        _, found = self._cluster.request("GET", "/apis/external-secrets.io/v1/externalsecrets")
        last = {_key(live): "{}/{} {}".format(*_key(live), synced_version(live["metadata"])) for live in found["items"]}
        return sum(at < seen[last[key]] for key, at in said.items())

    def _ours(self, manifests: list[dict[str, Any]]) -> float:
        """Seconds of the whole process, its start included, as kubectl's count."""
        self._write(value := f"value-{next(_TOKENS)}")
        found = self._run(value, timeout=600.0, manifests=manifests)
        if set(found["states"]) != {"proven, content proven"}:
            sys.exit(f"not proven: {found['states']}")
        return float(found["whole_seconds"])

    def _write(self, value: str) -> None:
        for manifest in self._manifests:
            self._aws.put(manifest["spec"]["data"][0]["remoteRef"]["key"], value)

    def _run(
        self, value: str, *, timeout: float, manifests: list[dict[str, Any]] | None = None, token: str = ""
    ) -> dict[str, Any]:
        order, result = self._folder / "order.json", self._folder / "result.json"
        order.write_text(
            json.dumps(
                {
                    "kubeconfig": self._cluster.kubeconfig(token or self._token),
                    "manifests": [(manifest, value) for manifest in manifests or self._manifests],
                    "token": f"bench-{next(_TOKENS)}",
                    "timeout": timeout,
                }
            )
        )
        start = time.monotonic()
        subprocess.run([sys.executable, "-m", "bench.cluster_run", str(order), str(result)], check=True)
        return {**json.loads(result.read_text()), "whole_seconds": time.monotonic() - start}

    @contextlib.contextmanager
    def _bare_watch(self, name: str) -> Iterator[Path]:
        result = self._folder / f"{name}.json"
        command = [sys.executable, str(HERE / "bare_watch.py"), self._cluster.url, str(self._folder / "ca.pem")]
        child = subprocess.Popen([*command, self._cluster.admin_token, str(result)], stdin=subprocess.PIPE)
        time.sleep(2)  # it begins with all that is there
        yield result
        child.communicate()

    def _get(self, manifest: dict[str, Any]) -> dict[str, Any]:
        metadata = manifest["metadata"]
        path = f"/apis/external-secrets.io/v1/namespaces/{metadata['namespace']}/externalsecrets/{metadata['name']}"
        found: dict[str, Any] = self._cluster.request("GET", path)[1]
        return found

    def _until_synced(self) -> None:
        while self._synced() < len(self._manifests):
            time.sleep(1)

    def _synced(self) -> int:
        _, found = self._cluster.request("GET", "/apis/external-secrets.io/v1/externalsecrets")
        return sum(map(_is_synced, found["items"]))


def _manifest(at: int, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": f"es-{at}", "namespace": namespace, "labels": {"zerotouch.io/managed": "true"}},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": STORE},
            "data": [{"secretKey": "key", "remoteRef": {"key": f"/zerotouch/prod/bench/key_{at}"}}],
        },
    }


def _key(thing: dict[str, Any]) -> tuple[str, str]:
    """Namespace and name."""
    return thing["metadata"]["namespace"], thing["metadata"]["name"]


def _is_synced(found: dict[str, Any]) -> bool:
    return bool(found.get("status", {}).get("syncedResourceVersion") == synced_version(found["metadata"]))


def _counted(requests: dict[str, int]) -> str:
    names = {
        "POST": "reviews",
        "PATCH": "patches",
        "secret": "Secret metadata",
        "list": "lists",
        "watch": "watches",
        "review": "reviews",
    }
    return ", ".join(f"{count} {names.get(kind, kind)}" for kind, count in requests.items() if count)


def _rows(*rows: tuple[str, str, str]) -> None:
    for what, measured, goal in rows:
        print(f"{what:48} {measured}" + (f"   (goal {goal})" if goal else ""))
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
