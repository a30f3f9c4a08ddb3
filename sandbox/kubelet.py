"""A kubelet without containers: pods run, or fail as a test says, by their status alone.

`next_status` is what the stand-in's controllers use; `Kubelet` does the same to a real API server, over HTTP.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

Object = dict[str, Any]
Request = Callable[..., tuple[int, Any]]

NODE = "node-1"
_HOUR = 3600.0  # seconds
CRASHED = "FATAL: password authentication failed for user app"


def next_status(pod: Object, has_secret: Callable[[str], bool], trouble: str = "") -> Object | None:
    """What a kubelet would write now; None where nothing changes.

    trouble: `crash` or `image` for pods that are to fail so; `ahead` for a node whose clock is an hour ahead.
    """
    current = pod.get("status", {})
    before = {state["name"]: state for state in current.get("containerStatuses") or []}
    if before and all("running" in state["state"] for state in before.values()):
        return None
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + _HOUR * (trouble == "ahead")))
    first = [_first(each, has_secret, now) for each in pod["spec"].get("initContainers") or []]
    if all(state["ready"] for state in first):
        states = [_container(each, pod, has_secret, trouble, now) for each in pod["spec"]["containers"]]
    else:
        states = [_waiting(each, "PodInitializing", "") for each in pod["spec"]["containers"]]
    if [state["state"] for state in states] == [each["state"] for each in before.values()]:
        return None
    ready = all(state["ready"] for state in states)
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now}
    phase = "Running" if ready or trouble == "crash" else "Pending"
    return {
        "phase": phase,
        "conditions": [condition],
        "initContainerStatuses": first,
        "containerStatuses": states,
    }


def _first(container: Object, has_secret: Callable[[str], bool], now: str) -> Object:
    """Of a container that runs before the others: it has done its work, or waits for a Secret."""
    if missing := [secret for secret in _required(container) if not has_secret(secret)]:
        return _waiting(container, "CreateContainerConfigError", f'secret "{missing[0]}" not found')
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}
    return _state(container) | {"ready": True, "state": {"terminated": ended}}


def _state(container: Object) -> Object:
    name, image = container["name"], container["image"]
    return {"name": name, "image": image, "imageID": "", "ready": False, "restartCount": 0}


def _waiting(container: Object, reason: str, message: str) -> Object:
    return _state(container) | {"state": {"waiting": {"reason": reason, "message": message}}}


def _container(container: Object, pod: Object, has_secret: Callable[[str], bool], trouble: str, now: str) -> Object:
    name, image, state = container["name"], container["image"], _state(container)
    missing = [secret for secret in _required(container) if not has_secret(secret)]
    if missing:
        waiting = {"reason": "CreateContainerConfigError", "message": f'secret "{missing[0]}" not found'}
    elif trouble == "image":
        waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}": not found'}
    elif trouble == "crash":
        message = f"back-off 40s restarting failed container={name} pod={pod['metadata']['name']}"
        waiting = {"reason": "CrashLoopBackOff", "message": message}
        ended = {"exitCode": 1, "reason": "Error", "message": CRASHED, "startedAt": now, "finishedAt": now}
        state |= {"restartCount": 4, "lastState": {"terminated": ended}}
    else:
        return state | {"ready": True, "started": True, "state": {"running": {"startedAt": now}}}
    return state | {"state": {"waiting": waiting}}


def _required(container: Object) -> Iterator[str]:
    for source in container.get("envFrom") or []:
        if (reference := source.get("secretRef")) and not reference.get("optional"):
            yield reference["name"]
    for variable in container.get("env") or []:
        reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if reference and not reference.get("optional"):
            yield reference["name"]


class Kubelet:
    """Runs the pods of all namespaces of a real cluster, on one node that it makes."""

    def __init__(self, request: Request) -> None:
        self.troubles: dict[str, str] = {}
        """By namespace how its pods that start from now on fail, or that their node's clock is `ahead`."""
        self._request = request
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._request("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
        # The API server taints every new node as not ready; a DaemonSet waits until that is gone.
        self._request("PATCH", f"/api/v1/nodes/{NODE}", {"spec": {"taints": None}})
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(0.1):
            for pod in self._request("GET", "/api/v1/pods")[1].get("items", []):
                self._tend(pod)

    def _tend(self, pod: Object) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        if "deletionTimestamp" in pod["metadata"]:
            self._request("DELETE", path, {"gracePeriodSeconds": 0})
            return
        if "ownerReferences" not in pod["metadata"]:
            return
        if not pod["spec"].get("nodeName") and pod["metadata"]["ownerReferences"][0]["kind"] == "DaemonSet":
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            self._request("POST", f"{path}/binding", {"metadata": {"name": name}, "target": target})
        secrets = f"/api/v1/namespaces/{namespace}/secrets"

        def has_secret(secret: str) -> bool:
            return self._request("GET", f"{secrets}/{secret}")[0] == 200

        if status := next_status(pod, has_secret, self.troubles.get(namespace, "")):
            self._request("PATCH", f"{path}/status", {"status": status})
