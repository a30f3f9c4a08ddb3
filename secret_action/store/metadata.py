"""What a parameter is beside its value: key, tier, description, pattern, tags. An overwrite may lose the first four.

`DescribeParameters` alone tells them, and is throttled at less than one call a second, so it is asked only about
names that are about to be overwritten, fifty a call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from secret_action.errors import CancelledError, StoreError
from secret_action.model import Action, Plan
from secret_action.store import answers, calls, failures, tags
from secret_action.store.denials import Request

if TYPE_CHECKING:
    from mypy_boto3_ssm.type_defs import ParameterMetadataTypeDef, ParameterStringFilterTypeDef

    from secret_action.store.session import AwsSession

_BATCH = 50
"""Most names that a filter takes, and most parameters that a page holds."""
ACTION = "ssm:DescribeParameters"


@dataclass(frozen=True)
class Details:
    """One parameter's own settings; empty where it has none."""

    key_id: str = ""
    tier: str = ""
    description: str = ""
    allowed_pattern: str = ""


@dataclass(frozen=True)
class Metadata:
    """Details by path, and a note for the summary where our rights did not reach them.

    untagged: the paths to overwrite that do not carry all the tags they should.
    """

    details: Mapping[str, Details] = field(default_factory=dict)
    note: str = ""
    untagged: frozenset[str] = frozenset()

    def of(self, path: str) -> Details:
        """The details of one parameter; all empty where they are not known."""
        return self.details.get(path, Details())


def look_up(session: AwsSession, plan: Plan, tagged: Mapping[str, str] | None = None) -> Metadata:
    """The details of all parameters that the plan overwrites. No call where it overwrites none.

    tagged: the tags that they should carry; with any, it takes a second call for each fifty.
    Raises StoreError when AWS refuses for another reason than a missing permission, or cannot be reached.
    """
    paths = [entry.parameter.path for entry in plan.of(Action.UPDATE)]
    details: dict[str, Details] = {}
    carrying: set[str] = set()
    for at in range(0, len(paths), _BATCH):
        batch = paths[at : at + _BATCH]
        try:
            details |= {path: _details(found) for path, found in _named(session, batch).items()}
            if tagged:
                carrying |= _carrying(session, batch, tagged)
        except CancelledError:
            raise
        except Exception as error:
            if answers.is_denied(error):
                return Metadata(details, _NOTE)
            raise StoreError(failures.problem(error, Request(ACTION, session.region))) from error
    return Metadata(details, untagged=frozenset(paths) - carrying if tagged else frozenset())


def describe(session: AwsSession, filters: Sequence[ParameterStringFilterTypeDef]) -> list[ParameterMetadataTypeDef]:
    """All parameters that pass all filters, from all pages. Raises what botocore raises."""
    found: list[ParameterMetadataTypeDef] = []
    more: dict[str, str] = {}
    while True:
        page = calls.ask(
            session.pace.describes,
            lambda more=more: session.ssm.describe_parameters(  # type: ignore[misc]
                ParameterFilters=filters, MaxResults=_BATCH, **more
            ),
        )
        found += page["Parameters"]
        if not page.get("NextToken"):
            return found
        more = {"NextToken": page["NextToken"]}


_FILTERS_REFUSED = ("ValidationException", "InvalidFilterKey", "InvalidFilterOption", "InvalidFilterValue")

_NOTE = (
    f"No permission for {ACTION}: KMS key, tier, description and tags of the parameters to overwrite are not known. "
    "Without `aws-kms-key-id` AWS may encrypt them with the account's default key. "
    f'The policy line: {{"Effect": "Allow", "Action": "{ACTION}", "Resource": "*"}}'
)


def _named(
    session: AwsSession, paths: list[str], tagged: Mapping[str, str] | None = None
) -> dict[str, ParameterMetadataTypeDef]:
    named: ParameterStringFilterTypeDef = {"Key": "Name", "Option": "Equals", "Values": paths}
    asked = {path.removeprefix("/"): path for path in paths}
    found = describe(session, [named, *tags.filters(tagged or {})])
    return {asked[name]: parameter for parameter in found if (name := parameter["Name"].removeprefix("/")) in asked}


def _carrying(session: AwsSession, paths: list[str], tagged: Mapping[str, str]) -> set[str]:
    """Those that carry all these tags. None where SSM does not take so many filters: then all are tagged anew."""
    try:
        return set(_named(session, paths, tagged))
    except Exception as error:
        if answers.code(error) in _FILTERS_REFUSED:
            return set()
        raise


def _details(parameter: ParameterMetadataTypeDef) -> Details:
    return Details(
        key_id=parameter.get("KeyId", ""),
        tier=parameter.get("Tier", ""),
        description=parameter.get("Description", ""),
        allowed_pattern=parameter.get("AllowedPattern", ""),
    )
