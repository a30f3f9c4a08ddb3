"""What `validate` costs beside kustomize itself.

    python -m bench.validate [OVERLAYS…]

Trees of so many overlays (1, 10, 100 and 1,000), copies of the example tenant with its base of five ExternalSecrets
and up to four overlays. The whole process, from start to exit, in turns with one plain `kustomize build` per overlay:
one after the other, and as many at once as the product starts. Start-up is the same process on a tenant that has the
same `secrets.yaml` and nothing to render; it is taken off. Linux only, for the memory.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sandbox.runner import ENTRYPOINT
from sandbox.world import EXAMPLE, SERVICE
from secret_action.manifest.kustomize import find_kustomize
from secret_action.manifest.renders import AT_ONCE

SIZES = (1, 10, 100, 1000)
OVERLAYS = ("production", "staging", "dev", "pr")
GOAL_RATIO, GOAL_MEBIBYTES = 1.15, 200.0
_ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


@dataclass(frozen=True)
class Measured:
    """seconds: of wall time. own, children: MiB at most, of the process and of those that it started, together."""

    seconds: float
    own: float = 0.0
    children: float = 0.0


def main() -> int:
    """Measures and prints. The goals are printed, not enforced."""
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    print(
        f"{AT_ONCE} at once; start-up is subtracted             ours   builds   ratio  at once   ratio   MiB   kustomize's"  # noqa: E501
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
        f"{size:5} overlays, {rounds:2} rounds, start-up {seconds['start-up']:.2f} s {ours:8.2f} {seconds['builds']:8.2f} "  # noqa: E501
        f"{ours / seconds['builds']:6.2f}x {seconds['at once']:8.2f} {ours / seconds['at once']:6.2f}x {own:5.0f} {children:8.0f}",  # noqa: E501
        flush=True,
    )


def make_tree(root: Path, size: int) -> list[Path]:
    """Writes a tenants repository with so many overlays, up to four a tenant. Returns their folders."""
    (root / ".git").mkdir(parents=True)
    example = EXAMPLE / "tenants" / SERVICE
    files = [path for path in example.rglob("*") if path.is_file()]
    made = []
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
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, str(ENTRYPOINT), "validate"],
        cwd=root,
        env=_ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        watch = _Watch(process.pid)
        output, _ = process.communicate()
        seconds = time.perf_counter() - began
        watch.end()
    if process.returncode and (root / "tenants").is_dir():
        sys.exit(f"validate failed:\n{output.decode()}")
    return Measured(seconds, watch.own, watch.children)


class _Watch:
    """Looks at a process's memory, and at that of its children, until it is told to end."""

    def __init__(self, pid: int) -> None:
        self.own = self.children = 0.0
        self._folder = Path("/proc") / str(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def end(self) -> None:
        """Stops looking."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            try:
                pids = [pid for file in self._folder.glob("task/*/children") for pid in file.read_text().split()]
                own = _resident(self._folder)
            except OSError:
                continue
            self.own = max(self.own, own)
            self.children = max(self.children, sum(_resident(Path("/proc") / pid) for pid in pids))


def _resident(process: Path) -> float:
    try:
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024
    except OSError:
        return 0.0


def _builds(overlays: Sequence[Path], at_once: int) -> Measured:
    command = find_kustomize()
    if shutil.which("kustomize") is None:
        sys.exit("kustomize is not on the PATH")

    def build(overlay: Path) -> None:
        subprocess.run([*command, str(overlay)], env=_ENVIRONMENT, stdout=subprocess.PIPE, check=True)

    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(build, overlays))
    return Measured(time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
