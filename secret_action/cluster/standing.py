"""Do a workload's pods have the newest data of the Secrets that they read? Decided from objects alone.

A pod counts as old when it was made before the last change of the data, or in the same second, since Kubernetes keeps
whole seconds: rolled once too often is better than believed once too early. What a pod reads is its own to say: its
template may say otherwise by now, and a webhook may have added to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto

from secret_action.cluster.changes import spelled
from secret_action.cluster.consumption import Use, merged, reloader_marks_of, reloader_rolls
from secret_action.cluster.live import section, text
from secret_action.cluster.pods import OwnerKey, Pod
from secret_action.cluster.progress import completed, progress
from secret_action.cluster.workload import KINDS, Workload
from secret_action.model import WorkloadResult, WorkloadState

Reloads = Mapping[OwnerKey, Mapping[str, str]]
"""By workload what Reloader has written into its template since the survey."""

_MOST_NAMED = 20  # pods that a command names


class Step(Enum):
    """What a run that is to roll workloads does about one."""

    NONE = auto()
    """Nothing: no pod is old, or no roll would renew those that are."""
    WAIT = auto()
    """Waits: a roll is on its way, whoever asked for it, or it is Reloader's to roll."""
    ROLL = auto()
    """Rolls it, and waits."""


@dataclass(frozen=True)
class Dated:
    """A Secret as its readers are concerned."""

    changed: datetime | None
    """The last change of its data, or later; None where that cannot be told."""
    marks: Mapping[str, object]
    """Its annotations."""
    fresh: bool = False
    """Its data changed since the survey."""
    begun: frozenset[str] | None = None
    """Where it was not there at the survey, the pods (uids) that had begun all the same; None where it was. The others
    have waited for it, however old they are: what needs a Secret does not start without it."""
    reloads: Reloads = field(default_factory=dict, repr=False)
    """Where it did."""
    certain: tuple[datetime, datetime] | None = None
    """Where `changed` may be no change at all: pods have the data that were made after the first of these times and
    have not changed since the second."""


@dataclass(frozen=True)
class Standing:
    """How one workload stands."""

    workload: Workload
    state: WorkloadState
    secrets: tuple[str, ...]
    """Those whose data some pods lack; otherwise all that it reads."""
    old: Mapping[str, str] = field(default_factory=dict)
    """Its old pods that a roll renews: uid → name."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Its old pods that a roll leaves as they are."""
    since: datetime | None = None
    """The first change that some pods lack."""
    newest: datetime | None = None
    """The last change that some pods lack."""
    detail: str = ""
    command: str = ""
    step: Step = Step.NONE
    reads: tuple[str, ...] = ()
    """All Secrets of the run that it reads."""

    @property
    def ours(self) -> bool:
        """It is not Reloader that rolls it."""
        return self.state is not WorkloadState.LEFT_TO_RELOADER

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


def standing(workload: Workload, pods: Iterable[Pod], secrets: Mapping[str, Dated]) -> Standing | None:
    """How a workload stands to these Secrets of its namespace; None where neither it nor a pod reads any of them.

    pods: its own. secrets: by name, those of the run that exist.
    """
    running = [pod for pod in pods if pod.runs]
    read = [use for use in merged((*workload.uses, *_own(running))) if use.secret in secrets]
    if not read:
        return None
    return replace(_judged(workload, running, read, secrets), reads=tuple(use.secret for use in read))


def _judged(workload: Workload, running: Sequence[Pod], read: Sequence[Use], secrets: Mapping[str, Dated]) -> Standing:
    """read: what it reads of these Secrets, by its template or by one of its pods."""
    names = tuple(use.secret for use in read)
    lacking = {name: old for name in names if (old := old_pods(running, name, secrets[name], workload.claimed))}
    if lacking:
        return _on_its_way(_old(workload, lacking, secrets, running), running)
    unknown = [use.secret for use in read if use.at_start and secrets[use.secret].changed is None]
    if unknown:
        detail = f"Nothing in the cluster tells when the data of {', '.join(unknown)} last changed."
        return Standing(workload, WorkloadState.NOT_CHECKED, names, detail=detail, command=workload.restart_command)
    files = {
        name: changed for name in names if (changed := secrets[name].changed) and _has_files(running, name, changed)
    }
    if files:
        return _files_renewed(workload, files)
    up_to_date = Standing(workload, WorkloadState.UP_TO_DATE, names, detail=_no_pods(workload, running))
    return _coming_up(up_to_date, running, secrets)


def stranger(owner: OwnerKey, pods: Sequence[Pod], secrets: Mapping[str, Dated]) -> WorkloadResult | None:
    """Pods with old data that no workload known here owns; those of Jobs end by themselves."""
    namespace, kind, name = owner
    if kind == "Job":
        return None
    running = [pod for pod in pods if pod.runs]
    read = [use.secret for use in merged(_own(running)) if use.secret in secrets]
    lacking = {secret: old for secret in read if (old := old_pods(running, secret, secrets[secret]))}
    if not lacking:
        return None
    since = min(changed for secret in lacking if (changed := secrets[secret].changed))
    names = sorted({pod for old in lacking.values() for pod in old.values()})
    workload = Workload(kind, {"metadata": {"namespace": namespace, "name": name}}, {})
    if kind in KINDS:  # which may not be listed
        detail, command = f"Its pods were made before {', '.join(lacking)} changed.", workload.restart_command
    elif kind == "Pod":
        detail, command = "It has no controller that would make it anew.", ""
    else:
        detail, command = f"A {kind} is not rolled here.", f"kubectl -n {namespace} delete pod {' '.join(names)}"
    state = WorkloadState.STILL_OLD
    return Standing(workload, state, tuple(lacking), since=since, detail=detail, command=command).result()


def old_pods(pods: Iterable[Pod], name: str, secret: Dated, claimed: Iterable[Use] = ()) -> dict[str, str]:
    """The pods that run with older data of the Secret: uid → name. claimed: what all of them read besides."""
    changed = secret.changed
    if changed is None:
        return {}
    all_read = next((use for use in claimed if use.secret == name), None)
    return {
        pod.uid: pod.name
        for pod in pods
        if (use := pod.use_of(name) or all_read) and use.at_start and _is_old(pod, use, secret, changed)
    }


def has_read(pod: Pod, use: Use) -> bool:
    """Whether any of its containers that read a Secret so has started, as far as its kubelet tells."""
    started = pod.started(use)
    return pod.phase not in ("", "Pending") if started is None else bool(started)


def _own(pods: Iterable[Pod]) -> Iterable[Use]:
    return (use for pod in pods for use in pod.uses)


def _is_old(pod: Pod, use: Use, secret: Dated, changed: datetime) -> bool:
    if not pod.made_by(changed) or not has_read(pod, use):
        return False
    if secret.certain and not pod.made_by(secret.certain[0]):
        return not pod.unchanged_since(secret.certain[1])
    if pod.made == changed and _reloaded(pod, secret, reloader_marks_of(use.secret)):
        return False
    if use.required and secret.begun is not None:
        return pod.uid in secret.begun
    return True


def _reloaded(pod: Pod, secret: Dated, names: Iterable[str] | None = None) -> bool:
    """Whether Reloader made it since the survey, so after the change: for any Secret, or with a mark of these names.

    Such a pod is new though it is of the very second of the change, in which others may have been made before it.
    """
    written = secret.reloads.get(pod.owner, {})
    return any(pod.marks.get(name) == value for name, value in written.items() if names is None or name in names)


def _old(
    workload: Workload, lacking: Mapping[str, Mapping[str, str]], secrets: Mapping[str, Dated], pods: Sequence[Pod]
) -> Standing:
    old = {uid: name for found in lacking.values() for uid, name in found.items()}
    kept = {uid: name for uid, name in old.items() if workload.keeps(name)}
    changes = [changed for name in lacking if (changed := secrets[name].changed)]
    state, command, step = WorkloadState.STILL_OLD, workload.restart_command, Step.ROLL
    told = [f"{_pods(len(old))} made before {', '.join(lacking)} changed."]
    reloaders = any(reloader_rolls(workload.annotations, name, secrets[name].marks) for name in lacking)
    if reloaders and not _passed_over(lacking, secrets, pods):
        state, step = WorkloadState.LEFT_TO_RELOADER, Step.WAIT
        told.append("Reloader's annotation says that it rolls it.")
    elif why := bar(workload):
        step = Step.NONE
        told.append(why)
        paused = workload.kind == "Deployment"
        resume = command.replace("rollout restart", "rollout resume")
        command = f"{resume} && {command}" if paused else deletion(workload, old)
    elif kept:
        step = Step.ROLL if len(kept) < len(old) else Step.NONE
        told.append(keeping(workload))
        command = deletion(workload, old)
    replaced = {uid: name for uid, name in old.items() if uid not in kept}
    since, newest = min(changes), max(changes)
    return Standing(workload, state, tuple(lacking), replaced, kept, since, newest, " ".join(told), command, step)


def _passed_over(lacking: Mapping[str, Mapping[str, str]], secrets: Mapping[str, Dated], pods: Sequence[Pod]) -> bool:
    """Whether Reloader leaves all these old pods as they are: made in the very second of the change, by itself or long
    ago, they most likely have the data, and nothing shows it."""
    return all(
        pod.made == secrets[name].changed and (not secrets[name].fresh or _reloaded(pod, secrets[name]))
        for name, old in lacking.items()
        for pod in pods
        if pod.uid in old
    )


def _on_its_way(one: Standing, pods: Sequence[Pod]) -> Standing:
    """The same, but waited for where somebody has asked for a roll since the change, and it is not done."""
    rolls = one.step is Step.ROLL and one.newest and one.workload.asked_after(one.newest)
    if not rolls or progress(one.workload, pods, ()).done or completed(one.workload, pods):
        return one
    return replace(one, step=Step.WAIT)


def _coming_up(one: Standing, pods: Sequence[Pod], secrets: Mapping[str, Dated]) -> Standing:
    """The same, but waited for where it was rolled for the change and has not got all its new pods."""
    workload = one.workload
    changes = [changed for name in one.secrets if (changed := secrets[name].changed)]
    if not changes or workload.kind == "CronJob" or bar(workload):
        return one
    reloaded = any(
        secrets[name].fresh and reloader_rolls(workload.annotations, name, secrets[name].marks) for name in one.secrets
    )
    if not reloaded and not workload.asked_after(max(changes)):
        return one
    if (found := progress(workload, pods, ())).done:
        return one
    if completed(workload, pods):
        return replace(one, detail=f"All its pods have come up with the data; since then, {found.words}.")
    state = WorkloadState.LEFT_TO_RELOADER if reloaded else one.state
    detail = f"Its new pods are not all there: {found.words}."
    return replace(one, state=state, newest=max(changes), detail=detail, step=Step.WAIT)


def _has_files(pods: Iterable[Pod], name: str, changed: datetime) -> bool:
    """Whether pods that were there before a change have the Secret as files."""
    return any((use := pod.use_of(name)) and not use.at_start and pod.made_by(changed) for pod in pods)


def _files_renewed(workload: Workload, files: Mapping[str, datetime]) -> Standing:
    detail = (
        f"It has {', '.join(files)} as files, which the kubelet renews within about a minute; a process that reads "
        "them only as it starts needs a restart."
    )
    return Standing(
        workload,
        WorkloadState.FILES_RENEWED,
        tuple(files),
        since=min(files.values()),
        newest=max(files.values()),
        detail=detail,
        command=workload.restart_command,
    )


def _pods(number: int) -> str:
    return "1 pod was" if number == 1 else f"{number} pods were"


def bar(workload: Workload) -> str:
    """Why a changed template would bring no new pods; empty where it does."""
    spec = section(workload.live, "spec")
    if workload.kind == "Deployment" and spec.get("paused") is True:
        return "It is paused, so a changed template is not rolled out."
    if workload.kind in ("StatefulSet", "DaemonSet") and text(spec, "updateStrategy", "type") == "OnDelete":
        return "Its update strategy is OnDelete: only who deletes a pod gets a new one."
    return ""


def keeping(workload: Workload) -> str:
    """Which pods a roll leaves as they are."""
    return f"Its update strategy keeps the pods below number {workload.first_rolled} (`partition`) as they are."


def deletion(workload: Workload, old: Mapping[str, str]) -> str:
    """What a person runs to have old pods made anew."""
    labels = section(workload.live, "spec", "selector", "matchLabels")
    if len(old) > _MOST_NAMED and labels:
        return f"kubectl -n {workload.namespace} delete pod -l {','.join(f'{k}={v}' for k, v in labels.items())}"
    return f"kubectl -n {workload.namespace} delete pod {' '.join(sorted(old.values()))}"


def _no_pods(workload: Workload, pods: Sequence[Pod]) -> str:
    if workload.kind == "CronJob":
        suspended = section(workload.live, "spec").get("suspend") is True
        return "It is suspended; its next run reads the new data." if suspended else "Its next run reads the new data."
    return "" if pods else "It has no pods; the next ones read the new data."
