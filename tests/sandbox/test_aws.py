"""The sandbox's AWS answers boto3 as AWS does, also where moto alone would let things pass."""

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from sandbox.aws import AwsServer
from sandbox.oidc import OidcServer

NAME = "/zerotouch/prod/my-service/database_url"
ROLE = "arn:aws:iam::123456789012:role/release"


@pytest.fixture
def server() -> Iterator[AwsServer]:
    with AwsServer() as running:
        yield running


def client(server: AwsServer, service: str = "ssm", **options: Any) -> Any:
    options = {"aws_access_key_id": "AKIASANDBOX", "aws_secret_access_key": "not-a-key", **options}
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    region = options.pop("region_name", "us-east-1")
    make: Any = boto3.client  # typed for each service by its literal name
    return make(service, region_name=region, endpoint_url=server.url, config=config, **options)


def put(ssm: Any, name: str = NAME, value: str = "value", **more: Any) -> Any:
    return ssm.put_parameter(Name=name, Value=value, **{"Type": "SecureString", **more})


def refusal(call: Any, *args: Any, **more: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(*args, **more)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_values_keep_their_bytes_and_calls_are_recorded_in_order(server: AwsServer) -> None:
    ssm, value = client(server), "line one\nline two = “x” 😀\n"
    put(ssm, value=value, KeyId="alias/own", Description="text", Tags=[{"Key": "a", "Value": "b"}])
    names = [NAME, "/zerotouch/prod/my-service/api_key"]
    put(ssm, names[1])
    answer = ssm.get_parameters(Names=[*names, "/none"], WithDecryption=True)
    assert [p["Name"] for p in answer["Parameters"]] == sorted(names)
    assert answer["Parameters"][1]["Value"] == value
    assert answer["InvalidParameters"] == ["/none"]
    stored = server.parameters()[NAME]
    assert stored == {
        "value": value,
        "type": "SecureString",
        "version": 1,
        "key_id": "alias/own",
        "tier": "Standard",
        "description": "text",
        "tags": {"a": "b"},
    }
    assert [str(call) for call in server.calls] == ["PutParameter", "PutParameter", "GetParameters"]
    assert server.calls[2].names == [*names, "/none"]
    assert server.calls[0].status == 200


def test_an_undecrypted_value_does_not_show_the_plain_one(server: AwsServer) -> None:
    server.put(NAME, "plain text")
    shown = client(server).get_parameter(Name=NAME)["Parameter"]["Value"]
    assert "plain" not in shown


def test_each_server_and_each_region_starts_empty(server: AwsServer) -> None:
    server.put(NAME, "value")
    assert client(server, region_name="eu-west-1").get_parameters(Names=[NAME])["InvalidParameters"] == [NAME]
    with AwsServer() as other:
        assert other.parameters() == {}


def test_an_overwrite_without_a_key_moves_to_the_default_key(server: AwsServer) -> None:
    server.put(NAME, "value", key_id="alias/own")
    assert put(client(server), Overwrite=True)["Version"] == 2
    assert server.parameters()[NAME]["key_id"] == "alias/aws/ssm"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"value": ""}, "Member must have length greater than or equal to 1."),
        ({"value": "é" * 2049}, "Standard tier parameters support a maximum parameter value of 4096 characters."),
        ({"value": "x" * 8193, "Tier": "Advanced"}, "Advanced tier parameters support a maximum"),
        ({"name": "a/b"}, "Parameter name must be a fully qualified name."),
        ({"name": "/a b"}, "Parameter name: can't be prefixed with"),
        ({"name": "/a//b"}, "Parameter name: can't be prefixed with"),
        ({"name": "/a:b"}, "Parameter name: can't be prefixed with"),
        ({"name": "/" + "x" * 1000}, "longer than 1011 characters"),
        ({"name": "/a" * 16}, "A hierarchy can have a maximum of 15 levels."),
        ({"Type": None, "Overwrite": True}, "A parameter type is required when you create a parameter."),
        ({"Overwrite": True, "Tags": [{"Key": "a", "Value": "b"}]}, "tags and overwrite can't be used together"),
    ],
)
def test_what_moto_takes_and_aws_refuses_is_refused(server: AwsServer, asked: dict[str, Any], message: str) -> None:
    asked = {"name": NAME, "value": "value", "Type": "SecureString", **asked}
    asked = {key: value for key, value in asked.items() if value is not None}
    wanted = {"Name": asked.pop("name"), "Value": asked.pop("value"), **asked}
    code, text = refusal(client(server).put_parameter, **wanted)
    assert message in text
    assert code in ("ValidationException", "HierarchyLevelLimitExceededException")
    assert server.parameters() == {}


def test_tiers_grow_and_never_shrink(server: AwsServer) -> None:
    ssm = client(server)
    assert put(ssm, value="x" * 4096)["Tier"] == "Standard"
    assert put(ssm, value="x" * 4097, Tier="Intelligent-Tiering", Overwrite=True)["Tier"] == "Advanced"
    assert put(ssm, value="x", Overwrite=True)["Tier"] == "Advanced"
    assert "can't downgrade" in refusal(put, ssm, Tier="Standard", Overwrite=True)[1]


def test_pages_and_batches_have_aws_limits(server: AwsServer) -> None:
    ssm = client(server)
    for number in range(12):
        server.put(f"/zerotouch/prod/my-service/k{number:02}", "v")
    described = ssm.get_paginator("describe_parameters").paginate(PaginationConfig={"PageSize": 5})
    assert [len(page["Parameters"]) for page in described] == [5, 5, 2]
    path = ssm.get_paginator("get_parameters_by_path").paginate(Path="/zerotouch/prod", Recursive=True)
    assert sum(len(page["Parameters"]) for page in path) == 12
    names = sorted(server.parameters())
    named = {"Key": "Name", "Option": "Equals", "Values": names[:2]}
    assert len(ssm.describe_parameters(ParameterFilters=[named])["Parameters"]) == 2
    for refused, asked in (
        (ssm.describe_parameters, {"MaxResults": 51}),
        (ssm.get_parameters, {"Names": names[:11]}),
        (ssm.delete_parameters, {"Names": names[:11]}),
    ):
        assert "less than or equal to" in refusal(refused, **asked)[1]
    assert ssm.delete_parameters(Names=[names[0], "/none"])["InvalidParameters"] == ["/none"]
    assert len(server.parameters()) == 11


def test_tags_and_history_are_kept(server: AwsServer) -> None:
    ssm = client(server)
    server.put(NAME, "one", tags={"a": "b"})
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=NAME, Tags=[{"Key": "c", "Value": "d"}])
    assert server.parameters()[NAME]["tags"] == {"a": "b", "c": "d"}
    tagged = {"Key": "tag:c", "Values": ["d"]}
    assert len(ssm.describe_parameters(ParameterFilters=[tagged])["Parameters"]) == 1
    server.put(NAME, "two")
    history = ssm.get_parameter_history(Name=NAME, WithDecryption=True)["Parameters"]
    assert [version["Value"] for version in history] == ["one", "two"]


def test_a_deleted_name_waits_where_the_test_wants_it() -> None:
    with AwsServer(recreate_wait=30) as server:
        server.put(NAME, "value")
        server.delete(NAME)
        assert refusal(put, client(server))[0] == "ParameterAlreadyExists"


def test_faults_are_ordered_by_operation_name_and_count(server: AwsServer) -> None:
    ssm = client(server)
    server.fail("PutParameter", code="ThrottlingException", message="Rate exceeded", nth=2)
    server.fail("PutParameter", name="/bad", code="InternalServerError", status=500, times=None)
    put(ssm, "/one")
    assert refusal(put, ssm, "/two") == ("ThrottlingException", "Rate exceeded")
    put(ssm, "/two")
    assert [refusal(put, ssm, "/bad")[0] for _ in range(2)] == ["InternalServerError"] * 2
    assert list(server.parameters()) == ["/one", "/two"]


def test_a_lost_answer_is_told_from_a_lost_request(server: AwsServer) -> None:
    ssm = client(server)
    server.fail("PutParameter", drop="before")
    server.fail("PutParameter", drop="after")
    for stored in (0, 1):
        with pytest.raises(ConnectionClosedError):
            put(ssm)
        assert len(server.parameters()) == stored


def test_writes_are_throttled_at_the_rate(server: AwsServer) -> None:
    with AwsServer(write_rate=0.5, burst=2) as limited:
        ssm = client(limited)
        put(ssm, "/one")
        put(ssm, "/two")
        assert refusal(put, ssm, "/three")[0] == "ThrottlingException"
        assert ssm.get_parameters(Names=["/one"])["Parameters"]
        time.sleep(2)
        put(ssm, "/three")


def test_a_policy_denies_in_awss_words(server: AwsServer) -> None:
    server.denies.append(lambda operation, name: operation == "GetParameters" and "/other/" in name)
    ssm = client(server)
    assert ssm.get_parameters(Names=[NAME])["InvalidParameters"] == [NAME]
    assert refusal(ssm.get_parameters, Names=[NAME, "/zerotouch/prod/other/x"]) == (
        "AccessDeniedException",
        "User: arn:aws:sts::123456789012:assumed-role/release/session is not authorized to perform: "
        "ssm:GetParameters on resource: arn:aws:ssm:us-east-1:123456789012:parameter/zerotouch/prod/other/x "
        "because no identity-based policy allows the ssm:GetParameters action",
    )


def oidc_token(oidc: OidcServer, audience: str = "&audience=sts.amazonaws.com") -> str:
    where = oidc.environment()
    bearer = {"Authorization": f"bearer {where['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    answer = requests.get(where["ACTIONS_ID_TOKEN_REQUEST_URL"] + audience, headers=bearer, timeout=5)
    return str(answer.json()["value"])


def test_a_role_is_assumed_with_the_jobs_oidc_token(server: AwsServer) -> None:
    with OidcServer() as oidc:
        server.trust(ROLE, oidc.public_key_pem, subject="repo:zerotouch/my-service:*")
        asked = {"RoleArn": ROLE, "RoleSessionName": "run-1", "WebIdentityToken": oidc_token(oidc)}
        given = client(server, "sts").assume_role_with_web_identity(**asked)["Credentials"]
        keys = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        arn = client(server, "sts", **keys).get_caller_identity()["Arn"]
        put(client(server, **keys))
        stolen = client(server, **{**keys, "aws_session_token": "other"})
    assert arn == "arn:aws:sts::123456789012:assumed-role/release/run-1"
    assert server.calls[-1].access_key == given["AccessKeyId"]
    assert refusal(put, stolen)[0] == "UnrecognizedClientException"


def test_a_role_is_refused_by_subject_audience_age_and_signature(server: AwsServer) -> None:
    sts = client(server, "sts").assume_role_with_web_identity
    asked = {"RoleArn": ROLE, "RoleSessionName": "run-1"}
    denied = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    with OidcServer() as oidc, OidcServer(clock=lambda: time.time() - 900) as late:
        good = oidc_token(oidc)
        assert refusal(sts, **asked, WebIdentityToken=good) == denied
        server.trust(ROLE, oidc.public_key_pem, subject="repo:zerotouch/other:*")
        assert refusal(sts, **asked, WebIdentityToken=good) == denied
        server.trust(ROLE, oidc.public_key_pem)
        wrong = oidc_token(oidc, "")
        assert refusal(sts, **asked, WebIdentityToken=wrong)[1] == "Incorrect token audience"
        assert refusal(sts, **asked, WebIdentityToken=oidc_token(late))[0] == "InvalidIdentityToken"
        server.trust(ROLE, late.public_key_pem)
        assert refusal(sts, **asked, WebIdentityToken=oidc_token(late))[0] == "ExpiredTokenException"


def test_the_oidc_endpoint_wants_its_own_token() -> None:
    with OidcServer() as oidc:
        assert requests.get(oidc.url + oidc.request_path, timeout=5).status_code == 401


def test_a_cluster_is_described(server: AwsServer) -> None:
    eks = client(server, "eks")
    server.add_cluster("platform", "https://127.0.0.1:1", "CA")
    assert eks.describe_cluster(name="platform")["cluster"]["certificateAuthority"]["data"] == "Q0E="
    assert refusal(eks.describe_cluster, name="none") == (
        "ResourceNotFoundException",
        "No cluster found for name: none.",
    )
    server.denies.append(lambda operation, name: operation == "DescribeCluster" and name == "platform")
    assert "eks:DescribeCluster on resource" in refusal(eks.describe_cluster, name="platform")[1]
    assert server.calls[0].names == ["platform"]


def test_reads_have_a_limit_of_their_own_and_regions_each_theirs() -> None:
    with AwsServer(write_rate=0.01, burst=1, read_rate=0.01, read_burst=1) as limited:
        ssm = client(limited)
        put(ssm)
        ssm.get_parameters(Names=[NAME])
        assert refusal(put, ssm, "/two")[0] == "ThrottlingException"
        assert refusal(ssm.get_parameters, Names=[NAME])[0] == "ThrottlingException"
        put(client(limited, region_name="eu-west-1"))


def test_what_a_parameter_may_not_hold_or_carry(server: AwsServer) -> None:
    ssm = client(server)
    assert "can't nest another parameter" in refusal(put, ssm, value="a {{ssm:b}} c")[1]
    many = [{"Key": f"k{number}", "Value": "v"} for number in range(51)]
    assert refusal(put, ssm, Tags=many)[0] == "TooManyTagsError"
    put(ssm, Tags=many[:50])
    tag = {"ResourceType": "Parameter", "ResourceId": NAME}
    assert refusal(ssm.add_tags_to_resource, **tag, Tags=many[50:])[0] == "TooManyTagsError"
    for key, text in (("aws:x", "v"), ("k" * 129, "v"), ("k", "v" * 257), ("k", "v!")):
        assert refusal(put, ssm, "/other", Tags=[{"Key": key, "Value": text}])[0] == "ValidationException"


def test_an_account_takes_so_many_standard_parameters() -> None:
    with AwsServer(quota=1) as full:
        ssm = client(full)
        put(ssm, "/one")
        assert refusal(put, ssm, "/two")[0] == "ParameterLimitExceeded"
        put(ssm, "/one", Overwrite=True)
        put(ssm, "/two", Tier="Advanced")


def test_a_share_of_all_calls_may_fail(server: AwsServer) -> None:
    server.fail("PutParameter", code="TooManyUpdates", times=None, chance=0.5)
    ssm = client(server)
    failed = 0
    for number in range(40):
        try:
            put(ssm, f"/k{number}")
        except ClientError:
            failed += 1
    assert 10 <= failed <= 30
    assert len(server.parameters()) == 40 - failed
