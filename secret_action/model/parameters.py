"""What a run does in Parameter Store: what is there, the plan, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from secret_action.model.manifest import Parameter
from secret_action.values import SecretValue


@dataclass(frozen=True)
class SourcedValue:
    """A value and the name under which the pipeline handed it over."""

    value: SecretValue
    source: str


@dataclass(frozen=True)
class StoredParameter:
    """What SSM holds. `value` is None where it was read without decryption."""

    path: str
    version: int
    type: str
    modified: str = ""
    """When it was last changed, ISO 8601 in UTC."""
    value: SecretValue | None = None


class Action(StrEnum):
    """What a run would do to a parameter, or has found of it."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    KEEP = "keep"
    """No value was given and the parameter exists."""
    MISSING = "missing"
    """No value was given and there is no parameter: an error before any write."""
    SKIP = "skip"
    """Optional, no value was given, and there is no parameter."""
    FOREIGN = "foreign"
    """Belongs to another service or environment and exists; never written."""
    UNCHECKED = "unchecked"
    """Foreign, and our rights do not reach it."""
    PRUNE = "prune"
    """Left over: under the service's own path, with our tag, and no manifest asks for it. Deleted at the very end."""


@dataclass(frozen=True)
class PlannedParameter:
    """One line of the plan."""

    parameter: Parameter
    action: Action
    stored: StoredParameter | None = None
    given: SourcedValue | None = None
    note: str = ""
    """Why, where the action alone does not tell (`was a String`, `another KMS key`)."""
    tier_too_small: bool = False
    """The value does not fit the tier that it would be written in: an error before any write."""


@dataclass(frozen=True)
class Plan:
    """What a run would do to each parameter, in the manifest's order."""

    entries: tuple[PlannedParameter, ...]

    def count(self, action: Action) -> int:
        """How many entries have this action."""
        return sum(1 for entry in self.entries if entry.action is action)

    def of(self, *actions: Action) -> tuple[PlannedParameter, ...]:
        """The entries that have one of these actions."""
        return tuple(entry for entry in self.entries if entry.action in actions)

    @property
    def known(self) -> dict[str, SecretValue]:
        """The values that stand in SSM after it, by path, as far as this run knows them."""
        known: dict[str, SecretValue] = {}
        for entry in self.entries:
            if entry.given is not None:
                known[entry.parameter.path] = entry.given.value
            elif entry.stored is not None and entry.stored.value is not None:
                known[entry.parameter.path] = entry.stored.value
        return known

    @property
    def changed(self) -> frozenset[str]:
        """The paths that it writes."""
        return frozenset(entry.parameter.path for entry in self.of(Action.CREATE, Action.UPDATE))

    def exists(self, path: str) -> bool | None:
        """Whether the parameter stands in SSM after it; None where our own credentials do not see it."""
        match self._actions.get(path, Action.UNCHECKED):
            case Action.MISSING | Action.SKIP:
                return False
            case Action.UNCHECKED:
                return None
            case _:
                return True

    @cached_property
    def _actions(self) -> dict[str, Action]:
        return {entry.parameter.path: entry.action for entry in self.entries}


class WriteState(StrEnum):
    """What became of one planned write."""

    WRITTEN = "written"
    FAILED = "failed"
    UNDONE = "undone"
    """Written, then put back or removed because another write failed."""
    LEFT = "left"
    """Written, and could not be undone: named with the command that would."""
    NOT_STARTED = "not started"
    DELETED = "deleted"
    """Left over, and removed."""


@dataclass(frozen=True)
class WriteResult:
    """The outcome of one planned write."""

    path: str
    action: Action
    state: WriteState
    version: int | None = None
    """The version that stands in SSM now, where it is known."""
    detail: str = ""
    command: str = ""
    """What a person can run to undo it by hand; never holds a value."""
