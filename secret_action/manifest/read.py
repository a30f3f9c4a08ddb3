"""From a tenants repository on disk to manifests and findings: render, read, judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from secret_action.errors import ManifestError
from secret_action.manifest.definitions import FILE_NAME, Definition, Definitions, read_definitions
from secret_action.manifest.external_secrets import read_consumers, read_external_secrets
from secret_action.manifest.kustomize import Kustomize, RenderError, find_kustomize
from secret_action.manifest.layout import bases_of, choose_overlay, list_overlays, tenant_folder
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.remote import refuse_remote
from secret_action.manifest.rules import judge
from secret_action.manifest.sources import Sources
from secret_action.model import ExternalSecret, Finding, Location, Manifest, Parameter, Problem, Reference
from secret_action.naming import ParameterPath, canonical_environment

_RENDERS_AT_ONCE = 4


@dataclass(frozen=True)
class Scope:
    """What to read: one service, one environment (empty: all that it has), and how the platform names things."""

    service: str
    environment: str
    tenant_path: str
    parameter_path: ParameterPath
    store: str


@dataclass(frozen=True)
class Judged:
    """The manifests of the environments asked for, and all that the rules found in them."""

    manifests: tuple[Manifest, ...]
    findings: tuple[Finding, ...]


def read_tenant(root: Path, scope: Scope) -> Judged:
    """Reads and judges one tenant.

    root: the repository, absolute. Raises ManifestError where there is nothing to judge: no such tenant or overlay,
    a broken `secrets.yaml`, no kustomize. An overlay that does not render is a finding.
    """
    tenant = tenant_folder(root, scope.tenant_path, scope.service)
    definitions = read_definitions(tenant, root)
    overlays = list_overlays(tenant)
    if definitions.environments:
        if overlays:
            raise ManifestError(
                Problem(
                    f"{definitions.where}: `environments` is only for a tenant without overlays, and this one has "
                    f"{', '.join(sorted(overlays))}.",
                    "Leave `environments` out.",
                    where=definitions.where,
                )
            )
        return Judged(tuple(_without_overlays(root, tenant, scope, definitions)), ())
    if scope.environment:
        folders = [choose_overlay(tenant, root, scope.environment, overlays)]
    else:
        folders = [folder for each in overlays.values() for folder in each]
        if not folders:
            shown = tenant.relative_to(root).as_posix()
            raise ManifestError(
                Problem(
                    f"{shown} has no overlay, and no {FILE_NAME} that lists its `environments`.",
                    "Add one of the two, or move the folder away from the tenants.",
                    where=Location(shown),
                )
            )
    read = _render_all(root, folders, scope)
    manifests = tuple(_manifest(overlay, consumers, scope, definitions) for overlay, consumers in read)
    findings = _merged(finding for overlay, _ in read for finding in judge(overlay))
    return Judged(manifests, tuple(sorted(findings, key=_order)))


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """One mistake in a base is one finding, however many overlays build on it; it then names none of them."""
    by_place: dict[Finding, Finding] = {}
    for finding in findings:
        anywhere = replace(finding, overlay="")
        by_place[anywhere] = anywhere if anywhere in by_place else finding
    return list(by_place.values())


def _order(finding: Finding) -> tuple[int, str, int, str]:
    severity = ("error", "warning", "notice").index(finding.severity)
    return severity, finding.where.file, finding.where.line or 0, finding.rule


def _render_all(root: Path, folders: Sequence[Path], scope: Scope) -> list[tuple[Overlay, tuple[Any, ...]]]:
    """Renders overlays and the bases they build on, each folder once, several at a time."""
    kustomize = Kustomize(find_kustomize())
    wanted = dict.fromkeys(folder.resolve() for overlay in folders for folder in (overlay, *bases_of(overlay)))
    # Not `with`: it waits for what runs, and a cancel must not wait for a slow kustomize.
    pool = ThreadPoolExecutor(_RENDERS_AT_ONCE)
    try:
        rendered = dict(zip(wanted, pool.map(partial(_try_render, kustomize, root), wanted), strict=True))
    except BaseException:
        kustomize.kill()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [_overlay(root, folder, scope, rendered) for folder in folders]


def _try_render(kustomize: Kustomize, root: Path, folder: Path) -> list[dict[str, Any]] | RenderError:
    try:
        refuse_remote(root, folder)
        return kustomize.render(folder)
    except RenderError as error:
        return error


def _overlay(
    root: Path, folder: Path, scope: Scope, rendered: Mapping[Path, list[dict[str, Any]] | RenderError]
) -> tuple[Overlay, tuple[Any, ...]]:
    sources = Sources(root, folder)
    resources = rendered[folder.resolve()]
    overlay = Overlay(
        service=scope.service,
        environment=canonical_environment(folder.name),
        folder=folder.relative_to(root).as_posix(),
        where=sources.fallback,
        parameter_path=scope.parameter_path,
    )
    if isinstance(resources, RenderError):
        return replace(overlay, error=str(resources)), ()
    bases = tuple(
        external_secret
        for base in bases_of(folder)
        if not isinstance(base_resources := rendered[base.resolve()], RenderError)
        for external_secret in read_external_secrets(base_resources, scope.store, Sources(root, base).locate)
    )
    external_secrets = read_external_secrets(resources, scope.store, sources.locate)
    return replace(overlay, external_secrets=external_secrets, bases=bases), read_consumers(resources)


def _manifest(overlay: Overlay, consumers: tuple[Any, ...], scope: Scope, definitions: Definitions) -> Manifest:
    return Manifest(
        service=scope.service,
        environment=overlay.environment,
        overlay=overlay.folder,
        parameters=tuple(_parameters(overlay.external_secrets, overlay.environment, scope, definitions)),
        external_secrets=overlay.external_secrets,
        consumers=consumers,
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
