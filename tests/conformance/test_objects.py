"""What a client leans on when it reads and writes objects."""

import base64
import re
from typing import Any

import pytest

from tests.conformance.lab import ESO, JSON_PATCH, METADATA_ONLY, Lab

BETA = "external-secrets.io/v1beta1"


@pytest.fixture
def obj(lab: Lab) -> dict[str, Any]:
    """An ExternalSecret that the operator leaves alone, since its store is another's."""
    store = {"provider": {"aws": {"service": "ParameterStore", "region": "us-east-1"}}, "controller": "other"}
    lab.cluster.apply(
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "SecretStore",
            "metadata": {"name": "other", "namespace": lab.namespace},
            "spec": store,
        }
    )
    reference = {"name": "other", "kind": "SecretStore"}
    lab.create("x", metadata={"labels": {"team": "a"}}, secretStoreRef=reference)
    return lab.wait("x", lambda found: bool(found["metadata"].get("finalizers")))


def test_a_new_object_has_what_the_api_server_gives_it(lab: Lab) -> None:
    """uid, time, generation 1, and the defaults of the CRD."""
    created = lab.create("x", refreshInterval="2h0m0s", dataFrom=[{"extract": {"key": "/a"}}])
    metadata = created["metadata"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert metadata["generation"] == 1
    assert created["spec"]["target"] == {"creationPolicy": "Owner", "deletionPolicy": "Retain"}
    assert created["spec"]["dataFrom"][0]["extract"] == {
        "key": "/a",
        "conversionStrategy": "Default",
        "decodingStrategy": "None",
        "metadataPolicy": "None",
    }
    assert "status" not in created


def test_the_default_refresh_interval_is_written_out_by_the_operators_first_write(lab: Lab) -> None:
    """The CRD's default is `1h`; the finalizer's write makes it `1h0m0s`, a new generation of the spec."""
    spec = lab.manifest("x", parameter=lab.parameter())
    del spec["spec"]["refreshInterval"]
    status, created = lab.cluster.request("POST", lab.path, spec)
    assert (status, created["spec"]["refreshInterval"]) == (201, "1h")
    found = lab.wait("x", lambda found: bool(found["metadata"].get("finalizers")))
    assert found["spec"]["refreshInterval"] == "1h0m0s"
    assert found["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("given", "stored"), [("1h", "1h0m0s"), ("90m", "1h30m0s"), ("0", "0s"), ("45s", "45s"), ("1h0m0s", "1h0m0s")]
)
def test_durations_are_stored_as_go_writes_them(lab: Lab, given: str, stored: str) -> None:
    """So a manifest's `1h` must not be taken for another spec than the cluster's `1h0m0s`."""
    lab.create("x", parameter=lab.parameter(), refreshInterval=given)
    found = lab.wait("x", lambda found: bool(found["metadata"].get("finalizers")))
    assert found["spec"]["refreshInterval"] == stored
    assert found["metadata"]["generation"] == (1 if given == stored else 2)


def test_a_template_and_flags_that_say_nothing_are_normalised(lab: Lab) -> None:
    target = {"immutable": False, "template": {"data": {"a": "b"}}}
    lab.create("x", parameter=lab.parameter(), target=target)
    found = lab.wait("x", lambda found: bool(found["metadata"].get("finalizers")))
    assert found["spec"]["target"] == {
        "creationPolicy": "Owner",
        "deletionPolicy": "Retain",
        "template": {"data": {"a": "b"}, "engineVersion": "v2", "mergePolicy": "Replace", "metadata": {}},
    }


def test_annotations_change_the_version_and_not_the_generation(lab: Lab, obj: dict[str, Any]) -> None:
    patched = lab.patch("x", {"metadata": {"annotations": {"a": "b"}}})
    assert int(patched["metadata"]["resourceVersion"]) > int(obj["metadata"]["resourceVersion"])
    assert patched["metadata"]["generation"] == obj["metadata"]["generation"]


def test_a_change_of_the_spec_is_a_new_generation(lab: Lab, obj: dict[str, Any]) -> None:
    patched = lab.patch("x", {"spec": {"refreshInterval": "3h"}})
    assert patched["metadata"]["generation"] == obj["metadata"]["generation"] + 1


def test_a_patch_that_changes_nothing_writes_nothing(lab: Lab, obj: dict[str, Any]) -> None:
    assert lab.patch("x", {"metadata": {"labels": {"team": "a"}}}) == obj


def test_null_in_a_merge_patch_removes(lab: Lab, obj: dict[str, Any]) -> None:
    assert "labels" not in lab.patch("x", {"metadata": {"labels": {"team": None}}})["metadata"]


def test_a_patch_keeps_what_it_does_not_name(lab: Lab, obj: dict[str, Any]) -> None:
    patched = lab.patch("x", {"metadata": {"labels": {"b": "c"}}})
    assert patched["metadata"]["labels"] == {"team": "a", "b": "c"}
    assert patched["spec"] == obj["spec"]


def test_a_patch_of_the_object_does_not_touch_the_status(lab: Lab, obj: dict[str, Any]) -> None:
    assert lab.patch("x", {"status": {"syncedResourceVersion": "1-x"}}) == obj


def test_a_patch_of_the_status_touches_nothing_else(lab: Lab, obj: dict[str, Any]) -> None:
    patch = {"status": {"syncedResourceVersion": "1-x"}, "spec": {"refreshInterval": "9h"}}
    status, patched = lab.cluster.request("PATCH", f"{lab.path}/x/status", patch)
    assert (status, patched["status"]["syncedResourceVersion"]) == (200, "1-x")
    assert patched["spec"] == obj["spec"]
    assert patched["metadata"]["generation"] == obj["metadata"]["generation"]


def test_the_field_manager_of_a_patch_is_recorded(lab: Lab, obj: dict[str, Any]) -> None:
    patch = {"metadata": {"annotations": {"force-sync": "t"}}}
    status, _ = lab.cluster.request("PATCH", f"{lab.path}/x?fieldManager=secret-sync", patch)
    assert status == 200
    entries = [e for e in lab.get("x")["metadata"]["managedFields"] if e["manager"] == "secret-sync"]
    assert [entry["operation"] for entry in entries] == ["Update"]
    assert "f:force-sync" in entries[0]["fieldsV1"]["f:metadata"]["f:annotations"]


def test_a_json_patch_is_applied_in_order(lab: Lab, obj: dict[str, Any]) -> None:
    patch = [
        {"op": "test", "path": "/metadata/labels/team", "value": "a"},
        {"op": "add", "path": "/metadata/labels/b", "value": "c"},
        {"op": "remove", "path": "/metadata/labels/team"},
    ]
    assert lab.patch("x", patch, content_type=JSON_PATCH)["metadata"]["labels"] == {"b": "c"}


def test_a_json_patch_whose_test_fails_changes_nothing(lab: Lab, obj: dict[str, Any]) -> None:
    patch = [{"op": "test", "path": "/metadata/labels/team", "value": "z"}]
    refusal = lab.refuse("PATCH", f"{lab.path}/x", patch, content_type=JSON_PATCH)
    assert refusal == (422, "Invalid", "the server rejected our request due to an error in our request")


def test_a_patch_with_an_old_version_is_a_conflict(lab: Lab, obj: dict[str, Any]) -> None:
    patch = {"metadata": {"resourceVersion": "1", "annotations": {"a": "b"}}}
    assert lab.refuse("PATCH", f"{lab.path}/x", patch) == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on externalsecrets.external-secrets.io "x": the object has been modified; '
        "please apply your changes to the latest version and try again",
    )


def test_a_put_replaces_the_version_that_it_names_and_no_other(lab: Lab, obj: dict[str, Any]) -> None:
    new = obj | {"metadata": obj["metadata"] | {"labels": {"b": "c"}}}
    status, put = lab.cluster.request("PUT", f"{lab.path}/x", new)
    assert (status, put["metadata"]["labels"]) == (200, {"b": "c"})
    assert lab.refuse("PUT", f"{lab.path}/x", new)[:2] == (409, "Conflict")
    del new["metadata"]["resourceVersion"]
    code, reason, message = lab.refuse("PUT", f"{lab.path}/x", new)
    assert (code, reason) == (422, "Invalid")
    assert message.endswith("metadata.resourceVersion: Invalid value: 0: must be specified for an update")


def test_a_strategic_merge_patch_is_for_built_in_kinds(lab: Lab, obj: dict[str, Any]) -> None:
    strategic = "application/strategic-merge-patch+json"
    code, reason, message = lab.refuse("PATCH", f"{lab.path}/x", {}, content_type=strategic)
    assert (code, reason) == (415, "UnsupportedMediaType")
    assert "application/merge-patch+json" in message
    lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": "c"}, "data": {"a": "b"}})
    patch = {"data": {"c": "d"}}
    status, patched = lab.cluster.request("PATCH", f"{lab.config_maps}/c", patch, content_type=strategic)
    assert (status, patched["data"]) == (200, {"a": "b", "c": "d"})


def test_what_is_there_cannot_be_created_again(lab: Lab, obj: dict[str, Any]) -> None:
    refusal = lab.refuse("POST", lab.path, lab.manifest("x"))
    assert refusal == (409, "AlreadyExists", 'externalsecrets.external-secrets.io "x" already exists')


def test_nothing_is_created_in_a_namespace_that_is_not_there(lab: Lab) -> None:
    manifest = lab.manifest("x") | {"metadata": {"name": "x"}}
    refusal = lab.refuse("POST", f"{ESO}/namespaces/nowhere/externalsecrets", manifest)
    assert refusal == (404, "NotFound", 'namespaces "nowhere" not found')


def test_a_name_must_be_one(lab: Lab) -> None:
    code, reason, message = lab.refuse("POST", lab.path, lab.manifest("Not_A_Name"))
    assert (code, reason) == (422, "Invalid")
    assert 'ExternalSecret.external-secrets.io "Not_A_Name" is invalid: metadata.name' in message


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("apis/external-secrets.io/v1/namespaces/{}/externalsecrets", "externalsecrets.external-secrets.io"),
        ("apis/external-secrets.io/v1/namespaces/{}/secretstores", "secretstores.external-secrets.io"),
        ("api/v1/namespaces/{}/secrets", "secrets"),
        ("apis/apps/v1/namespaces/{}/deployments", "deployments.apps"),
    ],
)
def test_what_is_not_there_is_named(lab: Lab, path: str, text: str) -> None:
    refusal = lab.refuse("GET", f"/{path.format(lab.namespace)}/x")
    assert refusal == (404, "NotFound", f'{text} "x" not found')


@pytest.mark.parametrize(
    "path",
    ["/apis/external-secrets.io/v1alpha1/externalsecrets", "/apis/nobody.io/v1/things", "/apis/nobody.io", "/nothing"],
)
def test_what_is_not_served_is_a_page_that_is_not_found(lab: Lab, path: str) -> None:
    assert lab.cluster.request("GET", path) == (404, "404 page not found\n")


def test_both_versions_show_one_object(lab: Lab, obj: dict[str, Any]) -> None:
    path = lab.path.replace("/v1/", "/v1beta1/")
    found = lab.read(f"{path}/x")
    assert (found["apiVersion"], found["spec"]) == (BETA, obj["spec"])
    listed = lab.read(path)
    assert (listed["apiVersion"], listed["kind"]) == (BETA, "ExternalSecretList")
    assert [item["apiVersion"] for item in listed["items"]] == [BETA]
    status, patched = lab.cluster.request("PATCH", f"{path}/x", {"metadata": {"labels": {"b": "c"}}})
    assert (status, patched["apiVersion"]) == (200, BETA)
    assert lab.get("x")["metadata"]["generation"] == obj["metadata"]["generation"]


def test_discovery_names_the_operators_versions_and_kinds(lab: Lab) -> None:
    group = lab.read("/apis/external-secrets.io")
    assert (group["kind"], group["name"]) == ("APIGroup", "external-secrets.io")
    assert [version["version"] for version in group["versions"]] == ["v1", "v1beta1"]
    assert group["preferredVersion"] == {"groupVersion": "external-secrets.io/v1", "version": "v1"}
    assert "external-secrets.io" in [found["name"] for found in lab.read("/apis")["groups"]]
    kinds = {found["name"]: found["kind"] for found in lab.read(ESO)["resources"]}
    assert kinds["externalsecrets"] == kinds["externalsecrets/status"] == "ExternalSecret"
    assert kinds["clustersecretstores"] == "ClusterSecretStore"
    assert lab.read("/api")["versions"] == ["v1"]


def test_the_server_says_what_it_is(lab: Lab) -> None:
    assert lab.cluster.request("GET", "/readyz") == (200, "ok")
    assert lab.read("/version")["gitVersion"] == "v1.34.4"


def test_metadata_alone_holds_no_data(lab: Lab) -> None:
    """What the content proof reads: annotations, and not a byte of the values."""
    data = {"key": base64.b64encode(b"value").decode()}
    body = {"metadata": {"name": "s", "annotations": {"a": "b"}}, "data": data}
    lab.cluster.request("POST", lab.secrets, body)
    found = lab.read(f"{lab.secrets}/s", accept=METADATA_ONLY)
    assert set(found) == {"kind", "apiVersion", "metadata"}
    assert (found["kind"], found["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert data["key"] not in str(found)


def test_a_list_of_metadata_is_asked_for_as_a_list(lab: Lab) -> None:
    lab.cluster.request("POST", lab.secrets, {"metadata": {"name": "s"}})
    found = lab.read(lab.secrets, accept=METADATA_ONLY.replace("Metadata;", "MetadataList;"))
    assert found["kind"] == "PartialObjectMetadataList"
    assert [(item["kind"], item["metadata"]["name"]) for item in found["items"]] == [("PartialObjectMetadata", "s")]
    assert "data" not in found["items"][0]
    assert lab.refuse("GET", lab.secrets, accept=METADATA_ONLY) == (
        406,
        "NotAcceptable",
        "you requested PartialObjectMetadata, but the requested object is a list (*core.SecretList)",
    )


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("n=1", ["c1"]),
        ("n==1,odd", ["c1"]),
        ("n!=1", ["c0", "c2", "c3"]),
        ("odd", ["c1", "c3"]),
        ("!odd", ["c0", "c2"]),
        ("n in (0,3)", ["c0", "c3"]),
        ("n notin (0,3)", ["c1", "c2"]),
    ],
)
def test_label_selectors(lab: Lab, selector: str, names: list[str]) -> None:
    for number in range(4):
        labels = {"n": str(number), **({"odd": "yes"} if number % 2 else {})}
        lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": f"c{number}", "labels": labels}})
    path = f"{lab.config_maps}?labelSelector={selector.replace(' ', '%20').replace('=', '%3D')}"
    assert [item["metadata"]["name"] for item in lab.read(path)["items"]] == names


def test_a_selector_that_cannot_be_read_is_refused(lab: Lab) -> None:
    code, reason, message = lab.refuse("GET", f"{lab.path}?labelSelector=a%20b")
    assert (code, reason) == (400, "BadRequest")
    assert message.startswith("unable to parse requirement: found 'b', expected: ")
    refusal = lab.refuse("GET", f"{lab.path}?fieldSelector=spec.nothing%3Da")
    assert refusal == (400, "BadRequest", "field label not supported: spec.nothing")


def test_one_object_can_be_listed_by_its_name(lab: Lab) -> None:
    for name in ("a", "b"):
        lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": name}})
    found = lab.read(f"{lab.config_maps}?fieldSelector=metadata.name%3Db")
    assert [item["metadata"]["name"] for item in found["items"]] == ["b"]
    assert "kind" not in found["items"][0]


def test_a_list_comes_in_parts_when_asked(lab: Lab) -> None:
    for number in range(3):
        lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": f"c{number}"}})
    first = lab.read(f"{lab.config_maps}?limit=2")
    rest = lab.read(f"{lab.config_maps}?limit=2&continue={first['metadata']['continue']}")
    assert [len(part["items"]) for part in (first, rest)] == [2, 1]
    assert first["metadata"]["remainingItemCount"] == 1
    assert rest["metadata"].keys() == {"resourceVersion"}
    selected = lab.read(f"{lab.config_maps}?limit=2&labelSelector=%21none")
    assert "remainingItemCount" not in selected["metadata"]


def test_a_deleted_object_is_gone_and_a_second_delete_says_so(lab: Lab) -> None:
    _, created = lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": "c"}})
    status, answer = lab.cluster.request("DELETE", f"{lab.config_maps}/c")
    assert (status, answer["kind"], answer["status"]) == (200, "Status", "Success")
    assert answer["details"] == {"name": "c", "kind": "configmaps", "uid": created["metadata"]["uid"]}
    assert lab.refuse("DELETE", f"{lab.config_maps}/c") == (404, "NotFound", 'configmaps "c" not found')


def test_a_delete_of_another_object_of_that_name_is_refused(lab: Lab) -> None:
    lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": "c"}})
    code, reason, message = lab.refuse("DELETE", f"{lab.config_maps}/c", {"preconditions": {"uid": "other"}})
    assert (code, reason) == (409, "Conflict")
    assert "the UID in the precondition (other) does not match the UID in record" in message


def test_an_object_with_a_finalizer_is_marked_and_goes_with_it(lab: Lab) -> None:
    body = {"metadata": {"name": "c", "finalizers": ["example.com/wait"]}}
    lab.cluster.request("POST", lab.config_maps, body)
    status, marked = lab.cluster.request("DELETE", f"{lab.config_maps}/c")
    assert (status, marked["kind"]) == (200, "ConfigMap")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    assert "deletionTimestamp" in lab.read(f"{lab.config_maps}/c")["metadata"]
    lab.cluster.request("PATCH", f"{lab.config_maps}/c", {"metadata": {"finalizers": None}})
    assert lab.refuse("GET", f"{lab.config_maps}/c")[0] == 404


def test_the_data_of_an_immutable_secret_cannot_be_changed(lab: Lab) -> None:
    body = {"metadata": {"name": "s"}, "immutable": True, "stringData": {"a": "b"}}
    status, created = lab.cluster.request("POST", lab.secrets, body)
    assert (status, created["type"], created["data"]) == (201, "Opaque", {"a": "Yg=="})
    refusal = lab.refuse("PATCH", f"{lab.secrets}/s", {"data": {"a": "Yw=="}})
    text = 'Secret "s" is invalid: data: Forbidden: field is immutable when `immutable` is set'
    assert refusal == (422, "Invalid", text)


def test_a_deployments_generation_counts_its_spec(lab: Lab) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    lab.cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "d", "namespace": lab.namespace},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
        }
    )
    path = f"/apis/apps/v1/namespaces/{lab.namespace}/deployments/d"
    assert lab.read(path)["metadata"]["generation"] == 1
    restart = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
    _, patched = lab.cluster.request("PATCH", path, restart)
    assert patched["metadata"]["generation"] == 2
    _, patched = lab.cluster.request("PATCH", f"{path}/status", {"status": {"observedGeneration": 2}})
    assert (patched["metadata"]["generation"], patched["status"]["observedGeneration"]) == (2, 2)


def test_every_write_has_a_higher_version_than_the_one_before(lab: Lab) -> None:
    versions = []
    for number in range(3):
        _, created = lab.cluster.request("POST", lab.config_maps, {"metadata": {"name": f"c{number}"}})
        versions.append(int(created["metadata"]["resourceVersion"]))
    assert versions == sorted(set(versions))
    assert int(lab.read(lab.config_maps)["metadata"]["resourceVersion"]) >= versions[-1]
