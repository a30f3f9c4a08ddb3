"""Which Secrets a rendered overlay makes, and what in it reads them.

Pure. A Secret can be made in many ways and named in many more: where doubt is left, a Secret counts as made, and as
read, since a wrong accusation costs a reader more than a missed one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from secret_action.manifest.external_secrets import mapping, named_secrets
from secret_action.model import ExternalSecret
from secret_action.naming import CLAIM_FIELD

Resource = Mapping[str, Any]

_WORKLOADS = (
    *("Pod", "PodTemplate", "ReplicaSet", "ReplicationController", "Deployment", "StatefulSet", "DaemonSet"),
    *("Job", "CronJob", "Rollout", "ScaledJob"),
)
_PLATFORM = "zerotouch.io/"

# Kinds that name the Secret that they make, beside those that call it by their own name.
_NAMED_AT: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "Secret": (),
    "SealedSecret": (("spec", "template", "metadata", "name"),),
    "ExternalSecret": (("spec", "target", "name"), ("spec", "template", "metadata", "name")),
    "ClusterExternalSecret": (
        ("spec", "externalSecretSpec", "target", "name"),
        ("spec", "externalSecretName"),
    ),
    "Certificate": (("spec", "secretName"),),
    "OnePasswordItem": (),
    "BitwardenSecret": (("spec", "secretName"),),
    "VaultStaticSecret": (("spec", "destination", "name"),),
    "VaultDynamicSecret": (("spec", "destination", "name"),),
    "VaultPKISecret": (("spec", "destination", "name"),),
    "DopplerSecret": (("spec", "managedSecret", "name"),),
    "InfisicalSecret": (("spec", "managedSecretReference", "secretName"),),
    "KafkaUser": (),
}
_ISSUERS = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer")
_CONNECTIONS = ("writeConnectionSecretToRef", "publishConnectionDetailsTo")
# Kinds whose controllers make Secrets under names that begin with their own.
_BY_PREFIX = ("HelmRelease", "HelmChart", "Cluster", "PostgresCluster", "Elasticsearch", "Kibana", "RabbitmqCluster")


@dataclass(frozen=True)
class Use:
    """A workload or claim that will not run without a Secret. field: its last key, as `secret2Name` or `secretRef`."""

    resource: Resource
    field: str
    secret: str

    @property
    def who(self) -> str:
        """`WebService my-service`."""
        return f"{self.resource.get('kind')} {name_of(self.resource)}"


def name_of(resource: Resource) -> str:
    """`metadata.name`."""
    return str(mapping(resource.get("metadata")).get("name", ""))


def is_claim(resource: Resource) -> bool:
    """True for a claim of the platform that makes pods: it names their Secrets as `secret1Name`, `secret2Name`, …"""
    if any(CLAIM_FIELD.fullmatch(str(field)) for field in mapping(resource.get("spec"))):
        return True
    return _PLATFORM in str(resource.get("apiVersion")) and not str(resource.get("kind")).endswith("Instance")


def could_consume(resources: Iterable[Resource]) -> bool:
    """True where there is a workload or claim at all."""
    return any(resource.get("kind") in _WORKLOADS or is_claim(resource) for resource in resources)


def uses(resources: Iterable[Resource]) -> Iterator[Use]:
    """The Secrets that workloads and claims need, each once per field; those that may be missing are not among them."""
    for resource in resources:
        if resource.get("kind") in _WORKLOADS or is_claim(resource):
            for field, secret, optional in dict.fromkeys(named_secrets(resource)):
                if secret and not optional:
                    yield Use(resource, field, secret)


def made(resources: Iterable[Resource]) -> set[str]:
    """The names of all Secrets that are in these resources or come of them, whoever makes them."""
    names: set[str] = set()
    for resource in resources:
        kind, name = str(resource.get("kind")), name_of(resource)
        if kind in _NAMED_AT:
            named = (_at(resource, path) for path in _NAMED_AT[kind])
            names.add(next((each for each in named if each), name))
        names.update(_made_by_controllers(resource))
    return names


def made_elsewhere(resources: Iterable[Resource]) -> set[str]:
    """Those that a controller makes for a claim: one overlay's claim may serve its neighbours."""
    return {name for resource in resources for name in _made_by_controllers(resource)}


def _made_by_controllers(resource: Resource) -> Iterator[str]:
    kind, name, spec = str(resource.get("kind")), name_of(resource), mapping(resource.get("spec"))
    if kind.endswith("Instance"):
        yield f"{name}-conn"
    for field in _CONNECTIONS:
        yield _at(spec, (field, "name"))
    annotations = mapping(mapping(resource.get("metadata")).get("annotations"))
    if any(annotations.get(issuer) for issuer in _ISSUERS):
        yield from (secret for field, secret, _ in named_secrets(resource) if field == "secretName")
        yield from _certificates_of_gateway(spec)


def _certificates_of_gateway(spec: Resource) -> Iterator[str]:
    for listener in _list(spec.get("listeners")):
        for reference in _list(mapping(mapping(listener).get("tls")).get("certificateRefs")):
            yield _at(mapping(reference), ("name",))


def is_made(secret: str, names: set[str], resources: Iterable[Resource]) -> bool:
    """True where a Secret is among the names, or bears the name of something whose controller makes Secrets."""
    return secret in names or any(
        secret.startswith(f"{name_of(resource)}-") for resource in resources if resource.get("kind") in _BY_PREFIX
    )


def mentioned(resources: Iterable[Resource]) -> set[str]:
    """The texts by which anything but an ExternalSecret may name a Secret: pods, claims, and any controller."""
    found: set[str] = set()
    for resource in resources:
        if str(resource.get("kind")).endswith("ExternalSecret"):
            continue
        annotations = mapping(mapping(resource.get("metadata")).get("annotations"))
        found.update(
            value
            for key, value in annotations.items()
            if isinstance(value, str) and "secret" in str(key) and "reloader" not in str(key)
        )
        found.update(_under_secret(resource))
    return found


def _under_secret(resource: Resource) -> Iterator[str]:
    """Texts below a key that has `secret` in it, and names that stand beside a `key` or `kind: Secret`."""
    pending: list[tuple[Any, bool]] = [
        (value, False) for field, value in resource.items() if field not in ("metadata", "data", "stringData")
    ]
    if resource.get("kind") == "ServiceAccount":
        pending = [(value, True) for field, value in resource.items() if field != "metadata"]
    seen: set[tuple[int, bool]] = set()
    while pending:
        node, named = pending.pop()
        if isinstance(node, str):
            if named:
                yield node
        elif isinstance(node, list | Mapping) and (id(node), named) not in seen:  # aliases come once
            seen.add((id(node), named))
            if isinstance(node, list):
                pending.extend((each, named) for each in node)
                continue
            selects = isinstance(node.get("key"), str) or node.get("kind") == "Secret"
            for key, value in node.items():
                below = named or "secret" in str(key).lower() or (selects and key == "name")
                pending.append((value, below))


class Beside:
    """What another overlay of the environment deploys, as far as a resource can see it.

    That is what may lie in its namespace. An overlay that has the same resource is a copy, deployed to another cluster:
    in one there is only one thing of that kind and name.
    """

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources = tuple(resources)

    def makes(self, secret: str, resource: Resource) -> bool:
        """True where it makes a Secret that the resource needs."""
        return any(is_made(secret, *self._made[space]) for space in self._seen_by(resource))

    def mentions(self, secret: str, resource: Resource) -> bool:
        """True where it names a Secret that the resource makes."""
        return any(secret in self._mentioned[space] for space in self._seen_by(resource))

    def _seen_by(self, resource: Resource) -> Iterator[str]:
        if _identity(resource) not in self._identities:
            yield from ({"", _namespace(resource)} if _namespace(resource) else {_ANY}) & self._spaces.keys()

    @cached_property
    def _identities(self) -> frozenset[tuple[Any, str, str]]:
        return frozenset(map(_identity, self._resources))

    @cached_property
    def _spaces(self) -> Mapping[str, Sequence[Resource]]:
        spaces: dict[str, list[Resource]] = {_ANY: [*self._resources]}
        for resource in self._resources:
            spaces.setdefault(_namespace(resource), []).append(resource)
        return spaces

    @cached_property
    def _made(self) -> Mapping[str, tuple[set[str], Sequence[Resource]]]:
        return {
            space: (made(resources), [each for each in resources if each.get("kind") in _BY_PREFIX])
            for space, resources in self._spaces.items()
        }

    @cached_property
    def _mentioned(self) -> Mapping[str, set[str]]:
        return {space: mentioned(resources) for space, resources in self._spaces.items()}


_ANY = "*"
"""In the place of a namespace."""


def _namespace(resource: Resource) -> str:
    return str(mapping(resource.get("metadata")).get("namespace") or "")


def _identity(resource: Resource) -> tuple[Any, str, str]:
    return resource.get("kind"), name_of(resource), _namespace(resource)


def serves_a_controller(external_secret: ExternalSecret) -> bool:
    """True where the Secret has labels or annotations of its own, by which a controller or sidecar finds it."""
    metadata = mapping(_at_node(external_secret.spec, ("target", "template", "metadata")))
    return bool(metadata.get("labels") or metadata.get("annotations"))


def _at(node: Any, path: tuple[str, ...]) -> str:
    found = _at_node(node, path)
    return found if isinstance(found, str) else ""


def _at_node(node: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        node = mapping(node).get(key)
    return node


def _list(node: Any) -> list[Any]:
    return node if isinstance(node, list) else []
