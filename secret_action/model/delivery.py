"""What became of a release in the cluster: ExternalSecrets, and the workloads that read their Secrets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RefreshState(StrEnum):
    """What became of one ExternalSecret."""

    PROVEN = "proven"
    """ESO read SSM after our write: the proof holds."""
    UP_TO_DATE = "up to date"
    """`refresh: changed`, and the cluster's Secret already holds the wanted bytes."""
    WEAKLY_PROVEN = "weakly proven"
    """ESO's hash format is unknown: it synced after our token by its status alone."""
    NEVER_REFRESHES = "never refreshes"
    """By its own spec; nothing that it reads was changed by this run, so it was left alone."""
    FAILED = "failed"
    NOT_PROVEN = "not proven"
    """The timeout passed."""
    NOT_DEPLOYED = "not deployed"
    """The cluster did not take over the rendered manifest in time."""
    NOT_MANAGED = "not managed"
    """Without the label in the cluster: never touched."""


class ContentState(StrEnum):
    """Whether the Secret in the cluster was shown to hold exactly the values that this run knows."""

    PROVEN = "proven"
    DIFFERS = "differs"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Diagnosis:
    """Why an ExternalSecret failed, as far as the cluster and SSM tell."""

    cause: str
    """The likeliest cause, one sentence."""
    remedy: str
    observed: tuple[str, ...] = ()
    """What was seen (condition, events, store, log lines), each already cleaned, most telling first."""


@dataclass(frozen=True)
class Deployer:
    """What a GitOps tool says of what it deploys."""

    title: str
    """`Argo CD Application argocd/my-service`, `Flux Kustomization flux-system/my-service`."""
    commit: str
    """The one that the cluster holds by its account; empty where it does not tell, or is at work."""
    words: str
    """Its state, one sentence without a full stop, cleaned."""


@dataclass(frozen=True)
class RefreshResult:
    """The outcome for one ExternalSecret."""

    namespace: str
    name: str
    secret_name: str
    state: RefreshState
    content: ContentState = ContentState.NOT_CHECKED
    seconds: float | None = None
    """From our annotation to the proof."""
    detail: str = ""
    """One sentence: why the state or the content is what it is, where that needs words."""
    diagnosis: Diagnosis | None = None
    deployer: Deployer | None = None
    """The GitOps tool that deploys it, where one says so."""

    @property
    def ok(self) -> bool:
        """True where a release may be called done as far as this ExternalSecret goes."""
        good = {
            RefreshState.PROVEN,
            RefreshState.UP_TO_DATE,
            RefreshState.WEAKLY_PROVEN,
            RefreshState.NEVER_REFRESHES,
        }
        return self.state in good and self.content is not ContentState.DIFFERS


class WorkloadState(StrEnum):
    """How a workload's pods stand to the Secrets that they read."""

    UP_TO_DATE = "up to date"
    """No pod that runs was made before the last change of the data."""
    RESTARTED = "restarted"
    """Rolled, by this run or by one before it that did not see the end, or by somebody else while it ran: all its pods
    are new and available."""
    LEFT_TO_RELOADER = "left to Reloader"
    """Stakater's Reloader is told by an annotation to roll it."""
    FILES_RENEWED = "files renewed"
    """It has the Secret as files, which the kubelet renews; whether the process reads them again is its own to know."""
    STILL_OLD = "still old"
    """Pods run that were made before the last change of the data."""
    FAILED = "failed"
    """It was rolled, and its new pods did not become available in time."""
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class WorkloadResult:
    """What became of one workload that reads a Secret of this run."""

    kind: str
    """`Deployment`, `StatefulSet`, …; `Workloads` for all that could not be looked at."""
    namespace: str
    name: str
    """Empty for all that could not be looked at."""
    state: WorkloadState
    secrets: tuple[str, ...] = ()
    """The Secrets whose data is newer than some of its pods; otherwise those that it reads."""
    since: str = ""
    """From when on its old pods lack the newest data: the cluster's own time, RFC 3339."""
    seconds: float | None = None
    """From the roll to the last new pod."""
    detail: str = ""
    """Why the state is what it is, where that needs words."""
    command: str = ""
    """What a person can run to roll it, or to see why it failed."""

    @property
    def ok(self) -> bool:
        """True where a release may be called done as far as this workload goes."""
        return self.state is not WorkloadState.FAILED
