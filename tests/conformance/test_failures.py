"""How the operator fails, and in what words: the diagnosis is made from these."""

import json
import time
from typing import Any

import pytest

from tests.conformance.lab import Lab, eventually, proven, ready
from tests.conformance.stores import make_store, store_path

pytestmark = pytest.mark.thorough

NO_DATA = "could not get secret data from provider"
NO_UPDATE = "could not update secret"


def broken_auth(lab: Lab) -> dict[str, Any]:
    """Credentials in a Secret that is not there."""
    keys = {"accessKeyIDSecretRef": "id", "secretAccessKeySecretRef": "key"}
    references = {field: {"name": "credentials", "key": key, "namespace": lab.namespace} for field, key in keys.items()}
    return {"auth": {"secretRef": references}}


class TestMissingParameter:
    """What a parameter that nobody pushed looks like in the cluster."""

    def test_condition_and_event(self, lab: Lab) -> None:
        lab.create("x")
        text = f"error processing spec.data[0] (key: /zerotouch/{lab.namespace}/key), err: Secret does not exist"
        found = lab.failed("x", NO_DATA, text)
        assert found["status"]["refreshTime"] is None
        assert found["status"]["binding"] == {"name": ""}
        assert "syncedResourceVersion" not in found["status"]

    def test_a_failure_after_a_success_touches_the_condition_alone(self, lab: Lab) -> None:
        found = lab.settled("x", parameter=lab.parameter())
        lab.aws.delete(lab.parameter())
        lab.annotate("x")
        failed = lab.wait("x", lambda found: ready(found)["status"] == "False")
        for field in ("refreshTime", "syncedResourceVersion", "binding"):
            assert failed["status"][field] == found["status"][field]
        assert lab.secret("x") == {"key": "value"}

    def test_the_next_failure_of_the_kind_writes_nothing(self, lab: Lab) -> None:
        lab.created("x")
        annotated = lab.annotate("x")
        lab.quiet()
        found = lab.get("x")
        assert found["metadata"]["resourceVersion"] == annotated["metadata"]["resourceVersion"]

    def test_the_same_text_again_is_counted_on_the_same_event(self, lab: Lab) -> None:
        lab.created("x")
        lab.annotate("x")
        lab.quiet()
        path = f"/api/v1/namespaces/{lab.namespace}/events?fieldSelector=involvedObject.name%3Dx"
        listed = lab.wait_for(path, lambda found: bool(found["items"]) and found["items"][0]["count"] >= 3)
        assert len(listed["items"]) == 1
        event = listed["items"][0]
        assert event["source"] == {"component": "external-secrets"}
        about = event["involvedObject"]
        metadata = lab.get("x")["metadata"]
        assert (about["kind"], about["uid"]) == ("ExternalSecret", metadata["uid"])
        assert int(about["resourceVersion"]) <= int(metadata["resourceVersion"])

    def test_it_mends_itself_when_the_parameter_comes(self, lab: Lab) -> None:
        lab.created("x")
        lab.parameter(value="late")
        lab.wait("x", proven)
        assert lab.secret("x") == {"key": "late"}

    def test_a_new_annotation_overtakes_the_backoff(self, lab: Lab) -> None:
        """After its third failure the operator would wait for four seconds; a new token makes it try at once."""
        path = f"/api/v1/namespaces/{lab.namespace}/events?fieldSelector=involvedObject.name%3Dx"
        lab.create("x")
        lab.wait_for(path, lambda found: bool(found["items"]) and found["items"][0]["count"] >= 3)
        lab.parameter(value="late")
        start = time.monotonic()
        lab.force_sync("x")
        assert time.monotonic() - start < 1.0

    def test_the_second_entry_is_named(self, lab: Lab) -> None:
        there, gone = lab.parameter(), f"/zerotouch/{lab.namespace}/gone"
        entries = [{"secretKey": key, "remoteRef": {"key": name}} for key, name in (("a", there), ("b", gone))]
        lab.create("x", data=entries)
        lab.failed("x", NO_DATA, f"error processing spec.data[1] (key: {gone}), err: Secret does not exist")
        assert lab.refuse("GET", f"{lab.secrets}/x")[0] == 404

    def test_in_an_extract(self, lab: Lab) -> None:
        lab.create("x", dataFrom=[{"extract": {"key": "/gone"}}])
        lab.failed("x", NO_DATA, "error processing spec.dataFrom[0].extract, err: Secret does not exist")

    def test_the_log_has_the_error(self, lab: Lab) -> None:
        lab.created("x")

        def errors() -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in lab.cluster.eso_log().splitlines() if line.startswith("{")]
            about = {"name": "x", "namespace": lab.namespace}
            return [line for line in lines if line["level"] == "error" and line.get("ExternalSecret") == about]

        found = eventually(errors)
        assert (found[0]["msg"], found[0]["controller"]) == ("Reconciler error", "externalsecret")
        assert found[0]["error"].endswith("err: Secret does not exist")
        assert isinstance(found[0]["ts"], float)


class TestValues:
    """Parameters whose value has not the shape that a manifest asks for."""

    JSON = '{"a": "text", "n": 1.50, "e": 1e3, "t": true, "z": null, "o": {"k":  [1, 2]}, "d.t": "dots", "l": ["x", 7]}'

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("a", "text"), ("n", "1.5"), ("e", "1000"), ("t", "true"), ("z", ""), ("o", '{"k":  [1, 2]}'),
            ("d.t", "dots"), ("o.k", "[1, 2]"), ("o.k.1", "2"), ("l.0", "x"), ("l.#", "2"),
        ],
    )  # fmt: skip
    def test_a_property(self, lab: Lab, path: str, value: str) -> None:
        """Numbers are written anew; objects and lists stay as they stand in the parameter."""
        name = lab.parameter(value=self.JSON)
        lab.synced("x", data=[{"secretKey": "key", "remoteRef": {"key": name, "property": path}}])
        assert lab.secret("x") == {"key": value}

    @pytest.mark.parametrize("value", [JSON, "not json", ""], ids=["json", "text", "empty"])
    def test_a_property_that_is_not_there(self, lab: Lab, value: str) -> None:
        name = lab.parameter(value=value or " ")
        lab.create("x", data=[{"secretKey": "key", "remoteRef": {"key": name, "property": "gone"}}])
        text = f"error processing spec.data[0] (key: {name}), err: key gone does not exist in secret {name}"
        lab.failed("x", NO_DATA, text)

    def test_an_extract(self, lab: Lab) -> None:
        lab.synced("x", dataFrom=[{"extract": {"key": lab.parameter(value=self.JSON)}}])
        assert lab.secret("x") == {
            "a": "text",
            "n": "1.50",
            "e": "1e3",
            "t": "true",
            "z": "",
            "o": '{"k":  [1, 2]}',
            "d.t": "dots",
            "l": '["x", 7]',
        }

    def test_an_extract_converts_keys_that_kubernetes_would_not_take(self, lab: Lab) -> None:
        name = lab.parameter(value='{"a b": "1", "c/d": "2"}')
        lab.synced("x", dataFrom=[{"extract": {"key": name}}])
        assert lab.secret("x") == {"a_b": "1", "c_d": "2"}
        lab.synced("y", dataFrom=[{"extract": {"key": name, "conversionStrategy": "Unicode"}}])
        assert lab.secret("y") == {"a_U0020_b": "1", "c_U002f_d": "2"}

    @pytest.mark.parametrize(
        ("value", "error"),
        [
            ("hello", "invalid character 'h' looking for beginning of value"),
            ("nope", "invalid character 'o' in literal null (expecting 'u')"),
            ('{"a": 1', "unexpected end of JSON input"),
            ('{"a": 1} x', "invalid character 'x' after top-level value"),
            ('{"a" 1}', "invalid character '1' after object key"),
            ('{"a": 1 "b"}', "invalid character '\"' after object key:value pair"),
            ("{a}", "invalid character 'a' looking for beginning of object key string"),
            ("[1]", "json: cannot unmarshal array into Go value of type map[string]json.RawMessage"),
            ('"s"', "json: cannot unmarshal string into Go value of type map[string]json.RawMessage"),
            ("7", "json: cannot unmarshal number into Go value of type map[string]json.RawMessage"),
            ("true", "json: cannot unmarshal bool into Go value of type map[string]json.RawMessage"),
        ],
    )
    def test_an_extract_of_what_is_no_object(self, lab: Lab, value: str, error: str) -> None:
        name = lab.parameter(value=value)
        lab.create("x", dataFrom=[{"extract": {"key": name}}])
        text = f"error processing spec.dataFrom[0].extract, err: unable to unmarshal secret {name}: {error}"
        lab.failed("x", NO_DATA, text)

    def test_later_entries_win(self, lab: Lab) -> None:
        first, second = lab.parameter("first", '{"a": "1", "b": "1"}'), lab.parameter("second", "2")
        data = [{"secretKey": "b", "remoteRef": {"key": second}}]
        lab.synced("x", dataFrom=[{"extract": {"key": first}}], data=data)
        assert lab.secret("x") == {"a": "1", "b": "2"}

    @pytest.mark.parametrize(
        ("strategy", "value", "decoded"),
        [("Base64", "aGk=", "hi"), ("Base64URL", "Pz8_", "???"), ("Auto", "aGk=", "hi"), ("Auto", "h i", "h i")],
    )
    def test_a_value_can_be_decoded(self, lab: Lab, strategy: str, value: str, decoded: str) -> None:
        ref = {"key": lab.parameter(value=value), "decodingStrategy": strategy}
        lab.synced("x", data=[{"secretKey": "key", "remoteRef": ref}])
        assert lab.secret("x") == {"key": decoded}

    @pytest.mark.parametrize(("value", "byte"), [("a b=", 1), ("abc", 0), ("aGk", 0), ("abcdef", 4)])
    def test_a_value_that_cannot_be_decoded(self, lab: Lab, value: str, byte: int) -> None:
        name = lab.parameter(value=value)
        lab.create("x", data=[{"secretKey": "key", "remoteRef": {"key": name, "decodingStrategy": "Base64"}}])
        text = (
            f"error processing spec.data[0] (key: {name}), err: error applying decoding strategy Base64 to data: "
            f"illegal base64 data at input byte {byte}"
        )
        lab.failed("x", NO_DATA, text)


class TestStores:
    """Stores that are not there, not ready, not ours, not for this namespace."""

    @pytest.mark.parametrize("kind", ["SecretStore", "ClusterSecretStore"])
    def test_one_that_is_not_there(self, lab: Lab, kind: str) -> None:
        name = lab.parameter()
        lab.create("x", parameter=name, secretStoreRef={"name": "gone", "kind": kind})
        text = (
            f"error processing spec.data[0] (key: {name}), err: "
            f'could not get {kind} "gone", {kind}.external-secrets.io "gone" not found'
        )
        lab.failed("x", NO_DATA, text)

    @pytest.mark.parametrize("kind", ["SecretStore", "ClusterSecretStore"])
    def test_a_good_one_turns_ready(self, lab: Lab, kind: str) -> None:
        reference = make_store(lab, "good", kind)
        found = lab.wait_for(store_path(lab, reference), lambda found: bool(ready(found)))
        condition = {key: value for key, value in ready(found).items() if key != "lastTransitionTime"}
        assert condition == {"type": "Ready", "status": "True", "reason": "Valid", "message": "store validated"}
        assert found["status"]["capabilities"] == "ReadWrite"
        lab.synced("x", parameter=lab.parameter(), secretStoreRef=reference)

    def test_a_prefix_goes_before_every_key(self, lab: Lab) -> None:
        reference = make_store(lab, "good", aws={"prefix": f"/zerotouch/{lab.namespace}/"})
        lab.parameter()
        lab.wait_for(store_path(lab, reference), lambda found: bool(ready(found)))
        lab.synced("x", parameter="key", secretStoreRef=reference)
        assert lab.secret("x") == {"key": "value"}

    @pytest.mark.parametrize("kind", ["SecretStore", "ClusterSecretStore"])
    def test_one_whose_credentials_are_missing_is_not_ready(self, lab: Lab, kind: str) -> None:
        reference = make_store(lab, "bad", kind, aws=broken_auth(lab))
        found = lab.wait_for(store_path(lab, reference), lambda found: bool(ready(found)))
        assert ready(found)["status"] == "False"
        assert (ready(found)["reason"], ready(found)["message"]) == (
            "InvalidProviderConfig",
            "unable to create client",
        )
        name = lab.parameter()
        lab.create("x", parameter=name, secretStoreRef=reference)
        text = f'error processing spec.data[0] (key: {name}), err: {kind} "{reference["name"]}" is not ready'
        lab.failed("x", NO_DATA, text)

    def test_the_event_of_a_store_says_what_is_wrong(self, lab: Lab) -> None:
        make_store(lab, "bad", aws=broken_auth(lab))
        text = (
            "unable to create session: could not fetch SecretAccessKey secret: cannot get Kubernetes secret "
            f'"credentials" from namespace "{lab.namespace}": secrets "credentials" not found'
        )
        lab.wait_for_event("bad", "Warning", "InvalidProviderConfig", text)

    def test_one_that_turns_ready_lets_its_external_secrets_through(self, lab: Lab) -> None:
        """Both sides wait for their own backoff; a new token does not wait for it."""
        reference = make_store(lab, "slow", aws=broken_auth(lab))
        lab.wait_for(store_path(lab, reference), lambda found: bool(ready(found)))
        lab.created("x", parameter=lab.parameter(), secretStoreRef=reference)
        data = {"id": "test", "key": "test"}
        lab.cluster.request("POST", lab.secrets, {"metadata": {"name": "credentials"}, "stringData": data})
        found = lab.wait_for(store_path(lab, reference), lambda found: ready(found)["status"] == "True")
        assert ready(found)["reason"] == "Valid"
        lab.force_sync("x")

    def test_one_of_another_controller_class_is_passed_over_in_silence(self, lab: Lab) -> None:
        reference = make_store(lab, "other", controller="other")
        lab.create("x", parameter=lab.parameter(), secretStoreRef=reference)
        lab.quiet()
        assert "status" not in lab.get("x")
        assert lab.events("x") == []
        assert "status" not in lab.read(store_path(lab, reference))

    def test_a_cluster_store_chooses_its_namespaces(self, lab: Lab) -> None:
        reference = make_store(lab, "elsewhere", "ClusterSecretStore", conditions=[{"namespaces": ["elsewhere"]}])
        lab.wait_for(store_path(lab, reference), lambda found: bool(ready(found)))
        name = lab.parameter()
        lab.create("x", parameter=name, secretStoreRef=reference)
        text = (
            f'error processing spec.data[0] (key: {name}), err: using cluster store "{reference["name"]}" '
            f'is not allowed from namespace "{lab.namespace}": denied by spec.condition'
        )
        lab.failed("x", NO_DATA, text)

    @pytest.mark.parametrize("how", ["namespaces", "namespaceRegexes", "namespaceSelector"])
    def test_a_cluster_store_admits_the_namespaces_that_it_names(self, lab: Lab, how: str) -> None:
        label = {"kubernetes.io/metadata.name": lab.namespace}
        condition: dict[str, Any] = {
            "namespaces": [lab.namespace],
            "namespaceRegexes": [f"^{lab.namespace}$"],
            "namespaceSelector": {"matchLabels": label},
        }
        conditions = [{how: condition[how]}]
        reference = make_store(lab, "here", "ClusterSecretStore", conditions=conditions)
        lab.wait_for(store_path(lab, reference), lambda found: bool(ready(found)))
        lab.synced("x", parameter=lab.parameter(), secretStoreRef=reference)

    def test_an_entry_may_name_a_store_of_its_own(self, lab: Lab) -> None:
        reference = make_store(lab, "own")
        lab.wait_for(store_path(lab, reference), lambda found: bool(ready(found)))
        entry = {"secretKey": "key", "remoteRef": {"key": lab.parameter()}, "sourceRef": {"storeRef": reference}}
        lab.synced("x", data=[entry], secretStoreRef={"name": "gone", "kind": "SecretStore"})


class TestAws:
    """What AWS's refusals look like after the operator has wrapped them."""

    def test_access_denied(self, lab: Lab) -> None:
        name = lab.parameter()
        lab.aws.denies.append(lambda operation, parameter: parameter == name)
        lab.created("x", parameter=name)
        found = self.event(lab, "x")
        assert found.startswith(
            f"error processing spec.data[0] (key: {name}), err: operation error SSM: GetParameter, "
            "https response error StatusCode: 400, RequestID: "
        )
        assert ", api error AccessDeniedException: " in found
        assert ready(lab.get("x"))["message"] == NO_DATA

    @staticmethod
    def event(lab: Lab, name: str) -> str:
        return eventually(lambda: [text for kind, _, text in lab.events(name) if kind == "Warning"])[0]


class TestTemplates:
    """Templates that fail, and how."""

    @pytest.mark.parametrize(
        ("template", "error"),
        [
            (
                "v={{ .gone }}",
                'unable to execute template at key k: template: k:1:5: executing "k" at <.gone>: '
                'map has no entry for key "gone"',
            ),
            (
                "{{ .key }}\n  {{.gone}}",
                'unable to execute template at key k: template: k:2:4: executing "k" at <.gone>: '
                'map has no entry for key "gone"',
            ),
            (
                "{{ .key | nothing }}",
                'unable to parse template at key k: template: k:1: function "nothing" not defined',
            ),
            ("{{ .key ", "unable to parse template at key k: template: k:1: unclosed action"),
            (
                "{{ .key | fail }}",
                'unable to execute template at key k: template: k:1:10: executing "k" at <fail>: '
                "error calling fail: value",
            ),
        ],
    )
    def test_the_first_time(self, lab: Lab, template: str, error: str) -> None:
        lab.create("x", parameter=lab.parameter(), target={"template": {"data": {"k": template}}})
        text = (
            "could not apply template: could not execute template: could not execute template: "
            f"unable to execute template at key k: {error}"
        )
        found = lab.failed("x", NO_UPDATE, text)
        assert found["status"]["binding"] == {"name": ""}

    def test_with_a_secret_that_is_there(self, lab: Lab) -> None:
        lab.synced("x", parameter=lab.parameter())
        lab.patch("x", {"spec": {"target": {"template": {"data": {"k": "{{ .gone }}"}}}}})
        text = (
            "unable to mutate secret x: could not apply template: could not execute template: "
            "could not execute template: unable to execute template at key k: unable to execute template at key k: "
            'template: k:1:3: executing "k" at <.gone>: map has no entry for key "gone"'
        )
        lab.failed("x", NO_UPDATE, text)
        assert lab.secret("x") == {"key": "value"}
