"""Rendered resources → the ExternalSecrets of the platform's store, and the workloads that read their Secrets.

Pure: resources in, values out. Other kinds that name SSM keys (PushSecret, the predecessor of another group) are
left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from secret_action.manifest.kustomize import ORIGIN
from secret_action.model import Consumer, ExternalSecret, Location, Reference

MANAGED_LABEL = "zerotouch.io/managed"
_GROUP = "external-secrets.io/"
_CLAIM_FIELD = re.compile(r"secret[0-9]*Name")

Locate = Callable[..., Location]
"""(resource as rendered, keys and places in lists that lead to a value of it) → where that is written; without any,
where the resource is."""


def mapping(node: Any) -> Mapping[str, Any]:
    """The node where it is a mapping, else an empty one: rendered trees hold anything."""
    return node if isinstance(node, Mapping) else {}


def _sequence(node: Any) -> Sequence[Any]:
    return node if isinstance(node, list) else ()


def _string(node: Any) -> str:
    return node if isinstance(node, str) else ""


def flattened(resources: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The resources, with lists (`List`, `ExternalSecretList`) opened."""
    for resource in resources:
        kind = _string(resource.get("kind"))
        if kind.endswith("List") and isinstance(resource.get("items"), list):
            yield from flattened([mapping(item) for item in resource["items"]])
        else:
            yield resource


def is_external_secret(resource: Mapping[str, Any]) -> bool:
    """Of this operator: its predecessor has the same kind in another group."""
    return resource.get("kind") == "ExternalSecret" and _string(resource.get("apiVersion")).startswith(_GROUP)


def read_external_secrets(
    resources: Sequence[Mapping[str, Any]], store: str, locate: Locate
) -> tuple[ExternalSecret, ...]:
    """The ExternalSecrets among rendered resources that read the platform's store.

    One that names no store at all is taken for the platform's, as the platform document writes them.
    """
    found = []
    for resource in flattened(resources):
        if not is_external_secret(resource):
            continue
        metadata, spec = mapping(resource.get("metadata")), mapping(resource.get("spec"))
        name = str(metadata.get("name", ""))
        default_store = _string(mapping(spec.get("secretStoreRef")).get("name")) or store
        references = tuple(_references(resource, default_store, store, locate))
        if default_store != store and not references:
            continue
        labels = mapping(metadata.get("labels"))
        found.append(
            ExternalSecret(
                name=name,
                namespace=_string(metadata.get("namespace")),
                api_version=_string(resource.get("apiVersion")),
                managed=labels.get(MANAGED_LABEL) == "true",
                spec=spec,
                labels=labels,
                annotations={
                    key: value for key, value in mapping(metadata.get("annotations")).items() if key != ORIGIN
                },
                references=references,
                where=locate(resource),
            )
        )
    return tuple(found)


def _references(resource: Mapping[str, Any], default_store: str, store: str, locate: Locate) -> Iterator[Reference]:
    spec, name = mapping(resource.get("spec")), str(mapping(resource.get("metadata")).get("name", ""))
    for index, entry in enumerate(map(mapping, _sequence(spec.get("data")))):
        remote, key = mapping(entry.get("remoteRef")), _string(entry.get("secretKey"))
        if _store_of(entry, default_store) == store and "key" in remote:
            path = _path(remote["key"])
            yield Reference(
                path=path,
                where=locate(resource, "spec", "data", index, "remoteRef", "key"),
                external_secret=name,
                secret_key=key,
                property=_string(remote.get("property")),
                version=_string(remote.get("version")),
            )
    for index, entry in enumerate(map(mapping, _sequence(spec.get("dataFrom")))):
        extract = mapping(entry.get("extract"))
        if _store_of(entry, default_store) == store and "key" in extract:
            path = _path(extract["key"])
            yield Reference(
                path=path,
                where=locate(resource, "spec", "dataFrom", index, "extract", "key"),
                external_secret=name,
                property=_string(extract.get("property")),
                version=_string(extract.get("version")),
                extract=True,
            )


def _path(node: Any) -> str:
    """A key as text. One that is not a string in the render breaks a rule, which shows it as kustomize wrote it."""
    return node if isinstance(node, str) else str(node)


def _store_of(entry: Mapping[str, Any], default: str) -> str:
    return _string(mapping(mapping(entry.get("sourceRef")).get("storeRef")).get("name")) or default


def read_consumers(resources: Sequence[Mapping[str, Any]]) -> tuple[Consumer, ...]:
    """Who reads which Secret: claims (`secret1Name`, …), pod templates and service accounts, wherever they say so."""
    found: dict[Consumer, None] = {}
    for resource in flattened(resources):
        if _string(resource.get("apiVersion")).startswith(_GROUP):
            continue
        kind, name = _string(resource.get("kind")), str(mapping(resource.get("metadata")).get("name", ""))
        for field, secret, optional in named_secrets(resource):
            found[Consumer(kind, name, secret, field, optional)] = None
    return tuple(found)


def named_secrets(resource: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Field, Secret and whether it may be missing, wherever a resource names a Secret in a way that pods read it."""
    body = {field: value for field, value in resource.items() if field not in ("metadata", "data", "stringData")}
    pending: list[Any] = [body]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if id(current) in seen:  # aliases: a small text may hold one part a million times
            continue
        seen.add(id(current))
        if isinstance(current, list):
            pending.extend(current)
        elif isinstance(current, Mapping):
            for key, value in current.items():
                if isinstance(value, str) and (_CLAIM_FIELD.fullmatch(str(key)) or key == "secretName"):
                    yield str(key), value, current.get("optional") is True
                elif key in ("secretRef", "secretKeyRef", "secret") and _string(mapping(value).get("name")):
                    yield key, value["name"], mapping(value).get("optional") is True
                elif key == "imagePullSecrets":
                    names = (_string(mapping(entry).get("name")) for entry in _sequence(value))
                    yield from ((key, name, False) for name in names if name)
                if not isinstance(value, str):
                    pending.append(value)
