"""Which files a run judges: the tenants repository from GitHub, or a checkout that is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from secret_action.errors import InputError
from secret_action.github.app import AppSession
from secret_action.github.tenants import checkout, fetch, workspace_is_tenants_checkout
from secret_action.manifest.definitions import FILE_NAME
from secret_action.manifest.layout import list_overlays
from secret_action.model import Problem, Tenants
from secret_action.ports import Clock, Log
from secret_action.settings import Settings


class Shield(Protocol):
    """Puts off a signal while something must not be left half done."""

    def shielded(self) -> AbstractContextManager[None]:
        """A block in which no signal is raised."""


@dataclass(frozen=True)
class Subject:
    """A repository on disk, and the services in it that the run is for (none: all of them)."""

    tenants: Tenants
    services: tuple[str, ...]


def find(
    settings: Settings, environ: Mapping[str, str], download: Path, log: Log, clock: Clock, shield: Shield
) -> Subject:
    """The tenants repository at one commit.

    download: a private folder that an archive may be unpacked into. Raises InputError or GitHubError.
    """
    if settings.paths:
        return _from_paths(settings, log)
    services = (settings.service,) if settings.service else ()
    if directory := _directory(settings, environ):
        return Subject(_checked_out(directory, settings, log), services)
    return Subject(_fetch(settings, download, log, clock, shield), services)


def asks_github(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether `find` would talk to GitHub."""
    return not settings.paths and not _directory(settings, environ) and settings.github.credentials is not None


def _directory(settings: Settings, environ: Mapping[str, str]) -> str:
    """The checkout that is judged; empty where there is none."""
    if settings.github.directory:
        return settings.github.directory
    if workspace_is_tenants_checkout(settings.github, environ):
        return settings.github.workspace
    on_a_laptop = settings.mode.name == "validate" and not settings.github.workspace
    return "." if on_a_laptop and settings.github.credentials is None else ""


def _checked_out(directory: str, settings: Settings, log: Log) -> Tenants:
    tenants = checkout(directory, settings.github)
    log.line(f"Tenants: the checkout at commit {tenants.sha or '(unknown)'}.")
    return tenants


def _fetch(settings: Settings, download: Path, log: Log, clock: Clock, shield: Shield) -> Tenants:
    github = settings.github
    if github.credentials is None or "/" not in github.repository:
        raise InputError(*_missing(settings))
    session = AppSession(github.credentials, github.repository, github.api_url, log, clock)
    try:
        return fetch(session, github, download, log)
    finally:
        # The token has done its work: it is handed back before anything else happens, whatever happened.
        with shield.shielded():
            session.revoke()


def _missing(settings: Settings) -> list[Problem]:
    problems = []
    if settings.github.credentials is None:
        problems.append(
            Problem(
                "The inputs `app-id` and `app-private-key` are not both given, so the tenants repository "
                f"{settings.github.repository} cannot be read.",
                "Pass both (or the variables APP_ID and APP_PRIVATE_KEY), or check the repository out and name its "
                "folder with `tenants-directory`.",
                causes=(
                    "The caller does not pass the secret on: `secrets: inherit` or `APP_PRIVATE_KEY` is missing.",
                    "The run comes from a fork or from Dependabot, which get no secrets.",
                ),
            )
        )
    if "/" not in settings.github.repository:
        problems.append(
            Problem(
                f"Input `tenants-repository`: “{settings.github.repository}” has no owner, and the variable "
                "GITHUB_REPOSITORY_OWNER is not there to take it from.",
                "Write owner/name.",
            )
        )
    return problems


def _from_paths(settings: Settings, log: Log) -> Subject:
    """`validate PATH…`: the tenants that folders, or files in them, belong to."""
    pattern = re.escape(settings.github.tenant_path).replace(re.escape("{service}"), "(?P<service>[^/]+)")
    pattern = f"(?P<root>.*)/{pattern}"
    roots: dict[str, None] = {}
    services: dict[str, None] = {}
    for path in settings.paths:
        full = Path(path).resolve()
        # A folder above the repository may bear the same name, so the one that holds a tenant is taken.
        found = [match for folder in (full, *full.parents) if (match := re.fullmatch(pattern, folder.as_posix()))]
        match = next((match for match in found if _holds_a_tenant(match)), found[-1] if found else None)
        if match is None or not full.exists():
            what = "belongs to no tenant" if full.exists() else "does not exist"
            raise InputError(
                Problem(
                    f"{path} {what}.",
                    f"Name a tenant's folder ({settings.github.tenant_path}), or a file in one; where tenants lie "
                    "elsewhere, say so with --tenant-path.",
                )
            )
        roots[match["root"] or "/"] = None
        services[match.groupdict().get("service") or settings.service] = None
    if len(roots) > 1:
        raise InputError(
            Problem(f"The paths lie in different repositories: {', '.join(roots)}.", "Run once for each of them.")
        )
    return Subject(_checked_out(next(iter(roots)), settings, log), tuple(services))


def _holds_a_tenant(match: re.Match[str]) -> bool:
    folder = Path(match[0])
    return (folder / FILE_NAME).is_file() or bool(list_overlays(folder))
