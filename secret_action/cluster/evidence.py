"""What the cluster and SSM show about one ExternalSecret that failed.

It only reads, and what it may not read it skips.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.errors import NotFound, one_line
from secret_action.cluster.eso_log import NOTHING, Subject, errors_by_subject
from secret_action.cluster.events import Warnings, events_of
from secret_action.cluster.inspection import StoreKey, prefix_of, store_key
from secret_action.cluster.live import Object, entries, name_of, ready, section, text, uid_of
from secret_action.cluster.paths import PODS, SERVICE_ACCOUNTS, Resource, store_resource
from secret_action.cluster.quoting import said
from secret_action.cluster.targets import Target
from secret_action.errors import SecretSyncError

_OPERATOR = "app.kubernetes.io/name=external-secrets"  # what ESO's chart puts on its controller's pods
_OPERATOR_NAMESPACE = "external-secrets"
_VERSION = "app.kubernetes.io/version"
_LOG = {"tailLines": "2000", "sinceSeconds": "900", "limitBytes": str(2 * 1024 * 1024)}
_MOST = 3  # log lines, events and pods that are looked at
_MOST_PARAMETERS = 20
_ROLE = "eks.amazonaws.com/role-arn"  # the annotation of IAM roles for service accounts

ParameterExists = Callable[[str], bool | None]
"""Whether a parameter exists as our own AWS credentials see it; None where they do not tell."""


@dataclass(frozen=True)
class Account:
    """A service account, as far as it may be read."""

    namespace: str
    name: str
    found: bool | None
    role: str
    """The IAM role that its annotation names; empty where it names none."""

    asked_for_role: bool
    """The store names it, so ESO wants its role; ESO's own may have another way to its rights."""


@dataclass(frozen=True)
class Evidence:
    """All texts are one clean line each, as far as they may be shown (`quoting`). What could not be read is None, or
    empty where that means the same."""

    name: str
    namespace: str
    answered: bool
    """ESO is known to have tried after our annotation."""
    dropped: bool
    """Our annotation was not stored: the API server's answer was without it."""
    api_version: str
    """In which the cluster serves ExternalSecrets, the newest that is known."""
    condition: str
    """Message of its `Ready`, where that is not True."""
    events: tuple[str, ...]
    """Its warnings since it last synced, the newest first."""
    store: str
    """Kind and name of its store."""
    store_found: bool | None
    store_near: str
    """Where it is not found, the one that may be meant."""
    store_condition: str
    """What the store says where it is not ready."""
    store_events: tuple[str, ...]
    store_region: str
    store_prefix: str
    """What the store puts before each key, so that ESO reads another parameter than the manifest names."""
    account: Account | None
    """The service account through which its store signs in to AWS."""
    operator_running: bool | None
    """Whether a pod of ESO's runs; None where we may not look."""
    operator_trouble: str
    """Why no container of it runs, in a word or two: `CrashLoopBackOff`."""
    operator_version: str
    """`v0.20.4`, as its pods are labelled."""
    operator_log: tuple[str, ...]
    """What ESO logged about no object in particular, the newest first."""
    log: tuple[str, ...]
    """What ESO logged about it since then, the newest first."""
    parameters: Mapping[str, bool] = field(default_factory=dict)
    """Which of its parameters exist, as our own AWS credentials see it; without those of which that is not known."""

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
        self._near: dict[tuple[StoreKey, str], str] = {}
        self._accounts: dict[tuple[str, str], Account] = {}
        self._pods: tuple[Object, ...] | None = None
        self._pods_read = False
        self._log: Mapping[Subject, Sequence[str]] | None = None
        self.warnings = Warnings(api)

    def gather(self, target: Target, live: Object, *, answered: bool, dropped: bool) -> Evidence:
        """The evidence about one. answered: ESO is known to have tried. dropped: our annotation was not stored."""
        key = store_key(live, target.namespace)
        found, store, store_events = self._store(key)
        status, _, message = ready(live)
        store_status, store_reason, store_message = ready(store)
        unready = store_status != "True" and bool(store)
        log, pods = self._errors(), self._operator()
        # Its last attempt succeeded: whatever was said of failures is older.
        fine = status == "True"
        return Evidence(
            name=target.name,
            namespace=target.namespace,
            answered=answered,
            dropped=dropped,
            api_version=self._resource.group_version,
            condition="" if fine else said(message),
            events=() if fine else _texts(self.warnings.about(uid_of(live))),
            store=f"{key[0]} {key[2]}",
            store_found=found,
            store_near=self._nearest(key, target.namespace) if found is False else "",
            store_condition=said(f"{store_reason} {store_message}") if unready else "",
            # Those of a ClusterSecretStore are in a namespace that we may not read; ESO's log has the same words.
            store_events=(store_events or _first(log, key)) if unready else (),
            store_region=text(store, "spec", "provider", "aws", "region"),
            store_prefix=one_line(prefix_of(store)),
            account=self._account(store, target.namespace),
            operator_running=None if pods is None else any(map(_runs, pods)),
            operator_trouble=next(filter(None, map(_trouble, pods or ())), ""),
            operator_version=next(filter(None, (text(pod, "metadata", "labels", _VERSION) for pod in pods or ())), ""),
            operator_log=_first(log, NOTHING),
            log=() if fine else _first(log, ("ExternalSecret", *target.key)),
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

    def _nearest(self, key: StoreKey, namespace: str) -> str:
        """The store that may be meant by one that is not there: of a like name, or of its name and the other kind."""
        if (key, namespace) not in self._near:
            there: dict[str, str] = {}
            for kind, place in (("SecretStore", namespace), ("ClusterSecretStore", "")):
                try:
                    stores = self._api.list(store_resource(self._resource.group_version, kind).at(place))[0]
                except SecretSyncError:
                    continue
                there |= {name_of(store): kind for store in stores}
            near = difflib.get_close_matches(key[2], sorted(there), n=1)
            self._near[key, namespace] = f"{there[near[0]]} {near[0]}" if near else ""
        return self._near[key, namespace]

    def _account(self, store: Object, namespace: str) -> Account | None:
        """The one that the store names, else for a store that names no credentials at all ESO's own."""
        auth = section(store, "spec", "provider", "aws", "auth")
        if reference := section(auth, "jwt", "serviceAccountRef"):
            own = text(store, "metadata", "namespace") or text(reference, "namespace") or namespace
            return self._read_account(own, text(reference, "name"), asked_for_role=True)
        if store and not auth and (pods := self._operator()):
            own, name = text(pods[0], "metadata", "namespace"), text(pods[0], "spec", "serviceAccountName")
            return self._read_account(own, name, asked_for_role=False)
        return None

    def _read_account(self, namespace: str, name: str, *, asked_for_role: bool) -> Account | None:
        if not name:
            return None
        if (namespace, name) not in self._accounts:
            found: bool | None
            try:
                account = self._api.get(SERVICE_ACCOUNTS.at(namespace, name), metadata_only=True)
                found, role = True, one_line(text(account, "metadata", "annotations", _ROLE))
            except NotFound:
                found, role = False, ""
            except SecretSyncError:
                found, role = None, ""
            self._accounts[namespace, name] = Account(namespace, name, found, role, asked_for_role)
        return self._accounts[namespace, name]

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

    def _errors(self) -> Mapping[Subject, Sequence[str]]:
        """What ESO logged of errors, the newest first, by the kind, namespace and name of what each is about."""
        if self._log is None:
            lines: list[str] = []
            for pod in (self._operator() or ())[:_MOST]:
                place = PODS.at(text(pod, "metadata", "namespace"), text(pod, "metadata", "name"), "log")
                try:
                    lines += self._api.log(place, **_LOG).splitlines()
                except SecretSyncError:
                    continue
            self._log = errors_by_subject(reversed(lines))
        return self._log

    def _parameters(self, target: Target) -> dict[str, bool]:
        paths = dict.fromkeys(reference.path for reference in target.rendered.references)
        known: dict[str, bool] = {}
        if self._exists is None:
            return known
        for path in list(paths)[:_MOST_PARAMETERS]:
            try:
                there = self._exists(path)
            except SecretSyncError:
                break  # the others would fail alike
            if there is not None:
                known[path] = there
        return known


def _texts(events: Iterable[Object]) -> tuple[str, ...]:
    """What the warnings among these events say, the newest first."""
    warnings = sorted((event for event in events if event.get("type") == "Warning"), key=_when, reverse=True)
    # Without its request ids, the same failure of several attempts is one text.
    return tuple(dict.fromkeys(said(text(event, "message")) for event in warnings))[:_MOST]


def _when(event: Object) -> tuple[str, int]:
    """Sorts events by time. Times are in whole seconds; within one, the resource version tells the later."""
    version = text(event, "metadata", "resourceVersion")
    return text(event, "lastTimestamp") or text(event, "eventTime"), int(version) if version.isdecimal() else 0


def _trouble(pod: Object) -> str:
    """Why a container of it waits; empty where none does. A pod in a crash loop still has the phase Running."""
    waiting = (section(one, "state", "waiting") for one in entries(section(pod, "status"), "containerStatuses"))
    return next((one_line(text(one, "reason")) or "it waits" for one in waiting if one), "")


def _runs(pod: Object) -> bool:
    return text(pod, "status", "phase") == "Running" and not _trouble(pod)


def _first(log: Mapping[Subject, Iterable[str]], subject: Subject) -> tuple[str, ...]:
    """The newest errors about something, each once."""
    found: dict[str, None] = {}
    for error in log.get(subject, ()):
        found[said(error)] = None
        if len(found) == _MOST:
            break
    return tuple(found)
