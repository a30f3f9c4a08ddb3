"""A secret value cannot become text by accident."""

import copy
import json
import pickle
from dataclasses import asdict, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secret_action.values import SecretValue

TEXT = "s3cr3t-value-of-the-test"


@dataclass(frozen=True)
class Holder:
    value: SecretValue


@pytest.mark.parametrize(
    "attempt",
    [
        lambda value: str(value),
        lambda value: f"{value}",
        lambda value: f"{value:>10}",
        lambda value: "%s" % value,  # noqa: UP031  # this way, too
        lambda value: "{}".format(value),  # noqa: UP032  # this way, too
        lambda value: pickle.dumps(value),
        lambda value: json.dumps(value),
        lambda value: hash(value),
        lambda value: b"" + value,
        lambda value: "" + value,
        lambda value: print(value),
        lambda value: value < value,
    ],
)
def test_it_refuses_to_become_text(attempt):
    """Every usual way to text raises, and the error does not hold the value."""
    with pytest.raises(TypeError) as caught:
        attempt(SecretValue(TEXT))
    assert TEXT not in str(caught.value)


@given(st.text(min_size=3))
def test_its_representation_says_nothing(text):
    """repr, which debuggers, dataclasses and pytest use, is the same for every value."""
    value = SecretValue(text)
    assert repr(value) == "<secret value>"
    assert repr(Holder(value)) == "Holder(value=<secret value>)"
    assert not hasattr(value, "__dict__")


def test_copies_are_the_value_itself():
    """dataclasses.asdict copies deeply: the copy is as closed as the original."""
    value = SecretValue(TEXT)
    assert copy.deepcopy(value) is value
    assert copy.copy(value) is value
    assert asdict(Holder(value))["value"] is value


@given(st.text(), st.text())
def test_equal_means_the_same_text(left, right):
    """Values compare by their text, and never equal a plain text."""
    assert (SecretValue(left) == SecretValue(right)) is (left == right)
    assert SecretValue(left) != left


@given(st.text(alphabet=st.characters()))
def test_reveal_gives_back_every_character(text):
    """What goes in comes out, lone surrogates included."""
    assert SecretValue(text).reveal() == text
