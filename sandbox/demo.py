"""`make demo`: the real entry point, as a child process with a runner's environment, against local servers.

Four releases of the example tenant, with what a person would read of each; they also stay as one HTML page.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sandbox.kubernetes_workloads import Controllers
from sandbox.page import render_page
from sandbox.runner import RunResult
from sandbox.world import ROOT, SERVICE, VALUES, World

PAGE = ROOT / "build" / "demo.html"
_BOLD, _DIM, _PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


def main() -> int:
    """Plays the four scenes. Returns 0 where each ended as it should."""
    began = time.monotonic()
    print(
        "Starting GitHub, AWS, the runner's OIDC endpoint and a cluster with External Secrets Operator on 127.0.0.1 …"
    )
    with (
        tempfile.TemporaryDirectory(prefix="secret-sync-demo-") as folder,
        World(Path(folder)) as world,
        Controllers(world.cluster.store),
    ):
        world.deploy()
        first = _scene(world, "1 · A first release: everything is created, and proven", VALUES, 0)
        _start_pods(world)
        rotated = VALUES | {"OPENAI_API_KEY": _ROTATED}
        title = "3 · One value changes: one update, proven, and the pods that read it are rolled"
        scenes = [
            first,
            _scene(world, "2 · The same again: nothing is written", VALUES, 0, restart="changed"),
            _scene(world, title, rotated, 0, restart="changed"),
            _broken_store(world),
        ]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(
        render_page(
            "secret-sync: four releases of the example tenant",
            [(title, result.log_as_shown(), result.summary) for title, result, _ in scenes],
        ),
        encoding="utf-8",
    )
    as_expected = all(result.exit_code == expected for _, result, expected in scenes)
    print(f"\nThe four summaries as a page: {PAGE.relative_to(ROOT)}   ({time.monotonic() - began:.0f} s)")
    if not as_expected:
        print("A scene did not end as it should: this checkout is broken.")
    return 0 if as_expected else 1


_ROTATED = "sk-sandbox-rotated-77aa88bb99cc00dd11ee22ff33aa44bb"


def _start_pods(world: World) -> None:
    """What the platform makes of the tenant's claim: a Deployment that reads all of its Secrets."""
    claim = {"apiVersion": "platform.zerotouch.io/v1alpha1", "kind": "WebService", "name": SERVICE, "uid": "claim-1"}
    secrets = [{"secretRef": {"name": each["metadata"]["name"]}} for each in world.deploy()]
    pod = {"containers": [{"name": "app", "image": "my-service:1.4.2", "envFrom": secrets}]}
    template = {"metadata": {"labels": {"app": SERVICE}}, "spec": pod}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": SERVICE}}, "template": template}
    about = {"name": SERVICE, "namespace": SERVICE, "ownerReferences": [claim]}
    world.cluster.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": about, "spec": spec})
    time.sleep(1.1)  # Kubernetes keeps whole seconds: pods of the second of a change would count as old


def _broken_store(world: World) -> tuple[str, RunResult, int]:
    world.cluster.set_store_ready("aws-parameter-store", False, "InvalidProviderConfig", "unable to create client")
    values = VALUES | {"OPENAI_API_KEY": _ROTATED, "DATABASE_URL": "postgres://app:n3w-pa55-4411@db.internal:5432/app"}
    return _scene(world, "4 · The operator's store is not ready: a failure, and why", values, 1, timeout="8")


def _scene(
    world: World, title: str, values: dict[str, str], expected: int, **inputs: Any
) -> tuple[str, RunResult, int]:
    print(f"\n{_BOLD}━━ {title} {'━' * max(0, 90 - len(title))}{_PLAIN}\n")
    result = world.run(values, on_line=lambda line: print(f"{_DIM}{line}{_PLAIN}", flush=True), **inputs)
    print(f"\n{_BOLD}The job summary{_PLAIN}\n\n{result.summary.strip()}\n")
    print(f"{_DIM}exit code {result.exit_code} · {result.seconds:.1f} s{_PLAIN}")
    return title, result, expected


if __name__ == "__main__":
    sys.exit(main())
