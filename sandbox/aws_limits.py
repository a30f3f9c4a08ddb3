"""AWS's request limits: a token bucket for each kind of call in each region of the account."""

import threading
import time
from dataclasses import dataclass

from sandbox.aws_parameters import AwsError

_WRITES = ("PutParameter", "DeleteParameter", "DeleteParameters", "AddTagsToResource")
_READS = ("GetParameter", "GetParameters", "GetParametersByPath")


@dataclass(frozen=True)
class Limit:
    """`burst` calls at once, refilled with `rate` per second."""

    rate: float
    burst: int


class TokenBucket:
    """One limit, on the machine's own clock; safe to use from several threads."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._level, self._at = float(limit.burst), time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether a call is let through now."""
        with self._lock:
            now = time.monotonic()
            self._level = min(self._limit.burst, self._level + (now - self._at) * self._limit.rate)
            self._at = now
            if self._level < 1:
                return False
            self._level -= 1
            return True


class Limits:
    """The limits of one account; a kind of call without one is never throttled."""

    def __init__(self, writes: Limit | None, reads: Limit | None) -> None:
        self._limits = {**dict.fromkeys(_WRITES, writes), **dict.fromkeys(_READS, reads)}
        self._buckets: dict[tuple[str, bool], TokenBucket] = {}
        self._lock = threading.Lock()

    def check(self, region: str, operation: str) -> None:
        """Counts a call; raises AwsError where it is one too many."""
        limit = self._limits.get(operation)
        if limit is None:
            return
        kind = (region, operation in _WRITES)
        with self._lock:
            bucket = self._buckets.setdefault(kind, TokenBucket(limit))
        if not bucket.take():
            raise AwsError("ThrottlingException", "Rate exceeded")
