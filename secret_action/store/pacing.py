"""How fast SSM may be written, found out by doing.

AWS grants three `PutParameter` calls a second by default and ten with the higher-throughput setting, per account and
region, shared with every other caller, after a burst of about twenty. It tells nobody the number: it refuses with
`ThrottlingException`. So the pacer begins with the burst, slows down at a refusal and speeds up at successes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from threading import Lock

from secret_action.ports import Clock

BURST = 20
PATIENCE = 60.0
"""Seconds without a single success after which a run gives up."""

_FIRST_RATE = 5.0
_LOWEST_RATE = 0.5
_HIGHEST_RATE = 40.0
_SPEED_UP_BEFORE_A_REFUSAL = 0.5
_SPEED_UP = 0.05
_SLOW_DOWN = 0.7
_ONE_REFUSAL = 0.5
"""Seconds within which refusals count as one: requests that were on their way together are refused together."""

_FIRST_DELAY = 0.1
_LONGEST_DELAY = 5.0
_jitter = random.SystemRandom()

_STEP = 0.2
"""Seconds after which a waiting thread looks whether it should stop."""


class Pacer:
    """A token bucket that adapts its rate (additive increase, multiplicative decrease), shared by all threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._rate = _FIRST_RATE
        self._tokens = float(BURST)
        self._filled_at = clock.now()
        self._refused_at: float | None = None
        self._succeeded_at = clock.now()

    @property
    def rate(self) -> float:
        """Requests per second that it lets through after the burst."""
        return self._rate

    def reserve(self) -> float:
        """Takes the next free slot. Returns the seconds until it begins."""
        with self._lock:
            now = self._clock.now()
            self._tokens = min(BURST, self._tokens + (now - self._filled_at) * self._rate) - 1
            self._filled_at = now
            return max(0.0, -self._tokens / self._rate)

    def wait(self, stopped: Callable[[], bool], seconds: float = 0.0) -> bool:
        """Waits for the next slot, and so many seconds on top. False, at once, when the work is to be stopped."""
        if stopped():
            return False
        end = self._clock.now() + self.reserve() + seconds
        while not stopped():
            remaining = end - self._clock.now()
            if remaining <= 0:
                return True
            self._clock.sleep(min(remaining, _STEP))
        return False

    def succeeded(self) -> None:
        """SSM took a request: a little faster from now on."""
        with self._lock:
            step = _SPEED_UP_BEFORE_A_REFUSAL if self._refused_at is None else _SPEED_UP
            self._rate = min(_HIGHEST_RATE, self._rate + step)
            self._succeeded_at = self._clock.now()

    def back_off(self, delay: float, *, throttled: bool) -> float:
        """A request failed and may be tried again. Returns the seconds to wait beside its next slot.

        delay: what was returned the last time, 0 at first. A refusal because of the rate slows all threads down. Any
        other failure is that request's own: its delay doubles, with jitter, so that requests which failed together
        do not come back together.
        """
        if not throttled:
            return min(_LONGEST_DELAY, max(_FIRST_DELAY, 2 * delay)) * _jitter.uniform(0.5, 1.0)
        with self._lock:
            now = self._clock.now()
            self._tokens = min(self._tokens, 0.0)
            if self._refused_at is None or now - self._refused_at >= _ONE_REFUSAL:
                self._rate = max(_LOWEST_RATE, self._rate * _SLOW_DOWN)
                self._refused_at = now
        return 0.0

    def renew(self) -> None:
        """Begins the patience anew, without a word on the rate: AWS answered something else than a write."""
        with self._lock:
            self._succeeded_at = self._clock.now()

    def exhausted(self) -> bool:
        """Whether the patience is over: `PATIENCE` seconds have passed without a single success."""
        with self._lock:
            return self._clock.now() - self._succeeded_at >= PATIENCE
