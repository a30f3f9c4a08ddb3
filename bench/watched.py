"""`validate` as a child process, with its time and memory. Linux only."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from sandbox.runner import ENTRYPOINT

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


@dataclass(frozen=True)
class Measured:
    """seconds: of wall time. own, children: MiB at most, of the process and of those that it started, together."""

    seconds: float
    own: float = 0.0
    children: float = 0.0


def validate(root: Path) -> tuple[Measured, int, str]:
    """Judges all tenants of a repository: what it took, the exit code, and what was printed."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, str(ENTRYPOINT), "validate"],
        cwd=root,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        watch = _Watch(process.pid)
        output, _ = process.communicate()
        seconds = time.perf_counter() - began
        watch.end()
    return Measured(seconds, watch.own, watch.children), process.returncode, output.decode()


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
