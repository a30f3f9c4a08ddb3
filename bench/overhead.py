"""What a release costs beside the outside world's own time.

    python -m bench.overhead [ROUNDS]

A release of ten secrets, whole process from start to exit, against local servers that answer at once, and in the same
run, in turns, the bare import of the libraries that any such program needs. Prints medians and their ratio.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from sandbox.runner import ENTRYPOINT
from sandbox.world import SERVICE, World

MEASURE = Path(__file__).with_name("measure.py")
BARE = "import boto3, kubernetes, github"
VALUES = {f"KEY_{number}": f"value-of-key-{number}-0123456789" for number in range(10)}
GOAL_RATIO, GOAL_MEBIBYTES = 3.0, 110.0


def main() -> int:
    """Measures and prints. Returns 0 where every release succeeded; the goals are printed, not enforced."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    with tempfile.TemporaryDirectory(prefix="secret-sync-bench-") as folder:
        tenants = _tenant(Path(folder) / "tenants-repository")
        with World(Path(folder) / "runs", tenants=tenants) as world:
            world.deploy()
            result = Path(folder) / "measured.json"
            kinds: dict[str, Callable[[], dict[str, float]]] = {
                f"python -c '{BARE}'": lambda: _bare(world, result),
                "release, ten secrets, one changed": lambda: _release(world, result, "release"),
                "release, ten secrets, nothing changed": lambda: _release(world, result, "release", same=True),
                "validate": lambda: _release(world, result, "validate"),
            }
            _release(world, result, "release")  # makes the parameters; also warms the page cache
            measured: dict[str, list[dict[str, float]]] = {name: [] for name in kinds}
            for _ in range(rounds):
                for name, run in kinds.items():
                    measured[name].append(run())
    _print(measured, rounds)
    return 0


_turn = 0


def _release(world: World, result: Path, mode: str, *, same: bool = False) -> dict[str, float]:
    global _turn
    _turn += not same
    values = VALUES | {"KEY_0": f"value-of-key-0-in-round-{_turn:08}"}
    command = [sys.executable, str(MEASURE), str(result), sys.executable, str(ENTRYPOINT)]
    done = world.run(values, mode=mode, command=command)
    if done.exit_code != 0:
        sys.exit(f"the {mode} failed:\n{done.log_as_shown()}\n{done.stderr}")
    return dict(json.loads(result.read_text()))


def _bare(world: World, result: Path) -> dict[str, float]:
    world.run(command=[sys.executable, str(MEASURE), str(result), sys.executable, "-c", BARE])
    return dict(json.loads(result.read_text()))


def _print(measured: dict[str, list[dict[str, float]]], rounds: int) -> None:
    print(f"median of {rounds} rounds, in turns            seconds    ratio   peak MiB")
    bare = statistics.median(each["seconds"] for each in next(iter(measured.values())))
    for name, each in measured.items():
        seconds = statistics.median(one["seconds"] for one in each)
        peak = max(one["mebibytes"] for one in each)
        print(f"{name:45} {seconds:7.3f}  {seconds / bare:6.2f}x  {peak:8.1f}")
    print(f"goal for a release: at most {GOAL_RATIO:.0f}x, at most {GOAL_MEBIBYTES:.0f} MiB")


def _tenant(root: Path) -> Path:
    """A tenant with five ExternalSecrets of two keys each."""
    overlay = root / "tenants" / SERVICE / "overlays" / "production"
    overlay.mkdir(parents=True)
    names = [f"secret-{number}.yaml" for number in range(5)]
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump({"resources": names}))
    keys = list(VALUES)
    for number, name in enumerate(names):
        data = [
            {"secretKey": key, "remoteRef": {"key": f"/zerotouch/prod/{SERVICE}/{key.lower()}"}}
            for key in keys[2 * number : 2 * number + 2]
        ]
        metadata = {"name": f"secret-{number}", "namespace": SERVICE, "labels": {"zerotouch.io/managed": "true"}}
        store = {"name": "aws-parameter-store", "kind": "ClusterSecretStore"}
        spec = {"secretStoreRef": store, "refreshInterval": "1h", "target": {"name": f"secret-{number}"}, "data": data}
        manifest = {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": metadata,
            "spec": spec,
        }
        (overlay / name).write_text(yaml.safe_dump(manifest))
    return root


if __name__ == "__main__":
    sys.exit(main())
