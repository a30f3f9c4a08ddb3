"""A door before the real API server that misbehaves as it is told, which the server itself cannot be asked to do.

Only who comes through it meets its faults: tests and the operator go straight to the server.
"""

from __future__ import annotations

import contextlib
import queue
import ssl
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from sandbox.http import DropConnection, HttpServer, Request, Response
from sandbox.real.cluster import RealCluster, kubeconfig

_POLL = 0.1  # seconds after which a watch that says nothing looks whether it is to be cut
_PASSED_ON = ("accept", "authorization", "content-type")
_PASSED_BACK = ("Content-Type", "Retry-After")


class Door(HttpServer):
    """Hands each request on as it came, and the answer back; the events of a watch one by one.

    `faults` (of `HttpServer`) answer errors, wait and drop connections; `drop_watches` and `forget` are the faults of
    watches, as the stand-in has them. While the server is away, connections are dropped.
    """

    def __init__(self, cluster: RealCluster) -> None:
        super().__init__(tls=True)
        self._cluster = cluster
        context = ssl.create_default_context(cadata=cluster.ca_pem)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # its certificate has no Authority Key Identifier
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False, maxsize=32)
        self._dropped = 0
        self._forgotten = 0

    def kubeconfig(self, token: str | None = None) -> str:
        """A kubeconfig that leads through this door, with the admin's token unless another is given."""
        return kubeconfig(self.url, self.ca_pem or "", token or self._cluster.admin_token)

    def drop_watches(self) -> None:
        """Break the connection of every watch, within a tenth of a second."""
        self._dropped += 1

    def forget(self) -> None:
        """Whoever resumes a watch from before is told that the version is too old (410)."""
        _, listed = self._cluster.request("GET", "/api/v1/namespaces?limit=1")
        self._forgotten = int(listed["metadata"]["resourceVersion"])

    def handle(self, request: Request) -> Response:
        """Passes one request on. Raises DropConnection where the server does not answer."""
        watches = request.query.get("watch") in ("true", "1")
        since = request.query.get("resourceVersion", "")
        if watches and since.isdecimal() and 0 < int(since) < self._forgotten:
            return Response(200, {"Content-Type": "application/json"}, _too_old(since, self._forgotten))
        path = f"{quote(request.path)}?{urlencode(request.query)}" if request.query else quote(request.path)
        try:
            answer = self._pool.request(
                request.method,
                f"{self._cluster.url}{path}",
                body=request.body or None,
                headers={name: request.headers[name] for name in _PASSED_ON if name in request.headers},
                preload_content=not watches,
                timeout=urllib3.Timeout(connect=5, read=None if watches else 60),
            )
        except urllib3.exceptions.HTTPError:
            raise DropConnection from None
        headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        streams = watches and answer.status == 200
        return Response(answer.status, headers, self._stream(answer) if streams else answer.data)

    def _stream(self, answer: Any) -> Iterator[bytes]:
        """The lines of a watch, and nothing now and then. Raises DropConnection when the watches are to be cut."""
        dropped = self._dropped
        lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(answer, lines), daemon=True).start()
        try:
            while True:
                try:
                    line = lines.get(timeout=_POLL)
                except queue.Empty:
                    line = b""
                if self._dropped != dropped:
                    raise DropConnection
                if line is None:
                    return
                yield line
        finally:
            _end(answer)


def _read(answer: Any, lines: queue.SimpleQueue[bytes | None]) -> None:
    with contextlib.suppress(urllib3.exceptions.HTTPError, OSError, ValueError):  # cut, by the server or by us
        for chunk in answer.stream(None):
            lines.put(chunk)
    lines.put(None)


def _end(answer: Any) -> None:
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # it has ended by itself
        answer.shutdown()


def _too_old(since: str, forgotten: int) -> bytes:
    """The answer of an API server whose memory begins later."""
    return (
        '{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        f'"message":"too old resource version: {since} ({forgotten})","reason":"Expired","code":410}}}}\n'
    ).encode()
