"""What is known of one ExternalSecret since it was first annotated, and what is the same for all of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from secret_action.cluster.defaults import ESO, Defaults
from secret_action.cluster.live import Object, ready
from secret_action.cluster.proof import Verdict
from secret_action.errors import SecretSyncError
from secret_action.selector import Selector
from secret_action.values import SecretValue


class Phase(Enum):
    """Where it stands."""

    DEPLOYING = auto()
    """The cluster has not taken over the manifest."""
    ANNOTATING = auto()
    """Our patch is under way."""
    PROVING = auto()
    """ESO is to read it."""
    COMPARING = auto()
    """The Secret's hash is being read."""
    DONE = auto()


@dataclass(frozen=True)
class Terms:
    """What is the same for all ExternalSecrets of a run.

    hashes: by namespace and name of a Secret, its hash from before the write. notes: what the token of an
    ExternalSecret, by namespace and name, says besides. missing: parameters that do not exist, as our own credentials
    see it. optional: parameters that need not exist. defaults: what a field means that an ExternalSecret does not have.
    pause: seconds between an annotation and the next one of the same ExternalSecret, at first.
    """

    token: str
    selector: Selector
    values: Mapping[str, SecretValue]
    only_changed: bool
    changed_paths: frozenset[str]
    pause: float
    force: bool = False
    hashes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    notes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    defaults: Defaults = field(default_factory=lambda: ESO)
    written_at: float = math.inf
    """A resourceVersion: whatever has a higher one was stored after this run's write. Infinite where none is known."""


@dataclass
class Attempt:
    """What is known since the object was first annotated; it counts for nothing once that is made anew."""

    pause: float
    patched: Object = field(default_factory=dict)
    """As the API server returned it for our last patch that it stored with our token in it."""
    token: str = ""
    """That token."""
    dropped: int = 0
    """How often in a row it was stored without."""
    first_at: float | None = None
    last_at: float = 0.0
    proven: Verdict | None = None
    seconds: float | None = None
    """From the first annotation to the proof."""
    failed: bool = False
    """ESO is known to have tried after our annotation, and failed."""
    answered: bool = False
    """Something tells of an attempt of ESO's after our annotation."""
    differs: bool = False
    """Proven, and the Secret holds something else."""
    lacks: tuple[str, ...] = ()
    """The keys that it does not have then."""
    doubts: int = 0
    """Looks that showed it proven, and that others may have written the Secret since."""
    doubted: str = ""
    """What the last look says of that; empty where there is no doubt."""
    unmarked: bool = False
    """Somebody took our annotation away."""
    retry: bool = False
    """The last request failed, and may be sent again."""
    trouble: SecretSyncError | None = None
    """Why our last patch failed."""
    events: tuple[Object, ...] | None = None

    @property
    def was_failing(self) -> bool:
        """It was failing already when it was annotated, so its status may not show another failure."""
        return ready(self.patched)[0] == "False"

    @property
    def stuck(self) -> bool:
        """Another annotation may help."""
        return self.failed or self.was_failing or self.differs or bool(self.doubted)
