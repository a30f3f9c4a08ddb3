"""What the rules look at: one overlay of a tenant, rendered, and the tenant with all its overlays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from secret_action.manifest.sources import Sources
from secret_action.model import Consumer, ExternalSecret, Location
from secret_action.naming import ParameterPath


@dataclass(frozen=True)
class Base:
    """A folder that an overlay builds on, rendered by itself, so before the overlay's patches.

    folder: relative to the repository's root. is_overlay: it is another environment's overlay, and no base.
    """

    folder: str
    external_secrets: tuple[ExternalSecret, ...]
    is_overlay: bool = False


@dataclass(frozen=True)
class Overlay:
    """One overlay, rendered.

    environment: as the SSM path says it. folder: relative to the repository's root; `where`: its kustomization file.
    error: why it does not render; empty where it does. external_secrets: those of the platform's store.
    resources: all that was rendered, lists opened, as kustomize wrote it. sources: finds the file and line of it.
    """

    service: str
    environment: str
    folder: str
    where: Location
    parameter_path: ParameterPath
    store: str
    sources: Sources = field(compare=False, repr=False)
    external_secrets: tuple[ExternalSecret, ...] = ()
    bases: tuple[Base, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    resources: tuple[Mapping[str, Any], ...] = field(default=(), compare=False, repr=False)
    error: str = ""

    def rendered(self, base: ExternalSecret) -> ExternalSecret | None:
        """What became of a base's ExternalSecret, whose name a prefix or suffix may have changed."""
        same = [each for each in self.external_secrets if each.where == base.where and base.where.line is not None]
        if len(same) == 1:
            return same[0]
        # Of one file that is built on twice, or where the line is not known.
        names = {base.name, self.sources.renamed(base.name)}
        named = [each for each in same or self.external_secrets if each.name in names]
        return next(iter([each for each in named if each.namespace == base.namespace] or named), None)

    def resource(self, external_secret: ExternalSecret) -> Mapping[str, Any]:
        """The rendered resource that an ExternalSecret was read from."""
        return next((each for each in self.resources if each.get("spec") is external_secret.spec), {})

    def in_base(self, rendered: ExternalSecret) -> ExternalSecret | None:
        """The ExternalSecret as the overlay's patches meet it; None for one that is in no base."""
        of_bases = (each for base in self.bases for each in base.external_secrets)
        return next((each for each in of_bases if self.rendered(each) is rendered), None)


@dataclass(frozen=True)
class Tenant:
    """One tenant with the overlays that are judged: all that it has.

    root: the repository on disk. folder: the tenant's, relative to it. environments: those that it must have an
    overlay for, by `secrets.yaml` or by the input; in the spelling that was used there. where: the place of that.
    """

    service: str
    root: Path
    folder: str
    where: Location
    overlays: tuple[Overlay, ...]
    environments: tuple[str, ...] = ()
