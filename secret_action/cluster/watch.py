"""A stream of events from the API server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping

from secret_action.cluster import errors
from secret_action.cluster.live import Object, section, text
from secret_action.cluster.paths import Place
from secret_action.cluster.transport import Answer


class Watch:
    """A stream of events. Iterating it begins it and reads the next one; `stop`, from any thread, ends it."""

    def __init__(self, server: str, place: Place, start: Callable[[], Answer]) -> None:
        self._server = server
        self._place = place
        self._start = start
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        self._stopped = False

    @property
    def begun(self) -> bool:
        """Whether the API server has begun to answer."""
        return self._answer is not None

    def begin(self) -> None:
        """Connects, where that has not happened. Raises what the API server says instead, and Unreachable."""
        self._open()

    def _open(self) -> Answer:
        if self._answer is None:
            answer = self._start()
            with self._lock:
                self._answer = answer
        return self._answer

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        """Type (`ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`) and object of each event, until the server ends it.

        Raises what `begin` raises, Gone where it must be listed again, Unreachable where the connection breaks, Refused
        where a line is no event.
        """
        answer = self._open()
        with self._lock:
            if self._stopped:
                answer.close()
                return
        try:
            for line in answer.lines():
                event = json.loads(line)
                if not isinstance(event, Mapping):
                    raise errors.not_kubernetes(self._server)
                kind, found = text(event, "type"), section(event, "object")
                if kind == "ERROR":
                    code = found.get("code")
                    status = code if isinstance(code, int) else 500
                    raise errors.not_ok("watch", self._place, status, json.dumps(found).encode())
                yield kind, found
        except ValueError:
            return  # half a line: the connection went in the middle of it, and the caller goes on from the last event
        finally:
            answer.close()

    def stop(self) -> None:
        """Ends the iteration, which may be waiting for the next event."""
        with self._lock:
            self._stopped = True
            if self._answer is not None:
                self._answer.interrupt()
