"""A refresh ends proven, or with what went wrong; events decide, and only what may be touched is."""

import copy

import pytest
from cluster_samples import LABELS, MD5, PATH, Log, failed, live, rendered, settings, synced
from cluster_world import BUSY, FORBIDDEN, KEY, TOKEN, VALUE, World, fails, run, secret_of, syncs, written_by

from secret_action.cluster import errors
from secret_action.cluster.content import expected_content
from secret_action.cluster.messages import HashRead, WatchBroken, WatchMended
from secret_action.cluster.targets import targets
from secret_action.errors import InputError
from secret_action.model import ContentState, Problem, RefreshState
from secret_action.selector import parse_selector
from secret_action.values import SecretValue


def test_it_is_proven_by_the_event_that_shows_it():
    """One annotation, one look at the Secret's metadata, no time lost."""
    world = World(live(), syncs, [secret_of("the value")])
    result = run(world)
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, ContentState.PROVEN, True)
    assert (result.seconds, world.at, world.tokens) == (0.0, 0.0, [TOKEN])


def test_a_stale_ready_is_no_proof():
    """ESO does nothing, its `Ready` stays True: after the timeout that is a failure."""
    world = World(live())
    result = run(world, timeout=20.0)
    assert (result.state, result.ok) == (RefreshState.NOT_PROVEN, False)
    assert world.at == pytest.approx(20.0)


def test_content_is_not_checked_where_values_are_unknown():
    """The proof stands, and the reason is told."""
    result = run(World(live(), syncs), values={})
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.NOT_CHECKED)
    assert PATH in result.detail


def test_content_is_not_checked_where_rights_are_missing():
    """With the rule that would grant them."""
    result = run(World(live(), syncs, [FORBIDDEN]))
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, ContentState.NOT_CHECKED, True)
    assert "Add this rule." in result.detail


def test_a_hash_of_unknown_form_is_not_checked():
    """Neither right nor wrong."""
    result = run(World(live(), syncs, [{"metadata": {}}]))
    assert result.content is ContentState.NOT_CHECKED


def test_differing_content_is_refreshed_again_until_it_fits():
    """With a new token each time."""
    world = World(live(), syncs, [secret_of("old"), secret_of("old"), secret_of("the value")])
    result = run(world)
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.PROVEN)
    assert world.tokens == [TOKEN, f"{TOKEN}-2", f"{TOKEN}-3"]


@pytest.mark.parametrize("answer", [secret_of("old"), errors.NotFound(Problem("none"))])
def test_content_that_stays_different_is_a_failure(answer):
    """After the timeout; it names the Secret, and no bytes."""
    result = run(World(live(), syncs, [answer]), timeout=60.0)
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, ContentState.DIFFERS, False)
    assert "Secret a" in result.detail
    assert result.diagnosis.remedy


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        ({"remoteRef": {"key": PATH, "property": "p"}}, {"values": {PATH: SecretValue('{"q": 1}')}}),
        ({"remoteRef": {"key": PATH, "property": "p"}}, {"values": {PATH: SecretValue("no JSON")}}),
        ({"remoteRef": {"key": PATH, "decodingStrategy": "Base64"}}, {"values": {PATH: SecretValue("*")}}),
        ({"remoteRef": {"key": PATH}}, {"values": {}, "missing": frozenset({PATH})}),
    ],
)
def test_a_failure_that_waiting_cannot_mend_is_confirmed_once_and_counts(spec, known):
    """Well before the timeout, by a second annotation."""
    es = rendered(data=[{"secretKey": "K0", **spec}])
    world = World(live(es), fails)
    result = run(world, es, **known)
    assert result.state is RefreshState.FAILED
    assert world.tokens == [TOKEN, f"{TOKEN}-2"]
    assert world.at < 15


def test_any_other_failure_is_waited_for_until_the_timeout():
    """Rights and stores are mended while one waits; ESO is asked again and again, ever less often."""
    world = World(live(), fails)
    result = run(world)
    assert result.state is RefreshState.FAILED
    assert world.at == pytest.approx(300.0)
    assert 6 <= len(world.tokens) <= 10


def test_a_failure_that_is_mended_after_a_while_is_proven():
    """Long after the second attempt failed."""
    world = World(live(), secrets=[secret_of("the value")])
    world.eso = lambda thing: [synced(thing) if world.at > 60 else failed(thing)]
    assert run(world).state is RefreshState.PROVEN
    assert 60 < world.at < 120


def test_a_failed_attempt_that_recovers_is_proven():
    """ESO goes on trying, and so does the annotation."""
    outcomes = iter([failed, synced])
    world = World(live(), lambda thing: [next(outcomes)(thing)], [secret_of("the value")])
    assert run(world).state is RefreshState.PROVEN


def test_esos_own_retry_is_believed():
    """The token is still there when a later attempt succeeds, before any second annotation."""
    world = World(live(), lambda thing: [failed(thing), synced(failed(thing))], [secret_of("the value")])
    assert run(world).state is RefreshState.PROVEN
    assert world.tokens == [TOKEN]


def test_one_that_failed_before_is_known_to_fail_by_its_events():
    """Its status does not change at all when it fails again; the count of its event does."""
    event = {"metadata": {"uid": "e"}, "type": "Warning", "reason": "UpdateFailed"}
    before = live(ready=("False", "SecretSyncedError", "could not get secret data from provider"))
    world = World(before, events=[[{**event, "count": 3}], [{**event, "count": 4}], [{**event, "count": 5}]])
    result = run(world)
    assert result.state is RefreshState.FAILED
    assert "could not get secret data" in result.detail
    assert world.at == pytest.approx(300.0)


def test_one_that_failed_before_waits_for_the_timeout_without_events():
    """Where events cannot be read nothing tells an attempt from none."""
    before = live(ready=("False", "SecretSyncedError", "no"))
    world = World(before)
    assert run(world, timeout=100.0).state is RefreshState.NOT_PROVEN
    assert world.at == pytest.approx(100.0)


def test_a_removed_annotation_is_put_back():
    """By a new token, and within a second or so; another actor's removal is no failure."""
    removals = iter([True, True, False])

    def eso(thing):
        if next(removals):
            bare = copy.deepcopy(thing)
            bare["metadata"]["annotations"] = {}
            bare["metadata"]["resourceVersion"] = str(int(thing["metadata"]["resourceVersion"]) + 1)
            return [bare]
        return [synced(thing)]

    world = World(live(), eso, [secret_of("the value")])
    assert run(world).state is RefreshState.PROVEN
    assert world.tokens == [TOKEN, f"{TOKEN}-2", f"{TOKEN}-3"]
    assert world.at < 5


def test_an_annotation_that_never_stays_is_told():
    """The remedy is about who removes it."""

    def eso(thing):
        bare = copy.deepcopy(thing)
        bare["metadata"]["annotations"] = {}
        bare["metadata"]["resourceVersion"] = str(int(thing["metadata"]["resourceVersion"]) + 1)
        return [bare]

    result = run(World(live(), eso), timeout=10.0)
    assert result.state is RefreshState.NOT_PROVEN
    assert "removes the annotation" in result.diagnosis.cause


@pytest.mark.parametrize("secret", [secret_of("old"), secret_of("the value")])
def test_an_annotation_that_is_not_stored_proves_nothing(secret):
    """An admission webhook drops it: what ESO synced before is no answer to it, whatever the Secret holds."""
    before = synced(live())
    world = World(before, secrets=[secret], patches=[before] * 9)
    result = run(world)
    assert (result.state, result.ok) == (RefreshState.FAILED, False)
    assert "drops our annotation" in result.detail
    assert world.tokens == [TOKEN] * 5
    assert world.at < 30


def test_an_annotation_that_is_not_stored_at_first_is_sent_again():
    """The webhook that dropped it is mended meanwhile."""
    before = synced(live())
    world = World(before, syncs, [secret_of("the value")], patches=[before, before, None])
    assert run(world).state is RefreshState.PROVEN
    assert world.tokens == [TOKEN] * 3


def test_an_annotation_that_is_dropped_for_another_one_proves_nothing():
    """A webhook puts an old token back."""
    before = live(annotations={"force-sync": "run-6"})
    world = World(synced(before), patches=[synced(before)] * 9)
    assert run(world, values={}).state is RefreshState.FAILED


def test_a_recreated_one_is_begun_anew():
    """Another uid: nothing that was known of the old one counts."""
    new = live(uid="u2", version=50, syncedResourceVersion="", ready=None)
    lives = iter([[new], None])

    def eso(thing):
        return next(lives) or [synced(thing)]

    world = World(live(), eso, [secret_of("the value")])
    assert run(world).state is RefreshState.PROVEN
    assert world.tokens == [TOKEN, f"{TOKEN}-2"]


def test_one_that_is_deleted_is_waited_for():
    """Gone between patch and sync, and back later."""
    new = live(uid="u2", version=50)
    answers = iter([[None], None])
    world = World(live(), lambda thing: next(answers) or [synced(thing)], [secret_of("the value")], later=[(40.0, new)])
    assert run(world).state is RefreshState.PROVEN
    assert world.at == pytest.approx(40.0, abs=2)


def test_it_waits_until_the_manifest_is_deployed():
    """Nothing is annotated before the cluster holds what is rendered."""
    old = live(rendered(references=["/old"]))
    world = World(old, syncs, [secret_of("the value")], later=[(30.0, live(version=20))])
    assert run(world).state is RefreshState.PROVEN
    assert world.at == pytest.approx(30.0, abs=2)


@pytest.mark.parametrize(
    ("first", "state", "words"),
    [
        (None, RefreshState.NOT_DEPLOYED, "not in the cluster"),
        (live(rendered(references=["/old"])), RefreshState.NOT_DEPLOYED, "spec.data[0].remoteRef.key"),
        (live(rendered(labels={})), RefreshState.NOT_MANAGED, "metadata.labels.zerotouch.io/managed"),
        (live(rendered(labels={}, references=["/old"])), RefreshState.NOT_DEPLOYED, "spec.data[0]"),
    ],
)
def test_what_is_not_deployed_is_never_touched(first, state, words):
    """It is waited for, and the difference is named."""
    world = World(first)
    result = run(world, timeout=10.0)
    assert (result.state, result.ok, world.tokens) == (state, False, [])
    assert words in result.detail
    assert result.diagnosis.remedy


def test_refresh_changed_leaves_alone_what_is_shown_to_be_right():
    """Content first, annotation only where it differs."""
    world = World(live(), syncs, [secret_of("the value")])
    result = run(world, only_changed=True)
    assert (result.state, result.content, world.tokens) == (RefreshState.UP_TO_DATE, ContentState.PROVEN, [])


@pytest.mark.parametrize("first", [secret_of("old"), FORBIDDEN, errors.NotFound(Problem("none"))])
def test_refresh_changed_refreshes_what_is_not_shown_to_be_right(first):
    """Differing, not readable or absent."""
    world = World(live(), syncs, [first, secret_of("the value")])
    result = run(world, only_changed=True)
    assert (result.state, result.content, world.tokens) == (RefreshState.PROVEN, ContentState.PROVEN, [TOKEN])


FOREIGN = written_by(secret_of("the value"), "kubectl-edit")


def test_refresh_changed_refreshes_what_others_wrote_after_eso():
    """ESO's hash on it tells what ESO wrote, not what it holds now."""
    world = World(live(), syncs, [FOREIGN, secret_of("the value")])
    result = run(world, only_changed=True)
    assert (result.state, result.content, world.tokens) == (RefreshState.PROVEN, ContentState.PROVEN, [TOKEN])


def test_what_others_wrote_meanwhile_is_looked_at_again():
    """After another sync, which puts it right or finds it right."""
    world = World(live(), syncs, [FOREIGN, secret_of("the value")])
    result = run(world)
    assert (result.content, world.tokens) == (ContentState.PROVEN, [TOKEN, f"{TOKEN}-2"])


def test_what_others_write_all_the_time_is_not_checked():
    """It is proven that ESO read; that the Secret holds it is not, nor that it does not. The writer is named."""
    world = World(live(), syncs, [FOREIGN])
    result = run(world)
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, ContentState.NOT_CHECKED, True)
    assert "`kubectl-edit` wrote data of the Secret a after ESO" in result.detail
    assert world.at < 30


def test_the_doubt_is_told_where_the_time_runs_out():
    """Before the last look."""
    result = run(World(live(), syncs, [FOREIGN]), timeout=3.0)
    assert (result.content, result.ok) == (ContentState.NOT_CHECKED, True)
    assert "kubectl-edit" in result.detail


@pytest.mark.parametrize("changed", [(), (PATH,)])
def test_one_that_never_refreshes_and_that_others_wrote_is_not_checked(changed):
    """It may have been restored from a backup: neither proven nor a failure."""
    es = rendered(refreshPolicy="CreatedOnce")
    world = World(live(es), secrets=[written_by(secret_of("the value"), "velero-server")])
    result = run(world, es, changed=changed, only_changed=not changed)
    assert (result.state, result.content, result.ok) == (
        RefreshState.NEVER_REFRESHES,
        ContentState.NOT_CHECKED,
        True,
    )
    assert "`velero-server` wrote data of the Secret a after ESO" in result.detail
    assert world.tokens == []


def test_other_content_is_no_doubt():
    """ESO's hash is of something else: whoever wrote since."""
    result = run(World(live(), syncs, [written_by(secret_of("old"), "kubectl-edit")]), timeout=20.0)
    assert (result.content, result.ok) == (ContentState.DIFFERS, False)


LACKING = {"metadata": {"managedFields": [{"manager": "eso", "fieldsV1": {"f:data": {}}}]}}
DROPS = rendered(target={"deletionPolicy": "Delete"})


def test_a_key_that_eso_leaves_out_is_a_failure_without_any_value():
    """The names of the keys are in the metadata. A parameter that may come yet is waited for."""
    result = run(World(live(DROPS), syncs, [LACKING]), DROPS, values={}, timeout=60.0)
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, ContentState.DIFFERS, False)
    assert result.detail == "The Secret a lacks the key K0."
    assert PATH in result.diagnosis.remedy


def test_a_key_whose_parameter_is_known_to_be_gone_is_confirmed_once():
    """By a second annotation, well before the timeout."""
    world = World(live(DROPS), syncs, [LACKING])
    assert not run(world, DROPS, values={}, missing=frozenset({PATH})).ok
    assert (world.at < 15, len(world.tokens)) == (True, 2)


def test_a_key_that_comes_back_is_proven():
    """Its parameter was made meanwhile."""
    whole = {"metadata": {"managedFields": [{"manager": "eso", "fieldsV1": {"f:data": {".": {}, "f:K0": {}}}}]}}
    result = run(World(live(DROPS), syncs, [LACKING, whole]), DROPS, values={})
    assert (result.state, result.content, result.ok) == (RefreshState.PROVEN, ContentState.NOT_CHECKED, True)


@pytest.mark.parametrize(
    ("es", "terms"), [(DROPS, {"optional": frozenset({PATH})}), (rendered(), {})], ids=["optional", "retained"]
)
def test_what_cannot_lack_a_key_is_not_read(es, terms):
    """Where no value is known either."""
    assert run(World(live(es), syncs, [LACKING]), es, values={}, **terms).ok


@pytest.mark.parametrize("answer", [FORBIDDEN, {"metadata": {}}])
def test_keys_that_cannot_be_told_are_not_checked(answer):
    """For want of a right, or of traces."""
    result = run(World(live(DROPS), syncs, [answer]), DROPS, values={})
    assert (result.content, result.ok) == (ContentState.NOT_CHECKED, True)
    assert "is not known to this run" in result.detail


def test_a_never_refreshing_one_that_lacks_a_key_is_no_success():
    """The key came into its manifest after its only sync."""
    es = rendered(refreshPolicy="CreatedOnce")
    result = run(World(live(es), secrets=[LACKING]), es, values={})
    assert (result.state, result.ok) == (RefreshState.NEVER_REFRESHES, False)
    assert "The Secret a lacks the key K0" in result.diagnosis.cause


def test_an_unknown_hash_is_said_to_be_weaker():
    """Proven by the status alone."""

    def eso(thing):
        after = synced(thing)
        after["status"]["syncedResourceVersion"] = "v2:abc"
        return [after]

    result = run(World(live(), eso, [secret_of("the value")]))
    assert result.state is RefreshState.WEAKLY_PROVEN
    assert "unknown form" in result.detail


def test_md5_is_proven_like_sha3():
    """Releases before 0.16.2."""
    world = World(live(), lambda thing: [synced(thing, like=MD5)], [secret_of("the value")])
    assert run(world).state is RefreshState.PROVEN


def test_a_patch_that_may_pass_is_sent_again():
    """With the same token: it may have arrived."""
    world = World(live(), syncs, [secret_of("the value")], patches=[BUSY, None])
    assert run(world).state is RefreshState.PROVEN
    assert world.tokens == [TOKEN, TOKEN]


def test_a_patch_that_is_refused_ends_it():
    """With what the API server says."""
    result = run(World(live(), patches=[FORBIDDEN]))
    assert result.state is RefreshState.FAILED
    assert (result.diagnosis.cause, result.diagnosis.remedy) == ("You may not.", "Add this rule.")


def test_a_patch_that_never_passes_is_the_cause():
    """ESO cannot have looked at what was never annotated."""
    result = run(World(live(), patches=[BUSY] * 99), timeout=20.0)
    assert result.state is RefreshState.NOT_PROVEN
    assert result.diagnosis.cause == "The API server is busy."


def test_a_patch_that_passed_is_not_the_cause():
    """ESO does not answer after it."""
    assert run(World(live(), patches=[BUSY, None]), timeout=20.0).diagnosis is None


def test_a_hash_that_cannot_be_read_now_is_read_again():
    """An API server that is busy for a moment."""
    world = World(live(), syncs, [BUSY, secret_of("the value")])
    assert run(world).content is ContentState.PROVEN


def test_a_watch_that_is_barred_ends_the_wait():
    """Nothing more can be learnt, and the reason is told."""
    world = World(live(), later=[(3.0, WatchBroken({KEY}, FORBIDDEN, ended=True))])
    result = run(world)
    assert result.state is RefreshState.NOT_PROVEN
    assert result.diagnosis.cause == "You may not."
    assert world.at < 10


def test_a_watch_that_is_barred_does_not_hide_what_a_secret_holds():
    """Its hash was being read, which needs no watch: taken for proven without it, another value would be missed."""
    world = World(live(), syncs)
    world.read_hash = lambda *_: (
        world.queue.append(WatchBroken({KEY}, FORBIDDEN, ended=True)),
        world.queue.append(HashRead(KEY, secret_of("the old value"))),
    )
    result = run(world, timeout=20.0)
    assert (result.ok, result.content) == (False, ContentState.DIFFERS)


def test_a_watch_that_breaks_is_waited_for():
    """The API server is away for a while."""
    broken = WatchBroken({KEY}, BUSY)
    world = World(live(), later=[(3.0, broken), (20.0, broken)])
    log = Log()
    result = run(world, timeout=60.0, log=log)
    assert result.detail == "The API server is busy."
    assert any("The API server is busy." in line for line in log.progressed)


def test_trouble_that_is_over_is_not_blamed():
    """The watch came back, and it is ESO that does nothing."""
    world = World(live(), later=[(3.0, WatchBroken({KEY}, BUSY)), (20.0, WatchMended({KEY}))])
    result = run(world, timeout=60.0)
    assert (result.state, result.detail) == (RefreshState.NOT_PROVEN, "ESO has not read it yet.")
    assert result.diagnosis is None


def test_progress_is_told_every_ten_seconds():
    """What is still awaited, why, and for how long."""
    log = Log()
    run(World(None), timeout=35.0, log=log)
    assert len(log.progressed) == 3
    assert log.progressed[0].startswith("Still awaited after 10 s: shop/a (It is not in the cluster)")


def test_targets_are_what_the_selector_leaves_in():
    """It narrows; those without the mark stay, so that they can be told about."""
    narrow = settings(selector=parse_selector("zerotouch.io/managed=true,tier=db"))
    database = rendered("db", labels=LABELS | {"tier": "db"})
    found = targets((database, rendered("web"), rendered("jwks", labels={})), narrow)
    assert [(target.name, target.managed) for target in found] == [("db", True), ("jwks", False)]


def test_a_manifest_without_namespace_needs_the_input():
    """All of them at once, each with its place."""
    homeless = (rendered("a", ""), rendered("b", ""), rendered("c", "shop"))
    with pytest.raises(InputError) as error:
        targets(homeless, settings())
    assert [problem.where.file for problem in error.value.problems] == ["es.yaml", "es.yaml"]
    assert [target.namespace for target in targets(homeless, settings(namespace="x"))] == ["x", "x", "shop"]


def test_the_samples_content_is_known():
    """What the tests above compare with is a full expectation."""
    assert expected_content(rendered().spec, {PATH: VALUE}).reason == ""
