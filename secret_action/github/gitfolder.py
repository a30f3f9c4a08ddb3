"""What a checkout's `.git` tells, read without a git binary: its commit, its branch, where it came from.

By git's "gitrepository-layout" and "git-worktree". Anything that is not understood is unknown, never an error:
a checkout without a readable commit can still be judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ORIGIN = re.compile(r'^\s*\[remote "origin"\]\s*$(?P<section>.*?)(?=^\s*\[|\Z)', re.MULTILINE | re.DOTALL)
_URL = re.compile(r"^\s*url\s*=\s*(?P<url>.+?)\s*$", re.MULTILINE)
_MOST_BYTES = 32 * 1024 * 1024
"""More than the `packed-refs` of any repository."""


@dataclass(frozen=True)
class GitFolder:
    """A checkout. commit, branch, repository (owner/name of the remote `origin`): empty where unknown."""

    root: Path
    commit: str
    branch: str
    repository: str


def find(start: Path) -> GitFolder | None:
    """The checkout that holds the folder `start`; None where none does."""
    for folder in (start, *start.parents):
        inside = _inside(folder)
        if inside is not None:
            common = _common(inside)
            commit, branch = _head(inside, common)
            return GitFolder(folder, commit, branch, _origin(common))
    return None


def _inside(folder: Path) -> Path | None:
    """Where the checkout's own git files are: `.git`, or what the file `.git` of a worktree or submodule names."""
    git = folder / ".git"
    if git.is_dir():
        return git
    text = _read(git)
    return (folder / text.removeprefix("gitdir:").strip()).resolve() if text.startswith("gitdir:") else None


def _common(inside: Path) -> Path:
    """Where the repository's git files are, which worktrees share."""
    shared = _read(inside / "commondir").strip()
    return (inside / shared).resolve() if shared else inside


def _head(inside: Path, common: Path) -> tuple[str, str]:
    """Commit and branch of HEAD. On a pull request HEAD is the merge commit that actions/checkout fetched."""
    text = _read(inside / "HEAD").strip()
    branch = ""
    for _ in range(5):  # git itself follows five symbolic references
        if _COMMIT.fullmatch(text):
            return text, branch
        if not text.startswith("ref: refs/"):
            break
        name = text.removeprefix("ref:").strip()
        branch = branch or name.removeprefix("refs/heads/")
        text = (_read(inside / name) or _read(common / name) or _packed(common, name)).strip()
    return "", branch


def _packed(common: Path, name: str) -> str:
    for line in _read(common / "packed-refs").splitlines():
        commit, _, packed = line.partition(" ")
        if packed == name:
            return commit
    return ""


def _origin(common: Path) -> str:
    """owner/name of the remote `origin`. Only the path of its URL is used: the rest may hold a password."""
    section = _ORIGIN.search(_read(common / "config"))
    url = _URL.search(section["section"]) if section else None
    if url is None or ":" not in url["url"]:
        return ""
    path = re.split(r"[/:]", url["url"].removesuffix("/").removesuffix(".git"))
    return "/".join(path[-2:]) if len(path) > 2 or "@" in path[0] else ""


def _read(path: Path) -> str:
    """The text of a file; empty where there is none that can be read."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""
