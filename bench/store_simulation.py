"""The write stage's pacing against AWS's token bucket, as discrete events: minutes of waiting pass in milliseconds.

    python -m bench.store_simulation

The limiter is the product's own; threads, network and AWS are simulated, without chance.
"""

from __future__ import annotations

import heapq
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from secret_action.store.pacing import WRITES, Pace, Pacer

LATENCY = 0.015
"""Seconds from a request to its answer."""
THREADS = 8
BUCKETS = {"3/s, burst 20": (3.0, 20), "10/s, burst 20": (10.0, 20), "40/s, burst 40": (40.0, 40)}
"""The limits that accounts have: by default, with the higher-throughput setting, and as AWS's pages once said."""

_OTHERS_EVERY = 0.02


class Bucket:
    """AWS's side of a limit: `burst` requests at once, refilled with `rate` per second."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self._burst = self._level = burst
        self._filled_at = 0.0

    def take(self, now: float) -> bool:
        """Whether a request at this time (seconds) is let through."""
        self._level = min(self._burst, self._level + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


class Time:
    """The simulation's clock. Nobody sleeps on it: who has to wait becomes an event."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Seconds since the simulation began."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Not for a simulation of events."""
        raise NotImplementedError

    def move_to(self, now: float) -> None:
        """The next event's time."""
        self._now = now


@dataclass(frozen=True)
class Outcome:
    """How a simulated run went: the seconds to the last answer, all requests, and those that were refused."""

    seconds: float
    requests: int
    refused: int

    @property
    def refused_share(self) -> float:
        """Refused requests, as a share of all."""
        return self.refused / self.requests


class Simulation:
    """Threads that send `writes` requests, each until it is let through."""

    def __init__(self, bucket: Bucket, *, latency: float = LATENCY, look: float = 0.0, pace: Pace = WRITES) -> None:
        """latency: seconds to an answer. look: seconds from a token to its request, for a look at what stands."""
        self.time = Time()
        self.pacer = Pacer(self.time, pace)
        self._bucket = bucket
        self._latency = latency
        self._look = look
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._waiting = self._done = self._refused = 0

    def at(self, seconds: float, event: Callable[[], None]) -> None:
        """Lets something happen, once, at this time."""
        heapq.heappush(self._events, (seconds, next(self._numbers), event))

    def run(self, writes: int) -> Outcome:
        """Runs until all requests have been let through."""
        self._waiting = writes
        for _ in range(THREADS):
            self.at(0.0, self._begin)
        while self._done < writes:
            now, _, event = heapq.heappop(self._events)
            self.time.move_to(now)
            event()
        return Outcome(self.time.now(), writes + self._refused, self._refused)

    def share_with(self, arrivals: Iterator[float]) -> None:
        """Another client, which insists: a request of its own at each of these times, tried until it is let through."""

        def next_one() -> None:
            if self._bucket.take(self.time.now()):
                at = next(arrivals, None)
                if at is not None:
                    self.at(max(at, self.time.now()), next_one)
            else:
                self.at(self.time.now() + _OTHERS_EVERY, next_one)

        self.at(next(arrivals), next_one)

    def _begin(self) -> None:
        if self._waiting:
            self._waiting -= 1
            self._send()

    def _send(self) -> None:
        seconds = self.pacer.take()
        now = self.time.now()
        if seconds:
            self.at(now + seconds, self._send)
        else:
            self.at(now + self._look + self._latency / 2, lambda: self._arrive(now))

    def _arrive(self, given_at: float) -> None:
        answer = self._succeed if self._bucket.take(self.time.now()) else self._fail
        self.at(self.time.now() + self._latency / 2, lambda: answer(given_at))

    def _succeed(self, given_at: float) -> None:
        self._done += 1
        self.pacer.succeeded(given_at)
        self._begin()

    def _fail(self, given_at: float) -> None:
        self._refused += 1
        self.pacer.failed(given_at, throttled=True)
        self._send()


def every(seconds: float, *, until: float = float("inf")) -> Iterator[float]:
    """Times, so many seconds apart."""
    return itertools.takewhile(lambda at: at < until, (number * seconds for number in itertools.count(1)))


def main() -> int:
    """Prints ratios to the ideal of each bucket."""
    print("simulated: 200 writes, 15 ms                seconds    ideal    ratio   refused")
    for name, (rate, burst) in BUCKETS.items():
        _print(name, Simulation(Bucket(rate, burst)).run(200), (200 - burst) / rate)
    for name, (rate, burst) in BUCKETS.items():
        simulation = Simulation(Bucket(rate, burst))
        simulation.share_with(every(2 / rate))
        _print(f"{name}, another takes half", simulation.run(200), (200 - burst) / (rate / 2))
    for name, (rate, burst) in BUCKETS.items():
        _print(f"{name}, 2,000 writes", Simulation(Bucket(rate, burst)).run(2000), (2000 - burst) / rate)
    return 0


def _print(name: str, outcome: Outcome, ideal: float) -> None:
    print(f"{name:42} {outcome.seconds:9.2f} {ideal:8.2f} {outcome.seconds / ideal:7.3f}x {outcome.refused_share:8.1%}")


if __name__ == "__main__":
    sys.exit(main())
