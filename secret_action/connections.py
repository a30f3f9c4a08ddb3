"""AWS and the cluster, connected in the background, and only where the run needs them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from secret_action import clients
from secret_action.background import Background
from secret_action.github.oidc import fetch_token
from secret_action.ports import Clock, Log
from secret_action.settings import OidcSettings, Settings

if TYPE_CHECKING:
    from secret_action.cluster import KubernetesApi
    from secret_action.store import AwsSession

_CLOSE_SECONDS = 1.0


class Connections:
    """Begins to connect at once: neither depends on the manifests, so they get ready while GitHub answers."""

    def __init__(self, settings: Settings, log: Log, clock: Clock) -> None:
        self._settings = settings
        self._log = log
        self._clock = clock
        needs_aws = settings.mode.reads_cloud or (self._looks_at_cluster and settings.cluster.eks_cluster)
        self._aws = Background(self._connect_aws) if needs_aws else None
        self.cluster = Background(self._connect_cluster) if self._looks_at_cluster else None
        """None where the run does not look at the cluster."""

    @property
    def aws(self) -> Background[AwsSession] | None:
        """None where the run does not look at SSM."""
        return self._aws if self._settings.mode.reads_cloud else None

    def close(self) -> None:
        """Ends the connections to the cluster."""
        if self.cluster is not None and (api := self.cluster.finished(_CLOSE_SECONDS)):
            api.close()

    @property
    def _looks_at_cluster(self) -> bool:
        mode, cluster = self._settings.mode, self._settings.cluster
        if cluster.refresh == "never":
            return False
        if mode.name == "plan" or (mode.name == "release" and self._settings.dry_run):
            # A plan is often made where the cluster cannot be reached: it looks there only when it was told where.
            return bool(cluster.kubeconfig or cluster.eks_cluster)
        return mode.refreshes

    def _connect_aws(self) -> AwsSession:
        clients.load(clients.AWS)
        from secret_action import store

        oidc = self._settings.aws.oidc
        fetch = partial(self._oidc_token, oidc) if oidc is not None else None
        return store.connect(self._settings.aws, self._log, fetch_oidc_token=fetch, clock=self._clock)

    def _oidc_token(self, oidc: OidcSettings, audience: str) -> str:
        return fetch_token(oidc, audience, self._log, self._clock)

    def _connect_cluster(self) -> KubernetesApi:
        clients.load(clients.KUBERNETES)
        from secret_action.cluster import connect
        from secret_action.store.eks import EksAccess

        aws = self._aws
        eks = (lambda: EksAccess(aws.result().eks, aws.result().sts)) if aws else None
        return connect(self._settings.cluster, self._log, eks=eks, clock=self._clock)
