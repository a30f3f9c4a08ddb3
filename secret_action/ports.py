"""What the stages need of the world around them, as small protocols, so that a test passes another."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Protocol


class Log(Protocol):
    """Where a run tells what it does. Every text is redacted and escaped by whoever prints it."""

    def stage(self, title: str) -> AbstractContextManager[None]:
        """A named group of lines, one per stage of the run."""

    def line(self, text: str) -> None:
        """One thing that happened."""

    def progress(self, text: str) -> None:
        """What is still awaited, and for how long. Callers decide how often; every few seconds is right."""

    def mask(self, text: str) -> None:
        """Registers a text that must never be shown, with every form of it that a tool might print."""


class Clock(Protocol):
    """Time, as an argument."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""

    def sleep(self, seconds: float) -> None:
        """Returns after so many seconds."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
