"""What stands above workloads in the chain of their owners, read level by level, each owner once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.errors import NotFound
from secret_action.cluster.live import Object, entries, section, text
from secret_action.cluster.parallel import each
from secret_action.cluster.paths import Resource
from secret_action.cluster.pods import OwnerKey
from secret_action.cluster.workload import Workload
from secret_action.errors import ClusterError
from secret_action.model import Problem

_CLAIM_NAME = "crossplane.io/claim-name"
_CLAIM_NAMESPACE = "crossplane.io/claim-namespace"
_DEEPEST = 6  # owners above one another

Named = tuple[str, str]
"""Kind and name of an owner; without a kind what a label says of the claim."""


@dataclass(frozen=True)
class Above:
    """What is above one workload."""

    owners: frozenset[Named]
    refused: Problem | None = None
    """Why the chain could not be followed to its end."""

    def __contains__(self, owner: Named) -> bool:
        return owner in self.owners or ("", owner[1]) in self.owners


def directly_above(workload: Workload) -> Above:
    """What the workload itself says of its owners."""
    return Above(frozenset(_named(workload.live, workload.namespace)))


class Owners:
    """Reads the metadata of owners."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        self._known: dict[str, Object | ClusterError | None] = {}

    def above(self, workloads: Sequence[Workload]) -> dict[OwnerKey, Above]:
        """By workload what is above it. Raises nothing: what cannot be read ends the chain, and is said."""
        found: dict[OwnerKey, set[Named]] = {one.key: set() for one in workloads}
        refused: dict[OwnerKey, Problem] = {}
        level: list[tuple[OwnerKey, Object]] = [(one.key, one.live) for one in workloads]
        for _ in range(_DEEPEST):
            for key, thing in level:
                found[key].update(_named(thing, key[0]))
            references = [(key, reference) for key, thing in level for reference in _references(thing)]
            self._read((key[0], reference) for key, reference in references)
            level = []
            for key, reference in references:
                owner = self._known[text(reference, "uid")]
                if isinstance(owner, ClusterError):
                    refused.setdefault(key, owner.problems[0])
                elif owner is not None:
                    level.append((key, owner))
        return {key: Above(frozenset(owners), refused.get(key)) for key, owners in found.items()}

    def _read(self, references: Iterable[tuple[str, Object]]) -> None:
        """references: with the namespace of what they are written in."""
        new = {uid: one for one in references if (uid := text(one[1], "uid")) not in self._known}
        versions = sorted({text(reference, "apiVersion") for _, reference in new.values()} - self._kinds.keys())
        self._kinds.update(zip(versions, each(self._kinds_of, versions), strict=True))
        self._known.update(zip(new, each(self._fetch, new.values()), strict=True))

    def _kinds_of(self, group_version: str) -> dict[str, tuple[str, bool]]:
        try:
            return self._api.kinds(group_version)
        except ClusterError:
            return {}

    def _fetch(self, one: tuple[str, Object]) -> Object | ClusterError | None:
        """An owner is in the namespace of what it owns, or in none; None where it is gone, or its kind."""
        namespace, reference = one
        version = text(reference, "apiVersion")
        plural, namespaced = self._kinds[version].get(text(reference, "kind"), ("", False))
        if not plural:
            return None
        place = Resource(version, plural).at(namespace if namespaced else "", text(reference, "name"))
        try:
            return self._api.get(place, metadata_only=True)
        except NotFound:
            return None
        except ClusterError as error:
            return error


def _references(thing: Object) -> tuple[Object, ...]:
    return entries(section(thing, "metadata"), "ownerReferences")


def _named(thing: Object, namespace: str) -> Iterator[Named]:
    labels = section(thing, "metadata", "labels")
    claim = labels.get(_CLAIM_NAME)
    if isinstance(claim, str) and labels.get(_CLAIM_NAMESPACE, namespace) == namespace:
        yield "", claim
    for owner in _references(thing):
        yield text(owner, "kind"), text(owner, "name")
