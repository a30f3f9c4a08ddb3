"""Which fields of an ExternalSecret's spec came on top of what its applier asked for: by an admission webhook, say.

A field that Git has taken out, and that still stands in the cluster, looks the same. Told apart by what the applier
left on the object; where that says nothing, no field counts as added.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from secret_action.cluster.live import Object, entries, section, text

Path = tuple[str | int, ...]
"""Of a field within an object: names, and places in lists."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which kubectl and Argo CD leave what they applied."""

# Those that deploy by plain writes: what they own is no addition of others.
_DEPLOYERS = {"before-first-apply", "helm", "kubectl-client-side-apply", "kubectl-create", "kubectl-replace"}


def added(live: Object, is_manifest: Callable[[Object], bool]) -> Callable[[Path], bool]:
    """Whether a field of the live object, that the manifest does not have, was added by others.

    is_manifest: whether a spec says the same as the manifest. What a client applied last must: it removes by itself
    what it had applied before, so nothing of older commits is left then. Of what the server applied, no applier may
    own the field.
    """
    configured, claims = last_applied(live), claims_of(live)
    if not any(claim.by_server for claim in claims):
        manifest = configured is not None and is_manifest(section(configured, "spec"))
        return lambda path: manifest and not any(_owns(claim.fields, path) for claim in claims)
    return lambda path: not any(_owns(claim.fields, path) for claim in claims) and not _holds(configured, path)


def last_applied(live: Object) -> Object | None:
    """What a client applied last, by its own account; None where it left none."""
    try:
        found = json.loads(text(live, "metadata", "annotations", LAST_APPLIED))
    except ValueError:
        return None
    return found if isinstance(found, Mapping) else None


@dataclass(frozen=True)
class Claim:
    """The fields of a spec that somebody owns who deploys it, and says so in no annotation."""

    fields: Object
    by_server: bool
    """By server-side apply."""


def claims_of(live: Object) -> tuple[Claim, ...]:
    """All of one ExternalSecret."""
    claims = []
    for entry in entries(section(live, "metadata"), "managedFields"):
        fields = section(entry, "fieldsV1")
        by_server = text(entry, "operation") == "Apply"
        by_client = text(entry, "manager") in _DEPLOYERS and f"f:{LAST_APPLIED}" not in section(
            fields, "f:metadata", "f:annotations"
        )
        if "f:spec" in fields and not text(entry, "subresource") and (by_server or by_client):
            claims.append(Claim(fields, by_server))
    return tuple(claims)


def _owns(fields: Any, path: Path) -> bool:
    """Whether a field, or something that it is part of, is among these. A list is one field, as in ESO's CRD."""
    for name in path:
        if not fields or isinstance(name, int):
            return True
        if f"f:{name}" not in fields:
            return False
        fields = fields[f"f:{name}"]
    return True


def _holds(thing: Any, path: Path) -> bool:
    for name in path:
        inside = isinstance(thing, Mapping) if isinstance(name, str) else isinstance(thing, list)
        if not inside or (name not in thing if isinstance(name, str) else name >= len(thing)):
            return False
        thing = thing[name]
    return True
