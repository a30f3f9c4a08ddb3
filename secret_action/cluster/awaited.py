"""One ExternalSecret on its way: deployed → annotated → proven → content compared. Decides; the outside acts.

It is told of everything that comes back for it (`seen`, `annotated`, …) and of time (`tick`); what it wants done it
asks of the outside, which answers later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from secret_action.cluster import explanations
from secret_action.cluster.content import Expectation, expected_content
from secret_action.cluster.deployed import differences
from secret_action.cluster.errors import Forbidden, NotFound, clean, may_pass
from secret_action.cluster.live import (
    Object,
    cluster_owner,
    is_going,
    is_managed,
    ready,
    section,
    target_name,
    text,
    uid_of,
)
from secret_action.cluster.outside import Outside
from secret_action.cluster.proof import (
    ANNOTATION,
    Outcome,
    Verdict,
    failed_attempts,
    judge,
    never_refreshes,
)
from secret_action.cluster.targets import Target
from secret_action.errors import SecretSyncError
from secret_action.model import ContentState, Diagnosis, RefreshResult, RefreshState
from secret_action.selector import Selector
from secret_action.values import SecretValue

_DATA_HASH = "reconcile.external-secrets.io/data-hash"
_LONGEST_PAUSE = 60.0  # seconds between two annotations: ESO's own next try may be 7 minutes away


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

    pause: seconds between an annotation and the next one of the same ExternalSecret, at first.
    """

    token: str
    selector: Selector
    values: Mapping[str, SecretValue]
    only_changed: bool
    changed_paths: frozenset[str]
    pause: float


@dataclass
class Awaited:
    """The state of one."""

    target: Target
    terms: Terms
    outside: Outside
    controller: str = ""
    """`spec.controller` of its store, where it is known."""
    phase: Phase = Phase.DEPLOYING
    live: Object | None = None
    result: RefreshResult | None = None
    words: str = "not yet looked at"
    """Why it is not done."""
    rounds: int = 0
    """Annotations so far; each with a token of its own."""
    failed: bool = False
    """ESO is known to have tried after our annotation, and failed."""
    answered: bool = False
    """Something tells of an attempt of ESO's after our annotation."""
    content_differs: bool = False
    never: str = ""
    _deployed: bool = False
    _mismatch: tuple[str, ...] = ()
    _patched: Object = field(default_factory=dict)
    _first_at: float | None = None
    _last_at: float = 0.0
    _pause: float = 0.0
    _proven: Verdict | None = None
    _seconds: float | None = None
    _expectation: Expectation = field(default_factory=Expectation)
    _selected: bool = False
    _unmarked: bool = False
    _retry: bool = False
    _events: tuple[Object, ...] | None = None

    def __post_init__(self) -> None:
        self._pause = self.terms.pause

    @property
    def token(self) -> str:
        """The token of the present round: never used before."""
        return self.terms.token if self.rounds <= 1 else f"{self.terms.token}-{self.rounds}"

    @property
    def done(self) -> bool:
        return self.phase is Phase.DONE

    @property
    def outcome(self) -> RefreshResult:
        """Its result. Raises ValueError where it is not done."""
        if self.result is None:
            raise ValueError(f"{self.target} is not done")
        return self.result

    def hopeless(self, now: float) -> bool:
        """Attempted and failed, annotated once more, and no better since."""
        waited = self.phase is Phase.PROVING and now - self._last_at >= self.terms.pause
        return self.failed and self.rounds >= 2 and waited and self._proven is None

    # What comes back

    def seen(self, live: Object | None, now: float) -> None:
        """The ExternalSecret as the cluster has it now; None where it is not there."""
        self.live = live
        if self.phase is Phase.DEPLOYING:
            self._look(now)
        elif self.phase is Phase.PROVING:
            self._judge(now)

    def annotated(self, answer: Object | SecretSyncError, now: float) -> None:
        """What became of our patch."""
        if isinstance(answer, NotFound):
            self._start_over("It was deleted meanwhile.")
        elif isinstance(answer, SecretSyncError):
            self.words = answer.problems[0].what
            if may_pass(answer):
                self._retry, self.phase, self._last_at = True, Phase.PROVING, now
            else:
                self._finish(RefreshState.FAILED, self.words, diagnosis=explanations.told(answer))
        else:
            self._patched, self.phase, self._last_at = answer, Phase.PROVING, now
            self._first_at = now if self._first_at is None else self._first_at
            if self._events is None and not self.failed and ready(answer)[0] == "False":
                self.words = "It was failing before our annotation, and nothing shows that ESO has tried again."
                self.outside.read_events(self.target.key, uid_of(answer))
            self._judge(now)
            if section(answer, "metadata", "annotations").get(ANNOTATION) != self.token:
                self._unmarked = True  # an admission webhook took it away at once

    def hash_read(self, answer: Object | SecretSyncError, now: float) -> None:
        """The target Secret's metadata."""
        name = self._secret_name
        if isinstance(answer, NotFound):
            self._compared(False, f"There is no Secret {name}.", now)
        elif isinstance(answer, SecretSyncError) and may_pass(answer):
            self._retry, self._last_at = True, now
        elif isinstance(answer, SecretSyncError):
            problem = answer.problems[0]
            right = isinstance(answer, Forbidden)
            self._compared(None, f"Content not checked: {problem.what} {problem.remedy if right else ''}".strip(), now)
        else:
            found = text(answer, "metadata", "annotations", _DATA_HASH)
            matches = self._expectation.matches(found)
            words = {
                True: "",
                False: f"The Secret {name} does not hold exactly the values of this run.",
                None: f"Content not checked: ESO left no hash of a known form on the Secret {name}.",
            }[matches]
            self._compared(matches, words, now)

    def events_read(self, events: tuple[Object, ...]) -> None:
        """ESO's events about it: the first reading is what later ones are compared with."""
        if self._events is None:
            self._events = events
        elif failed_attempts(self._events, events):
            self._has_failed()

    def tick(self, now: float) -> None:
        """Time has passed: what has waited long enough is tried again."""
        waited = now - self._last_at
        soon = waited >= self.terms.pause / 5
        if self._retry:
            if soon:
                self._retry = False
                if self.phase is Phase.COMPARING:
                    self._compare()
                else:
                    self._annotate(again=False)
        elif self.phase is Phase.PROVING:
            already_failing = ready(self._patched)[0] == "False"
            if soon and self._unmarked:
                self._annotate(again=True)
            elif waited >= self._pause and (self.failed or already_failing or self.content_differs):
                if already_failing and not self.failed:
                    self.outside.read_events(self.target.key, uid_of(self._patched))
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
                self._annotate(again=True)

    def give_up(self, trouble: SecretSyncError | None) -> None:
        """The timeout has passed, or there is nothing left to hope for. trouble: what ails the watch, if anything."""
        detail = trouble.problems[0].what if trouble else self.words
        diagnosis = explanations.told(trouble) if trouble else None
        if self._proven is not None and self.content_differs:
            diagnosis = diagnosis or explanations.differs(self._secret_name)
            self._finish(self._proven_state, detail, ContentState.DIFFERS, diagnosis)
        elif self._proven is not None:
            self._finish(self._proven_state, "Content not checked: the time ran out.")
        elif not self._deployed:
            only_labels = all(where.startswith("metadata.labels") for where in self._mismatch)
            barred = bool(self._mismatch) and only_labels and not self._selected
            state = RefreshState.NOT_MANAGED if barred else RefreshState.NOT_DEPLOYED
            self._finish(state, detail, diagnosis=diagnosis or explanations.not_deployed(detail))
        else:
            state = RefreshState.FAILED if self.failed else RefreshState.NOT_PROVEN
            if self._patched and self._unmarked and not self.failed:
                diagnosis = diagnosis or explanations.unmarked()
            self._finish(state, detail, diagnosis=diagnosis)

    # What follows from it

    def _look(self, now: float) -> None:
        """Is it deployed? Then the next step."""
        live = self.live
        if live is None or is_going(live):
            self._mismatch = ()
            self.words = "It is not in the cluster." if live is None else "It is being deleted."
            return
        self._mismatch = differences(self.target.rendered, live)
        labels = section(live, "metadata", "labels")
        self._selected = is_managed(labels) and self.terms.selector.matches(labels)
        if not self._mismatch and not self._selected:
            self._mismatch = ("metadata.labels: the label selector does not match those in the cluster",)
        if self._mismatch:
            more = f" (and {len(self._mismatch) - 1} more)" if len(self._mismatch) > 1 else ""
            self.words = f"The cluster has not taken over the manifest: {self._mismatch[0]}{more}."
            return
        self._deployed = True
        self.words = "ESO has not read it yet."
        self._expectation = expected_content(section(live, "spec"), self.terms.values)
        if owner := cluster_owner(live):
            diagnosis = explanations.owned(owner)
            self._finish(RefreshState.FAILED, diagnosis.cause, diagnosis=diagnosis)
            return
        self.never = never_refreshes(live, self.controller) or ""
        if (self.never or self.terms.only_changed) and not self._expectation.reason:
            self._compare()
        elif self.never:
            self._compared(None, f"Content not checked: {self._expectation.reason}.", now)
        else:
            self._annotate(again=False)

    def _annotate(self, *, again: bool) -> None:
        labels = section(self.live or {}, "metadata", "labels")
        if not (is_managed(labels) and self.terms.selector.matches(labels)):
            # Never one without the mark, also where it lost it, or was made anew without it, since we looked.
            self.phase, self._deployed, self._selected = Phase.DEPLOYING, False, False
            self._mismatch = ("metadata.labels: the label selector no longer matches those in the cluster",)
            self.words = f"The cluster has not taken over the manifest: {self._mismatch[0]}."
            return
        self.rounds = max(1, self.rounds + again)
        self.phase = Phase.ANNOTATING
        self.outside.annotate(self.target.key, self.token)

    def _judge(self, now: float) -> None:
        verdict = judge(self._patched, self.live, self.token) if self.live is not None else Verdict(Outcome.GOING)
        self._unmarked = verdict.outcome is Outcome.UNMARKED
        match verdict.outcome:
            case Outcome.SYNCED | Outcome.SYNCED_WEAKLY:
                self.answered = True
                if self._seconds is None and self._first_at is not None:
                    self._seconds = now - self._first_at
                self._proven = verdict
                if self._expectation.reason:
                    self._compared(None, f"Content not checked: {self._expectation.reason}.", now)
                else:
                    self._compare()
            case Outcome.RECREATED | Outcome.GOING:
                self._start_over("It was deleted meanwhile.")
                self._look(now)
            case Outcome.FAILED | Outcome.SYNCED_THEN_FAILED | Outcome.SYNCED_WITHOUT_DATA:
                self._has_failed(verdict.words)
            case Outcome.UNMARKED:
                self.words = verdict.words
            case Outcome.WAITING:
                pass

    def _has_failed(self, words: str = "") -> None:
        self.failed = self.answered = True
        said = clean(ready(self.live or self._patched)[2]) or "it does not say why"
        self.words = words or f"ESO tried, and failed: {said}."

    def _compare(self) -> None:
        self.phase = Phase.COMPARING
        self.outside.read_hash(self.target.key, self._secret_name)

    def _compared(self, matches: bool | None, words: str, now: float) -> None:
        """The content is known to match, to differ, or cannot be told."""
        content = {True: ContentState.PROVEN, False: ContentState.DIFFERS, None: ContentState.NOT_CHECKED}[matches]
        if self.never:
            self._finish_never(content, words)
        elif self._proven is None:  # `refresh: changed` looked before it annotated
            if matches:
                self._finish(RefreshState.UP_TO_DATE, "", content)
            else:
                self._annotate(again=False)
        elif matches is False:
            self.content_differs, self.words = True, words
            self.phase, self._last_at = Phase.PROVING, now
        else:
            self.content_differs = False
            self._finish(self._proven_state, " ".join(filter(None, [self._proven.words, words])), content)

    def _finish_never(self, content: ContentState, words: str) -> None:
        read = {reference.path for reference in self.target.rendered.references}
        changed = sorted(read & self.terms.changed_paths)
        why = f"An annotation does not refresh it: {self.never}."
        unknown = (
            f"It is not known whether the Secret {self._secret_name} holds the current value: it takes a new one only "
            "when that is changed or, where no version is pinned, when the Secret is deleted so that ESO makes it anew."
        )
        detail = " ".join(filter(None, [why, words, unknown if content is ContentState.NOT_CHECKED else ""]))
        if changed and content is not ContentState.PROVEN:
            self._finish(RefreshState.FAILED, detail, content, explanations.never(self.never, changed))
        else:
            diagnosis = explanations.never(self.never, []) if content is ContentState.DIFFERS else None
            self._finish(RefreshState.NEVER_REFRESHES, detail, content, diagnosis)

    def _start_over(self, words: str) -> None:
        self.phase, self.words, self._deployed = Phase.DEPLOYING, words, False
        self._patched, self._proven, self._first_at, self._seconds = {}, None, None, None
        self.failed = self.answered = self.content_differs = self._retry = self._unmarked = False
        self._events, self._pause = None, self.terms.pause
        # A token is never used twice.
        self.rounds += 1

    @property
    def _secret_name(self) -> str:
        return target_name(self.live) if self.live is not None else self.target.rendered.secret_name

    @property
    def _proven_state(self) -> RefreshState:
        weakly = self._proven is not None and self._proven.outcome is Outcome.SYNCED_WEAKLY
        return RefreshState.WEAKLY_PROVEN if weakly else RefreshState.PROVEN

    def _finish(
        self,
        state: RefreshState,
        detail: str,
        content: ContentState = ContentState.NOT_CHECKED,
        diagnosis: Diagnosis | None = None,
    ) -> None:
        self.phase = Phase.DONE
        self.result = RefreshResult(
            self.target.namespace,
            self.target.name,
            self._secret_name,
            state,
            content,
            self._seconds,
            detail,
            diagnosis,
        )
