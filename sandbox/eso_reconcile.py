"""One reconcile of one ExternalSecret or store, step by step as ESO v0.20.4 does it.

It reads and writes the stand-in's store directly, so that tests see only their own requests.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox import eso_model as model
from sandbox.eso_events import Events
from sandbox.eso_provider import (
    GetParameter,
    NoSecretError,
    ProviderError,
    converted,
    decode,
    get_secret,
    get_secret_map,
)
from sandbox.eso_secret import NotRetried, TemplateError, built
from sandbox.eso_stores import Stores
from sandbox.kubernetes_errors import ApiError
from sandbox.kubernetes_kinds import EXTERNAL_SECRET, SECRET, Object
from sandbox.kubernetes_store import Store, Writer, timestamp

_OPERATOR = "external-secrets"
_RETAIN = "secret retained due to DeletionPolicy=Retain"

Log = Callable[[str, Object], None]
"""Writes a line of level info about an ExternalSecret; what the operator logs as debug is left out."""


class Failed(Exception):
    """A reconcile that failed and is tried again after a backoff; the text goes into the log."""


@dataclass(frozen=True)
class Outcome:
    """How a reconcile that read the provider ended, and what goes into the Ready condition."""

    reason: str
    message: str


class Reconciler:
    """Brings one ExternalSecret at a time to where its spec wants it."""

    def __init__(
        self,
        store: Store,
        stores: Stores,
        events: Events,
        log: Log,
        *,
        version: model.Version,
        latency: float,
    ) -> None:
        """`latency`: seconds that each read of the provider takes, with the ExternalSecret already read."""
        self._store = store
        self._stores = stores
        self._events = events
        self._log = log
        self._version = version
        self._latency = latency

    def reconcile(self, namespace: str, name: str) -> float | None:
        """One pass; returns the seconds until the next is due, None for never.

        Raises Failed for what is tried again with growing pauses.
        """
        start = time.time()
        found = self._store.find(EXTERNAL_SECRET, namespace, name)
        if found is None:
            return None
        if "deletionTimestamp" in found["metadata"]:
            self._clean_up(found)
            return None
        external_secret = self._with_finalizer(found)
        if self._stores.unmanaged(external_secret):
            return None
        secret = self._store.find(SECRET, namespace, model.target_name(external_secret))
        if secret is not None and secret["metadata"].get("labels", {}).get(model.LABEL_MANAGED) != "true":
            self._mark_managed(secret, name)
            return 0.0
        if not model.should_refresh(external_secret, start, self._version) and model.secret_valid(
            secret, external_secret, self._version
        ):
            return self._next(external_secret, start)
        return self._refresh(external_secret, secret, start)

    def _refresh(self, external_secret: Object, secret: Object | None, start: float) -> float | None:
        """Read the provider and write the Secret; whatever comes of it is written to the status."""
        before = external_secret.get("status", {})
        status = dict(before)
        failure: Exception | None = None
        try:
            outcome = self._sync(external_secret, secret, status)
            old: Object = next((c for c in status.get("conditions") or [] if c["type"] == "Ready"), {})
            status = model.with_ready(status, True, outcome.reason, outcome.message)
            status["refreshTime"] = timestamp(start)
            status["syncedResourceVersion"] = model.synced_version(external_secret["metadata"], self._version)
            if (old.get("status"), old.get("reason")) != ("True", outcome.reason):
                deleted = outcome.reason == "SecretDeleted"
                self._log("deleted secret" if deleted else "reconciled secret", external_secret)
        except NotRetried as error:
            status = self._failed(external_secret, status, error.condition, str(error))
        except ProviderError as error:
            status = self._failed(external_secret, status, "could not get secret data from provider", str(error))
            failure = error
        except (TemplateError, ApiError) as error:
            if isinstance(error, ApiError) and error.reason == "Conflict":
                return 0.0
            status = self._failed(external_secret, status, "could not update secret", str(error))
            failure = error
        external_secret["status"] = status
        if status != before and not self._write_status(external_secret):
            return 0.0
        if failure is not None:
            raise Failed(str(failure))
        return self._next(external_secret, start)

    def _write_status(self, external_secret: Object) -> bool:
        """Write the status unless somebody wrote the object since it was read, as a conflict does."""
        # Go's zero values: a status that was never synced still has these two fields.
        external_secret["status"].setdefault("refreshTime", None)
        external_secret["status"].setdefault("binding", {"name": ""})
        try:
            self._store.update(EXTERNAL_SECRET, external_secret, Writer(_OPERATOR, subresource="status"))
        except ApiError:
            return False
        return True

    def _sync(self, external_secret: Object, secret: Object | None, status: Object) -> Outcome:
        target = external_secret["spec"]["target"]
        data = self._provider_data(external_secret)
        if not data and target["deletionPolicy"] == "Delete":
            return self._delete_target(external_secret, secret)
        if not data and target["deletionPolicy"] == "Retain":
            return Outcome("SecretSynced", _RETAIN)
        policy = target["creationPolicy"]
        if policy == "Merge" and secret is None:
            return Outcome("SecretMissing", "secret will not be created due to CreationPolicy=Merge")
        if policy != "None":
            if policy == "Owner":
                self._delete_orphans(external_secret)
            if secret is None:
                self._create_secret(external_secret, data, status)
            else:
                self._update_secret(external_secret, secret, data, status)
        return Outcome("SecretSynced", "secret synced")

    def _provider_data(self, external_secret: Object) -> dict[str, bytes]:
        spec = external_secret["spec"]
        retain = spec["target"]["deletionPolicy"] == "Retain"
        data: dict[str, bytes] = {}
        for index, source in enumerate(spec.get("dataFrom") or []):
            kind = next((name for name in ("find", "extract") if name in source), "sourceRef.generatorRef")
            try:
                data |= self._extract(external_secret, source)
            except NoSecretError as error:
                if retain:
                    raise _processing(f"spec.dataFrom[{index}].{kind}", error) from error
                self._missing(external_secret, f"spec.dataFrom[{index}]")
            except (ProviderError, ValueError) as error:
                raise _processing(f"spec.dataFrom[{index}].{kind}", error) from error
        for index, entry in enumerate(spec.get("data") or []):
            key = entry["remoteRef"]["key"]
            try:
                data[entry["secretKey"]] = self._value(external_secret, entry)
            except NoSecretError as error:
                if retain:
                    raise _processing(f"spec.data[{index}] (key: {key})", error) from error
                self._missing(external_secret, f"spec.dataFrom[{index}] (key={key})")
            except (ProviderError, ValueError) as error:
                raise _processing(f"spec.data[{index}] (key: {key})", error) from error
        return data

    def _value(self, external_secret: Object, entry: Object) -> bytes:
        get, prefix = self._provider(external_secret, entry)
        ref = entry["remoteRef"]
        return _decoded(ref["decodingStrategy"], get_secret(get, prefix, ref))

    def _extract(self, external_secret: Object, source: Object) -> dict[str, bytes]:
        get, prefix = self._provider(external_secret, source)
        ref = source.get("extract")
        if ref is None or source.get("rewrite"):
            raise ProviderError("the sandbox's operator knows no find, rewrite or generator")
        values = get_secret_map(get, prefix, ref)
        return {
            converted(ref["conversionStrategy"], key): _decoded(ref["decodingStrategy"], value, key)
            for key, value in values.items()
        }

    def _provider(self, external_secret: Object, entry: Object) -> tuple[GetParameter, str]:
        get, prefix = self._stores.provider(external_secret, entry)

        def get_later(name: str, version: str) -> str | None:
            time.sleep(self._latency)
            return get(name, version)

        return get_later, prefix

    def _create_secret(self, external_secret: Object, data: dict[str, bytes], status: Object) -> None:
        origin, name = external_secret["metadata"], model.target_name(external_secret)
        empty = {"metadata": {"name": name, "namespace": origin["namespace"]}, "data": {}}
        try:
            secret = built(empty, external_secret, data, self._version)
        except TemplateError as error:
            raise TemplateError(f"could not apply template: {error}") from error
        self._store.create(SECRET, secret, Writer(model.field_manager(origin["name"])))
        status["binding"] = {"name": name}
        self._events.emit(external_secret, "Normal", "Created", "secret created")

    def _update_secret(self, external_secret: Object, secret: Object, data: dict[str, bytes], status: Object) -> None:
        name = secret["metadata"]["name"]
        status["binding"] = {"name": name}
        try:
            new = built(secret, external_secret, data, self._version)
        except TemplateError as error:
            raise TemplateError(f"unable to mutate secret {name}: could not apply template: {error}") from error
        except NotRetried as error:
            raise NotRetried(error.condition, f"unable to mutate secret {name}: {error}") from error
        if _semantically(new) == _semantically(secret):
            return
        writer = Writer(model.field_manager(external_secret["metadata"]["name"]))
        if secret.get("immutable") and new.get("data") != secret.get("data"):
            self._store.update(SECRET, secret | {"metadata": new["metadata"]}, writer)
            raise NotRetried(
                "could not update secret, target is immutable",
                f"unable to update secret {name}: secret is immutable",
            )
        self._store.update(SECRET, new, writer)
        self._events.emit(external_secret, "Normal", "Updated", "secret updated")

    def _delete_target(self, external_secret: Object, secret: Object | None) -> Outcome:
        policy = external_secret["spec"]["target"]["creationPolicy"]
        if policy != "Owner":
            name = model.target_name(external_secret)
            raise NotRetried(
                "could not delete secret",
                f"unable to delete secret {name}: creationPolicy={policy} is not Owner",
            )
        text = "secret deleted due to DeletionPolicy=Delete"
        if secret is not None:
            self._store.delete(SECRET, secret["metadata"]["namespace"], secret["metadata"]["name"])
            self._events.emit(external_secret, "Normal", "Deleted", text)
        return Outcome("SecretDeleted", text)

    def _delete_orphans(self, external_secret: Object) -> None:
        """Secrets that it owned under another target name."""
        origin = external_secret["metadata"]
        label = model.owner_hash(origin["namespace"], origin["name"], self._version)
        for secret in self._store.listed(SECRET, origin["namespace"])[0]:
            metadata = secret["metadata"]
            ours = metadata.get("labels", {}).get(model.LABEL_OWNER) == label
            if ours and metadata["name"] != model.target_name(external_secret):
                self._store.delete(SECRET, metadata["namespace"], metadata["name"])
                self._events.emit(external_secret, "Normal", "Deleted", "secret deleted because it was orphaned")

    def _with_finalizer(self, external_secret: Object) -> Object:
        finalizers = external_secret["metadata"].get("finalizers", [])
        if not self._version.finalizer or model.FINALIZER in finalizers:
            return external_secret
        external_secret["metadata"]["finalizers"] = [*finalizers, model.FINALIZER]
        external_secret["spec"] = model.normalised(external_secret["spec"])
        try:
            return self._store.update(EXTERNAL_SECRET, external_secret, Writer(_OPERATOR))
        except ApiError as error:
            raise Failed(str(error)) from error

    def _clean_up(self, external_secret: Object) -> None:
        metadata = external_secret["metadata"]
        if external_secret["spec"]["target"]["deletionPolicy"] == "Delete":
            secret = self._store.find(SECRET, metadata["namespace"], model.target_name(external_secret))
            owners = (secret or {}).get("metadata", {}).get("ownerReferences") or []
            if secret is not None and any(owner["uid"] == metadata["uid"] for owner in owners):
                self._store.delete(SECRET, metadata["namespace"], secret["metadata"]["name"])
        finalizers = [name for name in metadata.get("finalizers", []) if name != model.FINALIZER]
        if finalizers != metadata.get("finalizers", []):
            metadata["finalizers"] = finalizers
            self._store.update(EXTERNAL_SECRET, external_secret, Writer(_OPERATOR))

    def _mark_managed(self, secret: Object, name: str) -> None:
        """A Secret that was there before gets the label first, and is looked at again."""
        secret["metadata"].setdefault("labels", {})[model.LABEL_MANAGED] = "true"
        self._store.update(SECRET, secret, Writer(model.field_manager(name)))

    def _missing(self, external_secret: Object, where: str) -> None:
        # "spec.dataFrom" is the operator's own slip where it means spec.data.
        text = f"secret does not exist at provider using {where}"
        self._events.emit(external_secret, "Normal", "MissingProviderSecret", text)

    def _failed(self, external_secret: Object, status: Object, message: str, text: str) -> Object:
        """A failure touches the condition alone: refreshTime and syncedResourceVersion stay."""
        self._events.emit(external_secret, "Warning", "UpdateFailed", text)
        return model.with_ready(status, False, "SecretSyncedError", message)

    @staticmethod
    def _next(external_secret: Object, now: float) -> float | None:
        interval = model.seconds(external_secret["spec"]["refreshInterval"])
        refreshed = external_secret.get("status", {}).get("refreshTime")
        if interval <= 0:
            return None
        return max(0.0, (model.epoch(refreshed) if refreshed else now) + interval - now)


def _processing(what: str, error: Exception) -> ProviderError:
    return ProviderError(f"error processing {what}, err: {error}")


def _decoded(strategy: str, value: bytes, key: str = "") -> bytes:
    try:
        return decode(strategy, value)
    except ValueError as error:
        where = f"failure decoding key {key}: " if key else ""
        raise ProviderError(f"error applying decoding strategy {strategy} to data: {where}{error}") from error


def _semantically(secret: Object) -> Object:
    """A Secret with empty maps gone: Kubernetes does not tell them from absent ones."""
    metadata = {key: value for key, value in secret["metadata"].items() if value}
    return {key: value for key, value in secret.items() if value and key != "metadata"} | {"metadata": metadata}
