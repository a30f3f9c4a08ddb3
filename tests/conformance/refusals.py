"""What refuses a Secret that ESO writes: on the real API server the thing itself, on the stand-in its words."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.http import HttpServer, Request, Response, json_response
from sandbox.kubernetes import KubernetesServer
from sandbox.kubernetes_errors import ApiError
from sandbox.kubernetes_kinds import SECRET, Kind
from tests.conformance.lab import Lab, Object, eventually

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_SECRETS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
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
        with _Webhook() as webhook, _on_the_real_one(lab, webhook, list(said)):
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
    here = {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}}

    def hook(name: str, client: Object) -> Object:
        only = [{"name": "name", "expression": f"object.metadata.name == '{name}'"}]
        return {
            "name": f"{name}.example.com", "clientConfig": client, "rules": [_SECRETS], "namespaceSelector": here,
            "matchConditions": only, "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
        }  # fmt: skip

    assert webhook.ca_pem is not None
    authority = base64.b64encode(webhook.ca_pem.encode()).decode()
    metadata = {"name": lab.namespace}
    objects = {
        "validatingwebhookconfigurations": {
            "webhooks": [
                hook("denied", {"url": f"{webhook.url}/", "caBundle": authority}),
                hook("away", {"url": f"{_NOWHERE}/"}),
            ]
        },
        "validatingadmissionpolicies": {
            "spec": {
                "matchConstraints": {"resourceRules": [_SECRETS], "namespaceSelector": here},
                "validations": [{"expression": "object.metadata.name != 'policy'", "message": "no such Secret here"}],
            }
        },
        "validatingadmissionpolicybindings": {"spec": {"policyName": lab.namespace, "validationActions": ["Deny"]}},
    }
    for plural, content in objects.items():
        status, answer = lab.cluster.request("POST", f"{_ADMISSION}/{plural}", {"metadata": metadata, **content})
        assert status == 201, answer
    try:
        for name in names:
            _until_refused(lab, name)
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

    def __init__(self) -> None:
        super().__init__(tls=True)

    def handle(self, request: Request) -> Response:
        review: dict[str, Any] = request.json()
        answer = {"uid": review["request"]["uid"], "allowed": False, "status": {"message": "not in this house"}}
        return json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer})
