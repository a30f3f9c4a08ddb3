"""Which ExternalSecrets of the manifests a run is about, and where in the cluster they are."""

from __future__ import annotations

from dataclasses import dataclass

from secret_action.cluster.live import is_managed
from secret_action.errors import InputError
from secret_action.model import ExternalSecret, Problem
from secret_action.naming import MANAGED_LABEL
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


def left_out(external_secrets: tuple[ExternalSecret, ...], settings: ClusterSettings) -> tuple[str, ...]:
    """A warning where `label-selector` leaves managed ExternalSecrets out: they are not refreshed.

    Raises InputError where it leaves all of them out.
    """
    managed = [es for es in external_secrets if is_managed(es.labels)]
    out = [es for es in managed if not settings.selector.matches(es.labels)]
    if not out:
        return ()
    if len(out) < len(managed):
        names = ", ".join(_name(es, settings) for es in out)
        return (f"label-selector “{settings.selector.text}” leaves out, so this run does not refresh: {names}.",)
    labels = {
        _name(es, settings): ", ".join(f"{name}={text}" for name, text in sorted(es.labels.items())) for es in out
    }
    raise InputError(
        Problem(
            f"label-selector “{settings.selector.text}” matches no managed ExternalSecret of the manifests, so none "
            "would be refreshed.",
            f"Correct label-selector, or leave it out to refresh all that carry {MANAGED_LABEL}=true.",
            tuple(f"{name} has the labels {listed}." for name, listed in labels.items()),
            where=out[0].where,
        )
    )


def _name(es: ExternalSecret, settings: ClusterSettings) -> str:
    return "/".join(filter(None, [es.namespace or settings.namespace, es.name]))


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
