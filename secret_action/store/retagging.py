"""Gives overwritten parameters the tags that they lack: one call each, since AWS refuses tags beside an overwrite.

It comes after the last write. A tag that could not be put on is told and undoes nothing: the values are what a release
is about. Tags that are not ours are never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from secret_action.store import calls, failures, tags
from secret_action.store.denials import Request
from secret_action.store.threads import Crew

if TYPE_CHECKING:
    from secret_action.store.session import AwsSession

_ACTION = "ssm:AddTagsToResource"


class Retagging:
    """The calls of one run, on threads of their own. `stopped` ends them, as does the first that fails for good."""

    def __init__(
        self, session: AwsSession, tagged: Mapping[str, str], paths: Sequence[str], stopped: Callable[[], bool]
    ) -> None:
        self._session = session
        self._tagged = tagged
        self._paths = paths
        self._stopped = stopped
        self._done: list[str] = []
        self._failed: list[str] = []
        """Why, once for each that failed."""
        self._crew: Crew[str] = Crew(self._tag, paths)

    def start(self) -> None:
        """Starts the threads, or after an interruption those that are missing."""
        self._crew.start()

    def finished(self) -> bool:
        """Whether nothing is to come."""
        return len(self._done) == len(self._paths) or bool(self._failed) or self._stopped()

    def progress(self) -> str:
        """How far it is, in words."""
        return f"the tags of {len(self._done)} of {len(self._paths)} parameters repaired"

    def warnings(self) -> tuple[str, ...]:
        """What the summary says of those that it could not tag."""
        if not self._failed:
            return ()
        left = [path for path in self._paths if path not in self._done]
        return (
            f"The tags of {len(left)} overwritten {'parameters' if len(left) > 1 else 'parameter'} were not repaired "
            f"({left[0]}{', …' if len(left) > 1 else ''}): {self._failed[0]}",
        )

    def _tag(self, path: str) -> None:
        if self._failed or self._stopped():
            return
        try:
            calls.ask(self._session.pace.writes, lambda: self._add(path), stopped=self._stopped)
        except calls.Stopped:
            return
        except Exception as error:
            self._failed.append(failures.problem(error, Request(_ACTION, self._session.region, path)).what)
        else:
            self._done.append(path)

    def _add(self, path: str) -> None:
        self._session.ssm.add_tags_to_resource(
            ResourceType="Parameter", ResourceId=path, Tags=tags.listed(self._tagged)
        )
