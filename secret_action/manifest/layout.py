"""Where things lie in a tenants repository: tenants, their overlays, and the bases those build on."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from secret_action.errors import ManifestError
from secret_action.manifest.definitions import FILE_NAME
from secret_action.manifest.kustomize import KUSTOMIZATION_NAMES, kustomization_file
from secret_action.manifest.sources import files_below
from secret_action.manifest.yaml_files import get, items, leads_outside, source_nodes, text
from secret_action.model import Location, Problem
from secret_action.naming import canonical_environment

_OVERLAYS = "overlays"
_NOT_OVERLAYS = frozenset({"base", "components"})


def tenant_folder(root: Path, tenant_path: str, service: str) -> Path:
    """The folder of one service. Raises ManifestError that names the nearest tenants where it is missing."""
    shown = tenant_path.replace("{service}", service)
    folder = root / shown
    for link in (folder, folder / _OVERLAYS):
        if leads_outside(root, link):
            raise ManifestError(outside(root, link))
    if os.path.isdir(folder):
        return folder
    services = list_services(root, tenant_path)
    near = difflib.get_close_matches(service, services, n=3, cutoff=0.3) or services[:5]
    raise ManifestError(
        Problem(
            f"The tenants repository has no folder {shown} for the service “{service}”.",
            "Correct the input `service` or `tenant-path`, or add the folder."
            + (f" There is: {', '.join(near)}." if near else ""),
        )
    )


def outside(root: Path, link: Path) -> Problem:
    """What is said of a link that leads out of the repository."""
    shown = link.relative_to(root).as_posix()
    return Problem(
        f"{shown} is a link that leads outside of the repository, where nothing is read.",
        "Put what it leads to into the repository.",
        where=Location(shown),
    )


def list_services(root: Path, tenant_path: str) -> list[str]:
    """All services that have a folder under the tenant path (`tenants/*`), hidden ones apart."""
    before, found, after = tenant_path.partition("{service}")
    parent = root / before
    if not found or not parent.is_dir() or leads_outside(root, parent):
        return []
    return sorted(
        folder.name
        for folder in parent.iterdir()
        if (root / f"{before}{folder.name}{after}").is_dir() and not folder.name.startswith(".")
    )


def list_overlays(tenant: Path) -> dict[str, list[Path]]:
    """The tenant's overlay folders by environment, each in its canonical spelling.

    They lie in `overlays/`; where there is no such folder, each folder with a kustomization counts that is neither
    the tenant itself, nor a base or component, nor built on by another one.
    """
    found: dict[str, list[Path]] = {}
    if (tenant / _OVERLAYS).is_dir():
        # One without a kustomization counts too: it does not render, which must be said and not passed over.
        folders = [folder for folder in sorted((tenant / _OVERLAYS).iterdir()) if _is_overlay(folder)]
    else:
        candidates = [folder for folder in files_below(tenant, KUSTOMIZATION_NAMES) if folder != tenant]
        used = {base.resolve() for folder in candidates for base in bases_of(folder)}
        folders = [
            folder
            for folder in candidates
            if folder.resolve() not in used and not _NOT_OVERLAYS & set(folder.relative_to(tenant).parts)
        ]
    for folder in folders:
        found.setdefault(canonical_environment(folder.name), []).append(folder)
    return found


def _is_overlay(folder: Path) -> bool:
    if not folder.is_dir() or folder.name.startswith("."):
        return False
    below = (each for each in files_below(folder, KUSTOMIZATION_NAMES) if each != folder)
    return kustomization_file(folder) is not None or not any(below)


def choose_overlay(tenant: Path, root: Path, environment: str, overlays: dict[str, list[Path]]) -> Path:
    """The one overlay of an environment. Raises ManifestError that names those that exist, the nearest first."""
    folders = overlays.get(canonical_environment(environment), [])
    shown = tenant.relative_to(root).as_posix()
    if len(folders) == 1:
        return folders[0]
    if folders:
        names = ", ".join(folder.relative_to(root).as_posix() for folder in folders)
        raise ManifestError(
            Problem(
                f"{shown} has more than one overlay for the environment “{environment}”: {names}.",
                "Keep one: `production` is another spelling of `prod`.",
                where=Location(shown),
            )
        )
    existing = sorted(folder.name for each in overlays.values() for folder in each)
    near = difflib.get_close_matches(environment, existing, n=len(existing) or 1, cutoff=0.0)
    raise ManifestError(
        Problem(
            f"{shown} has no overlay for the environment “{environment}”.",
            (f"Overlays that exist: {', '.join(near)}. " if near else "It has no overlay at all. ")
            + f"Correct the input `environment`, or add {shown}/{_OVERLAYS}/{environment}"
            + ("." if near else f", or a {FILE_NAME} that lists its `environments`."),
            where=Location(shown),
        )
    )


def bases_of(overlay: Path) -> Sequence[Path]:
    """The folders that a kustomization builds on directly."""
    file = kustomization_file(overlay)
    node = next(iter(source_nodes(file)), None) if file else None
    named = [text(entry) for field in ("resources", "bases") for entry in items(get(node, field))]
    folders = [overlay / name for name in named if name and "\n" not in name]
    return [folder for folder in folders if kustomization_file(folder)]
