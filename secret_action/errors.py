"""What can go wrong, told so that the reader can mend it.

Every expected failure is a `SecretSyncError` with one or more `Problem`s. Texts from outside (AWS, Kubernetes,
GitHub, kustomize) may be quoted in a problem: they are tainted, and are redacted and escaped where they are printed.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from secret_action.model import Problem


class SecretSyncError(Exception):
    """An expected failure. Holds all problems of its kind that were found, not only the first."""

    exit_code = 1

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.what for problem in problems))
        self.problems = problems


class InputError(SecretSyncError):
    """Inputs or manifests are wrong; nothing was written."""

    exit_code = 2


class ManifestError(InputError):
    """The tenant's manifests cannot be read, rendered or released as they are."""


class GitHubError(SecretSyncError):
    """GitHub refused or could not be reached."""


class StoreError(SecretSyncError):
    """AWS refused or could not be reached."""


class ClusterError(SecretSyncError):
    """The cluster refused, could not be reached, or did not prove the refresh."""


class CancelledError(SecretSyncError):
    """The run was cancelled by a signal."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(
            Problem(
                f"The run was cancelled ({signal_name}).",
                "Run it again: a second run completes what this one did not.",
            )
        )


def defect(error: Exception, remedy: str) -> Problem:
    """The problem for a failure that nobody expected: where it is, without the message, which might hold a value.

    remedy: what the reader can do meanwhile.
    """
    place = traceback.extract_tb(error.__traceback__)[-1]
    return Problem(
        f"secret-sync has a defect: {type(error).__name__} at {Path(place.filename).name}:{place.lineno}.",
        f"Report it with this line. {remedy}",
    )
