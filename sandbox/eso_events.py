"""Events of the stand-in's ESO, counted and dropped as client-go's recorder does."""

import itertools
import time

from sandbox.kubernetes_errors import ApiError
from sandbox.kubernetes_kinds import EVENT, Object
from sandbox.kubernetes_store import Store, Writer, timestamp

_BURST = 25
_REFILL_SECONDS = 300.0


class Events:
    """Writes events on objects for one component.

    The same text again raises the count of the event that is there. After 25 events about one object only one
    more is let through every five minutes: the absence of an event proves nothing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str, ...], tuple[str, str]] = {}
        self._tokens: dict[str, tuple[float, float]] = {}
        self._numbers = itertools.count(time.time_ns())

    def emit(self, about: Object, kind: str, reason: str, message: str, component: str = "external-secrets") -> None:
        """Record one event; `kind` is `Normal` or `Warning`."""
        metadata = about["metadata"]
        if not self._allowed(metadata["uid"]):
            return
        key = (component, metadata["uid"], kind, reason, message)
        try:
            if key in self._known:
                self._count_up(*self._known[key])
                return
            # Events about cluster-wide objects live in the namespace "default".
            namespace = metadata.get("namespace") or "default"
            name = f"{metadata['name']}.{next(self._numbers):x}"
            self._store.create(EVENT, _event(about, namespace, name, kind, reason, message, component), _WRITER)
            self._known[key] = (namespace, name)
        except ApiError:
            # The recorder works beside the operator: events are lost without a word.
            self._known.pop(key, None)

    def _count_up(self, namespace: str, name: str) -> None:
        def again(event: Object) -> Object:
            return event | {"count": event["count"] + 1, "lastTimestamp": timestamp()}

        self._store.modify(EVENT, namespace, name, again, _WRITER)

    def _allowed(self, uid: str) -> bool:
        tokens, last = self._tokens.get(uid, (float(_BURST), time.monotonic()))
        now = time.monotonic()
        tokens = min(_BURST, tokens + (now - last) / _REFILL_SECONDS)
        self._tokens[uid] = (tokens - 1 if tokens >= 1 else tokens, now)
        return tokens >= 1


_WRITER = Writer("external-secrets")


def _event(about: Object, namespace: str, name: str, kind: str, reason: str, message: str, component: str) -> Object:
    metadata = about["metadata"]
    involved = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
    }
    now = timestamp()
    return {
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {key: value for key, value in involved.items() if value},
        "type": kind,
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
        "eventTime": None,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
