"""What becomes of the target Secret: policies, immutability, templates, other owners."""

import pytest

from sandbox.eso_model import data_hash
from tests.conformance.lab import Lab, proven, ready

HASH = "reconcile.external-secrets.io/data-hash"
CREATED_BY = "reconcile.external-secrets.io/created-by"
MANAGED = "reconcile.external-secrets.io/managed"


def existing(lab: Lab, name: str = "x", **more: object) -> None:
    """A Secret that was there before the ExternalSecret."""
    body = {"metadata": {"name": name}, "stringData": {"own": "kept"}, **more}
    assert lab.cluster.request("POST", lab.secrets, body)[0] == 201


def outcome(lab: Lab, name: str = "x") -> tuple[str, str, str]:
    condition = ready(lab.get(name))
    return condition["status"], condition["reason"], condition["message"]


class TestCreationPolicy:
    def test_owner_replaces_what_was_in_the_secret(self, lab: Lab) -> None:
        existing(lab)
        lab.synced("x", parameter=lab.parameter())
        assert lab.secret("x") == {"key": "value"}
        assert lab.read(f"{lab.secrets}/x")["metadata"]["ownerReferences"][0]["name"] == "x"

    def test_owner_fills_a_target_of_another_name(self, lab: Lab) -> None:
        found = lab.synced("x", parameter=lab.parameter(), target={"name": "y"})
        assert found["status"]["binding"] == {"name": "y"}
        assert lab.secret("y") == {"key": "value"}

    def test_owner_removes_the_secret_of_its_former_target(self, lab: Lab) -> None:
        lab.synced("x", parameter=lab.parameter(), target={"name": "y"})
        lab.patch("x", {"spec": {"target": {"name": "z"}}})
        lab.wait("x", proven)
        assert lab.secret("z") == {"key": "value"}
        assert lab.refuse("GET", f"{lab.secrets}/y")[0] == 404
        lab.wait_for_event("x", "Normal", "Deleted", "secret deleted because it was orphaned")

    def test_orphan_creates_and_does_not_own(self, lab: Lab) -> None:
        lab.synced("x", parameter=lab.parameter(value="old"), target={"creationPolicy": "Orphan"})
        metadata = lab.read(f"{lab.secrets}/x")["metadata"]
        assert "ownerReferences" not in metadata
        assert metadata["labels"] == {MANAGED: "true"}
        lab.parameter(value="new")
        lab.force_sync("x")
        assert lab.secret("x") == {"key": "new"}

    def test_orphan_does_not_look_after_its_secret(self, lab: Lab) -> None:
        lab.settled("x", parameter=lab.parameter(), target={"creationPolicy": "Orphan"})
        lab.cluster.request("DELETE", f"{lab.secrets}/x")
        lab.quiet()
        assert lab.refuse("GET", f"{lab.secrets}/x")[0] == 404
        lab.force_sync("x")
        assert lab.secret("x") == {"key": "value"}

    def test_none_reads_and_writes_nothing_and_is_synced(self, lab: Lab) -> None:
        """Proof of refresh without a Secret: the status alone is no proof of content."""
        lab.synced("x", parameter=lab.parameter(), target={"creationPolicy": "None"})
        assert outcome(lab) == ("True", "SecretSynced", "secret synced")
        assert lab.get("x")["status"]["binding"] == {"name": ""}
        assert lab.refuse("GET", f"{lab.secrets}/x")[0] == 404

    def test_merge_waits_for_its_target_and_calls_that_ready(self, lab: Lab) -> None:
        lab.synced("x", parameter=lab.parameter(), target={"creationPolicy": "Merge"})
        assert outcome(lab) == ("True", "SecretMissing", "secret will not be created due to CreationPolicy=Merge")
        assert lab.refuse("GET", f"{lab.secrets}/x")[0] == 404

    def test_merge_adds_its_keys_to_those_that_are_there(self, lab: Lab) -> None:
        existing(lab)
        lab.synced("x", parameter=lab.parameter(), target={"creationPolicy": "Merge"})
        assert lab.secret("x") == {"own": "kept", "key": "value"}
        metadata = lab.read(f"{lab.secrets}/x")["metadata"]
        assert "ownerReferences" not in metadata
        assert CREATED_BY not in metadata["labels"]
        assert metadata["annotations"][HASH] == data_hash({"own": b"kept", "key": b"value"})

    def test_merge_takes_back_a_key_that_it_no_longer_has(self, lab: Lab) -> None:
        existing(lab)
        lab.synced("x", parameter=lab.parameter(), target={"creationPolicy": "Merge"})
        data = [{"secretKey": "other", "remoteRef": {"key": lab.parameter()}}]
        lab.patch("x", {"spec": {"data": data}})
        lab.wait("x", proven)
        assert lab.secret("x") == {"own": "kept", "other": "value"}

    def test_a_secret_of_another_external_secret_is_left_alone(self, lab: Lab) -> None:
        lab.synced("x", parameter=lab.parameter())
        lab.create("y", parameter=lab.parameter(), target={"name": "x"})
        text = "unable to mutate secret x: secret is owned by another ExternalSecret: x"
        lab.failed("y", "target is owned by another ExternalSecret", text)

    def test_a_secret_of_another_controller_cannot_be_owned(self, lab: Lab) -> None:
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "u", "controller": True}
        existing(lab, metadata={"name": "x", "ownerReferences": [owner]})
        lab.create("x", parameter=lab.parameter())
        text = (
            "unable to mutate secret x: could not set controller reference on secret: "
            f"Object {lab.namespace}/x is already owned by another Deployment controller d"
        )
        lab.failed("x", "failed to take ownership of target secret", text)


class TestDeletionPolicy:
    def test_retain_keeps_the_secret_when_the_provider_has_nothing(self, lab: Lab) -> None:
        """Ready, refreshed, and the data is old: the condition's message is all there is to tell."""
        lab.synced("x", dataFrom=[{"extract": {"key": lab.parameter(value='{"a": "1"}')}}])
        lab.parameter(value="{}")
        lab.force_sync("x")
        assert outcome(lab) == ("True", "SecretSynced", "secret retained due to DeletionPolicy=Retain")
        assert lab.secret("x") == {"a": "1"}

    def test_delete_removes_the_secret_when_all_parameters_are_gone(self, lab: Lab) -> None:
        lab.synced("x", parameter=lab.parameter(), target={"deletionPolicy": "Delete"})
        lab.aws.delete(lab.parameter())
        lab.force_sync("x")
        assert outcome(lab) == ("True", "SecretDeleted", "secret deleted due to DeletionPolicy=Delete")
        assert lab.refuse("GET", f"{lab.secrets}/x")[0] == 404
        lab.wait_for_event("x", "Normal", "Deleted", "secret deleted due to DeletionPolicy=Delete")
        missing = f"secret does not exist at provider using spec.dataFrom[0] (key=/zerotouch/{lab.namespace}/key)"
        lab.wait_for_event("x", "Normal", "MissingProviderSecret", missing)

    @pytest.mark.parametrize("policy", ["Delete", "Merge"])
    def test_some_that_are_gone_are_dropped_in_silence(self, lab: Lab, policy: str) -> None:
        """Ready=True with partial data."""
        names = {key: lab.parameter(key, key) for key in ("a", "b")}
        data = [{"secretKey": key, "remoteRef": {"key": name}} for key, name in names.items()]
        lab.synced("x", data=data, target={"deletionPolicy": policy})
        lab.aws.delete(names["b"])
        lab.force_sync("x")
        assert outcome(lab) == ("True", "SecretSynced", "secret synced")
        assert lab.secret("x") == {"a": "a"}

    def test_merge_keeps_the_secret_without_its_keys_when_all_are_gone(self, lab: Lab) -> None:
        lab.synced("x", parameter=lab.parameter(), target={"deletionPolicy": "Merge"})
        lab.aws.delete(lab.parameter())
        lab.force_sync("x")
        assert outcome(lab) == ("True", "SecretSynced", "secret synced")
        assert lab.secret("x") == {}

    def test_delete_needs_an_owner(self, lab: Lab) -> None:
        target = {"deletionPolicy": "Delete", "creationPolicy": "Orphan"}
        lab.create("x", target=target)
        text = "unable to delete secret x: creationPolicy=Orphan is not Owner"
        lab.failed("x", "could not delete secret", text)

    def test_delete_takes_the_secret_along_with_the_external_secret(self, lab: Lab) -> None:
        lab.synced("x", parameter=lab.parameter(), target={"deletionPolicy": "Delete"})
        lab.cluster.request("DELETE", f"{lab.path}/x")
        lab.wait_until_gone(f"{lab.path}/x")
        lab.wait_until_gone(f"{lab.secrets}/x")


class TestImmutable:
    def test_a_new_value_stays_out_and_counts_as_synced(self, lab: Lab) -> None:
        lab.settled("x", parameter=lab.parameter(value="old"), target={"immutable": True})
        assert lab.read(f"{lab.secrets}/x")["immutable"] is True
        lab.parameter(value="new")
        found = lab.force_sync("x")
        assert outcome(lab) == ("True", "SecretSynced", "secret synced")
        assert lab.secret("x") == {"key": "old"}
        annotations = lab.read(f"{lab.secrets}/x")["metadata"]["annotations"]
        assert annotations[HASH] == data_hash({"key": b"old"})
        assert annotations.get("force-sync") != found["metadata"]["annotations"]["force-sync"]

    def test_a_secret_that_somebody_made_immutable_is_an_error(self, lab: Lab) -> None:
        lab.settled("x", parameter=lab.parameter(value="old"))
        lab.cluster.request("PATCH", f"{lab.secrets}/x", {"immutable": True})
        lab.quiet()
        lab.parameter(value="new")
        lab.annotate("x")
        lab.failed(
            "x", "could not update secret, target is immutable", "unable to update secret x: secret is immutable"
        )
        assert lab.secret("x") == {"key": "old"}


class TestTemplate:
    def test_data_type_and_metadata_come_from_it(self, lab: Lab) -> None:
        template = {
            "type": "kubernetes.io/basic-auth",
            "metadata": {"labels": {"l": "m"}, "annotations": {"a": "{{ .key | upper }}"}},
            "data": {"username": "u", "password": "{{ .key }}", "coded": "{{ .key | b64enc }}"},
        }
        metadata = {"annotations": {"not": "copied"}}
        lab.synced("x", parameter=lab.parameter(value="pass"), target={"template": template}, metadata=metadata)
        secret = lab.read(f"{lab.secrets}/x")
        assert secret["type"] == "kubernetes.io/basic-auth"
        assert lab.secret("x") == {"username": "u", "password": "pass", "coded": "cGFzcw=="}
        assert secret["metadata"]["labels"]["l"] == "m"
        assert secret["metadata"]["annotations"] == {
            "a": "PASS",
            HASH: data_hash({"username": b"u", "password": b"pass", "coded": b"cGFzcw=="}),
        }

    def test_a_token_does_not_reach_the_secret_past_a_template(self, lab: Lab) -> None:
        lab.synced("x", parameter=lab.parameter(), target={"template": {"data": {"a": "{{ .key }}"}}})
        lab.force_sync("x")
        assert set(lab.read(f"{lab.secrets}/x")["metadata"]["annotations"]) == {HASH}

    def test_without_data_it_lets_all_keys_through(self, lab: Lab) -> None:
        lab.synced("x", parameter=lab.parameter(), target={"template": {"metadata": {"labels": {"l": "m"}}}})
        assert lab.secret("x") == {"key": "value"}

    def test_it_can_add_to_the_keys(self, lab: Lab) -> None:
        template = {"mergePolicy": "Merge", "data": {"more": "{{ .key }}!"}}
        lab.synced("x", parameter=lab.parameter(), target={"template": template})
        assert lab.secret("x") == {"key": "value", "more": "value!"}
