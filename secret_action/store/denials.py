"""A permission that AWS says is missing → a `Problem` with the line of policy that grants it.

Of AWS's text only what is parsed out is shown: the action, the resource, the caller, and why no Allow would help.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from secret_action.model import Problem
from secret_action.store.limits import partition


@dataclass(frozen=True)
class Request:
    """What was asked of AWS when it failed. action: as IAM spells it (`ssm:PutParameter`). path: may be empty."""

    action: str
    region: str
    path: str = ""

    @property
    def what(self) -> str:
        """`ssm:PutParameter for /zerotouch/prod/…`, for the beginning of a sentence."""
        return f"{self.action} for {self.path}" if self.path else self.action


@dataclass(frozen=True)
class Denial:
    """A permission that the caller lacks, as AWS told it, or as the request lets us know where it did not."""

    action: str
    resource: str
    caller: str
    reason: str
    """Why no policy helps by itself; empty where an Allow is all that lacks."""


ACTION = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z0-9]+)")
_RESOURCE = re.compile(r"on (?:the )?resource:? (arn:[A-Za-z0-9:/_.*+=,@-]+|\*)")
_CALLER = re.compile(r"User: (arn:[A-Za-z0-9:/_.+=,@-]+)")
KEY = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:(?:key|alias)/[A-Za-z0-9/_-]+")
_REASONS = {
    "explicit deny": "A policy denies it explicitly: an Allow does not help before that Deny is lifted.",
    "service control policy": "The organisation's service control policies do not allow it.",
    "permissions boundary": "The role's permissions boundary does not allow it.",
    "session policy": "The session policy with which the role was assumed does not allow it.",
    "VPC endpoint policy": "The policy of the VPC endpoint does not allow it.",
}


def denial(error: BaseException, request: Request) -> Denial:
    """What permission a refusal says is missing."""
    text = str(error)
    action, resource, caller = (pattern.search(text) for pattern in (ACTION, _RESOURCE, _CALLER))
    reasons = (told for phrase, told in _REASONS.items() if phrase in text)
    if action is None and "ciphertext refers to" in text:
        # KMS's way not to say whether the key is gone or the caller may not use it.
        key = KEY.search(text)
        return Denial("kms:Decrypt", key[0] if key else "*", "", "")
    return Denial(
        action[1] if action else request.action,
        resource[1] if resource else _parameter_arn(request),
        caller[1] if caller else "",
        next(reasons, ""),
    )


def problems(denials: Iterable[Denial]) -> tuple[Problem, ...]:
    """One problem per missing permission, with all resources that it is missing on."""
    resources: dict[tuple[str, str, str], list[str]] = {}
    for item in denials:
        resources.setdefault((item.action, item.caller, item.reason), []).append(item.resource)
    return tuple(
        _problem(action, tuple(dict.fromkeys(arns)), caller, reason)
        for (action, caller, reason), arns in resources.items()
    )


def _parameter_arn(request: Request) -> str:
    if not request.path:
        return "*"
    path = request.path if request.path.startswith("/") else f"/{request.path}"
    return f"arn:{partition(request.region)}:ssm:{request.region}:*:parameter{path}"


_SHOWN_RESOURCES = 20


def _problem(action: str, resources: tuple[str, ...], caller: str, reason: str) -> Problem:
    shown = list(resources[:_SHOWN_RESOURCES])
    if len(resources) > len(shown):
        shown.append(f"{len(resources) - len(shown)} more")
    who = caller or "The caller"
    granted = ", ".join(f'"{arn}"' for arn in _policy_resources(resources))
    place = "the key's policy or the role's" if action.startswith("kms:") else "the role's policy"
    causes = [reason] if reason else []
    if action.startswith("kms:"):
        causes.append("The KMS key was deleted, or is in another region or account.")
    return Problem(
        f"No permission: {who} may not {action} on {', '.join(shown)}.",
        f'Add to {place}: {{"Effect": "Allow", "Action": "{action}", "Resource": [{granted}]}}',
        tuple(causes),
    )


def _policy_resources(resources: tuple[str, ...]) -> tuple[str, ...]:
    """Parameters of one folder are granted by the folder, as a person would write it."""
    folders = {arn.rpartition("/")[0] for arn in resources}
    if len(folders) == 1 and len(resources) > 1:
        folder = folders.pop()
        if ":parameter/" in folder:
            return (f"{folder}/*",)
    return resources
