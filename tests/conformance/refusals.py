"""What refuses ESO's writes or our own: on the real API server the thing itself, on the stand-in its words."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.http import HttpServer, Request, Response, json_response
from sandbox.kubernetes import KubernetesServer
from sandbox.kubernetes_errors import ApiError
from sandbox.kubernetes_kinds import SECRET, Kind
from tests.conformance.lab import Lab, Object, eventually

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_NOWHERE = "https://127.0.0.1:1"


@contextmanager
def refusing_secrets(lab: Lab) -> Iterator[dict[str, str]]:
    """Secrets of these names are refused in the lab's namespace; gives for each what ESO says of it."""
    said = {
        "denied": 'admission webhook "denied.example.com" denied the request: not in this house',
        "away": 'Internal error occurred: failed calling webhook "away.example.com": failed to call webhook: Post '
        f'"{_NOWHERE}/?timeout=1s": dial tcp 127.0.0.1:1: connect: connection refused',
        "policy": 'secrets "policy" is forbidden: ValidatingAdmissionPolicy '
        f"'{lab.namespace}' with binding '{lab.namespace}' denied request: no such Secret here",
    }
    if isinstance(lab.cluster, KubernetesServer):
        with _on_the_stand_in(lab.cluster, lab.namespace, said):
            yield said
    else:
        with _Webhook("not in this house") as webhook, _on_the_real_one(lab, webhook, list(said)):
            yield said


@contextmanager
def full(lab: Lab) -> Iterator[str]:
    """The namespace's quota has no room for a Secret; gives what ESO says of one named `x`."""
    said = (
        'secrets "x" is forbidden: exceeded quota: few, requested: count/secrets=1, used: count/secrets=1, limited: '
        "count/secrets=1"
    )
    if isinstance(lab.cluster, KubernetesServer):
        with _on_the_stand_in(lab.cluster, lab.namespace, {"x": said}):
            yield said
        return
    path, few = f"/api/v1/namespaces/{lab.namespace}/resourcequotas", {"count/secrets": "1"}
    lab.cluster.request("POST", path, {"metadata": {"name": "few"}, "spec": {"hard": few}})
    # The controller that counts does not run here.
    lab.cluster.request("PATCH", f"{path}/few/status", {"status": {"hard": few, "used": few}})
    _until_refused(lab, "x")
    yield said


@contextmanager
def frozen(lab: Lab, by: str, path: str) -> Iterator[None]:
    """The object at this path may not be changed: a `webhook` or a `policy` answers with 403."""
    plural, name = path.split("/")[-2:]
    if isinstance(lab.cluster, KubernetesServer):
        said = {
            "webhook": 'admission webhook "frozen.example.com" denied the request: until Monday',
            "policy": f"{plural} \"{name}\" is forbidden: ValidatingAdmissionPolicy '{lab.namespace}' with binding "
            f"'{lab.namespace}' denied request: until Monday",
        }
        body = ApiError(403, "Forbidden", said[by]).status
        lab.cluster.faults.add(("PATCH", re.escape(path)), status=403, body=body, times=None)
        yield
        lab.cluster.faults.clear()
        return
    rule = _rule("UPDATE", plural)
    with _Webhook("until Monday", 403) as webhook:
        objects = {
            "webhook": _hooks(_hook(lab, rule, "frozen", name, webhook.client)),
            "policy": _policy(lab, rule, name, "until Monday", "Forbidden"),
        }
        with _posted(lab, objects[by]):
            change = {"metadata": {"annotations": {"tried": "yes"}}}
            eventually(lambda: lab.cluster.request("PATCH", f"{path}?dryRun=All", change)[0] == 403)
            yield


@contextmanager
def _on_the_stand_in(cluster: KubernetesServer, namespace: str, said: dict[str, str]) -> Iterator[None]:
    def admit(kind: Kind, obj: Object) -> None:
        name = obj["metadata"]["name"]
        if kind is SECRET and obj["metadata"]["namespace"] == namespace and name in said:
            raise ApiError(403, "Forbidden", said[name], kind=SECRET, name=name)

    cluster.store.admission.append(admit)
    try:
        yield
    finally:
        cluster.store.admission.remove(admit)


@contextmanager
def _on_the_real_one(lab: Lab, webhook: _Webhook, names: list[str]) -> Iterator[None]:
    rule = _rule("CREATE", "secrets")
    denied = _hook(lab, rule, "denied", "denied", webhook.client)
    away = _hook(lab, rule, "away", "away", {"url": f"{_NOWHERE}/"})
    with _posted(lab, _hooks(denied, away) | _policy(lab, rule, "policy", "no such Secret here", "Invalid")):
        for name in names:
            _until_refused(lab, name)
        yield


def _rule(operation: str, plural: str) -> Object:
    return {"apiGroups": ["*"], "apiVersions": ["*"], "operations": [operation], "resources": [plural]}


def _hook(lab: Lab, rule: Object, name: str, only: str, client: Object) -> Object:
    """One webhook, asked about objects of the lab that are called so."""
    condition = {"name": "name", "expression": f"object.metadata.name == '{only}'"}
    return {
        "name": f"{name}.example.com", "clientConfig": client, "rules": [rule], "namespaceSelector": _here(lab),
        "matchConditions": [condition], "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
    }  # fmt: skip


def _hooks(*hooks: Object) -> dict[str, Object]:
    return {"validatingwebhookconfigurations": {"webhooks": list(hooks)}}


def _policy(lab: Lab, rule: Object, refused: str, message: str, reason: str) -> dict[str, Object]:
    """A policy against objects of the lab that are called so, and what puts it into force."""
    validation = {"expression": f"object.metadata.name != '{refused}'", "message": message, "reason": reason}
    constraints = {"resourceRules": [rule], "namespaceSelector": _here(lab)}
    return {
        "validatingadmissionpolicies": {"spec": {"matchConstraints": constraints, "validations": [validation]}},
        "validatingadmissionpolicybindings": {"spec": {"policyName": lab.namespace, "validationActions": ["Deny"]}},
    }


def _here(lab: Lab) -> Object:
    return {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}}


@contextmanager
def _posted(lab: Lab, objects: dict[str, Object]) -> Iterator[None]:
    """These kinds of admission, each named after the lab."""
    metadata = {"name": lab.namespace}
    for plural, content in objects.items():
        status, answer = lab.cluster.request("POST", f"{_ADMISSION}/{plural}", {"metadata": metadata, **content})
        assert status == 201, answer
    try:
        yield
    finally:
        for plural in objects:
            lab.cluster.request("DELETE", f"{_ADMISSION}/{plural}/{lab.namespace}")


def _until_refused(lab: Lab, name: str) -> None:
    """The API server takes a moment until it minds a new rule."""
    create = {"metadata": {"name": name}}
    eventually(lambda: lab.cluster.request("POST", f"{lab.secrets}?dryRun=All", create)[0] != 201)


class _Webhook(HttpServer):
    """An admission webhook that refuses everything."""

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(tls=True)
        self._status = {"message": message, "code": code}

    @property
    def client(self) -> Object:
        """How the API server calls it."""
        assert self.ca_pem is not None
        return {"url": f"{self.url}/", "caBundle": base64.b64encode(self.ca_pem.encode()).decode()}

    def handle(self, request: Request) -> Response:
        review: dict[str, Any] = request.json()
        answer = {"uid": review["request"]["uid"], "allowed": False, "status": self._status}
        return json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer})
