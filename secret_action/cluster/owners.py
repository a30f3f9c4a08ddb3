"""Which workloads belong to a platform claim that names a Secret, up the chain of owners.

A claim (`WebService` with `secret1Name`) makes a workload whose pod template as a rule names the Secret itself; then
nothing is asked here. Only where no template does are owners looked at, and what cannot be read ends the chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.consumption import Use
from secret_action.cluster.errors import ApiError
from secret_action.cluster.live import Object, entries, section, text
from secret_action.cluster.paths import Resource
from secret_action.cluster.standing import Workload
from secret_action.model import Consumer

_CLAIM_FIELD = re.compile(r"secret[0-9]+Name")
_CLAIM_NAME = "crossplane.io/claim-name"
_CLAIM_NAMESPACE = "crossplane.io/claim-namespace"
_DEEPEST = 6  # owners above one another


def claims(consumers: Iterable[Consumer]) -> tuple[Consumer, ...]:
    """The claims among those who read Secrets."""
    return tuple(consumer for consumer in consumers if _CLAIM_FIELD.fullmatch(consumer.field))


class Owners:
    """Looks owners up; each is read once."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._known: dict[str, Object | None] = {}

    def assign(self, workloads: Sequence[Workload], wanted: Sequence[Consumer]) -> tuple[Workload, ...]:
        """The workloads, each with what the claims above it read."""
        return tuple(self._with_claims(workload, wanted) for workload in workloads)

    def _with_claims(self, workload: Workload, wanted: Sequence[Consumer]) -> Workload:
        above = set(self._above(workload))
        read = {claim.secret_name for claim in wanted if (claim.kind, claim.name) in above or ("", claim.name) in above}
        return replace(workload, claimed=tuple(Use(name, True, False) for name in sorted(read))) if read else workload

    def _above(self, workload: Workload) -> Iterator[tuple[str, str]]:
        """Kind and name of each owner; without a kind what a label says of the claim."""
        namespace, level = workload.namespace, [workload.live]
        for _ in range(_DEEPEST):
            following = []
            for thing in level:
                labels = section(thing, "metadata", "labels")
                claim = labels.get(_CLAIM_NAME)
                if isinstance(claim, str) and labels.get(_CLAIM_NAMESPACE, namespace) == namespace:
                    yield "", claim
                for owner in entries(section(thing, "metadata"), "ownerReferences"):
                    yield text(owner, "kind"), text(owner, "name")
                    if found := self._read(owner, namespace):
                        following.append(found)
            level = following

    def _read(self, owner: Object, namespace: str) -> Object | None:
        uid = text(owner, "uid")
        if uid not in self._known:
            self._known[uid] = self._fetch(owner, namespace)
        return self._known[uid]

    def _fetch(self, owner: Mapping[str, object], namespace: str) -> Object | None:
        """An owner is in the namespace of what it owns, or in none."""
        resource = Resource(text(owner, "apiVersion"), plural(text(owner, "kind")))
        for where in (namespace, ""):
            try:
                return self._api.get(resource.at(where, text(owner, "name")), metadata_only=True)
            except ApiError:
                continue
        return None


def plural(kind: str) -> str:
    """The resource of a kind, as Kubernetes' own tools guess it (`UnsafeGuessKindToResource`)."""
    lower = kind.lower()
    if lower.endswith("s"):
        return f"{lower}es"
    return f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}s"
