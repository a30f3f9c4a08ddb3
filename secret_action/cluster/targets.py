"""Which ExternalSecrets of the manifests a run is about, and where in the cluster they are."""

from __future__ import annotations

from dataclasses import dataclass

from secret_action.cluster.live import is_managed
from secret_action.errors import InputError
from secret_action.model import ExternalSecret, Problem
from secret_action.settings import ClusterSettings


@dataclass(frozen=True)
class Target:
    """One rendered ExternalSecret and its namespace in the cluster."""

    namespace: str
    rendered: ExternalSecret

    @property
    def name(self) -> str:
        """Its name, which is unique within its namespace."""
        return self.rendered.name

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def managed(self) -> bool:
        """Whether the manifest gives it the platform's mark."""
        return is_managed(self.rendered.labels)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def targets(external_secrets: tuple[ExternalSecret, ...], settings: ClusterSettings) -> tuple[Target, ...]:
    """The ExternalSecrets that this run is about: those that `label-selector` leaves in, each with its namespace.

    Those without the platform's mark stay in, so that they can be told about. Raises InputError where a manifest
    names no namespace and the input does not either.
    """
    chosen = [es for es in external_secrets if not is_managed(es.labels) or settings.selector.matches(es.labels)]
    homeless = [es for es in chosen if not es.namespace and not settings.namespace]
    if homeless:
        raise InputError(
            *(
                Problem(
                    f"The manifest of ExternalSecret {es.name} names no namespace, and neither does the input.",
                    "Set namespace, or `namespace:` in the overlay's kustomization.",
                    where=es.where,
                )
                for es in homeless
            )
        )
    return tuple(Target(es.namespace or settings.namespace, es) for es in chosen)
