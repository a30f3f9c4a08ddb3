"""The run, stage by stage. Only this module knows their order.

    tenants → manifest and rules → values → plan → write → refresh and proof → workloads

Each stage takes values and returns values; what is known so far stands in `self.report`, which is what the reader
gets, however the run ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secret_action import __version__, clients, tenancy
from secret_action.background import Background
from secret_action.connections import Connections
from secret_action.delivering import Delivering
from secret_action.errors import CancelledError, ClusterError, InputError, ManifestError, SecretSyncError, StoreError
from secret_action.judging import Judging
from secret_action.model import Manifest, Plan, PlannedParameter, Problem, RunReport, Severity
from secret_action.naming import canonical_environment
from secret_action.ports import Clock, Log
from secret_action.resolve import Resolved, resolve
from secret_action.settings import Settings
from secret_action.values import SecretValue

if TYPE_CHECKING:
    from secret_action.cluster import Inspection
    from secret_action.store import AwsSession, Metadata, WriteOutcome


@dataclass(frozen=True)
class Planned:
    """The plan, and what was looked up for carrying it out."""

    plan: Plan
    metadata: Metadata
    leftovers: tuple[PlannedParameter, ...]


class Run:
    """One run. `execute` returns the report and raises nothing that was expected to go wrong."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], log: Log, clock: Clock, shield: tenancy.Shield
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._log = log
        self._clock = clock
        self._shield = shield
        self._began = clock.now()
        self._connections: Connections | None = None
        self._judging: Judging | None = None
        self._delivering: Delivering | None = None
        self.report = RunReport(
            mode=settings.mode.name,
            service=settings.service,
            environment=settings.environment,
            dry_run=settings.dry_run,
            restarts=settings.cluster.restart == "changed",
            context={"version": __version__, "region": settings.aws.region, "store": settings.store},
        )

    def execute(self) -> RunReport:
        """Runs all stages of the mode."""
        try:
            with tempfile.TemporaryDirectory(prefix="secret-sync-") as folder:
                try:
                    self._stages(Path(folder))
                except CancelledError:
                    raise  # ten seconds are all that is left
                except SecretSyncError:
                    self._look_elsewhere()
                    raise
                self._look_elsewhere()  # while the files are still there
        except SecretSyncError as error:
            # With what the stage itself reported already: a write that failed and was undone, then a signal.
            self._note(
                problems=(*self.report.problems, *error.problems),
                exit_code=error.exit_code,
                cancelled=self.report.cancelled or isinstance(error, CancelledError),
            )
        finally:
            self._close()
        self._note(seconds=self._clock.now() - self._began)
        return self.report

    def _stages(self, folder: Path) -> None:
        mode, settings = self._settings.mode, self._settings
        if tenancy.asks_github(settings, self._environ):
            clients.load(clients.GITHUB)  # first, since all else waits for GitHub's answers
        self._connections = connections = Connections(settings, self._log, self._clock)
        aws, cluster = connections.aws, connections.cluster
        if aws and mode.name == "cleanup":
            self._clean_up(aws.result())
            return
        rendered = self._judge(self._read_tenants(folder))
        if rendered is None:
            return
        manifest = self._placed(rendered)
        resolved = self._resolve(manifest)

        if cluster:
            self._delivering = Delivering(cluster.result, manifest, settings.cluster, self._log, self._clock)
        delivering = self._delivering
        inspection = Background(delivering.inspect) if delivering else None
        planned = self._plan(aws.result(), manifest, resolved) if aws else None
        if delivering and inspection:
            self._prepare(delivering, inspection.result(), resolved, planned)
        if settings.dry_run:
            return
        if aws and planned and mode.writes_store:
            self._write(aws.result(), planned)
        if delivering and mode.refreshes:
            self._refresh(delivering, resolved, planned)
            self._roll(delivering)
        if aws and planned and mode.writes_store:
            self._prune(aws.result(), planned.leftovers)

    # --- stages ---

    def _read_tenants(self, folder: Path) -> tenancy.Subject:
        with self._stage("tenants", "Tenants repository"):
            subject = tenancy.find(
                self._settings, self._environ, folder / "tenants", self._log, self._clock, self._shield
            )
            (service,) = subject.services if subject.services and len(subject.services) == 1 else ("",)
            self._note(tenants=subject.tenants, service=service)
            return subject

    def _judge(self, subject: tenancy.Subject) -> Manifest | None:
        """The manifest that is released; None in `validate`. Raises ManifestError for what stands against it."""
        with self._stage("manifests", "Manifests and rules"):
            self._judging = Judging(self._settings, subject, self._log)
            judged = self._judging.run()
            self._note(manifests=judged.manifests, findings=judged.findings, silenced=judged.silenced)
            if judged.problems or any(finding.severity is Severity.ERROR for finding in judged.findings):
                raise ManifestError(*judged.problems)
            if self._settings.mode.name == "validate":
                return None
            (manifest,) = judged.manifests
            if not manifest.rendered:  # also where that finding is silenced
                raise ManifestError(
                    Problem(
                        f"{manifest.overlay} does not render, so what it asks for is not known; nothing was written.",
                        "Mend it: a release cannot begin without it.",
                    )
                )
            return manifest

    def _look_elsewhere(self) -> None:
        """Adds what is wrong in the overlays that are not released: said, and no reason to stop."""
        if self._judging is not None and (judged := self._judging.elsewhere()):
            self._note(findings=judged.findings, silenced=judged.silenced)

    def _placed(self, manifest: Manifest) -> Manifest:
        """The manifest with the namespace of those ExternalSecrets that name none. Raises InputError without one."""
        namespace = self._settings.cluster.namespace
        homeless = [each.name for each in manifest.external_secrets if not each.namespace]
        if homeless and not namespace and self._settings.mode.refreshes and self._settings.cluster.refresh != "never":
            raise InputError(
                Problem(
                    f"Input `namespace` is empty, and these ExternalSecrets name none: {', '.join(homeless)}.",
                    "Write the namespace that they are deployed to.",
                )
            )
        return replace(
            manifest,
            external_secrets=tuple(
                replace(each, namespace=each.namespace or namespace) for each in manifest.external_secrets
            ),
        )

    def _resolve(self, manifest: Manifest) -> Resolved:
        with self._stage("values", "Values"):
            settings = self._settings
            resolved = resolve(manifest.parameters, settings.environment, settings.service, settings.values)
            owned = [parameter for parameter in manifest.parameters if parameter.owned]
            self._note(unused_sources=resolved.unused)
            for parameter in owned:
                if found := resolved.given.get(parameter.path):
                    self._log.line(f"{parameter.path} ← {found.source}")
            for name in resolved.unused:
                self._log.line(f"{name} is not pushed: no manifest asks for it")
            if not settings.mode.reads_cloud:
                return resolved
            if owned and not resolved.given:
                self._log.line(
                    "warning: no owned key was given a value; looked for names such as "
                    f"{resolved.names[owned[0].path][0]}"
                )
            return resolved

    def _plan(self, aws: AwsSession, manifest: Manifest, resolved: Resolved) -> Planned:
        """Reads SSM and plans. Raises InputError with all that stands against the plan."""
        from secret_action import store

        with self._stage("plan", "Parameter Store: read and plan"):
            owned = [parameter.path for parameter in manifest.parameters if parameter.owned]
            foreign = [parameter.path for parameter in manifest.parameters if not parameter.owned]
            reading = store.read(aws, owned, foreign, self._log)
            # What was refused has its problem already, and would be called missing as well.
            asked = [parameter for parameter in manifest.parameters if parameter.path not in resolved.refused]
            plan = store.make_plan(asked, resolved.given, reading)
            metadata = store.look_up(aws, plan, self._tags)
            plan = store.judge_tiers(plan, metadata)
            self._note(plan=plan)
            if metadata.note:
                self._note(notices=(*self.report.notices, metadata.note))
            problems = (
                *resolved.problems,
                *store.check_plan(plan, looked_for=resolved.names, region=aws.region, metadata=metadata),
            )
            leftovers: tuple[PlannedParameter, ...] = ()
            if limit := self._settings.prune:
                wanted = manifest.mentioned.union(parameter.path for parameter in manifest.parameters)
                leftovers = store.find_leftovers(aws, self._folder, wanted)
                others = (manifest.finders, manifest.beside)
                problems += store.check_leftovers(leftovers, limit, "raise the input `prune`.", *others)
                self._note(plan=replace(plan, entries=(*plan.entries, *leftovers)))
            for entry in (*plan.entries, *leftovers):
                self._log.line(f"{entry.action} {entry.parameter.path}" + (f" ({entry.note})" if entry.note else ""))
            if problems:
                raise InputError(*problems)
            return Planned(plan, metadata, leftovers)

    @property
    def _folder(self) -> str:
        """The service's own folder in SSM, without a slash at its end."""
        settings = self._settings
        return settings.parameter_path.folder(settings.environment, settings.service)

    @property
    def _tags(self) -> dict[str, str]:
        from secret_action import store

        settings = self._settings
        repository = self._environ.get("GITHUB_REPOSITORY", "")
        return store.tags_of(
            settings.service, canonical_environment(settings.environment), repository, settings.aws.tags
        )

    def _write(self, aws: AwsSession, planned: Planned) -> None:
        from secret_action import store

        with self._stage("write", "Parameter Store: write"):
            outcome = store.write(
                aws,
                planned.plan,
                self._settings.aws,
                self._log,
                self._clock,
                metadata=planned.metadata,
                tags=self._tags,
            )
            self._settle(outcome)

    def _prune(self, aws: AwsSession, leftovers: Sequence[PlannedParameter]) -> None:
        """Deletes what is left over, last of all: whatever still read it has been replaced by now."""
        from secret_action import store

        if leftovers:
            with self._stage("prune", "Parameter Store: delete what is left over"):
                self._settle(store.prune(aws, leftovers, self._folder, self._log))

    def _clean_up(self, aws: AwsSession) -> None:
        """Deletes what a service has in a preview environment. Raises InputError where that is too much."""
        from secret_action import store

        with self._stage("plan", "Parameter Store: what is there"):
            leftovers = store.find_preview(aws, self._settings.environment, self._folder)
            self._note(plan=Plan(leftovers))
            for entry in leftovers:
                self._log.line(f"{entry.action} {entry.parameter.path}")
            if problems := store.check_leftovers(leftovers, self._settings.prune, "give the input `prune` a number."):
                raise InputError(*problems)
        if not self._settings.dry_run:
            self._prune(aws, leftovers)

    def _settle(self, outcome: WriteOutcome) -> None:
        """Notes what became of writes or deletions. Raises StoreError where not all of it succeeded."""
        for warning in outcome.warnings:
            self._warn(warning)
        self._note(
            writes=(*self.report.writes, *outcome.results),
            cancelled=self.report.cancelled or outcome.cancelled is not None,
        )
        if outcome.problems:
            raise StoreError(*outcome.problems)

    def _prepare(self, delivering: Delivering, seen: Inspection, resolved: Resolved, planned: Planned | None) -> None:
        """What stands against the refresh is told before the first write."""
        for warning in seen.warnings:
            self._warn(warning)
        refreshes = self._settings.mode.refreshes and not self._settings.dry_run
        known, changed = _outlook(resolved, planned)
        delivering.prepare(seen, known, changed, refreshes=refreshes)

    def _refresh(self, delivering: Delivering, resolved: Resolved, planned: Planned | None) -> None:
        with self._stage("refresh", "Cluster: refresh and proof"):
            known, changed = _outlook(resolved, planned)
            exists = planned.plan.exists if planned else None
            results = delivering.refresh(known, changed, exists, self.report.tenants)
            self._note(refreshes=results)
            if not all(result.ok for result in results):
                raise ClusterError()

    def _roll(self, delivering: Delivering) -> None:
        """Only after the proof: pods that start before it would start with the old value again."""
        with self._stage("workloads", "Cluster: workloads"):
            results = delivering.workloads()
            self._note(workloads=results)
            if not all(result.ok for result in results):
                raise ClusterError()

    # --- what is known so far ---

    def _close(self) -> None:
        """Ends what still runs."""
        if self._judging is not None:
            self._judging.close()
        if self._delivering is not None:
            self._delivering.close()
        if self._connections is not None:
            self._connections.close()

    def _note(self, **facts: Any) -> None:
        self.report = replace(self.report, **facts)

    def _warn(self, text: str) -> None:
        self._log.line(f"warning: {text}")
        self._note(warnings=(*self.report.warnings, text))

    @contextmanager
    def _stage(self, name: str, title: str) -> Iterator[None]:
        began = self._clock.now()
        try:
            with self._log.stage(title):
                yield
        finally:
            self._note(stage_seconds={**self.report.stage_seconds, name: self._clock.now() - began})


def _outlook(resolved: Resolved, planned: Planned | None) -> tuple[dict[str, SecretValue], frozenset[str]]:
    """The values that SSM holds when the cluster reads it, as far as they are known, and the paths that change."""
    if planned:
        return planned.plan.known, planned.plan.changed
    return {path: given.value for path, given in resolved.given.items()}, frozenset()
