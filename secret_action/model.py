"""The words of the product as frozen values. They hold facts and decide nothing.

Nothing here does I/O, and nothing here holds a secret value except inside a `SecretValue`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from secret_action.values import SecretValue


@dataclass(frozen=True, order=True)
class Location:
    """A place in the tenants repository: `file` relative to its root, `line` from 1, or None where no line is known."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    what: one sentence that names the input or object and what is wrong with it.
    remedy: what to do about it, in words or as a command. Empty only where nothing can be done.
    causes: likely causes, the likeliest first.
    where: the place in the tenants repository, where there is one.
    service: the tenant that could not be judged for it, where it is about one.
    """

    what: str
    remedy: str = ""
    causes: tuple[str, ...] = ()
    where: Location | None = None
    service: str = ""


class Severity(StrEnum):
    """How bad a finding is, in GitHub's words."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True)
class Edit:
    """One place of one file to change: the lines `remove`, which stand there from `line` on, give way to `add`.

    file: relative to the repository's root; one that does not exist yet is made. line: from 1; without `remove`,
    `add` goes before it. Lines come without their ends.
    """

    file: str
    line: int
    remove: tuple[str, ...]
    add: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """A rule that a manifest breaks."""

    rule: str
    severity: Severity
    message: str
    remedy: str
    where: Location
    overlay: str = ""
    """The environment's overlay that it was found in; empty where it concerns the whole tenant."""
    service: str = ""
    about: tuple[str, ...] = ()
    """What `ignore` may name to cover it: the ExternalSecret or Secret first, then keys, paths, the environment."""
    edits: tuple[Edit, ...] = ()
    """The remedy as exact text, where the rule knows it; applied, the finding is gone."""


@dataclass(frozen=True)
class Silenced:
    """A finding that the tenant chose to live with, and why."""

    finding: Finding
    reason: str
    where: Location
    """Where it is silenced: in `secrets.yaml`, or at the ExternalSecret that has the annotation."""


@dataclass(frozen=True)
class Reference:
    """One place that asks for a parameter: an entry of an ExternalSecret, or of `secrets.yaml`."""

    path: str
    """The parameter's full path, as rendered."""
    where: Location
    external_secret: str = ""
    """Name of the ExternalSecret; empty for `secrets.yaml`."""
    secret_key: str = ""
    """Key in the Kubernetes Secret; empty for `dataFrom.extract`, which makes many."""
    property: str = ""
    """Property of the JSON object that is read; empty where the whole value is."""
    version: str = ""
    """A pinned version or label; empty for the newest."""
    extract: bool = False
    """True where each property of the JSON object becomes a key (`dataFrom.extract`)."""
    find: bool = False
    """True where all parameters below `path` are searched (`dataFrom.find`): it is a folder, and names none of them."""
    store: str = ""
    """The store that is read, or the generator, where it is another than the platform's."""


@dataclass(frozen=True)
class ExternalSecret:
    """One rendered ExternalSecret of the platform's store."""

    name: str
    namespace: str
    """As rendered; empty where the manifest names none."""
    api_version: str
    managed: bool
    """Carries the label `zerotouch.io/managed: "true"` (a string, not a boolean)."""
    spec: Mapping[str, Any]
    labels: Mapping[str, Any]
    annotations: Mapping[str, Any]
    references: tuple[Reference, ...]
    """The parameters of the platform's store that it asks for."""
    where: Location
    others: tuple[Reference, ...] = ()
    """Its entries that ask for none of these, and are judged all the same: another store's, those that have no key
    (their path is empty), and `dataFrom.find`."""
    of_cluster: bool = False
    """It is what a ClusterExternalSecret makes in other namespaces: judged, and no run's affair."""

    @property
    def entries(self) -> tuple[Reference, ...]:
        """All of both."""
        return self.references + self.others

    @property
    def secret_name(self) -> str:
        """The target Secret: `spec.target.name`, or the ExternalSecret's own name (ESO's default)."""
        target = self.spec.get("target")
        name = target.get("name") if isinstance(target, Mapping) else None
        return name if isinstance(name, str) and name else self.name


@dataclass(frozen=True)
class Parameter:
    """One parameter that the tenant asks for, with all who ask for it."""

    path: str
    key: str
    """Last part of the path."""
    owned: bool
    """Its path is the template rendered for this run's environment and service. Only these are ever written."""
    references: tuple[Reference, ...]
    source: str = ""
    """`from` in `secrets.yaml`: the one source name to take the value from."""
    optional: bool = False
    encoding: str = ""
    """`base64`: decode the source's text before the push."""
    description: str = ""
    tier: str = ""
    """`Standard`, `Advanced` or `Intelligent-Tiering`; empty where none is asked for."""


@dataclass(frozen=True)
class Consumer:
    """A workload or claim of the overlay that reads a Secret."""

    kind: str
    name: str
    secret_name: str
    field: str = ""
    """The field that names the Secret: `secret2Name`, `secretRef`, `secretKeyRef`, `imagePullSecrets`, …"""
    optional: bool = False
    """The pod starts without the Secret as well."""
    namespace: str = ""
    """Empty where the render does not say."""


@dataclass(frozen=True)
class Manifest:
    """All that one overlay of a tenant asks for, together with what `secrets.yaml` adds."""

    service: str
    environment: str
    """As the SSM path says it (`prod`)."""
    overlay: str
    """The overlay's folder relative to the repository's root; empty for a tenant that has only `secrets.yaml`."""
    parameters: tuple[Parameter, ...]
    external_secrets: tuple[ExternalSecret, ...]
    consumers: tuple[Consumer, ...] = ()
    rendered: bool = True
    """False where kustomize did not render the overlay: then what it asks for is not known, and never "nothing"."""
    mentioned: frozenset[str] = frozenset()
    """In a release: all paths of the service's own that the render names, also where `parameters` has them not."""
    finders: tuple[str, ...] = ()
    """In a release: ExternalSecrets that read what matches a pattern, such as `ExternalSecret app`."""
    beside: tuple[str, ...] = ()
    """Folders of the tenant's other overlays that are, or may be, of the same environment."""


@dataclass(frozen=True)
class SourcedValue:
    """A value and the name under which the pipeline handed it over."""

    value: SecretValue
    source: str


@dataclass(frozen=True)
class StoredParameter:
    """What SSM holds. `value` is None where it was read without decryption."""

    path: str
    version: int
    type: str
    modified: str = ""
    """When it was last changed, ISO 8601 in UTC."""
    value: SecretValue | None = None


class Action(StrEnum):
    """What a run would do to a parameter, or has found of it."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    KEEP = "keep"
    """No value was given and the parameter exists."""
    MISSING = "missing"
    """No value was given and there is no parameter: an error before any write."""
    SKIP = "skip"
    """Optional, no value was given, and there is no parameter."""
    FOREIGN = "foreign"
    """Belongs to another service or environment and exists; never written."""
    UNCHECKED = "unchecked"
    """Foreign, and our rights do not reach it."""
    PRUNE = "prune"
    """Left over: under the service's own path, with our tag, and no manifest asks for it. Deleted at the very end."""


@dataclass(frozen=True)
class PlannedParameter:
    """One line of the plan."""

    parameter: Parameter
    action: Action
    stored: StoredParameter | None = None
    given: SourcedValue | None = None
    note: str = ""
    """Why, where the action alone does not tell (`was a String`, `another KMS key`)."""
    type_wrong: bool = False
    """It is stored as another type than `SecureString`: rewritten where a value was given, else said."""
    tier_too_small: bool = False
    """The value does not fit the tier that it would be written in: an error before any write."""


@dataclass(frozen=True)
class Plan:
    """What a run would do to each parameter, in the manifest's order."""

    entries: tuple[PlannedParameter, ...]

    def count(self, action: Action) -> int:
        """How many entries have this action."""
        return sum(1 for entry in self.entries if entry.action is action)

    def of(self, *actions: Action) -> tuple[PlannedParameter, ...]:
        """The entries that have one of these actions."""
        return tuple(entry for entry in self.entries if entry.action in actions)

    @property
    def known(self) -> dict[str, SecretValue]:
        """The values that stand in SSM after it, by path, as far as this run knows them."""
        known: dict[str, SecretValue] = {}
        for entry in self.entries:
            if entry.given is not None:
                known[entry.parameter.path] = entry.given.value
            elif entry.stored is not None and entry.stored.value is not None:
                known[entry.parameter.path] = entry.stored.value
        return known

    @property
    def changed(self) -> frozenset[str]:
        """The paths that it writes."""
        return frozenset(entry.parameter.path for entry in self.of(Action.CREATE, Action.UPDATE))

    def exists(self, path: str) -> bool | None:
        """Whether the parameter stands in SSM after it; None where our own credentials do not see it."""
        match self._actions.get(path, Action.UNCHECKED):
            case Action.MISSING | Action.SKIP:
                return False
            case Action.UNCHECKED:
                return None
            case _:
                return True

    @cached_property
    def _actions(self) -> dict[str, Action]:
        return {entry.parameter.path: entry.action for entry in self.entries}


class WriteState(StrEnum):
    """What became of one planned write."""

    WRITTEN = "written"
    FAILED = "failed"
    UNDONE = "undone"
    """Written, then put back or removed because another write failed."""
    LEFT = "left"
    """Written, and could not be undone: named with the command that would."""
    NOT_STARTED = "not started"
    DELETED = "deleted"
    """Left over, and removed."""


@dataclass(frozen=True)
class WriteResult:
    """The outcome of one planned write."""

    path: str
    action: Action
    state: WriteState
    version: int | None = None
    """The version that stands in SSM now, where it is known."""
    detail: str = ""
    command: str = ""
    """What a person can run to undo it by hand; never holds a value."""


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


@dataclass(frozen=True)
class Tenants:
    """The tenants repository at one commit, as files on disk."""

    root: str
    """Absolute path of the checkout or of the unpacked archive."""
    sha: str
    """The commit that is judged; empty where the folder is no checkout."""
    repository: str = ""
    """owner/name; empty for a folder whose repository is not known."""
    ref: str = ""
    """Branch, tag or commit that was resolved to it; empty where it is not known."""
    default_branch: bool = False
    """That is known to be the repository's default branch."""
    on_disk: bool = False
    """A checkout that was there already: its files are judged as they are, committed or not."""
    in_workspace: bool = False
    """The files are the workflow's own checkout, so an annotation may point at them."""


@dataclass(frozen=True)
class RunReport:
    """All that a run did and found, for the summary, the annotations, the outputs and the JSON report.

    It grows stage by stage (`dataclasses.replace`); what a stage did not reach stays at its default.
    """

    mode: str
    service: str = ""
    environment: str = ""
    dry_run: bool = False
    tenants: Tenants | None = None
    manifests: tuple[Manifest, ...] = ()
    findings: tuple[Finding, ...] = ()
    silenced: tuple[Silenced, ...] = ()
    unused_sources: tuple[str, ...] = ()
    """Source names with the environment's prefix that no manifest asks for."""
    plan: Plan | None = None
    writes: tuple[WriteResult, ...] = ()
    refreshes: tuple[RefreshResult, ...] = ()
    restarts: bool = False
    """It is to roll the workloads that have old data."""
    workloads: tuple[WorkloadResult, ...] = ()
    """Those that read the Secrets of this run, as they stand after the refresh."""
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    """What ended the run."""
    exit_code: int = 0
    cancelled: bool = False
    """A signal ended the run."""
    seconds: float = 0.0
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)
    """Names that help the reader: region, cluster, store, version."""


@dataclass(frozen=True)
class Annotation:
    """One message that GitHub shows on the run, and beside the line where there is one."""

    level: Severity
    message: str
    title: str = ""
    file: str = ""
    """Relative to the workspace; empty where the manifest is not in it."""
    line: int | None = None
