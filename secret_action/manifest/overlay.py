"""What the rules look at: one overlay of a tenant, rendered, and the tenant with all its overlays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from secret_action.manifest.kustomization import Id
from secret_action.manifest.secrets_in_use import Beside
from secret_action.manifest.sources import Sources
from secret_action.model import Consumer, ExternalSecret, Location
from secret_action.naming import ParameterPath


@dataclass(frozen=True)
class Base:
    """A folder that an overlay builds on, directly or through others, rendered by itself, so before all that others
    patch; of a component, what it adds.

    folder: relative to the repository's root. is_overlay: it is another overlay of the tenant, and no base. only_for:
    environments that it may name, since it lies in a folder of theirs, or no other environment's overlay builds on it.
    prefix, suffix: what the folders between it and the overlay put around the names that it renders.
    """

    folder: str
    external_secrets: tuple[ExternalSecret, ...]
    is_overlay: bool = False
    only_for: frozenset[str] = frozenset()
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True)
class Overlay:
    """One overlay, rendered.

    environment: as the SSM path says it. folder: relative to the repository's root; `where`: its kustomization file.
    error: why it does not render; empty where it does. error_at: the place of that, where it is another file than the
    overlay's. external_secrets: those of the platform's store. of_cluster:
    those that its ClusterExternalSecrets make. bases: what it is built of, the nearest first. environments: all that
    the tenant has overlays for.
    resources: all that was rendered, lists opened, as kustomize wrote it. sources: finds the file and line of it.
    beside: the other overlays of its environment that are judged with it. alone: the folders of the tenant that it is
    built of, and no other environment's overlay.
    """

    service: str
    environment: str
    folder: str
    where: Location
    parameter_path: ParameterPath
    store: str
    sources: Sources = field(compare=False, repr=False)
    external_secrets: tuple[ExternalSecret, ...] = ()
    of_cluster: tuple[ExternalSecret, ...] = ()
    bases: tuple[Base, ...] = ()
    environments: frozenset[str] = frozenset()
    consumers: tuple[Consumer, ...] = ()
    resources: tuple[Mapping[str, Any], ...] = field(default=(), compare=False, repr=False)
    error: str = ""
    error_at: Location | None = None
    alone: frozenset[str] = frozenset()
    beside: tuple[Beside, ...] = field(default=(), compare=False, repr=False)

    def rendered(self, external_secret: ExternalSecret, base: Base) -> ExternalSecret | None:
        """What became of a base's ExternalSecret, whose name prefixes and suffixes may have changed."""
        where = external_secret.where
        same = [each for each in self.external_secrets if each.where == where and where.line is not None]
        if len(same) == 1:
            return same[0]
        # Of one file that is built on twice, or where the line is not known.
        name = self.sources.renamed(f"{base.prefix}{external_secret.name}{base.suffix}")
        for wanted in (name, external_secret.name):
            named = [each for each in same or self.external_secrets if each.name == wanted]
            if named:
                return next((each for each in named if each.namespace == external_secret.namespace), named[0])
        return None

    def resource(self, external_secret: ExternalSecret) -> Mapping[str, Any]:
        """The rendered resource that an ExternalSecret was read from."""
        return next((each for each in self.resources if each.get("spec") is external_secret.spec), {})

    @cached_property
    def met(self) -> frozenset[tuple[str, str, Id]]:
        """What its patches can be for: version, kind and id as they meet it, of all that was rendered."""
        found = set()
        for resource in self.resources:
            if traced := self.sources.trace(resource):
                name, namespace = traced.met
                found.add((str(resource.get("apiVersion")), traced.kind, (name, namespace or "default")))
        return frozenset(found)

    def origins(self, rendered: ExternalSecret) -> Iterator[tuple[Base, ExternalSecret]]:
        """What a rendered ExternalSecret is in each of the overlay's bases that has it, the nearest first."""
        for base in self.bases:
            yield from ((base, each) for each in base.external_secrets if self.rendered(each, base) is rendered)

    def in_base(self, rendered: ExternalSecret) -> ExternalSecret | None:
        """The ExternalSecret as the overlay's patches meet it; None for one that is in no base."""
        return next((external_secret for _, external_secret in self.origins(rendered)), None)


@dataclass(frozen=True)
class Tenant:
    """One tenant with the overlays that are judged: all that it has.

    root: the repository on disk. folder: the tenant's, relative to it. environments: those that it must have an
    overlay for, by `secrets.yaml` or by the input; in the spelling that was used there. where: the place of that.
    unclear: the folders of overlays that are not judged, since their environment cannot be told.
    """

    service: str
    root: Path
    folder: str
    where: Location
    overlays: tuple[Overlay, ...]
    environments: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
