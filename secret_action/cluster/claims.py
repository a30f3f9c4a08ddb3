"""Which workloads read a Secret for a platform claim that names it.

A claim (`WebService` with `secret1Name`) makes workloads, which as a rule read the Secret as any other does; then
there is nothing to find out. Where none of them is seen to, those that belong to the claim are taken to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from secret_action.cluster.consumption import Use
from secret_action.cluster.live import Key
from secret_action.cluster.owners import Above, Owners, directly_above
from secret_action.cluster.pods import OwnerKey
from secret_action.cluster.scene import Scene, named
from secret_action.cluster.workload import Workload
from secret_action.model import Consumer, WorkloadResult, WorkloadState
from secret_action.naming import CLAIM_FIELD


@dataclass(frozen=True)
class Claim:
    """A claim, and one Secret that it names."""

    kind: str
    name: str
    secret: Key

    @property
    def namespace(self) -> str:
        """The one that the claim and its Secret are in."""
        return self.secret[0]


def with_claims(
    owners: Owners, scene: Scene, consumers: Iterable[Consumer], secrets: Collection[Key]
) -> tuple[Scene, tuple[WorkloadResult, ...]]:
    """The scene with what its workloads read for claims, and the claims of which none is seen to read.

    consumers: those of the manifests; secrets: those of the run. Owners are read only for claims that the workloads
    themselves do not settle.
    """
    claims = {
        Claim(consumer.kind, consumer.name, key): None
        for consumer, key in named(consumers, secrets)
        if CLAIM_FIELD.fullmatch(consumer.field)
    }
    here = _by_namespace(scene.workloads)
    open_ = [claim for claim in claims if not _settled(claim, here.get(claim.namespace, ()), scene)]
    asked = [one for namespace in {claim.namespace for claim in open_} for one in here.get(namespace, ())]
    above = owners.above(asked) if asked else {}
    reading: dict[OwnerKey, list[str]] = {}
    lost: dict[tuple[str, str, str], list[Claim]] = {}
    for claim in open_:
        mine = [one for one in here.get(claim.namespace, ()) if (claim.kind, claim.name) in above[one.key]]
        if not mine:
            lost.setdefault((claim.namespace, claim.kind, claim.name), []).append(claim)
        elif not any(scene.reads(one, {claim.secret}) for one in mine):
            for one in mine:
                reading.setdefault(one.key, []).append(claim.secret[1])
    workloads = tuple(
        replace(one, claimed=tuple(Use(name, True, False) for name in reading.get(one.key, ())))
        for one in scene.workloads
    )
    found = replace(scene, workloads=workloads)
    return found, tuple(_not_checked(claims, here.get(key[0], ()), above) for key, claims in lost.items())


def _by_namespace(workloads: Iterable[Workload]) -> dict[str, list[Workload]]:
    found: dict[str, list[Workload]] = {}
    for one in workloads:
        found.setdefault(one.namespace, []).append(one)
    return found


def _settled(claim: Claim, here: Iterable[Workload], scene: Scene) -> bool:
    """A workload reads the Secret that says itself whose it is, or is named after the claim."""
    return any(
        ((claim.kind, claim.name) in directly_above(one) or f"{one.name}-".startswith(f"{claim.name}-"))
        and scene.reads(one, {claim.secret})
        for one in here
    )


def _not_checked(lost: Sequence[Claim], here: Iterable[Workload], above: dict[OwnerKey, Above]) -> WorkloadResult:
    first = lost[0]
    refused = next((problem for one in here if (problem := above[one.key].refused)), None)
    said = f" {refused.what} {refused.remedy}" if refused else ""
    return WorkloadResult(
        first.kind,
        first.namespace,
        first.name,
        WorkloadState.NOT_CHECKED,
        tuple(claim.secret[1] for claim in lost),
        detail=f"No workload in the namespace is seen to belong to it.{said}",
    )
