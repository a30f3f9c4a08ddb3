"""The stand-in's REST: what each path and verb does to the store, shaped as kube-apiserver does it."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import yaml

from sandbox import kubernetes_errors as errors
from sandbox.http import DropConnection, Request, Response, json_response
from sandbox.kubernetes_definitions import Definitions
from sandbox.kubernetes_discovery import Discovery
from sandbox.kubernetes_kinds import DEFINITION, KINDS, NAMESPACE, POD, Kind, Object
from sandbox.kubernetes_patch import patch_of
from sandbox.kubernetes_rbac import Access, Rbac, User
from sandbox.kubernetes_select import Matches, View, field_selector, field_terms, label_selector
from sandbox.kubernetes_store import Change, Store, Writer

_ACCESS_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
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
    `dropped` breaks all watches. Watches that allow it get a bookmark every `bookmark_interval` seconds.
    """

    def __init__(
        self,
        store: Store,
        rbac: Rbac,
        *,
        served: Callable[[Kind, str], bool],
        read_log: Callable[[str, str], str],
        definitions: Definitions,
    ) -> None:
        self.dropped = 0
        self.bookmark_interval = 60.0
        self._store = store
        self._rbac = rbac
        self._served = served
        self._discovery = Discovery(served)
        self._read_log = read_log
        self._definitions = definitions

    def answer(self, request: Request) -> Response:
        """The answer to one request; never raises an ApiError."""
        try:
            return self._answer(request)
        except errors.ApiError as error:
            return json_response(error.status, error.code, {"Content-Type": "application/json"})

    def _answer(self, request: Request) -> Response:
        user = self._rbac.user(request.headers.get("authorization", ""))
        target = _target(request.path)
        if request.path == _ACCESS_REVIEW and request.method == "POST":
            return self._review(request, user)
        if target is None:
            self._rbac.require_path(user, request.method.lower(), request.path)
            return self._discovery.answer(request.path) or _page_not_found()
        access = _access(request, target)
        self._rbac.require(user, access)
        if not self._served(target.kind, target.version):
            if target.kind.group in ("", "apps"):
                raise errors.unknown_resource()
            return _page_not_found()
        return self._act(access.verb, request, target)

    def _act(self, verb: str, request: Request, target: Target) -> Response:
        if (target.kind, target.subresource) == (POD, "log"):
            return self._log(request, target)
        if target.subresource not in ("", "status"):
            raise errors.not_found(target.kind, target.name)
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
            change = patch_of(request, target.kind)
            return self._store.modify(target.kind, target.namespace, target.name, change, writer)
        obj = _body(request, target)
        _check_identity(obj, target)
        if verb == "create":
            self._definitions.admit(target.kind, obj["metadata"].get("name", ""))
            return self._store.create(target.kind, obj, writer)
        return self._store.update(target.kind, obj, writer)

    def _delete(self, request: Request, target: Target, view: View) -> Object:
        preconditions = (request.json() or {}).get("preconditions") if request.body else None
        old = self._store.get(target.kind, target.namespace, target.name)
        kept = self._store.delete(target.kind, target.namespace, target.name, preconditions)
        if target.kind is DEFINITION:
            self._definitions.empty(target.name)
        if kept is not None:
            return view.show(kept)
        details = {"name": target.name, "group": target.kind.group, "kind": target.kind.plural}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {key: value for key, value in details.items() if value} | {"uid": old["metadata"]["uid"]},
        }

    def _list(self, request: Request, target: Target, view: View) -> Object:
        matches = _matches(request, target.kind)
        objects, version = self._store.listed(target.kind, target.namespace)
        objects = [obj for obj in objects if matches(obj)]
        start, metadata = 0, Object(resourceVersion=str(version))
        if token := request.query.get("continue"):
            start = self._continued(token)
        if limit := int(request.query.get("limit") or 0):
            rest = len(objects) - start - limit
            objects = objects[start : start + limit]
            if rest > 0:
                if not (request.query.get("labelSelector") or request.query.get("fieldSelector")):
                    metadata["remainingItemCount"] = rest
                metadata["continue"] = base64.b64encode(f"{version}:{start + limit}".encode()).decode()
        return view.show_list(objects, metadata)

    def _continued(self, token: str) -> int:
        """Where a list goes on. Raises 410 when the version of its first part is forgotten."""
        try:
            version, start = map(int, base64.b64decode(token).decode().split(":"))
        except ValueError as error:
            raise errors.bad_request(f"invalid continue token: continue key is not valid: {error}") from error
        if version < self._store.oldest:
            raise errors.expired(
                "The provided continue parameter is too old to display a consistent list result. You can start "
                "a new list without the continue parameter, or use the continue token in this response to "
                "retrieve the remainder of the results. Continuing with the provided token results in an "
                "inconsistent list - objects that were created, modified, or deleted between the time the "
                "first chunk was returned and now may show up in the list."
            )
        return start

    def _watch(self, request: Request, target: Target, view: View) -> Iterator[bytes]:
        """The stream of a watch; raises before it begins for what cannot be understood."""
        matches = _matches(request, target.kind)
        seconds = float(request.query.get("timeoutSeconds") or 3600)
        since = request.query.get("resourceVersion") or "0"
        if not since.isdecimal():
            text = f'Invalid value: "{since}": strconv.ParseUint: parsing "{since}": invalid syntax'
            raise errors.ApiError(500, "", f"resourceVersion: {text}")
        bookmarks = request.query.get("allowWatchBookmarks") in ("true", "1")
        return self._stream(target, view, matches, int(since), seconds, bookmarks)

    def _stream(
        self, target: Target, view: View, matches: Matches, version: int, seconds: float, bookmarks: bool
    ) -> Iterator[bytes]:
        dropped, start = self.dropped, time.monotonic()
        next_bookmark = start + self.bookmark_interval
        if version == 0:
            objects, version = self._store.listed(target.kind, target.namespace)
            for obj in filter(matches, objects):
                yield _line("ADDED", view.show(obj))
        while (left := start + seconds - time.monotonic()) > 0:
            try:
                changes = self._store.changes(version, min(_POLL, left))
            except errors.ApiError as error:
                yield _line("ERROR", error.status)
                return
            if self.dropped != dropped:
                raise DropConnection
            if not (changes or self._served(target.kind, target.version)):
                return
            yield b"".join(_events(changes, target, matches, view))
            version = changes[-1].version if changes else version
            if bookmarks and time.monotonic() > next_bookmark:
                next_bookmark += self.bookmark_interval
                metadata = {"resourceVersion": str(version), "creationTimestamp": None}
                yield _line("BOOKMARK", view.show({"metadata": metadata}))

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

    def _review(self, request: Request, user: User) -> Response:
        """Whether the user who asks might do what they describe."""
        review = request.json()
        asked = review["spec"]["resourceAttributes"]
        group, plural = asked.get("group", ""), asked["resource"]
        kind = next((kind for kind in KINDS if (kind.group, kind.plural) == (group, plural)), None)
        access = Access(
            asked["verb"],
            kind or Kind(plural, plural, group, ()),
            asked.get("namespace", ""),
            asked.get("name", ""),
            asked.get("subresource", ""),
        )
        try:
            self._rbac.require(user, access)
        except errors.ApiError:
            return json_response(review | {"status": {"allowed": False}}, 201)
        return json_response(review | {"status": {"allowed": True}}, 201)


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


def _body(request: Request, target: Target) -> Object:
    try:
        is_yaml = "yaml" in request.headers.get("content-type", "")
        obj = yaml.safe_load(request.body) if is_yaml else request.json()
    except (ValueError, yaml.YAMLError) as error:
        raise errors.bad_request(f"unable to decode the body: {error}") from error
    if not isinstance(obj, dict) or (target.kind.custom and "kind" not in obj):
        body = request.body.decode(errors="replace")
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {target.kind.name}): "
            f"Object 'Kind' is missing in '{body}' ({body})"
        )
    if not isinstance(obj.setdefault("metadata", {}), dict):
        raise errors.bad_request("json: cannot unmarshal into Go struct field .metadata")
    return obj


def _check_identity(obj: Object, target: Target) -> None:
    """Fill in what the path says, and refuse a body that says otherwise."""
    metadata = obj["metadata"]
    if target.namespace and metadata.setdefault("namespace", target.namespace) != target.namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if target.name and metadata.setdefault("name", target.name) != target.name:
        raise errors.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
        )
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = f"{metadata['generateName']}{time.monotonic_ns() % 10**6:05x}"
    expected = target.kind.api_version(target.version)
    given = obj.setdefault("apiVersion", expected)
    if given != expected:
        raise errors.bad_request(
            f"the API version in the data ({given}) does not match the expected API version ({expected})"
        )


def _page_not_found() -> Response:
    return Response(404, {"Content-Type": "text/plain; charset=utf-8"}, b"404 page not found\n")
