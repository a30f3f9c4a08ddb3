"""Takes back what a failed run wrote: removes what it created, puts back what it overwrote.

Each only while its version is still the one that this run wrote, which is looked at again before every try. Newest
first, at the pace of the writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from secret_action.model import PlannedParameter, StoredParameter, WriteResult, WriteState
from secret_action.store import answers, calls, commands, failures, put, reading
from secret_action.store.denials import Request
from secret_action.store.metadata import Metadata
from secret_action.store.plan import SECURE
from secret_action.store.put import Attempt, Change, Fate
from secret_action.store.threads import Crew

if TYPE_CHECKING:
    from secret_action.store.session import AwsSession

_NO_TIME = "There was no time left to undo it."


@dataclass(frozen=True)
class Written:
    """A change that reached SSM, or may have."""

    entry: PlannedParameter
    change: Change
    attempt: Attempt

    @property
    def path(self) -> str:
        """The parameter's path."""
        return self.change.path


class _GivenUp(Exception):
    """A request of the undo failed for good; the text says why."""


class Undo:
    """The undo of one run's writes, on threads of its own, so that a cancel can end it at any moment."""

    def __init__(
        self,
        session: AwsSession,
        metadata: Metadata,
        kms_key_id: str,
        written: Sequence[Written],
        tell: Callable[[str], None],
        hurried: bool,
    ) -> None:
        """written: in the order in which they were begun. tell: gets a line, or an empty text, at each result.

        hurried: seconds are left, so it does not wait because of what SSM has refused before.
        """
        newest_first = list(reversed(written))
        batches = [newest_first[at : at + reading.BATCH] for at in range(0, len(newest_first), reading.BATCH)]
        self._session = session
        self._client = session.ssm
        self._region = session.region
        self._pace = session.pace
        self._metadata = metadata
        self._kms_key_id = kms_key_id
        self._tell = tell
        self._hurried = hurried
        self._written = {item.path: item for item in written}
        self._results: dict[str, WriteResult] = {}
        self._crew: Crew[list[Written]] = Crew(self._undo, batches)

    def start(self) -> None:
        """Starts the threads, or after an interruption those that are missing."""
        self._crew.start()

    def stop(self) -> None:
        """From now on no further request is begun."""
        self._crew.stop()

    def finished(self) -> bool:
        """Whether it is known of every parameter what became of it."""
        return len(self._results) == len(self._written)

    def progress(self) -> str:
        """How far it is, in words."""
        return f"{len(self._results)} of {len(self._written)} written parameters looked at again, to undo them"

    def result(self, path: str) -> WriteResult | None:
        """What became of one parameter; None for one that was not written."""
        if path not in self._written:
            return None
        return self._results.get(path) or self._left(self._written[path], _NO_TIME)

    def _undo(self, batch: list[Written]) -> None:
        self._pace.writes.renew()  # here, not in the main thread: the pacer has a lock
        if self._hurried:
            self._pace.writes.hurry()
        self._guarded(batch, self._undo_batch)

    def _undo_batch(self, batch: list[Written]) -> None:
        self._guarded([item for item in batch if item.change.base is None], self._remove)
        for item in batch:
            if item.change.base is not None:
                self._guarded([item], self._put_back)

    def _guarded(self, items: list[Written], work: Callable[[list[Written]], None]) -> None:
        """Whatever goes wrong with some parameters is told of them, and holds up no others."""
        try:
            work(items)
        except _GivenUp as error:
            detail = str(error)
        except Exception as error:
            detail = f"The undo failed ({type(error).__name__})."
        else:
            return
        for item in items:
            if item.path not in self._results:
                self._note(self._left(item, detail))

    def _our_version(self, item: Written, seen: StoredParameter | None) -> int | None:
        """The version to undo, or None with the result noted: it is not, or no longer, ours that stands."""
        attempt: Attempt | None = item.attempt
        if item.attempt.fate is not Fate.WRITTEN:
            attempt = put.judge(item.change, seen, unanswered=True)
        if attempt is None:
            self._note(self._left(item, "So far it has not been carried out."))
        elif attempt.fate is not Fate.WRITTEN:
            self._note(_not_ours(item, attempt, self._region))
        elif seen is None:
            self._note(_result(item, WriteState.UNDONE, "Somebody else removed it."))
        elif (seen.version, seen.value) != (attempt.version, item.change.value):
            detail = f"Somebody else wrote version {seen.version} since. It was left alone."
            self._note(_result(item, WriteState.LEFT, detail, seen.version, commands.history(item.path, self._region)))
        else:
            return seen.version
        return None

    def _remove(self, items: list[Written]) -> None:
        sent: set[str] = set()

        def remove(stored: Mapping[str, StoredParameter], given_at: float) -> None:
            gone = [item for item in items if item.path in sent and item.path not in stored]
            self._removed(gone)  # by an earlier try, whose answer was lost
            waiting = [item for item in items if item.path not in self._results]
            ours = [item for item in waiting if self._our_version(item, stored.get(item.path)) is not None]
            if ours:
                paths = [item.path for item in ours]
                sent.update(paths)
                calls.send(self._pace.writes, given_at, lambda: self._client.delete_parameters(Names=paths))
                self._removed(ours)

        if items:
            self._retried(items, "ssm:DeleteParameters", remove)

    def _removed(self, items: list[Written]) -> None:
        for item in items:
            if item.path not in self._results:
                self._note(_result(item, WriteState.UNDONE, "removed"))

    def _put_back(self, items: list[Written]) -> None:
        [item] = items
        unanswered: list[Change] = []

        def put_back(stored: Mapping[str, StoredParameter], given_at: float) -> None:
            seen = stored.get(item.path)
            for change in unanswered:
                attempt = put.judge(change, seen, unanswered=True)
                if attempt is not None and attempt.fate in (Fate.WRITTEN, Fate.MOVED):
                    self._note(self._after_put_back(item, change, attempt))
                    return
            version = self._our_version(item, seen)
            if version is None:
                return
            change = put.put_back(item.entry, self._metadata.of(item.path), self._kms_key_id, version)
            try:
                attempt = put.send(self._session, change, given_at)
            except Exception as error:
                if answers.may_have_landed(error):
                    unanswered.append(change)
                raise
            self._note(self._after_put_back(item, change, attempt))

        self._retried(items, "ssm:PutParameter", put_back)

    def _after_put_back(self, item: Written, change: Change, attempt: Attempt) -> WriteResult:
        if attempt.fate is Fate.MOVED and attempt.version is not None:
            details = self._metadata.of(item.path)
            key_id = details.key_id or self._kms_key_id
            detail = f"{_theirs(attempt.version)} The value from before this run stands, as version {attempt.version}."
            command = commands.uncover(
                item.path, attempt.version, self._region, type=SECURE, key_id=key_id, tier=details.tier
            )
            return _result(item, WriteState.LEFT, detail, attempt.version, command)
        raised = change.options.get("Tier", "") != item.change.options.get("Tier", "")
        detail = "put back; its tier stays as it was raised" if raised else "put back"
        return _result(item, WriteState.UNDONE, detail, attempt.version)

    def _retried(
        self, items: list[Written], action: str, undo: Callable[[Mapping[str, StoredParameter], float], None]
    ) -> None:
        """Looks at the items and hands what SSM holds to `undo`, which sends `action`: both anew at every try.

        `undo` also gets the time at which its request was given its token.
        """
        paths = [item.path for item in items]
        delay = 0.0
        while (given_at := self._pace.writes.wait(self._crew.stopped, delay)) is not None:
            request = Request("ssm:GetParameters", self._region, paths[0] if len(paths) == 1 else "")
            try:
                stored = self._look(paths)
                request = replace(request, action=action)
                undo(stored, given_at)
            except calls.Stopped:
                break
            except Exception as error:
                if not answers.is_transient(error) or self._pace.writes.exhausted():
                    raise _GivenUp(failures.problem(error, request).what) from error
                delay = 0.0 if answers.is_throttled(error) else calls.longer(delay)
            else:
                self._pace.writes.renew()
                return
        raise _GivenUp(_NO_TIME)

    def _look(self, paths: list[str]) -> dict[str, StoredParameter]:
        return calls.once(
            self._pace.reads, lambda: reading.get(self._client, paths, decrypt=True), stopped=self._crew.stopped
        )

    def _note(self, result: WriteResult) -> None:
        if result.state is WriteState.UNDONE:
            version = f" (version {result.version})" if result.version else ""
            self._tell(f"undone: {result.path} {result.detail}{version}")
        self._results[result.path] = result
        self._tell("")

    def _left(self, item: Written, detail: str) -> WriteResult:
        stored = item.entry.stored
        if item.attempt.fate is not Fate.WRITTEN:
            detail = f"A write was sent and got no answer. {detail}"
        if stored is None:
            command = commands.delete(item.path, self._region)
        else:
            details = self._metadata.of(item.path)
            key_id = (details.key_id or self._kms_key_id) if stored.type == SECURE else ""
            command = commands.put_back(
                item.path, stored.version, self._region, type=stored.type, key_id=key_id, tier=details.tier
            )
        return _result(item, WriteState.LEFT, detail, item.attempt.version, command)


def _result(
    item: Written, state: WriteState, detail: str, version: int | None = None, command: str = ""
) -> WriteResult:
    return WriteResult(item.path, item.entry.action, state, version, detail, command)


def _not_ours(item: Written, attempt: Attempt, region: str) -> WriteResult:
    """A write that got no answer, and a look that shows somebody else's hand."""
    state = WriteState.LEFT if attempt.fate is Fate.MOVED else WriteState.FAILED
    detail = attempt.problem.what if attempt.problem else "Somebody else created it with the same value."
    return _result(item, state, detail, attempt.version, commands.history(item.path, region))


def _theirs(ours: int) -> str:
    """What somebody else did just before our put-back, which became the version `ours`."""
    if ours == 1:
        return "Somebody else removed it at the moment at which it was put back."
    return f"Somebody else wrote version {ours - 1} at the moment at which it was put back."
