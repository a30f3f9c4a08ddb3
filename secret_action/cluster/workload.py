"""One live workload: what makes pods from a template, where it lives, how it is rolled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from secret_action.cluster.changes import moment
from secret_action.cluster.consumption import Use, uses
from secret_action.cluster.live import Object, entries, name_of, section, text
from secret_action.cluster.paths import Place, Resource

KINDS = {
    "Deployment": Resource("apps/v1", "deployments"),
    "StatefulSet": Resource("apps/v1", "statefulsets"),
    "DaemonSet": Resource("apps/v1", "daemonsets"),
    "CronJob": Resource("batch/v1", "cronjobs"),
    "Rollout": Resource("argoproj.io/v1alpha1", "rollouts"),
}
"""The workloads that are known here: what makes pods from a template, by kind."""

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""The annotation of a pod template that `kubectl rollout restart` sets."""


def asks_for_roll(entry: Object) -> bool:
    """Whether who wrote this of `managedFields` has asked for a roll."""
    spec = section(entry, "fieldsV1", "f:spec")
    return "f:restartAt" in spec or f"f:{RESTARTED_AT}" in section(spec, "f:template", "f:metadata", "f:annotations")


@dataclass(frozen=True)
class Workload:
    """One live workload."""

    kind: str
    live: Object
    template: Object
    """What its pods are made from (`metadata`, `spec`)."""
    claimed: tuple[Use, ...] = ()
    """What its owners read through it, where neither its template nor its pods say so."""

    @property
    def namespace(self) -> str:
        """`metadata.namespace`."""
        return text(self.live, "metadata", "namespace")

    @property
    def name(self) -> str:
        """`metadata.name`."""
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
        """The Secrets that the pods read which it makes."""
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

    def asked_after(self, changed: datetime) -> bool:
        """Whether somebody has asked for a roll since then, by whatever clock that was."""
        asked = moment(self.asked)
        return asked is not None and asked > changed

    @property
    def rolled(self) -> datetime | None:
        """When its last roll was asked for, by the API server's clock; None without one."""
        fields = entries(section(self.live, "metadata"), "managedFields")
        times = [moment(text(entry, "time")) for entry in fields if asks_for_roll(entry)]
        return max(filter(None, times), default=None)

    @property
    def partition(self) -> int:
        """How many of a StatefulSet's pods, from the first on, a roll leaves as they are; 0 for all else."""
        found = section(self.live, "spec", "updateStrategy", "rollingUpdate").get("partition")
        return found if self.kind == "StatefulSet" and isinstance(found, int) else 0

    @property
    def first_rolled(self) -> int:
        """The number of the first pod of a StatefulSet that a roll replaces."""
        start = section(self.live, "spec", "ordinals").get("start")
        return self.partition + (start if isinstance(start, int) else 0)

    def keeps(self, pod: str) -> bool:
        """Whether a roll leaves the pod of that name as it is."""
        number = pod.rpartition("-")[2]
        return bool(self.partition) and number.isdecimal() and int(number) < self.first_rolled

    @property
    def restart_command(self) -> str:
        """What a person runs to roll it."""
        if self.kind == "Rollout":
            return f"kubectl argo rollouts -n {self.namespace} restart {self.name}"
        return f"kubectl -n {self.namespace} rollout restart {self.kind.lower()}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"
