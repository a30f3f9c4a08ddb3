"""From a tenants repository on disk to manifests and findings: render, read, judge."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from secret_action.errors import ManifestError
from secret_action.manifest.building import Building
from secret_action.manifest.definitions import FILE_NAME, NONE, Definition, Definitions, read_definitions
from secret_action.manifest.external_secrets import flattened, read_consumers, read_external_secrets, read_of_cluster
from secret_action.manifest.ignores import merged, silence, without_symptoms
from secret_action.manifest.kustomize import RenderError
from secret_action.manifest.layout import (
    choose_overlay,
    list_overlays,
    nothing_to_judge,
    tenant_above,
    tenant_folder,
    two_spellings,
    with_environment,
)
from secret_action.manifest.mentions import finders, mentioned
from secret_action.manifest.overlay import Overlay, Tenant
from secret_action.manifest.renders import Renders
from secret_action.manifest.rules import all_rules, judge
from secret_action.manifest.secrets_in_use import Beside
from secret_action.manifest.settling import Unsure, environments_named, regrouped, settled, unsure
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
        folder = tenant_folder(root, scope.tenant_path, scope.service)
        above = tenant_above(folder, scope.tenant_path)
        self._folder = above or folder
        self._named = folder if above else None
        self._listed = self._overlays = list_overlays(self._folder)
        self._building = Building(root, self._folder, self._overlays, scope.store, renders)
        if self._overlays:
            self._unsure = self._find_unsure()
            if scope.environment:
                self._settle(canonical_environment(scope.environment))
            self._asked = self._choose()
            self._start([*self._asked, *(each.folder for each in self._unsure if not scope.environment)])
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
        if not self._scope.environment:
            self._settle()
            self._asked = self._choose()
        whole = not self._scope.environment and not self._named
        judged = self._judge(self._asked, whole=whole, binding=self._asked)
        return replace(judged, problems=self._problems)

    def everything(self) -> Judged:
        """All overlays, and the rules that compare them.

        What is wrong in another overlay than the one that was asked for is a warning at most: it is not released.
        """
        if not self._overlays:
            return Judged()
        self._settle()
        return self._judge(with_environment(self._overlays), whole=True, binding=self._asked)

    @property
    def _choice(self) -> dict[str, list[Path]]:
        """The overlays that the run may be for, by environment: all, or the one that `tenant-path` names."""
        if not self._named:
            return self._overlays
        return {name: [self._named] for name, folders in self._overlays.items() if self._named in folders}

    def _find_unsure(self) -> tuple[Unsure, ...]:
        found = unsure(self._folder, self._overlays, self._scope.environment, self._building.built_on())
        # The one that is named is an overlay, since it was named.
        return tuple(replace(each, is_built_on=each.is_built_on and each.folder != self._named) for each in found)

    def _settle(self, environment: str = "") -> None:
        """Waits for the overlays whose render says which environment they are for.

        environment: only those that may be of it, and what may be a layer.
        """
        waiting = [each for each in self._unsure if each.is_built_on or environment in ("", each.word)]
        self._start([each.folder for each in waiting])
        overlays = regrouped(self._listed, settled((each, self._environments_named(each)) for each in waiting))
        if overlays != self._overlays:
            self._overlays = overlays
            self._building.settle(overlays)

    def _environments_named(self, each: Unsure) -> frozenset[str] | None:
        rendered, scope = self._building.rendered(each.folder), self._scope
        if isinstance(rendered, RenderError):
            return None
        return environments_named(rendered, scope.service, scope.parameter_path, scope.store)

    def _choose(self) -> list[Path]:
        environment = self._scope.environment
        if not self._overlays and not environment:
            raise ManifestError(nothing_to_judge(self._shown(self._folder)))
        if not environment:
            return with_environment(self._choice)
        found = self._choice.get(canonical_environment(environment), [])
        if self._choice and not self._scope.in_release and not two_spellings(found):
            return found  # in a pull request it is a finding that there is none, which can be silenced
        return [choose_overlay(self._folder, self._root, environment, self._choice)]

    def _start(self, overlays: Sequence[Path]) -> None:
        for overlay in overlays:
            self._building.start(overlay)

    def _judge(self, folders: Sequence[Path], *, whole: bool, binding: Sequence[Path]) -> Judged:
        """binding: the overlays whose errors are errors."""
        self._start(folders)
        overlays = _side_by_side([self._overlay(folder) for folder in folders])
        definitions, scope = self._definitions, self._scope
        tenant = Tenant(
            service=scope.service,
            root=self._root,
            folder=self._shown(self._folder),
            where=definitions.where or Location(self._shown(self._folder)),
            overlays=overlays,
            environments=(scope.environment,) if scope.environment and not folders else definitions.environments,
            unclear=tuple(self._shown(folder) for folder in self._overlays.get("", ())),
        )
        whole = whole or not folders
        found = list(judge(tenant, whole=whole, in_release=scope.in_release))
        told, silenced = silence(found, tenant, definitions.ignores, whole=whole)
        bound = {"", *(self._shown(folder) for folder in binding)}
        findings = merged([_milder(each.finding, bound) for each in without_symptoms(told)])
        manifests = tuple(_manifest(overlay, scope, definitions, self._beside(overlay)) for overlay in overlays)
        return Judged(manifests, tuple(sorted(findings, key=_order)), _once(silenced))

    def _overlay(self, folder: Path) -> Overlay:
        sources, scope = Sources(self._root, folder), self._scope
        rendered = self._building.rendered(folder)
        overlay = Overlay(
            service=scope.service,
            environment=next(name for name, folders in self._overlays.items() if folder in folders),
            folder=self._shown(folder),
            where=Location(self._shown(folder)) if leads_outside(self._root, folder) else sources.fallback,
            parameter_path=scope.parameter_path,
            store=scope.store,
            sources=sources,
        )
        if isinstance(rendered, RenderError):
            return replace(overlay, error=str(rendered), error_at=rendered.where)
        resources = tuple(flattened(rendered))
        return replace(
            overlay,
            external_secrets=read_external_secrets(resources, scope.store, sources.locate),
            of_cluster=read_of_cluster(resources, scope.store, sources.locate),
            bases=tuple(self._building.bases(folder)),
            environments=frozenset(self._overlays) - {""},
            alone=self._building.alone(folder),
            consumers=read_consumers(resources),
            resources=resources,
        )

    def _beside(self, overlay: Overlay) -> tuple[str, ...]:
        same = [*self._overlays.get(overlay.environment, ()), *self._overlays.get("", ())]
        return tuple(shown for folder in same if (shown := self._shown(folder)) != overlay.folder)

    def _shown(self, folder: Path) -> str:
        return folder.relative_to(self._root).as_posix()


def _side_by_side(overlays: Sequence[Overlay]) -> tuple[Overlay, ...]:
    """Each with the others of its environment."""
    deployed: dict[str, dict[str, Beside]] = {}
    for overlay in overlays:
        deployed.setdefault(overlay.environment, {})[overlay.folder] = Beside(overlay.resources)
    return tuple(
        replace(overlay, beside=tuple(each for folder, each in same.items() if folder != overlay.folder))
        for overlay in overlays
        for same in [deployed[overlay.environment]]
    )


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


def _manifest(overlay: Overlay, scope: Scope, definitions: Definitions, beside: tuple[str, ...]) -> Manifest:
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
        beside=beside,
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
