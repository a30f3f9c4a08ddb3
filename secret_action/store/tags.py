"""The tags that say whose a parameter is. Only what carries ours is ever deleted as left over.

AWS takes tags beside a creation, and refuses them beside an overwrite: there they are added by a call of their own,
where they differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from secret_action.naming import OWN_TAGS

if TYPE_CHECKING:
    from mypy_boto3_ssm.type_defs import ParameterStringFilterTypeDef, TagTypeDef

MANAGED_BY = (OWN_TAGS[0], "secret-sync")
"""The tag without which nothing is deleted."""


def ours(service: str, environment: str, repository: str, more: Mapping[str, str]) -> dict[str, str]:
    """All tags of one service's parameters.

    environment: as the path says it. repository: owner/name; empty outside of a workflow. more: the user's own; they
    come beside ours and never replace them.
    """
    own = zip(OWN_TAGS, (MANAGED_BY[1], service, environment, repository), strict=True)
    return {**more, **{key: text for key, text in own if text}}


def listed(tags: Mapping[str, str]) -> list[TagTypeDef]:
    """As SSM takes them."""
    return [{"Key": key, "Value": text} for key, text in tags.items()]


def filters(tags: Mapping[str, str]) -> list[ParameterStringFilterTypeDef]:
    """For `DescribeParameters`: only what carries all of them, each with exactly this value."""
    return [{"Key": f"tag:{key}", "Option": "Equals", "Values": [text]} for key, text in tags.items()]
