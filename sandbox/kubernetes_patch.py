"""Patches as the API server takes them: RFC 6902 (JSON patch) and RFC 7386 (merge patch)."""

from collections.abc import Callable
from typing import Any

import jsonpatch

from sandbox import kubernetes_errors as errors
from sandbox.http import Request
from sandbox.kubernetes_kinds import Kind, Object

_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"
_STRATEGIC_PATCH = "application/strategic-merge-patch+json"


def patch_of(request: Request, kind: Kind) -> Callable[[Object], Object]:
    """What a PATCH request does to the stored object. Raises 415 and 400 for what is no patch."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    accepted = [_JSON_PATCH, _MERGE_PATCH, *([] if kind.custom else [_STRATEGIC_PATCH])]
    if media_type not in accepted:
        raise errors.ApiError(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join([*accepted, "application/apply-patch+yaml"]),
        )
    try:
        patch: Any = request.json()
    except ValueError as error:
        raise errors.bad_request(f"error decoding patch: {error}") from error
    if not isinstance(patch, list if media_type == _JSON_PATCH else dict):
        given = {str: "string", dict: "object", list: "array", bool: "bool"}.get(type(patch), "number")
        wanted = "jsonpatch.Patch" if media_type == _JSON_PATCH else "map[string]interface {}"
        raise errors.bad_request(f"error decoding patch: json: cannot unmarshal {given} into Go value of type {wanted}")
    if media_type == _JSON_PATCH:
        return lambda obj: _json_patched(obj, patch)
    # A strategic merge differs for lists alone, which no client of the stand-in patches that way.
    return lambda obj: _merged(obj, patch)


def _json_patched(obj: Object, patch: Any) -> Object:
    try:
        patched: Object = jsonpatch.apply_patch(obj, patch)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise errors.ApiError(
            422, "Invalid", "the server rejected our request due to an error in our request", details={}
        ) from error
    return patched


def _merged(old: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged
