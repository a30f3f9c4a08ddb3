"""The tenants of a run, rendered and judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from secret_action import tenancy
from secret_action.background import Background
from secret_action.errors import ManifestError
from secret_action.manifest.layout import holds_nothing, list_services
from secret_action.manifest.read import Judged, Reading, Scope, read_tenants
from secret_action.manifest.renders import Renders
from secret_action.model import Problem
from secret_action.ports import Log
from secret_action.report.words import count, some
from secret_action.settings import Settings

_ELSEWHERE_SECONDS = 5.0
_MOST_NAMED = 20


class Judging:
    """In `validate` all that was asked for; else the overlay that is released, and after it its neighbours."""

    def __init__(self, settings: Settings, subject: tenancy.Subject, log: Log) -> None:
        self._settings = settings
        self._root = Path(subject.tenants.root)
        self._services = subject.services
        self._log = log
        self._renders = Renders(self._root)
        self._neighbours: Background[Judged] | None = None

    def run(self) -> Judged:
        """All that was read and found, and why some of it could not be read."""
        judged = Judged()
        for each in self._read():
            judged += each
            self._tell(each)
        return judged

    def elsewhere(self) -> Judged | None:
        """All findings, those in the tenant's other overlays included; None where nobody looked there."""
        return self._neighbours.finished(_ELSEWHERE_SECONDS) if self._neighbours else None

    def close(self) -> None:
        """Ends what still renders."""
        self._renders.close()

    def _read(self) -> Iterator[Judged]:
        if self._settings.mode.name == "validate":
            yield from read_tenants(self._root, self._scopes(), self._renders)
            return
        (scope,) = self._scopes()
        reading = Reading(self._root, scope, self._renders)
        # The overlay that is released first; its neighbours while AWS and the cluster are being asked.
        yield reading.judged()
        self._neighbours = Background(reading.everything)

    def _scopes(self) -> list[Scope]:
        """Raises ManifestError where there is no tenant."""
        settings = self._settings
        path = settings.github.tenant_path
        services = self._all_services(path) if self._services is None else self._services
        if settings.mode.name == "validate":
            named = f": {some(services, _MOST_NAMED)}" if services else ""
            self._log.line(f"Judged: {count(len(services), 'tenant')}{named}.")
        return [
            Scope(
                service,
                settings.environment,
                path,
                settings.parameter_path,
                settings.store,
                in_release=settings.mode.name != "validate",
            )
            for service in services
        ]

    def _all_services(self, path: str) -> tuple[str, ...]:
        folders = list_services(self._root, path)
        others = [each for each in folders if holds_nothing(self._root, path, each)]
        if others:
            self._log.line(f"Passed over, since nothing in them is a tenant's: {some(others, _MOST_NAMED)}.")
        if services := tuple(each for each in folders if each not in others):
            return services
        raise ManifestError(
            Problem(
                f"There is no tenant at {path.replace('{service}', '*')}.",
                "Correct the input `tenant-path`, or name the `service`.",
            )
        )

    def _tell(self, judged: Judged) -> None:
        for manifest in judged.manifests:
            parameters, wanted = len(manifest.parameters), len(manifest.external_secrets)
            self._log.line(
                f"{manifest.overlay or manifest.service}: "
                + (
                    f"{count(parameters, 'parameter')}, {count(wanted, 'ExternalSecret')}"
                    if manifest.rendered
                    else "not rendered"
                )
            )
