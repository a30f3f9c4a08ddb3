"""What an ExternalSecret stands on: its namespace, and the kind itself. Where that is gone, that is the cause."""

from __future__ import annotations

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.errors import NotFound, not_served
from secret_action.cluster.explanations import told
from secret_action.cluster.live import is_going
from secret_action.cluster.paths import NAMESPACES, Resource
from secret_action.errors import SecretSyncError
from secret_action.model import Diagnosis


class Ground:
    """Looks whether it is there. It only reads, and what it may not read it takes for given."""

    def __init__(self, api: KubernetesApi, resource: Resource) -> None:
        self._api = api
        self._resource = resource

    def lost_kind(self) -> Diagnosis | None:
        """Says so where the cluster serves no ExternalSecrets any more."""
        try:
            return None if self._api.serves(self._resource) else told(not_served(self._resource.at()))
        except SecretSyncError:
            return None

    def lost_namespace(self, name: str) -> Diagnosis | None:
        """Says so where a namespace is gone, or is going."""
        try:
            going = is_going(self._api.get(NAMESPACES.at(name=name)))
        except NotFound:
            return Diagnosis(
                f"There is no namespace {name} in the cluster.",
                "Create it and deploy the manifests, or correct the namespace that they name.",
            )
        except SecretSyncError:
            return None
        if not going:
            return None
        return Diagnosis(
            f"The namespace {name} is being deleted, with all that is in it.",
            "Run again when it is there anew, or take its ExternalSecrets out of the manifests: `kubectl get ns "
            f"{name} -o yaml` says what holds its deletion up.",
        )
