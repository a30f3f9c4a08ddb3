"""Pods, as far as it matters here what data they run with: of thousands that are listed, little is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from secret_action.cluster.changes import moment
from secret_action.cluster.consumption import Use, reloader_marks, uses
from secret_action.cluster.live import Object, entries, is_going, name_of, section, text, uid_of

_HASH_LABELS = {"pod-template-hash": "Deployment", "rollouts-pod-template-hash": "Rollout"}
_STATE = ("name", "state", "lastState", "restartCount")
_CONDITIONS = ("PodScheduled", "Ready")

OwnerKey = tuple[str, str, str]
"""Namespace, kind and name."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One live pod."""

    name: str
    uid: str
    owner: OwnerKey
    """The workload that it belongs to; itself where it belongs to none."""
    made: datetime | None
    told: datetime | None
    """The last time that its kubelet had anything to tell of it, by the API server's clock."""
    going: bool
    """It is being deleted."""
    phase: str
    uses: tuple[Use, ...]
    """The Secrets that it reads itself, whatever the template says by now."""
    containers: tuple[Object, ...]
    """How its containers are, those that run first before the others."""
    conditions: tuple[Object, ...]
    marks: Mapping[str, str] = field(repr=False)
    """What Reloader has written into it: among that hashes of data."""

    @property
    def runs(self) -> bool:
        """It is neither at its end nor about to go."""
        return not self.going and self.phase not in ("Succeeded", "Failed")

    @property
    def ready(self) -> bool:
        """Its condition `Ready`."""
        return any((text(one, "type"), text(one, "status")) == ("Ready", "True") for one in self.conditions)

    def made_by(self, when: datetime) -> bool:
        """Whether it was made by then, or in that very second."""
        return self.made is None or self.made <= when

    def unchanged_since(self, when: datetime) -> bool:
        """Whether none of its containers has started since: its kubelet would have told."""
        return self.told is not None and self.told < when

    def started(self, use: Use) -> tuple[Object, ...] | None:
        """Those of its containers that read a Secret so and have started; None where the kubelet does not tell."""
        told = [one for one in self.containers if not use.containers or text(one, "name") in use.containers]
        return tuple(one for one in told if _has_started(one)) if told else None

    def use_of(self, secret: str) -> Use | None:
        """How it reads that Secret; None where it does not."""
        return next((use for use in self.uses if use.secret == secret), None)


def pod(live: Object) -> Pod:
    """What is kept of a live pod."""
    status = section(live, "status")
    containers = (*entries(status, "initContainerStatuses"), *entries(status, "containerStatuses"))
    return Pod(
        name_of(live),
        uid_of(live),
        _owner(live),
        moment(text(live, "metadata", "creationTimestamp")),
        _told(live),
        is_going(live),
        text(status, "phase"),
        uses(section(live, "spec")),
        tuple({name: one[name] for name in _STATE if name in one} for one in containers),
        tuple(one for one in entries(status, "conditions") if text(one, "type") in _CONDITIONS),
        reloader_marks(live),
    )


def _told(live: Object) -> datetime | None:
    times = [
        moment(text(entry, "time"))
        for entry in entries(section(live, "metadata"), "managedFields")
        if text(entry, "subresource") == "status"
    ]
    return None if None in times else max(filter(None, times), default=None)


def _owner(live: Object) -> OwnerKey:
    namespace = text(live, "metadata", "namespace")
    for owner in _controllers(live):
        kind, name = text(owner, "kind"), text(owner, "name")
        # A Deployment names its ReplicaSets after itself and the template's hash, which the pods bear as a label.
        for label, above in _HASH_LABELS.items() if kind == "ReplicaSet" else ():
            found = text(live, "metadata", "labels", label)
            if found and name.endswith(f"-{found}"):
                return namespace, above, name.removesuffix(f"-{found}")
        return namespace, kind, name
    return namespace, "Pod", name_of(live)


def _controllers(live: Object) -> Iterator[Object]:
    return (one for one in entries(section(live, "metadata"), "ownerReferences") if one.get("controller") is True)


def _has_started(container: Mapping[str, object]) -> bool:
    state = section(container, "state")
    ran = section(state, "running") or section(state, "terminated") or section(container, "lastState")
    return bool(ran) or bool(container.get("restartCount"))
