"""One ExternalSecret on its way: deployed → annotated → proven → content compared. Decides; the outside acts.

It is told of everything that comes back for it (`seen`, `annotated`, …) and of time (`tick`); what it wants done it
asks of the outside, which answers later.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from secret_action.cluster import explanations
from secret_action.cluster.attempt import Attempt, Phase, Terms
from secret_action.cluster.comparison import Comparison, Measure, measure
from secret_action.cluster.content import Expectation
from secret_action.cluster.deployed import NOT_LOOKED_AT, Deployment, DeploymentCheck
from secret_action.cluster.errors import NotFound, may_pass
from secret_action.cluster.gitops import Tool
from secret_action.cluster.live import (
    Object,
    cluster_owner,
    ready,
    resource_version,
    section,
    synced_version_of,
    target_name,
    uid_of,
)
from secret_action.cluster.outside import Outside
from secret_action.cluster.proof import (
    Outcome,
    Verdict,
    failed_attempts,
    first_synced,
    is_later,
    is_marked,
    judge,
    never_refreshes,
    without_secret,
)
from secret_action.cluster.quoting import short
from secret_action.cluster.rebuild import barred
from secret_action.cluster.targets import Target
from secret_action.cluster.writers import unseen_write
from secret_action.errors import SecretSyncError
from secret_action.model import ContentState, Diagnosis, RefreshResult, RefreshState

_LONGEST_PAUSE = 60.0  # seconds between two annotations: ESO's own next try may be 7 minutes away
_MOST_DOUBTS = 3  # looks that show a later write of others: where they write all the time, no sync ends that
_MOST_DROPPED = 5  # annotations in a row that are stored without our token


@dataclass
class Awaited:
    """The state of one."""

    target: Target
    terms: Terms
    outside: Outside
    phase: Phase = Phase.DEPLOYING
    live: Object | None = None
    looked_at: bool = False
    """The cluster has told of it, be it that it is not there."""
    result: RefreshResult | None = None
    words: str = "not yet looked at"
    """Why it is not done."""
    rounds: int = 0
    """Annotations so far; each with a token of its own."""
    never: str = ""
    """Why an annotation does not make ESO read again."""
    rebuilds: bool = False
    """ESO is made to read by taking its hash off the Secret."""
    attempt: Attempt = field(init=False)
    _check: DeploymentCheck = field(init=False)
    _deployment: Deployment = NOT_LOOKED_AT
    _unsynced: str = ""
    """Its uid, where it was stored after this run's write as one that ESO had never synced."""
    _tool: Tool | None = None
    _superseded: str = ""
    _measure: Measure = field(default_factory=lambda: Measure("", Expectation("it is not deployed")))

    def __post_init__(self) -> None:
        self.attempt = Attempt(self.terms.pause)
        self._check = DeploymentCheck(self.target.rendered, self.terms.selector, self.terms.defaults)

    @property
    def token(self) -> str:
        """The token of the present round: never used before."""
        token = self.terms.token + self.terms.notes.get(self.target.key, "")
        return token if self.rounds <= 1 else f"{token}-{self.rounds}"

    @property
    def done(self) -> bool:
        """Its result is there."""
        return self.phase is Phase.DONE

    @property
    def comparing(self) -> bool:
        """The hash of its Secret is awaited, and nothing of itself."""
        return self.phase is Phase.COMPARING

    @property
    def outcome(self) -> RefreshResult:
        """Its result. Raises ValueError where it is not done."""
        if self.result is None:
            raise ValueError(f"{self.target} is not done")
        return self.result

    def hopeless(self, now: float) -> bool:
        """Attempted and failed, annotated once more, and failed for something that waiting does not mend.

        Most of what ESO fails for is mended while one waits: rights take their time, throttling ends, stores get ready.
        """
        doomed = self._measure.expectation.impossible or bool(self._read & self.terms.missing)
        waited = self.phase is Phase.PROVING and now - self.attempt.last_at >= self.terms.pause
        unhappy = bool(self.attempt.lacks) or (self.attempt.failed and self.attempt.proven is None)
        return doomed and unhappy and self.rounds >= 2 and waited

    # --- what comes back ---

    def seen(self, live: Object | None, now: float) -> None:
        """The ExternalSecret as the cluster has it now; None where it is not there."""
        self._take(live)
        if self.phase is Phase.DEPLOYING:
            self._look(now)
        elif self.phase is Phase.PROVING:
            self._judge(now)

    def deployed_by(self, tool: Tool, *, superseded: bool, now: float) -> None:
        """Who deploys it, and whether that holds a later commit than ours."""
        self._tool = tool
        self._superseded = f"{tool.title} holds commit {tool.commit[:7]}, which superseded ours" if superseded else ""
        if self.phase is Phase.DEPLOYING:
            self._look(now)

    def annotated(self, answer: Object | SecretSyncError, now: float) -> None:
        """What became of our patch."""
        attempt = self.attempt
        if isinstance(answer, NotFound):
            self._start_over("It was deleted meanwhile.")
        elif isinstance(answer, SecretSyncError):
            self._patch_failed(answer, now)
        else:
            if self.live is not None and is_later(answer, self.live):
                self._take(answer)
            if not self._holds(answer, now):
                return  # what ESO reads with our token in it is not the manifest
            if not is_marked(answer, self.token):
                self._dropped(now)
                return
            attempt.patched, attempt.token, attempt.dropped, attempt.retry = answer, self.token, 0, False
            self.phase, attempt.last_at, attempt.trouble = Phase.PROVING, now, None
            attempt.first_at = now if attempt.first_at is None else attempt.first_at
            if attempt.events is None and not attempt.failed and attempt.was_failing:
                self.words = "It was failing before our annotation, and nothing shows that ESO has tried again."
                self.outside.read_events(self.target.key, uid_of(answer))
            self._judge(now)
            if self.rebuilds and self.phase is Phase.PROVING:
                self.outside.drop_hash(self.target.key, self._secret_name)

    def hash_dropped(self, answer: Object | SecretSyncError, now: float) -> None:
        """What became of taking ESO's hash off the Secret. Where there is no Secret ESO makes one without that."""
        if isinstance(answer, SecretSyncError) and not isinstance(answer, NotFound) and self.phase is Phase.PROVING:
            self._patch_failed(answer, now)

    def hash_read(self, answer: Object | SecretSyncError, now: float) -> None:
        """The target Secret's metadata."""
        if self.phase is not Phase.COMPARING or not self._holds(self.live, now):
            return
        if isinstance(answer, SecretSyncError) and may_pass(answer):
            self.attempt.retry, self.attempt.last_at = True, now
        else:
            seen = {} if isinstance(answer, SecretSyncError) else answer
            # A first sync that overtook our annotation may have come before what others wrote.
            answered = self.attempt.proven is not None and (self.rebuilds or not self.never)
            annotated = self.attempt.patched if answered else {}
            self._compared(self._measure.of(answer, unseen_write(seen, self.target.name, annotated)), now)

    def events_read(self, events: tuple[Object, ...]) -> None:
        """ESO's events about it: the first reading is what later ones are compared with."""
        if self.attempt.events is None:
            self.attempt.events = events
        elif failed_attempts(self.attempt.events, events):
            self._has_failed()

    def tick(self, now: float) -> None:
        """Time has passed: what has waited long enough is tried again."""
        attempt = self.attempt
        waited = now - attempt.last_at
        soon = waited >= self.terms.pause / 5 * 2 ** max(0, attempt.dropped - 1)
        if attempt.retry:
            if soon:
                attempt.retry = False
                if self.phase is Phase.COMPARING:
                    self._compare()
                else:
                    self._annotate(now, again=False)
        elif self.phase is Phase.PROVING:
            if soon and attempt.unmarked:
                self._annotate(now, again=True)
            # ESO may have rebuilt by an object from before our annotation, which is no proof: once more.
            elif waited >= attempt.pause and (attempt.stuck or self.rebuilds):
                if attempt.was_failing and not attempt.failed:
                    self.outside.read_events(self.target.key, uid_of(attempt.patched))
                attempt.pause = min(2 * attempt.pause, _LONGEST_PAUSE)
                self._annotate(now, again=True)

    def give_up(self, trouble: SecretSyncError | None) -> None:
        """The timeout has passed, or there is nothing left to hope for. trouble: what ails the watch, if anything."""
        if self.phase is Phase.COMPARING and not (found := self._stands(self.live)).done:
            self._start_over(found.words)
            self._deployment = found
        attempt = self.attempt
        detail = trouble.problems[0].what if trouble else self.words
        diagnosis = explanations.told(trouble) if trouble else None
        if attempt.proven is not None and attempt.differs:
            diagnosis = diagnosis or self._explained()
            self._finish(self._proven_state, detail, ContentState.DIFFERS, diagnosis)
        elif attempt.proven is not None:
            why = trouble.problems[0].what if trouble else "the time ran out."
            self._finish(self._proven_state, attempt.doubted or f"Content not checked: {why}")
        elif self.phase is Phase.DEPLOYING:
            unmanaged = self._deployment.only_label_missing
            state = RefreshState.NOT_MANAGED if unmanaged else RefreshState.NOT_DEPLOYED
            by = self._tool.words if self._tool else ""
            self._finish(state, detail, diagnosis=diagnosis or explanations.not_deployed(detail, by))
        else:
            state = RefreshState.FAILED if attempt.failed else RefreshState.NOT_PROVEN
            if attempt.patched and attempt.unmarked and not attempt.failed:
                diagnosis = diagnosis or explanations.unmarked()
            if attempt.trouble and not attempt.failed:
                diagnosis = diagnosis or explanations.told(attempt.trouble)
            self._finish(state, detail, diagnosis=diagnosis)

    # --- what follows from it ---

    def _take(self, live: Object | None) -> None:
        self.live, self.looked_at = live, True
        if live is not None and not synced_version_of(live) and (resource_version(live) or 0) > self.terms.written_at:
            self._unsynced = uid_of(live)

    def _look(self, now: float) -> None:
        """Is it deployed? Then the next step."""
        live, self._deployment = self.live, self._stands(self.live)
        self.words = self._deployment.words
        if live is not None and self._deployment.done:
            self._begin(live, now)

    def _stands(self, live: Object | None) -> Deployment:
        return self._check.of(live, superseded=bool(self._superseded))

    def _holds(self, live: Object | None, now: float) -> bool:
        """Whether what was deployed still is: a proof by another spec is none. If not, it is waited for anew."""
        found = self._stands(live)
        if found.done and found.spec == self._deployment.spec:
            return True
        self._start_over("It was changed meanwhile.")
        self._look(now)
        return False

    def _begin(self, live: Object, now: float) -> None:
        """It is deployed."""
        self.words = "ESO has not read it yet."
        if not self._deployment.later:
            self._superseded = ""
        self.never = never_refreshes(live) or ""
        self.rebuilds = bool(self.never) and self.terms.force and not barred(live)
        self._measure = measure(
            self._secret_name,
            self._deployment.spec,
            self.terms.values,
            self._read,
            self.terms.changed_paths,
            self.terms.hashes.get((self.target.namespace, self._secret_name)),
            self.terms.optional,
        )
        known = not self._measure.expectation.reason
        if (self.terms.only_changed and known) or (self.never and self._measure.readable_without):
            self._compare()
        elif self.never and not self.rebuilds:
            self._compared(self._measure.unread, now)
        else:
            self._annotate(now, again=False)

    def _annotate(self, now: float, *, again: bool) -> None:
        if not self._holds(self.live, now):
            return  # never one without the mark, also where it lost it, or was made anew without it, since we looked
        self.rounds = max(1, self.rounds + again)
        self.phase = Phase.ANNOTATING
        self.outside.annotate(self.target.key, self.token)

    def _judge(self, now: float) -> None:
        attempt = self.attempt
        verdict = judge(attempt.patched, self.live, attempt.token) if self.live is not None else Verdict(Outcome.GOING)
        gone = verdict.outcome in (Outcome.RECREATED, Outcome.GOING)
        if not gone and not self._holds(self.live, now):
            return
        if verdict.outcome in (Outcome.WAITING, Outcome.UNMARKED) and self._settled():
            # Its first sync overtook our annotation, and there will be no other.
            verdict = self._first_synced()
            if verdict.outcome is Outcome.WAITING:
                self._begin(self.live or {}, now)
                return
        attempt.unmarked = verdict.outcome is Outcome.UNMARKED
        match verdict.outcome:
            case Outcome.SYNCED | Outcome.SYNCED_WEAKLY:
                attempt.answered = True
                if attempt.seconds is None and attempt.first_at is not None:
                    attempt.seconds = now - attempt.first_at
                attempt.proven = verdict
                if self._measure.readable:
                    self._compare()
                else:
                    self._compared(self._measure.unread, now)
            case Outcome.RECREATED | Outcome.GOING:
                self._start_over("It was deleted meanwhile.")
                self._look(now)
            case Outcome.FAILED | Outcome.SYNCED_THEN_FAILED | Outcome.SYNCED_WITHOUT_DATA:
                self._has_failed(verdict.words)
            case Outcome.UNMARKED:
                self.words = verdict.words
            case Outcome.WAITING:
                pass

    def _settled(self) -> bool:
        """Whether it has become one that no annotation refreshes since it was begun with."""
        return not self.never and self.live is not None and never_refreshes(self.live) is not None

    def _first_synced(self) -> Verdict:
        if self.live is None or self._unsynced != uid_of(self.live):
            return Verdict(Outcome.WAITING)
        never = never_refreshes(self.live) or ""
        verdict = first_synced(self.live, never)
        if verdict.outcome is not Outcome.WAITING:
            self.never = never
        return verdict

    def _has_failed(self, words: str = "") -> None:
        self.attempt.failed = self.attempt.answered = True
        said = short(ready(self.live or self.attempt.patched)[2]) or "it does not say why"
        self.words = words or f"ESO tried, and failed: {said}."

    def _dropped(self, now: float) -> None:
        """Our patch was accepted, and the annotation is not in it. What drops it may be mended: it is tried again."""
        attempt, self.words = self.attempt, "The cluster drops our annotation as it is written."
        attempt.dropped += 1
        if attempt.dropped < _MOST_DROPPED:
            attempt.retry, self.phase, attempt.last_at = True, Phase.PROVING, now
        else:
            self._finish(RefreshState.FAILED, self.words)

    def _patch_failed(self, error: SecretSyncError, now: float) -> None:
        self.words, self.attempt.trouble = error.problems[0].what, error
        if may_pass(error):
            self.attempt.retry, self.phase, self.attempt.last_at = True, Phase.PROVING, now
        else:
            self._finish(RefreshState.FAILED, self.words, diagnosis=explanations.told(error))

    def _compare(self) -> None:
        self.phase = Phase.COMPARING
        self.outside.read_hash(self.target.key, self._secret_name)

    def _compared(self, found: Comparison, now: float) -> None:
        """The content is known to match, to differ, or cannot be told."""
        attempt = self.attempt
        states = {True: ContentState.PROVEN, False: ContentState.DIFFERS, None: ContentState.NOT_CHECKED}
        content = states[found.matches]
        if attempt.proven is None:  # looked before anything was annotated
            if self.never and (found.matches or not self.rebuilds):
                self._finish_never(content, found)
            elif found.matches:
                self._finish(RefreshState.UP_TO_DATE, "", content)
            else:
                self._annotate(now, again=False)
        elif found.matches is False and self.never and not self.rebuilds:
            diagnosis = explanations.never(self.never, self._measure.changed, self.live or {}, found.words)
            self._finish(self._proven_state, found.words, content, diagnosis)
        elif found.matches is False:
            attempt.differs, attempt.lacks, attempt.doubted, self.words = True, found.lacks, "", found.words
            self.phase, attempt.last_at = Phase.PROVING, now
        elif self._doubts(found):
            attempt.differs, attempt.lacks, attempt.doubted, self.words = False, (), found.words, found.words
            self.phase, attempt.last_at = Phase.PROVING, now
        else:
            attempt.differs, attempt.lacks = False, ()
            rebuilt = f"ESO was made to rebuild its Secret, since {self.never}." if self.rebuilds else ""
            words = (attempt.proven.words, rebuilt, found.words)
            self._finish(self._proven_state, " ".join(filter(None, words)), content)

    def _explained(self) -> Diagnosis:
        if self.attempt.lacks:
            return explanations.lacks(self._secret_name, self.attempt.lacks, self._deployment.spec)
        return explanations.differs(self._secret_name)

    def _doubts(self, found: Comparison) -> bool:
        """Whether another sync, well after what others wrote, may show what theirs was worth."""
        self.attempt.doubts += found.doubt is not None
        helps = self.attempt.doubts < _MOST_DOUBTS and (self.rebuilds or not self.never)
        return found.doubt is not None and helps

    def _finish_never(self, content: ContentState, found: Comparison) -> None:
        changed, live = self._measure.changed, self.live or {}
        if without_secret(section(live, "spec")):
            # Nothing holds an old value: what changed is delivered by others, or was refused before it was written.
            self._finish(RefreshState.NEVER_REFRESHES, explanations.left_alone(self.never, ""))
            return
        detail = explanations.left_alone(self.never, found.words)
        if content is ContentState.NOT_CHECKED:
            detail += explanations.unknown_content(self._secret_name, cluster_owner(live))
        # Restored from a backup, a Secret is written by others, and ESO's hash on it is that of the new value.
        if changed and content is not ContentState.PROVEN and found.doubt is None:
            self._finish(
                RefreshState.FAILED, detail, content, explanations.never(self.never, changed, live, found.words)
            )
        else:
            differs = content is ContentState.DIFFERS
            diagnosis = explanations.never(self.never, [], live, found.words) if differs else None
            self._finish(RefreshState.NEVER_REFRESHES, detail, content, diagnosis)

    def _start_over(self, words: str) -> None:
        self.phase, self.words, self.attempt = Phase.DEPLOYING, words, Attempt(self.terms.pause)
        # A token is never used twice.
        self.rounds += 1

    @property
    def _read(self) -> set[str]:
        return {reference.path for reference in self.target.rendered.references}

    @property
    def _secret_name(self) -> str:
        return target_name(self.live) if self.live is not None else self.target.rendered.secret_name

    @property
    def _proven_state(self) -> RefreshState:
        weakly = self.attempt.proven is not None and self.attempt.proven.outcome is Outcome.SYNCED_WEAKLY
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
            self.attempt.seconds,
            " ".join(filter(None, [f"{self._superseded}." if self._superseded else "", detail])),
            diagnosis,
        )
