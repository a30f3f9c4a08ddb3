"""Requests to the Kubernetes API, as JSON: no typed models, which cost more memory than the rest of a run.

Retries what may pass, obeys Retry-After, and turns everything else into an error that says what to do.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from secret_action.cluster import errors
from secret_action.cluster.live import Object, entries, section, text
from secret_action.cluster.paths import Place, Resource
from secret_action.cluster.transport import Answer, Transport
from secret_action.ports import Clock, SystemClock

FIELD_MANAGER = "secret-sync"
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_BACKOFF = (0.25, 0.5, 1.0, 2.0)  # seconds before each retry
_LONGEST_PAUSE = 30.0  # seconds that a Retry-After is obeyed for
_PAGE = 500  # objects in one answer of a list
_QUIET = 10.0  # seconds that a watch may overrun its own timeout before the connection counts as dead
_ACCESS_REVIEWS = Resource("authorization.k8s.io/v1", "selfsubjectaccessreviews")


class KubernetesApi:
    """One cluster, spoken to with one account. Safe to use from several threads."""

    def __init__(self, transport: Transport, *, clock: Clock | None = None, warnings: tuple[str, ...] = ()) -> None:
        self.warnings = warnings
        """What the reader must know of the connection."""
        self._transport = transport
        self._clock = clock or SystemClock()

    @property
    def server(self) -> str:
        """The API server's URL, for messages."""
        return self._transport.server

    def close(self) -> None:
        """Ends all connections."""
        self._transport.close()

    def served_versions(self, group: str) -> tuple[str, ...]:
        """The versions of an API group that the cluster serves (`v1`, …); none where it does not know the group."""
        path = f"/apis/{group}"
        try:
            found = self._json("get", path, "GET", path)
        except errors.NotFound:
            return ()
        return tuple(text(version, "version") for version in entries(found, "versions"))

    def get(self, place: Place, *, metadata_only: bool = False) -> Object:
        """One object. metadata_only: nothing but its metadata leaves the API server; a Secret's data stays there."""
        headers = {"Accept": _METADATA_ONLY} if metadata_only else {}
        return self._json("get", place, "GET", place.path, headers=headers)

    def list(self, place: Place, **query: str) -> tuple[tuple[Object, ...], str]:
        """All objects of a place, and the resourceVersion to watch on from. query: `labelSelector` and the like."""
        items: list[Object] = []
        asked = {"limit": str(_PAGE), **query}
        while True:
            page = self._json("list", place, "GET", f"{place.path}?{urlencode(asked)}")
            found = page.get("items") or []
            if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
                raise errors.not_kubernetes(self.server)
            items += found
            metadata = section(page, "metadata")
            if not (more := text(metadata, "continue")):
                return tuple(items), text(metadata, "resourceVersion")
            asked["continue"] = more

    def merge_patch(self, place: Place, change: Mapping[str, Any], *, metadata_only: bool = False) -> Object:
        """Merges a change into an object, and returns it as the API server has it then.

        metadata_only: nothing but its metadata comes back.
        """
        accept = {"Accept": _METADATA_ONLY} if metadata_only else {}
        return self._json(
            "patch",
            place,
            "PATCH",
            f"{place.path}?{urlencode({'fieldManager': FIELD_MANAGER})}",
            body=change,
            headers={"Content-Type": "application/merge-patch+json", **accept},
        )

    def may(self, verb: str, place: Place) -> bool:
        """Whether RBAC allows it, by the API server's own review; True where it does not say."""
        attributes = {
            "verb": verb,
            "group": place.resource.group,
            "resource": place.resource.plural,
            "subresource": place.subresource,
            "namespace": place.namespace,
            "name": place.name,
        }
        review = {
            "apiVersion": _ACCESS_REVIEWS.group_version,
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        reviews = _ACCESS_REVIEWS.at()
        try:
            answer = self._json("create", reviews, "POST", reviews.path, body=review)
        except (errors.Forbidden, errors.NotFound, errors.Refused):
            return True  # the request itself will tell
        return section(answer, "status").get("allowed") is not False

    def log(self, place: Place, **query: str) -> str:
        """The last lines of a pod's log. query: `tailLines`, `sinceSeconds`, `limitBytes`."""
        answer = self._request("get", place, "GET", f"{place.path}?{urlencode(query)}")
        return answer.read().decode(errors="replace")

    def watch(self, place: Place, resource_version: str, timeout_seconds: int) -> Watch:
        """What happens to the objects of a place from that version on, for so many seconds at most."""
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(timeout_seconds),
        }
        url = f"{place.path}?{urlencode(query)}"
        return Watch(
            self.server,
            place,
            lambda: self._request("watch", place, "GET", url, read_timeout=timeout_seconds + _QUIET),
        )

    def _json(
        self,
        verb: str,
        place: Place | str,
        method: str,
        url: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Object:
        answer = self._request(verb, place, method, url, body=body, headers=headers)
        try:
            found = json.loads(answer.read())
        except ValueError:
            found = None
        if not isinstance(found, Mapping):
            raise errors.not_kubernetes(self.server)
        return found

    def _request(
        self,
        verb: str,
        place: Place | str,
        method: str,
        url: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        read_timeout: float = 30.0,
    ) -> Answer:
        """Sends until an answer is good or will not become so. Every request here may be sent twice."""
        for pause in (*_BACKOFF, None):
            try:
                answer = self._transport.send(method, url, body=body, headers=headers or {}, read_timeout=read_timeout)
            except errors.Unreachable:
                if pause is None:
                    raise
            else:
                if 200 <= answer.status < 300:
                    return answer
                error = errors.not_ok(verb, place, answer.status, answer.read())
                if pause is None or not error.passing:
                    raise error
                pause = max(pause, min(answer.retry_after, _LONGEST_PAUSE))
            self._clock.sleep(pause)
        raise AssertionError("the last attempt returns or raises")


class Watch:
    """A stream of events. Iterating it reads the next one; `stop`, from any thread, ends it."""

    def __init__(self, server: str, place: Place, start: Callable[[], Answer]) -> None:
        self._server = server
        self._place = place
        self._start = start
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        self._stopped = False

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        """Type (`ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`) and object of each event, until the server ends it.

        Raises Gone where it must be listed again, Unreachable where the connection breaks, Refused where a line is no
        event.
        """
        answer = self._start()
        with self._lock:
            self._answer = answer
            if self._stopped:
                answer.close()
                return
        try:
            for line in answer.lines():
                event = json.loads(line)
                if not isinstance(event, Mapping):
                    raise errors.not_kubernetes(self._server)
                kind, found = text(event, "type"), section(event, "object")
                if kind == "ERROR":
                    code = found.get("code")
                    status = code if isinstance(code, int) else 500
                    raise errors.not_ok("watch", self._place, status, json.dumps(found).encode())
                yield kind, found
        except ValueError:
            return  # half a line: the connection went in the middle of it, and the caller goes on from the last event
        finally:
            answer.close()

    def stop(self) -> None:
        """Ends the iteration, which may be waiting for the next event."""
        with self._lock:
            self._stopped = True
            if self._answer is not None:
                self._answer.interrupt()
