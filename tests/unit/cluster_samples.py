"""ExternalSecrets, rendered and live, for the tests of the cluster room, and a small scripted outside."""

from __future__ import annotations

import copy
from contextlib import contextmanager

from secret_action.cluster.hashes import synced_version
from secret_action.model import ExternalSecret, Location, Reference
from secret_action.naming import MANAGED_LABEL
from secret_action.selector import parse_selector
from secret_action.settings import ClusterSettings
from secret_action.values import SecretValue

SHA3 = "1-" + "0" * 56
MD5 = "1-" + "0" * 32
PATH = "/zerotouch/dev/shop/a"
LABELS = {MANAGED_LABEL: "true"}


class Time:
    """A clock that a test moves."""

    def __init__(self):
        self.at = 0.0

    def now(self):
        return self.at

    def sleep(self, seconds):
        self.at += seconds


class Log:
    """Keeps what it is told."""

    def __init__(self):
        self.lines, self.progressed, self.masked = [], [], []

    @contextmanager
    def stage(self, title):
        yield

    def line(self, text):
        self.lines.append(text)

    def progress(self, text):
        self.progressed.append(text)

    def mask(self, text):
        self.masked.append(text)


def rendered(name="a", namespace="shop", labels=None, references=None, **spec):
    """A rendered ExternalSecret that reads PATH."""
    labels = LABELS if labels is None else labels
    paths = references or [PATH]
    found = {
        "secretStoreRef": {"name": "aws-parameter-store", "kind": "ClusterSecretStore"},
        "refreshInterval": "1h",
        "data": [{"secretKey": f"K{at}", "remoteRef": {"key": path}} for at, path in enumerate(paths)],
    }
    return ExternalSecret(
        name,
        namespace,
        "external-secrets.io/v1",
        labels.get(MANAGED_LABEL) == "true",
        found | spec,
        labels,
        {},
        tuple(Reference(path, Location("es.yaml", 1), name, f"K{at}") for at, path in enumerate(paths)),
        Location("es.yaml", 1),
    )


def live(es=None, *, version=10, uid="u1", annotations=None, ready=("True", "SecretSynced", "secret synced"), **status):
    """A live one of it, synced long ago by a token of another run."""
    es = es or rendered()
    metadata = {
        "name": es.name,
        "namespace": es.namespace,
        "uid": uid,
        "resourceVersion": str(version),
        "generation": 1,
        "labels": dict(es.labels),
        "annotations": annotations or {},
    }
    condition = dict(zip(("status", "reason", "message"), ready, strict=True), type="Ready") if ready else None
    found = {"conditions": [condition] if condition else [], "syncedResourceVersion": SHA3, **status}
    return {"metadata": metadata, "spec": copy.deepcopy(dict(es.spec)), "status": found}


def patched(before, token, version=None):
    """What the API server answers to our patch of it."""
    after = copy.deepcopy(before)
    after["metadata"]["annotations"]["force-sync"] = token
    after["metadata"]["resourceVersion"] = str(version or int(before["metadata"]["resourceVersion"]) + 1)
    return after


def synced(before, version=None, ready=("True", "SecretSynced", "secret synced"), like=SHA3):
    """The same after ESO has synced what it is now."""
    after = copy.deepcopy(before)
    after["status"]["syncedResourceVersion"] = synced_version(after["metadata"], like=like)
    after["status"]["conditions"] = [dict(zip(("status", "reason", "message"), ready, strict=True), type="Ready")]
    after["metadata"]["resourceVersion"] = str(version or int(before["metadata"]["resourceVersion"]) + 1)
    return after


def failed(before, message="could not get secret data from provider"):
    """The same after ESO has tried and failed."""
    after = copy.deepcopy(before)
    after["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": message}
    ]
    after["metadata"]["resourceVersion"] = str(int(before["metadata"]["resourceVersion"]) + 1)
    return after


def settings(kubeconfig=None, **changes):
    """Settings of the cluster with what a test changes."""
    given = {
        "kubeconfig": None if kubeconfig is None else SecretValue(kubeconfig),
        "kubeconfig_from": "kubeconfig",
        "context": "",
        "eks_cluster": "",
        "namespace": "",
        "selector": parse_selector("zerotouch.io/managed=true"),
        "store": "aws-parameter-store",
        "refresh": "always",
        "timeout": 300.0,
    }
    return ClusterSettings(**(given | changes))
