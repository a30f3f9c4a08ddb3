"""The run, stage by stage. Only this module knows their order.

    tenants → manifest and rules → values → plan → write → refresh and proof

Each stage takes values and returns values; what is known so far stands in `self.report`, which is what the reader
gets, however the run ends.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secret_action import __version__, clients, tenancy
from secret_action.background import Background
from secret_action.errors import CancelledError, ClusterError, InputError, ManifestError, SecretSyncError, StoreError
from secret_action.github.oidc import fetch_token
from secret_action.manifest.layout import list_services
from secret_action.manifest.read import Judged, Scope, read_tenant
from secret_action.model import Action, Manifest, Plan, Problem, RunReport, Severity
from secret_action.ports import Clock, Log
from secret_action.resolve import Resolved, resolve
from secret_action.settings import OidcSettings, Settings
from secret_action.values import SecretValue

if TYPE_CHECKING:
    from secret_action.cluster import Inspection, KubernetesApi
    from secret_action.store import AwsSession, Metadata

_CLOSE_SECONDS = 1.0


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
        self._cluster: Background[KubernetesApi] | None = None
        self.report = RunReport(
            mode=settings.mode.name,
            service=settings.service,
            environment=settings.environment,
            dry_run=settings.dry_run,
            context={"version": __version__, "region": settings.aws.region, "store": settings.store},
        )

    def execute(self) -> RunReport:
        """Runs all stages of the mode."""
        try:
            with tempfile.TemporaryDirectory(prefix="secret-sync-") as folder:
                self._stages(Path(folder))
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
        # Neither depends on the manifests, so they get ready while GitHub answers.
        aws = Background(self._connect_aws) if mode.reads_cloud or self._asks_eks else None
        self._cluster = cluster = Background(lambda: self._connect_cluster(aws)) if self._looks_at_cluster else None

        subject = self._read_tenants(folder)
        judged = self._judge(subject)
        if mode.name == "validate":
            return
        manifest = self._placed(judged.manifests[0])
        resolved = self._resolve(manifest)

        inspection = Background(lambda: self._inspect(cluster.result(), manifest)) if cluster else None
        planned = self._plan(aws.result(), manifest, resolved) if aws and mode.reads_cloud else None
        seen = self._seen(inspection.result()) if inspection else None
        if planned and seen:
            self._refuse_never_refreshing(planned, seen)
        if settings.dry_run:
            return
        if aws and planned and mode.writes_store:
            self._write(aws.result(), planned)
        if cluster and seen and mode.refreshes:
            self._refresh(cluster.result(), manifest, seen, resolved, planned)

    # --- stages ---

    def _read_tenants(self, folder: Path) -> tenancy.Subject:
        with self._stage("tenants", "Tenants repository"):
            subject = tenancy.find(
                self._settings, self._environ, folder / "tenants", self._log, self._clock, self._shield
            )
            self._note(tenants=subject.tenants, service=subject.services[0] if len(subject.services) == 1 else "")
            return subject

    def _judge(self, subject: tenancy.Subject) -> Judged:
        """Renders and judges. Raises ManifestError for what a release must not begin with."""
        root, settings = Path(subject.tenants.root), self._settings
        with self._stage("manifests", "Manifests and rules"):
            services = subject.services or tuple(list_services(root, settings.github.tenant_path))
            if not services:
                raise ManifestError(
                    Problem(
                        f"There is no tenant at {settings.github.tenant_path.replace('{service}', '*')}.",
                        "Correct the input `tenant-path`, or name the `service`.",
                    )
                )
            judged: list[Judged] = []
            problems: list[Problem] = []
            for service in services:
                scope = Scope(
                    service,
                    settings.environment,
                    settings.github.tenant_path,
                    settings.parameter_path,
                    settings.store,
                )
                try:
                    judged.append(read_tenant(root, scope))
                except ManifestError as error:
                    problems += error.problems
            manifests = tuple(manifest for each in judged for manifest in each.manifests)
            findings = tuple(finding for each in judged for finding in each.findings)
            self._note(manifests=manifests, findings=findings)
            for manifest in manifests:
                self._log.line(
                    f"{manifest.overlay or manifest.service}: {len(manifest.parameters)} parameters, "
                    f"{len(manifest.external_secrets)} ExternalSecrets"
                )
            for finding in findings:
                self._log.line(f"{finding.severity} {finding.rule} {finding.where}: {finding.message}")
            errors = sum(finding.severity is Severity.ERROR for finding in findings)
            if errors:
                problems.append(
                    Problem(
                        f"The manifests hold {errors} {'errors' if errors > 1 else 'error'}; nothing was written.",
                        "Mend what is listed under findings.",
                    )
                )
            if problems:
                raise ManifestError(*problems)
            return Judged(manifests, findings)

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
            self._note(plan=plan)
            for entry in plan.entries:
                self._log.line(f"{entry.action} {entry.parameter.path}" + (f" ({entry.note})" if entry.note else ""))
            metadata = store.look_up(aws, plan)
            if metadata.note:
                self._note(notices=(*self.report.notices, metadata.note))
            problems = (
                *resolved.problems,
                *store.check_plan(plan, looked_for=resolved.names, region=aws.region, metadata=metadata),
            )
            if problems:
                raise InputError(*problems)
            return Planned(plan, metadata)

    def _write(self, aws: AwsSession, planned: Planned) -> None:
        from secret_action import store

        with self._stage("write", "Parameter Store: write"):
            outcome = store.write(
                aws, planned.plan, self._settings.aws, self._log, self._clock, metadata=planned.metadata
            )
            self._note(writes=outcome.results, cancelled=outcome.cancelled is not None)
            if outcome.problems:
                raise StoreError(*outcome.problems)

    def _seen(self, inspection: Inspection) -> Inspection:
        for warning in inspection.warnings:
            self._warn(warning)
        return inspection

    def _refuse_never_refreshing(self, planned: Planned, seen: Inspection) -> None:
        """A value that changes and that only a never refreshing ExternalSecret delivers would not arrive."""
        deliveries = [
            (found, reference, found.stale(reference))
            for found in seen.found
            for reference in found.external_secret.references
            if reference.path in planned.changed
        ]
        delivered = {reference.path for _, reference, stale in deliveries if not stale}
        problems = [
            Problem(
                f"ExternalSecret {found.external_secret.name} would never deliver the new value of {reference.path}: "
                f"{stale}.",
                "Write refreshPolicy: OnChange (without a pinned version or an immutable target), deploy that, and "
                "run again. Nothing was written.",
                where=reference.where,
            )
            for found, reference, stale in deliveries
            if stale and reference.path not in delivered
        ]
        if problems:
            raise ManifestError(*problems)

    def _inspect(self, api: KubernetesApi, manifest: Manifest) -> Inspection:
        from secret_action.cluster import inspect

        return inspect(api, manifest.external_secrets, self._settings.cluster, self._log)

    def _refresh(
        self,
        api: KubernetesApi,
        manifest: Manifest,
        seen: Inspection,
        resolved: Resolved,
        planned: Planned | None,
    ) -> None:
        from secret_action.cluster import refresh

        with self._stage("refresh", "Cluster: refresh and proof"):
            results = refresh(
                api,
                manifest.external_secrets,
                seen,
                planned.known if planned else {path: given.value for path, given in resolved.given.items()},
                self._settings.cluster,
                self._log,
                self._clock,
                token=f"secret-sync-{secrets.token_hex(12)}",
                ssm_exists=planned.exists if planned else None,
                changed_paths=planned.changed if planned else frozenset(),
            )
            self._note(refreshes=results)
            if not all(result.ok for result in results):
                raise ClusterError()

    # --- the outside, connected lazily: a mode pays only for what it needs ---

    @property
    def _looks_at_cluster(self) -> bool:
        mode, cluster = self._settings.mode, self._settings.cluster
        if cluster.refresh == "never":
            return False
        if mode.name == "plan" or (mode.name == "release" and self._settings.dry_run):
            # A plan is often made where the cluster cannot be reached: it looks there only when it was told where.
            return bool(cluster.kubeconfig or cluster.eks_cluster)
        return mode.refreshes

    @property
    def _asks_eks(self) -> bool:
        return self._looks_at_cluster and bool(self._settings.cluster.eks_cluster)

    def _connect_aws(self) -> AwsSession:
        clients.load(clients.AWS)
        from secret_action import store

        oidc = self._settings.aws.oidc
        fetch = partial(self._oidc_token, oidc) if oidc is not None else None
        return store.connect(self._settings.aws, self._log, fetch_oidc_token=fetch, clock=self._clock)

    def _oidc_token(self, oidc: OidcSettings, audience: str) -> str:
        return fetch_token(oidc, audience, self._log, self._clock)

    def _connect_cluster(self, aws: Background[AwsSession] | None) -> KubernetesApi:
        clients.load(clients.KUBERNETES)
        from secret_action.cluster import connect
        from secret_action.store.eks import EksAccess

        eks = (lambda: EksAccess(aws.result().eks, aws.result().sts)) if aws else None
        return connect(self._settings.cluster, self._log, eks=eks, clock=self._clock)

    def _close(self) -> None:
        """Ends the connections to the cluster."""
        if self._cluster is not None and (api := self._cluster.finished(_CLOSE_SECONDS)):
            api.close()

    # --- what is known so far ---

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


@dataclass(frozen=True)
class Planned:
    """The plan, and what was looked up for carrying it out."""

    plan: Plan
    metadata: Metadata

    @property
    def known(self) -> dict[str, SecretValue]:
        """The values that stand in SSM after the plan, as far as this run knows them."""
        known: dict[str, SecretValue] = {}
        for entry in self.plan.entries:
            if entry.given is not None:
                known[entry.parameter.path] = entry.given.value
            elif entry.stored is not None and entry.stored.value is not None:
                known[entry.parameter.path] = entry.stored.value
        return known

    @property
    def changed(self) -> frozenset[str]:
        """The paths that the plan writes."""
        return frozenset(entry.parameter.path for entry in self.plan.of(Action.CREATE, Action.UPDATE))

    def exists(self, path: str) -> bool:
        """Whether the parameter stands in SSM after the plan, as far as our own credentials see."""
        absent = {entry.parameter.path for entry in self.plan.of(Action.MISSING, Action.SKIP)}
        return path not in absent
