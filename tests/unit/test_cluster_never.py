"""What no annotation refreshes is left alone, told, or, where that is asked for and safe, rebuilt."""

import pytest
from cluster_samples import PATH, Log, live, patched, rendered, synced
from cluster_world import BUSY, FORBIDDEN, TOKEN, World, run, secret_of, syncs, written_by

from secret_action.cluster import errors
from secret_action.model import ContentState, Problem, RefreshState


@pytest.mark.parametrize(
    ("secret", "changed", "state", "ok"),
    [
        ("the value", [PATH], RefreshState.NEVER_REFRESHES, True),
        ("old", [], RefreshState.NEVER_REFRESHES, False),
        ("old", [PATH], RefreshState.FAILED, False),
    ],
)
def test_one_of_a_cluster_external_secret_is_left_alone(secret, changed, state, ok):
    """An annotation would be taken away at once, and its owner's reaches other namespaces; its content is looked at."""
    owned = live()
    owned["metadata"]["ownerReferences"] = [{"kind": "ClusterExternalSecret", "name": "all"}]
    for force in (False, True):
        world = World(owned, secrets=[secret_of(secret)])
        result = run(world, changed=changed, force=force)
        assert (result.state, result.ok, world.tokens, world.dropped) == (state, ok, [], 0)
        assert "the ClusterExternalSecret all" in result.detail
        assert ok or "kubectl annotate clusterexternalsecret all" in result.diagnosis.remedy


NEVER = rendered(refreshInterval="0")


def test_a_never_refreshing_one_is_left_alone():
    """Where its Secret holds the values all the same, that is fine."""
    world = World(live(NEVER), secrets=[secret_of("the value")])
    result = run(world, NEVER, changed=[PATH])
    assert (result.state, result.content, result.ok) == (RefreshState.NEVER_REFRESHES, ContentState.PROVEN, True)
    assert world.tokens == []


@pytest.mark.parametrize("changed", [[], [PATH]])
def test_one_that_makes_no_secret_is_never_proven(changed):
    """Nor a failure: no Secret of its own holds an old value, and what it alone reads was refused before the write."""
    without = rendered(target={"creationPolicy": "None"})
    world = World(live(without), syncs)
    result = run(world, without, changed=changed)
    assert (result.state, result.content, result.ok) == (
        RefreshState.NEVER_REFRESHES,
        ContentState.NOT_CHECKED,
        True,
    )
    assert "ESO makes no Secret" in result.detail
    assert world.tokens == []


def test_a_never_refreshing_one_with_old_content_is_told():
    """It does not pass as up to date."""
    result = run(World(live(NEVER), secrets=[secret_of("old")]), NEVER)
    assert (result.state, result.ok) == (RefreshState.NEVER_REFRESHES, False)
    assert result.diagnosis


@pytest.mark.parametrize(("values", "secret"), [({}, {"metadata": {}}), (None, FORBIDDEN)])
def test_a_never_refreshing_one_of_unknown_content_does_not_pass_as_current(values, secret):
    """Not a failure, since nothing shows that it is old; the log says so as well."""
    log = Log()
    result = run(World(live(NEVER), secrets=[secret]), NEVER, values=values, log=log)
    assert (result.state, result.content) == (RefreshState.NEVER_REFRESHES, ContentState.NOT_CHECKED)
    assert result.ok
    assert "It is not known whether the Secret a holds the current value: it takes a new one only when" in result.detail
    assert any(result.detail in line for line in log.lines)


def test_a_never_refreshing_one_that_should_have_changed_is_a_failure():
    """A value that this run wrote does not arrive."""
    result = run(World(live(NEVER), secrets=[FORBIDDEN]), NEVER, changed=[PATH])
    assert result.state is RefreshState.FAILED
    assert PATH in result.diagnosis.cause


def test_a_never_refreshing_one_that_never_synced_is_refreshed():
    """Its first sync does obey."""
    new = live(NEVER, syncedResourceVersion="", ready=None)
    assert run(World(new, syncs, [secret_of("the value")]), NEVER).state is RefreshState.PROVEN


def test_force_rebuilds_what_no_annotation_refreshes():
    """Annotated first, then ESO's hash is taken off the Secret; proven like everything else."""
    world = World(live(NEVER), secrets=[secret_of("old"), secret_of("the value")], rebuild=syncs)
    result = run(world, NEVER, changed=[PATH], force=True)
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, ContentState.PROVEN, True)
    assert (world.tokens, world.dropped, world.at) == ([TOKEN], 1, 0.0)
    assert "rebuild" in result.detail


def test_force_leaves_alone_what_is_shown_to_be_right():
    """Nothing is touched without need."""
    world = World(live(NEVER), secrets=[secret_of("the value")])
    result = run(world, NEVER, changed=[PATH], force=True)
    assert (result.state, world.tokens, world.dropped) == (RefreshState.NEVER_REFRESHES, [], 0)


def test_force_does_not_touch_what_an_annotation_refreshes():
    """Its Secret keeps ESO's hash."""
    world = World(live(), syncs, [secret_of("the value")])
    assert run(world, force=True).state is RefreshState.PROVEN
    assert world.dropped == 0


def test_a_rebuild_that_read_an_older_object_is_asked_for_again():
    """ESO may act on the Secret before it has seen our annotation: no proof, so once more, with another token."""
    answers = iter([[], [synced]])
    world = World(
        live(NEVER),
        secrets=[secret_of("old"), secret_of("the value")],
        rebuild=lambda it: [f(it) for f in next(answers)],
    )
    assert run(world, NEVER, force=True).state is RefreshState.PROVEN
    assert (world.tokens, world.dropped) == ([TOKEN, f"{TOKEN}-2"], 2)


@pytest.mark.parametrize(
    ("drops", "state", "dropped"),
    [
        ([FORBIDDEN], RefreshState.FAILED, 1),
        ([BUSY], RefreshState.PROVEN, 2),
        ([errors.NotFound(Problem("none"))], RefreshState.PROVEN, 1),
    ],
)
def test_a_hash_that_cannot_be_taken_off(drops, state, dropped):
    """Told with the rule that is missing, tried again, or not needed: without a Secret ESO makes one."""
    world = World(live(NEVER), secrets=[secret_of("old"), secret_of("the value")], drops=drops)
    world.rebuild = lambda thing: syncs(thing) if state is RefreshState.PROVEN and world.dropped == dropped else []
    result = run(world, NEVER, force=True, timeout=30.0)
    assert (result.state, world.dropped) == (state, dropped)
    assert state is RefreshState.PROVEN or result.diagnosis.remedy == "Add this rule."


ONCE = {"created once": rendered(refreshPolicy="CreatedOnce"), "interval 0": NEVER}


def _overtaken(es, **world):
    """ESO syncs it for the first time between our look at it and our patch."""
    new = live(es, version=20, syncedResourceVersion="", ready=None)
    return World(new, patches=[patched(synced(new), TOKEN)], **world)


@pytest.mark.parametrize("es", ONCE.values(), ids=ONCE)
@pytest.mark.parametrize(("values", "content"), [(None, ContentState.PROVEN), ({}, ContentState.NOT_CHECKED)])
def test_a_first_sync_after_the_write_delivers_what_no_annotation_refreshes(es, values, content):
    """It was stored after our write as never synced: what synced since read after that, with our token or without."""
    world = _overtaken(es, secrets=[secret_of("the value")])
    result = run(world, es, values=values, changed=[PATH], written_at=19)
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, content, True)
    assert "Its first sync came after this run's write" in result.detail
    assert (world.at, world.tokens) == (0.0, [TOKEN])


def test_a_first_sync_that_an_event_tells_of_counts_as_well():
    """It overtook our patch, and was written after it, as older releases of ESO do."""
    es = ONCE["created once"]
    new = live(es, version=20, syncedResourceVersion="", ready=None)

    def eso(thing):
        after = synced(thing)
        after["status"]["syncedResourceVersion"] = synced(new)["status"]["syncedResourceVersion"]
        return [after]

    result = run(World(new, eso, [secret_of("the value")]), es, changed=[PATH], written_at=19)
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.PROVEN)


@pytest.mark.parametrize(
    ("written_at", "secret", "values", "changed", "state", "ok"),
    [
        (20, "the value", None, [PATH], RefreshState.NEVER_REFRESHES, True),
        (20, "the value", {}, [], RefreshState.NEVER_REFRESHES, True),
        (20, "the value", {}, [PATH], RefreshState.FAILED, False),
        (20, "old", None, [PATH], RefreshState.FAILED, False),
        (19, "old", None, [PATH], RefreshState.PROVEN, False),
    ],
)
def test_a_first_sync_of_unknown_order_is_judged_by_the_content(written_at, secret, values, changed, state, ok):
    """And is not waited for in vain: there will be no other."""
    es = ONCE["created once"]
    world = _overtaken(es, secrets=[secret_of(secret)])
    result = run(world, es, values=values, changed=changed, written_at=written_at)
    assert (result.state, result.ok, world.at) == (state, ok, 0.0)
    assert ok or result.diagnosis


def test_what_others_wrote_after_a_first_sync_is_not_checked():
    """Also where our annotation came later still: ESO did not answer it."""
    es = ONCE["created once"]
    world = _overtaken(es, secrets=[written_by(secret_of("the value"), "kubectl-edit", "2026-01-01T00:00:10Z")])
    fields = {"f:metadata": {"f:annotations": {"f:force-sync": {}}}}
    ours = {"manager": "secret-sync", "time": "2026-01-01T00:00:20Z", "fieldsV1": fields}
    world.patches[0]["metadata"]["managedFields"] = [ours]
    result = run(world, es, changed=[PATH], written_at=19)
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, ContentState.NOT_CHECKED, True)
    assert "kubectl-edit" in result.detail


def test_a_first_sync_of_another_spec_proves_nothing():
    """It was changed since, and the one that stands there now is never read."""
    es = ONCE["interval 0"]
    new = live(es, version=20, syncedResourceVersion="", ready=None)
    answer = patched(synced(new), TOKEN)
    answer["metadata"]["generation"] = 2
    result = run(World(new, patches=[answer]), es, values={}, changed=[PATH], written_at=19)
    assert result.state is RefreshState.FAILED


def test_a_rebuild_is_asked_for_where_a_first_sync_proves_nothing():
    """`refresh: force`: as if it had been synced before."""
    es = ONCE["created once"]
    world = _overtaken(es, secrets=[secret_of("old"), secret_of("the value")], rebuild=syncs)
    result = run(world, es, changed=[PATH], force=True)
    assert (result.state, result.content, world.dropped) == (RefreshState.PROVEN, ContentState.PROVEN, 1)
