"""The requests of a refresh, on threads of their own: watches, and a few workers for everything else.

Whatever comes back goes into one queue, so that one place decides, in order, and never waits for a request.
All threads are daemons: a run that is cancelled does not wait for them.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Set
from typing import Protocol

from secret_action.cluster import gitops_requests
from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.errors import understood
from secret_action.cluster.events import events_of
from secret_action.cluster.following import Follower
from secret_action.cluster.gitops import Mark
from secret_action.cluster.inspection import Listing
from secret_action.cluster.live import Key, Object
from secret_action.cluster.messages import (
    Annotated,
    EventsRead,
    HashDropped,
    HashRead,
    Message,
    RefreshAsked,
    Seen,
    ToolsSeen,
    WatchBroken,
)
from secret_action.cluster.paths import SECRETS, Place, Resource
from secret_action.cluster.proof import ANNOTATION
from secret_action.cluster.rebuild import DATA_HASH
from secret_action.errors import SecretSyncError

_WORKERS = 8
# What is nearly done goes first: a thousand annotations in the queue must not hold up the content of the first.
_SOON, _LATER = 0, 1


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

    def __init__(
        self, api: KubernetesApi, resource: Resource, keys: Iterable[Key], listing: Listing | None = None
    ) -> None:
        """Begins at once to follow these ExternalSecrets, with one watch for each place where they were listed.

        Without a listing each of their namespaces is listed first.
        """
        self._api = api
        self._resource = resource
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._jobs: queue.PriorityQueue[tuple[int, int, Callable[[], Message] | None]] = queue.PriorityQueue()
        self._order = itertools.count()
        self._first: deque[Message] = deque()
        self._before: dict[Key, Seen] = {}
        self._stopped = threading.Event()
        self.secrets: dict[Key, Object] = {}
        """By ExternalSecret the metadata of its Secret, where it was read since the last annotation."""
        versions = listing.versions if listing else {}
        wanted: dict[str, set[Key]] = {}
        for key in keys:
            wanted.setdefault("" if "" in versions else key[0], set()).add(key)
            if listing:
                self._messages.put(Seen(key, listing.live.get(key)))
        self._followers = [
            Follower(api, resource.at(space), inside, self._messages.put, self._stopped, versions.get(space, ""))
            for space, inside in wanted.items()
        ]
        for run in (*(follower.run for follower in self._followers), *[self._work] * _WORKERS):
            threading.Thread(target=run, daemon=True).start()

    def skip_to_now(self) -> None:
        """Of what was seen until now, only the last of each ExternalSecret is told, and after what comes from now on.

        To begin with a thousand takes half a second, which no proof of the first of them is to wait for.
        """
        while not self._messages.empty():
            match self._messages.get():
                case Seen(key=key) as message:
                    self._before[key] = message
                case message:
                    self._put_first(message)

    def next(self, timeout: float) -> Message | None:
        if self._first:
            return self._first.popleft()
        with contextlib.suppress(queue.Empty):
            message = self._messages.get(timeout=0.0 if self._before else max(timeout, 0.0))
            if isinstance(message, Seen):
                self._before.pop(message.key, None)
                return message
            self._put_first(message)
            return self._first.popleft()
        return self._before.pop(next(iter(self._before))) if self._before else None

    def _put_first(self, message: Message) -> None:
        """The last word on some of them comes after what was seen of them."""
        if isinstance(message, WatchBroken) and message.ended:
            self._first.extend(self._before.pop(key) for key in message.keys if key in self._before)
        self._first.append(message)

    def annotate(self, key: Key, token: str) -> None:
        change = {"metadata": {"annotations": {ANNOTATION: token}}}
        place = self._resource.at(*key)
        self.secrets.pop(key, None)
        self._put(lambda: Annotated(key, _or_error(lambda: self._api.merge_patch(place, change))), _LATER)

    def read_hash(self, key: Key, secret_name: str) -> None:
        place = SECRETS.at(key[0], secret_name)

        def read() -> Object:
            found = self._api.get(place, metadata_only=True)
            self.secrets[key] = found
            return found

        self._put(lambda: HashRead(key, _or_error(read)))

    def drop_hash(self, key: Key, secret_name: str) -> None:
        place = SECRETS.at(key[0], secret_name)
        change = {"metadata": {"annotations": {DATA_HASH: None}}}
        self._put(lambda: HashDropped(key, _or_error(lambda: self._api.merge_patch(place, change, metadata_only=True))))

    def look_at_tools(self, keys: Set[Key], marks: Set[Mark], commit: str) -> None:
        def job() -> ToolsSeen:
            try:
                return ToolsSeen(gitops_requests.look(self._api, keys, marks, commit))
            except Exception:
                return ToolsSeen(())  # they only say more; unanswered, nobody would ask again

        self._put(job)

    def ask_to_refresh(self, place: Place) -> None:
        def job() -> RefreshAsked:
            try:
                gitops_requests.ask_to_refresh(self._api, place)
            except Exception as error:
                return RefreshAsked(place, understood(error))
            return RefreshAsked(place)

        self._put(job)

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
        for follower in self._followers:
            follower.interrupt()

    def _put(self, job: Callable[[], Message] | None, priority: int = _SOON) -> None:
        self._jobs.put((priority, next(self._order), job))

    def _work(self) -> None:
        while (job := self._jobs.get()[2]) is not None and not self._stopped.is_set():
            self._messages.put(job())


def _or_error(request: Callable[[], Object]) -> Object | SecretSyncError:
    try:
        return request()
    except Exception as error:
        return understood(error)
