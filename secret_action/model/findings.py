"""What is wrong, where, and how it is mended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, order=True)
class Location:
    """A place in the tenants repository: `file` relative to its root, `line` from 1, or None where no line is known."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    what: one sentence that names the input or object and what is wrong with it.
    remedy: what to do about it, in words or as a command. Empty only where nothing can be done.
    causes: likely causes, the likeliest first.
    where: the place in the tenants repository, where there is one.
    service: the tenant that could not be judged for it, where it is about one.
    """

    what: str
    remedy: str = ""
    causes: tuple[str, ...] = ()
    where: Location | None = None
    service: str = ""


class Severity(StrEnum):
    """How bad a finding is, in GitHub's words."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True)
class Edit:
    """One place of one file to change: the lines `remove`, which stand there from `line` on, give way to `add`.

    file: relative to the repository's root; one that does not exist yet is made. line: from 1; without `remove`,
    `add` goes before it. Lines come without their ends.
    """

    file: str
    line: int
    remove: tuple[str, ...]
    add: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """A rule that a manifest breaks."""

    rule: str
    severity: Severity
    message: str
    remedy: str
    where: Location
    overlay: str = ""
    """The environment's overlay that it was found in; empty where it concerns the whole tenant."""
    service: str = ""
    about: tuple[str, ...] = ()
    """What `ignore` may name to cover it: the ExternalSecret or Secret first, then keys, paths, the environment."""
    edits: tuple[Edit, ...] = ()
    """The remedy as exact text, where the rule knows it; applied, the finding is gone."""


@dataclass(frozen=True)
class Silenced:
    """A finding that the tenant chose to live with, and why."""

    finding: Finding
    reason: str
    where: Location
    """Where it is silenced: in `secrets.yaml`, or at the ExternalSecret that has the annotation."""
