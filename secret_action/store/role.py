"""Assumes an AWS role with the job's OIDC token.

Where AWS refuses, the message shows the token's claims, which the trust policy is about; never the token.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from secret_action.errors import InputError, StoreError
from secret_action.model import Problem
from secret_action.ports import Clock, Log
from secret_action.settings import AwsSettings
from secret_action.store import answers, failures
from secret_action.store.denials import Request

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

AUDIENCE = "sts.amazonaws.com"

_ACTION = "sts:AssumeRoleWithWebIdentity"
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/[\w+=,.@/-]+", re.ASCII)
_TRIES = 5
_LONGEST_DELAY = 8.0
# "The request could not be fulfilled because the identity provider could not be reached": the reference of
# AssumeRoleWithWebIdentity says to retry it.
_PROVIDER_UNREACHABLE = "IDPCommunicationError"

_jitter = random.SystemRandom()


def assume_role(
    sts: STSClient,
    settings: AwsSettings,
    region: str,
    log: Log,
    clock: Clock,
    fetch_oidc_token: Callable[[str], str],
) -> CredentialsTypeDef:
    """The role's credentials, masked before they are returned.

    Only what may pass by itself is tried again, with jitter (jobs of one matrix come all at once) and with a fresh
    token, since one lives for minutes only. Raises InputError for what is no role's ARN, and StoreError.
    """
    if not _ROLE.fullmatch(settings.role):
        raise InputError(
            Problem(
                f"aws-role-to-assume is not the ARN of a role: {settings.role}",
                "Write it as arn:aws:iam::123456789012:role/NAME.",
            )
        )
    delay = 1.0
    for tries_left in reversed(range(_TRIES)):
        token = fetch_oidc_token(AUDIENCE)
        log.mask(token)
        try:
            answer = sts.assume_role_with_web_identity(
                RoleArn=settings.role, RoleSessionName=settings.session_name, WebIdentityToken=token
            )
        except Exception as error:
            if not tries_left or not (answers.is_transient(error) or answers.code(error) == _PROVIDER_UNREACHABLE):
                raise StoreError(_refusal(error, settings.role, token, region)) from error
            clock.sleep(delay * _jitter.uniform(0.5, 1.0))
            delay = min(_LONGEST_DELAY, 2 * delay)
        else:
            credentials = answer["Credentials"]
            for secret in (credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]):
                log.mask(secret)
            return credentials
    raise AssertionError("the last try returns or raises")


def _refusal(error: Exception, role: str, token: str, region: str) -> Problem:
    claims = _claims(token)
    subject, audience, issuer = (claims.get(name, "(none)") for name in ("sub", "aud", "iss"))
    provider = issuer.removeprefix("https://")
    code = answers.code(error)
    told = f"The token says: sub = {subject}, aud = {audience}, iss = {issuer}."
    if answers.is_denied(error):
        return Problem(
            f"AWS refused the role {role} to this job's OIDC token. {told}",
            f'The role\'s trust policy must allow {_ACTION} to the provider {provider}, with "StringEquals": '
            f'{{"{provider}:aud": "{audience}"}} and "StringLike": {{"{provider}:sub": "{subject}"}}.',
            (
                "The trust policy's condition on `sub` names another repository, branch or environment.",
                "The role does not exist, or its name is spelled otherwise.",
                "The job's `environment:` is missing or another: it is part of `sub`.",
            ),
        )
    if code == "InvalidIdentityToken":
        return Problem(
            f"AWS does not accept this job's OIDC token for the role {role}. {told}",
            f"In the role's account, create the IAM OIDC provider https://{provider} with the audience {AUDIENCE}.",
            ("The account has no such provider.", "The provider does not list the audience."),
        )
    if code in ("ExpiredTokenException", "ExpiredToken"):
        return Problem(
            f"AWS found this job's OIDC token expired, though it was fetched just before. {told}",
            "Set the runner's clock (NTP), then run it again.",
        )
    return failures.problem(error, Request(_ACTION, region, role))


def _claims(token: str) -> dict[str, str]:
    """The token's claims as AWS saw them, for the message. Not verified: nothing is decided by them."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return {}
    return {name: str(claim) for name, claim in claims.items()} if isinstance(claims, dict) else {}
