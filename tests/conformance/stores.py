"""Stores of a test's own, beside the one that all tests read."""

from typing import Any

from tests.conformance.lab import ESO, Lab


def make_store(lab: Lab, name: str, kind: str = "SecretStore", **spec: Any) -> dict[str, str]:
    """A store of this test's own; returns the reference to it."""
    aws = {"service": "ParameterStore", "region": "us-east-1", **spec.pop("aws", {})}
    name = name if kind == "SecretStore" else f"{lab.namespace}-{name}"
    lab.cluster.apply(
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": kind,
            "metadata": {"name": name, **({"namespace": lab.namespace} if kind == "SecretStore" else {})},
            "spec": {"provider": {"aws": aws}, **spec},
        }
    )
    return {"name": name, "kind": kind}


def store_path(lab: Lab, reference: dict[str, str]) -> str:
    if reference["kind"] == "SecretStore":
        return f"{ESO}/namespaces/{lab.namespace}/secretstores/{reference['name']}"
    return f"{ESO}/clustersecretstores/{reference['name']}"
