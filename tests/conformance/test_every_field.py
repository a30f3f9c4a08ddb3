"""Whatever the API server and ESO make of a manifest, it counts as deployed; whatever Git takes out of it does not.

Every documented field is here, with its defaults left out, so that the real ones are filled in.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from secret_action.cluster.deployed import differences
from tests.conformance.lab import Lab, Object
from tests.conformance.product import rendered

READ = {"key": "/a", "property": "p.q", "version": "3"}
CHOSEN = {"conversionStrategy": "Unicode", "decodingStrategy": "Auto", "metadataPolicy": "Fetch"}
ITEMS = [{"key": "a"}, {"key": "b", "templateAs": "KeysAndValues"}]
GENERATOR = {"sourceRef": {"generatorRef": {"kind": "Password", "name": "x"}}}
REWRITE = [
    {"regexp": {"source": "a", "target": "b"}},
    {"transform": {"template": "{{ .value }}"}},
]

SPECS: dict[str, dict[str, Any]] = {
    "the least": {"data": [{"secretKey": "a", "remoteRef": {"key": "/a"}}]},
    "data": {
        "data": [
            {"secretKey": "a", "remoteRef": READ},
            {"secretKey": "b", "remoteRef": {"key": "/b", **CHOSEN}},
            {"secretKey": "c", "remoteRef": {"key": "/c"}, "sourceRef": {"storeRef": {"name": "other"}}},
            {"secretKey": "d", "remoteRef": {"key": "/d", "property": ""}},
        ]
    },
    "data that others make": {
        "data": [],
        "dataFrom": [
            {"extract": READ},
            {"extract": {"key": "/b", **CHOSEN}, "rewrite": REWRITE},
            {"find": {"name": {"regexp": "^/x"}, "path": "/x"}},
            {
                "find": {
                    "tags": {"team": "a", "empty": ""},
                    "conversionStrategy": "Unicode",
                    "decodingStrategy": "Base64",
                }
            },
            GENERATOR,
            {"extract": {"key": "/c"}, "sourceRef": {"storeRef": {"name": "o", "kind": "ClusterSecretStore"}}},
        ],
    },
    "a target": {
        "refreshPolicy": "OnChange",
        "refreshInterval": "90m",
        "target": {
            "name": "other",
            "creationPolicy": "Orphan",
            "deletionPolicy": "Merge",
            "immutable": True,
            "template": {
                "type": "kubernetes.io/tls",
                "mergePolicy": "Merge",
                "metadata": {"labels": {"a": "b", "empty": ""}, "annotations": {"c": "d"}},
                "data": {"a": "{{ .a }}", "empty": ""},
                "templateFrom": [
                    {"literal": "{{ .a }}", "target": "Annotations"},
                    {"configMap": {"name": "c", "items": ITEMS}},
                    {"secret": {"name": "s", "items": ITEMS}, "target": "Labels"},
                ],
            },
        },
    },
    "nothing said at length": {
        "refreshInterval": "0",
        "refreshPolicy": None,
        "dataFrom": [],
        "data": [{"secretKey": "a", "remoteRef": {"key": "/a"}}],
        "target": {"immutable": False, "name": None, "template": {"metadata": {}, "data": {"a": None}}},
    },
}


def made(lab: Lab, version: str, spec: Object) -> tuple[Object, Object, Object]:
    """The manifest, and what is there of it before and after the operator's first write."""
    given = {"refreshInterval": "2h", **spec}
    created = lab.create_as(version, "x", **copy.deepcopy(given))
    return lab.manifest("x", **given), created, lab.wait("x", lambda found: bool(found["metadata"].get("finalizers")))


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_every_documented_field_counts_as_deployed(lab: Lab, version: str, spec: Object) -> None:
    """As it was created, and as the operator's types have written it; in the version that we read it in."""
    manifest, *found = made(lab, version, spec)
    for live in found:
        assert differences(rendered(manifest), live) == ()


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_every_field_that_git_takes_out_is_noticed(lab: Lab, spec: Object) -> None:
    """The cluster still has it: that is another manifest, and says something else to the operator."""
    manifest, _, live = made(lab, "v1", spec)
    for place, without in each_without(manifest["spec"]):
        assert differences(rendered_spec(manifest, without), live), place


def rendered_spec(manifest: Object, spec: Object) -> Any:
    """The manifest with another spec; what it reads does not matter here."""
    least = {**manifest, "spec": {"data": []}}
    return replace(rendered(least), spec=spec)


def each_without(thing: Any, place: str = "spec") -> Iterator[tuple[str, Any]]:
    """The thing without each of its fields and entries in turn; those that say nothing stay."""
    names: list[Any] = list(thing) if isinstance(thing, dict) else list(range(len(thing)))
    for name in names:
        inner = thing[name]
        if inner in (None, False, [], {}) or (inner == "" and name == "property"):
            continue
        if not (isinstance(inner, dict) and says_nothing(inner)):
            less = copy.copy(thing)
            del less[name]
            yield f"{place}.{name}", less
        if isinstance(inner, (dict, list)):
            for where, changed in each_without(inner, f"{place}.{name}"):
                other = copy.copy(thing)
                other[name] = changed
                yield where, other


def says_nothing(thing: Object) -> bool:
    """A section of defaults alone."""
    return all(inner in (None, False) or (isinstance(inner, dict) and says_nothing(inner)) for inner in thing.values())
