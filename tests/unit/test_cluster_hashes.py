"""The hashes that both proofs rest on are those that ESO writes, to the last digit."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secret_action.cluster.hashes import data_hash, synced_version

SHA3, MD5 = "0" * 56, "0" * 32

# Go prints text of any kind; Kubernetes lets no lone surrogate through.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def test_an_object_without_metadata_has_the_published_sha3_hash():
    """A real ExternalSecret of OpenShift's documentation."""
    expected = "1-f47fe3c0b255b6dd8047cdffa772587bb829efe7a1cb70febeda2eb2"
    assert synced_version({"generation": 1}, like=expected) == expected


def test_an_object_without_metadata_has_the_published_md5_hash():
    """A real one of a release that still used MD5."""
    expected = "3-2f2c636d06132f67992c15a1daeb0a5f"
    assert synced_version({"generation": 3, "labels": None}, like=expected) == expected


def test_esos_own_test_vector_is_reproduced():
    """`TestObjectHash`, "map also works"."""
    expected = "1bed8bcbcb4547ffe19a19cd47d9078e84aa6598266d86b99f992d64"
    assert data_hash({"foo": b"value1", "bar": b"value2"}, like=expected) == expected


@pytest.mark.parametrize("like", ["", "7", "1-", "1-abc", "1-" + "0" * 40, "1-" + "0" * 64])
def test_an_unknown_form_has_no_expected_hash(like):
    """A release that hashes in a third way is not guessed at."""
    assert synced_version({"generation": 1}, like=like) is None
    assert data_hash({}, like=like) is None


def test_a_map_is_printed_in_the_order_of_its_keys_bytes():
    """UTF-8 order, not that of UTF-16 nor of a locale."""
    text = "{annotations:map[Z:1 a:2 é:3 😀:4] labels:map[]}"
    expected = f"2-{hashlib.sha3_224(text.encode()).hexdigest()}"
    metadata = {"generation": 2, "annotations": {"😀": "4", "é": "3", "a": "2", "Z": "1"}, "labels": {}}
    assert synced_version(metadata, like="2-" + SHA3) == expected


def _reference(mapping):
    """Go's `%+v` of a map, written apart from the code under test."""
    parts = []
    for key in sorted(key.encode() for key in mapping):
        parts.append(key + b":" + mapping[key.decode()].encode())
    return b"map[" + b" ".join(parts) + b"]"


@given(st.dictionaries(TEXT, TEXT), st.dictionaries(TEXT, TEXT), st.integers(0, 10**6), st.sampled_from([SHA3, MD5]))
def test_every_metadata_hashes_as_its_go_rendering(annotations, labels, generation, digits):
    """For any annotations and labels, in both algorithms."""
    algorithm = hashlib.sha3_224 if digits == SHA3 else hashlib.md5
    text = b"{annotations:" + _reference(annotations) + b" labels:" + _reference(labels) + b"}"
    metadata = {"generation": generation, "annotations": annotations, "labels": labels}
    assert synced_version(metadata, like=f"9-{digits}") == f"{generation}-{algorithm(text).hexdigest()}"


@given(st.dictionaries(TEXT, st.binary(max_size=20)))
def test_every_data_hashes_as_its_go_rendering(data):
    """A Secret's data: bytes in decimal, in brackets."""
    parts = [
        key + b":[" + b" ".join(str(byte).encode() for byte in data[key.decode()]) + b"]"
        for key in sorted(key.encode() for key in data)
    ]
    text = b"map[" + b" ".join(parts) + b"]"
    assert data_hash(data, like=SHA3) == hashlib.sha3_224(text).hexdigest()
