"""The workloads that read the Secrets of a run: which are there, and which run with old data. It only reads.

Looked at twice: before the refresh, for what the Secrets hold then, and after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.changes import Past, SecretData, note, past, secret_data, unnoted
from secret_action.cluster.claims import with_claims
from secret_action.cluster.consumption import Use, reloader_marks
from secret_action.cluster.inspection import Inspection
from secret_action.cluster.live import Key, Object, name_of, text
from secret_action.cluster.owners import Owners
from secret_action.cluster.paths import Place, Resource
from secret_action.cluster.pods import OwnerKey
from secret_action.cluster.proof import ANNOTATION
from secret_action.cluster.scene import Reader, Scene, named
from secret_action.cluster.standing import Dated, Reloads, Standing, Step, has_read, old_pods, standing, stranger
from secret_action.cluster.workload import Workload
from secret_action.model import Consumer, WorkloadResult
from secret_action.naming import CLAIM_FIELD


@dataclass(frozen=True)
class Survey:
    """What was there before the refresh."""

    targets: Mapping[Key, Key]
    """By Secret the ExternalSecret that fills it; each as namespace and name."""
    before: Mapping[Key, SecretData]
    """The Secrets that somebody reads, as far as they were there and may be read."""
    changed: Mapping[Key, Dated]
    """The same, with their last change as known then."""
    begun: Mapping[Key, frozenset[str]]
    """The Secrets that were not there, and for each the pods that had begun all the same."""
    notes: Mapping[Key, str]
    """By ExternalSecret what its next annotation is to end with, so that a later run knows of the last change."""
    marks: Mapping[OwnerKey, Mapping[str, str]]
    """By workload what Reloader had written into its template."""
    tokens: Mapping[Key, str]
    """By ExternalSecret our annotation as it was."""
    resource: Resource
    """ExternalSecrets, in the version that is spoken to the cluster."""
    consumers: tuple[Consumer, ...]

    @property
    def namespaces(self) -> frozenset[str]:
        """Those of the Secrets."""
        return frozenset(namespace for namespace, _ in self.targets)


@dataclass(frozen=True)
class Noted:
    """A Secret whose ExternalSecret this run has annotated, as its copy of the annotation shows."""

    secret: SecretData
    dated: Dated
    place: Place
    """The ExternalSecret."""
    token: str
    """Its annotation, without the note."""


@dataclass(frozen=True)
class Look:
    """What is there after it."""

    standings: tuple[Standing, ...]
    others: tuple[WorkloadResult, ...] = ()
    """What is no workload that could be rolled here, and what could not be looked at."""
    fresh: bool = False
    """Some data changed since the survey, so perhaps in this very second."""
    noted: Mapping[Key, Noted] = field(default_factory=dict)
    """The Secrets whose notes may be renewed: all their readers say that they read them."""
    marks: Mapping[OwnerKey, Mapping[str, str]] = field(default_factory=dict)
    """By workload what Reloader had written into its template by the survey."""

    def reloads(self, workloads: Iterable[Workload]) -> Reloads:
        """By workload what Reloader has written into its template since the survey."""
        return _reloads(self.marks, workloads)

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
    read = targets.keys() & (scene.read | {key for _, key in named(consumers, targets)})
    before = reader.secrets(read)
    if restart:
        reader.check_rights(scene, consumers, targets)
    reader.end()
    absent = set() if reader.not_checked else read - before.keys()
    claimed = {key for consumer, key in named(consumers, targets) if CLAIM_FIELD.fullmatch(consumer.field)}
    changed = {
        key: _dated(key, secret, past(secret, live[targets[key]]), scene, claimed=key in claimed)
        for key, secret in before.items()
    }
    notes = {targets[key]: note(secret, changed[key].changed) for key, secret in before.items()}
    marks = {one.key: reloader_marks(one.template) for one in scene.workloads}
    tokens = {key: _token(found or {}) for key, found in live.items()}
    begun = {key: _begun(key, scene) for key in absent}
    return Survey(targets, before, changed, begun, notes, marks, tokens, inspection.resource, tuple(consumers))


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
    claimed = {(one.namespace, use.secret) for one in scene.workloads for use in one.claimed}
    claimed |= {(one.namespace, name) for one in unknown for name in one.secrets}
    reloads = _reloads(known.marks, scene.workloads)
    dated: dict[str, dict[str, Dated]] = {}
    for (namespace, name), secret in secrets.items():
        dated.setdefault(namespace, {})[name] = _since((namespace, name), secret, known, reloads)
    standings = [standing(one, scene.pods.get(one.key, ()), dated.get(one.namespace, {})) for one in scene.workloads]
    foreign = sorted(scene.pods.keys() - {one.key for one in scene.workloads})
    strangers = [stranger(owner, scene.pods[owner], dated.get(owner[0], {})) for owner in foreign]
    return Look(
        tuple(filter(None, standings)),
        (*filter(None, strangers), *unknown, *reader.not_checked),
        any(one.fresh for found in dated.values() for one in found.values()),
        {
            key: Noted(secret, dated[key[0]][key[1]], known.resource.at(*known.targets[key]), unnoted(token))
            for key, secret in secrets.items()
            if key not in claimed and (token := _ours(key, secret, known))
        },
        known.marks,
    )


def _token(thing: Object) -> str:
    return text(thing, "metadata", "annotations", ANNOTATION)


def _ours(key: Key, secret: SecretData, known: Survey) -> str:
    """The annotation of this run, as ESO has copied it to the Secret; empty where it has not."""
    external_secret = known.targets[key]
    copied = str(secret.annotations.get(ANNOTATION, ""))
    new = copied != known.tokens.get(external_secret) and known.notes.get(external_secret, "") in copied
    return copied if new else ""


def _dated(key: Key, secret: SecretData, known: Past, scene: Scene, *, claimed: bool) -> Dated:
    """As its readers are concerned: what may have come and gone counts where a pod may have started with it.

    claimed: a claim names the Secret, so that pods may read it which do not say so.
    """
    sure = Dated(known.changed, secret.annotations)
    if known.unsure_since is None or known.changed is None:
        return sure
    namespace, name = key
    certain = (known.changed, known.unsure_since)
    unsure = Dated(secret.written, secret.annotations, certain=certain)
    pods = [
        pod
        for owner, found in scene.pods.items()
        for pod in found
        if owner[0] == namespace and owner[1] != "Job" and pod.runs and not pod.made_by(known.changed)
    ]
    for_claims = (Use(name, True, False),) if claimed else ()
    return unsure if namespace in scene.blind or old_pods(pods, name, unsure, for_claims) else sure


def _begun(key: Key, scene: Scene) -> frozenset[str]:
    """The pods that read a Secret and have begun."""
    namespace, name = key
    pods = (pod for owner, found in scene.pods.items() if owner[0] == namespace for pod in found)
    return frozenset(pod.uid for pod in pods if (use := pod.use_of(name)) and has_read(pod, use))


def _reloads(before: Mapping[OwnerKey, Mapping[str, str]], workloads: Iterable[Workload]) -> Reloads:
    return {
        one.key: dict(reloader_marks(one.template).items() - before[one.key].items())
        for one in workloads
        if one.key in before
    }


def _since(key: Key, secret: SecretData, known: Survey, reloads: Reloads) -> Dated:
    """Its last change: as known before where the data is the same, else the time of the write that brought it."""
    if secret.same(known.before.get(key)):
        return known.changed[key]
    return Dated(secret.written, secret.annotations, fresh=True, begun=known.begun.get(key), reloads=reloads)
