"""A proof counts for the manifest alone: what the cluster holds is looked at until the end."""

import copy

from cluster_samples import PATH, failed, live, rendered, synced
from cluster_world import TOKEN, World, run, secret_of, syncs

from secret_action.model import ContentState, RefreshState

OTHER = "/zerotouch/dev/shop/other"


def changed(thing, **spec):
    """The same after somebody has changed its spec."""
    after = copy.deepcopy(thing)
    after["spec"] |= spec
    after["metadata"]["generation"] += 1
    after["metadata"]["resourceVersion"] = str(int(thing["metadata"]["resourceVersion"]) + 1)
    return after


def reads_other(thing):
    return changed(thing, data=[{"secretKey": "K0", "remoteRef": {"key": OTHER}}])


def restored(thing):
    return changed(thing, data=rendered().spec["data"])


def test_a_field_that_git_no_longer_has_is_waited_for():
    """What the live template makes of the values is not what the manifest asks for, however well it is proven."""
    template = {"data": {"K0": "{{ .K0 }}?yesterday"}}
    world = World(live(rendered(target={"template": template})), syncs, [secret_of("the value?yesterday")])
    result = run(world, timeout=20.0)
    assert (result.state, world.tokens) == (RefreshState.NOT_DEPLOYED, [])
    assert "spec.target.template.data.K0: the manifest has nothing, the cluster has" in result.detail


def test_what_never_refreshed_is_waited_for_too():
    """Git has taken the policy out: that is for the GitOps tool to bring."""
    old = live(rendered(refreshPolicy="CreatedOnce"))
    world = World(old, syncs, [secret_of("the value")], later=[(30.0, live(version=20))])
    result = run(world, changed=[PATH])
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.PROVEN)


def test_a_spec_that_changes_after_the_annotation_is_no_proof():
    """ESO read our token, and another parameter; nothing but the spec tells, since the values are not known."""
    world = World(live(), lambda thing: [reads_other(thing), synced(reads_other(thing))])
    result = run(world, values={}, timeout=20.0)
    assert result.state is RefreshState.NOT_DEPLOYED
    assert "spec.data[0].remoteRef.key" in result.detail


def test_a_spec_that_comes_back_is_annotated_anew():
    """With a token of its own: what was read before tells nothing."""
    answers = iter([lambda thing: [reads_other(thing), synced(reads_other(thing))], syncs])
    world = World(live(), lambda thing: next(answers)(thing), [secret_of("the value")])
    world.later = [(30.0, restored(reads_other(live(version=50))))]
    result = run(world)
    assert (result.state, result.content) == (RefreshState.PROVEN, ContentState.PROVEN)
    assert world.tokens == [TOKEN, f"{TOKEN}-2"]


def test_what_our_annotation_was_put_on_must_be_the_manifest():
    """The spec changed before our patch arrived, and back after ESO had read it."""

    class Late(World):
        def annotate(self, key, token):
            if not self.tokens:
                self.live = reads_other(self.live)
            super().annotate(key, token)

    def eso(thing):
        return [restored(synced(thing))] if thing["metadata"]["generation"] == 2 else [synced(thing)]

    world = Late(live(), eso)
    result = run(world, values={})
    assert result.state is RefreshState.PROVEN
    assert world.tokens == [TOKEN, f"{TOKEN}-2"]


def test_a_spec_that_changes_while_the_secret_is_read_is_no_proof():
    """The hash is of a Secret that is about to go."""

    class Slow(World):
        def read_hash(self, key, secret_name):
            self._appear(reads_other(self.live))
            super().read_hash(key, secret_name)

    result = run(Slow(live(), syncs, [secret_of("the value")]), timeout=20.0)
    assert result.state is RefreshState.NOT_DEPLOYED


def test_a_failure_of_another_spec_is_not_the_manifests():
    """It fails for want of a parameter that the manifest does not read."""
    world = World(live(), lambda thing: [failed(reads_other(thing))])
    assert run(world, timeout=20.0).state is RefreshState.NOT_DEPLOYED
