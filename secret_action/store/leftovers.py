"""Parameters that nothing asks for any more: found, planned, and deleted at the very end of a run.

A parameter is left over only where it lies directly in the service's own folder and carries our tag.
`DescribeParameters` finds exactly those, without reading a value.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING

from secret_action.errors import CancelledError, InputError, StoreError
from secret_action.model import (
    Action,
    Parameter,
    PlannedParameter,
    Problem,
    StoredParameter,
    WriteResult,
    WriteState,
)
from secret_action.naming import is_preview_environment
from secret_action.ports import Log
from secret_action.store import calls, failures, metadata, tags
from secret_action.store.denials import Request
from secret_action.store.reading import BATCH
from secret_action.store.writing import WriteOutcome

if TYPE_CHECKING:
    from mypy_boto3_ssm.type_defs import ParameterMetadataTypeDef, ParameterStringFilterTypeDef

    from secret_action.store.session import AwsSession

_ACTION = "ssm:DeleteParameters"
_SHOWN = 20


def find_leftovers(session: AwsSession, folder: str, wanted: Collection[str]) -> tuple[PlannedParameter, ...]:
    """Entries for the plan, one for each parameter that is left over, by name.

    folder: the service's own, without a slash at its end; what lies deeper is not looked at. wanted: the paths that
    manifests ask for, all of them, whether they are written or not.
    Raises StoreError.
    """
    if folder.count("/") < 2 or not folder.startswith("/"):
        raise ValueError("not the folder of one service")
    found = _tagged(session, folder)
    return tuple(_entry(path, found[path]) for path in sorted(found.keys() - set(wanted)))


def find_preview(session: AwsSession, environment: str, folder: str) -> tuple[PlannedParameter, ...]:
    """As `find_leftovers` for a preview environment, of which nothing is to stay.

    environment: in any spelling. Raises InputError for one that is no preview, and StoreError.
    """
    if not is_preview_environment(environment):
        raise InputError(
            Problem(
                f"`mode: cleanup` removes preview environments only, and “{environment}” is none.",
                "Name `pr`, or the environment of one pull request, such as `pr-123`. "
                "To delete what is left over in another, use `prune`.",
            )
        )
    return find_leftovers(session, folder, ())


def check_leftovers(
    leftovers: Sequence[PlannedParameter],
    limit: int,
    remedy: str,
    finders: Sequence[str] = (),
    beside: Sequence[str] = (),
) -> tuple[Problem, ...]:
    """What stands against deleting them: they are too many, or somebody reads whatever is there.

    remedy: where the limit is set, in words. finders: ExternalSecrets that read by a pattern. beside: other overlays
    that may read parameters of the same environment.
    """
    names = [entry.parameter.path for entry in leftovers]
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    if names and finders:
        return (
            Problem(
                f"What is left over cannot be told: {', '.join(finders)} reads what matches a pattern "
                f"(`dataFrom.find`), so any of these may be in use: {shown}. None was deleted.",
                "Set `prune: false` for this service, or name the keys one by one (`data`, `dataFrom.extract`).",
            ),
        )
    if names and beside:
        return (
            Problem(
                f"What is left over cannot be told: {', '.join(beside)} may ask for parameters of this environment, so "
                f"any of these may be in use: {shown}. None was deleted.",
                "Set `prune: false` for this service, or keep one overlay for each environment.",
            ),
        )
    if len(names) <= limit:
        return ()
    return (
        Problem(
            f"{len(names)} parameters are left over, and a run may delete at most {limit}. None was deleted: {shown}.",
            f"See whether nothing reads them any more; then {remedy}",
            ("Manifests were moved or renamed, so that this run does not find who asks for them.",),
        ),
    )


def prune(session: AwsSession, leftovers: Sequence[PlannedParameter], folder: str, log: Log) -> WriteOutcome:
    """Deletes what `find_leftovers` found, ten a call, each only while it stands as it was found.

    A parameter that was written or that lost its tag since is left alone, with a warning. What is deleted is gone, with
    its history. Must run in the main thread; a cancel ends it, and stands in the outcome. Raises nothing that AWS does.
    """
    removal = _Removal(session, leftovers, folder, log)
    cancelled = None
    try:
        removal.run()
    except CancelledError as error:
        cancelled = error
        removal.problems += error.problems
    except Exception as error:
        removal.problems.append(failures.problem(error, Request(removal.action, session.region)))
    return WriteOutcome(
        tuple(removal.results[entry.parameter.path] for entry in leftovers),
        tuple(removal.problems),
        cancelled,
        tuple(removal.warnings),
    )


class _Removal:
    """What is known of one prune so far; whatever interrupts it, `results` tell of each parameter."""

    def __init__(self, session: AwsSession, leftovers: Sequence[PlannedParameter], folder: str, log: Log) -> None:
        self._session = session
        self._leftovers = leftovers
        self._folder = folder
        self._log = log
        self.action = metadata.ACTION
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.results = {
            entry.parameter.path: WriteResult(entry.parameter.path, Action.PRUNE, WriteState.NOT_STARTED)
            for entry in leftovers
        }

    def run(self) -> None:
        """Looks again, then deletes. Raises what botocore raises, and CancelledError."""
        if not self._leftovers:
            return
        stands = metadata.describe(self._session, _filters(self._folder))
        versions = {each["Name"]: each["Version"] for each in stands}
        self.action = _ACTION
        due = []
        for entry in self._leftovers:
            path, version = entry.parameter.path, entry.stored.version if entry.stored else None
            if versions.get(path) == version:
                due.append(path)
            else:
                self._leave(path)
        for at in range(0, len(due), BATCH):
            self._delete(due[at : at + BATCH])

    def _delete(self, paths: list[str]) -> None:
        self._note(paths, WriteState.FAILED, "It was being deleted when the run ended: look whether it is gone.")
        try:
            calls.ask(self._session.pace.writes, lambda: self._session.ssm.delete_parameters(Names=paths))
        except CancelledError:
            raise
        except Exception as error:
            self._note(paths, WriteState.FAILED, failures.problem(error, Request(_ACTION, self._session.region)).what)
            raise
        self._note(paths, WriteState.DELETED, "")
        for path in paths:
            self._log.line(f"deleted {path}")

    def _leave(self, path: str) -> None:
        detail = "It was written or deleted, or lost our tag, after the plan was made, so it was left alone."
        self._note([path], WriteState.NOT_STARTED, detail)
        self.warnings.append(f"{path} was not deleted: {detail[0].lower()}{detail[1:]}")

    def _note(self, paths: list[str], state: WriteState, detail: str) -> None:
        for path in paths:
            self.results[path] = replace(self.results[path], state=state, detail=detail)


def _filters(folder: str) -> list[ParameterStringFilterTypeDef]:
    in_folder: ParameterStringFilterTypeDef = {"Key": "Path", "Option": "OneLevel", "Values": [folder]}
    return [in_folder, *tags.filters(dict([tags.MANAGED_BY]))]


def _tagged(session: AwsSession, folder: str) -> dict[str, ParameterMetadataTypeDef]:
    """What carries our tag in the folder, by path. The folder is compared here, too: a deletion is for ever."""
    try:
        found = metadata.describe(session, _filters(folder))
    except CancelledError:
        raise
    except Exception as error:
        raise StoreError(failures.problem(error, Request(metadata.ACTION, session.region))) from error
    return {each["Name"]: each for each in found if each["Name"].rpartition("/")[0] == folder}


def _entry(path: str, found: ParameterMetadataTypeDef) -> PlannedParameter:
    modified = found.get("LastModifiedDate")
    stored = StoredParameter(
        path=path,
        version=found["Version"],
        type=found["Type"],
        modified=modified.astimezone(UTC).isoformat(timespec="seconds") if modified else "",
    )
    parameter = Parameter(path=path, key=path.rpartition("/")[2], owned=True, references=())
    return PlannedParameter(parameter, Action.PRUNE, stored, note="no manifest asks for it")
