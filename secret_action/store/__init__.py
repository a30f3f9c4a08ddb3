"""SSM Parameter Store: read, plan, write, undo, prune. boto3 is imported only when a connection is made.

connect → read → make_plan → look_up → judge_tiers → check_plan → write; find_leftovers → check_leftovers → prune
"""

from secret_action.store.leftovers import (
    check_leftovers,
    find_leftovers,
    find_preview,
    prune,
)
from secret_action.store.metadata import Metadata, look_up
from secret_action.store.plan import check_plan, judge_tiers, make_plan
from secret_action.store.reading import read
from secret_action.store.session import AwsSession, connect
from secret_action.store.tags import ours as tags_of
from secret_action.store.writing import WriteOutcome, write

__all__ = [
    "AwsSession",
    "Metadata",
    "WriteOutcome",
    "check_leftovers",
    "check_plan",
    "connect",
    "find_leftovers",
    "find_preview",
    "judge_tiers",
    "look_up",
    "make_plan",
    "prune",
    "read",
    "tags_of",
    "write",
]
