"""What a live ExternalSecret says, read from its JSON without believing that any field is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secret_action.naming import MANAGED_LABEL

Object = Mapping[str, Any]

Key = tuple[str, str]
"""Namespace and name of an object."""


def section(thing: Object, *names: str) -> Object:
    """A nested object by its path; an empty one where any part is absent or something else."""
    for name in names:
        found = thing.get(name)
        if not isinstance(found, Mapping):
            return {}
        thing = found
    return thing


def text(thing: Object, *path: str) -> str:
    """A nested text by its path; empty where it is absent or something else."""
    found = section(thing, *path[:-1]).get(path[-1])
    return found if isinstance(found, str) else ""


def entries(thing: Object, name: str) -> tuple[Object, ...]:
    """A list of objects; empty where it is absent."""
    found = thing.get(name)
    return tuple(item for item in found if isinstance(item, Mapping)) if isinstance(found, list) else ()


def name_of(thing: Object) -> str:
    """`metadata.name`."""
    return text(thing, "metadata", "name")


def key_of(thing: Object) -> tuple[str, str]:
    """Its namespace and name."""
    return text(thing, "metadata", "namespace"), name_of(thing)


def uid_of(thing: Object) -> str:
    """`metadata.uid`."""
    return text(thing, "metadata", "uid")


def resource_version(thing: Object) -> int | None:
    """`metadata.resourceVersion` as the number that it is on every API server backed by etcd; else None."""
    found = text(thing, "metadata", "resourceVersion")
    return int(found) if found.isdecimal() else None


def is_going(thing: Object) -> bool:
    """True where the object is being deleted."""
    return bool(text(thing, "metadata", "deletionTimestamp"))


def is_managed(labels: Mapping[str, object]) -> bool:
    """Whether these labels carry the platform's mark, as the text `true`."""
    return labels.get(MANAGED_LABEL) == "true"


def synced_version_of(thing: Object) -> str:
    """`status.syncedResourceVersion`; empty where ESO has never synced it."""
    return text(thing, "status", "syncedResourceVersion")


def ready(thing: Object) -> tuple[str, str, str]:
    """Status, reason and message of the condition `Ready`; empty texts where there is none."""
    for condition in entries(section(thing, "status"), "conditions"):
        if condition.get("type") == "Ready":
            return text(condition, "status"), text(condition, "reason"), text(condition, "message")
    return "", "", ""


def target_name(thing: Object) -> str:
    """The Secret that it fills: `spec.target.name`, or its own name."""
    return text(thing, "spec", "target", "name") or name_of(thing)


def cluster_owner(thing: Object) -> str:
    """The ClusterExternalSecret that made it; empty where none did."""
    for owner in entries(section(thing, "metadata"), "ownerReferences"):
        if owner.get("kind") == "ClusterExternalSecret":
            return text(owner, "name")
    return ""
