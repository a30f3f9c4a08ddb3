"""What the cluster and SSM show about one ExternalSecret that failed.

It only reads, and what it may not read it skips.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.errors import NotFound, clean
from secret_action.cluster.events import Warnings, events_of
from secret_action.cluster.inspection import StoreKey, store_key
from secret_action.cluster.live import Object, ready, synced_version_of, text, uid_of
from secret_action.cluster.paths import PODS, Resource, store_resource
from secret_action.cluster.targets import Target
from secret_action.errors import SecretSyncError

_OPERATOR = "app.kubernetes.io/name=external-secrets"  # what ESO's chart puts on its controller's pods
_OPERATOR_NAMESPACE = "external-secrets"
_LOG = {"tailLines": "2000", "sinceSeconds": "900", "limitBytes": str(2 * 1024 * 1024)}
_MOST = 3  # log lines, events and pods that are looked at
_MOST_PARAMETERS = 20

ParameterExists = Callable[[str], bool]


@dataclass(frozen=True)
class Evidence:
    """All texts are cleaned. What could not be read is None, or empty where that means the same."""

    name: str
    namespace: str
    answered: bool
    """ESO is known to have tried after our annotation."""
    synced_before: bool
    """It has synced at some time."""
    condition: str
    """Message of its `Ready`, where that is not True."""
    events: tuple[str, ...]
    """Its warnings, the newest first."""
    store: str
    """Kind and name of its store."""
    store_found: bool | None
    store_condition: str
    """What the store says where it is not ready."""
    store_events: tuple[str, ...]
    store_region: str
    operator_running: bool | None
    """Whether a pod of ESO's runs; None where we may not look."""
    log: tuple[str, ...]
    """What ESO logged about it, the newest first."""
    parameters: Mapping[str, bool] = field(default_factory=dict)
    """Which of its parameters exist, as our own AWS credentials see it; empty where that is not known."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that was said about it, the most telling first."""
        return (*self.events, *self.log, self.store_condition, *self.store_events, self.condition)


class Gatherer:
    """Reads what several ExternalSecrets share (stores, pods, logs) once."""

    def __init__(self, api: KubernetesApi, resource: Resource, exists: ParameterExists | None) -> None:
        self._api = api
        self._resource = resource
        self._exists = exists
        self._stores: dict[StoreKey, tuple[bool | None, Object, tuple[str, ...]]] = {}
        self._pods: tuple[Object, ...] | None = None
        self._pods_read = False
        self._logs: tuple[str, ...] | None = None
        self.warnings = Warnings(api)

    def gather(self, target: Target, live: Object, *, answered: bool) -> Evidence:
        """The evidence about one. answered: ESO is known to have tried."""
        key = store_key(live, target.namespace)
        found, store, store_events = self._store(key)
        status, _, message = ready(live)
        store_status, store_reason, store_message = ready(store)
        unready = store_status != "True" and bool(store)
        return Evidence(
            name=target.name,
            namespace=target.namespace,
            answered=answered,
            synced_before=bool(synced_version_of(live)),
            condition="" if status == "True" else clean(message),
            events=_texts(self.warnings.about(uid_of(live))),
            store=f"{key[0]} {key[2]}",
            store_found=found,
            store_condition=clean(f"{store_reason} {store_message}") if unready else "",
            store_events=store_events if unready else (),
            store_region=text(store, "spec", "provider", "aws", "region"),
            operator_running=self._operator_running(),
            log=tuple(_about(target, self._log_lines()))[:_MOST],
            parameters=self._parameters(target),
        )

    def _store(self, key: StoreKey) -> tuple[bool | None, Object, tuple[str, ...]]:
        if key not in self._stores:
            kind, namespace, name = key
            try:
                store = self._api.get(store_resource(self._resource.group_version, kind).at(namespace, name))
                # The events of what has no namespace are in `default`.
                self._stores[key] = True, store, self._store_warnings(namespace or "default", uid_of(store))
            except NotFound:
                self._stores[key] = False, {}, ()
            except SecretSyncError:
                self._stores[key] = None, {}, ()
        return self._stores[key]

    def _store_warnings(self, namespace: str, uid: str) -> tuple[str, ...]:
        try:
            return _texts(events_of(self._api, namespace, uid))
        except SecretSyncError:
            return ()

    def _operator(self) -> tuple[Object, ...] | None:
        """ESO's pods, wherever we may look for them; None where we may not."""
        if not self._pods_read:
            self._pods_read = True
            for namespace in ("", _OPERATOR_NAMESPACE):
                try:
                    self._pods = self._api.list(PODS.at(namespace), labelSelector=_OPERATOR)[0]
                    break
                except SecretSyncError:
                    continue
        return self._pods

    def _operator_running(self) -> bool | None:
        pods = self._operator()
        return None if pods is None else any(text(pod, "status", "phase") == "Running" for pod in pods)

    def _log_lines(self) -> tuple[str, ...]:
        if self._logs is None:
            lines: list[str] = []
            for pod in (self._operator() or ())[:_MOST]:
                place = PODS.at(text(pod, "metadata", "namespace"), text(pod, "metadata", "name"), "log")
                try:
                    lines += self._api.log(place, **_LOG).splitlines()
                except SecretSyncError:
                    continue
            self._logs = tuple(reversed(lines))
        return self._logs

    def _parameters(self, target: Target) -> dict[str, bool]:
        paths = dict.fromkeys(reference.path for reference in target.rendered.references)
        known: dict[str, bool] = {}
        if self._exists is None:
            return known
        for path in list(paths)[:_MOST_PARAMETERS]:
            try:
                known[path] = self._exists(path)
            except SecretSyncError:
                break  # the others would fail alike
        return known


def _texts(events: Iterable[Object]) -> tuple[str, ...]:
    """What the warnings among these events say, the newest first."""
    warnings = sorted((event for event in events if event.get("type") == "Warning"), key=_when, reverse=True)
    # Without its request ids, the same failure of several attempts is one text.
    return tuple(dict.fromkeys(clean(text(event, "message")) for event in warnings))[:_MOST]


def _when(event: Object) -> tuple[str, int]:
    """Sorts events by time. Times are in whole seconds; within one, the resource version tells the later."""
    version = text(event, "metadata", "resourceVersion")
    return text(event, "lastTimestamp") or text(event, "eventTime"), int(version) if version.isdecimal() else 0


def _about(target: Target, lines: tuple[str, ...]) -> Iterator[str]:
    """The errors that ESO (zap, JSON) logged about one ExternalSecret, each once."""
    said: set[str] = set()
    for line in lines:
        if target.name not in line:
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, Mapping):
            continue
        subject = entry.get("ExternalSecret") or entry.get("externalsecret")
        if subject not in ({"name": target.name, "namespace": target.namespace}, str(target)):
            continue
        words = clean(text(entry, "error"))
        if words and words not in said:
            said.add(words)
            yield words
