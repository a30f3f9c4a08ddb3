"""At the end of a run that brought new pods: our note once more, now that all pods have the data.

A note holds up to its annotation, and the one from before the roll is older than the pods that it made: labels that a
GitOps tool changes after that would have them rolled again, with each release. So the note is renewed where a last look
shows that the Secret is as it was, and that no pod is old.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import replace
from typing import TypeVar

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.changes import SECOND, note, secret_data
from secret_action.cluster.live import Key
from secret_action.cluster.parallel import each
from secret_action.cluster.paths import SECRETS
from secret_action.cluster.pods import Pod
from secret_action.cluster.proof import ANNOTATION
from secret_action.cluster.scene import pod_list
from secret_action.cluster.standing import Reloads, old_pods
from secret_action.cluster.workload import Workload
from secret_action.cluster.workloads import Look, Noted
from secret_action.errors import ClusterError
from secret_action.ports import Clock, Log

Result = TypeVar("Result")


def confirm(
    api: KubernetesApi, seen: Look, secrets: Set[Key], rolled: Iterable[Workload], log: Log, clock: Clock
) -> None:
    """Renews the notes where that is true. Raises nothing: without it a later run rolls more.

    secrets: by namespace and name, those whose readers have new pods; what is fresh is looked at besides. rolled: the
    workloads that have, as they are now.
    """
    fresh = {key for key, noted in seen.noted.items() if noted.dated.fresh}
    keys = sorted(seen.noted.keys() & (fresh | secrets))
    if not keys:
        return
    clock.sleep(SECOND.total_seconds())  # so that the pods have become ready before the second of the note
    reloads = seen.reloads(rolled)
    spaces = sorted({namespace for namespace, _ in keys})

    def attempt(task: Callable[[], Result]) -> Result | None:
        try:
            return task()
        except ClusterError as error:
            log.line(f"A note about the pods is not renewed: {error.problems[0].what}")
            return None

    pods = dict(zip(spaces, each(lambda space: attempt(lambda: pod_list(api, space)), spaces), strict=True))
    each(lambda key: attempt(lambda: _renew(api, key, seen.noted[key], pods[key[0]], reloads)), keys)


def _renew(api: KubernetesApi, key: Key, noted: Noted, pods: Sequence[Pod] | None, reloads: Reloads) -> None:
    _, name = key
    secret = secret_data(api.get(SECRETS.at(*key), metadata_only=True))
    same = secret.same(noted.secret) and secret.written == noted.secret.written
    if pods is None or not same or noted.dated.changed is None:
        return
    readers = [pod for pod in pods if pod.runs and pod.use_of(name) and pod.owner[1] != "Job"]
    dated = replace(noted.dated, reloads={**noted.dated.reloads, **reloads}) if noted.dated.fresh else noted.dated
    if old_pods(readers, name, dated):
        return
    # All that are there have the data, also those that are as old as its last change or older.
    made = [pod.made - SECOND for pod in readers if pod.made]
    said = f"{noted.token}-pods{note(secret, min([noted.dated.changed, *made]))}"
    api.merge_patch(noted.place, {"metadata": {"annotations": {ANNOTATION: said}}}, metadata_only=True)
