"""Proves a draft before it is written: on a copy, `validate` must find nothing that it did not find before."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from secret_action.authoring.request import Request
from secret_action.authoring.work import Work
from secret_action.errors import InputError, ManifestError
from secret_action.manifest.draft import Draft
from secret_action.manifest.read import Judged, read_tenant
from secret_action.model import Finding, Problem, Severity

_MOST_BYTES = 64 * 1024 * 1024
_MOST_FILES = 20_000


def prove(request: Request, work: Work, before: Judged | None, folders: Iterable[Path]) -> None:
    """Raises InputError that names the first findings which the draft would bring.

    before: how the tenant is judged now; None for a new one. folders: kustomizations outside of it that it builds on.
    """
    with tempfile.TemporaryDirectory(prefix="secret-sync-") as name:
        copy = Path(name).resolve()
        _copy_all(request.root, [request.root / request.folder, *folders], copy)
        changed = Draft(copy)
        for file in work.draft.changed():
            changed.put(file, work.draft.text(file))
        changed.write()
        try:
            after = read_tenant(copy, request.scope)
        except ManifestError as error:
            raise InputError(*(_refusal(problem.what) for problem in error.problems)) from None
    overlays = tuple(manifest.overlay for manifest in after.manifests)
    known = Counter(saying for finding in (before.findings if before else ()) for saying in _sayings(finding, overlays))
    for finding in after.findings:
        saying = next(_sayings(finding))
        known[saying] -= 1
        if known[saying] < 0 and not _tolerated(finding, request, work):
            raise InputError(_refusal(f"{finding.where}: {finding.message} ({finding.rule})"))


def _sayings(finding: Finding, overlays: Iterable[str] = ()) -> Iterator[tuple[str, str, str]]:
    """What a finding says, without its place: a patch of ours may repeat an entry, and what is wrong with it.

    What was said once of several overlays may then be said of each.
    """
    for overlay in (finding.overlay, *(overlays if not finding.overlay else ())):
        yield finding.rule, overlay, " ".join(finding.about) or finding.message


def _tolerated(finding: Finding, request: Request, work: Work) -> bool:
    """A remark about what the tenant does elsewhere too, or what the person is told to do next."""
    unread = work.unread and finding.rule == "not-consumed" and request.secret in finding.about
    return finding.severity is Severity.NOTICE or unread


def _refusal(finding: str) -> Problem:
    return Problem(
        f"The outcome would not be right, so nothing was written: {finding}",
        "Make this change by hand, or mend first what keeps it from being made.",
    )


def _copy_all(root: Path, folders: Iterable[Path], copy: Path) -> None:
    budget = _Budget()
    for folder in sorted({folder.resolve() for folder in folders if folder.is_dir()}):
        if folder.is_relative_to(root) and not (copy / folder.relative_to(root)).exists():
            try:
                shutil.copytree(
                    folder,
                    copy / folder.relative_to(root),
                    symlinks=True,
                    ignore=shutil.ignore_patterns(".git"),
                    copy_function=budget.copy,
                )
            except (shutil.Error, OSError):
                raise InputError(
                    Problem(
                        f"{folder.relative_to(root)} cannot be copied to try the change on.",
                        f"It may hold files that cannot be read, or more than {_MOST_BYTES >> 20} MiB.",
                    )
                ) from None


class _Budget:
    """Copies files until there are too many: a tenant is a handful of texts."""

    def __init__(self) -> None:
        self._bytes = _MOST_BYTES
        self._files = _MOST_FILES

    def copy(self, source: str, target: str) -> str:
        """As shutil.copy; raises InputError beyond the budget."""
        self._bytes -= os.lstat(source).st_size
        self._files -= 1
        if self._bytes < 0 or self._files < 0:
            raise InputError(
                Problem(
                    "The tenant's folders are too large to try the change on a copy.",
                    f"Keep them below {_MOST_BYTES >> 20} MiB and {_MOST_FILES:,} files.",
                )
            )
        return str(shutil.copy(source, target))
