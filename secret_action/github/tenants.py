"""The tenants repository as files on disk, at one commit that is always known by name if it can be.

Either fetched from GitHub into a folder of ours, or a checkout that is there already and is only read.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from secret_action.errors import InputError
from secret_action.github import failures, gitfolder
from secret_action.github.app import AppSession
from secret_action.github.archive import Limits, unpack
from secret_action.model import Problem, Tenants
from secret_action.ports import Log
from secret_action.settings import GitHubSettings

SHA = "application/vnd.github.sha"
"""GitHub's "Get a commit" answers with nothing but the SHA, where it would otherwise send the whole diff."""
_IN_MEMORY = 8 * 1024 * 1024
"""Bytes of an archive that are held in memory; a larger one goes to a temporary file."""
_MOST_NAMED = 5


def fetch(session: AppSession, settings: GitHubSettings, destination: Path, log: Log) -> Tenants:
    """The whole tenants repository at one commit, unpacked into `destination` (made if need be, must be empty).

    The ref is resolved once, and the archive is that of the commit: a push in between changes nothing.
    All of it, since an overlay may build on files anywhere in the repository.
    Raises InputError where the repository or the ref does not exist, GitHubError where GitHub refuses, cannot be
    reached or sends something that cannot be unpacked.
    """
    repository = settings.repository
    ref = settings.ref or _default_branch(session, settings)
    sha = _commit(session, repository, ref)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        url = f"{session.subject.api_url}/repos/{quote(repository)}/tarball/{sha}"
        answer = session.download(url, file)
        if not answer.ok:
            raise failures.archive_refused(answer, session.subject, sha)
        unpacked = unpack(file, destination, Limits())
    if unpacked.commit not in ("", sha):
        raise failures.not_github(url, f"it sent the archive of commit {unpacked.commit[:40]} for {sha}")
    log.line(f"Tenants: {repository} at commit {sha} ({ref}).")
    for left_out in unpacked.left_out[:_MOST_NAMED]:
        log.line(f"Left out of the archive: {left_out}.")
    if len(unpacked.left_out) > _MOST_NAMED:
        log.line(f"Left out of the archive: {len(unpacked.left_out) - _MOST_NAMED} more.")
    return Tenants(str(destination.resolve()), sha, repository, ref, default_branch=not settings.ref)


def checkout(directory: str, settings: GitHubSettings, environment: Mapping[str, str]) -> Tenants:
    """A folder that is there already, at the commit that its `.git` tells.

    directory: absolute, or relative to the working directory; the repository's root or a folder in it. The root
    that is returned is the folder that `tenant-path` is relative to. environment: the process's own, for
    GITHUB_REPOSITORY.
    Raises InputError where it is no folder.
    """
    path = Path(directory).expanduser().resolve()
    if not path.is_dir():
        raise InputError(
            Problem(
                f"tenants-directory: {path} {'is not a folder' if path.exists() else 'does not exist'}.",
                "Name a folder in the workspace, and check out the tenants repository there in a step before this "
                "one (actions/checkout with `path:`).",
                (
                    "The checkout step is missing, is skipped, or comes later.",
                    "The folder is elsewhere on the runner: a container action sees only the workspace.",
                ),
            )
        )
    git = gitfolder.find(path)
    root = _root(path, settings, git.root if git else None)
    return Tenants(
        root=str(root),
        sha=git.commit if git else "",
        repository=git.repository if git else "",
        ref=git.branch if git else "",
        on_disk=True,
        workflow_root=_workflow_root(root, git, settings, environment),
    )


def workspace_is_tenants_checkout(settings: GitHubSettings, environment: Mapping[str, str]) -> bool:
    """Whether the workflow runs in the tenants repository and has it checked out in the workspace.

    Then a pull request is judged by its own content. False where the user names a ref: that is what they want.
    environment: the process's own, for GITHUB_REPOSITORY.
    """
    if settings.ref or not settings.workspace:
        return False
    wanted = settings.repository.lower()
    if _workflow_repository(environment) != wanted:
        return False
    workspace = Path(settings.workspace).resolve()
    git = gitfolder.find(workspace)
    if git is None:
        # actions/checkout leaves no `.git` where the job's container has no git: it then fetches an archive.
        return bool(_above_tenant(settings)) and (workspace / _above_tenant(settings)).is_dir()
    holds_files = any(entry.name != ".git" for entry in workspace.iterdir())
    return holds_files and git.repository.lower() in ("", wanted)


def _workflow_root(
    root: Path, git: gitfolder.GitFolder | None, settings: GitHubSettings, environment: Mapping[str, str]
) -> str:
    """The checkout's root where it is of the repository that the workflow runs in; else empty.

    By its `origin`. Where no `.git` tells, the workspace counts as one; so does a checkout of the tenants repository
    where the workflow runs in that.
    """
    if not settings.workspace:
        return ""
    workspace = Path(settings.workspace).resolve()
    if git is None:
        return str(root) if root == workspace else ""
    repository = (git.repository or settings.repository).lower()
    own = repository == _workflow_repository(environment) or (not git.repository and git.root == workspace)
    return str(git.root) if own else ""


def _workflow_repository(environment: Mapping[str, str]) -> str:
    """In lower case: GitHub's names of owners and repositories do not differ by case alone."""
    return environment.get("GITHUB_REPOSITORY", "").lower()


def _default_branch(session: AppSession, settings: GitHubSettings) -> str:
    answer = session.get(f"/repos/{quote(settings.repository)}")
    if not answer.ok:
        raise failures.repository_refused(answer, session.subject)
    branch = answer.fields.get("default_branch")
    if not isinstance(branch, str) or not branch:
        raise failures.not_github(session.subject.api_url, "its answer names no default branch")
    return branch


def _commit(session: AppSession, repository: str, ref: str) -> str:
    """The commit that the ref names now."""
    # `${{ github.ref }}` says `refs/heads/main`; "Get a commit" documents `heads/main`.
    name = quote(ref.removeprefix("refs/"), safe="")
    answer = session.get(f"/repos/{quote(repository)}/commits/{name}", SHA)
    if not answer.ok:
        raise failures.commit_refused(answer, session.subject, ref)
    sha = answer.body.strip()
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", sha):
        raise failures.not_github(session.subject.api_url, "its answer holds no commit")
    return sha


def _above_tenant(settings: GitHubSettings) -> str:
    """The part of `tenant-path` that is the same for every tenant: `tenants` of `tenants/{service}`."""
    return settings.tenant_path.partition("{")[0].rpartition("/")[0]


def _root(start: Path, settings: GitHubSettings, repository: Path | None) -> Path:
    """The folder that `tenant-path` is relative to: `start`, or the nearest folder above it that has the tenants.

    Above it only within the same checkout, or, without one, where `start` lies among those tenants.
    """
    above = _above_tenant(settings)
    if not above:
        return start
    for folder in (start, *start.parents):
        inside = folder.is_relative_to(repository) if repository else start.is_relative_to(folder / above)
        if (folder / above).is_dir() and (inside or folder == start):
            return folder
    return start
