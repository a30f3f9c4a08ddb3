"""One `PutParameter`, carried through: paced, retried, and never sent twice when the first may have landed.

SSM has no compare-and-set. What it has: `Overwrite=False` creates or refuses, and an overwrite answers with the new
version, which is the old one plus one unless somebody else wrote in between. So an overwrite is looked at first, and
again before every further try.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from secret_action.model import PlannedParameter, Problem, StoredParameter
from secret_action.store import answers, calls, failures, tags
from secret_action.store.denials import Request
from secret_action.store.metadata import Details
from secret_action.store.pacing import PATIENCE
from secret_action.store.plan import SECURE
from secret_action.values import SecretValue

if TYPE_CHECKING:
    from secret_action.store.session import AwsSession

_ACTION = "ssm:PutParameter"


@dataclass(frozen=True)
class Change:
    """One version to write.

    base: the version that stands now; None creates, and refuses where the parameter exists.
    options: `KeyId`, `Tier`, `Description`, `AllowedPattern`, as far as they are sent. Never `DataType`: some
    partitions refuse it beside a SecureString.
    tags: only beside a creation, since AWS refuses them beside an overwrite.
    """

    path: str
    value: SecretValue
    base: int | None
    type: str = SECURE
    options: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def request(self) -> dict[str, Any]:
        """The arguments of `PutParameter`. They hold the value: pass them on at once."""
        return {
            "Name": self.path,
            "Value": self.value.reveal(),
            "Type": self.type,
            "Overwrite": self.base is not None,
            **self.options,
            **({"Tags": tags.listed(self.tags)} if self.tags else {}),
        }


class Fate(Enum):
    """What became of a change."""

    SENDING = "sending"
    """On its way; no answer yet."""
    NOT_STARTED = "not started"
    """Stopped before SSM took it."""
    WRITTEN = "written"
    """The version is ours, and stands directly on the one that was read."""
    THEIRS = "theirs"
    """Somebody else created the parameter in the meantime, with this very value."""
    REFUSED = "refused"
    """Not written, for good."""
    MOVED = "moved"
    """Ours was written, but on top of a version that this run has not read."""
    UNKNOWN = "unknown"
    """Sent, and no answer came: it may or may not have been written."""


@dataclass(frozen=True)
class Attempt:
    """The fate of a change, with the version that was written and what went wrong."""

    fate: Fate
    version: int | None = None
    problem: Problem | None = None


def create(entry: PlannedParameter, kms_key_id: str, tagged: Mapping[str, str]) -> Change:
    """The change that creates a planned parameter. kms_key_id: empty for the account's default key."""
    asked = {"KeyId": kms_key_id, "Tier": entry.parameter.tier, "Description": entry.parameter.description}
    return Change(entry.parameter.path, _given(entry), None, options=_sent(asked), tags=tagged)


def update(entry: PlannedParameter, details: Details, kms_key_id: str) -> Change:
    """The change that overwrites a planned parameter, keeping what it has where nothing else is asked for.

    Without `KeyId` an overwrite would move it to the account's default key. A tier is sent only where one is asked
    for or where the parameter is not Standard: `Tier: Standard` on an Advanced one is refused.
    """
    wanted = {
        "KeyId": kms_key_id or details.key_id,
        "Tier": entry.parameter.tier or _kept_tier(details),
        "Description": entry.parameter.description or details.description,
        "AllowedPattern": details.allowed_pattern,
    }
    return Change(entry.parameter.path, _given(entry), _stored(entry).version, options=_sent(wanted))


def put_back(entry: PlannedParameter, details: Details, kms_key_id: str, ours: int) -> Change:
    """The change that puts the old value back on top of our version `ours`, with key, type, tier and description.

    A tier that this run raised to Advanced stays: AWS does not take it back.
    """
    stored = _stored(entry)
    if stored.value is None:
        raise ValueError(f"{stored.path} was read without its value and cannot have been overwritten")
    had = {
        "KeyId": (details.key_id or kms_key_id) if stored.type == SECURE else "",
        "Tier": _kept_tier(details),
        "AllowedPattern": details.allowed_pattern,
    }
    options = _sent(had)
    if details.description or entry.parameter.description:
        options["Description"] = details.description
    return Change(stored.path, stored.value, ours, stored.type, options)


def _given(entry: PlannedParameter) -> SecretValue:
    if entry.given is None:
        raise ValueError(f"{entry.parameter.path} has no value to write")
    return entry.given.value


def _stored(entry: PlannedParameter) -> StoredParameter:
    if entry.stored is None:
        raise ValueError(f"{entry.parameter.path} is not stored and cannot be overwritten")
    return entry.stored


def _kept_tier(details: Details) -> str:
    return details.tier if details.tier != "Standard" else ""


def _sent(options: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in options.items() if text}


class Putter:
    """Carries changes through, one request a try. Shared by all threads.

    find: what stands in SSM, looked up for the occasion. stopped: whether no further request is to begin.
    """

    def __init__(
        self, session: AwsSession, find: Callable[[str], StoredParameter | None], stopped: Callable[[], bool]
    ) -> None:
        self._session = session
        self._pacer = session.pace.writes
        self._find = find
        self._stopped = stopped

    def put(self, change: Change) -> Attempt:
        """Writes one version. Returns what became of it; raises nothing that AWS or the network may do."""
        request = Request(_ACTION, self._session.region, change.path)
        self._pacer.renew()
        look = change.base is not None
        unanswered = False
        delay = 0.0
        while (given_at := self._pacer.wait(self._stopped, delay)) is not None:
            try:
                if look and (found := judge(change, self._find(change.path), unanswered=unanswered)):
                    return found
                return send(self._session, change, given_at)
            except calls.Stopped:
                break
            except Exception as error:
                if answers.code(error) == "ParameterAlreadyExists" and change.base is None:
                    # Ours, if an earlier try landed after all; theirs; or a name that was deleted within 30 seconds.
                    look = True
                elif not answers.is_transient(error):
                    return Attempt(Fate.UNKNOWN if unanswered else Fate.REFUSED, None, failures.problem(error, request))
                elif answers.may_have_landed(error):
                    look = unanswered = True
                delay = 0.0 if answers.is_throttled(error) else calls.longer(delay)
                if self._pacer.exhausted():
                    problem = _out_of_patience(error, request)
                    return Attempt(Fate.UNKNOWN if unanswered else Fate.REFUSED, None, problem)
        return Attempt(Fate.UNKNOWN if unanswered else Fate.NOT_STARTED)


def send(session: AwsSession, change: Change, given_at: float) -> Attempt:
    """One try, sent at once: WRITTEN or MOVED. given_at: as for `calls.send`. Raises what botocore raises."""
    answer = calls.send(session.pace.writes, given_at, lambda: session.ssm.put_parameter(**change.request()))
    version = answer["Version"]
    if change.base is not None and version != change.base + 1:
        return Attempt(Fate.MOVED, version, _somebody_wrote(change, "The value of this run stands."))
    return Attempt(Fate.WRITTEN, version)


def judge(change: Change, seen: StoredParameter | None, *, unanswered: bool) -> Attempt | None:
    """What a look at SSM says of a change: its fate, or None where it has not landed and may be sent (again).

    unanswered: a request of ours got no answer, so a version that holds our value may be ours.
    """
    holds_ours = seen is not None and (seen.value, seen.type) == (change.value, change.type)
    if change.base is None:
        if seen is None:
            return None
        if holds_ours:
            return Attempt(Fate.WRITTEN if unanswered and seen.version == 1 else Fate.THEIRS, seen.version)
        return Attempt(Fate.REFUSED, problem=_somebody_wrote(change, "Their value stands; it was not overwritten."))
    if seen is None:
        return Attempt(Fate.REFUSED, problem=_somebody_wrote(change, "They deleted it."))
    if seen.version == change.base:
        return None
    if not holds_ours:
        return Attempt(Fate.REFUSED, problem=_somebody_wrote(change, f"Their version {seen.version} stands."))
    if not unanswered:
        return Attempt(Fate.THEIRS, seen.version)
    if seen.version == change.base + 1:
        return Attempt(Fate.WRITTEN, seen.version)
    return Attempt(Fate.MOVED, seen.version, _somebody_wrote(change, "The value of this run stands."))


def _somebody_wrote(change: Change, whose: str) -> Problem:
    return Problem(
        f"Somebody else wrote {change.path} while this run was on. {whose}",
        "Find out who (CloudTrail, PutParameter), then run it again. "
        "Workflows that write one service's parameters need one `concurrency` group.",
    )


def _out_of_patience(error: BaseException, request: Request) -> Problem:
    last = failures.problem(error, request)
    return Problem(
        f"SSM let no write through for {PATIENCE:.0f} seconds. The last answer: {last.what}", last.remedy, last.causes
    )
