"""Requests to the real API server in the plainest way, so that tests see exactly what it answers."""

from __future__ import annotations

import functools
import json
import ssl
from typing import Any

import urllib3

from sandbox.real.process import ClusterError

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


class Client:
    """Speaks to one API server over TLS that is verified against its CA."""

    def __init__(self, url: str, ca_pem: str, admin_token: str) -> None:
        """``url`` without a trailing slash; requests are the admin's unless they bring another token."""
        context = ssl.create_default_context(cadata=ca_pem)
        # The CA that kube-apiserver makes for itself has no Authority Key Identifier, which Python >= 3.13
        # asks for (kubernetes-client/python#2394); kubectl does not.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self._url = url
        self._admin_token = admin_token
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False, timeout=30, maxsize=16)
        self._resource = functools.cache(self._discover)  # a kind's place in the API does not move

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        content_type: str | None = None,
        accept: str = JSON,
    ) -> tuple[int, Any]:
        """Send one request; returns the status and the parsed body (text where it is not JSON).

        ``body`` is sent as JSON; ``content_type`` is a merge patch for PATCH, else JSON, unless given.
        Raises ``urllib3.exceptions.HTTPError`` when there is no answer.
        """
        headers = {"Authorization": f"Bearer {token or self._admin_token}", "Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type or (MERGE_PATCH if method == "PATCH" else JSON)
        sent = None if body is None else json.dumps(body)
        answer = self._pool.request(method, f"{self._url}{path}", body=sent, headers=headers)
        is_json = answer.headers.get("Content-Type", "").startswith(JSON)
        return answer.status, json.loads(answer.data) if is_json else answer.data.decode()

    def apply(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Create the object, or merge it into the one that exists; returns it as the server has it.

        An object of a namespaced kind that names no namespace goes to ``default``.
        Raises ``ClusterError`` with the server's answer when it refuses.
        """
        collection = self.collection(
            wanted["apiVersion"], wanted["kind"], wanted["metadata"].get("namespace", "default")
        )
        status, answer = self.request("POST", collection, wanted)
        if status == 409:
            status, answer = self.request("PATCH", f"{collection}/{wanted['metadata']['name']}", wanted)
        if status >= 300:
            name = f"{wanted['kind']} {wanted['metadata']['name']}"
            raise ClusterError(f"{name} was refused ({status}): {answer}")
        applied: dict[str, Any] = answer
        return applied

    def collection(self, api_version: str, kind: str, namespace: str) -> str:
        """The path of a kind's objects in a namespace (which a cluster-wide kind ignores)."""
        plural, namespaced = self._resource(api_version, kind)
        group = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        return f"{group}/namespaces/{namespace}/{plural}" if namespaced else f"{group}/{plural}"

    def _discover(self, api_version: str, kind: str) -> tuple[str, bool]:
        group = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        status, answer = self.request("GET", group)
        resources = answer["resources"] if status == 200 else []
        for resource in resources:
            if resource["kind"] == kind and "/" not in resource["name"]:
                return resource["name"], resource["namespaced"]
        raise ClusterError(f"the API server serves no {kind} of {api_version}")
