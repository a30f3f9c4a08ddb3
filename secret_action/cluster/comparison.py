"""What the metadata of a Secret tells of its content. Decides; reads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from secret_action.cluster.content import Expectation, asked, carried, expected_content
from secret_action.cluster.errors import Forbidden, NotFound, clean
from secret_action.cluster.live import Object, text
from secret_action.cluster.rebuild import DATA_HASH
from secret_action.cluster.writers import Write, data_keys
from secret_action.errors import SecretSyncError
from secret_action.values import SecretValue

_MOST_KEYS = 5  # that a message names


@dataclass(frozen=True)
class Comparison:
    """matches: whether the Secret holds what it must; None where that is not known, and words say why."""

    matches: bool | None
    words: str = ""
    lacks: tuple[str, ...] = ()
    """The keys that it does not have and must have."""
    doubt: Write | None = None
    """It would match, but for what somebody wrote whom ESO's hash does not tell of."""


@dataclass(frozen=True)
class Measure:
    """What the hash on one Secret is held against."""

    secret_name: str
    expectation: Expectation
    changed: tuple[str, ...] = ()
    """The parameters that it reads and that this run changed."""
    carried: tuple[str, ...] = ()
    """Those of them that surely stand in the Secret."""
    before: str | None = field(default=None, repr=False)
    """The hash from before this run's write, where it was noted; empty where there was no Secret."""
    asked: frozenset[str] = frozenset()
    """The keys that it must have."""
    drops: bool = False
    """ESO leaves a key out whose parameter it does not find (`deletionPolicy`), and calls that synced."""

    @property
    def readable(self) -> bool:
        """Whether the Secret's metadata would tell anything after a sync."""
        return not self.expectation.reason or self.before is not None or (self.drops and bool(self.asked))

    @property
    def readable_without(self) -> bool:
        """The same without one."""
        return not self.expectation.reason or bool(self.asked)

    @property
    def unread(self) -> Comparison:
        """What is known without it."""
        return Comparison(None, f"Content not checked: {self.expectation.reason}.")

    def of(self, answer: Object | SecretSyncError, unseen: Write | None = None) -> Comparison:
        """What the Secret's metadata shows, or the error instead of it.

        unseen: what somebody else wrote into it after ESO, as far as is known.
        """
        name = self.secret_name
        if isinstance(answer, NotFound):
            needed = self.asked or not self.expectation.reason or self.carried
            return Comparison(False, f"There is no Secret {name}.") if needed else self.unread
        if isinstance(answer, SecretSyncError):
            if self.expectation.reason and self.before is None:
                return self.unread
            problem = answer.problems[0]
            remedy = problem.remedy if isinstance(answer, Forbidden) else ""
            return Comparison(None, f"Content not checked: {problem.what} {remedy}".strip())
        held = data_keys(answer)
        if lacks := () if held is None else tuple(sorted(self.asked - held)):
            return Comparison(False, f"The Secret {name} lacks {_keys(lacks)}.", lacks)
        found = text(answer, "metadata", "annotations", DATA_HASH)
        if self.expectation.reason:
            return self._since(found)
        matches = self.expectation.matches(found)
        if matches and unseen is not None:
            who = f"`{clean(unseen.manager)}`" if unseen.manager else "another client"
            return Comparison(
                None, f"Content not checked: {who} wrote data of the Secret {name} after ESO.", doubt=unseen
            )
        words = {
            True: "",
            False: f"The Secret {name} does not hold exactly the values of this run.",
            None: f"Content not checked: ESO left no hash of a known form on the Secret {name}.",
        }
        return Comparison(matches, words[matches])

    def _since(self, found: str) -> Comparison:
        """Where the content cannot be computed, at least it must change with what it is made of."""
        reason = self.expectation.reason
        if self.before is None or found != self.before or not found:
            return Comparison(None, f"Content not checked: {reason}.")
        if self.carried:
            return Comparison(
                False,
                f"The Secret {self.secret_name} is the same as before, although it carries {', '.join(self.carried)}, "
                "which this run changed.",
            )
        return Comparison(
            None,
            f"Content not checked: {reason}. The Secret {self.secret_name} is the same as before, although "
            f"{', '.join(self.changed)} was changed: either that does not show in it, or ESO reads another region or "
            "account.",
        )


def measure(
    secret_name: str,
    spec: Object,
    values: Mapping[str, SecretValue],
    read: Set[str],
    changed_paths: Set[str],
    before: str | None,
    optional: Set[str] = frozenset(),
) -> Measure:
    """The measure for an ExternalSecret with this spec.

    read: the parameters that it reads. optional: those of them that need not be there.
    """
    expectation = expected_content(spec, values)
    return Measure(
        secret_name,
        expectation,
        tuple(sorted(read & changed_paths)),
        carried(spec, changed_paths),
        before,
        expectation.keys | asked(spec, optional),
        text(spec, "target", "deletionPolicy") in ("Delete", "Merge"),
    )


def _keys(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_MOST_KEYS])
    more = f" and {len(names) - _MOST_KEYS} more" if len(names) > _MOST_KEYS else ""
    return f"the key{'s' if len(names) > 1 else ''} {shown}{more}"
