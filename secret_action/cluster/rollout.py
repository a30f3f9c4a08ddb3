"""Rolls workloads that run with old data, once each, and waits until their new pods are available.

Only the annotation that `kubectl rollout restart` sets is written (`spec.restartAt` of an Argo Rollout), with the
first second after the change as its value: the cluster's own time, and the same for every run, so that a run that died
while it waited is made good by one that waits. Argo CD leaves the annotation alone unless Git itself has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.changes import after
from secret_action.cluster.errors import ApiError, NotFound, may_pass
from secret_action.cluster.live import Object, name_of, section
from secret_action.cluster.paths import PODS
from secret_action.cluster.progress import Progress, progress
from secret_action.cluster.standing import KINDS, RESTARTED_AT, Standing, Workload
from secret_action.cluster.workloads import Look, owner_of, stale
from secret_action.model import WorkloadResult, WorkloadState
from secret_action.ports import Clock, Log

_FIRST_PAUSE = 0.5  # seconds between two looks, at first
_LONGEST_PAUSE = 5.0
_PROGRESS_EVERY = 10.0  # seconds
_NAMED = 5  # workloads that a progress line names

WorkloadKey = tuple[str, str, str]


def restart(api: KubernetesApi, seen: Look, timeout: float, log: Log, clock: Clock) -> tuple[WorkloadResult, ...]:
    """Rolls what runs with old data; returns how every workload stands then.

    timeout: seconds for all of it. Those with a Reloader annotation are waited for and not touched.
    """
    start = clock.now()
    waiting = {one.workload.key: _Roll(one) for one in stale(seen)}
    if seen.fresh and any(roll.standing.can_roll for roll in waiting.values()):
        # A pod of the second of the change counts as old: rolled now, it would be rolled by the next run again.
        clock.sleep(1.0)
    for roll in waiting.values():
        roll.begin(api, log)
    await_all(api, waiting, start + timeout, log, clock)
    results = {key: roll.told(start, clock.now()) for key, roll in waiting.items()}
    for roll in waiting.values():
        result = results[roll.standing.workload.key]
        seconds = f" after {result.seconds:.1f} s" if result.seconds is not None else ""
        log.line(f"{roll.standing.workload}: {result.state}{seconds}. {result.detail}".strip())
    standings = tuple(results.get(one.workload.key) or one.result() for one in seen.standings)
    return (*standings, *seen.others)


def await_all(api: KubernetesApi, rolls: Mapping[WorkloadKey, _Roll], deadline: float, log: Log, clock: Clock) -> None:
    """Looks at them until each is done or failed, or until the deadline: few lists, less often the longer it takes."""
    pause, next_progress = _FIRST_PAUSE, clock.now() + _PROGRESS_EVERY
    while pending := [roll for roll in rolls.values() if not roll.over]:
        _observe(api, pending, clock.now())
        now = clock.now()
        if now >= deadline:
            return
        if now >= next_progress:
            next_progress = now + _PROGRESS_EVERY
            log.progress(_told(pending))
        if any(not roll.over for roll in pending):
            clock.sleep(min(pause, deadline - now))
            pause = min(pause * 1.5, _LONGEST_PAUSE)


@dataclass
class _Roll:
    """One workload on its way to new pods."""

    standing: Standing
    progress: Progress = field(default_factory=lambda: Progress("not yet looked at"))
    error: ApiError | None = None
    """Why it could not be rolled, or seen any more."""
    gone: bool = False
    ended: float = 0.0

    @property
    def over(self) -> bool:
        return self.gone or self.error is not None or self.progress.done or self.progress.failed

    def begin(self, api: KubernetesApi, log: Log) -> None:
        """Rolls it, unless Reloader is to, or the run before this one has."""
        one, workload = self.standing, self.standing.workload
        if not one.can_roll or one.newest is None:
            log.line(f"{workload} is left to Reloader")
            return
        wanted = after(one.newest)
        if workload.asked == wanted:
            log.line(f"{workload} was rolled for this change before; its new pods are awaited")
            return
        try:
            answer = api.merge_patch(workload.place, _change(workload, wanted))
        except NotFound:
            self.gone = True
        except ApiError as error:
            self.error = error
        else:
            self.standing = replace(one, workload=replace(workload, live={**answer}))
            log.line(f"{workload} is rolled: {one.detail}")

    def seen(self, live: Object | None, pods: Iterable[Object], now: float) -> None:
        """The workload and its pods as they are now; None where it is not there."""
        if live is None:
            self.gone = True
            return
        workload = replace(self.standing.workload, live=live)
        self.progress = progress(workload, pods, self.standing.old)
        if not self.standing.can_roll and self.progress.failed and not self._reloaded(workload):
            self.progress = replace(self.progress, failed=False)  # what ails it is not the roll that is awaited
        if self.progress.done:
            self.ended = now

    def _reloaded(self, workload: Workload) -> bool:
        return section(workload.live, "spec") != section(self.standing.workload.live, "spec")

    def told(self, start: float, now: float) -> WorkloadResult:
        """Its result. start, now: of the whole restart, by the run's clock."""
        one, ours = self.standing, self.standing.can_roll
        good = WorkloadState.RESTARTED if ours else WorkloadState.LEFT_TO_RELOADER
        if self.gone:
            return one.result(WorkloadState.UP_TO_DATE, since="", detail="It was deleted meanwhile.", command="")
        if self.error is not None:
            problem = self.error.problems[0]
            said = " ".join([problem.what, *problem.causes, problem.remedy]).strip()
            return one.result(WorkloadState.FAILED, detail=said)
        if self.progress.done:
            words = "" if ours else "Reloader has rolled it."
            return one.result(good, seconds=self.ended - start, detail=words, command="")
        return one.result(WorkloadState.FAILED, detail=self._why(now - start), command=self._command())

    def _why(self, seconds: float) -> str:
        words = self.progress.words
        if self.progress.failed:
            return f"Its new pods do not become available: {words}."
        if self.standing.can_roll:
            return f"Its new pods were not available after {seconds:.0f} s: {words}."
        return f"Reloader has not rolled it within {seconds:.0f} s: {words}."

    def _command(self) -> str:
        """What shows more of the trouble, or rolls what Reloader did not."""
        workload, pod = self.standing.workload, self.progress.pod
        if self.progress.crashed:
            return f"kubectl -n {workload.namespace} logs {pod} --all-containers --previous"
        if pod:
            return f"kubectl -n {workload.namespace} describe pod {pod}"
        if not self.standing.can_roll:
            return workload.restart_command
        return f"kubectl -n {workload.namespace} describe {KINDS[workload.kind].plural}/{workload.name}"


def _observe(api: KubernetesApi, pending: list[_Roll], now: float) -> None:
    """One list for each kind and namespace of what is awaited, and one of the pods."""
    for namespace in sorted({roll.standing.workload.namespace for roll in pending}):
        here = [roll for roll in pending if roll.standing.workload.namespace == namespace]
        try:
            live = {
                (kind, name_of(each)): each
                for kind in sorted({roll.standing.workload.kind for roll in here})
                for each in api.list(KINDS[kind].at(namespace))[0]
            }
            pods: dict[WorkloadKey, list[Object]] = {}
            for pod in api.list(PODS.at(namespace))[0]:
                pods.setdefault(owner_of(pod), []).append(pod)
        except ApiError as error:
            for roll in here:
                roll.progress = Progress(error.problems[0].what)
                roll.error = None if may_pass(error) else error
            continue
        for roll in here:
            workload = roll.standing.workload
            roll.seen(live.get((workload.kind, workload.name)), pods.get(workload.key, ()), now)


def _change(workload: Workload, wanted: str) -> Mapping[str, Any]:
    if workload.kind == "Rollout":
        return {"spec": {"restartAt": wanted}}
    return {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: wanted}}}}}


def _told(pending: list[_Roll]) -> str:
    named = [f"{roll.standing.workload} ({roll.progress.words})" for roll in pending[:_NAMED] if not roll.over]
    more = f" and {len(pending) - _NAMED} more" if len(pending) > _NAMED else ""
    return f"New pods are still awaited: {', '.join(named)}{more}"
