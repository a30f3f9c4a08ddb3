"""After a roll our note is renewed, and only where everything is as it was seen."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cluster_samples import Log

from secret_action.cluster import changes
from secret_action.cluster.changes import SecretData
from secret_action.cluster.confirming import confirm
from secret_action.cluster.paths import external_secrets
from secret_action.cluster.proof import ANNOTATION
from secret_action.cluster.rebuild import DATA_HASH
from secret_action.cluster.standing import Dated
from secret_action.cluster.workloads import Look, Noted
from secret_action.errors import ClusterError
from secret_action.model import Problem

CHANGED = datetime(2026, 5, 2, 12, 0, 0, tzinfo=UTC)
KEY = ("shop", "db")
DB = SecretData("uid", "hash", CHANGED)
PLACE = external_secrets("external-secrets.io/v1").at("shop", "db-es")
SEEN = Look((), noted={KEY: Noted(DB, Dated(CHANGED, {}), PLACE, "token")})


class Cluster:
    """One Secret and its readers; keeps what is written."""

    def __init__(self, secret=DB, made=("2026-05-02T12:00:01Z",), refuses=""):
        self.secret, self.made, self.refuses = secret, made, refuses
        self.written = []

    def get(self, place, *, metadata_only):
        self._refuse("get")
        fields = {"f:data": {"f:key": {}}}
        managed = [{"time": changes.spelled(self.secret.written), "fieldsV1": fields}]
        annotations = {DATA_HASH: self.secret.hash}
        return {"metadata": {"uid": self.secret.uid, "managedFields": managed, "annotations": annotations}}

    def pages(self, place, **query):
        self._refuse("list")
        spec = {"containers": [{"name": "app", "envFrom": [{"secretRef": {"name": "db"}}]}]}
        about = {"namespace": "shop", "name": "p"}
        status = {"phase": "Running"}
        yield [{"metadata": about | {"creationTimestamp": at}, "spec": spec, "status": status} for at in self.made], ""

    def merge_patch(self, place, change, *, metadata_only):
        self._refuse("patch")
        self.written.append((place, change["metadata"]["annotations"]))

    def _refuse(self, verb):
        if verb == self.refuses:
            raise ClusterError(Problem(f"It may not {verb}."))


class Clock:
    at = 0.0

    def now(self):
        return self.at

    def sleep(self, seconds):
        self.at += seconds


WAITED = Dated(CHANGED, {}, fresh=True, begun=frozenset())


@pytest.mark.parametrize(
    ("made", "dated", "since"),
    [
        ((), SEEN.noted[KEY].dated, "12:00:00"),
        (("2026-05-02T12:00:01Z",), SEEN.noted[KEY].dated, "12:00:00"),
        (("2026-05-02T13:00:00Z",), SEEN.noted[KEY].dated, "12:00:00"),
        (("2026-05-02T13:00:00Z", "2026-05-02T11:00:00Z"), WAITED, "10:59:59"),
    ],
)
def test_the_note_is_renewed_a_second_after_the_roll(made, dated, since):
    """In a second that no pod has become ready in. It covers all pods that are there, also those that waited."""
    world, clock = Cluster(made=made), Clock()
    confirm(world, Look((), noted={KEY: replace(SEEN.noted[KEY], dated=dated)}), {KEY}, [], Log(), clock)
    note = changes.note(DB, datetime.fromisoformat(f"2026-05-02T{since}Z"))
    assert (world.written, clock.at) == ([(PLACE, {ANNOTATION: f"token-pods{note}"})], 1.0)


@pytest.mark.parametrize(
    "world",
    [
        Cluster(replace(DB, hash="other")),
        Cluster(replace(DB, uid="other")),
        Cluster(replace(DB, written=CHANGED + changes.SECOND)),
        Cluster(made=("2026-05-02T12:00:01Z", "2026-05-02T12:00:00Z")),
        *(Cluster(refuses=verb) for verb in ("get", "list", "patch")),
    ],
)
def test_what_has_changed_meanwhile_or_may_not_be_seen_is_left_as_it_is(world):
    """A later run will find out; of what is refused there is a line in the log."""
    log = Log()
    confirm(world, SEEN, {KEY}, [], log, Clock())
    assert world.written == []
    assert log.lines == ([f"A note about the pods is not renewed: It may not {world.refuses}."] * bool(world.refuses))


def test_nothing_is_asked_about_secrets_without_a_note_of_this_run():
    clock = Clock()
    confirm(Cluster(), SEEN, {("shop", "mail")}, [], Log(), clock)
    assert clock.at == 0.0
