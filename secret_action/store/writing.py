"""The write stage: all that the plan creates and overwrites, or nothing.

A write that fails for good, or a cancel, stops the others and takes back what was written. Requests run on threads of
their own, so that the main thread is free for a cancel at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from secret_action.errors import CancelledError
from secret_action.model import (
    Action,
    Plan,
    PlannedParameter,
    Problem,
    WriteResult,
    WriteState,
)
from secret_action.ports import Clock, Log
from secret_action.settings import AwsSettings
from secret_action.store import commands, put
from secret_action.store.looking import LastLook
from secret_action.store.metadata import Metadata
from secret_action.store.plan import SECURE
from secret_action.store.put import Attempt, Change, Fate, Putter
from secret_action.store.retagging import Retagging
from secret_action.store.threads import Crew
from secret_action.store.undo import Undo, Written

if TYPE_CHECKING:
    from secret_action.store.session import AwsSession

CANCEL_GRACE = 2.0
"""Seconds that requests which are on their way are given after a cancel. A runner gives ten seconds in all."""
CANCEL_UNDO = 5.0
"""Seconds that the undo is given after a cancel."""

_PROGRESS_EVERY = 5.0
_STEP = 0.1


@dataclass(frozen=True)
class WriteOutcome:
    """What became of the plan's writes, in the plan's order.

    problems: what ended the stage; empty where all was written. cancelled: the cancel that ended it, to be raised when
    the report is out. warnings: what did not succeed and undoes nothing, for the summary.
    """

    results: tuple[WriteResult, ...]
    problems: tuple[Problem, ...] = ()
    cancelled: CancelledError | None = None
    warnings: tuple[str, ...] = ()


def write(
    session: AwsSession,
    plan: Plan,
    settings: AwsSettings,
    log: Log,
    clock: Clock,
    *,
    metadata: Metadata,
    tags: Mapping[str, str] | None = None,
) -> WriteOutcome:
    """Creates and overwrites what the plan says, and undoes it where that does not succeed as a whole.

    metadata: what `look_up` found for this plan. tags: what `tags.ours` made; put on what is created, and where
    `metadata` says that they differ on what is overwritten.
    Must run in the main thread. A `CancelledError` that a signal handler raises here, once, at any moment, ends the
    stage in seven seconds: no new write, the undo as far as it goes, the rest named. Raises nothing that AWS does.
    """
    if not plan.of(Action.CREATE, Action.UPDATE):
        return WriteOutcome(())
    stage = _Stage(session, plan, metadata, settings.kms_key_id, tags or {}, log, clock)
    while True:
        try:
            return stage.run()
        except CancelledError as cancelled:
            stage.cancel(cancelled)


class _Stage:
    """The stage's state. `run` may be interrupted at any point and called again: it goes on where it was."""

    def __init__(
        self,
        session: AwsSession,
        plan: Plan,
        metadata: Metadata,
        kms_key_id: str,
        tags: Mapping[str, str],
        log: Log,
        clock: Clock,
    ) -> None:
        self._session = session
        self._metadata = metadata
        self._kms_key_id = kms_key_id
        self._tags = tags
        self._log = log
        self._clock = clock
        self._entries = plan.of(Action.CREATE, Action.UPDATE)
        self._crew: Crew[PlannedParameter] = Crew(self._write, self._entries)
        overwritten = [entry.parameter.path for entry in plan.of(Action.UPDATE)]
        last_look = LastLook(session, overwritten, self._crew.stopped)
        self._putter = Putter(session, last_look.at, self._crew.stopped)
        self._retagging = Retagging(session, self._tags, sorted(metadata.untagged), self._crew.stopped)
        self._attempts: dict[str, Attempt] = {}
        """By path, in the order in which they were begun. Each entry is set by one thread, in one step."""
        self._lines: SimpleQueue[str] = SimpleQueue()
        """What happened, told by the threads to the main thread, which alone writes the log."""
        self._undo: Undo | None = None
        self._cancelled: CancelledError | None = None
        self._deadline: float | None = None

    def run(self) -> WriteOutcome:
        """Writes, undoes where that is due, and says what became of it."""
        if not self._crew.stopped():
            self._crew.start()
        settled = self._wait(self._writes_settled, self._writing)
        if not self._crew.stopped():
            self._retagging.start()
            self._wait(self._retagging.finished, self._retagging.progress)
        if self._crew.stopped():
            self._take_back(hanging=not settled)
        return self._outcome()

    def cancel(self, cancelled: CancelledError) -> None:
        """Lets nothing new begin, and sets the time by which the step that is on must end."""
        self._cancelled = cancelled
        self._crew.stop()
        self._deadline = self._clock.now() + (CANCEL_GRACE if self._undo is None else CANCEL_UNDO)

    def _write(self, entry: PlannedParameter) -> None:
        """One parameter, on one of the threads."""
        path = entry.parameter.path
        self._attempts[path] = Attempt(Fate.SENDING)
        try:
            attempt = self._putter.put(self._change(entry))
        except Exception as error:
            attempt = Attempt(Fate.UNKNOWN, problem=_unexpected(path, error))
        if attempt.fate in _GOOD:
            word = "created" if entry.action is Action.CREATE else "updated"
            self._lines.put(f"{word} {path} (version {attempt.version})")
        else:
            self._crew.stop()
        self._attempts[path] = attempt
        self._lines.put("")

    def _change(self, entry: PlannedParameter) -> Change:
        if entry.action is Action.CREATE:
            return put.create(entry, self._kms_key_id, self._tags)
        return put.update(entry, self._metadata.of(entry.parameter.path), self._kms_key_id)

    def _writes_settled(self) -> bool:
        attempts = list(self._attempts.values())
        if any(attempt.fate is Fate.SENDING for attempt in attempts):
            return False
        return len(attempts) == len(self._entries) or self._crew.stopped()

    def _take_back(self, *, hanging: bool) -> None:
        """Undoes what was written. hanging: the grace is over, and some requests are still on their way."""
        if self._undo is None:
            written = self._written(hanging=hanging)
            hurried = self._cancelled is not None
            self._undo = Undo(
                self._session, self._metadata, self._kms_key_id, written, tell=self._lines.put, hurried=hurried
            )
            if hurried:
                self._deadline = self._clock.now() + CANCEL_UNDO
        self._undo.start()
        self._wait(self._undo.finished, self._undo.progress)
        self._undo.stop()

    def _written(self, *, hanging: bool) -> list[Written]:
        # Once the writes are settled, what a thread still marks as sending finds the crew stopped and is never sent.
        fates = (Fate.WRITTEN, Fate.UNKNOWN, *((Fate.SENDING,) if hanging else ()))
        entries = {entry.parameter.path: entry for entry in self._entries}
        return [
            Written(entries[path], self._change(entries[path]), attempt)
            for path, attempt in list(self._attempts.items())
            if attempt.fate in fates
        ]

    def _wait(self, settled: Callable[[], bool], progress: Callable[[], str]) -> bool:
        """Returns True when `settled` says so, False when a cancel's time is over. Tells meanwhile what happens."""
        told_at = self._clock.now()
        while not settled():
            with suppress(Empty):
                self._tell(self._lines.get(timeout=_STEP))
            now = self._clock.now()
            if self._deadline is not None and now >= self._deadline:
                return False
            if now - told_at >= _PROGRESS_EVERY:
                told_at = now
                self._log.progress(progress())
        while not self._lines.empty():
            self._tell(self._lines.get())
        return True

    def _tell(self, line: str) -> None:
        if line:
            self._log.line(line)

    def _writing(self) -> str:
        done = sum(attempt.fate in _GOOD for attempt in list(self._attempts.values()))
        return f"{done} of {len(self._entries)} parameters written"

    def _outcome(self) -> WriteOutcome:
        results = tuple(self._result(entry) for entry in self._entries)
        attempts = [self._attempts.get(entry.parameter.path) for entry in self._entries]
        problems = [attempt.problem for attempt in attempts if attempt and attempt.problem]
        if self._cancelled is not None:
            problems = [*self._cancelled.problems, *problems]
        left = [result for result in results if result.state is WriteState.LEFT]
        if left:
            problems.append(_left_problem(left))
        for result in left:
            self._log.line(f"left as it is: {result.path}: {result.detail} To undo it: {result.command}")
        warnings = () if problems else self._retagging.warnings()
        return WriteOutcome(results, tuple(dict.fromkeys(problems)), self._cancelled, warnings)

    def _result(self, entry: PlannedParameter) -> WriteResult:
        path = entry.parameter.path
        undone = self._undo.result(path) if self._undo is not None else None
        if undone is not None:
            return undone
        attempt = self._attempts.get(path, Attempt(Fate.NOT_STARTED))
        detail = attempt.problem.what if attempt.problem else entry.note
        command = ""
        if attempt.fate is Fate.THEIRS:
            detail = "Somebody else created it in the meantime, with the same value."
        elif attempt.fate is Fate.MOVED:
            command = self._command_for_moved(path, attempt)
        return WriteResult(path, entry.action, _STATES[attempt.fate], attempt.version, detail, command)

    def _command_for_moved(self, path: str, attempt: Attempt) -> str:
        region, details = self._session.region, self._metadata.of(path)
        version = attempt.version or 1
        return commands.uncover(path, version, region, type=SECURE, key_id=details.key_id, tier=details.tier)


_GOOD = (Fate.WRITTEN, Fate.THEIRS)

_STATES = {
    Fate.WRITTEN: WriteState.WRITTEN,
    Fate.THEIRS: WriteState.WRITTEN,
    Fate.REFUSED: WriteState.FAILED,
    Fate.MOVED: WriteState.LEFT,
    Fate.NOT_STARTED: WriteState.NOT_STARTED,
    Fate.SENDING: WriteState.NOT_STARTED,  # began when the crew was stopped already
    Fate.UNKNOWN: WriteState.LEFT,  # the undo looks at it again, and has the last word
}


def _unexpected(path: str, error: Exception) -> Problem:
    return Problem(
        f"Writing {path} failed in an unexpected way ({type(error).__name__}).",
        "Please report this as a bug, with the version and the mode.",
    )


def _left_problem(left: list[WriteResult]) -> Problem:
    names = ", ".join(result.path for result in left)
    return Problem(
        f"Not undone, and neither wholly old nor wholly new: {names}.",
        "Run the command that is named beside each, after a look at it; "
        "or mend the cause and run again, which completes the release.",
    )
