"""How fast SSM may be called, found out by doing.

AWS grants three `PutParameter` calls a second by default, ten or more with the higher-throughput setting, per account
and region, shared with every other caller, after a burst of about twenty. It tells nobody the number: it refuses with
`ThrottlingException`. But its bucket can be counted: empty at one refusal and empty at the next, it has been filled by
what it let through in between.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from secret_action.ports import Clock

PATIENCE = 60.0
"""Seconds without a single success after which a run gives up."""


@dataclass(frozen=True)
class Pace:
    """What is assumed of one of SSM's limits before it has refused anything. Rates are requests per second.

    burst: requests that may go at once. first_rate: after them. sureness: how many requests it takes to double that,
    as long as none is refused.
    """

    burst: int
    first_rate: float
    sureness: int
    lowest_rate: float
    highest_rate: float


WRITES = Pace(burst=20, first_rate=3.0, sureness=1, lowest_rate=0.5, highest_rate=100.0)
"""The default account's limit, and not sure of it: 10 and 40 a second are found within ten requests."""
READS = Pace(burst=36, first_rate=40.0, sureness=200, lowest_rate=2.0, highest_rate=1000.0)
"""Forty a second are granted to every account; a few less at first, since clocks and networks jitter."""
DESCRIBES = Pace(burst=10, first_rate=1.0, sureness=10, lowest_rate=0.2, highest_rate=20.0)
"""`DescribeParameters`: undocumented, seen to be throttled after about twenty quick calls."""

_SUREST = 70
"""About one request in thirty-five is refused in the long run; seventy without a refusal double the rate."""
_SURENESS_PER_REQUEST = 4

_STEP = 0.2
"""Seconds after which a waiting thread looks whether it should stop."""
_ROUNDING = 1e-9


class Pacer:
    """A token bucket that learns its rate, shared by all threads that send one kind of request.

    Since a refusal, SSM has let n requests through in t seconds. Its bucket was empty then and is empty at the next
    refusal, so what it grants lies between (n - 1) / t and (n + 1) / t: the rate to go on with. From there the rate
    grows with the cube of the requests that are let through, slowly where long stretches have made it sure, and soon
    fast where another caller has gone.
    """

    def __init__(self, clock: Clock, pace: Pace = WRITES) -> None:
        self._clock = clock
        self._pace = pace
        self._lock = Lock()
        self._base = pace.first_rate
        self._sureness = pace.sureness
        self._let_through = -pace.burst  # the burst tells nothing of the rate
        self._tokens = float(pace.burst)
        self._filled_at = self._succeeded_at = clock.now()
        self._refused_at: float | None = None
        self._counted = False
        """Whether the bucket has been in use ever since the last refusal, so that counting tells its rate."""

    @property
    def rate(self) -> float:
        """Requests per second that it lets through after the burst."""
        growth = (max(0, self._let_through) / self._sureness) ** 3
        return min(self._pace.highest_rate, self._base * (1 + growth))

    def take(self) -> float:
        """Takes a token. Returns 0, or the seconds after which there may be one; then none was taken."""
        with self._lock:
            self._fill()
            if self._tokens >= 1 - _ROUNDING:
                self._tokens -= 1
                return 0.0
            return (1 - self._tokens) / self.rate

    def wait(self, stopped: Callable[[], bool], seconds: float = 0.0) -> float | None:
        """Waits so many seconds, then for a token. Returns the time at which it was given.

        Returns None, at once, when the work is to be stopped. No token is held while it waits: a rate that changes
        holds for all who wait.
        """
        delayed_until = self._clock.now() + seconds
        while not stopped():
            remaining = delayed_until - self._clock.now()
            if remaining <= 0 and (remaining := self.take()) == 0:
                return self._clock.now()
            self._clock.sleep(min(remaining, _STEP))
        return None

    def now(self) -> float:
        """The time, as `wait` tells it."""
        return self._clock.now()

    def succeeded(self, given_at: float) -> None:
        """SSM did what was asked. given_at: when `wait` gave the request its token."""
        with self._lock:
            self._count(given_at)
            self._succeeded_at = self._clock.now()

    def failed(self, given_at: float, *, throttled: bool) -> None:
        """SSM did not do what was asked. given_at: when `wait` gave the request its token.

        A refusal because of the rate slows all threads down. Any other failure (TooManyUpdates among them) was let
        through by the limit, and is that request's own.
        """
        with self._lock:
            if throttled:
                self._refused(given_at)
            else:
                self._count(given_at)

    def renew(self) -> None:
        """Begins the patience anew: another stage begins, or AWS answered another kind of request."""
        with self._lock:
            self._succeeded_at = self._clock.now()

    def hurry(self) -> None:
        """Time is short: goes on at once, no slower than an account is granted at least, whatever was refused."""
        with self._lock:
            self._base = max(self._base, self._pace.first_rate)
            self._tokens = max(self._tokens, 1.0)

    def exhausted(self) -> bool:
        """Whether the patience is over: `PATIENCE` seconds have passed without a single success."""
        with self._lock:
            return self._clock.now() - self._succeeded_at >= PATIENCE

    def _fill(self) -> None:
        now = self._clock.now()
        self._tokens += (now - self._filled_at) * self.rate
        self._filled_at = now
        if self._tokens >= self._pace.burst:
            # Nobody has asked for long: SSM's bucket may have run over, and counting would find too low a rate.
            self._tokens = float(self._pace.burst)
            self._counted = False

    def _count(self, given_at: float) -> None:
        """SSM's limit let a request through, whatever came of it. One due before the last refusal tells nothing."""
        if self._refused_at is None or given_at > self._refused_at:
            self._fill()  # what has passed has passed at the old rate
            self._let_through += 1

    def _refused(self, given_at: float) -> None:
        if self._refused_at is not None and given_at <= self._refused_at:
            return  # it had its token when the last refusal came, and tells no more than that
        self._fill()
        # A rate that is refused without having been granted is halved; one that has grown goes half the way back.
        rate = min(self.rate / 2, math.sqrt(self._base * self.rate))
        counted = 0
        if self._refused_at is not None and self._counted:
            counted, passed = self._let_through, given_at - self._refused_at
            rate = min(max(rate, (counted - 1) / passed), (counted + 1) / passed)
        self._base = min(max(rate, self._pace.lowest_rate), self._pace.highest_rate)
        self._sureness = min(max(counted, 1) * _SURENESS_PER_REQUEST, _SUREST)
        self._let_through = 0
        self._tokens = min(self._tokens, 0.0)
        self._refused_at = self._clock.now()
        self._counted = True


class Paces:
    """The limiters of one run: one for all that writes, one for all that reads, one for `DescribeParameters`."""

    def __init__(self, clock: Clock) -> None:
        self.writes = Pacer(clock, WRITES)
        self.reads = Pacer(clock, READS)
        self.describes = Pacer(clock, DESCRIBES)
