"""What a run says of a failure in the cluster: the cause and the remedy, never a value, never what it does not know."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.kubernetes import STORE
from sandbox.kubernetes_errors import ApiError
from sandbox.kubernetes_kinds import SECRET, Kind
from sandbox.runner import RunResult
from sandbox.world import SERVICE, VALUES
from tests.scenarios.conftest import CheckedWorld
from tests.scenarios.test_cluster_days import eventually, tenants_with

pytestmark = pytest.mark.thorough

OBJECTS = f"/apis/external-secrets.io/v1/namespaces/{SERVICE}/externalsecrets"
JWKS = "/zerotouch/prod/zerotouch-platform/jwks_url"


def diagnoses(result: RunResult) -> dict[str, dict[str, Any]]:
    """Of each ExternalSecret that has one, from the JSON report."""
    assert result.report
    return {each["name"]: each["diagnosis"] for each in result.report["external_secrets"] if each["diagnosis"]}


def say(world: CheckedWorld, external_secret: str, text: str) -> None:
    """Has an event about an ExternalSecret say something, newer than all others, and its condition that it fails."""
    about = world.cluster.request("GET", f"{OBJECTS}/{external_secret}")[1]
    failing = {"type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": "could not update secret"}
    path = f"{OBJECTS}/{external_secret}/status"
    assert world.cluster.request("PATCH", path, {"status": {"conditions": [failing]}})[0] == 200
    event = {
        "metadata": {"name": f"{external_secret}.said", "namespace": SERVICE},
        "involvedObject": {"kind": "ExternalSecret", "name": external_secret, "uid": about["metadata"]["uid"]},
        "type": "Warning",
        "reason": "UpdateFailed",
        "message": text,
        "lastTimestamp": "2099-01-01T00:00:00Z",
    }
    assert world.cluster.request("POST", f"/api/v1/namespaces/{SERVICE}/events", event)[0] == 201


@pytest.mark.parametrize(
    "shown",
    [
        json.dumps("postgres://app:Sup3rS3cret&More@db?a=1&b=<2>").replace("&", "\\u0026").replace("<", "\\u003c"),
        "postgres://app:Sup3rS3cret&M",
        "…pp:Sup3rS3cret&More@db?a=1&b=<2>",
    ],
    ids=["as Go writes it", "its beginning", "its end"],
)
def test_a_value_in_an_event_is_not_shown(world, shown):
    """An admission webhook may print what it refuses, in its own way, or cut."""
    values = VALUES | {"DATABASE_URL": "postgres://app:Sup3rS3cret&More@db?a=1&b=<2>"}
    assert world.run(values).exit_code == 0
    world.cluster.stop_eso()
    say(world, "my-service-db", f'admission webhook "x.example" denied the request: {shown} is no good')
    result = world.run(values, timeout="2")
    assert result.exit_code == 1
    (said,) = [text for text in diagnoses(result)["my-service-db"]["observed"] if "webhook" in text]
    assert "***" in said
    assert "Sup3rS3cret" not in result.log_as_shown() + result.summary + json.dumps(result.report)


def test_a_foreign_parameter_that_we_may_not_read_is_not_called_there(world):
    """Nothing is claimed of it: neither that it exists, nor that another region is read."""
    world.aws.delete(JWKS)
    reads = ("GetParameters", "DescribeParameters", "GetParametersByPath")
    world.aws.denies.append(lambda operation, name: operation in reads and name.startswith(JWKS.rpartition("/")[0]))
    result = world.run(timeout="3")
    assert result.exit_code == 1
    told = diagnoses(result)["platform-global-config"]
    assert told["cause"] == f"The parameter {JWKS} is not in SSM."
    assert not any("as this run sees it" in text for text in told["observed"])


def test_the_name_of_a_parameter_decides_nothing(make_world, tmp_path):
    """A key named after throttling, under a service of templates, is missing and nothing else."""
    tenants = tenants_with(tmp_path, lambda text: text.replace("database_url", "throttling_template"))
    world = make_world(tenants=tenants)
    world.deploy()
    values = {name: value for name, value in VALUES.items() if name != "DATABASE_URL"}
    for name, value in values.items():
        world.aws.put(f"/zerotouch/prod/my-service/{name.lower()}", value)
    result = world.run(values, mode="refresh", timeout="3")
    assert result.exit_code == 1
    cause = diagnoses(result)["my-service-db"]["cause"]
    assert cause == "The parameter /zerotouch/prod/my-service/throttling_template is not in SSM."


ROLE = "arn:aws:iam::123456789012:role/external-secrets-prod"
STORES = "/apis/external-secrets.io/v1/clustersecretstores"


def key_without_rights(world: CheckedWorld) -> None:
    """ESO's role may read the parameter, and not decrypt it."""
    message = (
        f"User: arn:aws:sts::123456789012:assumed-role/eso/{'long-' * 20}session is not authorized to perform: "
        "kms:Decrypt on resource: arn:aws:kms:us-east-1:123456789012:key/1 (Service: AWSKMS)"
    )
    world.aws.fail("GetParameter", code="AccessDeniedException", message=message, times=None)


def role_that_does_not_trust(world: CheckedWorld) -> None:
    """STS knows no trust of the role that ESO's service account names, as in the examples."""
    account = {"name": "external-secrets", "namespace": "external-secrets"}
    world.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": account | {"annotations": {"eks.amazonaws.com/role-arn": ROLE}},
        }
    )
    auth = {"auth": {"jwt": {"serviceAccountRef": account}}}
    world.cluster.request("PATCH", f"{STORES}/{STORE}", {"spec": {"provider": {"aws": auth}}})
    eventually(lambda: "unable to validate" in json.dumps(world.cluster.request("GET", f"{STORES}/{STORE}")[1]))


def store_by_another_name(world: CheckedWorld) -> None:
    """The platform has it under a name that differs in one letter."""
    _, store = world.cluster.request("GET", f"{STORES}/{STORE}")
    world.cluster.request("DELETE", f"{STORES}/{STORE}")
    world.cluster.request("POST", STORES, store | {"metadata": {"name": "aws-parameters-store"}})


def webhook_that_is_away(world: CheckedWorld) -> None:
    """Kyverno's pods are down."""

    def admit(kind: Kind, obj: dict[str, Any]) -> None:
        if kind is SECRET:
            text = 'Internal error occurred: failed calling webhook "validate.kyverno.svc-fail": dial tcp 10.0.0.7:443'
            raise ApiError(500, "InternalError", text)

    world.cluster.store.admission.append(admit)


@pytest.mark.parametrize(
    ("trouble", "cause", "remedy"),
    [
        (key_without_rights, "it lacks kms:Decrypt on the parameter's key", "in the key's policy"),
        (
            role_that_does_not_trust,
            f"The trust policy of the IAM role {ROLE} does not admit the service account external-secrets/external-se",
            "system:serviceaccount:external-secrets:external-secrets",
        ),
        (store_by_another_name, "ClusterSecretStore aws-parameters-store may be meant", "spec.secretStoreRef"),
        (webhook_that_is_away, "validate.kyverno.svc-fail does not answer", "leave out Secrets"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_the_cause_and_the_remedy_are_told(make_world, trouble, cause, remedy):
    """With no more rights than the example gives: in the summary, and not as something else."""
    world = make_world()
    trouble(world)
    world.deploy()
    result = world.run(timeout="3")
    assert result.exit_code == 1
    told = diagnoses(result)["my-service-db"]
    assert cause in told["cause"]
    assert remedy in told["remedy"]
    assert cause in result.summary.replace("`", "")
