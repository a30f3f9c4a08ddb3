"""Requests to the Kubernetes API, as JSON: no typed models, which cost more memory than the rest of a run.

Retries what may pass, obeys Retry-After, and turns everything else into an error that says what to do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any
from urllib.parse import urlencode

from secret_action.cluster import errors
from secret_action.cluster.live import Object, entries, section, text
from secret_action.cluster.paths import Place, Resource
from secret_action.cluster.transport import Answer, Transport
from secret_action.cluster.watch import Watch
from secret_action.ports import Clock, SystemClock

FIELD_MANAGER = "secret-sync"
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_BACKOFF = (0.25, 0.5, 1.0, 2.0)  # seconds before each retry
_LONGEST_PAUSE = 30.0  # seconds that a Retry-After is obeyed for
_PAGE = 500  # objects in one answer of a list
_QUIET = 90.0  # seconds without an event after which a watch counts as dead: there is a bookmark every minute
_ACCESS_REVIEWS = Resource("authorization.k8s.io/v1", "selfsubjectaccessreviews")


class KubernetesApi:
    """One cluster, spoken to with one account. Safe to use from several threads.

    What asks the cluster raises ClusterError (`errors`) where that refuses, does not answer, or is no Kubernetes.
    """

    def __init__(self, transport: Transport, *, clock: Clock | None = None, warnings: tuple[str, ...] = ()) -> None:
        self.warnings = warnings
        """What the reader must know of the connection."""
        self._transport = transport
        self._clock = clock or SystemClock()
        self._not_before = 0.0
        """When the API server lets itself be asked again, by the clock; it tells one of us, and means all."""
        self._until = math.inf
        """When the last request is to be answered."""
        self._lost = False
        """It was away, and may have been started anew since."""

    @property
    def server(self) -> str:
        """The API server's URL, for messages."""
        return self._transport.server

    def close(self) -> None:
        """Ends all connections."""
        self._transport.close()

    def within(self, seconds: float) -> KubernetesApi:
        """The same cluster, for requests that only help to explain.

        After so many seconds, or after the first that brings no answer at all, all of them raise Unreachable.
        """
        hurried = copy(self)
        hurried._until = self._clock.now() + seconds
        return hurried

    def served_versions(self, group: str) -> tuple[str, ...]:
        """The versions of an API group that the cluster serves (`v1`, …); none where it does not know the group."""
        path = f"/apis/{group}"
        try:
            found = self._json("get", path, "GET", path)
        except errors.NotFound:
            return ()
        return tuple(text(version, "version") for version in entries(found, "versions"))

    def schema(self, resource: Resource) -> Object:
        """What the cluster's CRDs of a group and version say of their objects, as OpenAPI 3."""
        path = f"/openapi/v3/apis/{resource.group_version}"
        return self._json("get", path, "GET", path)

    def serves(self, resource: Resource) -> bool:
        """Whether the cluster knows this kind, in this version."""
        path = f"/apis/{resource.group_version}"
        try:
            found = self._json("get", path, "GET", path)
        except errors.NotFound:
            return False
        return any(text(one, "name") == resource.plural for one in entries(found, "resources"))

    def kinds(self, group_version: str) -> dict[str, tuple[str, bool]]:
        """The kinds of an API version: by kind its plural, and whether it lives in namespaces. None where unknown."""
        path = f"/{'apis' if '/' in group_version else 'api'}/{group_version}"
        try:
            found = entries(self._json("get", path, "GET", path), "resources")
        except errors.NotFound:
            return {}
        whole = [one for one in found if "/" not in text(one, "name")]
        return {text(one, "kind"): (text(one, "name"), one.get("namespaced") is True) for one in whole}

    def get(self, place: Place, *, metadata_only: bool = False) -> Object:
        """One object. metadata_only: nothing but its metadata leaves the API server; a Secret's data stays there."""
        headers = {"Accept": _METADATA_ONLY} if metadata_only else {}
        return self._json("get", place, "GET", place.path, headers=headers)

    def list(self, place: Place, **query: str) -> tuple[tuple[Object, ...], str]:
        """All objects of a place, and the resourceVersion to watch on from. query: `labelSelector` and the like."""
        items: list[Object] = []
        version = ""
        for page, newest in self.pages(place, **query):
            items += page
            version = newest
        return tuple(items), version

    def pages(self, place: Place, **query: str) -> Iterator[tuple[Sequence[Object], str]]:
        """The same page by page, so that a caller need not keep all of what it looks at."""
        asked = {"limit": str(_PAGE), **query}
        while True:
            page = self._json("list", place, "GET", f"{place.path}?{urlencode(asked)}")
            found = page.get("items") or []
            if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
                raise errors.not_kubernetes(self.server)
            metadata = section(page, "metadata")
            yield found, text(metadata, "resourceVersion")
            if not (more := text(metadata, "continue")):
                return
            asked["continue"] = more

    def version(self, place: Place) -> float:
        """The resourceVersion that a list of this place would have now: what is stored later has a higher one.

        Infinite where it is no number.
        """
        found = text(self._json("list", place, "GET", f"{place.path}?limit=1"), "metadata", "resourceVersion")
        return int(found) if found.isdecimal() else math.inf

    def size(self, place: Place) -> float:
        """How many objects a list of this place would hold; infinite where the API server does not say."""
        page = self._json("list", place, "GET", f"{place.path}?limit=1")
        metadata = section(page, "metadata")
        if not text(metadata, "continue"):
            return len(entries(page, "items"))
        more = metadata.get("remainingItemCount")
        return 1 + more if isinstance(more, int) else math.inf

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
            lambda: self._request("watch", place, "GET", url, read_timeout=_QUIET),
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
        for attempt, pause in enumerate((0.0, *_BACKOFF)):
            left = self._wait_turn(pause)
            last = attempt == len(_BACKOFF)
            try:
                answer = self._transport.send(
                    method, url, body=body, headers=headers or {}, read_timeout=min(read_timeout, left)
                )
            except errors.Unreachable:
                self._lost = True
                if last and self._until < math.inf:
                    self._until = -math.inf
                if last:
                    raise
                continue
            if 200 <= answer.status < 300:
                return answer
            error = errors.not_ok(verb, place, answer.status, answer.read())
            if self._lost and isinstance(error, errors.Forbidden):
                # One that has just started allows nobody anything until it has read its rules.
                self._lost = not self._is_ready()
                error = errors.starting()
            if answer.retry_after:
                asked = self._clock.now() + min(answer.retry_after, _LONGEST_PAUSE)
                self._not_before = max(self._not_before, asked)
            if last or not error.passing:
                raise error
        raise AssertionError("the last attempt returns or raises")

    def _is_ready(self) -> bool:
        """Whether the API server says that it has started; who may ask for that needs no rule."""
        try:
            answer = self._transport.send("GET", "/readyz", body=None, headers={}, read_timeout=30.0)
            answer.read()
        except errors.Unreachable:
            return False
        return answer.status < 500

    def _wait_turn(self, pause: float) -> float:
        """Waits so many seconds, or as long as the API server asks; the seconds that are left then."""
        wait = max(pause, self._not_before - self._clock.now())
        left = self._until - self._clock.now() - wait
        if left <= 0:
            raise errors.late(self.server)
        if wait > 0:
            self._clock.sleep(wait)
        return left
