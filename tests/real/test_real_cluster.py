"""The real cluster is real: ESO syncs as written in the fact sheets that the proof of a refresh stands on."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any

import boto3
import pytest
from mypy_boto3_ssm import SSMClient

from sandbox.real.cluster import REGION, STORE, RealCluster
from sandbox.real.process import ClusterError
from secret_action.cluster import defaults

pytestmark = pytest.mark.real

METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARAMETER = "/zerotouch/prod/my-service/database_url"
VALUE = "postgres://u:p@db/one\nline two ✓="


@pytest.fixture
def ssm(ssm_url: str) -> SSMClient:
    """A client of the SSM that the cluster's ESO reads."""
    return boto3.client(
        "ssm",
        endpoint_url=ssm_url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_forced_refresh_brings_the_new_value_and_proves_it(
    real_cluster: RealCluster, ssm: SSMClient, version: str
) -> None:
    """Sync, write a new value, annotate: both proofs appear, whichever API version wrote the object."""
    ssm.put_parameter(Name=PARAMETER, Value=VALUE, Type="SecureString", Overwrite=True)
    path = _create_external_secret(real_cluster, version)
    _wait_for_sync(real_cluster, path)
    assert _secret(real_cluster, path) == VALUE
    assert _stated_hash(real_cluster, path) == data_hash({"DATABASE_URL": VALUE.encode()})

    ssm.put_parameter(Name=PARAMETER, Value="new", Type="SecureString", Overwrite=True)
    annotation = {"metadata": {"annotations": {"force-sync": "a-token"}}}
    status, patched = real_cluster.request("PATCH", path, annotation)
    assert status == 200
    assert patched["status"]["syncedResourceVersion"] != synced_resource_version(patched["metadata"])

    _wait_for_sync(real_cluster, path)
    assert _secret(real_cluster, path) == "new"
    assert _stated_hash(real_cluster, path) == data_hash({"DATABASE_URL": b"new"})


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_the_defaults_that_the_product_knows_are_the_crds(
    real_cluster: RealCluster, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that it reads from the cluster's own schema agree, name by name; anybody who is let in may read it."""
    token = real_cluster.add_user("reads-nothing", [], ["default"])
    status, schema = real_cluster.request("GET", f"/openapi/v3/apis/external-secrets.io/{version}", token=token)
    assert status == 200
    known = dict(defaults.ESO)
    monkeypatch.setattr(defaults, "ESO", {})
    told = {name: default for name, default in defaults.of_crd(schema).items() if default}
    assert told == {name: known[name] for name in told}
    assert {"conversionStrategy", "deletionPolicy", "refreshInterval", "templateAs"} <= set(told)


def test_a_metadata_only_read_of_a_secret_returns_no_data(real_cluster: RealCluster, ssm: SSMClient) -> None:
    """What the content proof reads holds the hash and none of the values."""
    ssm.put_parameter(Name=PARAMETER, Value=VALUE, Type="SecureString", Overwrite=True)
    path = _create_external_secret(real_cluster, "v1")
    _wait_for_sync(real_cluster, path)
    status, answer = real_cluster.request("GET", _secret_path(path), accept=METADATA_ONLY)
    assert status == 200
    assert answer["kind"] == "PartialObjectMetadata"
    assert set(answer) == {"kind", "apiVersion", "metadata"}


def test_a_user_has_the_rights_that_were_given_and_no_other(real_cluster: RealCluster) -> None:
    """Rules hold in their namespace only, and a second grant adds to the first."""
    real_cluster.create_namespace("granted")
    rule = {"apiGroups": ["external-secrets.io"], "resources": ["externalsecrets"], "verbs": ["list"]}
    token = real_cluster.add_user("reader", [rule], ["granted"])
    granted, other = (f"/apis/external-secrets.io/v1/namespaces/{n}" for n in ("granted", "default"))
    assert real_cluster.request("GET", f"{granted}/externalsecrets", token=token)[0] == 200
    assert real_cluster.request("GET", f"{other}/externalsecrets", token=token)[0] == 403
    assert real_cluster.request("GET", f"{granted}/secretstores", token=token)[0] == 403

    stores = {"apiGroups": ["external-secrets.io"], "resources": ["clustersecretstores"], "verbs": ["list"]}
    assert real_cluster.add_user("reader", [stores]) == token
    path = "/apis/external-secrets.io/v1/clustersecretstores"
    assert real_cluster.request("GET", path, token=token)[0] == 200


def test_a_restarted_api_server_keeps_its_address_and_eso_goes_on(real_cluster: RealCluster, ssm: SSMClient) -> None:
    """An outage of the API server is survived by clients that hold a kubeconfig from before."""
    url, ca_pem = real_cluster.url, real_cluster.ca_pem
    real_cluster.restart_apiserver()
    assert (real_cluster.url, real_cluster.ca_pem) == (url, ca_pem)
    ssm.put_parameter(Name=PARAMETER, Value=VALUE, Type="SecureString", Overwrite=True)
    _wait_for_sync(real_cluster, _create_external_secret(real_cluster, "v1"))


def test_nothing_syncs_while_eso_is_stopped(real_cluster: RealCluster, ssm: SSMClient) -> None:
    """What was asked for meanwhile is done when it is back; its log tells of both."""
    ssm.put_parameter(Name=PARAMETER, Value=VALUE, Type="SecureString", Overwrite=True)
    real_cluster.stop_eso()
    path = _create_external_secret(real_cluster, "v1")
    time.sleep(0.5)
    assert "status" not in real_cluster.request("GET", path)[1]
    real_cluster.start_eso()
    _wait_for_sync(real_cluster, path)
    assert path.split("/")[-3] in real_cluster.eso_log()


def test_an_unknown_kind_is_refused_by_name(real_cluster: RealCluster) -> None:
    """A typing error in a test's object says what is wrong."""
    with pytest.raises(ClusterError, match=r"serves no ExternalSecrt of external-secrets\.io/v1"):
        real_cluster.apply({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecrt", "metadata": {"name": "x"}})


def synced_resource_version(metadata: dict[str, Any]) -> str:
    """What ESO >= 0.16.2 states after a sync of an object with that metadata (fact sheet eso, 1.3)."""
    maps = {name: _go_map(metadata.get(name, {})) for name in ("annotations", "labels")}
    text = f"{{annotations:{maps['annotations']} labels:{maps['labels']}}}"
    return f"{metadata['generation']}-{hashlib.sha3_224(text.encode()).hexdigest()}"


def data_hash(data: dict[str, bytes]) -> str:
    """What ESO >= 0.16.2 states on a Secret with that data (fact sheet eso, 3.3)."""
    text = _go_map({key: f"[{' '.join(map(str, value))}]" for key, value in data.items()})
    return hashlib.sha3_224(text.encode()).hexdigest()


def _go_map(entries: dict[str, str]) -> str:
    """A map as Go prints it with %+v."""
    return f"map[{' '.join(f'{key}:{entries[key]}' for key in sorted(entries, key=str.encode))}]"


def _create_external_secret(cluster: RealCluster, version: str) -> str:
    """Create an ExternalSecret in a namespace of its own; returns its path."""
    namespace = f"ns-{time.monotonic_ns()}"
    cluster.create_namespace(namespace)
    cluster.apply(
        {
            "apiVersion": f"external-secrets.io/{version}",
            "kind": "ExternalSecret",
            "metadata": {
                "name": "app",
                "namespace": namespace,
                "labels": {"zerotouch.io/managed": "true"},
                "annotations": {"b": "2", "a": "1"},
            },
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": {"kind": "ClusterSecretStore", "name": STORE},
                "data": [{"secretKey": "DATABASE_URL", "remoteRef": {"key": PARAMETER}}],
            },
        }
    )
    return f"/apis/external-secrets.io/{version}/namespaces/{namespace}/externalsecrets/app"


def _wait_for_sync(cluster: RealCluster, path: str) -> None:
    """Wait until ESO states that it has synced the ExternalSecret with the metadata that it has now."""

    deadline = time.monotonic() + 20
    while True:
        found = cluster.request("GET", path)[1]
        stated = found.get("status", {}).get("syncedResourceVersion")
        if stated == synced_resource_version(found["metadata"]):
            return
        assert time.monotonic() < deadline, f"{found.get('status')}\n{cluster.eso_log()[-2000:]}"
        time.sleep(0.05)


def _secret_path(external_secret_path: str) -> str:
    """The path of the Secret that an ExternalSecret of the same name makes."""
    namespace = external_secret_path.split("/")[-3]
    return f"/api/v1/namespaces/{namespace}/secrets/app"


def _secret(cluster: RealCluster, external_secret_path: str) -> str:
    data = cluster.request("GET", _secret_path(external_secret_path))[1]["data"]
    assert set(data) == {"DATABASE_URL"}
    return base64.b64decode(data["DATABASE_URL"]).decode()


def _stated_hash(cluster: RealCluster, external_secret_path: str) -> str:
    answer = cluster.request("GET", _secret_path(external_secret_path), accept=METADATA_ONLY)[1]
    stated: str = answer["metadata"]["annotations"]["reconcile.external-secrets.io/data-hash"]
    return stated
