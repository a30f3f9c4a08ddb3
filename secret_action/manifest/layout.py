"""Where things lie in a tenants repository: tenants, and their overlays by environment."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from secret_action.errors import ManifestError
from secret_action.manifest.definitions import FILE_NAME
from secret_action.manifest.kustomize import KUSTOMIZATION_NAMES, kustomization_file
from secret_action.manifest.layers import bases_of, components_of, is_component
from secret_action.manifest.paths import names_environment
from secret_action.manifest.yaml_files import MAX_BYTES, get, items, leads_outside, read_regular, source_nodes, text
from secret_action.model import Location, Problem
from secret_action.naming import canonical_environment, environment_spellings

_OVERLAYS = "overlays"
KEEP_ONE = "Keep one: `production` is another spelling of `prod`."
_NOT_OVERLAYS = frozenset({"base", "components"})
_DENYING = frozenset({"non", "not"})


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


def nothing_to_judge(shown: str) -> Problem:
    """What is said of a tenant's folder that has neither overlays nor definitions instead of them."""
    return Problem(
        f"{shown} has no overlay, and no {FILE_NAME} that lists its `environments`.",
        "Add one of the two, or move the folder away from the tenants.",
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


def holds_nothing(root: Path, tenant_path: str, service: str) -> bool:
    """Whether nothing in a service's folder is what tenants are made of, as in one of notes or of shared components.

    That is definitions, a folder of overlays, or a kustomization or ExternalSecret that is no component's. A link may
    lead to any of these.
    """
    folder = root / tenant_path.replace("{service}", service)
    if leads_outside(root, folder) or (folder / FILE_NAME).exists() or (folder / _OVERLAYS).exists():
        return False
    components: list[Path] = []
    for current, folders, files in os.walk(folder):
        here = Path(current)
        folders[:] = [each for each in folders if not each.startswith(".")]
        if is_component(here):
            components.append(here)
        elif any(name in files for name in KUSTOMIZATION_NAMES) or any((here / each).is_symlink() for each in folders):
            return False
        elif not any(here.is_relative_to(each) for each in components):
            texts = (here / file for file in files if file.endswith((".yaml", ".yml")))
            if any(_mentions_external_secrets(file) for file in texts):
                return False
    return True


def _mentions_external_secrets(file: Path) -> bool:
    try:
        return b"ExternalSecret" in read_regular(file, MAX_BYTES)
    except OSError:
        return True  # which is not known


def list_overlays(tenant: Path) -> dict[str, list[Path]]:
    """The tenant's overlay folders by environment, each in its canonical spelling.

    They lie in `overlays/`, or in folders in that; where there is no such folder, anywhere in the tenant. Each folder
    with a kustomization counts that is neither the tenant itself, nor a base or component, nor built on by another
    one, unless that is another environment's. Those directly in `overlays/` always count. Those whose environment
    cannot be told stand under the empty text. This is by their paths alone; `settling` has the last word.
    """
    top = tenant / _OVERLAYS
    listed = listed_environments(tenant)
    if top.is_dir():
        children = list(top.iterdir())
        # One without a kustomization counts too: it does not render, which must be said and not passed over.
        direct = [folder for folder in children if _is_overlay(folder)]
        folders = sorted([*direct, *_leaves(tenant, top, {top, *children}, listed)])
    else:
        folders = _leaves(tenant, tenant, {tenant}, listed)
    last_parts = Counter(folder.name for folder in folders)
    found: dict[str, list[Path]] = {}
    for folder in folders:
        parts = folder.relative_to(tenant).parts
        environment = _environment(parts, listed, alone=last_parts[folder.name] == 1)
        found.setdefault(environment, []).append(folder)
    return found


def with_environment(overlays: Mapping[str, Sequence[Path]]) -> list[Path]:
    """All overlays, but for those whose environment cannot be told."""
    return [folder for environment, folders in overlays.items() if environment for folder in folders]


def tenant_above(folder: Path, tenant_path: str) -> Path | None:
    """The tenant's folder, where `tenant-path` names an overlay of it: `tenants/{service}/overlays/prod/eu`.

    folder: the one that `tenant-path` stands for. None where that is the tenant.
    """
    before, found, after = tenant_path.partition("{service}")
    parts = PurePosixPath(after.partition("/")[2] if found else before).parts
    if not found:
        parts = parts[parts.index(_OVERLAYS) :] if _OVERLAYS in parts else ()
    if not parts or (folder / _OVERLAYS).is_dir():
        return None
    tenant = folder.parents[len(parts) - 1]
    listed = listed_environments(tenant)
    if not _environment(parts, listed) and not word_in(tenant, folder, listed):
        return None
    return tenant if any(folder in each for each in list_overlays(tenant).values()) else None


def _is_overlay(folder: Path) -> bool:
    if not folder.is_dir() or folder.name.startswith(".") or folder.name in _NOT_OVERLAYS:
        return False
    below = (each for each in _folders_with(folder, KUSTOMIZATION_NAMES) if each != folder)
    return kustomization_file(folder) is not None or not any(below)


def _leaves(tenant: Path, top: Path, passed_over: Collection[Path], listed: Collection[str]) -> list[Path]:
    """The folders below `top` that are overlays by their place: no bases by their names, and built on by no other one
    of the tenant but an overlay of another environment.
    """
    candidates = [folder for folder in _folders_with(top, KUSTOMIZATION_NAMES) if folder not in passed_over]
    if not candidates:
        return []
    users: dict[Path, set[str]] = {}
    for user in {*_folders_with(tenant, KUSTOMIZATION_NAMES), *candidates} - {tenant}:
        for base in {each.resolve() for each in (*bases_of(user), *components_of(user))} - {user.resolve()}:
            users.setdefault(base, set()).add(_environment(user.relative_to(tenant).parts, listed))
    found = []
    for folder in candidates:
        parts = folder.relative_to(tenant).parts
        environment = _environment(parts, listed)
        is_base = any(not environment or user in ("", environment) for user in users.get(folder.resolve(), ()))
        if not is_base and not _NOT_OVERLAYS & set(parts) and not is_component(folder):
            found.append(folder)
    return found


def _environment(parts: Sequence[str], listed: Collection[str], *, alone: bool = False) -> str:
    """The environment that a path of folders names, in its canonical spelling; empty where it names none, or several.

    listed: names that say it before the usual ones do. alone: no other overlay's folder has the last one's name,
    which may then be an environment's, however unusual.
    """
    below = _below_overlays(parts)
    anywhere = len(below) == len(parts)
    if len(below) == 1 and not anywhere:
        return canonical_environment(below[0])
    named = {canonical_environment(part) for part in below if part in listed}
    named = named or {canonical_environment(part) for part in below if names_environment(part)}
    if len(named) == 1:
        return named.pop()
    return canonical_environment(below[-1]) if alone and anywhere and not named else ""


def word_in(tenant: Path, overlay: Path, listed: Collection[str]) -> str:
    """The one known environment that is a word of an overlay's path, such as of `prod-eu` or `production-cluster`.

    Empty where there is none, or several, or where it is denied: `non-prod` is anything but prod.
    """
    parts = _below_overlays(overlay.relative_to(tenant).parts)
    words = {word for part in parts for word in re.split(r"[-_.]", part)}
    named = {canonical_environment(word) for word in words if word in listed or names_environment(word)}
    return named.pop() if len(named) == 1 and not words & _DENYING else ""


def _below_overlays(parts: Sequence[str]) -> Sequence[str]:
    """A path of folders from the last one that is called `overlays`; all of it where there is none."""
    return parts[max((n for n, part in enumerate(parts, 1) if part == _OVERLAYS), default=0) :]


def listed_environments(tenant: Path) -> set[str]:
    """Those of its `secrets.yaml`, in all spellings; it is checked later, while kustomize is at work."""
    file = tenant / FILE_NAME
    node = None if leads_outside(tenant, file) else next(iter(source_nodes(file)), None)
    return {name for each in items(get(node, "environments")) for name in environment_spellings(text(each))}


def choose_overlay(tenant: Path, root: Path, environment: str, overlays: dict[str, list[Path]]) -> Path:
    """The one overlay of an environment: the folder of its name, or the only one.

    Raises ManifestError that names those that exist, the nearest first.
    """
    folders = overlays.get(canonical_environment(environment), [])
    named = [folder for folder in folders if folder.name in environment_spellings(environment)]
    shown = tenant.relative_to(root).as_posix()
    for found in (named, folders):
        if len(found) == 1:
            return found[0]
    if folders:
        names = [folder.relative_to(root).as_posix() for folder in folders]
        raise ManifestError(
            Problem(
                f"{shown} has more than one overlay for the environment “{environment}”: {', '.join(names)}.",
                KEEP_ONE
                if two_spellings(folders)
                else f"Name the one that this run is for, such as `tenant-path: {names[0]}`.",
                where=Location(shown),
            )
        )
    existing = sorted(_said(tenant, name, folder) for name, each in overlays.items() if name for folder in each)
    near = difflib.get_close_matches(environment, existing, n=len(existing) or 1, cutoff=0.0)
    unclear = ", ".join(folder.relative_to(tenant).as_posix() for folder in overlays.get("", ()))
    raise ManifestError(
        Problem(
            f"{shown} has no overlay for the environment “{environment}”.",
            (f"Overlays that exist: {', '.join(near)}. " if near else "" if unclear else "It has no overlay at all. ")
            + (
                f"Of {unclear} the environment cannot be told: list the `environments` in {FILE_NAME}. "
                if unclear
                else ""
            )
            + f"Correct the input `environment`, or add {shown}/{_OVERLAYS}/{environment}"
            + ("." if near or unclear else f", or a {FILE_NAME} that lists its `environments`."),
            where=Location(shown),
        )
    )


def two_spellings(folders: Iterable[Path]) -> list[list[Path]]:
    """Those that differ in nothing but how an environment's name is spelt, together."""
    spelt: dict[tuple[str, ...], list[Path]] = {}
    for folder in folders:
        spelt.setdefault(tuple(map(canonical_environment, folder.parts)), []).append(folder)
    return [same for same in spelt.values() if len(same) > 1]


def _said(tenant: Path, environment: str, folder: Path) -> str:
    """An overlay by its name; by its path where it bears another one than its environment's."""
    said = canonical_environment(folder.name) == environment
    return folder.name if said else folder.relative_to(tenant).as_posix()


def _folders_with(root: Path, names: Sequence[str]) -> Iterator[Path]:
    """Folders below `root`, at most three levels deep, that hold a file of one of these names. No links followed."""
    for current, folders, files in os.walk(root):
        depth = len(Path(current).relative_to(root).parts)
        folders[:] = [] if depth >= 3 else sorted(folder for folder in folders if not folder.startswith("."))
        if any(name in files for name in names):
            yield Path(current)
