"""Which files a run judges: the tenants repository from GitHub, or a checkout that is there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from secret_action.errors import InputError
from secret_action.github.app import AppSession
from secret_action.github.tenants import checkout, fetch, workspace_is_tenants_checkout
from secret_action.manifest.definitions import FILE_NAME
from secret_action.manifest.layout import holds_nothing, list_overlays, list_services
from secret_action.model import Problem, Tenants
from secret_action.ports import Clock, Log
from secret_action.settings import Settings


class Shield(Protocol):
    """Puts off a signal while something must not be left half done."""

    def shielded(self) -> AbstractContextManager[None]:
        """A block in which no signal is raised."""


@dataclass(frozen=True)
class Subject:
    """A repository on disk, and the services in it that the run is for (None: all that it has)."""

    tenants: Tenants
    services: tuple[str, ...] | None


def find(
    settings: Settings, environ: Mapping[str, str], download: Path, log: Log, clock: Clock, shield: Shield
) -> Subject:
    """The tenants repository at one commit.

    download: a private folder that an archive may be unpacked into. Raises InputError or GitHubError.
    """
    if settings.paths:
        return _from_paths(settings, environ, log)
    services = (settings.service,) if settings.service else None
    if directory := _directory(settings, environ):
        tenants = _checked_out(directory, settings, environ, log)
        if not tenants.repository and directory == settings.github.workspace:
            # The workspace is only taken when it is this repository's, also where its `.git` does not tell.
            tenants = replace(tenants, repository=settings.github.repository)
        return Subject(tenants, services)
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


def _checked_out(directory: str, settings: Settings, environ: Mapping[str, str], log: Log) -> Tenants:
    tenants = checkout(directory, settings.github, environ)
    log.line(f"Tenants: the checkout as it is on disk, at commit {tenants.sha or '(unknown)'}.")
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


# --- validate PATH… ---


@dataclass(frozen=True)
class _Taken:
    """What a path stands for: services of one repository, or nothing there that is judged."""

    root: str
    services: tuple[str, ...] = ()
    passed_over: str = ""


def _from_paths(settings: Settings, environ: Mapping[str, str], log: Log) -> Subject:
    """The tenants that folders hold, or that folders or files belong to.

    A changed file that belongs to none is said and passed over: pre-commit passes whatever was changed. So is a folder
    with nothing of a tenant's in it, but where there is no other.
    """
    taken = [_take(path, settings) for path in settings.paths]
    roots = dict.fromkeys(each.root for each in taken)
    if len(roots) > 1:
        raise InputError(
            Problem(f"The paths lie in different repositories: {', '.join(roots)}.", "Run once for each of them.")
        )
    tenants = _checked_out(next(iter(roots)), settings, environ, log)
    for path, each in zip(settings.paths, taken, strict=True):
        if each.passed_over:
            log.line(f"{path} {each.passed_over}: passed over.")
    services = tuple(dict.fromkeys(service for each in taken for service in each.services))
    template = settings.github.tenant_path
    others = [service for service in services if holds_nothing(Path(tenants.root), template, service)]
    if len(others) == len(services):
        return Subject(tenants, services)
    for service in others:
        log.line(f"{template.replace('{service}', service)} holds nothing of a tenant's: passed over.")
    return Subject(tenants, tuple(service for service in services if service not in others))


def _take(path: str, settings: Settings) -> _Taken:
    """Raises InputError for a path that stands for nothing."""
    full = Path(os.path.realpath(path))
    template = settings.github.tenant_path
    pattern = re.escape(template).replace(re.escape("{service}"), "(?P<service>[^/]+)")
    above = (full, *full.parents)
    found = [match for folder in above if (match := re.fullmatch(f"(?P<root>.*)/{pattern}", folder.as_posix(), re.S))]
    # A folder above the repository may bear the same name as the tenants', so the one that holds a tenant is taken.
    if match := next((match for match in found if _holds_a_tenant(Path(match[0]))), None):
        return _Taken(match["root"] or "/", _named(match, settings))
    if full.is_dir():
        for root in above:
            services = tuple(each for each in list_services(root, template) if _lies_in(root, template, each, full))
            if services:
                return _Taken(str(root), services)
        if found:
            return _Taken(found[-1]["root"] or "/", _named(found[-1], settings))
    else:
        repository: Path | None = next((root for root in above if list_services(root, template)), None)
        below_a_tenant = any(match[0] != full.as_posix() for match in found)
        if repository and full.exists():
            return _Taken(str(repository), passed_over="belongs to no tenant")
        if repository and below_a_tenant:
            return _Taken(str(repository), passed_over="does not exist any more, nor does its tenant")
    raise InputError(
        Problem(
            f"{path} {'belongs to no tenant' if full.exists() else 'does not exist'}.",
            f"Name a tenant's folder ({template}), a file in one, or a folder that holds tenants; where tenants lie "
            "elsewhere, say so with --tenant-path.",
        )
    )


def _named(match: re.Match[str], settings: Settings) -> tuple[str, ...]:
    service = match.groupdict().get("service") or settings.service
    if not service:
        raise InputError(
            Problem(
                f"Input `service` is empty, and `tenant-path` ({settings.github.tenant_path}) does not tell it.",
                "Name the service: it is a part of its parameters' paths.",
            )
        )
    return (service,)


def _lies_in(root: Path, template: str, service: str, folder: Path) -> bool:
    return (root / template.replace("{service}", service)).is_relative_to(folder)


def _holds_a_tenant(folder: Path) -> bool:
    return (folder / FILE_NAME).is_file() or (folder.is_dir() and bool(list_overlays(folder)))
