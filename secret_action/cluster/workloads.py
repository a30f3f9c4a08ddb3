"""The workloads that read the Secrets of a run: which are there, and which run with old data. It only reads.

Looked at twice, with one list for each kind and namespace: before the refresh, for what the Secrets hold then, and
after it. A right that is missing ends a run that is to roll them before its first write, and otherwise makes
“not checked”.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from secret_action.cluster import errors
from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.changes import SecretData, after, last_change, note, secret_data
from secret_action.cluster.consumption import uses
from secret_action.cluster.inspection import Inspection
from secret_action.cluster.live import Object, entries, name_of, section, text
from secret_action.cluster.owners import Owners, claims
from secret_action.cluster.parallel import each
from secret_action.cluster.paths import PODS, SECRETS, Place
from secret_action.cluster.progress import progress
from secret_action.cluster.standing import KINDS, Dated, Key, Standing, Workload, old_pods, standing
from secret_action.errors import ClusterError
from secret_action.model import Consumer, Problem, WorkloadResult, WorkloadState

_ROLLOUTS_GROUP, _ROLLOUTS_VERSION = "argoproj.io", "v1alpha1"
_HASH_LABELS = {"pod-template-hash": "Deployment", "rollouts-pod-template-hash": "Rollout"}

Result = TypeVar("Result")


@dataclass(frozen=True)
class Survey:
    """What was there before the refresh."""

    targets: Mapping[Key, Key]
    """By Secret the ExternalSecret that fills it; each as namespace and name."""
    before: Mapping[Key, SecretData]
    """The Secrets that somebody reads, as far as they were there and may be read."""
    changed: Mapping[Key, Dated]
    """The same, with their last change as known then."""
    notes: Mapping[Key, str]
    """By ExternalSecret what its next annotation is to end with, so that a later run knows of the last change."""
    consumers: tuple[Consumer, ...]


@dataclass(frozen=True)
class Look:
    """What is there after it."""

    standings: tuple[Standing, ...]
    others: tuple[WorkloadResult, ...] = ()
    """What is no workload that could be rolled here, and what could not be looked at."""
    fresh: bool = False
    """Some data changed since the survey, so perhaps in this very second."""

    @property
    def results(self) -> tuple[WorkloadResult, ...]:
        """How everything stands, nothing being rolled."""
        return (*(one.result() for one in self.standings), *self.others)


def survey(api: KubernetesApi, inspection: Inspection, consumers: Sequence[Consumer], *, restart: bool) -> Survey:
    """Looks before the refresh. consumers: those of the manifests. restart: the run is to roll workloads.

    Raises ClusterError, with all rights that are missing, only where it is to.
    """
    managed = [found for found in inspection.found if found.target.managed]
    targets = {(one.target.namespace, one.external_secret.secret_name): one.target.key for one in managed}
    live = {one.target.key: one.live for one in managed}
    reader = _Reader(api, strict=restart)
    workloads = reader.workloads({namespace for namespace, _ in targets})
    named = {consumer.secret_name for consumer in consumers}
    read = {(workload.namespace, use.secret) for workload in workloads for use in workload.uses}
    before = reader.secrets(key for key in targets if key in read or key[1] in named)
    if restart:
        reader.check_rights(workloads, consumers, {namespace for namespace, _ in targets})
    reader.end()
    changed = {
        key: Dated(last_change(secret, live[targets[key]]), secret.born, secret.annotations)
        for key, secret in before.items()
    }
    notes = {targets[key]: note(secret, changed[key].changed) for key, secret in before.items()}
    return Survey(targets, before, changed, notes, tuple(consumers))


def look(api: KubernetesApi, known: Survey, *, restart: bool, secrets_read: Mapping[Key, Object] | None = None) -> Look:
    """Looks after the refresh. Raises ClusterError only where workloads are to be rolled and cannot be seen.

    secrets_read: by ExternalSecret the metadata of its Secret where that was read since it was refreshed.
    """
    reader = _Reader(api, strict=restart)
    workloads = reader.workloads({namespace for namespace, _ in known.targets})
    pods = {namespace: reader.list(PODS.at(namespace)) for namespace in sorted({space for space, _ in known.targets})}
    blind = {namespace for namespace, found in pods.items() if found is None}
    owned = _by_owner(pod for found in pods.values() for pod in found or ())
    workloads, unknown = _with_claims(api, workloads, known)
    read = {(one.namespace, use.secret) for one in workloads for use in one.uses}
    read |= {(key[0], use.secret) for key, found in owned.items() for use in uses(section(found[0], "spec"))}
    seen = {
        (external_secret[0], name_of(secret)): secret_data(secret)
        for external_secret, secret in (secrets_read or {}).items()
    }
    wanted = {key for key in known.targets if key in read and key[0] not in blind}
    secrets = reader.secrets(wanted - seen.keys()) | {key: seen[key] for key in wanted & seen.keys()}
    reader.end()
    dated = {key: _since(key, secret, known) for key, secret in secrets.items()}
    by_namespace: dict[str, dict[str, Dated]] = {}
    for (namespace, name), secret in dated.items():
        by_namespace.setdefault(namespace, {})[name] = secret
    standings = [
        _stands(workload, owned.pop(workload.key, []), by_namespace.get(workload.namespace, {}))
        for workload in workloads
    ]
    strangers = [_stranger(key, found, by_namespace.get(key[0], {})) for key, found in sorted(owned.items())]
    return Look(
        tuple(filter(None, standings)),
        (*filter(None, strangers), *unknown, *reader.not_checked),
        any(not secret.same(known.before.get(key)) for key, secret in secrets.items()),
    )


class _Reader:
    """Reads, and keeps what was refused."""

    def __init__(self, api: KubernetesApi, *, strict: bool) -> None:
        self._api = api
        self._strict = strict
        self._refused: dict[Problem, None] = {}

    @property
    def not_checked(self) -> tuple[WorkloadResult, ...]:
        """One result for all that was refused; none where nothing was."""
        if not self._refused:
            return ()
        first, *more = self._refused
        others = f" {len(more)} more such answers." if more else ""
        detail = f"{first.what} {first.remedy}".strip() + others
        return (WorkloadResult("Workloads", "", "", WorkloadState.NOT_CHECKED, detail=detail),)

    def end(self) -> None:
        """Raises ClusterError where something was refused that this run cannot do without."""
        if self._strict and self._refused:
            raise ClusterError(*self._refused)

    def list(self, place: Place) -> tuple[Object, ...] | None:
        """All objects of a place, none of a kind that the cluster does not know; None where it is refused."""
        nothing: tuple[Object, ...] = ()
        return self._asked(lambda: self._api.list(place)[0], nothing)

    def workloads(self, namespaces: set[str]) -> tuple[Workload, ...]:
        """All workloads of these namespaces, as far as they may be seen."""
        kinds = [kind for kind in KINDS if kind != "Rollout" or self._knows_rollouts()]
        found: list[Workload] = []
        for namespace in sorted(namespaces):
            live = {kind: self.list(KINDS[kind].at(namespace)) or () for kind in kinds}
            templates = {name_of(one): section(one, "spec", "template") for one in live["Deployment"]}
            for kind, listed in live.items():
                found += [Workload(kind, one, _template(kind, one, templates)) for one in listed]
        return tuple(found)

    def secrets(self, keys: Iterable[Key]) -> dict[Key, SecretData]:
        """The metadata of Secrets, as far as they are there and may be read."""

        def read(key: Key) -> SecretData | None:
            place = SECRETS.at(*key)
            return self._asked(lambda: secret_data(self._api.get(place, metadata_only=True)), None)

        asked = sorted(keys)
        return {key: secret for key, secret in zip(asked, each(read, asked), strict=True) if secret is not None}

    def check_rights(self, workloads: Iterable[Workload], consumers: Iterable[Consumer], namespaces: set[str]) -> None:
        """What rolling needs besides what was read already."""
        to_come = {consumer.kind for consumer in consumers}
        places = {("list", PODS.at(namespace)) for namespace in namespaces}
        for namespace in namespaces:
            there = {workload.kind for workload in workloads if workload.namespace == namespace and workload.uses}
            rolled = (there | to_come) & (KINDS.keys() - {"CronJob"})
            places |= {("patch", KINDS[kind].at(namespace)) for kind in rolled}
        for verb, place in sorted(places, key=str):
            if not self._api.may(verb, place):
                self._refused[errors.denied(verb, place)] = None

    def _knows_rollouts(self) -> bool:
        nothing: tuple[str, ...] = ()
        return _ROLLOUTS_VERSION in (self._asked(lambda: self._api.served_versions(_ROLLOUTS_GROUP), nothing) or ())

    def _asked(self, request: Callable[[], Result], absent: Result) -> Result | None:
        """The answer, or None where there is none that helps."""
        try:
            return request()
        except errors.NotFound:
            return absent
        except errors.ApiError as error:
            if self._strict and not isinstance(error, errors.Forbidden):
                raise
            self._refused.update(dict.fromkeys(error.problems))
            return None


def owner_of(pod: Object) -> tuple[str, str, str]:
    """Namespace, kind and name of the workload that a pod belongs to; itself where it belongs to none."""
    namespace = text(pod, "metadata", "namespace")
    for owner in entries(section(pod, "metadata"), "ownerReferences"):
        if owner.get("controller") is True:
            kind, name = text(owner, "kind"), text(owner, "name")
            # A Deployment names its ReplicaSets after itself and the template's hash, which the pods bear as a label.
            for label, above in _HASH_LABELS.items() if kind == "ReplicaSet" else ():
                found = text(pod, "metadata", "labels", label)
                if found and name.endswith(f"-{found}"):
                    return namespace, above, name.removesuffix(f"-{found}")
            return namespace, kind, name
    return namespace, "Pod", name_of(pod)


def _by_owner(pods: Iterable[Object]) -> dict[tuple[str, str, str], list[Object]]:
    found: dict[tuple[str, str, str], list[Object]] = {}
    for pod in pods:
        found.setdefault(owner_of(pod), []).append(pod)
    return found


def _stands(workload: Workload, pods: Sequence[Object], secrets: Mapping[str, Dated]) -> Standing | None:
    """How it stands; one that was rolled for the last change, and has not got all its new pods, is not done."""
    one = standing(workload, pods, secrets)
    if one is None or one.state is not WorkloadState.UP_TO_DATE or not workload.asked:
        return one
    changes = [changed for name in one.secrets if (changed := secrets[name].changed)]
    if not changes or workload.asked != after(max(changes)) or (state := progress(workload, pods, ())).done:
        return one
    return replace(one, newest=max(changes), can_roll=True, detail=f"Its new pods are not all there: {state.words}.")


def _template(kind: str, live: Object, deployments: Mapping[str, Object]) -> Object:
    if kind == "CronJob":
        return section(live, "spec", "jobTemplate", "spec", "template")
    reference = section(live, "spec", "workloadRef")  # of a Rollout that takes its template from a Deployment
    if kind == "Rollout" and text(reference, "kind") == "Deployment":
        return deployments.get(text(reference, "name"), {})
    return section(live, "spec", "template")


def _since(key: Key, secret: SecretData, known: Survey) -> Dated:
    """Its last change: as known before where the data is the same, else the time of the write that brought it."""
    if secret.same(known.before.get(key)):
        return known.changed[key]
    return Dated(secret.written, secret.born, secret.annotations)


def _with_claims(
    api: KubernetesApi, workloads: tuple[Workload, ...], known: Survey
) -> tuple[tuple[Workload, ...], tuple[WorkloadResult, ...]]:
    """Workloads with what their claims read, and the claims that nothing is seen to belong to."""
    secrets = {name for _, name in known.targets}
    read = {use.secret for workload in workloads for use in workload.uses}
    open_claims = [claim for claim in claims(known.consumers) if claim.secret_name in secrets - read]
    if not open_claims:
        return workloads, ()
    workloads = Owners(api).assign(workloads, open_claims)
    found = {use.secret for workload in workloads for use in workload.claimed}
    unknown: dict[tuple[str, str], list[str]] = {}
    for claim in open_claims:
        if claim.secret_name not in found:
            unknown.setdefault((claim.kind, claim.name), []).append(claim.secret_name)
    namespaces = {name: namespace for namespace, name in known.targets}
    return workloads, tuple(
        WorkloadResult(
            kind,
            namespaces[names[0]],
            name,
            WorkloadState.NOT_CHECKED,
            tuple(names),
            detail="No workload in the namespace is seen to belong to it.",
        )
        for (kind, name), names in unknown.items()
    )


def _stranger(key: tuple[str, str, str], pods: Sequence[Object], secrets: Mapping[str, Dated]) -> WorkloadResult | None:
    """Pods with old data that no workload known here owns; those of Jobs end by themselves."""
    namespace, kind, name = key
    if kind == "Job":
        return None
    running = [pod for pod in pods if text(pod, "status", "phase") not in ("Succeeded", "Failed")]
    lacking: dict[str, dict[str, str]] = {}
    for use in uses(section(pods[0], "spec")):
        if use.at_start and use.secret in secrets and (old := old_pods(running, use, secrets[use.secret])):
            lacking[use.secret] = old
    if not lacking:
        return None
    since = min(changed for secret in lacking if (changed := secrets[secret].changed))
    names = sorted({pod for old in lacking.values() for pod in old.values()})
    owner = Workload(kind, {"metadata": {"namespace": namespace, "name": name}}, {})
    if kind in KINDS:  # which may not be listed
        detail, command = f"Its pods were made before {', '.join(lacking)} changed.", owner.restart_command
    elif kind == "Pod":
        detail, command = "It has no controller that would make it anew.", ""
    else:
        detail, command = f"A {kind} is not rolled here.", f"kubectl -n {namespace} delete pod {' '.join(names)}"
    state = WorkloadState.STILL_OLD
    return Standing(owner, state, tuple(lacking), {}, since, detail=detail, command=command).result()


def stale(seen: Look) -> tuple[Standing, ...]:
    """The workloads that run with old data and that a roll, ours or Reloader's, renews."""
    left = WorkloadState.LEFT_TO_RELOADER
    return tuple(one for one in seen.standings if one.can_roll or (one.state is left and one.old))
