"""Orders to a local server to misbehave: answer an error, wait, or drop the connection.

A fault is consulted for every request before it is routed. The first fault that matches, is past its
`skip` and has `times` left is the one that is taken.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sandbox.http import Request

Match = tuple[str, str] | Callable[["Request"], bool]
"""Which requests: a predicate, or a method (`*` for any) and a regular expression for the whole path."""


@dataclass
class Fault:
    """One order; `taken` counts how often it was followed."""

    matches: Callable[["Request"], bool]
    status: int | None = None
    body: bytes | str | Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: Literal["before", "after"] | None = None
    times: int | None = 1
    skip: int = 0
    taken: int = 0
    seen: int = 0


class Faults:
    """The faults of one server; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(
        self,
        match: Match,
        *,
        header: tuple[str, str] | None = None,
        status: int | None = None,
        body: bytes | str | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        delay: float = 0.0,
        drop: Literal["before", "after"] | None = None,
        times: int | None = 1,
        skip: int = 0,
    ) -> Fault:
        """Orders a fault for the requests that match.

        `header` is a header's name and a regular expression that its whole value must match, too.
        `status` answers in the server's place (a mapping as `body` is sent as JSON); `delay` (seconds) waits
        first; `drop` closes the connection without an answer, before or after the server acted. A fault of
        `delay` alone lets the server answer as ever. `skip` lets so many matching requests pass first;
        `times` is how often the fault happens, None for ever.
        """
        matches = match if callable(match) else _method_and_path(*match)
        if header:
            matches = _with_header(matches, *header)
        fault = Fault(matches, status, body, headers or {}, delay, drop, times, skip)
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(self, request: "Request") -> Fault | None:
        """The fault that this request meets, which counts as one of its times; None for an honest answer."""
        with self._lock:
            for fault in self._faults:
                if not fault.matches(request):
                    continue
                fault.seen += 1
                if fault.seen <= fault.skip or fault.taken == fault.times:
                    continue
                fault.taken += 1
                return fault
        return None

    def clear(self) -> None:
        """Takes all orders back."""
        with self._lock:
            self._faults.clear()


def _method_and_path(method: str, path: str) -> Callable[["Request"], bool]:
    pattern = re.compile(path)
    return lambda request: method in ("*", request.method) and bool(pattern.fullmatch(request.path))


def _with_header(matches: Callable[["Request"], bool], name: str, value: str) -> Callable[["Request"], bool]:
    pattern = re.compile(value)
    key = name.lower()
    return lambda request: matches(request) and bool(pattern.fullmatch(request.headers.get(key, "")))
