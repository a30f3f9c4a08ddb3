"""From a tenants repository on disk to manifests and findings: render, read, judge."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

from secret_action.errors import ManifestError
from secret_action.manifest.definitions import FILE_NAME, NONE, Definition, Definitions, read_definitions
from secret_action.manifest.external_secrets import flattened, read_consumers, read_external_secrets
from secret_action.manifest.ignores import merged, silence, without_symptoms
from secret_action.manifest.kustomize import RenderError
from secret_action.manifest.layout import bases_of, choose_overlay, list_overlays, tenant_folder
from secret_action.manifest.mentions import finders, mentioned
from secret_action.manifest.overlay import Base, Overlay, Tenant
from secret_action.manifest.renders import Rendered, Renders
from secret_action.manifest.rules import all_rules, judge
from secret_action.manifest.sources import Sources
from secret_action.manifest.yaml_files import leads_outside
from secret_action.model import (
    ExternalSecret,
    Finding,
    Location,
    Manifest,
    Parameter,
    Problem,
    Reference,
    Severity,
    Silenced,
)
from secret_action.naming import ParameterPath, canonical_environment

_TENANTS_AHEAD = 2


@dataclass(frozen=True)
class Scope:
    """What to read: one service, one environment (empty: all that it has), and how the platform names things.

    in_release: a release is at stake, not a pull request, so that some rules are milder.
    """

    service: str
    environment: str
    tenant_path: str
    parameter_path: ParameterPath
    store: str
    in_release: bool = False


@dataclass(frozen=True)
class Judged:
    """The manifests of the environments asked for, and all that the rules found in them.

    problems: why there is nothing to judge, or less than all.
    """

    manifests: tuple[Manifest, ...] = ()
    findings: tuple[Finding, ...] = ()
    silenced: tuple[Silenced, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: Judged) -> Judged:
        """Those of two tenants."""
        return Judged(
            self.manifests + other.manifests,
            self.findings + other.findings,
            self.silenced + other.silenced,
            self.problems + other.problems,
        )


def read_tenant(root: Path, scope: Scope) -> Judged:
    """Reads and judges one tenant. Raises ManifestError where that cannot be done in full."""
    renders = Renders(root)
    try:
        judged = Reading(root, scope, renders).judged()
    finally:
        renders.close()
    if judged.problems:
        raise ManifestError(*judged.problems)
    return judged


def read_tenants(root: Path, scopes: Iterable[Scope], renders: Renders) -> Iterator[Judged]:
    """Reads and judges tenants one by one, while kustomize is already busy with the next ones.

    root: the repository, absolute. Yields what `Reading.judged` returns for each scope, or its problems alone.
    """
    ahead: deque[Reading | Judged] = deque()
    waiting = iter(scopes)
    while True:
        while len(ahead) <= _TENANTS_AHEAD and (scope := next(waiting, None)):
            try:
                ahead.append(Reading(root, scope, renders))
            except ManifestError as error:
                ahead.append(Judged(problems=_problems(error, scope)))
        if not ahead:
            return
        reading = ahead.popleft()
        yield reading.judged() if isinstance(reading, Reading) else reading


class Reading:
    """One tenant, whose overlays are being rendered.

    root: the repository, absolute. Raises ManifestError where there is nothing to judge: no such tenant or overlay.
    An overlay that does not render is a finding. A broken `secrets.yaml` is a problem; what there is beside it is
    judged without it.
    """

    def __init__(self, root: Path, scope: Scope, renders: Renders) -> None:
        self._root = root
        self._scope = scope
        self._renders = renders
        self._rendering: dict[Path, Future[Rendered]] = {}
        self._folder = tenant_folder(root, scope.tenant_path, scope.service)
        self._overlays = list_overlays(self._folder)
        if self._overlays:
            self._asked = self._choose()
            self._start(self._asked)
        # While kustomize is at work.
        self._problems: tuple[Problem, ...] = ()
        try:
            self._definitions = read_definitions(self._folder, root)
        except ManifestError as error:
            if not self._overlays:
                raise
            self._definitions, self._problems = NONE, _problems(error, scope)
        all_rules()
        if not self._overlays and not self._definitions.environments:
            self._asked = self._choose()  # which says so

    def judged(self) -> Judged:
        """What was asked for: one environment, or all of them."""
        if self._definitions.environments and not self._overlays:
            manifests = tuple(_without_overlays(self._root, self._folder, self._scope, self._definitions))
            return Judged(manifests)
        judged = self._judge(self._asked, whole=not self._scope.environment, binding=self._asked)
        return replace(judged, problems=self._problems)

    def everything(self) -> Judged:
        """All overlays, and the rules that compare them.

        What is wrong in another overlay than the one that was asked for is a warning at most: it is not released.
        """
        if not self._overlays:
            return Judged()
        return self._judge(self._all(), whole=True, binding=self._asked)

    def _all(self) -> list[Path]:
        return [folder for folders in self._overlays.values() for folder in folders]

    def _choose(self) -> list[Path]:
        environment = self._scope.environment
        if not self._overlays and not environment:
            shown = self._shown(self._folder)
            raise ManifestError(
                Problem(
                    f"{shown} has no overlay, and no {FILE_NAME} that lists its `environments`.",
                    "Add one of the two, or move the folder away from the tenants.",
                    where=Location(shown),
                )
            )
        if not environment:
            return self._all()
        if self._overlays and not self._scope.in_release and canonical_environment(environment) not in self._overlays:
            return []  # in a pull request it is a finding, which can be silenced
        return [choose_overlay(self._folder, self._root, environment, self._overlays)]

    def _start(self, overlays: Sequence[Path]) -> None:
        for overlay in overlays:
            # Of what lies outside, not even the kustomization is read.
            for folder in (overlay, *(() if leads_outside(self._root, overlay) else bases_of(overlay))):
                resolved = folder.resolve()
                if resolved not in self._rendering:
                    self._rendering[resolved] = self._renders.start(resolved)

    def _judge(self, folders: Sequence[Path], *, whole: bool, binding: Sequence[Path]) -> Judged:
        """binding: the overlays whose errors are errors."""
        self._start(folders)
        overlays = tuple(self._overlay(folder) for folder in folders)
        definitions, scope = self._definitions, self._scope
        tenant = Tenant(
            service=scope.service,
            root=self._root,
            folder=self._shown(self._folder),
            where=definitions.where or Location(self._shown(self._folder)),
            overlays=overlays,
            environments=(scope.environment,) if scope.environment and not folders else definitions.environments,
        )
        whole = whole or not folders
        found = list(judge(tenant, whole=whole, in_release=scope.in_release))
        told, silenced = silence(found, tenant, definitions.ignores, whole=whole)
        bound = {"", *(self._shown(folder) for folder in binding)}
        findings = merged([_milder(each.finding, bound) for each in without_symptoms(told)])
        manifests = tuple(_manifest(overlay, scope, definitions) for overlay in overlays)
        return Judged(manifests, tuple(sorted(findings, key=_order)), _once(silenced))

    def _overlay(self, folder: Path) -> Overlay:
        sources, scope = Sources(self._root, folder), self._scope
        rendered = self._rendering[folder.resolve()].result()
        overlay = Overlay(
            service=scope.service,
            environment=canonical_environment(folder.name),
            folder=self._shown(folder),
            where=Location(self._shown(folder)) if leads_outside(self._root, folder) else sources.fallback,
            parameter_path=scope.parameter_path,
            store=scope.store,
            sources=sources,
        )
        if isinstance(rendered, RenderError):
            return replace(overlay, error=str(rendered))
        resources = tuple(flattened(rendered))
        return replace(
            overlay,
            external_secrets=read_external_secrets(resources, scope.store, sources.locate),
            bases=tuple(self._bases(folder)),
            consumers=read_consumers(resources),
            resources=resources,
        )

    def _bases(self, overlay: Path) -> Iterator[Base]:
        overlays = {folder.resolve() for folder in self._all()}
        for folder in bases_of(overlay):
            rendered = self._rendering[folder.resolve()].result()
            if not isinstance(rendered, RenderError):
                locate = Sources(self._root, folder).locate
                external_secrets = read_external_secrets(rendered, self._scope.store, locate)
                # Resolved, since one may lie behind a link; outside of the repository nothing is rendered.
                shown = folder.resolve().relative_to(self._root.resolve()).as_posix()
                yield Base(shown, external_secrets, folder.resolve() in overlays)

    def _shown(self, folder: Path) -> str:
        return folder.relative_to(self._root).as_posix()


def _problems(error: ManifestError, scope: Scope) -> tuple[Problem, ...]:
    return tuple(replace(problem, service=scope.service) for problem in error.problems)


def _milder(finding: Finding, bound: set[str]) -> Finding:
    if finding.overlay in bound or finding.severity is not Severity.ERROR:
        return finding
    return replace(finding, severity=Severity.WARNING)


def _once(silenced: Iterable[Silenced]) -> tuple[Silenced, ...]:
    return tuple(dict.fromkeys(replace(each, finding=replace(each.finding, overlay="")) for each in silenced))


def _order(finding: Finding) -> tuple[int, str, int, str]:
    severity = ("error", "warning", "notice").index(finding.severity)
    return severity, finding.where.file, finding.where.line or 0, finding.rule


def _manifest(overlay: Overlay, scope: Scope, definitions: Definitions) -> Manifest:
    folder = scope.parameter_path.folder(overlay.environment, scope.service)
    return Manifest(
        service=scope.service,
        environment=overlay.environment,
        overlay=overlay.folder,
        parameters=tuple(_parameters(overlay.external_secrets, overlay.environment, scope, definitions)),
        external_secrets=overlay.external_secrets,
        consumers=overlay.consumers,
        rendered=not overlay.error,
        mentioned=mentioned(overlay.resources, folder) if scope.in_release else frozenset(),
        finders=finders(overlay.resources) if scope.in_release else (),
    )


def _without_overlays(root: Path, tenant: Path, scope: Scope, definitions: Definitions) -> Iterator[Manifest]:
    known = {canonical_environment(environment) for environment in definitions.environments}
    wanted = canonical_environment(scope.environment)
    if wanted and wanted not in known:
        shown = (tenant / FILE_NAME).relative_to(root).as_posix()
        raise ManifestError(
            Problem(
                f"{shown} does not list the environment “{scope.environment}”.",
                f"It lists {', '.join(sorted(known))}. Correct the input `environment`, or add it there.",
                where=Location(shown),
            )
        )
    for environment in [wanted] if wanted else sorted(known):
        parameters = tuple(_parameters((), environment, scope, definitions))
        yield Manifest(scope.service, environment, "", parameters, ())


def _parameters(
    external_secrets: Iterable[ExternalSecret], environment: str, scope: Scope, definitions: Definitions
) -> Iterator[Parameter]:
    """One parameter per path, in the order in which they are asked for; those of `secrets.yaml` alone come last."""
    asked: dict[str, list[Reference]] = {}
    for external_secret in external_secrets:
        for reference in external_secret.references:
            asked.setdefault(reference.path, []).append(reference)
    for key, definition in definitions.parameters.items():
        path = scope.parameter_path.render(environment, scope.service, key)
        asked.setdefault(path, [Reference(path=path, where=definition.where)])
    for path, references in asked.items():
        owned = scope.parameter_path.owned(path, environment, scope.service)
        key = path.rpartition("/")[2]
        said = definitions.parameters.get(key) if owned else None
        yield _parameter(path, key, owned, tuple(references), said)


def _parameter(
    path: str, key: str, owned: bool, references: tuple[Reference, ...], said: Definition | None
) -> Parameter:
    if said is None:
        return Parameter(path, key, owned, references)
    return Parameter(
        path,
        key,
        owned,
        references,
        source=said.source,
        optional=said.optional,
        encoding=said.encoding,
        description=said.description,
        tier=said.tier,
    )
