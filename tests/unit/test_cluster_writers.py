"""Whether others have written a Secret's data since ESO did, by what the API server notes of each writer."""

import hashlib

import pytest

from secret_action.cluster.writers import Write, data_keys, unseen_write

ESO = "externalsecrets.external-secrets.io/a"
LONG = "a" * 40
DATA, METADATA = {"f:data": {".": {}, "f:K0": {}}}, {"f:metadata": {"f:annotations": {"f:force-sync": {}}}}


def _at(second):
    return f"2026-01-01T00:00:{second:02d}Z"


def _secret(*writes):
    """Metadata of a Secret; each write is a manager, the second, and the fields."""
    written = [
        {"manager": manager, "operation": "Update", "fieldsV1": fields} | ({"time": _at(second)} if second else {})
        for manager, second, fields in writes
    ]
    return {"metadata": {"managedFields": written}}


def _annotated(second):
    return _secret(("secret-sync", second, METADATA))


@pytest.mark.parametrize(
    ("secret", "annotated"),
    [
        ({"metadata": {}}, {}),
        (_secret((ESO, 10, DATA)), {}),
        (_secret(("external-secrets", 10, DATA)), {}),
        (_secret((ESO, 10, {}), ("kubectl", 20, {"f:metadata": {"f:labels": {"f:x": {}}}})), {}),
        (_secret((ESO, 10, DATA), ("kubectl", 20, {"f:data": {".": {}}})), {}),
        (_secret((ESO, 11, METADATA), ("kubectl", 10, DATA)), {}),
        (_secret(("velero", 10, DATA)), _annotated(12)),
    ],
)
def test_what_eso_wrote_or_read_last_is_not_in_doubt(secret, annotated):
    """Its own write is of all the data, and its sync finds right what it does not write."""
    assert unseen_write(secret, "a", annotated) is None


@pytest.mark.parametrize(
    ("secret", "annotated"),
    [
        (_secret((ESO, 10, DATA), ("kubectl", 10, DATA)), {}),
        (_secret((ESO, 10, DATA), ("kubectl", 11, {"f:data": {"f:K0": {}}})), {}),
        (_secret((ESO, 10, DATA), ("kubectl", 11, {"f:stringData": {"f:K0": {}}})), _annotated(12)),
        (_secret((ESO, 10, DATA), ("kubectl", 13, DATA)), _annotated(12)),
        (_secret((ESO, 10, DATA), ("kubectl", None, DATA)), _annotated(12)),
        (_secret((ESO, 10, DATA), ("kubectl", 13, DATA)), {"metadata": {}}),
        (_secret(("externalsecrets.external-secrets.io/b", 11, DATA), (ESO, 10, DATA)), {}),
        (_secret(("velero", 10, DATA)), {}),
    ],
)
def test_what_others_wrote_later_is_in_doubt(secret, annotated):
    """In the same second too, and just before ESO read; another ExternalSecret is another writer."""
    assert unseen_write(secret, "a", annotated) is not None


def test_the_last_write_of_all_is_told():
    """With the name that the writer gives itself."""
    found = unseen_write(_secret(("velero", 10, DATA), ("kubectl", 11, DATA)), "a", {})
    assert isinstance(found, Write)
    assert found.manager == "kubectl"


def test_a_long_name_is_hashed_by_eso():
    """As what it calls itself may have 63 characters."""
    manager = "externalsecrets.external-secrets.io/sha3/ccee97cf"
    assert unseen_write(_secret((manager, 10, DATA)), LONG, {}) is not None
    manager = f"externalsecrets.external-secrets.io/sha3/{hashlib.sha3_224(LONG.encode()).hexdigest()}"
    assert unseen_write(_secret((manager, 10, DATA)), LONG, {}) is None


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ([{"f:data": {".": {}, "f:a": {}, "f:b": {}}}], {"a", "b"}),
        ([{"f:data": {".": {}, "f:a": {}}}, {"f:data": {"f:b": {}}}], {"a", "b"}),
        ([{"f:data": {".": {}, "f:a": {}}}, {"f:stringData": {"f:b": {}}}], {"a", "b"}),
        ([{"f:data": {}}, {"f:data": {"f:b": {}}}], {"b"}),
        ([{"f:data": {}}], set()),
        ([{"f:data": {"f:a": {}}}], None),
        ([{"f:metadata": {"f:labels": {".": {}}}}], None),
        ([], None),
    ],
)
def test_the_keys_are_those_of_all_writers(fields, keys):
    """Told only where it is noted who made the map: traces that begin later do not tell what was there before."""
    assert data_keys(_secret(*((f"writer-{at}", 10, one) for at, one in enumerate(fields)))) == keys
