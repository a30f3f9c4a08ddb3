"""What a field of an ExternalSecret's spec means where it is absent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from secret_action.cluster.live import Object, entries, section

Defaults = Mapping[str, Any]
"""By a field's name: whichever object it stands in, its default is the same."""

_OF_CODE: Defaults = {"kind": "SecretStore", "refreshPolicy": "Periodic"}
_OF_CRDS: Defaults = {
    "apiVersion": "generators.external-secrets.io/v1alpha1",
    "conflictPolicy": "Error",
    "conversionStrategy": "Default",
    "creationPolicy": "Owner",
    "decodingStrategy": "None",
    "deletionPolicy": "Retain",
    "engineVersion": "v2",
    "mergePolicy": "Replace",
    "metadataPolicy": "None",
    "nullBytePolicy": "Ignore",
    "priorityPolicy": "Strict",
    "refreshInterval": "1h",
    "strategy": "Extract",
    "target": "Data",
    "templateAs": "Values",
}
ESO: Defaults = {**_OF_CRDS, **_OF_CODE}
"""Those of ESO's CRDs and of its code: v1beta1 and v1, releases 0.9 to 2.9."""


def of_crd(schema: Object) -> Defaults:
    """Those of a cluster, by the OpenAPI document of ESO's group, which knows better than we: releases to come, forks.

    A name that has several defaults there keeps ours, and so does what ESO's code decides.
    """
    found: dict[str, set[str | bool | int]] = {}
    for kind in section(schema, "components", "schemas").values():
        if isinstance(kind, Mapping) and any(
            each.get("kind") == "ExternalSecret" for each in entries(kind, "x-kubernetes-group-version-kind")
        ):
            for name, default in _fields(section(kind, "properties", "spec")):
                found.setdefault(name, set()).add(default)
    sure = {name: values.pop() for name, values in found.items() if len(values) == 1}
    return {**_OF_CRDS, **sure, **_OF_CODE}


def _fields(schema: Object) -> Iterator[tuple[str, str | bool | int]]:
    """Name and default of each text, flag and number in an object of this schema, however deep."""
    for name, field in section(schema, "properties").items():
        if isinstance(field, Mapping):
            if isinstance(default := field.get("default"), str | bool | int):
                yield name, default
            yield from _fields(field)
    if items := section(schema, "items"):
        yield from _fields(items)
