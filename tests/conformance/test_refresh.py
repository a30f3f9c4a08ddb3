"""When the operator reads SSM again, and what shows that it did: the ground of the proof of refresh."""

import calendar
import time
from typing import Any

import pytest

from sandbox.eso_model import data_hash, owner_hash, synced_version
from tests.conformance.lab import METADATA_ONLY, Lab, proven, ready

HASH = "reconcile.external-secrets.io/data-hash"
CREATED_BY = "reconcile.external-secrets.io/created-by"
MANAGED = "reconcile.external-secrets.io/managed"


def stored_hash(lab: Lab, secret: str) -> str:
    found: str = lab.read(f"{lab.secrets}/{secret}", METADATA_ONLY)["metadata"]["annotations"][HASH]
    return found


def test_a_first_sync_fills_the_status(lab: Lab) -> None:
    before = int(time.time())
    found = lab.synced("x", parameter=lab.parameter())
    status = found["status"]
    assert status["binding"] == {"name": "x"}
    condition = dict(ready(found))
    assert calendar.timegm(time.strptime(condition.pop("lastTransitionTime"), "%Y-%m-%dT%H:%M:%SZ")) >= before
    expected = {"type": "Ready", "status": "True", "reason": "SecretSynced", "message": "secret synced"}
    assert condition == expected
    assert calendar.timegm(time.strptime(status["refreshTime"], "%Y-%m-%dT%H:%M:%SZ")) >= before
    lab.wait_for_event("x", "Normal", "Created", "secret created")


@pytest.mark.parametrize(
    ("annotations", "labels"),
    [
        ({}, {}),
        ({"a": "b"}, {"zerotouch.io/managed": "true"}),
        ({"b": "2", "a/b": "1", "B": "x y:z ü", "last-applied": '{"a": "b"}\n'}, {"z": "", "a": "1"}),
    ],
    ids=["none", "plain", "odd"],
)
def test_the_synced_version_is_generation_and_hash_of_annotations_and_labels(
    lab: Lab, annotations: dict[str, str], labels: dict[str, str]
) -> None:
    metadata = {"annotations": annotations, "labels": labels}
    found = lab.synced("x", parameter=lab.parameter(), metadata=metadata)
    generation = found["metadata"]["generation"]
    expected = synced_version({"generation": generation, "annotations": annotations, "labels": labels})
    assert found["status"]["syncedResourceVersion"] == expected


def test_the_hash_of_no_metadata_is_the_known_one() -> None:
    """Seen on clusters of others: the formula is not only in agreement with itself."""
    hashed = "f47fe3c0b255b6dd8047cdffa772587bb829efe7a1cb70febeda2eb2"
    assert synced_version({"generation": 1}) == f"1-{hashed}"


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_new_token_is_proven_and_brings_the_new_value(lab: Lab, version: str) -> None:
    lab.path = lab.path.replace("/v1/", f"/{version}/")
    lab.create_as(version, "x", parameter=lab.parameter(value="old"))
    lab.wait("x", proven)
    lab.parameter(value="new")
    found = lab.force_sync("x")
    assert ready(found)["status"] == "True"
    assert lab.secret("x") == {"key": "new"}
    lab.wait_for_event("x", "Normal", "Updated", "secret updated")


def test_without_an_annotation_a_new_value_stays_out(lab: Lab) -> None:
    """`Ready` is True all the while: a wait for Ready proves nothing."""
    found = lab.settled("x", parameter=lab.parameter(value="old"))
    lab.parameter(value="new")
    lab.quiet()
    assert lab.secret("x") == {"key": "old"}
    assert lab.get("x") == found


def test_the_condition_does_not_move_when_the_sync_is_another_success(lab: Lab) -> None:
    found = lab.settled("x", parameter=lab.parameter())
    assert ready(lab.force_sync("x")) == ready(found)


def test_labels_count_as_annotations_do(lab: Lab) -> None:
    lab.synced("x", parameter=lab.parameter(value="old"))
    lab.parameter(value="new")
    lab.patch("x", {"metadata": {"labels": {"a": "b"}}})
    lab.wait("x", proven)
    assert lab.secret("x") == {"key": "new"}


def test_the_token_reaches_the_secret(lab: Lab) -> None:
    """A second proof, written with the data: but only where there is no template."""
    lab.synced("x", parameter=lab.parameter(), metadata={"labels": {"l": "m"}})
    found = lab.force_sync("x")
    metadata = lab.read(f"{lab.secrets}/x")["metadata"]
    assert metadata["annotations"]["force-sync"] == found["metadata"]["annotations"]["force-sync"]
    assert metadata["labels"]["l"] == "m"


def test_an_annotation_that_goes_goes_from_the_secret_too(lab: Lab) -> None:
    lab.synced("x", parameter=lab.parameter())
    lab.force_sync("x")
    lab.patch("x", {"metadata": {"annotations": {"force-sync": None}}})
    lab.wait("x", proven)
    assert set(lab.read(f"{lab.secrets}/x")["metadata"]["annotations"]) == {HASH}


def test_the_secret_says_whose_it_is(lab: Lab) -> None:
    found = lab.synced("x", parameter=lab.parameter())
    secret = lab.read(f"{lab.secrets}/x")
    assert secret["type"] == "Opaque"
    assert secret["metadata"]["labels"] == {MANAGED: "true", CREATED_BY: owner_hash(lab.namespace, "x")}
    assert secret["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "name": "x",
            "uid": found["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    managers = [entry["manager"] for entry in secret["metadata"]["managedFields"]]
    assert managers == ["externalsecrets.external-secrets.io/x"]


def test_a_long_name_has_a_hashed_field_manager(lab: Lab) -> None:
    name = "x" * 60
    lab.synced(name, parameter=lab.parameter())
    managers = [e["manager"] for e in lab.read(f"{lab.secrets}/{name}")["metadata"]["managedFields"]]
    assert len(managers) == 1
    assert managers[0].startswith("externalsecrets.external-secrets.io/sha3/")


@pytest.mark.parametrize("value", ["value", "", "two\nlines\n", "-dash=", "\U0001f511 ü"])
def test_the_data_hash_is_that_of_the_bytes(lab: Lab, value: str) -> None:
    """The content proof: computed from the values alone, compared without reading data."""
    data = [
        {"secretKey": key, "remoteRef": {"key": lab.parameter(key, text)}}
        for key, text in (("b_key", value or "{}"), ("A.key", "other"))
    ]
    if not value:
        data[0]["remoteRef"] = {"key": lab.parameter("b_key", '{"empty": ""}'), "property": "empty"}
    lab.synced("x", data=data)
    assert stored_hash(lab, "x") == data_hash({"A.key": b"other", "b_key": value.encode()})


class TestNever:
    """What no annotation refreshes, although Ready stays True."""

    NEVER = (
        {"refreshInterval": "0"},
        {"refreshInterval": "0s", "refreshPolicy": "Periodic"},
        {"refreshPolicy": "CreatedOnce"},
    )

    @pytest.mark.parametrize("spec", NEVER, ids=["zero", "periodic-zero", "created-once"])
    def test_it_syncs_the_first_time_and_then_no_more(self, lab: Lab, spec: dict[str, Any]) -> None:
        found = lab.settled("x", parameter=lab.parameter(value="old"), **spec)
        lab.parameter(value="new")
        annotated = lab.annotate("x")
        lab.quiet()
        assert lab.secret("x") == {"key": "old"}
        assert lab.get("x")["status"] == found["status"]
        assert lab.get("x")["metadata"]["resourceVersion"] == annotated["metadata"]["resourceVersion"]

    @pytest.mark.parametrize("spec", NEVER, ids=["zero", "periodic-zero", "created-once"])
    def test_before_its_first_success_it_is_tried_again(self, lab: Lab, spec: dict[str, Any]) -> None:
        lab.created("x", **spec)
        lab.parameter(value="late")
        lab.annotate("x")  # which may come after the sync that the operator tries of its own accord
        lab.wait("x", lambda found: ready(found)["status"] == "True")
        assert lab.secret("x") == {"key": "late"}

    @pytest.mark.parametrize("spec", NEVER, ids=["zero", "periodic-zero", "created-once"])
    def test_a_secret_without_its_hash_is_read_again(self, lab: Lab, spec: dict[str, Any]) -> None:
        """The way out that needs no gap: the hash goes, the data stays until the new is there."""
        lab.synced("x", parameter=lab.parameter(value="old"), **spec)
        lab.parameter(value="new")
        patch = {"metadata": {"annotations": {HASH: None}}}
        assert lab.cluster.request("PATCH", f"{lab.secrets}/x", patch)[0] == 200
        lab.wait_for(f"{lab.secrets}/x", lambda found: HASH in found["metadata"].get("annotations", {}))
        assert lab.secret("x") == {"key": "new"}

    def test_a_changed_spec_does_not_help_where_the_interval_is_zero(self, lab: Lab) -> None:
        lab.settled("x", parameter=lab.parameter(value="old"), refreshInterval="0")
        other = lab.parameter("other", "new")
        lab.patch("x", {"spec": {"data": [{"secretKey": "key", "remoteRef": {"key": other}}]}})
        lab.quiet()
        assert lab.secret("x") == {"key": "old"}


def test_on_change_ignores_the_interval_and_heeds_annotations(lab: Lab) -> None:
    lab.synced("x", parameter=lab.parameter(value="old"), refreshPolicy="OnChange", refreshInterval="0")
    lab.parameter(value="new")
    lab.force_sync("x")
    assert lab.secret("x") == {"key": "new"}


def test_an_interval_that_passes_refreshes(lab: Lab) -> None:
    lab.synced("x", parameter=lab.parameter(value="old"), refreshInterval="1s")
    lab.parameter(value="new")
    lab.wait_for(f"{lab.secrets}/x", lambda _: lab.secret("x") == {"key": "new"})


def test_a_deleted_secret_comes_back(lab: Lab) -> None:
    lab.synced("x", parameter=lab.parameter())
    uid = lab.read(f"{lab.secrets}/x")["metadata"]["uid"]
    lab.cluster.request("DELETE", f"{lab.secrets}/x")
    lab.wait_for(f"{lab.secrets}/x", lambda found: found["metadata"]["uid"] != uid)
    assert lab.secret("x") == {"key": "value"}


def test_data_that_somebody_changed_is_put_right(lab: Lab) -> None:
    lab.synced("x", parameter=lab.parameter())
    lab.cluster.request("PATCH", f"{lab.secrets}/x", {"data": {"key": "d3Jvbmc="}})
    lab.wait_for(f"{lab.secrets}/x", lambda _: lab.secret("x") == {"key": "value"})


def test_a_recreated_external_secret_is_another_one(lab: Lab) -> None:
    """Its Secret is taken over by the new one when it syncs, for the names are the same."""
    old = lab.synced("x", parameter=lab.parameter(value="old"))
    lab.cluster.request("DELETE", f"{lab.path}/x")
    lab.wait_until_gone(f"{lab.path}/x")
    lab.parameter(value="new")
    new = lab.synced("x", parameter=lab.parameter(value="new"))
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert lab.secret("x") == {"key": "new"}
    owners = lab.read(f"{lab.secrets}/x")["metadata"]["ownerReferences"]
    assert [owner["uid"] for owner in owners] == [new["metadata"]["uid"]]


def test_a_changed_spec_is_synced_by_itself(lab: Lab) -> None:
    lab.synced("x", parameter=lab.parameter())
    other = lab.parameter("other", "elsewhere")
    lab.patch("x", {"spec": {"data": [{"secretKey": "renamed", "remoteRef": {"key": other}}]}})
    lab.wait("x", proven)
    assert lab.secret("x") == {"renamed": "elsewhere"}


def test_a_pinned_version_stays(lab: Lab) -> None:
    name = lab.parameter(value="old")
    lab.synced("x", data=[{"secretKey": "key", "remoteRef": {"key": name, "version": "1"}}])
    lab.parameter(value="new")
    lab.force_sync("x")
    assert lab.secret("x") == {"key": "old"}


def test_the_operators_log_tells_of_the_first_success(lab: Lab) -> None:
    lab.synced("x", parameter=lab.parameter())
    assert any('"reconciled secret"' in line and f'"{lab.namespace}"' in line for line in log(lab))


def log(lab: Lab) -> list[str]:
    return lab.cluster.eso_log().splitlines()
