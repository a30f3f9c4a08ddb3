"""What stands in SSM just before it is overwritten, since SSM has no compare-and-set.

A look at each name by itself would be nearest, and would double the requests. Ten names a call are as near wherever the
ten are written within a second, which is so for the burst and at ten writes a second; beyond that a look is renewed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING

from secret_action.model import StoredParameter
from secret_action.store import calls, reading

if TYPE_CHECKING:
    from secret_action.store.session import AwsSession

_FRESH = 1.0
"""Seconds after which a look at one that is about to be overwritten is renewed."""


class LastLook:
    """Looks at the names that are about to be overwritten, each with those that come next. Shared by all threads."""

    def __init__(self, session: AwsSession, paths: Iterable[str], stopped: Callable[[], bool]) -> None:
        """paths: all that will be overwritten, in the order in which they will be."""
        self._client = session.ssm
        self._pacer = session.pace.reads
        self._stopped = stopped
        self._ahead = dict.fromkeys(paths)
        self._seen: dict[str, tuple[float, StoredParameter | None]] = {}
        self._lock = Lock()

    def at(self, path: str) -> StoredParameter | None:
        """What stands there, seen within the last second; seen now, when it is asked for a second time.

        Raises what botocore raises, and `calls.Stopped`.
        """
        with self._lock:  # while one looks, the others wait for what it sees
            self._ahead.pop(path, None)
            seen_at, found = self._seen.pop(path, (None, None))
            if seen_at is not None and self._pacer.now() - seen_at <= _FRESH:
                return found
            names = [path, *islice(self._ahead, reading.BATCH - 1)]
            seen_at = self._pacer.now()
            stored = calls.once(
                self._pacer, lambda: reading.get(self._client, names, decrypt=True), stopped=self._stopped
            )
            self._seen |= {name: (seen_at, stored.get(name)) for name in names[1:]}
            return stored.get(path)
