"""The workloads that read the Secrets of a run: which are there, and which run with old data. It only reads.

Looked at twice: before the refresh, for what the Secrets hold then, and after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.changes import SecretData, last_change, note, secret_data
from secret_action.cluster.claims import with_claims
from secret_action.cluster.inspection import Inspection
from secret_action.cluster.live import Key, Object, name_of
from secret_action.cluster.owners import Owners
from secret_action.cluster.scene import Reader, named
from secret_action.cluster.standing import Dated, Standing, Step, standing, stranger
from secret_action.model import Consumer, WorkloadResult


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

    @property
    def namespaces(self) -> frozenset[str]:
        """Those of the Secrets."""
        return frozenset(namespace for namespace, _ in self.targets)


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

    @property
    def unfinished(self) -> tuple[Standing, ...]:
        """The workloads that a run which rolls has something to do about."""
        return tuple(one for one in self.standings if one.step is not Step.NONE)


def survey(api: KubernetesApi, inspection: Inspection, consumers: Sequence[Consumer], *, restart: bool) -> Survey:
    """Looks before the refresh. consumers: those of the manifests. restart: the run is to roll workloads.

    Raises ClusterError, with all rights that are missing, only where it is to.
    """
    managed = [found for found in inspection.found if found.target.managed]
    targets = {(one.target.namespace, one.external_secret.secret_name): one.target.key for one in managed}
    live = {one.target.key: one.live for one in managed}
    reader = Reader(api, strict=restart)
    scene = reader.scene({namespace for namespace, _ in targets})
    before = reader.secrets(targets.keys() & (scene.read | {key for _, key in named(consumers, targets)}))
    if restart:
        reader.check_rights(scene, consumers, targets)
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
    reader = Reader(api, strict=restart)
    scene, unknown = with_claims(Owners(api), reader.scene(known.namespaces), known.consumers, known.targets)
    seen = {(key[0], name_of(secret)): secret_data(secret) for key, secret in (secrets_read or {}).items()}
    wanted = {key for key in known.targets.keys() & scene.read if key[0] not in scene.blind}
    secrets = reader.secrets(wanted - seen.keys()) | {key: seen[key] for key in wanted & seen.keys()}
    reader.end()
    dated: dict[str, dict[str, Dated]] = {}
    for (namespace, name), secret in secrets.items():
        dated.setdefault(namespace, {})[name] = _since((namespace, name), secret, known)
    standings = [standing(one, scene.pods.get(one.key, ()), dated.get(one.namespace, {})) for one in scene.workloads]
    foreign = sorted(scene.pods.keys() - {one.key for one in scene.workloads})
    strangers = [stranger(owner, scene.pods[owner], dated.get(owner[0], {})) for owner in foreign]
    return Look(
        tuple(filter(None, standings)),
        (*filter(None, strangers), *unknown, *reader.not_checked),
        any(one.fresh for found in dated.values() for one in found.values()),
    )


def _since(key: Key, secret: SecretData, known: Survey) -> Dated:
    """Its last change: as known before where the data is the same, else the time of the write that brought it."""
    if secret.same(known.before.get(key)):
        return known.changed[key]
    return Dated(secret.written, secret.born, secret.annotations, fresh=True)
