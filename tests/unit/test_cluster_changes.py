"""When a Secret's data changed last, and what cannot be told of it: decided from metadata alone."""

from datetime import UTC, datetime, timedelta

import pytest

from secret_action.cluster import changes
from secret_action.cluster.api import FIELD_MANAGER
from secret_action.cluster.changes import Past, SecretData

CHANGED = datetime(2026, 5, 2, 12, 0, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ASKED = CHANGED + HOUR


def external_secret(noted, *writers, manager=FIELD_MANAGER, **spec):
    """One with our annotation, and what others wrote of it; ESO reads again every hour."""
    fields = {"f:metadata": {"f:annotations": {f"f:{changes.ANNOTATION}": {}}}}
    ours = {"manager": manager, "time": changes.spelled(ASKED), "fieldsV1": fields}
    annotations = {changes.ANNOTATION: f"token{changes.note(noted, CHANGED)}"}
    return {"metadata": {"annotations": annotations, "managedFields": [ours, *writers]}, "spec": spec}


def written(when, hash_="hash"):
    return SecretData("uid", hash_, when)


def writer(when, **more):
    fields = {"f:metadata": {"f:labels": {"f:version": {}}}}
    return {"manager": "argocd-controller", "time": changes.spelled(when), "fieldsV1": fields, **more}


@pytest.mark.parametrize(
    ("when", "writers", "known"),
    [
        (ASKED - SECOND, [], Past(CHANGED)),
        (ASKED - SECOND, [writer(ASKED + HOUR)], Past(CHANGED)),
        (ASKED, [], Past(CHANGED)),
        (ASKED + MINUTE - SECOND, [writer(ASKED)], Past(CHANGED)),
        (ASKED + MINUTE, [], Past(CHANGED, ASKED)),
        (ASKED + SECOND, [writer(ASKED + SECOND)], Past(CHANGED, ASKED)),
        (ASKED + SECOND, [writer(ASKED + HOUR, subresource="status")], Past(CHANGED)),
        (ASKED + SECOND, [{"manager": "unknown", "fieldsV1": {}}], Past(CHANGED, ASKED)),
        (ASKED + HOUR, [writer(ASKED + HOUR)], Past(CHANGED, ASKED)),
        (CHANGED - SECOND, [], Past(CHANGED - SECOND)),
    ],
)
def test_what_the_answer_to_our_annotation_does_not_explain_may_be_data_that_came_and_went(when, writers, known):
    """Labels of others are no excuse: those before them have left no time, and data may have come with them."""
    assert changes.past(written(when), external_secret(written(when), *writers)) == known


@pytest.mark.parametrize(
    ("interval", "unsure"), [("3s", ASKED), ("0", None), ("1h", None), ("10s", None), ("nonsense", None)]
)
def test_operators_that_read_more_often_answer_sooner(interval, unsure):
    """Five seconds after our annotation."""
    secret = written(ASKED + 5 * SECOND)
    assert changes.past(secret, external_secret(secret, refreshInterval=interval)).unsure_since == unsure


def test_other_data_is_as_old_as_its_last_write():
    """And so is what no note of ours is about."""
    secret, other = written(ASKED + SECOND), written(ASKED + SECOND, "other")
    for found in (external_secret(other), external_secret(secret, manager="kubectl-edit"), None, {}):
        assert changes.past(secret, found) == Past(ASKED + SECOND)
    assert changes.past(written(None), external_secret(secret)) == Past(None)


@pytest.mark.parametrize("round_", ["", "-2"])
def test_an_annotation_is_known_without_its_note(round_):
    assert changes.unnoted(f"secret-sync-0f{changes.note(written(ASKED), CHANGED)}{round_}") == "secret-sync-0f"
