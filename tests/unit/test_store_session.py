"""Connecting needs a region and credentials, says what is missing, masks all it gets, and logs nothing of it."""

import base64
import json
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from store_world import REGION, SETTINGS, FakeClock, FakeLog, aws_error

from secret_action import __version__
from secret_action.errors import InputError, StoreError
from secret_action.store import connect
from secret_action.store.role import assume_role
from secret_action.store.session import AwsSession

ROLE = "arn:aws:iam::123456789012:role/release"
CLAIMS = {
    "sub": "repo:zerotouch/my-service:environment:production",
    "aud": "sts.amazonaws.com",
    "iss": "https://token.actions.githubusercontent.com",
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session-token")


def token(number: int = 0, **claims: str) -> str:
    body = base64.urlsafe_b64encode(json.dumps(CLAIMS | claims | {"jti": number}).encode()).decode().rstrip("=")
    return f"header.{body}.signature"


def session(log: FakeLog | None = None, **settings: str) -> AwsSession:
    return connect(replace(SETTINGS, **settings), log or FakeLog(), fetch_oidc_token=None)  # type: ignore[arg-type]


@pytest.mark.usefixtures("credentials")
def test_credentials_of_the_environment_are_taken_and_masked() -> None:
    log = FakeLog()
    assert session(log).region == REGION
    assert log.masked == ["AKIAEXAMPLE", "secret-key", "session-token"]
    assert log.lines == []


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_comes_from_the_environment_where_the_input_is_empty(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert session(region="").region == "eu-north-1"


@pytest.mark.usefixtures("credentials")
def test_no_region() -> None:
    with pytest.raises(InputError) as refused:
        session(region="")
    [problem] = refused.value.problems
    assert problem.what == "No AWS region is given."
    assert "`aws-region`" in problem.remedy
    assert "AWS_REGION" in problem.remedy


@pytest.mark.usefixtures("credentials")
def test_a_region_that_is_none() -> None:
    with pytest.raises(InputError, match="not the name of a region: Frankfurt!"):
        session(region="Frankfurt!")


def test_no_credentials() -> None:
    with pytest.raises(InputError) as refused:
        session()
    [problem] = refused.value.problems
    assert problem.what == "No AWS credentials were found."
    for name in ("aws-role-to-assume", "id-token: write", "configure-aws-credentials", "AWS_ACCESS_KEY_ID"):
        assert name in problem.remedy


def test_half_of_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(StoreError, match="PartialCredentialsError"):
        session()


def test_a_profile_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with pytest.raises(InputError, match="AWS_PROFILE"):
        session()


@pytest.mark.usefixtures("credentials")
def test_clients_leave_nothing_to_changing_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_RETRY_MODE", "legacy")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "50")
    made = session()
    for client, attempts in ((made.ssm, 1), (made.sts, 6), (made.eks, 6)):
        config: Any = client.meta.config
        assert config.retries == {"mode": "standard", "total_max_attempts": attempts}
        assert (config.connect_timeout, config.read_timeout) == (5, 15)
        assert f"secret-sync/{__version__}" in config.user_agent
        assert config.max_pool_connections == 16
        assert client.meta.region_name == REGION
    assert made.ssm is made.ssm


@pytest.mark.usefixtures("credentials")
def test_the_debug_log_of_botocore_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints request bodies, decrypted values and session tokens."""
    monkeypatch.setenv("RUNNER_DEBUG", "1")
    monkeypatch.setattr(logging.root, "level", logging.DEBUG)
    session()
    for name in ("boto3", "botocore", "botocore.parsers", "urllib3.connectionpool"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)


def test_importing_the_room_does_not_import_boto3() -> None:
    code = "import sys, secret_action.store; print(any(m.split('.')[0] in ('boto3', 'botocore') for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.usefixtures("credentials")
def test_the_account_is_asked_for_once_and_only_when_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    made = session()
    asked: list[str] = []

    def identity() -> dict[str, str]:
        asked.append("sts")
        return {"Account": "123456789012"}

    monkeypatch.setattr(made.sts, "get_caller_identity", identity)
    assert (made.account, made.account, asked) == ("123456789012", "123456789012", ["sts"])


@pytest.mark.usefixtures("credentials")
def test_an_account_that_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = session()

    def identity() -> dict[str, str]:
        raise aws_error("ExpiredToken")

    monkeypatch.setattr(made.sts, "get_caller_identity", identity)
    with pytest.raises(StoreError, match="expired"):
        _ = made.account


# --- the role ---


def test_a_role_without_the_right_to_a_token() -> None:
    with pytest.raises(InputError) as refused:
        session(role=ROLE)
    assert "permissions: id-token: write" in refused.value.problems[0].remedy


class FakeSts:
    """Answers AssumeRoleWithWebIdentity with the given errors first."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.tokens: list[str] = []

    def assume_role_with_web_identity(self, **asked: str) -> dict[str, Any]:
        self.tokens.append(asked["WebIdentityToken"])
        assert (asked["RoleArn"], asked["RoleSessionName"]) == (ROLE, "secret-sync")
        if self.errors:
            raise self.errors.pop(0)
        return {"Credentials": {"AccessKeyId": "ASIA1", "SecretAccessKey": "role-secret", "SessionToken": "role-token"}}


def assume(sts: FakeSts, log: FakeLog, clock: FakeClock | None = None, role: str = ROLE) -> Any:
    numbers = iter(range(100))

    def fetch(audience: str) -> str:
        return token(next(numbers), aud=audience)

    settings = replace(SETTINGS, role=role)
    return assume_role(sts, settings, REGION, log, clock or FakeClock(), fetch)  # type: ignore[arg-type]


def test_a_role_is_assumed_and_everything_masked() -> None:
    log, sts = FakeLog(), FakeSts()
    assert assume(sts, log)["AccessKeyId"] == "ASIA1"
    assert log.masked == [sts.tokens[0], "ASIA1", "role-secret", "role-token"]
    assert log.lines == []


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://sts"),
        aws_error("Throttling"),
        aws_error("ServiceUnavailable", "", 503),
        aws_error("IDPCommunicationError"),
    ],
)
def test_what_may_pass_is_tried_again_with_a_fresh_token(error: Exception) -> None:
    log, sts, clock = FakeLog(), FakeSts(error, error), FakeClock()
    began = clock.now()
    assume(sts, log, clock)
    assert len(set(sts.tokens)) == 3
    assert set(sts.tokens) <= set(log.masked)
    assert 0 < clock.now() - began < 10


def test_tries_come_to_an_end() -> None:
    sts = FakeSts(*[aws_error("Throttling")] * 9)
    with pytest.raises(StoreError, match="throttled sts:AssumeRoleWithWebIdentity"):
        assume(sts, FakeLog())
    assert len(sts.tokens) == 5


def test_a_refusal_shows_the_claims_and_the_trust_policy_but_not_the_token() -> None:
    sts, clock = FakeSts(aws_error("AccessDenied", "Not authorized to perform sts:Assume…", 403)), FakeClock()
    began = clock.now()
    with pytest.raises(StoreError) as refused:
        assume(sts, FakeLog(), clock)
    [problem] = refused.value.problems
    text = f"{problem.what} {problem.remedy} {problem.causes}"
    assert f"sub = {CLAIMS['sub']}, aud = sts.amazonaws.com" in problem.what
    assert f'"token.actions.githubusercontent.com:sub": "{CLAIMS["sub"]}"' in problem.remedy
    assert sts.tokens[0] not in text
    assert "signature" not in text
    assert (len(sts.tokens), clock.now() - began) == (1, 0), "a wrong policy is not tried again"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InvalidIdentityToken", "create the IAM OIDC provider https://token.actions.githubusercontent.com"),
        ("ExpiredTokenException", "clock"),
        ("RegionDisabledException", "API reference"),
    ],
)
def test_other_refusals_of_a_role(code: str, words: str) -> None:
    with pytest.raises(StoreError) as refused:
        assume(FakeSts(aws_error(code)), FakeLog())
    assert words in refused.value.problems[0].remedy


def test_a_role_that_is_no_arn() -> None:
    with pytest.raises(InputError, match="aws-role-to-assume is not the ARN of a role: release"):
        assume(FakeSts(), FakeLog(), role="release")


@pytest.mark.parametrize("text", ["no.jwt", "a.b.c", "", "a.bm8=.c"])
def test_a_token_that_cannot_be_read_does_not_hide_the_refusal(text: str) -> None:
    with pytest.raises(StoreError, match=r"sub = \(none\)"):
        assume_role(
            FakeSts(aws_error("AccessDenied")),  # type: ignore[arg-type]
            replace(SETTINGS, role=ROLE),
            REGION,
            FakeLog(),
            FakeClock(),
            lambda audience: text,
        )
