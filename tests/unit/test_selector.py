"""Label selectors mean what they mean to kubectl."""

import pytest

from secret_action.selector import parse_selector

LABELS = {"zerotouch.io/managed": "true", "app.kubernetes.io/name": "my-service", "tier": "db"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("zerotouch.io/managed=true", True),
        ("zerotouch.io/managed==true", True),
        ("zerotouch.io/managed=true,app.kubernetes.io/name=my-service", True),
        ("zerotouch.io/managed = true , tier in (db, cache)", True),
        ("tier notin (cache)", True),
        ("absent notin (x)", True),
        ("absent!=x", True),
        ("tier!=db", False),
        ("tier in (cache)", False),
        ("absent", False),
        ("!absent", True),
        ("tier", True),
        ("!tier", False),
        ("tier=", False),
    ],
)
def test_it_matches_as_kubernetes_does(text, matches):
    """Equality, sets and existence, all of them required."""
    assert parse_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    "text", ["a=b=c", "=b", "a in b", "a,,b", "a b", "-a=b", "a in (b", "a=b,", "x/y/z=1", "a=$(id)", "a=b c"]
)
def test_a_wrong_one_names_the_wrong_part(text):
    """The error quotes the requirement that is wrong."""
    with pytest.raises(ValueError, match="is not a label requirement"):
        parse_selector(text)
