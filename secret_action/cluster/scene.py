"""What may read Secrets in some namespaces: the workloads there and their pods, one list for each kind and namespace.

It only reads. A right that is missing ends a run that is to roll workloads, and otherwise makes “not checked”.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from secret_action.cluster import errors
from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.changes import SecretData, secret_data
from secret_action.cluster.consumption import Use, merged
from secret_action.cluster.live import Key, Object, entries, name_of, section, text
from secret_action.cluster.parallel import each
from secret_action.cluster.paths import PODS, SECRETS, Place
from secret_action.cluster.pods import OwnerKey, Pod, pod
from secret_action.cluster.workload import KINDS, Workload, asks_for_roll
from secret_action.errors import ClusterError
from secret_action.model import Consumer, Problem, WorkloadResult, WorkloadState

_PODS = "100"  # in one answer: each is some 50 KiB as it comes, and several namespaces are read at a time
_ROLLOUTS_GROUP, _ROLLOUTS_VERSION = "argoproj.io", "v1alpha1"

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Scene:
    """What there is, as far as it may be seen."""

    workloads: tuple[Workload, ...]
    pods: Mapping[OwnerKey, Sequence[Pod]]
    """By the workload that they belong to, whether that is known or not."""
    blind: frozenset[str]
    """Namespaces whose pods may not be listed."""

    def uses(self, workload: Workload) -> tuple[Use, ...]:
        """The Secrets that it reads by its template, or by one of its pods."""
        own = (use for one in self.pods.get(workload.key, ()) for use in one.uses)
        return merged((*workload.uses, *own))

    def reads(self, workload: Workload, secrets: Collection[Key]) -> bool:
        """Whether it reads any of these Secrets."""
        return any((workload.namespace, use.secret) in secrets for use in self.uses(workload))

    @property
    def read(self) -> frozenset[Key]:
        """The Secrets that anybody reads."""
        by_workloads = {(one.namespace, use.secret) for one in self.workloads for use in one.uses}
        by_pods = {(key[0], use.secret) for key, found in self.pods.items() for one in found for use in one.uses}
        return frozenset(by_workloads | by_pods)


_MOST_NAMED = 6  # answers: one for each kind in a namespace


class Reader:
    """Reads, several requests at a time, and keeps what was refused. strict: the run is to roll workloads."""

    def __init__(self, api: KubernetesApi, *, strict: bool) -> None:
        self._api = api
        self._strict = strict
        self._refused: dict[Problem, None] = {}

    @property
    def not_checked(self) -> tuple[WorkloadResult, ...]:
        """One result for all that was refused; none where nothing was."""
        if not self._refused:
            return ()
        said = [one.what for one in self._refused]
        more = f"{len(said) - _MOST_NAMED} more such answers." if len(said) > _MOST_NAMED else ""
        detail = " ".join(filter(None, (*said[:_MOST_NAMED], more, next(iter(self._refused)).remedy)))
        return (WorkloadResult("Workloads", "", "", WorkloadState.NOT_CHECKED, detail=detail),)

    def end(self) -> None:
        """Raises ClusterError where something was refused that this run cannot do without."""
        if self._strict and self._refused:
            raise ClusterError(*self._refused)

    def scene(self, namespaces: Collection[str]) -> Scene:
        """All workloads and pods of these namespaces."""
        spaces = sorted(namespaces)
        kinds = [kind for kind in KINDS if kind != "Rollout" or self._knows_rollouts()]
        # The pods first, so that none is of a template that is newer than those that are seen.
        pods = dict(zip(spaces, self._all(lambda space: pod_list(self._api, space), spaces), strict=True))
        places = [(kind, space) for space in spaces for kind in kinds]
        lists = self._all(lambda place: live_list(self._api, KINDS[place[0]].at(place[1])), places)
        found = {place: listed or () for place, listed in zip(places, lists, strict=True)}
        deployments = {(space, name_of(live)): live for space in spaces for live in found["Deployment", space]}
        return Scene(
            tuple(
                Workload(kind, live, _template(kind, live, deployments))
                for (kind, _), listed in found.items()
                for live in listed
            ),
            by_owner(one for listed in pods.values() for one in listed or ()),
            frozenset(space for space, listed in pods.items() if listed is None),
        )

    def secrets(self, keys: Iterable[Key]) -> dict[Key, SecretData]:
        """The metadata of Secrets, as far as they are there and may be read."""
        asked = sorted(keys)
        found = self._all(lambda key: secret_data(self._api.get(SECRETS.at(*key), metadata_only=True)), asked)
        return {key: secret for key, secret in zip(asked, found, strict=True) if secret is not None}

    def check_rights(self, scene: Scene, consumers: Iterable[Consumer], secrets: Collection[Key]) -> None:
        """What rolling the readers of these Secrets needs besides what was read already."""
        rolled = {(one.kind, one.namespace) for one in scene.workloads if scene.reads(one, secrets)}
        rolled |= {(consumer.kind, namespace) for consumer, (namespace, _) in named(consumers, secrets)}
        wanted = [KINDS[kind].at(space) for kind, space in sorted(rolled) if kind in KINDS and kind != "CronJob"]
        allowed = each(lambda place: self._api.may("patch", place), wanted)
        denied = [errors.denied("patch", place) for place, granted in zip(wanted, allowed, strict=True) if not granted]
        self._refused.update(dict.fromkeys(denied))

    def _knows_rollouts(self) -> bool:
        (versions,) = self._all(self._api.served_versions, [_ROLLOUTS_GROUP])
        return _ROLLOUTS_VERSION in (versions or ())

    def _all(self, request: Callable[[Item], Result], items: Sequence[Item]) -> list[Result | None]:
        """The answer for each item; None where there is none that helps."""

        def attempt(item: Item) -> Result | ClusterError:
            try:
                return request(item)
            except ClusterError as error:
                return error

        found: list[Result | None] = []
        for answer in each(attempt, items):
            if isinstance(answer, ClusterError):
                self._note(answer)
                found.append(None)
            else:
                found.append(answer)
        return found

    def _note(self, error: ClusterError) -> None:
        """Raises what a run that rolls cannot do without, and may have another time."""
        if isinstance(error, errors.NotFound):
            return
        if self._strict and not isinstance(error, errors.Forbidden):
            raise error
        self._refused.update(dict.fromkeys(error.problems))


def live_list(api: KubernetesApi, place: Place) -> tuple[Object, ...]:
    """All objects of a place without what only their writers need; none of a kind that the cluster does not know."""
    try:
        return tuple(_slim(live) for page, _ in api.pages(place) for live in page)
    except errors.NotFound:
        return ()


def pod_list(api: KubernetesApi, namespace: str) -> tuple[Pod, ...]:
    """All pods of a namespace."""
    return tuple(pod(live) for page, _ in api.pages(PODS.at(namespace), limit=_PODS) for live in page)


def named(consumers: Iterable[Consumer], secrets: Collection[Key]) -> list[tuple[Consumer, Key]]:
    """Those of the manifests' consumers that name any of these Secrets, once for each."""
    spaces: dict[str, list[str]] = {}
    for space, name in sorted(secrets):
        spaces.setdefault(name, []).append(space)
    return [
        (consumer, (space, consumer.secret_name))
        for consumer in consumers
        for space in spaces.get(consumer.secret_name, ())
        if consumer.namespace in ("", space)
    ]


def by_owner(pods: Iterable[Pod]) -> dict[OwnerKey, list[Pod]]:
    """The pods of each workload."""
    found: dict[OwnerKey, list[Pod]] = {}
    for one in pods:
        found.setdefault(one.owner, []).append(one)
    return found


def _slim(live: Object) -> Object:
    metadata = section(live, "metadata")
    fields = [entry for entry in entries(metadata, "managedFields") if asks_for_roll(entry)]
    return {**live, "metadata": {**metadata, "managedFields": fields}}


def _template(kind: str, live: Object, deployments: Mapping[Key, Object]) -> Object:
    """What its pods are made from. A Rollout may take it from another object: from one that is not a Deployment it is
    not read, as its pods tell what they read."""
    if kind == "CronJob":
        return section(live, "spec", "jobTemplate", "spec", "template")
    reference = section(live, "spec", "workloadRef")
    if kind == "Rollout" and text(reference, "kind") == "Deployment":
        live = deployments.get((text(live, "metadata", "namespace"), text(reference, "name")), {})
    return section(live, "spec", "template")
