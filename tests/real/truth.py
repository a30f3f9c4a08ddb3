"""What a Secret must hold, by the rendered manifest and SSM alone, and what it held: told without the product."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any, Self

import urllib3

from sandbox.real.cluster import RealCluster
from sandbox.real.process import ClusterError

Data = dict[str, str]
State = Data | None
"""None where there is no Secret."""
_PLACEHOLDER = re.compile(r"{{ \.(\w+)( \| upper)? }}")


def demanded(spec: Mapping[str, Any], values: Mapping[str, str]) -> Data:
    """The data that this spec asks for, when SSM holds these values: for the few shapes that the tests use."""
    data: Data = {}
    for each in spec.get("dataFrom", ()):
        data |= json.loads(values[each["extract"]["key"]])
    for each in spec.get("data", ()):
        reference = each["remoteRef"]
        value = values[reference["key"]]
        data[each["secretKey"]] = json.loads(value)[reference["property"]] if "property" in reference else value
    template = spec.get("target", {}).get("template")
    if not template:
        return data

    def filled(found: re.Match[str]) -> str:
        return data[found[1]].upper() if found[2] else data[found[1]]

    made = {key: _PLACEHOLDER.sub(filled, text) for key, text in template["data"].items()}
    return data | made if template.get("mergePolicy") == "Merge" else made


class History:
    """Every state of every Secret and when it was seen first, as admin and straight from the API server."""

    def __init__(self, cluster: RealCluster) -> None:
        self._cluster = cluster
        self._states: dict[tuple[str, str], list[tuple[float, State]]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def during(self, namespace: str, name: str, since: float, until: float) -> list[State]:
        """All that a Secret was from one moment to another, by `time.monotonic`."""
        states = self._states.get((namespace, name), [])
        begun = [state for at, state in states if at <= since][-1:] or [None]
        return begun + [state for at, state in states if since < at <= until]

    def _follow(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(urllib3.exceptions.HTTPError, ClusterError, ValueError, OSError):
                self._watch(self._list())
            self._over.wait(0.05)

    def _list(self) -> str:
        status, listed = self._cluster.request("GET", "/api/v1/secrets")
        if status != 200:
            raise ClusterError(str(listed))
        there = {(each["metadata"]["namespace"], each["metadata"]["name"]): each for each in listed["items"]}
        for key in {*self._states, *there}:
            self._note(key, there.get(key))
        version: str = listed["metadata"]["resourceVersion"]
        return version

    def _watch(self, version: str) -> None:
        context = ssl.create_default_context(cadata=self._cluster.ca_pem)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # its certificate has no Authority Key Identifier
        with urllib3.PoolManager(ssl_context=context, retries=False) as http:
            answer = http.request(
                "GET",
                f"{self._cluster.url}/api/v1/secrets?watch=1&timeoutSeconds=5&resourceVersion={version}",
                headers={"Authorization": f"Bearer {self._cluster.admin_token}"},
                timeout=10,
                preload_content=False,
            )
            for line in answer:
                event = json.loads(line)
                metadata = event["object"].get("metadata", {})
                if "name" not in metadata:
                    return
                deleted = event["type"] == "DELETED"
                self._note((metadata["namespace"], metadata["name"]), None if deleted else event["object"])

    def _note(self, key: tuple[str, str], secret: Mapping[str, Any] | None) -> None:
        state: State = None
        if secret is not None:
            state = {name: base64.b64decode(text).decode() for name, text in (secret.get("data") or {}).items()}
        states = self._states.setdefault(key, [])
        if not states or states[-1][1] != state:
            states.append((time.monotonic(), state))
