"""Is a roll done? Decided from the workload's status and its pods, as `kubectl rollout status` decides it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from secret_action.cluster.errors import clean
from secret_action.cluster.live import Object, entries, section, text
from secret_action.cluster.pods import Pod
from secret_action.cluster.workload import Workload

_TROUBLES = {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
}
"""Why a container waits that would better not wait."""
_MOST_CRASHES = 3  # restarts of a new container after which nothing better is waited for


@dataclass(frozen=True)
class Progress:
    """What one look at a roll shows."""

    words: str
    """Why it is not done, or why it has failed; empty when it is done."""
    failed: bool = False
    """Waiting longer would not mend it."""
    pod: str = ""
    """The pod that has the trouble."""
    crashed: bool = False
    """It has run and ended, so that its log tells more."""

    @property
    def done(self) -> bool:
        """The new pods are available, and the old ones gone."""
        return not self.words


def progress(workload: Workload, pods: Iterable[Pod], old: Collection[str]) -> Progress:
    """How far a roll is. pods: those of the workload as they are now. old: the uids of those that are to go."""
    current = [pod for pod in pods if pod.runs]
    left = sum(pod.uid in old for pod in current)
    waits = _unobserved(workload) or _waits(workload) or _still_there(left)
    if not waits:
        return Progress("")
    troubles = [trouble for pod in current if pod.uid not in old and (trouble := _trouble(pod))]
    trouble = next((found for found in troubles if found.failed), troubles[0] if troubles else Progress(""))
    exceeded = "" if _unobserved(workload) else _exceeded(workload)
    words = "; ".join(filter(None, [exceeded or waits, trouble.words or _refused_pods(workload)]))
    return Progress(words, bool(exceeded) or trouble.failed, trouble.pod, trouble.crashed)


def _unobserved(workload: Workload) -> str:
    """Words while the controller has not looked at the change yet."""
    seen, made = (
        section(workload.live, "status").get("observedGeneration"),
        _number(workload.live, "metadata", "generation"),
    )
    # Argo Rollouts writes a text: a number in releases of today, a hash in those before 1.0.
    number = int(seen) if isinstance(seen, str) and seen.isdecimal() else seen
    late = number is None or (isinstance(number, int) and number < made)
    return "its controller has not taken up the change" if late else ""


def _waits(workload: Workload) -> str:
    status, live = "status", workload.live
    if workload.kind == "DaemonSet":
        wanted = _number(live, status, "desiredNumberScheduled")
        new, ready = _number(live, status, "updatedNumberScheduled"), _number(live, status, "numberAvailable")
        return _short(new, ready, wanted)
    wanted = _number(live, "spec", "replicas", default=1)
    ready = _number(live, status, "availableReplicas")
    if workload.kind == "Rollout":
        asked = text(live, "spec", "restartAt")
        if text(live, status, "restartedAt") != asked:
            return "its controller has not replaced all old pods"
        return _short(wanted, ready, wanted)
    new = _number(live, status, "updatedReplicas")
    if workload.kind == "StatefulSet":
        if text(live, status, "currentRevision") != text(live, status, "updateRevision"):
            kept = workload.partition
            return _short(new, ready, wanted, kept) or ("" if kept else "not all pods are of the new revision")
        return _short(wanted, ready, wanted)  # a StatefulSet counts none as updated when all are current
    all_there = _number(live, status, "replicas")
    return _short(new, ready, wanted) or _still_there(all_there - new)


def _short(new: int, available: int, wanted: int, kept: int = 0) -> str:
    if new < wanted - kept:
        return f"{new} of {wanted - kept} pods are new"
    return f"{available} of {wanted} pods are available" if available < wanted else ""


def _exceeded(workload: Workload) -> str:
    """Words where the controller itself has given up, or says that it cannot."""
    for condition in entries(section(workload.live, "status"), "conditions"):
        if text(condition, "type") == "Progressing" and text(condition, "reason") == "ProgressDeadlineExceeded":
            return f"its progress deadline is exceeded: {clean(text(condition, 'message'))}"
    if workload.kind == "Rollout" and text(workload.live, "status", "phase") == "Degraded":
        return f"it is degraded: {clean(text(workload.live, 'status', 'message'))}"
    return ""


def _refused_pods(workload: Workload) -> str:
    """Why its controller cannot make pods: a quota, an admission webhook."""
    for condition in entries(section(workload.live, "status"), "conditions"):
        if text(condition, "type") == "ReplicaFailure" and text(condition, "status") == "True":
            return clean(text(condition, "message"))
    return ""


def _trouble(pod: Pod) -> Progress | None:
    """What ails a new pod, in its own words."""
    for state in pod.containers:
        waiting = section(state, "state", "waiting")
        if (reason := text(waiting, "reason")) not in _TROUBLES:
            continue
        last = section(state, "lastState", "terminated")
        said = clean(text(waiting, "message"))
        ended = f"exit code {last.get('exitCode')} {text(last, 'reason')}".strip() if last else ""
        died = clean(text(last, "message"))
        words = ": ".join(filter(None, [f"pod {pod.name} is in {reason}", said, ended, died]))
        restarts = state.get("restartCount")
        crashes = restarts if isinstance(restarts, int) else 0
        hopeless = reason == "InvalidImageName" or (reason == "CrashLoopBackOff" and crashes >= _MOST_CRASHES)
        return Progress(words, hopeless, pod.name, crashed=bool(last))
    for kind, trouble in (("PodScheduled", "is not scheduled"), ("Ready", "is not ready")):
        for condition in pod.conditions:
            message = text(condition, "message")
            if text(condition, "type") == kind and text(condition, "status") == "False" and message:
                return Progress(f"pod {pod.name} {trouble}: {clean(message)}", pod=pod.name)
    return None


def _number(thing: Object, *path: str, default: int = 0) -> int:
    found = section(thing, *path[:-1]).get(path[-1], default)
    return found if isinstance(found, int) else default


def _still_there(old: int) -> str:
    if old <= 0:
        return ""
    return "1 old pod is still there" if old == 1 else f"{old:,} old pods are still there"
