"""Rolls workloads that run with old data, once each, and waits until their new pods are available.

Only the annotation that `kubectl rollout restart` sets is written (`spec.restartAt` of an Argo Rollout), with the
first second after the change as its value: the cluster's own time, and the same for every run, so that a run that died
while it waited is made good by one that waits. Argo CD leaves the annotation alone unless Git itself has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.confirming import confirm
from secret_action.cluster.live import Object, name_of
from secret_action.cluster.parallel import each
from secret_action.cluster.pods import OwnerKey, Pod
from secret_action.cluster.roll import Roll
from secret_action.cluster.scene import by_owner, live_list, pod_list
from secret_action.cluster.workload import KINDS, RESTARTED_AT, Workload
from secret_action.cluster.workloads import Look
from secret_action.errors import ClusterError
from secret_action.model import WorkloadResult
from secret_action.ports import Clock, Log

_FIRST_PAUSE = 0.5  # seconds between two looks, at first
_LONGEST_PAUSE = 5.0
_LAST_LOOK = 2.0  # seconds that an answer may take at the end of the time
_PROGRESS_EVERY = 10.0  # seconds
_NAMED = 5  # workloads that a progress line names


def restart(api: KubernetesApi, seen: Look, timeout: float, log: Log, clock: Clock) -> tuple[WorkloadResult, ...]:
    """Rolls what runs with old data; returns how every workload stands then.

    timeout: seconds for all of it. Those with a Reloader annotation are waited for and not touched.
    """
    start = clock.now()
    rolls = {one.workload.key: Roll(one) for one in seen.unfinished}
    for roll in rolls.values():
        if not roll.due:
            log.line(f"{roll.standing.workload} {roll.awaited}")
    if seen.fresh and any(roll.due for roll in rolls.values()):
        # A pod of the second of the change counts as old: rolled now, it would be rolled by the next run again.
        clock.sleep(1.0)
    _roll_all(api, tuple(rolls.values()), start + timeout, log, clock)
    results = {key: roll.told(start, clock.now()) for key, roll in rolls.items()}
    for key, roll in rolls.items():
        seconds = f" after {results[key].seconds:.1f} s" if results[key].seconds is not None else ""
        log.line(f"{roll.standing.workload}: {results[key].state}{seconds}. {results[key].detail}".strip())
    done = [roll for roll in rolls.values() if roll.progress.done]
    renewed = {(roll.workload.namespace, name) for roll in done for name in roll.standing.reads}
    confirm(api, seen, renewed, [roll.workload for roll in done], log, clock)
    standings = tuple(results.get(one.workload.key) or one.result() for one in seen.standings)
    return (*standings, *seen.others)


def _roll_all(api: KubernetesApi, rolls: Sequence[Roll], deadline: float, log: Log, clock: Clock) -> None:
    """Rolls those that are due, and looks at all until each is done or failed, or until the deadline.

    Few lists, less often the longer it takes; no request outlasts the deadline by more than a last look.
    """
    pause, next_progress = _FIRST_PAUSE, clock.now() + _PROGRESS_EVERY
    while pending := [roll for roll in rolls if not roll.over]:
        hurried = api.within(max(deadline - clock.now(), _LAST_LOOK))
        _begin(hurried, [roll for roll in pending if roll.due], log)
        _observe(hurried, [roll for roll in pending if not roll.over], clock)
        now = clock.now()
        if now >= deadline:
            return
        if now >= next_progress:
            next_progress = now + _PROGRESS_EVERY
            log.progress(_told(pending))
        if any(not roll.over for roll in pending):
            clock.sleep(min(pause, deadline - now))
            pause = min(pause * 1.5, _LONGEST_PAUSE)


def _begin(api: KubernetesApi, due: Sequence[Roll], log: Log) -> None:
    """Patches each, several at a time."""

    def patch(roll: Roll) -> Object | ClusterError:
        workload = roll.standing.workload
        try:
            return api.merge_patch(workload.place, _change(workload, roll.wanted))
        except ClusterError as error:
            return error

    for roll, answer in zip(due, each(patch, due), strict=True):
        roll.begun(answer)
        if roll.error is None:
            log.line(f"{roll.standing.workload} is rolled: {roll.standing.detail}")


def _observe(api: KubernetesApi, pending: Sequence[Roll], clock: Clock) -> None:
    """One list for each kind and namespace of what is awaited, and one of the pods."""
    kinds = sorted({(roll.standing.workload.namespace, roll.standing.workload.kind) for roll in pending})
    spaces = sorted({namespace for namespace, _ in kinds})
    wanted = {roll.standing.workload.key for roll in pending}

    def live(place: tuple[str, str]) -> dict[OwnerKey, Object] | ClusterError:
        namespace, kind = place
        try:
            found = {(namespace, kind, name_of(one)): one for one in live_list(api, KINDS[kind].at(namespace))}
        except ClusterError as error:
            return error
        return {key: one for key, one in found.items() if key in wanted}

    def pods(namespace: str) -> Mapping[OwnerKey, Sequence[Pod]] | ClusterError:
        try:
            return by_owner(pod_list(api, namespace))
        except ClusterError as error:
            return error

    # The pods first: old ones that are gone then are not gone to a roll that the workloads do not show yet.
    of_spaces = dict(zip(spaces, each(pods, spaces), strict=True))
    lives = dict(zip(kinds, each(live, kinds), strict=True))
    for roll in pending:
        key = roll.standing.workload.key
        there, running = lives[key[:2]], of_spaces[key[0]]
        if isinstance(there, ClusterError):
            roll.unseen(there)
        elif isinstance(running, ClusterError):
            roll.unseen(running)
        else:
            roll.seen(there.get(key), running.get(key, ()), clock.now())


def _change(workload: Workload, wanted: str) -> Mapping[str, Any]:
    if workload.kind == "Rollout":
        return {"spec": {"restartAt": wanted}}
    return {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: wanted}}}}}


def _told(pending: Sequence[Roll]) -> str:
    named = [f"{roll.standing.workload} ({roll.progress.words})" for roll in pending[:_NAMED] if not roll.over]
    more = f" and {len(pending) - _NAMED} more" if len(pending) > _NAMED else ""
    return f"New pods are still awaited: {', '.join(named)}{more}"
