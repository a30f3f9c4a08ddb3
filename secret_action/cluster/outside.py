"""The requests of a refresh, on threads of their own: watches, and a few workers for everything else.

Whatever comes back goes into one queue, so that one place decides, in order, and never waits for a request.
All threads are daemons: a run that is cancelled does not wait for them.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Any, Protocol

from secret_action.cluster import gitops_requests
from secret_action.cluster.api import KubernetesApi, Watch
from secret_action.cluster.errors import Gone, may_pass
from secret_action.cluster.gitops import Key, Mark, Tool
from secret_action.cluster.live import Object, name_of, text
from secret_action.cluster.paths import EVENTS, SECRETS, Place, Resource
from secret_action.cluster.proof import ANNOTATION
from secret_action.cluster.rebuild import DATA_HASH
from secret_action.errors import ClusterError, SecretSyncError
from secret_action.model import Problem

_WORKERS = 8
_WATCH_SECONDS = 60  # that one watch lasts; it goes on from where it ended
# What is nearly done goes first: a thousand annotations in the queue must not hold up the content of the first.
_SOON, _LATER = 0, 1
_PAUSE = 1.0  # seconds before a watch that broke is begun again


@dataclass(frozen=True)
class Seen:
    """A watched ExternalSecret as it is now; None where it is not there."""

    key: Key
    live: Object | None


@dataclass(frozen=True)
class Annotated:
    """The object as the API server returned it for our patch, or why it did not."""

    key: Key
    result: Object | SecretSyncError


@dataclass(frozen=True)
class HashRead:
    """The metadata of the target Secret, or why it could not be read."""

    key: Key
    result: Object | SecretSyncError


@dataclass(frozen=True)
class HashDropped:
    """The metadata of the target Secret without ESO's hash, or why it still has it."""

    key: Key
    result: Object | SecretSyncError


@dataclass(frozen=True)
class EventsRead:
    """The events of an ExternalSecret; none where they cannot be read."""

    key: Key
    events: tuple[Object, ...]


@dataclass(frozen=True)
class WatchBroken:
    """A watch does not get through. It is tried again where the error may pass, else it has ended."""

    error: SecretSyncError


@dataclass(frozen=True)
class ToolsSeen:
    """The GitOps tools that deploy what was asked about."""

    tools: tuple[Tool, ...]


@dataclass(frozen=True)
class RefreshAsked:
    """Argo CD has been asked to look again, unless we may not."""

    place: Place
    granted: bool


Message = Seen | Annotated | HashRead | HashDropped | EventsRead | WatchBroken | ToolsSeen | RefreshAsked


class Outside(Protocol):
    """What a refresh asks of the cluster. Nothing here waits; answers are messages."""

    def next(self, timeout: float) -> Message | None:
        """The next message, waiting up to so many seconds for it."""

    def annotate(self, key: Key, token: str) -> None:
        """Puts the token into the annotation → Annotated."""

    def read_hash(self, key: Key, secret_name: str) -> None:
        """Reads a Secret's metadata → HashRead."""

    def drop_hash(self, key: Key, secret_name: str) -> None:
        """Takes ESO's hash off a Secret, which makes ESO rebuild it in place → HashDropped."""

    def read_events(self, key: Key, uid: str) -> None:
        """Reads an ExternalSecret's events → EventsRead."""

    def look_at_tools(self, keys: Set[Key], marks: Set[Mark], commit: str) -> None:
        """Looks for the GitOps tools that deploy these ExternalSecrets → ToolsSeen. commit: the one of this run."""

    def ask_to_refresh(self, place: Place) -> None:
        """Asks Argo CD to look at its branch again → RefreshAsked."""

    def close(self) -> None:
        """Ends all threads."""


class Threads:
    """The real one."""

    def __init__(self, api: KubernetesApi, resource: Resource, keys: Iterable[Key]) -> None:
        """Starts to watch these ExternalSecrets: one list and one watch for each namespace."""
        self._api = api
        self._resource = resource
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._jobs: queue.PriorityQueue[tuple[int, int, Callable[[], Message] | None]] = queue.PriorityQueue()
        self._order = itertools.count()
        self._stopped = threading.Event()
        self._watches: dict[str, Watch] = {}
        names: dict[str, set[str]] = {}
        for namespace, name in keys:
            names.setdefault(namespace, set()).add(name)
        for namespace, wanted in names.items():
            self._start(self._follow, namespace, wanted)
        for _ in range(_WORKERS):
            self._start(self._work)

    def next(self, timeout: float) -> Message | None:
        with contextlib.suppress(queue.Empty):
            return self._messages.get(timeout=max(timeout, 0.0))
        return None

    def annotate(self, key: Key, token: str) -> None:
        change = {"metadata": {"annotations": {ANNOTATION: token}}}
        place = self._resource.at(*key)
        self._put(lambda: Annotated(key, _or_error(lambda: self._api.merge_patch(place, change))), _LATER)

    def read_hash(self, key: Key, secret_name: str) -> None:
        place = SECRETS.at(key[0], secret_name)
        self._put(lambda: HashRead(key, _or_error(lambda: self._api.get(place, metadata_only=True))))

    def drop_hash(self, key: Key, secret_name: str) -> None:
        place = SECRETS.at(key[0], secret_name)
        change = {"metadata": {"annotations": {DATA_HASH: None}}}
        self._put(lambda: HashDropped(key, _or_error(lambda: self._api.merge_patch(place, change, metadata_only=True))))

    def look_at_tools(self, keys: Set[Key], marks: Set[Mark], commit: str) -> None:
        self._put(lambda: ToolsSeen(gitops_requests.look(self._api, keys, marks, commit)))

    def ask_to_refresh(self, place: Place) -> None:
        self._put(lambda: RefreshAsked(place, gitops_requests.ask_to_refresh(self._api, place)))

    def read_events(self, key: Key, uid: str) -> None:
        def job() -> EventsRead:
            try:
                return EventsRead(key, events_of(self._api, key[0], uid))
            except Exception:
                return EventsRead(key, ())  # they only tell sooner what the timeout tells too

        self._put(job)

    def close(self) -> None:
        self._stopped.set()
        for _ in range(_WORKERS):
            self._put(None)
        for watch in list(self._watches.values()):
            watch.stop()

    def _start(self, run: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=run, args=arguments, daemon=True).start()

    def _put(self, job: Callable[[], Message] | None, priority: int = _SOON) -> None:
        self._jobs.put((priority, next(self._order), job))

    def _work(self) -> None:
        while (job := self._jobs.get()[2]) is not None and not self._stopped.is_set():
            self._messages.put(job())

    def _follow(self, namespace: str, wanted: set[str]) -> None:
        place = self._resource.at(namespace)
        version, broken = "", False
        while not self._stopped.is_set():
            try:
                if not version:
                    version = self._list(namespace, wanted)
                watch = self._watches[namespace] = self._api.watch(place, version, _WATCH_SECONDS)
                for kind, live in watch:
                    version, broken = text(live, "metadata", "resourceVersion") or version, False
                    if kind != "BOOKMARK" and name_of(live) in wanted:
                        gone = kind == "DELETED"
                        self._messages.put(Seen((namespace, name_of(live)), None if gone else live))
            except Gone:
                version = ""
            except Exception as error:
                if self._stopped.is_set():
                    return
                told = _told(error)
                # A connection that is cut is taken up at once; only when that fails too is something wrong.
                if broken or not may_pass(told):
                    self._messages.put(WatchBroken(told))
                if not may_pass(told):
                    return
                if broken:
                    self._stopped.wait(_PAUSE)
                broken = True

    def _list(self, namespace: str, wanted: set[str]) -> str:
        objects, version = self._api.list(self._resource.at(namespace))
        live = {name_of(one): one for one in objects}
        for name in sorted(wanted):
            self._messages.put(Seen((namespace, name), live.get(name)))
        return version


def _or_error(request: Callable[[], Object]) -> Object | SecretSyncError:
    try:
        return request()
    except Exception as error:
        return _told(error)


def _told(error: Exception) -> SecretSyncError:
    """A thread that died of an answer that nobody foresaw would leave the run waiting for its timeout."""
    if isinstance(error, SecretSyncError):
        return error
    return ClusterError(
        Problem(
            f"An answer of the cluster's API server could not be understood ({type(error).__name__}).",
            "Check that no proxy answers in its place, then run again; if it stays so, report it as a defect.",
        )
    )


def events_of(api: KubernetesApi, namespace: str, uid: str) -> tuple[Object, ...]:
    """The events about one object. Raises ApiError."""
    return api.list(EVENTS.at(namespace), fieldSelector=f"involvedObject.uid={uid}")[0]
