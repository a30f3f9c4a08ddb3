"""From rendered resources to the manifest: who asks for which parameter, and how."""

import shutil
import threading
import time

import pytest

from secret_action.manifest import read
from secret_action.manifest.external_secrets import read_consumers, read_external_secrets
from secret_action.model import Consumer, Location
from tests.unit.manifest_samples import entry, external_secret, judged, kustomization, one_overlay

URL = "/zerotouch/prod/shop/url"


def parameters(tmp_path, *documents):
    (manifest,) = judged(tmp_path, one_overlay(*documents)).manifests
    return {parameter.path: parameter for parameter in manifest.parameters}


def test_one_parameter_per_path_with_all_who_ask(tmp_path):
    """Also where several entries share it by property."""
    found = parameters(
        tmp_path,
        external_secret("a", data=[entry("HOST", URL, property="host"), entry("PORT", URL, property="port")]),
        external_secret("b", data=[], dataFrom=[{"extract": {"key": URL}}]),
    )
    (parameter,) = found.values()
    asked = [(r.external_secret, r.secret_key, r.property, r.extract) for r in parameter.references]
    assert asked == [("a", "HOST", "host", False), ("a", "PORT", "port", False), ("b", "", "", True)]


def test_owned_is_only_what_lies_under_the_services_own_path(tmp_path):
    """Everything else is foreign, and never written."""
    others = ["/zerotouch/prod/other/url", "/zerotouch/dev/shop/url", "/zerotouch/prod/shop/deep/url", "shop/url", "x"]
    found = parameters(tmp_path, external_secret(data=[entry(f"K{n}", path) for n, path in enumerate([URL, *others])]))
    assert {path for path, parameter in found.items() if parameter.owned} == {URL}


@pytest.mark.parametrize("version", ["external-secrets.io/v1", "external-secrets.io/v1beta1"])
def test_both_api_versions(tmp_path, version):
    """v1beta1 is still what many repositories render."""
    text = external_secret().replace("external-secrets.io/v1", version)
    (manifest,) = judged(tmp_path, one_overlay(text)).manifests
    assert [each.api_version for each in manifest.external_secrets] == [version]


def test_the_kinds_list_form(tmp_path):
    """An ExternalSecretList holds them."""
    inner = "".join("  " + line for line in external_secret().splitlines(keepends=True)).replace("  api", "- api", 1)
    text = f"apiVersion: external-secrets.io/v1\nkind: ExternalSecretList\nitems:\n{inner}"
    assert list(parameters(tmp_path, text)) == [URL]


@pytest.mark.parametrize(
    "resource",
    [
        {"apiVersion": "kubernetes-client.io/v1", "kind": "ExternalSecret", "spec": {"data": [{"key": URL}]}},
        {
            "apiVersion": "external-secrets.io/v1alpha1",
            "kind": "PushSecret",
            "spec": {"data": [{"match": {"remoteRef": {"remoteKey": URL}}}]},
        },
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ClusterExternalSecret",
            "spec": {"externalSecretSpec": {"data": [{"secretKey": "A", "remoteRef": {"key": URL}}]}},
        },
    ],
)
def test_other_kinds_that_name_keys_are_left_alone(resource):
    """Same kind in another group, or another kind in the same group."""
    resource = {"metadata": {"name": "x"}, **resource}
    assert read_external_secrets([resource], "aws-parameter-store", lambda *_: Location("x")) == ()


@pytest.mark.parametrize(
    "spec",
    [
        None,
        [],
        "x",
        {"data": None},
        {
            "data": [
                None,
                "x",
                {"remoteRef": None},
                {"remoteRef": {"key": ["a"]}},
                {"secretKey": 1, "remoteRef": {"key": 1}},
            ]
        },
        {"dataFrom": [{"extract": "x"}, {"sourceRef": {"generatorRef": {"kind": "Password"}}}, {"find": {}}]},
        {"secretStoreRef": "x", "target": "x", "data": {}},
    ],
)
def test_odd_shapes_never_raise(spec):
    """A rendered tree holds anything."""
    resources = [
        {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "x"}, "spec": spec},
        {"apiVersion": 1, "kind": None, "metadata": None, "spec": spec},
        {"kind": "List", "items": [None, {"kind": "List", "items": None}]},
    ]
    assert len(read_external_secrets(resources, "aws-parameter-store", lambda *_: Location("x"))) == 1
    read_consumers(resources)


def test_odd_labels_never_raise(tmp_path):
    """A label that is a number, a list or nothing is a finding, not an error of ours."""
    for number, label in enumerate(["true", "1", "[]", "{}", "null"]):
        text = external_secret().replace("'true'", label)
        if label in ("[]", "{}"):
            text = text.replace("'true'", label)
        findings = judged(tmp_path / str(number), one_overlay(text)).findings
        assert [finding.rule for finding in findings][:1] in (["label-missing"], ["does-not-render"])


def test_scalars_that_only_kustomize_understands(tmp_path):
    """A bare =, a date and an anchor in another resource do not end the run."""
    files = {
        "overlays/prod/kustomization.yaml": kustomization("es.yaml", "odd.yaml"),
        "overlays/prod/es.yaml": external_secret(),
        "overlays/prod/odd.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\n"
        "data: {op: '=', day: '2024-01-01', a: &x b, c: *x}\n",
    }
    assert judged(tmp_path, files).findings == ()


def test_who_consumes_a_secret():
    """Claims by secretNName, and pods by envFrom, env, volumes and imagePullSecrets, wherever they stand."""
    claim = {"apiVersion": "platform.zerotouch.io/v1", "kind": "WebService", "metadata": {"name": "w"}}
    claim["spec"] = {"secret1Name": "s1", "secret2Name": "s2", "secretless": "no", "secretNameX": "no"}
    container = {
        "envFrom": [{"secretRef": {"name": "s3"}}, {"configMapRef": {"name": "no"}}],
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s4", "key": "a"}}}],
    }
    pod = {
        "containers": [container],
        "volumes": [{"secret": {"secretName": "s5"}}, {"projected": {"sources": [{"secret": {"name": "s6"}}]}}],
        "imagePullSecrets": [{"name": "s7"}],
    }
    job = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "j"}}
    job["spec"] = {"jobTemplate": {"spec": {"template": {"spec": pod}}}}
    found = read_consumers([claim, job])
    assert {consumer.secret_name for consumer in found} == {f"s{n}" for n in range(1, 8)}
    assert Consumer("WebService", "w", "s1", "secret1Name") in found


@pytest.mark.parametrize(
    "spec",
    [
        {"target": {"name": 5, "creationPolicy": ["x"]}},
        {"target": {"name": ["a"], "creationPolicy": None}, "refreshPolicy": {"a": "b"}, "refreshInterval": [1]},
        {"secretStoreRef": {"name": ["a"]}, "refreshInterval": "0" * 60 + "!"},
        {"secretStoreRef": {"name": None}, "target": ["x"]},
        {"secretStoreRef": {"name": 7}, "dataFrom": {"a": "b"}},
    ],
)
def test_no_rule_trips_over_odd_shapes(tmp_path, spec):
    """What is no text where a text belongs is taken for absent."""
    (manifest,) = judged(tmp_path, one_overlay(external_secret(**spec))).manifests
    assert [each.name for each in manifest.external_secrets] == ["db"]


@pytest.mark.parametrize(
    "odd", ["spec: " + "9" * 5000, "spec: 0x" + "f" * 5000, "spec: !!int abc", "spec: " + "[" * 300 + "]" * 300]
)
def test_a_render_that_cannot_be_read_is_a_finding(tmp_path, odd):
    """Never an error of ours. (kustomize itself refuses some of these.)"""
    text = f"apiVersion: example.org/v1\nkind: Odd\nmetadata: {{name: x}}\n{odd}\n"
    findings = judged(tmp_path, one_overlay(external_secret(), text)).findings
    assert [finding.rule for finding in findings] == ["does-not-render"]


@pytest.mark.parametrize("text", ["resources: " + "[" * 100_000, "# " + "x" * 1024 * 1024])
def test_a_kustomization_that_cannot_be_read_here_does_not_render(tmp_path, text):
    """100,000 brackets end a process in libyaml; what is not read here is not handed to kustomize either."""
    (finding,) = judged(tmp_path, {"overlays/prod/kustomization.yaml": text}).findings
    assert finding.rule == "does-not-render"
    assert "overlays/prod/kustomization.yaml cannot be read" in finding.message


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b"])
def test_a_resource_that_can_be_no_file_does_not_render(tmp_path, name):
    """A name longer than names may be."""
    (finding,) = judged(tmp_path, {"overlays/prod/kustomization.yaml": kustomization(name)}).findings
    assert finding.rule == "does-not-render"


def test_aliases_are_followed_once():
    """A tenth of a thousand characters may stand for a billion."""
    node = [{"secretName": "s"}]
    for _ in range(40):
        node = [node, node]
    resource = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "spec": node}
    assert read_consumers([resource]) == (Consumer("X", "x", "s", "secretName"),)


def test_a_cancel_does_not_wait_for_a_slow_kustomize(tmp_path, monkeypatch):
    """Its children are ended, with what they started, and its threads end."""

    class Cancelled(BaseException):
        pass

    def cancel(reading):
        started = time.monotonic()
        while not (tmp_path / "started").exists() and time.monotonic() - started < 5:
            time.sleep(0.01)
        raise Cancelled

    kustomize = tmp_path / "bin" / "kustomize"
    kustomize.parent.mkdir()
    kustomize.write_text(f"#!/bin/sh\n: > {tmp_path}/started\n{shutil.which('sleep')} 20\n")
    kustomize.chmod(0o755)
    monkeypatch.setenv("PATH", str(kustomize.parent))
    monkeypatch.setattr(read.Reading, "judged", cancel)
    before = set(threading.enumerate())
    started = time.monotonic()
    with pytest.raises(Cancelled):
        judged(tmp_path, one_overlay(external_secret()))
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert time.monotonic() - started < 5


def test_a_secret_that_may_be_missing():
    """`optional: true` stands beside the name."""
    pod = {
        "containers": [{"envFrom": [{"secretRef": {"name": "a", "optional": True}}, {"secretRef": {"name": "b"}}]}],
        "volumes": [{"secret": {"secretName": "c", "optional": True}}],
    }
    resource = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": pod}
    found = {consumer.secret_name: consumer.optional for consumer in read_consumers([resource])}
    assert found == {"a": True, "b": False, "c": True}
