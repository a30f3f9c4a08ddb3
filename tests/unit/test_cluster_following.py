"""A watch is kept up: what is cut goes on at once, what does not get through is asked for less and less often."""

import pytest
from cluster_samples import live
from cluster_world import BUSY, FORBIDDEN, KEY

from secret_action.cluster import errors
from secret_action.cluster.following import Follower
from secret_action.cluster.messages import Seen, WatchBroken, WatchMended
from secret_action.cluster.paths import external_secrets
from secret_action.model import Problem

PLACE = external_secrets("external-secrets.io/v1").at("shop")
GONE = errors.Gone(Problem("too old"))
CUT = errors.Unreachable(Problem("cut"))
ABSENT = errors.NotFound(Problem("There is no such kind."))


class Stream:
    """One watch: what it does when it begins, the events that it gives, and how it ends."""

    def __init__(self, refused=None, events=(), end=None, seconds=0.0):
        self.refused, self.events, self.end, self.seconds = refused, events, end, seconds
        self.begun = False

    def begin(self):
        if self.refused:
            raise self.refused
        self.begun = True

    def __iter__(self):
        yield from self.events
        self.clock.wait(self.seconds)
        if self.end:
            raise self.end

    def stop(self):
        pass


class World:
    """An API server, and the time: it ends after so many seconds. The last watch, and the last list, repeat."""

    def __init__(self, *streams, seconds=60.0, lists=()):
        self.streams, self.lists, self.seconds = list(streams), list(lists), seconds
        self.at, self.asked, self.told = 0.0, [], []

    def list(self, place):
        self.asked.append("list")
        answer = self.lists.pop(0) if len(self.lists) > 1 else (self.lists or [()])[0]
        if isinstance(answer, Exception):
            raise answer
        return answer, "5"

    def watch(self, place, version, seconds):
        self.asked.append(f"watch {version}")
        if len(self.asked) > 1000:
            raise AssertionError("it asks again and again")
        stream = self.streams.pop(0) if len(self.streams) > 1 else self.streams[0]
        stream.clock = self
        return stream

    def is_set(self):
        return self.at >= self.seconds

    def wait(self, timeout):
        self.at += timeout

    def now(self):
        return self.at

    def run(self, **options):
        Follower(self, PLACE, {KEY}, self.told.append, self, now=self.now, **options).run()
        return self

    @property
    def broken(self):
        """What of its messages is not about an object."""
        return [one for one in self.told if not isinstance(one, Seen)]


def event(version):
    return "MODIFIED", live(version=version)


@pytest.mark.parametrize(
    "stream", [Stream(GONE), Stream(end=GONE), Stream(), Stream(end=CUT)], ids=["410", "410 event", "empty", "cut"]
)
def test_watches_that_bring_nothing_are_begun_less_and_less_often(stream):
    """The first is repeated at once; a minute of them is some dozen requests, and each list shows what is there."""
    world = World(stream, lists=[[live()]]).run()
    assert len(world.asked) < 40
    assert sum(isinstance(one, Seen) for one in world.told) > 5
    assert world.broken == []


def test_a_watch_that_is_cut_goes_on_at_once_from_where_it_was():
    """No event is lost, and no time."""
    world = World(Stream(events=[event(7)], end=CUT), Stream(events=[event(8)], seconds=99.0)).run()
    assert world.asked == ["list", "watch 5", "watch 7"]
    assert [one.live["metadata"]["resourceVersion"] for one in world.told[1:]] == ["7", "8"]


def test_a_watch_that_lasts_is_no_reason_to_pause():
    """Cut every second, or ended by the server after its time."""
    world = World(Stream(end=CUT, seconds=1.0), seconds=10.0).run()
    assert world.asked == ["list", *["watch 5"] * 10]


def test_a_server_that_is_away_is_told_of_until_it_is_back():
    """Connections that come through mend it, whether or not there is an event."""
    world = World(Stream(BUSY), Stream(BUSY), Stream(seconds=99.0)).run()
    assert world.broken == [
        WatchBroken({KEY}, BUSY),
        WatchBroken({KEY}, BUSY),
        WatchMended({KEY}),
    ]


def test_a_right_that_is_gone_ends_it():
    """Nothing more can be learnt."""
    world = World(Stream(FORBIDDEN)).run()
    assert world.broken == [WatchBroken({KEY}, FORBIDDEN, ended=True)]
    assert world.asked == ["list", "watch 5"]


def test_a_kind_that_is_not_served_may_be_served_again():
    """As while its definition is made anew."""
    world = World(Stream(events=[event(7)], seconds=99.0), lists=[ABSENT, ABSENT, [live()]]).run()
    first, second, mended = world.broken
    assert "does not serve externalsecrets of external-secrets.io/v1" in str(first.error)
    assert (first.ended, second.ended, mended) == (False, False, WatchMended({KEY}))
    assert world.told[-1] == Seen(KEY, live(version=7))


def test_what_was_listed_already_is_not_listed_again():
    """It goes on from that version."""
    assert World(Stream(seconds=99.0)).run(version="3").asked == ["watch 3"]
