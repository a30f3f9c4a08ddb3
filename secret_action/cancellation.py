"""SIGINT and SIGTERM as one exception in the main thread.

The runner sends SIGINT, SIGTERM after 7.5 s, and ends the container 2.5 s later. The entry point is process 1 there,
for which signals without a handler are ignored.
"""

from __future__ import annotations

import signal
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from secret_action.errors import CancelledError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN_SECONDS = 0.05


class Cancellation:
    """Raises `CancelledError` in the main thread for a signal.

    While that error is being dealt with, later signals are only remembered. Where Python has swallowed it, as it
    does in callbacks of its own, the next signal raises it again.
    """

    def __init__(self) -> None:
        self._shields = 0
        self._signal_name = ""
        self._raised: weakref.ref[CancelledError] | None = None

    def install(self) -> None:
        """Takes over the signals, in the main thread."""
        for number in (*_SIGNALS, signal.SIGALRM):
            signal.signal(number, self._receive)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Within, a signal waits: for what must not be left half done, such as handing back a token."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
            self._raise_if_due()

    def close(self) -> None:
        """From now on signals are ignored: only the report is still to be written."""
        self._shields += 1

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGALRM:
            self._signal_name = self._signal_name or signal.Signals(number).name
        if self._signal_name and _imports(frame):
            # An error in the import system's own callbacks is swallowed, and its lock stays locked: a moment later.
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
        else:
            self._raise_if_due()

    def _raise_if_due(self) -> None:
        if not self._signal_name or self._shields or (self._raised is not None and self._raised() is not None):
            return
        error = CancelledError(self._signal_name)
        self._raised = weakref.ref(error)
        try:
            raise error
        finally:
            del error  # this frame is in its traceback: a circle that would keep it alive when it is swallowed


def _imports(frame: FrameType | None) -> bool:
    """Whether the main thread is inside the import system."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
