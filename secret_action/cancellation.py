"""SIGINT and SIGTERM as one exception in the main thread.

The runner sends SIGINT, SIGTERM after 7.5 s, and ends the container 2.5 s later. The entry point is process 1 there,
for which signals without a handler are ignored.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from secret_action.errors import CancelledError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Cancellation:
    """Raises `CancelledError` in the main thread for the first signal; later ones are only remembered."""

    def __init__(self) -> None:
        self._shields = 0
        self._signal_name = ""
        self._raised = False

    def install(self) -> None:
        """Takes over both signals, in the main thread."""
        for number in _SIGNALS:
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

    def _receive(self, number: int, _: FrameType | None) -> None:
        self._signal_name = self._signal_name or signal.Signals(number).name
        self._raise_if_due()

    def _raise_if_due(self) -> None:
        if self._signal_name and not self._shields and not self._raised:
            self._raised = True
            raise CancelledError(self._signal_name)
