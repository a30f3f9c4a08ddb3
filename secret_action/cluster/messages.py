"""What comes back from outside during a refresh. One place hears all of it, in order."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from secret_action.cluster.gitops import Tool
from secret_action.cluster.live import Key, Object
from secret_action.cluster.paths import Place
from secret_action.errors import SecretSyncError


@dataclass(frozen=True)
class Seen:
    """A watched ExternalSecret as it is now; None where it is not there."""

    key: Key
    live: Object | None


@dataclass(frozen=True)
class Annotated:
    """The object as the API server returned it for our patch, or why it did not."""

    key: Key
    result: Object | SecretSyncError


@dataclass(frozen=True)
class HashRead:
    """The metadata of the target Secret, or why it could not be read."""

    key: Key
    result: Object | SecretSyncError


@dataclass(frozen=True)
class HashDropped:
    """The metadata of the target Secret without ESO's hash, or why it still has it."""

    key: Key
    result: Object | SecretSyncError


@dataclass(frozen=True)
class EventsRead:
    """The events of an ExternalSecret; none where they cannot be read."""

    key: Key
    events: tuple[Object, ...]


@dataclass(frozen=True)
class WatchBroken:
    """These ExternalSecrets cannot be followed now. ended: nor will they be; else it is tried again."""

    keys: Set[Key]
    error: SecretSyncError
    ended: bool = False


@dataclass(frozen=True)
class WatchMended:
    """They are followed again."""

    keys: Set[Key]


@dataclass(frozen=True)
class ToolsSeen:
    """The GitOps tools that deploy what was asked about."""

    tools: tuple[Tool, ...]


@dataclass(frozen=True)
class RefreshAsked:
    """Argo CD has been asked to look again. error: why it could not be asked."""

    place: Place
    error: SecretSyncError | None = None


AboutOne = Seen | Annotated | HashRead | HashDropped | EventsRead
Message = AboutOne | WatchBroken | WatchMended | ToolsSeen | RefreshAsked
