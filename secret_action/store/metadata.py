"""What a parameter is beside its value: key, tier, description, pattern. An overwrite without them may lose them.

`DescribeParameters` alone tells them, and is throttled at less than one call a second, so it is asked only about
names that are about to be overwritten, fifty a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from secret_action.errors import StoreError
from secret_action.model import Action, Plan
from secret_action.store import answers, failures
from secret_action.store.denials import Request

if TYPE_CHECKING:
    from secret_action.store.session import AwsSession

_BATCH = 50
_ACTION = "ssm:DescribeParameters"


@dataclass(frozen=True)
class Details:
    """One parameter's own settings; empty where it has none."""

    key_id: str = ""
    tier: str = ""
    description: str = ""
    allowed_pattern: str = ""


@dataclass(frozen=True)
class Metadata:
    """Details by path, and a note for the summary where our rights did not reach them."""

    details: Mapping[str, Details] = field(default_factory=dict)
    note: str = ""

    def of(self, path: str) -> Details:
        """The details of one parameter; all empty where they are not known."""
        return self.details.get(path, Details())


def look_up(session: AwsSession, plan: Plan) -> Metadata:
    """The details of all parameters that the plan overwrites. No call where it overwrites none.

    Raises StoreError when AWS refuses for another reason than a missing permission, or cannot be reached.
    """
    paths = [entry.parameter.path for entry in plan.of(Action.UPDATE)]
    details: dict[str, Details] = {}
    for at in range(0, len(paths), _BATCH):
        try:
            details |= _describe(session, paths[at : at + _BATCH])
        except Exception as error:
            if answers.is_denied(error):
                return Metadata(details, _NOTE)
            raise StoreError(failures.problem(error, Request(_ACTION, session.region))) from error
    return Metadata(details)


_NOTE = (
    f"No permission for {_ACTION}: KMS key, tier and description of the parameters to overwrite are not known. "
    "Without `aws-kms-key-id` AWS may encrypt them with the account's default key. "
    f'The policy line: {{"Effect": "Allow", "Action": "{_ACTION}", "Resource": "*"}}'
)


def _describe(session: AwsSession, paths: list[str]) -> dict[str, Details]:
    found: dict[str, Details] = {}
    asked = {path.removeprefix("/"): path for path in paths}
    pages = session.ssm_reader.get_paginator("describe_parameters").paginate(
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": paths}],
        PaginationConfig={"PageSize": _BATCH},
    )
    for page in pages:
        for parameter in page["Parameters"]:
            path = asked.get(parameter["Name"].removeprefix("/"))
            if path is not None:
                found[path] = Details(
                    key_id=parameter.get("KeyId", ""),
                    tier=parameter.get("Tier", ""),
                    description=parameter.get("Description", ""),
                    allowed_pattern=parameter.get("AllowedPattern", ""),
                )
    return found
