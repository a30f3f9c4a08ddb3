"""Work that overlaps with other work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Background(Generic[Result]):
    """Starts `work` at once, in a daemon thread: a run that ends early does not wait for it."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._outcome: list[Result] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> Result:
        """What the work returned, as soon as it has. Raises what the work raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._outcome[0]

    def finished(self, seconds: float) -> Result | None:
        """What the work returned, or None where it failed or has not ended after so many seconds."""
        self._thread.join(seconds)
        return self._outcome[0] if self._outcome else None

    def _run(self) -> None:
        try:
            self._outcome.append(self._work())
        except BaseException as error:
            self._error = error
