"""One overlay of a tenant, rendered: what the rules look at."""

from __future__ import annotations

from dataclasses import dataclass

from secret_action.model import ExternalSecret, Location
from secret_action.naming import ParameterPath


@dataclass(frozen=True)
class Overlay:
    """environment: as the SSM path says it. folder: relative to the repository's root.

    where: its kustomization file. error: why it does not render; empty where it does.
    bases: the ExternalSecrets of the folders that it builds on, rendered by themselves, so before its patches.
    """

    service: str
    environment: str
    folder: str
    where: Location
    parameter_path: ParameterPath
    external_secrets: tuple[ExternalSecret, ...] = ()
    bases: tuple[ExternalSecret, ...] = ()
    error: str = ""
