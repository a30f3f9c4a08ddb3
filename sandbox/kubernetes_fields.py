"""`metadata.managedFields`: which writer set which field last, as the API server records it.

ESO reads it to know which keys of a Secret are its own. Lists count as one field, as in most CRDs. That a map is there
at all is a field as well, called `.`.
"""

from typing import Any

from sandbox.kubernetes_kinds import Object

Path = tuple[str, ...]

_UNTRACKED_METADATA = {
    "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields",
    "deletionTimestamp", "deletionGracePeriodSeconds", "generateName", "selfLink",
}  # fmt: skip


def record(old: Object | None, new: Object, *, manager: str, api_version: str, subresource: str, now: str) -> None:
    """Set `new`'s managedFields: what differs from `old` now belongs to `manager`, and to nobody else."""
    before, after = _leaves(old or {}), _leaves(new)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = set(before) - set(after)
    entries: list[Object] = []
    mine: Object | None = None
    for entry in (old or {}).get("metadata", {}).get("managedFields", []):
        if entry["manager"] == manager and entry.get("subresource", "") == subresource:
            mine = entry
        else:
            entries += _with_fields(entry, _paths(entry["fieldsV1"]) - changed - gone)
    fields = ((_paths(mine["fieldsV1"]) if mine else set()) - gone) | changed
    if mine is None or changed or fields != _paths(mine["fieldsV1"]):
        mine = {
            "manager": manager,
            "operation": "Update",
            "apiVersion": api_version,
            "time": now,
            "fieldsType": "FieldsV1",
        }
        if subresource:
            mine["subresource"] = subresource
    entries += _with_fields(mine, fields)
    new["metadata"]["managedFields"] = entries


def managed_keys(obj: Object, manager: str, *where: str) -> set[str]:
    """The keys under the field `where` (`"data"`, or `"metadata", "labels"`) that `manager` set last."""
    prefix = tuple(f"f:{name}" for name in where)
    keys: set[str] = set()
    for entry in obj["metadata"].get("managedFields", []):
        if entry["manager"] == manager:
            keys |= {
                path[len(prefix)].removeprefix("f:")
                for path in _paths(entry["fieldsV1"])
                if path[: len(prefix)] == prefix and len(path) > len(prefix) and path[-1] != "."
            }
    return keys


def _with_fields(entry: Object, fields: set[Path]) -> list[Object]:
    """`entry` with other fields; nothing when none is left, since the API server drops such entries."""
    return [entry | {"fieldsV1": _tree(fields)}] if fields else []


def _leaves(obj: Object) -> dict[Path, Any]:
    leaves: dict[Path, Any] = {}

    def walk(value: Any, path: Path) -> None:
        if isinstance(value, dict) and value:
            if path != ("f:metadata",):
                leaves[(*path, ".")] = None
            for key, inner in value.items():
                walk(inner, (*path, f"f:{key}"))
        else:
            leaves[path] = value

    for key, value in obj.items():
        if key == "metadata":
            walk(
                {name: v for name, v in value.items() if name not in _UNTRACKED_METADATA} or None,
                ("f:metadata",),
            )
        elif key not in ("apiVersion", "kind"):
            walk(value, (f"f:{key}",))
    leaves.pop(("f:metadata",), None)
    return leaves


def _tree(paths: set[Path]) -> Object:
    tree: Object = {}
    for path in sorted(paths):
        node = tree
        for part in path:
            node = node.setdefault(part, {})
    return tree


def _paths(tree: Object, prefix: Path = ()) -> set[Path]:
    if not tree:
        return {prefix} if prefix else set()
    return {path for key, inner in tree.items() for path in _paths(inner, (*prefix, key))}
