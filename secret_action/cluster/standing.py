"""Do a workload's pods have the newest data of the Secrets that they read? Decided from objects alone.

A pod counts as old when it was made before the last change of the data, or in the same second, since Kubernetes keeps
whole seconds: rolled once too often is better than believed once too early.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from secret_action.cluster.changes import moment, spelled
from secret_action.cluster.consumption import Use, reloader_rolls, uses
from secret_action.cluster.live import Object, entries, is_going, name_of, section, text, uid_of
from secret_action.cluster.paths import Place, Resource
from secret_action.model import WorkloadResult, WorkloadState

KINDS = {
    "Deployment": Resource("apps/v1", "deployments"),
    "StatefulSet": Resource("apps/v1", "statefulsets"),
    "DaemonSet": Resource("apps/v1", "daemonsets"),
    "CronJob": Resource("batch/v1", "cronjobs"),
    "Rollout": Resource("argoproj.io/v1alpha1", "rollouts"),
}
"""The workloads that are known here: what makes pods from a template, by kind."""

Key = tuple[str, str]
"""Namespace and name."""

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""The annotation of a pod template that `kubectl rollout restart` sets."""

_MOST_NAMED = 20  # pods that a command names


@dataclass(frozen=True)
class Workload:
    """One live workload."""

    kind: str
    live: Object
    template: Object
    """What its pods are made from (`metadata`, `spec`)."""
    claimed: tuple[Use, ...] = ()
    """What its owners read through it, where its own template does not say so."""

    @property
    def namespace(self) -> str:
        return text(self.live, "metadata", "namespace")

    @property
    def name(self) -> str:
        return name_of(self.live)

    @property
    def key(self) -> tuple[str, str, str]:
        """Namespace, kind and name."""
        return self.namespace, self.kind, self.name

    @property
    def place(self) -> Place:
        """Where it lives."""
        return KINDS[self.kind].at(self.namespace, self.name)

    @property
    def uses(self) -> tuple[Use, ...]:
        """The Secrets that its pods read."""
        return (*uses(section(self.template, "spec")), *self.claimed)

    @property
    def annotations(self) -> Mapping[str, object]:
        """Its own, and beneath them those of its pod template."""
        return {**section(self.template, "metadata", "annotations"), **section(self.live, "metadata", "annotations")}

    @property
    def asked(self) -> str:
        """The time that its last roll asked for, as `kubectl rollout restart` and we leave it; empty without one."""
        if self.kind == "Rollout":
            return text(self.live, "spec", "restartAt")
        return text(self.live, "spec", "template", "metadata", "annotations", RESTARTED_AT)

    @property
    def restart_command(self) -> str:
        """What a person runs to roll it."""
        if self.kind == "Rollout":
            return f"kubectl argo rollouts -n {self.namespace} restart {self.name}"
        return f"kubectl -n {self.namespace} rollout restart {self.kind.lower()}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Dated:
    """A Secret as its readers are concerned."""

    changed: datetime | None
    """The last change of its data, or later; None where that cannot be told."""
    born: datetime | None
    marks: Mapping[str, object]
    """Its annotations."""


@dataclass(frozen=True)
class Standing:
    """How one workload stands."""

    workload: Workload
    state: WorkloadState
    secrets: tuple[str, ...]
    """Those whose data some pods lack; otherwise all that it reads."""
    old: Mapping[str, str]
    """Its old pods: uid → name."""
    since: datetime | None = None
    """The first change that some pods lack."""
    newest: datetime | None = None
    """The last change that some pods lack."""
    detail: str = ""
    command: str = ""
    can_roll: bool = False
    """A changed template would bring new pods, or has and they are not all there yet."""

    def result(self, state: WorkloadState | None = None, **changes: str | float) -> WorkloadResult:
        """As the report has it, with another state and other words where given."""
        known = {
            "since": spelled(self.since) if self.since else "",
            "detail": self.detail,
            "command": self.command,
        }
        workload = self.workload
        given: dict[str, object] = {**known, **changes}
        return WorkloadResult(
            workload.kind,
            workload.namespace,
            workload.name,
            state or self.state,
            self.secrets,
            **given,  # type: ignore[arg-type]
        )


def standing(workload: Workload, pods: Iterable[Object], secrets: Mapping[str, Dated]) -> Standing | None:
    """How a workload stands to these Secrets of its namespace; None where it reads none of them.

    pods: its own. secrets: by name, those of the run that exist.
    """
    read = [use for use in workload.uses if use.secret in secrets]
    if not read:
        return None
    pods = [pod for pod in pods if not is_going(pod) and text(pod, "status", "phase") not in ("Succeeded", "Failed")]
    at_start = [use for use in read if use.at_start]
    lacking = {use.secret: found for use in at_start if (found := old_pods(pods, use, secrets[use.secret]))}
    if lacking:
        return _old(workload, lacking, secrets)
    names = tuple(use.secret for use in read)
    unknown = [use.secret for use in at_start if secrets[use.secret].changed is None]
    if unknown:
        detail = f"Nothing in the cluster tells when the data of {', '.join(unknown)} last changed."
        return Standing(workload, WorkloadState.NOT_CHECKED, names, {}, detail=detail, command=workload.restart_command)
    files = {
        use.secret: changed
        for use in read
        if not use.at_start and (changed := secrets[use.secret].changed) and any(_made_by(pod, changed) for pod in pods)
    }
    if files:
        since = min(files.values())
        detail = (
            f"It has {', '.join(files)} as files, which the kubelet renews within about a minute; a process that reads "
            "them only as it starts needs a restart."
        )
        return Standing(
            workload,
            WorkloadState.FILES_RENEWED,
            tuple(files),
            {},
            since,
            max(files.values()),
            detail,
            workload.restart_command,
        )
    return Standing(workload, WorkloadState.UP_TO_DATE, names, {}, detail=_no_pods(workload, pods))


def old_pods(pods: Iterable[Object], use: Use, secret: Dated) -> dict[str, str]:
    """The pods that run with older data of the Secret: uid → name."""
    if secret.changed is None:
        return {}
    return {uid_of(pod): name_of(pod) for pod in pods if _is_old(pod, use, secret, secret.changed)}


def _is_old(pod: Object, use: Use, secret: Dated, changed: datetime) -> bool:
    states = [state for state in _container_states(pod) if not use.containers or text(state, "name") in use.containers]
    started = [state for state in states if _has_started(state)]
    if not started or not _made_by(pod, changed):
        return False
    if use.required and secret.born == changed:
        # It could not start before the Secret was there, unless there was another of that name before.
        return not all(_first_started_after(state, changed) for state in started)
    return True


def _made_by(pod: Object, changed: datetime) -> bool:
    made = moment(text(pod, "metadata", "creationTimestamp"))
    return made is None or made <= changed


def _container_states(pod: Object) -> tuple[Object, ...]:
    status = section(pod, "status")
    return (*entries(status, "initContainerStatuses"), *entries(status, "containerStatuses"))


def _has_started(state: Object) -> bool:
    ran = section(state, "state", "running") or section(state, "state", "terminated") or section(state, "lastState")
    return bool(ran) or bool(state.get("restartCount"))


def _first_started_after(state: Object, changed: datetime) -> bool:
    """By the node's clock, which is asked for this alone."""
    now = section(state, "state")
    started = moment(text(now, "running", "startedAt") or text(now, "terminated", "startedAt"))
    return not state.get("restartCount") and started is not None and started > changed


def _old(workload: Workload, lacking: Mapping[str, Mapping[str, str]], secrets: Mapping[str, Dated]) -> Standing:
    old = {uid: name for found in lacking.values() for uid, name in found.items()}
    changes = [changed for name in lacking if (changed := secrets[name].changed)]
    state, command, can_roll = WorkloadState.STILL_OLD, workload.restart_command, True
    detail = f"{_pods(len(old))} made before {', '.join(lacking)} changed."
    if any(reloader_rolls(workload.annotations, name, secrets[name].marks) for name in lacking):
        state, can_roll = WorkloadState.LEFT_TO_RELOADER, False
        detail += " Reloader's annotation says that it rolls it."
    elif found := _obstacle(workload, old):
        can_roll, (why, command) = False, found
        detail += f" {why}"
    return Standing(workload, state, tuple(lacking), old, min(changes), max(changes), detail, command, can_roll)


def _pods(number: int) -> str:
    return "1 pod was" if number == 1 else f"{number} pods were"


def _obstacle(workload: Workload, old: Mapping[str, str]) -> tuple[str, str] | None:
    """Why a changed template would bring no new pods, and what does."""
    spec, restart = section(workload.live, "spec"), workload.restart_command
    strategy = section(spec, "updateStrategy")
    if workload.kind == "Deployment" and spec.get("paused") is True:
        resume = restart.replace("rollout restart", "rollout resume")
        return "It is paused, so a changed template is not rolled out.", f"{resume} && {restart}"
    if workload.kind in ("StatefulSet", "DaemonSet") and text(strategy, "type") == "OnDelete":
        return "Its update strategy is OnDelete: only who deletes a pod gets a new one.", deletion(workload, old)
    partition = section(strategy, "rollingUpdate").get("partition")
    if workload.kind == "StatefulSet" and isinstance(partition, int) and partition > 0:
        why = f"Its update strategy keeps the pods below number {partition} (`partition`) as they are."
        return why, deletion(workload, old)
    return None


def deletion(workload: Workload, old: Mapping[str, str]) -> str:
    """What a person runs to have old pods made anew."""
    labels = section(workload.live, "spec", "selector", "matchLabels")
    if len(old) > _MOST_NAMED and labels:
        return f"kubectl -n {workload.namespace} delete pod -l {','.join(f'{k}={v}' for k, v in labels.items())}"
    return f"kubectl -n {workload.namespace} delete pod {' '.join(sorted(old.values()))}"


def _no_pods(workload: Workload, pods: list[Object]) -> str:
    if workload.kind == "CronJob":
        suspended = section(workload.live, "spec").get("suspend") is True
        return "It is suspended; its next run reads the new data." if suspended else "Its next run reads the new data."
    return "" if pods else "It has no pods; the next ones read the new data."
