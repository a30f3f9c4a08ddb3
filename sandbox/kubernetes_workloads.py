"""The stand-in's controllers of Deployments, StatefulSets and DaemonSets, and its kubelet: pods that really roll.

As much of kube-controller-manager as a roll shows to those who watch it; `tests/conformance/test_workloads.py` holds
it to the real one. They begin where a test or the demo asks for them.
"""

from __future__ import annotations

import hashlib
import json
import secrets as random
import threading
import time
from typing import Any, Self

from sandbox.kubelet import next_status
from sandbox.kubernetes_errors import ApiError
from sandbox.kubernetes_kinds import KINDS, POD, SECRET, Kind, Object
from sandbox.kubernetes_store import Change, Store, Writer

DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET = (
    next(kind for kind in KINDS if kind.name == name)
    for name in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
)
_WATCHED = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET, POD, SECRET)
_CONTROLLER = Writer("kube-controller-manager")
_STATUS = Writer("kube-controller-manager", subresource="status")
_KUBELET = Writer("kubelet", subresource="status")
_DEADLINE = 600.0  # seconds; `progressDeadlineSeconds` of a Deployment that names none


class Controllers:
    """All of them as one thread, from `with` to the end of the block."""

    def __init__(self, store: Store) -> None:
        self.troubles: dict[str, str] = {}
        """By namespace how its pods that start from now on fail: `crash` or `image`."""
        self._store = store
        self._progress: dict[str, tuple[Any, float]] = {}
        self._woken = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._store.listen(self._on_change)
        self._woken.set()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped = True
        self._woken.set()
        self._thread.join()

    def _on_change(self, change: Change) -> None:
        if change.kind in _WATCHED:
            self._woken.set()

    def _run(self) -> None:
        while not self._stopped:
            self._woken.wait(0.2)  # deadlines pass without an event
            self._woken.clear()
            for kind, reconcile in (
                (DEPLOYMENT, self._deployment),
                (STATEFUL_SET, self._stateful_set),
                (DAEMON_SET, self._daemon_set),
                (POD, self._pod),
            ):
                for live in self._store.listed(kind)[0]:
                    try:
                        reconcile(live)
                    except ApiError:
                        self._woken.set()  # it was changed or deleted meanwhile: the next round sees to it

    def _deployment(self, live: Object) -> None:
        spec, wanted = live["spec"], live["spec"].get("replicas", 1)
        digest = _digest(spec["template"])
        owned = self._owned(REPLICA_SET, live)
        new = next((each for each in owned if each["metadata"]["name"] == f"{_name(live)}-{digest}"), None)
        if new is None and not spec.get("paused"):
            template = _labelled(spec["template"], "pod-template-hash", digest)
            made = _child(live, f"{_name(live)}-{digest}", template["metadata"]["labels"])
            self._store.create(REPLICA_SET, made | {"spec": {"replicas": wanted, "template": template}}, _CONTROLLER)
            return
        pods = {_name(each): self._owned(POD, each) for each in owned}
        mine = pods.get(_name(new), []) if new else []
        available = sum(map(_ready, mine))
        for each in owned:
            target = wanted if each is new else min(wanted - available, len(pods[_name(each)]))
            if not spec.get("paused"):
                self._scale(each, pods[_name(each)], max(0, target))
        everyone = [pod for found in pods.values() for pod in found]
        conditions = self._conditions(live, new, [len(mine), available, len(everyone)], wanted)
        self._say(
            DEPLOYMENT,
            live,
            replicas=len(everyone),
            updatedReplicas=len(mine),
            readyReplicas=sum(map(_ready, everyone)),
            availableReplicas=sum(map(_ready, everyone)),
            conditions=conditions,
        )

    def _conditions(self, live: Object, new: Object | None, counts: list[int], wanted: int) -> list[Object]:
        """Progress, and the end of the controller's patience with it."""
        uid, state = live["metadata"]["uid"], (_name(new) if new else "", counts)
        if self._progress.get(uid, (None, 0.0))[0] != state:
            self._progress[uid] = state, time.monotonic()
        waited = time.monotonic() - self._progress[uid][1]
        progressing = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": ""}
        before = (live.get("status", {}).get("conditions") or [{}])[0].get("reason")
        complete = before == "NewReplicaSetAvailable" and counts[0] == counts[2]  # whatever its pods do after that
        if complete or counts == [wanted, wanted, wanted]:
            progressing["reason"] = "NewReplicaSetAvailable"
        elif new and waited > live["spec"].get("progressDeadlineSeconds", _DEADLINE):
            message = f'ReplicaSet "{_name(new)}" has timed out progressing.'
            progressing |= {"status": "False", "reason": "ProgressDeadlineExceeded", "message": message}
        return [progressing]

    def _scale(self, owner: Object, pods: list[Object], wanted: int) -> None:
        for _ in range(wanted - len(pods)):
            self._make_pod(owner, f"{_name(owner)}-{random.token_hex(3)[:5]}", owner["spec"]["template"])
        for pod in pods[wanted:]:
            self._store.delete(POD, pod["metadata"]["namespace"], _name(pod))

    def _stateful_set(self, live: Object) -> None:
        spec, wanted = live["spec"], live["spec"].get("replicas", 1)
        revision = f"{_name(live)}-{_digest(spec['template'])}"
        pods = {_name(pod): pod for pod in self._owned(POD, live)}
        names = [f"{_name(live)}-{number}" for number in range(wanted)]
        old = [name for name in names if name in pods and _revision(pods[name]) != revision]
        strategy = spec.get("updateStrategy") or {}
        partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        replaceable = [name for name in old if names.index(name) >= partition]
        all_ready = len(pods) == wanted and all(map(_ready, pods.values()))
        for name in names:
            if name not in pods:
                self._make_pod(live, name, _labelled(spec["template"], "controller-revision-hash", revision))
        if replaceable and strategy.get("type") != "OnDelete" and all_ready:
            self._store.delete(POD, live["metadata"]["namespace"], replaceable[-1])
        current = live["status"].get("currentRevision") if old or not all_ready else revision
        self._say(
            STATEFUL_SET,
            live,
            replicas=len(pods),
            updatedReplicas=len(pods) - len(old),
            readyReplicas=sum(map(_ready, pods.values())),
            availableReplicas=sum(map(_ready, pods.values())),
            currentRevision=current or revision,
            updateRevision=revision,
        )

    def _daemon_set(self, live: Object) -> None:
        """One pod, as on one node."""
        spec = live["spec"]
        revision = _digest(spec["template"])
        pods = self._owned(POD, live)
        new = [pod for pod in pods if _revision(pod) == revision]
        if not pods:
            template = _labelled(spec["template"], "controller-revision-hash", revision)
            self._make_pod(live, f"{_name(live)}-{random.token_hex(3)[:5]}", template)
        elif not new and (spec.get("updateStrategy") or {}).get("type") != "OnDelete":
            self._store.delete(POD, live["metadata"]["namespace"], _name(pods[0]))
        self._say(
            DAEMON_SET,
            live,
            desiredNumberScheduled=1,
            currentNumberScheduled=len(pods),
            updatedNumberScheduled=len(new),
            numberReady=sum(map(_ready, pods)),
            numberAvailable=sum(map(_ready, pods)),
        )

    def _pod(self, live: Object) -> None:
        """The kubelet; pods that nobody owns are a test's own."""
        metadata = live["metadata"]
        if "ownerReferences" not in metadata:
            return
        namespace = metadata["namespace"]
        found = next_status(
            live,
            lambda name: self._store.find(SECRET, namespace, name) is not None,
            self.troubles.get(namespace, ""),
        )
        if found:
            self._store.modify(POD, namespace, _name(live), lambda pod: pod | {"status": found}, _KUBELET)

    def _owned(self, kind: Kind, owner: Object) -> list[Object]:
        uid = owner["metadata"]["uid"]
        return [
            each
            for each in self._store.listed(kind, owner["metadata"]["namespace"])[0]
            if any(reference["uid"] == uid for reference in each["metadata"].get("ownerReferences") or [])
        ]

    def _make_pod(self, owner: Object, name: str, template: Object) -> None:
        pod = _child(owner, name, template["metadata"]["labels"])
        pod["metadata"]["annotations"] = template["metadata"].get("annotations") or {}
        self._store.create(POD, pod | {"spec": template["spec"]}, _CONTROLLER)

    def _say(self, kind: Kind, live: Object, **status: Any) -> None:
        status["observedGeneration"] = live["metadata"]["generation"]
        self._store.modify(
            kind, live["metadata"]["namespace"], _name(live), lambda found: found | {"status": status}, _STATUS
        )


def _name(thing: Object) -> str:
    name: str = thing["metadata"]["name"]
    return name


def _digest(template: Object) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def _revision(pod: Object) -> str:
    revision: str = pod["metadata"]["labels"].get("controller-revision-hash", "")
    return revision


def _ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _labelled(template: Object, label: str, value: str) -> Object:
    metadata = template.get("metadata") or {}
    return template | {"metadata": metadata | {"labels": (metadata.get("labels") or {}) | {label: value}}}


def _child(owner: Object, name: str, labels: Object) -> Object:
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": _name(owner),
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    namespace = owner["metadata"]["namespace"]
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": [reference]}}
