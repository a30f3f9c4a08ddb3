"""The cluster has taken over a manifest when all that is rendered is there, whatever was added or defaulted."""

import copy

import pytest
from cluster_samples import live, rendered
from hypothesis import assume, given
from hypothesis import strategies as st

from secret_action import masking
from secret_action.cluster import durations
from secret_action.cluster.defaults import ESO, of_crd
from secret_action.cluster.deployed import differences

JSON = st.recursive(
    st.text(max_size=5) | st.integers(1, 9) | st.just(True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner),
    max_leaves=12,
)
SPECS = st.dictionaries(st.sampled_from(["a", "b", "target", "data"]), JSON)


def _live(es, change):
    found = live(es)
    change(found)
    return found


SAME = {
    "as rendered": (rendered(), lambda it: None),
    "defaults added": (rendered(), lambda it: it["spec"].update(target={"creationPolicy": "Owner"})),
    "defaults added in a list": (
        rendered(),
        lambda it: it["spec"]["data"][0]["remoteRef"].update(decodingStrategy="None"),
    ),
    "duration spelt out": (rendered(), lambda it: it["spec"].update(refreshInterval="1h0m0s")),
    "zero spelt out": (rendered(refreshInterval="0"), lambda it: it["spec"].update(refreshInterval="0s")),
    "false left out": (
        rendered(target={"immutable": False, "name": "x"}),
        lambda it: it["spec"]["target"].pop("immutable"),
    ),
    "empty section left out": (rendered(target={}), lambda it: it["spec"].pop("target")),
    "section of empties left out": (
        rendered(target={"template": {"metadata": {}}}),
        lambda it: it["spec"].pop("target"),
    ),
    "defaults rendered, and left out": (
        rendered(refreshPolicy="Periodic", target={"creationPolicy": "Owner", "deletionPolicy": "Retain"}),
        lambda it: [it["spec"].pop(name) for name in ("refreshPolicy", "target")],
    ),
    "a newer CRD's defaults": (
        rendered(),
        lambda it: it["spec"]["data"][0]["remoteRef"].update(nullBytePolicy="Ignore"),
    ),
    "the kind of its store": (
        rendered(secretStoreRef={"name": "s"}),
        lambda it: it["spec"]["secretStoreRef"].update(kind="SecretStore"),
    ),
    "null left out": (rendered(refreshPolicy=None), lambda it: it["spec"].pop("refreshPolicy")),
    "a label added": (
        rendered(),
        lambda it: it["metadata"]["labels"].update({"kustomize.toolkit.fluxcd.io/name": "x"}),
    ),
    "Argo's tracking label": (
        rendered(labels={"zerotouch.io/managed": "true", "app.kubernetes.io/instance": "shop"}),
        lambda it: it["metadata"]["labels"].update({"app.kubernetes.io/instance": "shop-dev"}),
    ),
}


@pytest.mark.parametrize(("es", "change"), SAME.values(), ids=SAME.keys())
def test_additions_and_other_spellings_do_not_count(es, change):
    """What ESO, its CRD and GitOps tools do to an object leaves it deployed."""
    assert differences(es, _live(es, change)) == ()


OTHER = {
    "another key": (lambda it: it["spec"]["data"][0]["remoteRef"].update(key="/old"), "spec.data[0].remoteRef.key"),
    "an entry too many": (lambda it: it["spec"]["data"].append({"secretKey": "X"}), "spec.data"),
    "an entry missing": (lambda it: it["spec"].update(data=[]), "spec.data"),
    "no data at all": (lambda it: it["spec"].pop("data"), "spec.data"),
    "another interval": (lambda it: it["spec"].update(refreshInterval="2h"), "spec.refreshInterval"),
    "another store": (lambda it: it["spec"]["secretStoreRef"].update(name="x"), "spec.secretStoreRef.name"),
    "another type": (lambda it: it["spec"].update(refreshInterval=3600), "spec.refreshInterval"),
    "no label": (lambda it: it["metadata"]["labels"].clear(), "metadata.labels.zerotouch.io/managed"),
    "another label": (
        lambda it: it["metadata"]["labels"].update({"zerotouch.io/managed": "false"}),
        "metadata.labels.zerotouch.io/managed",
    ),
    "nothing": (lambda it: it.clear(), "spec.secretStoreRef.name"),
}


@pytest.mark.parametrize(("change", "where"), OTHER.values(), ids=OTHER.keys())
def test_a_difference_names_its_place(change, where):
    """The first sentence says where, and what both sides have."""
    found = differences(rendered(), _live(rendered(), change))
    assert found[0].startswith(f"{where}: the manifest ")
    assert "the cluster " in found[0]


def test_long_values_are_cut():
    """A difference is one line in a log."""
    es = rendered(refreshPolicy="x" * 500)
    assert len(differences(es, live())[0]) < 250


@given(SPECS)
def test_every_spec_is_deployed_as_itself(spec):
    """Whatever is rendered, the same in the cluster is deployed."""
    es = rendered(**spec)
    assert differences(es, live(es)) == ()


@given(SPECS, st.text("xyz", min_size=1, max_size=3), JSON.filter(bool))
def test_no_addition_goes_unseen(spec, name, value):
    """A field that nobody rendered and that is no default is what another commit or a webhook left there."""
    assume(value not in ({}, []) and not _is_empty(value))
    es = rendered(**spec)
    found = live(es)
    found["spec"][name] = copy.deepcopy(value)
    assert differences(es, found)
    # … and as little goes unseen what the cluster does not have.
    assert differences(rendered(**spec, **{name: value}), live(es))


def _is_empty(value):
    if isinstance(value, dict):
        return all(map(_is_empty, value.values()))
    return value in ("", [])


TEMPLATE = {"data": {"K": "{{ .K0 }}"}}
LEFT_THERE = {
    "remoteRef.property": lambda spec: spec["data"][0]["remoteRef"].update(property="p"),
    "remoteRef.version": lambda spec: spec["data"][0]["remoteRef"].update(version="1"),
    "remoteRef.decodingStrategy": lambda spec: spec["data"][0]["remoteRef"].update(decodingStrategy="Base64"),
    "remoteRef.metadataPolicy": lambda spec: spec["data"][0]["remoteRef"].update(metadataPolicy="Fetch"),
    "remoteRef.nullBytePolicy": lambda spec: spec["data"][0]["remoteRef"].update(nullBytePolicy="Fail"),
    "sourceRef": lambda spec: spec["data"][0].update(sourceRef={"storeRef": {"name": "x"}}),
    "dataFrom": lambda spec: spec.update(dataFrom=[{"extract": {"key": "/x"}}]),
    "refreshPolicy": lambda spec: spec.update(refreshPolicy="CreatedOnce"),
    "refreshInterval": lambda spec: spec.update(refreshInterval="0s"),
    "target.name": lambda spec: spec.update(target={"name": "x"}),
    "target.immutable": lambda spec: spec.update(target={"immutable": True}),
    "target.creationPolicy": lambda spec: spec.update(target={"creationPolicy": "Merge"}),
    "target.deletionPolicy": lambda spec: spec.update(target={"deletionPolicy": "Delete"}),
    "target.template": lambda spec: spec.update(target={"template": TEMPLATE}),
    "target.manifest": lambda spec: spec.update(target={"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}}),
    "an empty text of the template": lambda spec: spec.update(target={"template": {"data": {"K": ""}}}),
    "a field of a release to come": lambda spec: spec.update(novelty={"x": [1]}),
}


@pytest.mark.parametrize("change", LEFT_THERE.values(), ids=LEFT_THERE.keys())
def test_what_git_no_longer_has_is_not_deployed(change):
    """Until it is gone the cluster does something else than the manifest says; the sentence shows what is there."""
    es = rendered(refreshInterval=None)
    found = live(es)
    change(found["spec"])
    (words,) = differences(es, found)[:1]
    assert "the manifest has nothing, the cluster has “" in words or "the manifest lists 0, the cluster 1" in words


def test_a_default_of_a_release_to_come_is_the_clusters_to_tell():
    """By its CRD's own schema; a name with two defaults is none, and what ESO's code decides stays."""
    text = {"type": "string"}
    entry = {
        "novelty": text | {"default": "On"},
        "kind": text | {"default": "x"},
        "plain": text,
        "flag": {"default": True},
    }
    spec = {
        "data": {"type": "array", "items": {"properties": {"remoteRef": {"properties": entry}}}},
        "target": {"default": {"a": "b"}, "properties": {"twofold": {"default": "a"}}},
        "twofold": {"default": "b"},
        "refreshInterval": {"default": "5m"},
    }
    kinds = {
        "a": {
            "properties": {"spec": {"properties": spec}},
            "x-kubernetes-group-version-kind": [{"kind": "ExternalSecret"}],
        },
        "b": {"properties": {"spec": {"properties": {"other": {"default": "x"}}}}},
        "c": None,
    }
    found = of_crd({"components": {"schemas": kinds}})
    assert found == {**ESO, "novelty": "On", "flag": True, "refreshInterval": "5m"}
    newer = live()
    newer["spec"]["data"][0]["remoteRef"]["novelty"] = "On"
    assert differences(rendered(), newer)
    assert differences(rendered(), newer, found) == ()
    off = rendered()
    off.spec["data"][0]["remoteRef"]["flag"] = False
    assert differences(off, live(off), found) == ()
    assert differences(rendered(), live(off), found)
    assert of_crd({}) == ESO


FREE = {"data": {"K": ""}, "metadata": {"labels": {"l": ""}}}


@pytest.mark.parametrize(
    ("mine", "theirs", "same"),
    [
        (FREE, FREE, True),
        ({**FREE, "data": {}}, FREE, False),
        (FREE, {**FREE, "data": {}}, False),
        ({**FREE, "metadata": {}}, FREE, False),
        ({**FREE, "data": {"K": "", "L": None}}, FREE, True),
        ({}, {"engineVersion": "v2", "mergePolicy": "Replace", "metadata": {}}, True),
    ],
)
def test_keys_of_the_users_own_are_compared_as_they_are(mine, theirs, same):
    """An empty text there is a key of the Secret; only a `null` is dropped by the API server."""
    es, found = rendered(target={"template": mine}), rendered(target={"template": theirs})
    assert (differences(es, live(found)) == ()) is same


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("1h0m0s", 3600.0),
        ("1h30m", 5400.0),
        ("-5s", -5.0),
        ("1.5h", 5400.0),
        ("300ms", 0.3),
        ("+1m", 60.0),
        ("", None),
        ("5", None),
        ("1 h", None),
        (5, None),
        (None, None),
    ],
)
def test_durations_are_gos(text, seconds):
    """The grammar of `time.ParseDuration`."""
    assert durations.seconds(text) == (seconds if seconds is None else pytest.approx(seconds))


def test_a_difference_hides_known_values_before_it_is_cut(monkeypatch):
    """One that is cut would be found no more."""
    value = "x9" * 100
    redactor = masking.Redactor()
    redactor.add(value)
    monkeypatch.setattr(masking, "_active", [redactor])
    found = live()
    found["spec"]["refreshInterval"] = f"it is {value}"
    assert differences(rendered(), found) == (
        "spec.refreshInterval: the manifest has “1h”, the cluster has “it is ***”",
    )
