"""What `validate` costs beside kustomize itself.

    python -m bench.validate [OVERLAYS…]

Trees of so many overlays (1, 10, 100 and 1,000), copies of the example tenant with its base of five ExternalSecrets
and up to four overlays. The whole process, from start to exit, in turns with one plain `kustomize build` per overlay:
one after the other, and as many at once as the product starts. Start-up is the same process on a tenant that has the
same `secrets.yaml` and nothing to render; it is taken off. Linux only, for the memory.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.watched import ENVIRONMENT, Measured, validate
from sandbox.world import EXAMPLE, SERVICE
from secret_action.manifest.kustomize import find_kustomize
from secret_action.manifest.renders import AT_ONCE

SIZES = (1, 10, 100, 1000)
OVERLAYS = ("production", "staging", "dev", "pr")
GOAL_RATIO, GOAL_MEBIBYTES = 1.15, 200.0


def main() -> int:
    """Measures and prints. The goals are printed, not enforced."""
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    print(
        f"{AT_ONCE} at once; start-up is subtracted             "
        "ours   builds   ratio  at once   ratio   MiB   kustomize's"
    )
    with tempfile.TemporaryDirectory(prefix="secret-sync-bench-") as folder:
        nothing = _nothing_to_render(Path(folder) / "nothing")
        for size in sizes:
            _print(size, Path(folder) / str(size), nothing)
    print(f"goals: at most {GOAL_RATIO:.2f}x at one overlay; at most {GOAL_MEBIBYTES:.0f} MiB at 1,000; linear")
    return 0


def _print(size: int, root: Path, nothing: Path) -> None:
    overlays = make_tree(root, size)
    rounds = max(1, min(15, 60 // size))
    kinds: dict[str, Callable[[], Measured]] = {
        "start-up": lambda: _validate(nothing),
        "ours": lambda: _validate(root),
        "builds": lambda: _builds(overlays, 1),
        "at once": lambda: _builds(overlays, AT_ONCE),
    }
    measured: dict[str, list[Measured]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, run in kinds.items():
            measured[name].append(run())
    seconds = {name: statistics.median(each.seconds for each in all_) for name, all_ in measured.items()}
    ours = seconds["ours"] - seconds["start-up"]
    own = max(each.own for each in measured["ours"])
    children = max(each.children for each in measured["ours"])
    print(
        f"{size:5} overlays, {rounds:2} rounds, start-up {seconds['start-up']:.2f} s "
        f"{ours:8.2f} {seconds['builds']:8.2f} {ours / seconds['builds']:6.2f}x "
        f"{seconds['at once']:8.2f} {ours / seconds['at once']:6.2f}x {own:5.0f} {children:8.0f}",
        flush=True,
    )


def make_tree(root: Path, size: int) -> list[Path]:
    """Writes a tenants repository with so many overlays, up to four a tenant. Returns their folders."""
    (root / ".git").mkdir(parents=True)
    example = EXAMPLE / "tenants" / SERVICE
    files = [path for path in example.rglob("*") if path.is_file()]
    made: list[Path] = []
    while len(made) < size:
        service = f"service-{len(made)}"
        folder = root / "tenants" / service
        overlays = OVERLAYS[: size - len(made)]
        for path in files:
            parts = path.relative_to(example).parts
            if parts[0] != "overlays" or parts[1] in overlays:
                copy = folder.joinpath(*parts)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(path.read_text().replace(SERVICE, service))
        made += [folder / "overlays" / overlay for overlay in overlays]
    return made


def _nothing_to_render(root: Path) -> Path:
    tenant = root / "tenants" / SERVICE
    (root / ".git").mkdir(parents=True)
    tenant.mkdir(parents=True)
    definitions = (EXAMPLE / "tenants" / SERVICE / "secrets.yaml").read_text()
    (tenant / "secrets.yaml").write_text(definitions + "\nenvironments: [production]\n")
    return root


def _validate(root: Path) -> Measured:
    measured, code, output = validate(root)
    if code and (root / "tenants").is_dir():
        sys.exit(f"validate failed:\n{output}")
    return measured


def _builds(overlays: Sequence[Path], at_once: int) -> Measured:
    command = find_kustomize()

    def build(overlay: Path) -> None:
        subprocess.run([*command, str(overlay)], env=ENVIRONMENT, stdout=subprocess.PIPE, check=True)

    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(build, overlays))
    return Measured(time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
