"""SSM Parameter Store: read, plan, write, undo. boto3 is imported only when a connection is made.

connect → read → make_plan → look_up → check_plan → write
"""

from secret_action.store.metadata import Metadata, look_up
from secret_action.store.plan import check_plan, make_plan
from secret_action.store.reading import Reading, read
from secret_action.store.session import AwsSession, connect
from secret_action.store.writing import WriteOutcome, write

__all__ = [
    "AwsSession",
    "Metadata",
    "Reading",
    "WriteOutcome",
    "check_plan",
    "connect",
    "look_up",
    "make_plan",
    "read",
    "write",
]
