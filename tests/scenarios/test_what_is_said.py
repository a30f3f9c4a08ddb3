"""What a run says of a failure in the cluster: the cause and the remedy, never a value, never what it does not know."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.runner import RunResult
from sandbox.world import SERVICE, VALUES
from tests.scenarios.conftest import CheckedWorld
from tests.scenarios.test_cluster_days import tenants_with

OBJECTS = f"/apis/external-secrets.io/v1/namespaces/{SERVICE}/externalsecrets"
JWKS = "/zerotouch/prod/zerotouch-platform/jwks_url"


def diagnoses(result: RunResult) -> dict[str, dict[str, Any]]:
    """Of each ExternalSecret that has one, from the JSON report."""
    assert result.report
    return {each["name"]: each["diagnosis"] for each in result.report["external_secrets"] if each["diagnosis"]}


def say(world: CheckedWorld, external_secret: str, text: str) -> None:
    """Has an event about an ExternalSecret say something, newer than all others."""
    about = world.cluster.request("GET", f"{OBJECTS}/{external_secret}")[1]
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
