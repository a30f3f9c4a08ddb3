"""The stand-in's etcd: objects in memory, one rising resourceVersion, and the log that watches follow.

It keeps the rules of writing that clients lean on: optimistic locks, generations, finalizers, defaults.
It knows neither HTTP nor users.
"""

import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sandbox import kubernetes_errors as errors
from sandbox import kubernetes_fields as fields
from sandbox.kubernetes_kinds import NAMESPACE, Kind, Object, clone, with_defaults

_FIRST_VERSION = 1000
"""Above 1, so that a watch from version 1 finds its past gone, as on a cluster that has lived a while."""

_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"


@dataclass(frozen=True)
class Writer:
    """Who writes, in what words: what managedFields records."""

    manager: str
    api_version: str = ""
    subresource: str = ""


@dataclass(frozen=True)
class Change:
    """One entry of the log; `before` and `after` are never altered."""

    version: int
    kind: Kind
    before: Object | None
    after: Object | None

    @property
    def object(self) -> Object:
        """The object as it is now, or as it was when it went."""
        shown = self.after or self.before
        assert shown is not None
        return shown


def timestamp(seconds: float | None = None) -> str:
    """RFC 3339 in whole seconds, as Kubernetes writes times."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def name_of(obj: Object) -> tuple[str, str]:
    """Namespace (empty for cluster-wide objects) and name."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


class Store:
    """Objects by kind, namespace and name. Every method may be called from any thread.

    Single objects go in and out as copies, so a caller may alter what it was given.
    """

    def __init__(self) -> None:
        self._objects: dict[Kind, dict[tuple[str, str], Object]] = {}
        self._log: list[Change] = []
        self._version = _FIRST_VERSION
        self._oldest = _FIRST_VERSION
        self._changed = threading.Condition(threading.RLock())
        self._listeners: list[Callable[[Change], None]] = []
        self.admission: list[Callable[[Kind, Object], None]] = []
        """Asked about each object that is created; raises ApiError for what it refuses."""
        self.mutation: list[Callable[[Kind, Object], None]] = []
        """Alters each object that is created or changed, its status apart, before it is stored."""

    @property
    def version(self) -> int:
        """The resourceVersion of the last write."""
        with self._changed:
            return self._version

    @property
    def oldest(self) -> int:
        """The resourceVersion from which on changes are still known."""
        with self._changed:
            return self._oldest

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Call `listener` after every write; it must return at once and must not write."""
        with self._changed:
            self._listeners.append(listener)

    def forget(self) -> None:
        """Drop the log: whoever resumes a watch from an earlier version is told that it expired."""
        with self._changed:
            self._oldest = self._version
            self._log.clear()

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """One object; raises the 404 of the API server."""
        with self._changed:
            found = self._objects.get(kind, {}).get((namespace, name))
            if found is None:
                raise errors.not_found(kind, name)
            return clone(found)

    def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        try:
            return self.get(kind, namespace, name)
        except errors.ApiError:
            return None

    def listed(self, kind: Kind, namespace: str = "") -> tuple[list[Object], int]:
        """Objects in the order of their names, and the version that this was true of.

        They are no copies, since there may be thousands: they must not be altered.
        """
        with self._changed:
            found = self._objects.get(kind, {})
            names = sorted(name for name in found if namespace in ("", name[0]))
            return [found[name] for name in names], self._version

    def create(self, kind: Kind, obj: Object, writer: Writer) -> Object:
        """Store a new object; `obj` needs its name, and its namespace where the kind has one."""
        with self._changed:
            _check_name(kind, obj)
            namespace, name = name_of(obj)
            if kind.namespaced and (not namespace or ("", namespace) not in self._objects.get(NAMESPACE, {})):
                raise errors.not_found(NAMESPACE, namespace)
            if kind.namespaced and "deletionTimestamp" in self._objects[NAMESPACE]["", namespace]["metadata"]:
                raise errors.going_namespace(kind, name, namespace)
            if (namespace, name) in self._objects.get(kind, {}):
                raise errors.already_exists(kind, name)
            for admit in self.admission:
                admit(kind, obj)
            obj = clone(obj)
            if kind.has_status:
                obj.pop("status", None)
            obj = self._mutated(kind, with_defaults(kind, obj))
            metadata = obj["metadata"]
            metadata["uid"] = str(uuid.uuid4())
            metadata["creationTimestamp"] = timestamp()
            if kind.counted:
                metadata["generation"] = 1
            return self._write(kind, None, obj, writer)

    def update(self, kind: Kind, obj: Object, writer: Writer) -> Object:
        """Replace an object, or with `writer.subresource` "status" its status alone.

        Raises the API server's 409 when `obj` carries another resourceVersion or uid than the stored one.
        """
        with self._changed:
            namespace, name = name_of(obj)
            old = self.get(kind, namespace, name)
            version = obj["metadata"].get("resourceVersion")
            if version is None and kind.custom:
                raise errors.version_missing(kind, name)
            uid = old["metadata"]["uid"]
            if obj["metadata"].get("uid", uid) != uid:
                raise errors.other_uid(kind, namespace, name, obj["metadata"]["uid"], uid)
            return self._replace(kind, old, obj, writer)

    def modify(
        self, kind: Kind, namespace: str, name: str, change: Callable[[Object], Object], writer: Writer
    ) -> Object:
        """Apply `change` to the stored object, as a PATCH does: locked only if it sets a resourceVersion."""
        with self._changed:
            old = self.get(kind, namespace, name)
            new = change(clone(old))
            if new["metadata"]["uid"] != old["metadata"]["uid"]:
                text = f'Invalid value: "{new["metadata"]["uid"]}": field is immutable'
                raise errors.invalid(kind, name, "metadata.uid", text)
            return self._replace(kind, old, new, writer)

    def delete(self, kind: Kind, namespace: str, name: str, preconditions: Object | None = None) -> Object | None:
        """Remove an object and return None; a namespace, and one with finalizers, is marked instead, and returned.

        What empties a namespace is a controller, which neither this nor the real cluster of the tests has.
        """
        with self._changed:
            old = self.get(kind, namespace, name)
            for field, expected in (preconditions or {}).items():
                stored = old["metadata"][field]
                if stored != expected:
                    raise errors.precondition_failed(kind, name, field, expected, stored)
            if old["metadata"].get("finalizers") or kind is NAMESPACE:
                if "deletionTimestamp" in old["metadata"]:
                    return old
                new = clone(old)
                new["metadata"] |= {"deletionTimestamp": timestamp(), "deletionGracePeriodSeconds": 0}
                if kind is NAMESPACE:
                    del new["metadata"]["deletionGracePeriodSeconds"]
                    new["status"] = {"phase": "Terminating"}
                if kind.counted:
                    new["metadata"]["generation"] += 1
                return self._keep(kind, old, new)
            self._keep(kind, old, None)
            return None

    def changes(self, version: int, seconds: float) -> list[Change]:
        """The log after `version`; waits up to `seconds` for one. Raises 410 when that past is forgotten."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > version or version < self._oldest, timeout=seconds)
            if version < self._oldest:
                raise errors.expired(f"too old resource version: {version} ({self._oldest})")
            return self._log[version - self._oldest :]

    def _replace(self, kind: Kind, old: Object, obj: Object, writer: Writer) -> Object:
        stored = old["metadata"]["resourceVersion"]
        if obj["metadata"].get("resourceVersion", stored) != stored:
            raise errors.conflict(kind, old["metadata"]["name"])
        new = clone(old)
        if writer.subresource == "status":
            new["status"] = clone(obj.get("status", {}))
        else:
            new = self._mutated(kind, with_defaults(kind, obj))
            for field in (
                "uid",
                "creationTimestamp",
                "generation",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
            ):
                new["metadata"].pop(field, None)
                if field in old["metadata"]:
                    new["metadata"][field] = old["metadata"][field]
            if kind.has_status:
                new.pop("status", None)
                if "status" in old:
                    new["status"] = old["status"]
            self._refuse_change_of_immutable(old, new, kind)
            if kind.counted and _spec(old) != _spec(new):
                new["metadata"]["generation"] += 1
        return self._write(kind, old, new, writer)

    def _mutated(self, kind: Kind, obj: Object) -> Object:
        if not self.mutation:
            return obj
        obj = clone(obj)
        for change in self.mutation:
            change(kind, obj)
        return with_defaults(kind, obj)

    @staticmethod
    def _refuse_change_of_immutable(old: Object, new: Object, kind: Kind) -> None:
        if kind.name == "Secret" and old.get("immutable"):
            changed = old.get("data") != new.get("data")
            if changed or not new.get("immutable"):
                field = "data" if changed else "immutable"
                text = "Forbidden: field is immutable when `immutable` is set"
                raise errors.invalid(kind, old["metadata"]["name"], field, text, "FieldValueForbidden")

    def _write(self, kind: Kind, old: Object | None, new: Object, writer: Writer) -> Object:
        new["apiVersion"], new["kind"] = kind.api_version(), kind.name
        metadata = new["metadata"]
        for field in ("labels", "annotations", "finalizers", "ownerReferences"):
            if field in metadata and not metadata[field]:
                del metadata[field]
        metadata["managedFields"] = old["metadata"].get("managedFields", []) if old else []
        metadata["resourceVersion"] = old["metadata"]["resourceVersion"] if old else ""
        # etcd is not touched by a write that changes nothing: no new version, no watch event.
        if old == new:
            return old
        fields.record(
            old,
            new,
            manager=writer.manager,
            api_version=writer.api_version or kind.api_version(),
            subresource=writer.subresource,
            now=timestamp(),
        )
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            self._keep(kind, old, None)
            return new
        return self._keep(kind, old, new)

    def _keep(self, kind: Kind, old: Object | None, new: Object | None) -> Object:
        """Put `new` in the place of `old`, with the next version, and tell whoever watches."""
        self._version += 1
        source = new or old
        assert source is not None
        shown = clone(source)
        shown["metadata"]["resourceVersion"] = str(self._version)
        held = self._objects.setdefault(kind, {})
        if new is None:
            held.pop(name_of(shown), None)
            change = Change(self._version, kind, shown, None)
        else:
            held[name_of(shown)] = shown
            change = Change(self._version, kind, old, shown)
        self._log.append(change)
        self._changed.notify_all()
        for listener in self._listeners:
            listener(change)
        return clone(shown)


def _check_name(kind: Kind, obj: Object) -> None:
    name = obj["metadata"].get("name") or ""
    if not name:
        text = "Required value: name or generateName is required"
        raise errors.invalid(kind, "", "metadata.name", text, "FieldValueRequired")
    if not re.fullmatch(_SUBDOMAIN, name):
        text = (
            f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric '
            "characters, '-' or '.', and must start and end with an alphanumeric character "
            f"(e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
        )
        raise errors.invalid(kind, name, "metadata.name", text)


def _spec(obj: Object) -> Object:
    """What `metadata.generation` counts: all but metadata and status."""
    return {key: value for key, value in obj.items() if key not in ("metadata", "status", "apiVersion", "kind")}
