"""What alters an object on its way into the cluster: on the real API server an admission webhook, as policies are."""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jsonpatch

from sandbox.http import HttpServer, Request, Response, json_response
from sandbox.kubernetes import KubernetesServer
from sandbox.kubernetes_kinds import Kind
from tests.conformance.lab import Lab, Object, eventually

_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"

Change = Callable[[Object], None]
"""Alters an object in place; it may wait, as a slow webhook does."""


@contextmanager
def altering(lab: Lab, plural: str, change: Change) -> Iterator[None]:
    """Each `externalsecrets` or `secrets` of the lab's namespace is altered as it is created and changed."""
    if isinstance(lab.cluster, KubernetesServer):
        store = lab.cluster.store

        def mutate(kind: Kind, obj: Object) -> None:
            if kind.plural == plural and obj["metadata"].get("namespace") == lab.namespace:
                change(obj)

        store.mutation.append(mutate)
        try:
            yield
        finally:
            store.mutation.remove(mutate)
        return
    with _Webhook(change) as webhook:
        name = f"{lab.namespace}-{plural}"
        assert webhook.ca_pem is not None
        authority = base64.b64encode(webhook.ca_pem.encode()).decode()
        group = "" if plural == "secrets" else "external-secrets.io"
        rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": [plural]}
        hook = {
            "name": f"{name}.example.com", "clientConfig": {"url": f"{webhook.url}/", "caBundle": authority},
            "rules": [rule], "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}},
            "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 10,
        }  # fmt: skip
        status, answer = lab.cluster.request("POST", _WEBHOOKS, {"metadata": {"name": name}, "webhooks": [hook]})
        assert status == 201, answer
        try:
            eventually(lambda: _asked(lab, plural, webhook))
            yield
        finally:
            lab.cluster.request("DELETE", f"{_WEBHOOKS}/{name}")
            eventually(lambda: not _asked(lab, plural, webhook))


def _asked(lab: Lab, plural: str, webhook: _Webhook) -> bool:
    """Whether the API server asks the webhook by now: it takes a moment to mind a change of its configuration."""
    before = len(webhook.requests)
    if plural == "secrets":
        lab.cluster.request("POST", f"{lab.secrets}?dryRun=All", {"metadata": {"name": "dry"}})
    else:
        lab.cluster.request("POST", f"{lab.path}?dryRun=All", lab.manifest("dry"))
    time.sleep(0.05)
    return any("dry" in str(request.body) for request in webhook.requests[before:])


class _Webhook(HttpServer):
    """An admission webhook that admits everything, altered."""

    def __init__(self, change: Change) -> None:
        super().__init__(tls=True)
        self._change = change

    def handle(self, request: Request) -> Response:
        review = request.json()
        before = review["request"]["object"]
        after = copy.deepcopy(before)
        self._change(after)
        patch = base64.b64encode(json.dumps(jsonpatch.make_patch(before, after).patch).encode()).decode()
        answer = {"uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch", "patch": patch}
        return json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer})
