"""What SSM holds, read ten names a call.

Foreign names are read apart from owned ones and never decrypted: their values are no business of this run, and its
rights may not reach them. `GetParameters` fails whole when one name of its ten is denied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from secret_action.errors import StoreError
from secret_action.model import StoredParameter
from secret_action.ports import Log
from secret_action.store import answers, calls, denials, failures
from secret_action.store.denials import Request
from secret_action.store.limits import name_fault
from secret_action.store.threads import in_parallel
from secret_action.values import SecretValue

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

    from secret_action.store.session import AwsSession

BATCH = 10
"""Most names that `GetParameters` and `DeleteParameters` take in one call."""

_ACTION = "ssm:GetParameters"


@dataclass(frozen=True)
class Reading:
    """What SSM holds of the names that were asked for. A name in neither field does not exist.

    stored: by path, as it was asked for. unchecked: foreign paths that our rights do not reach.
    """

    stored: Mapping[str, StoredParameter]
    unchecked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Batch:
    names: tuple[str, ...]
    owned: bool


@dataclass(frozen=True)
class _Answer:
    stored: Mapping[str, StoredParameter]
    denied: Mapping[str, denials.Denial]
    owned: bool


def read(session: AwsSession, owned: Sequence[str], foreign: Sequence[str], log: Log) -> Reading:
    """Reads owned parameters with their values, foreign ones without decryption.

    A name that SSM could never hold is not asked for. Owned values that come back are registered with `log.mask`; a
    foreign String is no secret, and often a URL that a log is to show.
    Raises StoreError: denied owned names (all of them at once), or AWS refused or could not be reached.
    """
    batches = [
        *_batches([name for name in owned if not name_fault(name, session.region)], owned=True),
        *_batches([name for name in foreign if not name_fault(name, session.region)], owned=False),
    ]
    client = session.ssm  # made here, in the main thread
    found = in_parallel(lambda batch: _read(client, session, batch), batches)
    refused = [denial for answer in found if answer.owned for denial in answer.denied.values()]
    if refused:
        raise StoreError(*denials.problems(refused))
    for parameter in (parameter for answer in found if answer.owned for parameter in answer.stored.values()):
        if parameter.value is not None:
            log.mask(parameter.value.reveal())
    stored = {path: parameter for answer in found for path, parameter in answer.stored.items()}
    return Reading(stored, frozenset(name for answer in found for name in answer.denied))


def get(client: SSMClient, names: Sequence[str], *, decrypt: bool) -> dict[str, StoredParameter]:
    """One `GetParameters` call of at most `BATCH` names. Raises what botocore raises.

    Answers are matched to names with and without a leading slash, which are one parameter to SSM, and to ARNs.
    """
    answer = client.get_parameters(Names=list(names), WithDecryption=decrypt)
    asked = {_normalised(name): name for name in names}
    stored = {}
    for parameter in answer["Parameters"]:
        path = asked.get(_normalised(parameter["Name"])) or asked.get(parameter.get("ARN", ""))
        if path is None:
            continue
        modified = parameter.get("LastModifiedDate")
        stored[path] = StoredParameter(
            path=path,
            version=parameter["Version"],
            type=parameter["Type"],
            modified=modified.astimezone(UTC).isoformat(timespec="seconds") if modified else "",
            # SSM encrypts a SecureString only: another type's value comes as it is, and serves the content proof.
            value=SecretValue(parameter["Value"]) if decrypt or parameter["Type"] != "SecureString" else None,
        )
    return stored


def _normalised(name: str) -> str:
    return name.removeprefix("/")


def _batches(names: Sequence[str], *, owned: bool) -> list[_Batch]:
    unique = tuple({_normalised(name): name for name in names}.values())
    return [_Batch(unique[at : at + BATCH], owned) for at in range(0, len(unique), BATCH)]


def _read(client: SSMClient, session: AwsSession, batch: _Batch) -> _Answer:
    """One batch; where it is denied, name by name, so that every denied one is known."""
    try:
        stored = calls.ask(session.pace.reads, lambda: get(client, batch.names, decrypt=batch.owned))
        return _Answer(stored, {}, batch.owned)
    except Exception as error:
        request = Request(_ACTION, session.region, batch.names[0] if len(batch.names) == 1 else "")
        if not answers.is_denied(error):
            raise StoreError(failures.problem(error, request)) from error
        if len(batch.names) == 1:
            return _Answer({}, {batch.names[0]: denials.denial(error, request)}, batch.owned)
    parts = [_read(client, session, _Batch((name,), batch.owned)) for name in batch.names]
    return _Answer(
        {path: parameter for part in parts for path, parameter in part.stored.items()},
        {path: denial for part in parts for path, denial in part.denied.items()},
        batch.owned,
    )
