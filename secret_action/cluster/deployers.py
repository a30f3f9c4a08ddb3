"""What the GitOps tools make of a wait: who deploys, how far it is, and whether it has gone past our commit."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from secret_action.cluster.attempt import Phase
from secret_action.cluster.awaited import Awaited
from secret_action.cluster.errors import Forbidden
from secret_action.cluster.gitops import APPLICATIONS, Mark, Tool, mark_of, superseded
from secret_action.cluster.outside import Outside
from secret_action.cluster.paths import Place
from secret_action.errors import SecretSyncError
from secret_action.model import Deployer, Tenants
from secret_action.ports import Log

NOWHERE = Tenants("", "")
"""Manifests that nothing is known of."""
_LOOK_EVERY = 5.0  # seconds


class Deployers:
    """The tools that deploy what a run waits for. Decides; the outside looks and asks."""

    def __init__(self, outside: Outside, log: Log, tenants: Tenants) -> None:
        """tenants: where the manifests of this run are from."""
        self._outside = outside
        self._log = log
        self._tenants = tenants
        self._commit = tenants.sha
        self._next_look = 0.0
        self._looking = False
        self._asked: set[Place] = set()
        self._granted: set[Place] = set()
        self._granted_before: frozenset[Place] = frozenset()
        """Those that had our request when the last look began."""
        self._held: set[Place] = set()
        """Those that have been seen to hold our commit."""
        self._tools: dict[Place, Tool] = {}
        """As they last were."""

    def tick(self, pending: Collection[Awaited], now: float) -> None:
        """Time has passed: looks again while something waits to be deployed."""
        if self._looking or now < self._next_look:
            return
        waiting = _waiting(pending)
        if waiting:
            self._looking, self._granted_before = True, frozenset(self._granted)
            self._outside.look_at_tools({one.target.key for one in waiting}, marks_of(pending), self._commit)

    def asked(self, place: Place, error: SecretSyncError | None) -> None:
        """What became of our request to look at the branch again. error: why it could not be made."""
        if error is None:
            self._granted.add(place)
            self._next_look = 0.0
        elif not isinstance(error, Forbidden):  # that right is left to the reader
            self._log.line(f"Argo CD is not asked to look at its branch again. {error.problems[0].what}")

    def seen(self, tools: Iterable[Tool], pending: Iterable[Awaited], now: float) -> None:
        """The tools as they are now."""
        self._looking, self._next_look = False, now + _LOOK_EVERY
        waiting = _waiting(pending)
        for tool in tools:
            self.tell(tool)
            if tool.commit and tool.commit == self._commit:
                self._held.add(tool.place)
            past = superseded(
                tool,
                self._tenants,
                looked_again=tool.place in self._granted_before and not tool.asked,
                held_before=tool.place in self._held,
            )
            owned = [one for one in waiting if tool.owns(one.target.key, _mark(one))]
            for one in owned:
                one.deployed_by(tool, superseded=past, now=now)
            if owned and tool.place.resource == APPLICATIONS and tool.place not in self._asked:
                self._asked.add(tool.place)
                self._outside.ask_to_refresh(tool.place)

    def tell(self, tool: Tool) -> None:
        """Logs what it says, where that is news, with its commit beside ours."""
        before = self._tools.get(tool.place)
        self._tools[tool.place] = tool
        if before is None or before.words != tool.words:
            ours = f"; this run judged commit {self._commit[:7]}" if self._commit else ""
            self._log.line(f"{tool.words}{ours}")

    @property
    def found(self) -> bool:
        """Whether there is any."""
        return bool(self._tools)

    def of(self, one: Awaited) -> Deployer | None:
        """The tool that deploys it; None where none says so."""
        for tool in self._tools.values():
            if tool.owns(one.target.key, _mark(one)):
                return Deployer(tool.title, tool.commit, tool.words)
        return None


def marks_of(awaited: Iterable[Awaited]) -> frozenset[Mark]:
    """What these objects say of who deploys them."""
    return frozenset(mark for one in awaited if (mark := _mark(one)) is not None)


def _waiting(pending: Iterable[Awaited]) -> list[Awaited]:
    return [one for one in pending if one.phase is Phase.DEPLOYING and one.looked_at]


def _mark(one: Awaited) -> Mark | None:
    return mark_of(one.live) if one.live is not None else None
