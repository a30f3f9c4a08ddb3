"""What an ExternalSecret must look like before a refresh counts as proven.

Each row is one rule; none trusts `Ready`.
"""

import copy

import pytest
from cluster_samples import MD5, SHA3, failed, live, patched, rendered, synced

from secret_action.cluster.proof import Outcome, failed_attempts, judge, never_refreshes

TOKEN = "run-7"
BEFORE = live()
PATCHED = patched(BEFORE, TOKEN)
FAILING = patched(live(ready=("False", "SecretSyncedError", "could not get secret data from provider")), TOKEN)


def _without_token(thing, version):
    after = copy.deepcopy(thing)
    after["metadata"]["annotations"] = {}
    after["metadata"]["resourceVersion"] = str(version)
    return after


def _changed(thing, version=None, **metadata):
    after = copy.deepcopy(thing)
    after["metadata"] |= metadata
    if version:
        after["metadata"]["resourceVersion"] = str(version)
    return after


def _relabelled(thing):
    after = copy.deepcopy(thing)
    after["metadata"]["labels"] = after["metadata"]["labels"] | {"flux": "1"}
    after["metadata"]["resourceVersion"] = "12"
    return after


def _unknown(thing, value):
    after = copy.deepcopy(thing)
    after["status"]["syncedResourceVersion"] = value
    after["metadata"]["resourceVersion"] = str(int(after["metadata"]["resourceVersion"]) + 1)
    return after


NEW = live(syncedResourceVersion="", ready=None)
RETAINED = ("True", "SecretSynced", "secret retained due to DeletionPolicy=Retain")
SYNCED_OTHER = synced(_without_token(PATCHED, 12))
UNKNOWN_BEFORE = patched(live(syncedResourceVersion="1-short"), TOKEN)

ROWS = {
    "0 recreated": (PATCHED, _changed(PATCHED, 20, uid="u2"), Outcome.RECREATED),
    "0 the old one, seen late": (_changed(PATCHED, 30, uid="u2"), BEFORE, Outcome.WAITING),
    "0' being deleted": (PATCHED, _changed(PATCHED, 12, deletionTimestamp="2026-01-01T00:00:00Z"), Outcome.GOING),
    "0'' stored without our token": (BEFORE, synced(BEFORE), Outcome.UNMARKED),
    "0'' stored with an older one": (patched(BEFORE, "run-6"), synced(patched(BEFORE, "run-6")), Outcome.UNMARKED),
    "A1 synced": (PATCHED, synced(PATCHED), Outcome.SYNCED),
    "A1 first sync": (patched(NEW, TOKEN), synced(patched(NEW, TOKEN)), Outcome.SYNCED),
    "A1 md5": (PATCHED, synced(PATCHED, like=MD5), Outcome.SYNCED),
    "A1 others changed labels meanwhile": (PATCHED, synced(_relabelled(PATCHED)), Outcome.SYNCED),
    "A1 other reason of a generic target": (
        PATCHED,
        synced(PATCHED, ready=("True", "ResourceSynced", "resource synced")),
        Outcome.SYNCED,
    ),
    "A1' retained": (PATCHED, synced(PATCHED, ready=RETAINED), Outcome.SYNCED_WITHOUT_DATA),
    "A1' missing": (
        PATCHED,
        synced(PATCHED, ready=("True", "SecretMissing", "secret will not be created")),
        Outcome.SYNCED_WITHOUT_DATA,
    ),
    "A1' deleted": (
        PATCHED,
        synced(PATCHED, ready=("True", "SecretDeleted", "secret deleted")),
        Outcome.SYNCED_WITHOUT_DATA,
    ),
    "A1'' failed since": (PATCHED, failed(synced(PATCHED)), Outcome.SYNCED_THEN_FAILED),
    "A0 synced, then the annotation was removed": (PATCHED, _without_token(synced(PATCHED), 13), Outcome.SYNCED),
    "A0 synced, then somebody changed a label": (PATCHED, _relabelled(synced(PATCHED)), Outcome.SYNCED),
    "A2 removed, and a new sync since": (PATCHED, SYNCED_OTHER, Outcome.SYNCED),
    "A2 removed, md5: an older sync may land late": (
        PATCHED,
        synced(_without_token(PATCHED, 12), like=MD5),
        Outcome.UNMARKED,
    ),
    "A2 removed and back to what it was": (
        patched(synced(BEFORE, 10), TOKEN),
        _without_token(patched(synced(BEFORE, 10), TOKEN), 12),
        Outcome.UNMARKED,
    ),
    "A2 removed, Ready is False": (PATCHED, failed(SYNCED_OTHER), Outcome.UNMARKED),
    "A2 seen before our patch": (PATCHED, synced(_without_token(BEFORE, 5), 6), Outcome.WAITING),
    "unknown hash, status moved": (UNKNOWN_BEFORE, _unknown(UNKNOWN_BEFORE, "1-other"), Outcome.SYNCED_WEAKLY),
    **{
        f"unknown hash, {why[1]} {why[2]}": (
            UNKNOWN_BEFORE,
            _unknown(synced(UNKNOWN_BEFORE, ready=why), "1-other"),
            Outcome.SYNCED_WITHOUT_DATA,
        )
        for why in (RETAINED, ("True", "SecretMissing", ""), ("True", "SecretDeleted", ""))
    },
    "unknown hash, status stands": (UNKNOWN_BEFORE, _unknown(UNKNOWN_BEFORE, "1-short"), Outcome.WAITING),
    "unknown hash, failed": (UNKNOWN_BEFORE, failed(UNKNOWN_BEFORE), Outcome.FAILED),
    "B1 ready became False": (PATCHED, failed(PATCHED), Outcome.FAILED),
    "B1 first attempt failed": (patched(NEW, TOKEN), failed(patched(NEW, TOKEN)), Outcome.FAILED),
    "B2 False with other words": (FAILING, failed(FAILING, "could not update secret"), Outcome.FAILED),
    "B3 False with the same words": (FAILING, failed(FAILING), Outcome.WAITING),
    "B seen before our patch": (PATCHED, failed(_changed(BEFORE, 4)), Outcome.WAITING),
    "C nothing yet": (PATCHED, PATCHED, Outcome.WAITING),
    "C a stale Ready=True": (PATCHED, _relabelled(PATCHED), Outcome.WAITING),
    "C another run's token": (PATCHED, synced(patched(BEFORE, "run-6", 9), 10), Outcome.WAITING),
}


@pytest.mark.parametrize(("before", "observed", "outcome"), ROWS.values(), ids=ROWS.keys())
def test_the_decision_table(before, observed, outcome):
    """One observation after our patch, and what it shows."""
    assert judge(before, observed, TOKEN).outcome is outcome


def test_versions_that_are_no_numbers_leave_only_the_strict_proof():
    """Where later and earlier cannot be told apart, a status that moved shows nothing."""
    opaque = _changed(PATCHED, resourceVersion="xyz")
    assert judge(opaque, failed(PATCHED), TOKEN).outcome is Outcome.WAITING
    assert judge(opaque, synced(PATCHED), TOKEN).outcome is Outcome.SYNCED


def _event(uid, count=1, reason="UpdateFailed", kind="Warning"):
    return {"metadata": {"uid": uid}, "type": kind, "reason": reason, "count": count}


@pytest.mark.parametrize(
    ("before", "now", "attempts"),
    [
        ([], [], 0),
        ([], [_event("a")], 1),
        ([_event("a")], [_event("a")], 0),
        ([_event("a", 4)], [_event("a", 6)], 2),
        ([_event("a", 4)], [_event("a", 4), _event("b")], 1),
        ([_event("a", 4)], [], 0),
        ([], [_event("a", reason="Updated", kind="Normal")], 0),
    ],
)
def test_attempts_are_counted_from_events(before, now, attempts):
    """A new Event is an attempt, and so is every bump of an old one."""
    assert failed_attempts(tuple(before), tuple(now)) == attempts


def _spec(policy=None, interval="1h", **more):
    changes = {"refreshInterval": interval, **more}
    return live(rendered(**changes | ({"refreshPolicy": policy} if policy else {})))


def _pinned(*versions):
    entries = [{"secretKey": f"K{at}", "remoteRef": {"key": "/p", "version": v}} for at, v in enumerate(versions)]
    return live(rendered(data=entries))


NEVER = {
    "ordinary": (_spec(), False),
    "interval 0": (_spec(interval="0"), True),
    "interval 0s": (_spec("Periodic", "0s"), True),
    "interval below zero": (_spec(interval="-1h"), True),
    "interval 0, on change": (_spec("OnChange", "0"), False),
    "created once": (_spec("CreatedOnce"), True),
    "interval 0, never synced": (_spec(interval="0") | {"status": {}}, False),
    "created once, never synced": (_spec("CreatedOnce") | {"status": {}}, False),
    "immutable": (_spec(target={"immutable": True}), True),
    "immutable, never synced": (_spec(target={"immutable": True}) | {"status": {}}, False),
    "all pinned": (_pinned("3"), True),
    "all pinned, several": (_pinned("3", "4"), True),
    "one of two pinned": (_pinned("3", ""), False),
    "interval 0 on ESO 0.10": (
        live(rendered(refreshInterval="0"), ready=("True", "SecretSynced", "Secret was synced")),
        False,
    ),
}


@pytest.mark.parametrize(("thing", "never"), NEVER.values(), ids=NEVER.keys())
def test_what_an_annotation_cannot_refresh_is_known(thing, never):
    """By spec and status alone, before anything is annotated."""
    assert bool(never_refreshes(thing)) is never


def test_the_sample_is_not_proven_by_itself():
    """The status that the samples start from is no hash of theirs."""
    assert live()["status"]["syncedResourceVersion"] == SHA3
