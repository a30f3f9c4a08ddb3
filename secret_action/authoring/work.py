"""What a command has done in its draft, and what it tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from secret_action.authoring.request import Request
from secret_action.manifest.draft import Draft
from secret_action.naming import ParameterPath, canonical_environment, source_names


@dataclass(frozen=True)
class Work:
    """done: what was changed, one line each. following: what to do next. unread: no workload reads the Secret yet."""

    draft: Draft
    done: tuple[str, ...]
    following: tuple[str, ...]
    unread: bool = False


def next_steps(request: Request, environments: Sequence[str]) -> list[str]:
    """What the edit cannot do: commit, and hand the values over in each environment's pipeline."""
    steps = [f"Commit {request.folder} and open a pull request."]
    owned = dict.fromkeys(entry.key for entry in request.entries if entry.service == request.service)
    for environment in dict.fromkeys(map(canonical_environment, environments)):
        # The second step holds the names without the service; the first of them is the canonical spelling.
        names = [source_names(environment, request.service, key)[1][0] for key in owned]
        if names:
            steps.append(f"Hand over to the release to {environment}: {', '.join(names)}.")
    foreign = [entry for entry in request.entries if entry.service != request.service]
    steps += [
        f"{_foreign(request.parameter_path, entry.service, entry.key)} belongs to {entry.service}: "
        "it is only read, and must be there."
        for entry in foreign
    ]
    return steps


def _foreign(template: ParameterPath, service: str, key: str) -> str:
    return template.render("{env}", service, key)
