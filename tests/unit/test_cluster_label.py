"""An ExternalSecret without the label is never annotated, whatever happened since it was looked at."""

import pytest
from cluster_samples import rendered

from secret_action.cluster.awaited import Awaited, Phase, Terms
from secret_action.cluster.errors import not_ok
from secret_action.cluster.targets import Target
from secret_action.selector import parse_selector


class Outside:
    """Remembers what it was asked for."""

    def __init__(self):
        self.tokens = []

    def annotate(self, key, token):
        self.tokens.append(token)

    def read_hash(self, key, secret_name):
        """Answers nothing."""

    def read_events(self, key, uid):
        """Answers nothing."""


def live(uid, labels):
    metadata = {"name": "a", "namespace": "shop", "uid": uid, "generation": 1, "labels": labels}
    return {"metadata": metadata, "spec": dict(rendered().spec)}


@pytest.mark.parametrize("deleted", [True, False])
def test_a_retry_does_not_touch_one_that_lost_the_label(deleted):
    """The first patch failed in passing; meanwhile the label went, with or without the object."""
    outside = Outside()
    terms = Terms("token", parse_selector("zerotouch.io/managed=true"), {}, False, frozenset(), 5.0)
    one = Awaited(Target("shop", rendered()), terms, outside)
    one.seen(live("u1", {"zerotouch.io/managed": "true"}), 0)
    assert outside.tokens == ["token"]
    one.annotated(not_ok("PATCH", "x", 503, b"{}"), 1)
    if deleted:
        one.seen(None, 1.5)
    one.seen(live("u2" if deleted else "u1", {}), 2)
    one.tick(4)
    assert outside.tokens == ["token"]
    assert one.phase is Phase.DEPLOYING
    one.seen(live("u2" if deleted else "u1", {"zerotouch.io/managed": "true"}), 5)
    assert len(outside.tokens) == 2
