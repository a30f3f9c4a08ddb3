"""The pacer finds the rate that AWS grants, without being told, and gives up only when nothing gets through."""

from itertools import count

import pytest
from store_world import FakeClock, aws_error, throttled, unreachable

from bench.store_simulation import BUCKETS, Bucket, Simulation, every
from secret_action.store import calls
from secret_action.store.pacing import PATIENCE, READS, WRITES, Pacer


@pytest.mark.parametrize(("rate", "burst"), BUCKETS.values(), ids=BUCKETS.keys())
def test_two_hundred_writes_take_no_longer_than_aws_makes_them(rate: float, burst: int) -> None:
    outcome = Simulation(Bucket(rate, burst)).run(200)
    assert outcome.seconds <= 1.05 * (200 - burst) / rate
    assert outcome.refused_share <= 0.05


@pytest.mark.parametrize(("rate", "burst"), BUCKETS.values(), ids=BUCKETS.keys())
def test_beside_another_client_it_gets_its_share(rate: float, burst: int) -> None:
    """The other one takes half the rate, and insists where it is refused."""
    simulation = Simulation(Bucket(rate, burst))
    simulation.share_with(every(2 / rate))
    outcome = simulation.run(200)
    assert outcome.seconds <= 1.15 * (200 - burst) / (rate / 2)
    assert outcome.refused_share <= 0.1


@pytest.mark.parametrize("latency", [0.001, 0.015, 0.06, 0.15])
@pytest.mark.parametrize("rate", [1.5, 3, 5, 10, 20, 40])
def test_no_rate_and_no_distance_is_a_bad_one(rate: float, latency: float) -> None:
    outcome = Simulation(Bucket(rate, 20), latency=latency).run(400)
    assert outcome.seconds <= 1.05 * (400 - 20) / rate
    assert outcome.refused_share <= 0.1


@pytest.mark.parametrize(("rate", "burst"), BUCKETS.values(), ids=BUCKETS.keys())
def test_a_look_before_each_overwrite_costs_no_more(rate: float, burst: int) -> None:
    """Seconds pass between a token and its request: a refusal of those that waited together is one, and old news."""
    for look in (0.015, 0.1):
        outcome = Simulation(Bucket(rate, burst), look=look).run(200)
        assert outcome.seconds <= 1.1 * (200 - burst) / rate
        assert outcome.refused_share <= 0.1


def test_it_speeds_up_when_the_other_client_has_gone() -> None:
    simulation = Simulation(Bucket(3, 20))
    simulation.share_with(every(2 / 3, until=60))
    outcome = simulation.run(400)
    assert outcome.seconds <= 1.1 * (400 - 20 + 60 * 1.5) / 3


def test_it_slows_down_when_another_client_comes() -> None:
    simulation = Simulation(Bucket(10, 20))
    simulation.share_with(10 + number / 5 for number in count())
    outcome = simulation.run(400)
    assert outcome.refused_share <= 0.1
    assert outcome.seconds <= 1.1 * (10 + (400 - 20 - 100) / 5)


def test_a_small_release_goes_out_with_the_burst() -> None:
    outcome = Simulation(Bucket(3, 20)).run(20)
    assert (outcome.refused, outcome.seconds) == (0, pytest.approx(3 * 0.015))


def test_a_hundred_reads_are_a_hundred_requests() -> None:
    outcome = Simulation(Bucket(40, 40), pace=READS).run(100)
    assert outcome.requests == 100
    assert outcome.seconds <= 1.2 * (100 - 40) / 40


def test_reads_find_out_that_an_account_is_granted_more() -> None:
    outcome = Simulation(Bucket(1000, 1000), pace=READS).run(1000)
    assert outcome.refused == 0
    assert outcome.seconds < 10


def test_it_begins_with_the_burst_and_then_paces() -> None:
    pacer = Pacer(FakeClock())
    assert [pacer.take() for _ in range(WRITES.burst + 1)] == [0.0] * WRITES.burst + [pytest.approx(1 / pacer.rate)]


def test_refusals_of_one_moment_count_as_one() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    before = pacer.rate
    sent = [clock.now()] * 8
    clock.sleep(0.05)
    for sent_at in sent:
        pacer.failed(sent_at, throttled=True)
    assert pacer.rate == pytest.approx(before / 2)


def test_what_was_let_through_between_two_refusals_is_the_rate() -> None:
    """Six in six seconds: that it had sped up to more does not matter."""
    clock = FakeClock()
    pacer = Pacer(clock)
    pacer.failed(clock.now(), throttled=True)
    for _ in range(6):
        clock.sleep(1)
        assert pacer.take() == 0
        pacer.succeeded(clock.now())
    assert pacer.rate > 6
    pacer.failed(clock.now(), throttled=True)
    assert 5 / 6 <= pacer.rate <= 7 / 6


def test_an_idle_time_is_no_measure_of_the_rate() -> None:
    """The cluster's proof may take minutes between the writes and a prune."""
    clock = FakeClock()
    pacer = Pacer(clock)
    pacer.failed(clock.now(), throttled=True)
    before = pacer.rate
    clock.sleep(600)
    pacer.take()
    pacer.succeeded(clock.now())
    clock.sleep(0.1)
    pacer.failed(clock.now(), throttled=True)
    assert pacer.rate >= before / 2


def test_it_never_stands_still_and_speeds_up_again() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    for _ in range(50):
        clock.sleep(1)
        pacer.failed(clock.now(), throttled=True)
    assert pacer.rate == WRITES.lowest_rate
    for _ in range(10):
        clock.sleep(1)
        pacer.succeeded(clock.now())
    assert pacer.rate > 3


def test_where_seconds_are_left_it_does_not_wait_for_what_was_refused_before() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    for _ in range(10):
        clock.sleep(0.1)
        pacer.failed(clock.now(), throttled=True)
    assert pacer.take() > 1
    pacer.hurry()
    assert pacer.take() == 0
    assert pacer.rate >= WRITES.first_rate


def test_other_failures_do_not_slow_down_the_others() -> None:
    """TooManyUpdates among them: it is about one parameter, not about the rate."""
    pacer = Pacer(FakeClock())
    before = pacer.rate
    for _ in range(20):
        pacer.failed(pacer.now(), throttled=False)
    assert pacer.rate == before


def test_the_delay_of_a_request_that_fails_grows_and_stays_bearable() -> None:
    delays = [0.0]
    for _ in range(20):
        delays.append(calls.longer(delays[-1]))
    assert all(0 < delay <= 5 for delay in delays[1:])
    assert delays[-1] >= 2.5


def test_patience_counts_from_the_last_success() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    clock.sleep(PATIENCE - 1)
    assert not pacer.exhausted()
    pacer.succeeded(clock.now())
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


class Failing:
    """Fails with these errors, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_a_read_is_repeated_until_it_succeeds() -> None:
    call = Failing(*[throttled()] * 40, unreachable(), aws_error("InternalServerError", "", 500))
    assert calls.ask(Pacer(FakeClock(), READS), call) == "done"
    assert call.calls == 43


def test_a_read_that_nothing_answers_is_given_up_soon() -> None:
    """A region that does not exist is told within seconds; being throttled is waited out for a minute."""
    clock = FakeClock()
    with pytest.raises(type(unreachable())):
        calls.ask(Pacer(clock, READS), Failing(*[unreachable()] * 1000))
    assert clock.now() - 1000 < 30
    began = clock.now()
    with pytest.raises(type(throttled())):
        calls.ask(Pacer(clock, READS), Failing(*[throttled()] * 10_000))
    assert clock.now() - began >= PATIENCE


def test_what_is_refused_for_good_is_asked_once() -> None:
    call = Failing(aws_error("AccessDeniedException"))
    with pytest.raises(type(aws_error("x"))):
        calls.ask(Pacer(FakeClock(), READS), call)
    assert call.calls == 1
