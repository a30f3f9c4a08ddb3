"""Each way in which AWS says no is told apart, with its remedy, and without AWS's own words, which may hold a value."""

from typing import Any

import pytest
from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError
from store_world import REGION, at, aws_error, denied, reset, throttled, unreachable
from urllib3.exceptions import NameResolutionError

from secret_action.store import answers
from secret_action.store.denials import Denial, Request, problems
from secret_action.store.failures import problem

PATH = at("database_url")
REQUEST = Request("ssm:PutParameter", REGION, PATH)
URL = f"https://ssm.{REGION}.amazonaws.com/"
KEY = f"arn:aws:kms:{REGION}:123456789012:key/0a1b2c3d-0000-0000-0000-0a1b2c3d4e5f"


def unresolved() -> Exception:
    cause = NameResolutionError("ssm", None, OSError("no such host"))  # type: ignore[arg-type]
    return botocore.EndpointConnectionError(endpoint_url=URL, error=cause)


CASES = {
    "denied": (denied("ssm:PutParameter", PATH), f"parameter{PATH}", '"Action": "ssm:PutParameter"'),
    "expired": (aws_error("ExpiredTokenException"), "expired", "aws-role-to-assume"),
    "invalid": (aws_error("UnrecognizedClientException"), "does not know these credentials", "AWS_SESSION_TOKEN"),
    "signature": (aws_error("InvalidSignatureException"), "signature", "AWS_SECRET_ACCESS_KEY"),
    "clock": (aws_error("InvalidSignatureException", "Signature expired: 2026…"), "clock is wrong", "NTP"),
    "key disabled": (
        aws_error("InvalidKeyId", f"{KEY} is disabled. (Service: AWSKMS)"),
        f"{KEY} is disabled",
        "Enable",
    ),
    "key deleted": (aws_error("InvalidKeyId", f"{KEY} is pending deletion."), "about to be deleted", "aws-kms-key-id"),
    "key unknown": (
        aws_error("InvalidKeyId", "Invalid keyId alias/x"),
        "does not exist in eu-west-1",
        "aws-kms-key-id",
    ),
    "key not permitted": (
        aws_error("InvalidKeyId", f"User: x is not authorized to perform: kms:GenerateDataKey on {KEY}"),
        "may not be used",
        "Allow kms:GenerateDataKey",
    ),
    "too large": (
        aws_error("ValidationException", "Standard tier parameters support a maximum parameter value of 4096 …"),
        "too large for its tier",
        "tier: Advanced",
    ),
    "tier": (
        aws_error("ValidationException", "This parameter uses the advanced-parameter tier. You can't downgrade …"),
        "tier",
        "tier: Advanced",
    ),
    "validation": (aws_error("ValidationException", "1 validation error"), "refused", "{{…}}"),
    "nested": (
        aws_error("ValidationException", "Parameter value can't nest another parameter. Do not use …"),
        "reference to another parameter",
        "base64",
    ),
    "tags": (aws_error("TooManyTagsError"), "more than 50 tags", "list-tags-for-resource"),
    "too many updates": (aws_error("TooManyUpdates"), "other clients update", "no other job"),
    "throttled": (throttled(), "throttled", "high-throughput-enabled"),
    "quota": (aws_error("ParameterLimitExceeded"), "as many parameters", "tier: Advanced"),
    "labelled": (aws_error("ParameterMaxVersionLimitExceeded"), "label", "unlabel-parameter-version"),
    "exists": (aws_error("ParameterAlreadyExists"), "exists already", "Run it again"),
    "gone": (aws_error("ParameterNotFound"), "does not exist", "Run it again"),
    "levels": (aws_error("HierarchyLevelLimitExceededException"), "15 levels", "Shorten"),
    "type": (aws_error("HierarchyTypeMismatchException"), "not a SecureString", f"--name {PATH}"),
    "pattern": (aws_error("ParameterPatternMismatchException"), "AllowedPattern", "describe-parameters"),
    "bad pattern": (aws_error("InvalidAllowedPatternException"), "AllowedPattern", "Delete"),
    "unsupported": (aws_error("UnsupportedParameterType"), "SecureString", "region"),
    "policies": (aws_error("IncompatiblePolicyException"), "policy", "policies"),
    "500": (aws_error("InternalServerError", "", 500), "InternalServerError, HTTP 500, request a1b2", "Run it again"),
    "no route": (unreachable(), f"No connection to ssm.{REGION}.amazonaws.com", "HTTPS_PROXY"),
    "no name": (unresolved(), "does not resolve", "eu-west-1"),
    "connect timeout": (botocore.ConnectTimeoutError(endpoint_url=URL), "ConnectTimeoutError", "firewall"),
    "read timeout": (botocore.ReadTimeoutError(endpoint_url=URL), "no whole answer", "Run it again"),
    "reset": (reset(), "ConnectionClosedError", "VPC endpoint"),
    "garbage": (ResponseParserError("<html>"), "no whole answer", "proxy"),
    "TLS": (botocore.SSLError(endpoint_url=URL, error="x"), "TLS", "AWS_CA_BUNDLE"),
    "proxy": (botocore.ProxyConnectionError(proxy_url="http://u:p@proxy"), "proxy", "HTTPS_PROXY"),
    "credentials": (botocore.CredentialRetrievalError(provider="x", error_msg="y"), "credentials", "AWS_"),
    "parameters": (botocore.ParamValidationError(report="value: s3cret"), "would not send", "bug"),
    "unknown": (aws_error("SomethingNew"), "SomethingNew", "request"),
    "bug": (ZeroDivisionError("s3cret"), "ZeroDivisionError", "bug"),
}


@pytest.mark.parametrize(("error", "what", "remedy"), CASES.values(), ids=CASES.keys())
def test_each_failure_is_told_apart_with_its_remedy(error: Exception, what: str, remedy: str) -> None:
    found = problem(error, REQUEST)
    assert what in found.what
    assert remedy in found.remedy


def test_no_two_failures_read_the_same() -> None:
    told = [problem(error, REQUEST).what for error, _, _ in CASES.values()]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("error", [each for each, _, _ in CASES.values()], ids=CASES.keys())
def test_what_aws_quotes_of_a_request_is_not_shown(error: Any) -> None:
    """AWS has echoed whole values in a ValidationException, and botocore in a ParamValidationError."""
    tainted = "Value 's3cret' at 'value' failed to satisfy constraint; s3cret is disabled. s3cret"
    if isinstance(error, botocore.ClientError):
        error = aws_error(error.response["Error"]["Code"], tainted)
    found = problem(error, REQUEST)
    assert "s3cret" not in f"{found.what} {found.remedy} {found.causes}"
    assert "u:p@" not in found.what


def test_a_misspelled_region_is_corrected() -> None:
    cause = NameResolutionError("ssm", None, OSError("no such host"))  # type: ignore[arg-type]
    error = botocore.EndpointConnectionError(endpoint_url="https://ssm.eu-wst-1.amazonaws.com/", error=cause)
    found = problem(error, Request("ssm:GetParameters", "eu-wst-1"))
    assert "it is eu-wst-1 (did you mean eu-west-1?)" in found.remedy


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [
        ("with an explicit deny in a service control policy", "denies it explicitly"),
        ("because no service control policy allows the action", "service control policies"),
        ("because no permissions boundary allows the action", "permissions boundary"),
        ("because no session policy allows the action", "session policy"),
        ("because no VPC endpoint policy allows the action", "VPC endpoint"),
    ],
)
def test_where_an_allow_is_not_enough_it_is_said(phrase: str, reason: str) -> None:
    arn = f"arn:aws:ssm:{REGION}:123456789012:parameter{PATH}"
    text = f"User: arn:aws:iam::123456789012:user/x is not authorized to perform: ssm:PutParameter on resource: {arn} "
    assert reason in problem(aws_error("AccessDeniedException", text + phrase), REQUEST).causes[0]


def test_a_key_that_may_not_be_used_for_reading_is_named() -> None:
    text = f"User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt on resource: {KEY} because …"
    found = problem(aws_error("AccessDeniedException", text), REQUEST)
    assert f"kms:Decrypt on {KEY}" in found.what
    assert "the key's policy or the role's" in found.remedy


def test_kms_in_its_evasive_words() -> None:
    text = "The ciphertext refers to a customer master key that does not exist, … or you are not allowed to access."
    assert "may not kms:Decrypt" in problem(aws_error("AccessDeniedException", text), REQUEST).what


def test_a_denial_without_words_is_told_from_the_request() -> None:
    found = problem(aws_error("AccessDeniedException"), REQUEST)
    assert (
        found.what == f"No permission: The caller may not ssm:PutParameter on arn:aws:ssm:eu-west-1:*:parameter{PATH}."
    )


def test_many_denials_are_one_problem_of_readable_length() -> None:
    [found] = problems(Denial("ssm:GetParameters", f"arn:aws:ssm:r:1:parameter/a/k{n}", "", "") for n in range(300))
    assert found.what.endswith("280 more.")
    assert '["arn:aws:ssm:r:1:parameter/a/*"]' in found.remedy


@pytest.mark.parametrize(
    ("error", "transient", "unknown"),
    [
        (throttled(), True, False),
        (aws_error("TooManyUpdates"), True, False),
        (aws_error("InternalServerError", "", 500), True, True),
        (aws_error("Whatever", "", 503), True, True),
        (reset(), True, True),
        (botocore.ReadTimeoutError(endpoint_url=URL), True, True),
        (botocore.SSLError(endpoint_url=URL, error="EOF occurred"), True, True),
        (ResponseParserError("<html>"), True, True),
        (unreachable(), True, False),
        (botocore.ConnectTimeoutError(endpoint_url=URL), True, False),
        (botocore.ProxyConnectionError(proxy_url="http://proxy"), True, False),
        (botocore.SSLError(endpoint_url=URL, error="[SSL: CERTIFICATE_VERIFY_FAILED]"), False, False),
        (aws_error("ValidationException"), False, False),
        (aws_error("AccessDeniedException"), False, False),
        (botocore.NoCredentialsError(), False, False),
    ],
    ids=lambda each: answers.code(each) if isinstance(each, Exception) else "",
)
def test_what_is_tried_again_and_what_may_have_been_done(error: Exception, transient: bool, unknown: bool) -> None:
    assert (answers.is_transient(error), answers.may_have_landed(error)) == (transient, unknown)
