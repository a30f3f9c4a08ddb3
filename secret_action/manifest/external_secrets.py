"""Rendered resources → the ExternalSecrets of the platform's store, and the workloads that read their Secrets.

Pure: resources in, values out. Other kinds that name SSM keys (PushSecret, the predecessor of another group) are
left alone. What a ClusterExternalSecret makes is read by itself, since no run may touch it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from secret_action.manifest.kustomize import ORIGIN
from secret_action.model import Consumer, ExternalSecret, Location, Reference
from secret_action.naming import CLAIM_FIELD, MANAGED_LABEL

_GROUP = "external-secrets.io/"
_ALPHA = f"{_GROUP}v1alpha1"

KEY_FIELDS = (("remoteRef", "key"), ("extract", "key"), ("find", "path"), ("key",))
"""Where an entry of `data` or `dataFrom` says what it reads; the last one in v1alpha1."""

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

    One that names no store at all is taken for the platform's, as the platform document writes them; but what comes of
    a generator alone, such as a password that is made once, reads no store.
    """
    found = []
    for resource in flattened(resources):
        if not is_external_secret(resource):
            continue
        metadata, spec = mapping(resource.get("metadata")), mapping(resource.get("spec"))
        name = str(metadata.get("name", ""))
        default_store = _string(mapping(spec.get("secretStoreRef")).get("name")) or store
        old = resource.get("apiVersion") == _ALPHA
        if store not in _read_by(spec, default_store):
            continue
        entries = tuple(_references(spec, name, default_store, store, partial(locate, resource), old=old))
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
                references=tuple(entry for entry in entries if _asks_for_one(entry)),
                where=locate(resource),
                others=tuple(entry for entry in entries if not _asks_for_one(entry)),
            )
        )
    return tuple(found)


def read_of_cluster(resources: Sequence[Mapping[str, Any]], store: str, locate: Locate) -> tuple[ExternalSecret, ...]:
    """What the ClusterExternalSecrets among rendered resources make, under the name that they give it."""
    makers = (resource for resource in resources if resource.get("kind") == "ClusterExternalSecret")
    return tuple(made for maker in makers for made in _made_by(maker, store, locate))


def _made_by(maker: Mapping[str, Any], store: str, locate: Locate) -> Iterator[ExternalSecret]:
    def in_maker(_made: Mapping[str, Any], *steps: str | int) -> Location:
        return locate(maker, "spec", "externalSecretSpec", *steps[1:]) if steps else locate(maker)

    spec = mapping(maker.get("spec"))
    made = {
        "apiVersion": maker.get("apiVersion"),
        "kind": "ExternalSecret",
        "metadata": {"name": spec.get("externalSecretName") or mapping(maker.get("metadata")).get("name")},
        "spec": spec.get("externalSecretSpec"),
    }
    for external_secret in read_external_secrets([made], store, in_maker):
        yield replace(external_secret, of_cluster=True)


def _asks_for_one(entry: Reference) -> bool:
    """Whether it names a parameter of the platform's store."""
    return bool(entry.path) and not entry.find and not entry.store


def _references(
    spec: Mapping[str, Any],
    name: str,
    default_store: str,
    store: str,
    locate: Callable[..., Location],
    *,
    old: bool,
) -> Iterator[Reference]:
    for entry, steps in _entries(spec, old=old):
        part, _, *parents, field = steps
        said = mapping(entry.get(parents[0])) if parents else entry
        key, find = said.get(field), "find" in parents
        reads = _read_from(entry, default_store)
        yield Reference(
            # A key that is not a string in the render breaks a rule, which shows it as kustomize wrote it.
            path="" if key is None else str(key),
            where=locate("spec", *steps),
            external_secret=name,
            secret_key=_string(entry.get("secretKey")),
            property=_string(said.get("property")),
            version=_string(said.get("version")),
            extract=part == "dataFrom" and not find,
            find=find,
            store="" if reads == store else reads,
        )


def _read_by(spec: Mapping[str, Any], default_store: str) -> set[str]:
    """The stores and generators that the entries read; of a spec without any entry, the store that it names."""
    entries = [entry for field in ("data", "dataFrom") for entry in map(mapping, _sequence(spec.get(field)))]
    return {_read_from(entry, default_store) for entry in entries} or {default_store}


def _read_from(entry: Mapping[str, Any], default_store: str) -> str:
    """The store that an entry reads, or the kind of its generator."""
    source = mapping(entry.get("sourceRef"))
    generator = _string(mapping(source.get("generatorRef")).get("kind"))
    return _string(mapping(source.get("storeRef")).get("name")) or generator or default_store


def _entries(spec: Mapping[str, Any], *, old: bool) -> Iterator[tuple[Mapping[str, Any], tuple[Any, ...]]]:
    """Each entry of both lists, and the steps below `spec` to what it reads (or would, were that there).

    old: `dataFrom` is a list of keys, as in v1alpha1.
    """
    for index, entry in enumerate(map(mapping, _sequence(spec.get("data")))):
        yield entry, ("data", index, "remoteRef", "key")
    for index, entry in enumerate(map(mapping, _sequence(spec.get("dataFrom")))):
        if "find" not in entry:
            yield entry, ("dataFrom", index, "key") if old else ("dataFrom", index, "extract", "key")
        elif "path" in mapping(entry.get("find")):  # without one it searches by name or tag alone
            yield entry, ("dataFrom", index, "find", "path")


def read_consumers(resources: Sequence[Mapping[str, Any]]) -> tuple[Consumer, ...]:
    """Who reads which Secret: claims (`secret1Name`, …), pod templates and service accounts, wherever they say so."""
    found: dict[Consumer, None] = {}
    for resource in flattened(resources):
        if _string(resource.get("apiVersion")).startswith(_GROUP):
            continue
        metadata = mapping(resource.get("metadata"))
        kind, name = _string(resource.get("kind")), str(metadata.get("name", ""))
        namespace = _string(metadata.get("namespace"))
        for field, secret, optional in named_secrets(resource):
            found[Consumer(kind, name, secret, field, optional, namespace)] = None
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
                if isinstance(value, str) and (CLAIM_FIELD.fullmatch(str(key)) or key == "secretName"):
                    yield str(key), value, current.get("optional") is True
                elif key in ("secretRef", "secretKeyRef", "secret") and _string(mapping(value).get("name")):
                    yield key, value["name"], mapping(value).get("optional") is True
                elif key == "imagePullSecrets":
                    names = (_string(mapping(entry).get("name")) for entry in _sequence(value))
                    yield from ((key, name, False) for name in names if name)
                if not isinstance(value, str):
                    pending.append(value)
