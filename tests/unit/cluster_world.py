"""A scripted cluster for the tests of a refresh: what ESO does and what the API server answers is told beforehand."""

from cluster_samples import PATH, Log, failed, patched, rendered, synced

from secret_action.cluster import errors
from secret_action.cluster.attempt import Terms
from secret_action.cluster.awaited import Awaited
from secret_action.cluster.hashes import data_hash
from secret_action.cluster.messages import (
    Annotated,
    EventsRead,
    HashDropped,
    HashRead,
    Seen,
    ToolsSeen,
    WatchBroken,
    WatchMended,
)
from secret_action.cluster.refresh import await_all
from secret_action.cluster.targets import Target
from secret_action.model import Problem
from secret_action.selector import parse_selector
from secret_action.values import SecretValue

TOKEN = "run-7"
KEY = ("shop", "a")
VALUE = SecretValue("the value")
FORBIDDEN = errors.Forbidden(Problem("You may not.", "Add this rule."))
BUSY = errors.Unavailable(Problem("The API server is busy."))


def secret_of(text):
    """Metadata of a Secret that holds this text."""
    found = data_hash({"K0": text.encode()}, like="0" * 56)
    return {"metadata": {"annotations": {"reconcile.external-secrets.io/data-hash": found}}}


def written_by(secret, manager, time="2026-01-01T00:00:10Z"):
    """The same, with somebody other than ESO as the last who wrote its data."""
    fields = {"f:data": {"f:K0": {}}}
    entry = {"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields}
    return {"metadata": {**secret["metadata"], "managedFields": [entry]}}


class World:
    """A scripted cluster, which is also the clock: time passes only while nothing happens.

    It holds one ExternalSecret, puts our annotation on it, and then does what `eso` says.
    """

    def __init__(self, first, eso=lambda thing: [], secrets=(), patches=(), events=(), later=(), **more):
        self.live = first
        self.queue = [Seen(KEY, first)]
        self.eso = eso
        self.secrets = list(secrets) or [{"metadata": {}}]
        self.patches = list(patches)
        self.events = list(events)
        self.later = list(later)
        self.drops = list(more.get("drops", ()))
        self.rebuild = more.get("rebuild", lambda thing: [])
        self.tokens, self.at, self.dropped = [], 0.0, 0

    def now(self):
        return self.at

    def sleep(self, seconds):
        self.at += seconds

    def next(self, timeout):
        if self.later and self.at >= self.later[0][0]:
            self._appear(self.later.pop(0)[1])
        if self.queue:
            return self.queue.pop(0)
        self.at += timeout
        return None

    def annotate(self, key, token):
        self.tokens.append(token)
        answer = self.patches.pop(0) if self.patches else None
        if answer is None:
            answer = self.live = patched(self.live, token)
            self.queue.append(Annotated(key, answer))
            for thing in self.eso(answer):
                self._appear(thing)
        else:
            self.queue.append(Annotated(key, answer))

    def read_hash(self, key, secret_name):
        answer = self.secrets.pop(0) if len(self.secrets) > 1 else self.secrets[0]
        self.queue.append(HashRead(key, answer))

    def drop_hash(self, key, secret_name):
        self.dropped += 1
        self.queue.append(HashDropped(key, self.drops.pop(0) if self.drops else {"metadata": {}}))
        for thing in self.rebuild(self.live):
            self._appear(thing)

    def read_events(self, key, uid):
        found = self.events.pop(0) if self.events else ()
        self.queue.append(EventsRead(key, tuple(found)))

    def look_at_tools(self, keys, marks, commit):
        self.queue.append(ToolsSeen(()))

    def close(self):
        pass

    def _appear(self, thing):
        if isinstance(thing, WatchBroken | WatchMended):
            self.queue.append(thing)
        else:
            self.live = thing
            self.queue.append(Seen(KEY, thing))


def run(world, es=None, *, values=None, timeout=300.0, only_changed=False, changed=(), log=None, **terms):
    """The result of refreshing one ExternalSecret in this world."""
    given = Terms(
        TOKEN,
        parse_selector("zerotouch.io/managed=true"),
        {PATH: VALUE} if values is None else values,
        only_changed,
        frozenset(changed),
        5.0,
        **terms,
    )
    one = Awaited(Target("shop", es or rendered()), given, world)
    await_all({KEY: one}, world, timeout, log or Log(), world)
    return one.outcome


def syncs(thing):
    return [synced(thing)]


def fails(thing):
    return [failed(thing)]
