"""The External Secrets Operator of the stand-in: a work queue, one worker, backoff, logs.

It decides as ESO v0.20.4 does (`eso_model`, `eso_reconcile`), on the stand-in's own store.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.eso_events import Events
from sandbox.eso_model import LABEL_MANAGED, V0_20_4, Version, target_name
from sandbox.eso_reconcile import Failed, Reconciler
from sandbox.eso_sign_in import SignIn
from sandbox.eso_stores import ReaderOf, Stores
from sandbox.kubernetes_kinds import (
    CLUSTER_SECRET_STORE,
    EXTERNAL_SECRET,
    SECRET,
    SECRET_STORE,
    Kind,
    Object,
)
from sandbox.kubernetes_store import Change, Store, name_of

_STORE_KINDS = (CLUSTER_SECRET_STORE, SECRET_STORE)
_STORE_INTERVAL = 300.0
_MOST_BACKOFF = 420.0


@dataclass(frozen=True)
class EsoSettings:
    """How this operator differs from a quick one of v0.20.4; times in seconds."""

    version: Version = V0_20_4
    delay: float = 0.0
    """Before each reconcile: the queue of a busy operator."""
    latency: float = 0.0
    """Of each read of a parameter, after the ExternalSecret itself was read."""
    backoff: float = 1.0
    """After the first failure; it doubles with each."""


Item = tuple[Kind, str, str]


class Eso:
    """The operator as a thread, from `start` to `stop`; what it has logged outlives that."""

    def __init__(self, store: Store, readers: ReaderOf, settings: EsoSettings, sign_in: SignIn | None = None) -> None:
        """`sign_in` assumes the roles of stores; without it every store's credentials are taken for good."""
        self.settings = settings
        self._sign_in = sign_in
        self._store = store
        self._readers = readers
        self._stores: Stores | None = None
        self._told: dict[str, tuple[bool, str, str]] = {}
        self._log: list[str] = []
        self._queue: dict[Item, None] = {}
        self._later: dict[Item, float] = {}
        self._failures: dict[Item, int] = {}
        self._wake = threading.Condition()
        self._worker: threading.Thread | None = None
        store.listen(self._on_change)

    def start(self) -> None:
        """Begin, with everything that is there in the queue and without memory of failures before."""
        events = Events(self._store)
        stores = Stores(self._store, events, self._readers, self._sign_in)
        for name, told in self._told.items():
            stores.tell(name, *told)
        reconciler = Reconciler(
            self._store, stores, events, self._log_line,
            version=self.settings.version, latency=self.settings.latency,
        )  # fmt: skip
        worker = threading.Thread(target=self._work, args=(stores, reconciler), daemon=True)
        with self._wake:
            if self._worker is not None:
                return
            self._failures.clear()
            self._queue.clear()
            self._later.clear()
            self._stores, self._worker = stores, worker
        # From here on changes are queued, so none is missed. The store's lock is never taken within ours.
        for kind in (*_STORE_KINDS, EXTERNAL_SECRET):
            for obj in self._store.listed(kind)[0]:
                self._enqueue((kind, *name_of(obj)))
        worker.start()

    def stop(self) -> None:
        """End after the reconcile that is under way; statuses stay as they are."""
        with self._wake:
            worker, self._worker = self._worker, None
            self._wake.notify_all()
        if worker is not None:
            worker.join()

    def log(self) -> str:
        """All lines logged so far: zap's JSON, one object a line."""
        with self._wake:
            return "".join(line + "\n" for line in self._log)

    def set_store_ready(self, name: str, ready: bool, reason: str = "", message: str = "") -> None:
        """Fix the Ready condition of the stores of this name, and see to it that it is written soon."""
        default = ("Valid", "store validated") if ready else ("InvalidProviderConfig", "unable to create client")
        self._told[name] = (ready, reason or default[0], message or default[1])
        if self._stores is not None:
            self._stores.tell(name, *self._told[name])
        for kind in _STORE_KINDS:
            for obj in self._store.listed(kind)[0]:
                if obj["metadata"]["name"] == name:
                    self._enqueue((kind, *name_of(obj)))

    def _on_change(self, change: Change) -> None:
        """Called by the store under its lock, so it only takes note."""
        if change.kind in (*_STORE_KINDS, EXTERNAL_SECRET):
            self._enqueue((change.kind, *name_of(change.object)))
        elif change.kind is SECRET and change.object["metadata"].get("labels", {}).get(LABEL_MANAGED) == "true":
            namespace, name = name_of(change.object)
            for obj in self._store.listed(EXTERNAL_SECRET, namespace)[0]:
                if target_name(obj) == name:
                    self._enqueue((EXTERNAL_SECRET, *name_of(obj)))

    def _enqueue(self, item: Item) -> None:
        """Have an item looked at; a change thus overtakes the pause after a failure, and does not end it."""
        with self._wake:
            if self._worker is not None:
                self._queue[item] = None
                self._wake.notify_all()

    def _enqueue_later(self, item: Item, seconds: float) -> None:
        """Have an item looked at after a while, or earlier when that was asked for before (by the worker)."""
        with self._wake:
            due = time.monotonic() + seconds
            self._later[item] = min(self._later.get(item, due), due)

    def _work(self, stores: Stores, reconciler: Reconciler) -> None:
        me = threading.current_thread()
        while (item := self._next(lambda: self._worker is me)) is not None:
            kind, namespace, name = item
            try:
                if kind is EXTERNAL_SECRET:
                    time.sleep(self.settings.delay)
                    after = reconciler.reconcile(namespace, name)
                else:
                    after = _STORE_INTERVAL
                    if wrong := stores.validate(kind, namespace, name):
                        raise Failed(wrong)
                self._failures.pop(item, None)
                if after is not None:
                    self._enqueue_later(item, after)
            except Failed as error:
                self._retry(item, str(error))
            except Exception as error:  # a mistake in the sandbox, which must not end its operator in silence
                self._retry(item, f"panic: {error!r} [recovered]")

    def _retry(self, item: Item, error: str) -> None:
        self._log_error(item, error)
        count = self._failures[item] = self._failures.get(item, 0) + 1
        self._enqueue_later(item, min(self.settings.backoff * 2 ** (count - 1), _MOST_BACKOFF))

    def _next(self, running: Callable[[], bool]) -> Item | None:
        """The next item that is due; None when the operator stops."""
        with self._wake:
            while running():
                now = time.monotonic()
                for item in [item for item, due in self._later.items() if due <= now]:
                    del self._later[item]
                    self._queue[item] = None
                if self._queue:
                    item = next(iter(self._queue))
                    del self._queue[item]
                    return item
                self._wake.wait(min(self._later.values()) - now if self._later else None)
            return None

    def _log_line(self, message: str, about: Object) -> None:
        namespace, name = name_of(about)
        self._append(
            {
                "level": "info",
                "ts": time.time(),
                "logger": "controllers.ExternalSecret",
                "msg": message,
                "ExternalSecret": {"name": name, "namespace": namespace},
            }
        )

    def _log_error(self, item: Item, error: str) -> None:
        kind, namespace, name = item
        reference = {"name": name} | ({"namespace": namespace} if namespace else {})
        self._append(
            {
                "level": "error",
                "ts": time.time(),
                "msg": "Reconciler error",
                "controller": kind.name.lower(),
                "controllerGroup": kind.group,
                "controllerKind": kind.name,
                kind.name: reference,
                "namespace": namespace,
                "name": name,
                "reconcileID": str(uuid.uuid4()),
                "error": error,
                "stacktrace": "sigs.k8s.io/controller-runtime/pkg/internal/controller.(*Controller[...])",
            }
        )

    def _append(self, line: Object) -> None:
        with self._wake:
            self._log.append(json.dumps(line, separators=(",", ":")))
