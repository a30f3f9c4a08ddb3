"""A program that runs beside the tests: its log, its end, and what to show when it fails."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

POLL = 0.03  # seconds: short beside the seconds that a cluster takes to start


class ClusterError(RuntimeError):
    """Something of the real cluster did not work; the text holds what its programs said."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether something accepts connections on that port of 127.0.0.1."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A child process that writes all it says into a log file."""

    def __init__(self, argv: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> None:
        """Start it with exactly that environment; a log that is already there is continued."""
        self.name = Path(argv[0]).name
        self._log = log
        with log.open("ab") as stream:
            self._child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=environment
            )

    def wait_until(self, what: str, happened: Callable[[], bool], *, timeout: float) -> None:
        """Poll until something happened; raises ``ClusterError`` when the process ends, or after
        ``timeout`` seconds, with the last lines of its log."""
        deadline = time.monotonic() + timeout
        while not happened():
            if (code := self._child.poll()) is not None:
                raise ClusterError(f"{self.name} ended with exit code {code} before {what}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ClusterError(f"{self.name}: not after {timeout:.0f} s: {what}. It said:\n{self.tail()}")
            time.sleep(POLL)

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, grace: float = 2) -> None:
        """End it: ask first, and after ``grace`` seconds (an API server with open watches waits) kill it."""
        self._child.terminate()
        try:
            self._child.wait(grace)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def kill(self) -> None:
        """End it without asking."""
        self._child.kill()
        self._child.wait()
