"""The stand-in's REST: what each path and verb does to the store, worded and shaped as kube-apiserver does."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonpatch
import yaml

from sandbox import kubernetes_errors as errors
from sandbox.http import DropConnection, Request, Response, json_response
from sandbox.kubernetes_kinds import KINDS, NAMESPACE, POD, Kind, Object
from sandbox.kubernetes_rbac import Access, Rbac
from sandbox.kubernetes_select import Matches, View, field_selector, field_terms, label_selector
from sandbox.kubernetes_store import Change, Store, Writer

VERSION = "v1.34.4"

_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"
_STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_POLL = 0.2
"""Seconds between two looks at whether a silent watch shall end."""


@dataclass(frozen=True)
class Target:
    """What a path means: a kind in one version, and perhaps a namespace, a name, a subresource."""

    kind: Kind
    version: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


class Api:
    """Answers requests for resources and for discovery.

    `served` says whether a kind's version is served, `read_log` has the text of a pod's log, and raising
    `dropped` breaks all watches.
    """

    def __init__(
        self,
        store: Store,
        rbac: Rbac,
        *,
        served: Callable[[Kind, str], bool],
        read_log: Callable[[str, str], str],
    ) -> None:
        self.dropped = 0
        self._store = store
        self._rbac = rbac
        self._served = served
        self._read_log = read_log

    def answer(self, request: Request) -> Response:
        """The answer to one request; never raises an ApiError."""
        try:
            return self._answer(request)
        except errors.ApiError as error:
            return json_response(error.status, error.code, {"Content-Type": "application/json"})

    def _answer(self, request: Request) -> Response:
        user = self._rbac.user(request.headers.get("authorization", ""))
        target = _target(request.path)
        if target is None:
            self._rbac.require_path(user, request.method.lower(), request.path)
            return self._discovery(request.path) or _page_not_found()
        access = _access(request, target)
        self._rbac.require(user, access)
        if not self._served(target.kind, target.version):
            return _page_not_found()
        return self._act(access.verb, request, target)

    def _act(self, verb: str, request: Request, target: Target) -> Response:
        if (target.kind, target.subresource) == (POD, "log"):
            return self._log(request, target)
        if target.subresource not in ("", "status"):
            return _page_not_found()
        accept, listing = request.headers.get("accept", ""), verb == "list"
        if verb == "watch":
            # A stream of metadata is asked for as single objects or as a list, and is the same.
            accept = accept.replace("PartialObjectMetadataList", "PartialObjectMetadata")
        view = View.of(accept, target.kind, target.version, listing=listing)
        if verb == "watch":
            headers = {"Content-Type": "application/json"}
            return Response(200, headers, self._watch(request, target, view))
        if verb == "list":
            return json_response(self._list(request, target, view))
        if verb == "deletecollection":
            for obj in self._store.listed(target.kind, target.namespace)[0]:
                if _matches(request, target.kind)(obj):
                    self._store.delete(target.kind, target.namespace, obj["metadata"]["name"])
            return json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})
        if verb == "get":
            return json_response(view.show(self._store.get(target.kind, target.namespace, target.name)))
        if verb == "delete":
            return json_response(self._delete(request, target, view))
        written = self._write(verb, request, target)
        return json_response(view.show(written), 201 if verb == "create" else 200)

    def _write(self, verb: str, request: Request, target: Target) -> Object:
        agent = request.headers.get("user-agent", "unknown").partition("/")[0]
        writer = Writer(
            request.query.get("fieldManager") or agent,
            target.kind.api_version(target.version),
            target.subresource,
        )
        if verb == "patch":
            change = _patch(request, target)
            return self._store.modify(target.kind, target.namespace, target.name, change, writer)
        obj = _body(request)
        _check_identity(obj, target)
        if verb == "create":
            return self._store.create(target.kind, obj, writer)
        return self._store.update(target.kind, obj, writer)

    def _delete(self, request: Request, target: Target, view: View) -> Object:
        preconditions = (request.json() or {}).get("preconditions") if request.body else None
        old = self._store.get(target.kind, target.namespace, target.name)
        kept = self._store.delete(target.kind, target.namespace, target.name, preconditions)
        if kept is not None:
            return view.show(kept)
        details = {"name": target.name, "group": target.kind.group, "kind": target.kind.plural}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {key: value for key, value in details.items() if value}
            | {"uid": old["metadata"]["uid"]},
        }

    def _list(self, request: Request, target: Target, view: View) -> Object:
        matches = _matches(request, target.kind)
        objects, version = self._store.listed(target.kind, target.namespace)
        objects = [obj for obj in objects if matches(obj)]
        start, metadata = 0, {"resourceVersion": str(version)}
        if token := request.query.get("continue"):
            start = int(base64.b64decode(token))
        if limit := int(request.query.get("limit") or 0):
            rest = len(objects) - start - limit
            objects = objects[start : start + limit]
            if rest > 0:
                metadata["continue"] = base64.b64encode(str(start + limit).encode()).decode()
                metadata |= {} if _selected(request) else {"remainingItemCount": rest}  # type: ignore[dict-item]
        return view.show_list(objects, metadata)

    def _watch(self, request: Request, target: Target, view: View) -> Iterator[bytes]:
        matches = _matches(request, target.kind)
        end = time.monotonic() + float(request.query.get("timeoutSeconds") or 3600)
        dropped = self.dropped
        since = request.query.get("resourceVersion") or "0"
        version = int(since)
        if since == "0":
            objects, version = self._store.listed(target.kind, target.namespace)
            for obj in filter(matches, objects):
                yield _line("ADDED", view.show(obj))
        while (left := end - time.monotonic()) > 0:
            try:
                changes = self._store.changes(version, min(_POLL, left))
            except errors.ApiError as error:
                yield _line("ERROR", error.status)
                return
            if self.dropped != dropped:
                raise DropConnection
            yield b"".join(_events(changes, target, matches, view))
            version = changes[-1].version if changes else version
        if request.query.get("allowWatchBookmarks") in ("true", "1"):
            # The real one sends bookmarks about once a minute, too.
            bookmark = {"metadata": {"resourceVersion": str(version), "creationTimestamp": None}}
            yield _line("BOOKMARK", view.show(bookmark))

    def _log(self, request: Request, target: Target) -> Response:
        self._store.get(POD, target.namespace, target.name)
        lines = self._read_log(target.namespace, target.name).splitlines(keepends=True)
        if "tailLines" in request.query:
            wanted = int(request.query["tailLines"])
            lines = lines[-wanted:] if wanted else []
        text = "".join(lines).encode()
        if "limitBytes" in request.query:
            text = text[: int(request.query["limitBytes"])]
        return Response(200, {"Content-Type": "text/plain"}, text)

    def _discovery(self, path: str) -> Response | None:
        if path in ("/readyz", "/livez", "/healthz"):
            return Response(200, {"Content-Type": "text/plain; charset=utf-8"}, b"ok")
        if path == "/version":
            major, minor, _ = VERSION.removeprefix("v").split(".")
            return json_response(
                {"major": major, "minor": minor, "gitVersion": VERSION, "platform": "linux/amd64"}
            )
        if path == "/api":
            return json_response(
                {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
            )
        groups = {kind.group: group for kind in KINDS if kind.group and (group := self._group(kind.group))}
        if path == "/apis":
            return json_response(
                {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups.values())}
            )
        parts = path.strip("/").split("/")
        if parts[0] == "api" and parts[1:] == ["v1"]:
            return self._resources("", "v1")
        if parts[0] == "apis" and len(parts) == 2 and parts[1] in groups:
            return json_response({"kind": "APIGroup", "apiVersion": "v1", **groups[parts[1]]})
        if parts[0] == "apis" and len(parts) == 3:
            return self._resources(parts[1], parts[2])
        return None

    def _group(self, group: str) -> Object | None:
        kinds = [kind for kind in KINDS if kind.group == group]
        versions = [v for v in kinds[0].versions if any(self._served(kind, v) for kind in kinds)]
        entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
        return {"name": group, "versions": entries, "preferredVersion": entries[0]} if entries else None

    def _resources(self, group: str, version: str) -> Response | None:
        verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
        resources: list[Object] = []
        for kind in KINDS:
            if kind.group != group or version not in kind.versions or not self._served(kind, version):
                continue
            entry = {"kind": kind.name, "namespaced": kind.namespaced}
            resources.append(
                {"name": kind.plural, "singularName": kind.name.lower(), **entry, "verbs": verbs}
            )
            if kind.has_status:
                status = {"name": f"{kind.plural}/status", "singularName": "", **entry}
                resources.append({**status, "verbs": ["get", "patch", "update"]})
        if not resources:
            return None
        name = f"{group}/{version}" if group else version
        return json_response(
            {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources}
        )


def _target(path: str) -> Target | None:
    """What a path means, or None when it is no resource's."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = next((kind for kind in KINDS if kind.group == group and kind.plural == rest[0]), None)
    if kind is None:
        # Unknown kinds are authorised like known ones, and are then not served.
        kind = Kind(rest[0], rest[0], group, ())
    name, subresource = (*rest[1:3], "", "")[:2]
    return Target(kind, version, namespace, name, subresource)


def _access(request: Request, target: Target) -> Access:
    name = target.name
    if name:
        verb = {"GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    else:
        verb = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
        # RBAC's resourceNames see the one name that a list or watch is narrowed to.
        for field, operator, value in field_terms(request.query.get("fieldSelector", "")):
            if (field, operator) == ("metadata.name", "="):
                name = value
    if request.method not in verb:
        raise errors.ApiError(
            405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
        )
    action = verb[request.method]
    if action == "list" and request.query.get("watch") in ("1", "true"):
        action = "watch"
    namespace = target.name if target.kind is NAMESPACE else target.namespace
    return Access(action, target.kind, namespace, name, target.subresource)


def _matches(request: Request, kind: Kind) -> Matches:
    by_label = label_selector(request.query.get("labelSelector", ""))
    by_field = field_selector(kind, request.query.get("fieldSelector", ""))
    return lambda obj: by_label(obj) and by_field(obj)


def _selected(request: Request) -> bool:
    return bool(request.query.get("labelSelector") or request.query.get("fieldSelector"))


def _events(changes: list[Change], target: Target, matches: Matches, view: View) -> Iterator[bytes]:
    """Watch events of what a selector sees: an object that begins to match is added, one that ceases deleted."""
    for change in changes:
        namespace = change.object["metadata"].get("namespace", "")
        if change.kind != target.kind or target.namespace not in ("", namespace):
            continue
        was = change.before is not None and matches(change.before)
        now = change.after is not None and matches(change.after)
        if was or now:
            event = "DELETED" if not now else "MODIFIED" if was else "ADDED"
            shown = change.object if now or change.after is None else _as_it_went(change)
            yield _line(event, view.show(shown))


def _as_it_went(change: Change) -> Object:
    """An object that a selector no longer sees: as it was, with the version at which it went."""
    assert change.before is not None
    metadata = change.before["metadata"] | {"resourceVersion": str(change.version)}
    return change.before | {"metadata": metadata}


def _line(event: str, obj: Object) -> bytes:
    return json.dumps({"type": event, "object": obj}).encode() + b"\n"


def _body(request: Request) -> Object:
    try:
        if "yaml" in request.headers.get("content-type", ""):
            obj = yaml.safe_load(request.body)
        else:
            obj = request.json()
    except (ValueError, yaml.YAMLError) as error:
        raise errors.bad_request(f"unable to decode the body: {error}") from error
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
        raise errors.bad_request("Object 'Kind' is missing in the body")
    return obj


def _check_identity(obj: Object, target: Target) -> None:
    """Fill in what the path says, and refuse a body that says otherwise."""
    metadata = obj["metadata"]
    for field, value in (("namespace", target.namespace), ("name", target.name)):
        if value and metadata.setdefault(field, value) != value:
            raise errors.bad_request(
                f"the {field} of the provided object does not match the {field} sent on the request"
            )
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = f"{metadata['generateName']}{time.monotonic_ns() % 10**6:05x}"
    expected = target.kind.api_version(target.version)
    if (
        obj.setdefault("apiVersion", expected) != expected
        or obj.setdefault("kind", target.kind.name) != target.kind.name
    ):
        raise errors.bad_request(
            f"the API version in the data ({obj['apiVersion']}) does not match the expected API version ({expected})"
        )


def _patch(request: Request, target: Target) -> Callable[[Object], Object]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    accepted = [_JSON_PATCH, _MERGE_PATCH, *([] if target.kind.custom else [_STRATEGIC_PATCH])]
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
    if media_type == _JSON_PATCH:
        return lambda obj: _json_patched(obj, patch, target)
    # A strategic merge differs for lists alone, which no client of the stand-in patches that way.
    return lambda obj: _merged(obj, patch)


def _json_patched(obj: Object, patch: Any, target: Target) -> Object:
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


def _page_not_found() -> Response:
    return Response(404, {"Content-Type": "text/plain; charset=utf-8"}, b"404 page not found\n")
