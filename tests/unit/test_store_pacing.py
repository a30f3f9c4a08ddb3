"""The pacer finds the rate that AWS grants, without being told, and gives up only when nothing gets through."""

import heapq

import pytest
from store_world import FakeClock

from secret_action.store.pacing import BURST, PATIENCE, Pacer

LATENCY = 0.06


class Bucket:
    """AWS's side: so many at once, then so many a second."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.level, self.at = rate, burst, burst, 0.0

    def take(self, now: float) -> bool:
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


def simulate(rate: float, burst: float, writes: int) -> tuple[float, int]:
    """Seconds and refusals until eight threads have got so many writes through. No thread runs, no time passes."""
    clock = FakeClock()
    pacer, bucket = Pacer(clock), Bucket(rate, burst)
    bucket.at = began = clock.now()
    refused = done = 0
    waiting = writes
    events = [(began, thread, "next") for thread in range(8)]
    while done < writes:
        at, thread, what = heapq.heappop(events)
        clock.sleep(at - clock.now())
        if what == "next":
            if waiting:
                waiting -= 1
                heapq.heappush(events, (at + pacer.reserve(), thread, "send"))
        elif what == "send":
            heapq.heappush(events, (at + LATENCY, thread, "taken" if bucket.take(at) else "refused"))
        elif what == "taken":
            done += 1
            pacer.succeeded()
            heapq.heappush(events, (at, thread, "next"))
        else:
            refused += 1
            delay = pacer.back_off(0.0, throttled=True)
            heapq.heappush(events, (at + delay + pacer.reserve(), thread, "send"))
    return clock.now() - began, refused


@pytest.mark.parametrize(("rate", "burst"), [(3, 20), (10, 20), (40, 40)], ids=["default", "higher", "highest"])
def test_two_hundred_writes_come_close_to_the_rate_that_aws_grants(rate: float, burst: float) -> None:
    seconds, refused = simulate(rate, burst, 200)
    ideal = (200 - burst) / rate
    assert seconds <= 1.4 * ideal
    assert refused <= 40


def test_a_small_release_goes_out_with_the_burst() -> None:
    seconds, refused = simulate(3, 20, 20)
    assert (seconds < 1, refused) == (True, 0)


def test_it_begins_with_the_burst_and_then_paces() -> None:
    pacer = Pacer(FakeClock())
    delays = [pacer.reserve() for _ in range(BURST + 3)]
    assert delays[:BURST] == [0.0] * BURST
    assert delays[BURST:] == pytest.approx([1 / pacer.rate, 2 / pacer.rate, 3 / pacer.rate])


def test_refusals_of_one_moment_count_as_one() -> None:
    pacer = Pacer(FakeClock())
    before = pacer.rate
    for _ in range(8):
        pacer.back_off(0.0, throttled=True)
    assert pacer.rate == pytest.approx(0.7 * before)


def test_it_never_stands_still_and_speeds_up_again() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    for _ in range(50):
        clock.sleep(1)
        pacer.back_off(0.0, throttled=True)
    assert pacer.rate == 0.5
    pacer.succeeded()
    assert pacer.rate > 0.5


def test_other_failures_delay_only_themselves() -> None:
    pacer = Pacer(FakeClock())
    before = pacer.rate
    delay = 0.0
    for _ in range(20):
        longer = pacer.back_off(delay, throttled=False)
        assert 0 < longer <= 5
        delay = longer
    assert pacer.rate == before


def test_patience_counts_from_the_last_success() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    clock.sleep(PATIENCE - 1)
    assert not pacer.exhausted()
    pacer.succeeded()
    clock.sleep(PATIENCE - 1)
    assert not pacer.exhausted()
    clock.sleep(1)
    assert pacer.exhausted()
    pacer.renew()
    assert not pacer.exhausted()


def test_a_wait_ends_at_once_when_the_work_is_stopped() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    began = clock.now()
    assert pacer.wait(lambda: False, 3.0)
    assert clock.now() - began == pytest.approx(3.0)
    assert not pacer.wait(lambda: True, 3.0)
    stops = iter([False, False, False, True])
    assert not pacer.wait(lambda: next(stops), 100.0)
    assert clock.now() - began < 5
