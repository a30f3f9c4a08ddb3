"""The cluster's half of a run: what is there before the first write, the refresh with its proof, and the workloads.

The pipeline calls these in this order; what one of them saw is kept for the next.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Set
from typing import TYPE_CHECKING

from secret_action.model import Manifest, RefreshResult, Tenants, WorkloadResult
from secret_action.ports import Clock, Log
from secret_action.settings import ClusterSettings
from secret_action.values import SecretValue

if TYPE_CHECKING:
    from secret_action.cluster import Inspection, KubernetesApi, Survey, Threads


class Delivering:
    """One overlay's way into the cluster.

    connected: gives the API as soon as there is a connection; raises ClusterError. Each method raises ClusterError
    for what the cluster refuses.
    """

    def __init__(
        self,
        connected: Callable[[], KubernetesApi],
        manifest: Manifest,
        settings: ClusterSettings,
        log: Log,
        clock: Clock,
    ) -> None:
        self._connected = connected
        self._manifest = manifest
        self._settings = settings
        self._log = log
        self._clock = clock
        self._inspection: Inspection | None = None
        self._survey: Survey | None = None
        self._following: Threads | None = None

    @property
    def _rolls(self) -> bool:
        return self._settings.restart == "changed"

    def inspect(self) -> Inspection:
        """What the cluster holds of the manifest; runs beside the reads of SSM."""
        from secret_action.cluster import inspect

        return inspect(self._connected(), self._manifest.external_secrets, self._settings, self._log)

    def prepare(
        self, seen: Inspection, known: Mapping[str, SecretValue], changed: Set[str], *, refreshes: bool
    ) -> None:
        """Looks at all that could stand against the refresh, before anything is written.

        known: by parameter path the values that SSM will hold; changed: the paths that get another one. refreshes:
        this run goes on to `refresh`. Raises ManifestError for values that would not arrive.
        """
        from secret_action.cluster import follow, prepare, survey

        api = self._connected()
        self._inspection = prepare(api, seen, known, changed, self._settings)
        if refreshes:
            self._survey = survey(api, self._inspection, self._manifest.consumers, restart=self._rolls)
            self._following = follow(api, self._inspection)

    def refresh(
        self,
        known: Mapping[str, SecretValue],
        changed: frozenset[str],
        ssm_exists: Callable[[str], bool | None] | None,
        tenants: Tenants | None,
    ) -> tuple[RefreshResult, ...]:
        """Makes ESO read again and proves that it did. tenants: where the manifests are from."""
        from secret_action.cluster import NOWHERE, refresh

        return refresh(
            self._connected(),
            self._manifest.external_secrets,
            self._inspection,
            known,
            self._settings,
            self._log,
            self._clock,
            token=f"secret-sync-{secrets.token_hex(12)}",
            ssm_exists=ssm_exists,
            changed_paths=changed,
            optional=frozenset(one.path for one in self._manifest.parameters if one.optional),
            tenants=tenants or NOWHERE,
            notes=self._survey.notes if self._survey else None,
            following=self._following,
        )

    def workloads(self) -> tuple[WorkloadResult, ...]:
        """How the workloads that read the Secrets stand after the refresh, rolled where the run is to roll them."""
        from secret_action.cluster import look, restart

        if self._survey is None:
            return ()
        api = self._connected()
        secrets_read = self._following.secrets if self._following else None
        seen = look(api, self._survey, restart=self._rolls, secrets_read=secrets_read)
        if not self._rolls:
            return seen.results
        return restart(api, seen, self._settings.timeout, self._log, self._clock)

    def close(self) -> None:
        """Ends what still looks at the cluster."""
        if self._following is not None:
            self._following.close()
