"""Is a roll done? Decided from the workload's status and its pods, as `kubectl rollout status` decides it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

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
_LONGEST_ROLL = timedelta(minutes=10)  # the usual progress deadline of Kubernetes
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


def completed(workload: Workload, pods: Iterable[Pod]) -> bool:
    """Whether its last roll was done once: what ails it since is not the roll's.

    Deployments and StatefulSets keep that in their status. Of others it is known by their pods: those that are not
    ready were made when the roll must have been over.
    """
    if _unobserved(workload):
        return False
    if workload.kind == "Deployment" and (reason := _progressing(workload)):
        status = section(workload.live, "status")
        # With the strategy Recreate the old reason stays until there are new pods.
        return bool(status.get("updatedReplicas")) and not _others_left(workload) and reason == "NewReplicaSetAvailable"
    if workload.kind == "StatefulSet" and not workload.partition:
        return _one_revision(workload) and bool(text(workload.live, "status", "updateRevision"))
    rolled = workload.rolled
    if rolled is None or _too_few(workload) or _others_left(workload):
        return False
    return all(pod.made is not None and pod.made > rolled + _LONGEST_ROLL for pod in pods if pod.runs and not pod.ready)


def _progressing(workload: Workload) -> str:
    for condition in entries(section(workload.live, "status"), "conditions"):
        if text(condition, "type") == "Progressing":
            return text(condition, "reason")
    return ""


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
    return _too_few(workload) or _unavailable(workload) or _others_left(workload)


def _wanted(workload: Workload) -> int:
    if workload.kind == "DaemonSet":
        return _number(workload.live, "status", "desiredNumberScheduled")
    return _number(workload.live, "spec", "replicas", default=1)


def _too_few(workload: Workload) -> str:
    """Words while not all pods are made anew."""
    live, kind, wanted = workload.live, workload.kind, _wanted(workload) - workload.partition
    if kind == "Rollout":
        renewed = text(live, "status", "restartedAt") == text(live, "spec", "restartAt")
        return "" if renewed else "its controller has not replaced all old pods"
    if kind == "StatefulSet" and _one_revision(workload):
        return ""  # it counts none as updated when all are current
    new = _number(live, "status", "updatedNumberScheduled" if kind == "DaemonSet" else "updatedReplicas")
    return f"{new} of {wanted} pods are new" if new < wanted else ""


def _unavailable(workload: Workload) -> str:
    name = "numberAvailable" if workload.kind == "DaemonSet" else "availableReplicas"
    available, wanted = _number(workload.live, "status", name), _wanted(workload)
    return f"{available} of {wanted} pods are available" if available < wanted else ""


def _others_left(workload: Workload) -> str:
    """Words while there are pods of another template."""
    if workload.kind == "Deployment":
        status = ("replicas", "updatedReplicas")
        everyone, new = (_number(workload.live, "status", name) for name in status)
        return _still_there(everyone - new)
    if workload.kind == "StatefulSet" and not workload.partition and not _one_revision(workload):
        return "not all pods are of the new revision"
    return ""


def _one_revision(workload: Workload) -> bool:
    """Whether a StatefulSet's roll is over: its controller says so when all are available, and never takes it back."""
    status = section(workload.live, "status")
    return text(status, "currentRevision") == text(status, "updateRevision")


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
