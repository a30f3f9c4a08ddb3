"""One watch of ExternalSecrets, kept up whatever becomes of its connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from typing import Protocol

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.errors import ApiError, Gone, NotFound, may_pass, not_served, understood
from secret_action.cluster.live import Key, Object, key_of, text
from secret_action.cluster.messages import Message, Seen, WatchBroken, WatchMended
from secret_action.cluster.paths import Place
from secret_action.cluster.watch import Watch
from secret_action.errors import SecretSyncError

_WATCH_SECONDS = 600  # that one watch lasts: longer than most runs, since to begin twenty anew at once takes a second
_BRIEF = 1.0  # seconds; a watch that ends sooner, and told of nothing, brought nothing
_PAUSES = (0.0, 1.0, 2.0, 5.0)  # seconds after the first attempt that brought nothing, after the second, …


class Stop(Protocol):
    """A `threading.Event`, set when all is to end."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float) -> bool: ...


class Follower:
    """Follows some ExternalSecrets of one namespace, or of the whole cluster.

    place: where they are. version: the resourceVersion to watch on from; empty lists them first. tell: is given what
    is seen, and whether it can be seen.
    """

    def __init__(
        self,
        api: KubernetesApi,
        place: Place,
        wanted: Set[Key],
        tell: Callable[[Message], None],
        stop: Stop,
        version: str = "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._place = place
        self._wanted = wanted
        self._tell = tell
        self._stop = stop
        self._version = version
        self._now = now
        self._watch: Watch | None = None
        self._broken = False

    def run(self) -> None:
        """Returns when it is to stop, or when nothing can be seen any more.

        What is cut is taken up at once from where it ended. Where that does not help, as behind a proxy that ends every
        stream, they are listed again and again, less often the longer it lasts.
        """
        fruitless = 0
        while not self._stop.is_set():
            began = self._now()
            try:
                if fruitless > 1:
                    self._version = ""
                useful = self._follow() or self._now() - began >= _BRIEF
            except Exception as error:
                if self._stop.is_set() or not self._lives_with(understood(error)):
                    return
                useful = False
            fruitless = 0 if useful else fruitless + 1
            if fruitless:
                self._stop.wait(_PAUSES[min(fruitless, len(_PAUSES)) - 1])

    def interrupt(self) -> None:
        """Ends the waiting for the next event, from any thread, once the stop is set."""
        if self._watch is not None:
            self._watch.stop()

    def _follow(self) -> bool:
        """Until the connection ends; True where an event came. Raises where there was no connection."""
        if not self._version:
            self._list()
        self._watch = self._api.watch(self._place, self._version, _WATCH_SECONDS)
        if self._stop.is_set():
            return True
        heard = False
        try:
            self._watch.begin()
            self._connected()
            for kind, live in self._watch:
                heard |= kind != "BOOKMARK"
                self._event(kind, live)
        except Gone:
            self._version = ""
        except ApiError as error:
            if not self._watch.begun or not may_pass(error):
                raise
        return heard

    def _list(self) -> None:
        objects, self._version = self._api.list(self._place)
        self._connected()
        live = {key_of(one): one for one in objects}
        for key in sorted(self._wanted):
            self._tell(Seen(key, live.get(key)))

    def _event(self, kind: str, live: Object) -> None:
        self._version = text(live, "metadata", "resourceVersion") or self._version
        if kind != "BOOKMARK" and (key := key_of(live)) in self._wanted:
            self._tell(Seen(key, None if kind == "DELETED" else live))

    def _lives_with(self, error: SecretSyncError) -> bool:
        """Tells of an error; whether it may pass. A kind that is not served may be served again, as in an upgrade."""
        passes = may_pass(error)
        if isinstance(error, NotFound):
            passes, error = True, not_served(self._place)
        self._broken = True
        self._tell(WatchBroken(self._wanted, error, ended=not passes))
        return passes

    def _connected(self) -> None:
        if self._broken:
            self._broken = False
            self._tell(WatchMended(self._wanted))
