"""All of one run, as the reader gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from secret_action.model.delivery import RefreshResult, WorkloadResult
from secret_action.model.findings import Finding, Problem, Severity, Silenced
from secret_action.model.manifest import Manifest
from secret_action.model.parameters import Plan, WriteResult


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
    workflow_root: str = ""
    """Where the files are of the workflow's own repository, whose lines an annotation may point at: the absolute path
    of that repository's root. Empty where they are of another one, or where that is not known."""


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
    """Relative to the root of the workflow's own repository; empty where the manifest is not in it."""
    line: int | None = None
