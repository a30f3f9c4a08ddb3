"""The connection to AWS: credentials, region, and one client per purpose.

Never turns on botocore's debug log, which prints request bodies, decrypted values and session tokens.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from secret_action import __version__
from secret_action.errors import InputError, StoreError
from secret_action.model import Problem
from secret_action.ports import Clock, Log, SystemClock
from secret_action.settings import AwsSettings
from secret_action.store import failures
from secret_action.store.denials import Request
from secret_action.store.pacing import Paces
from secret_action.store.role import assume_role
from secret_action.store.threads import THREADS

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config
    from mypy_boto3_eks import EKSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

_CONNECT_TIMEOUT = 5.0
_READ_TIMEOUT = 15.0
_ATTEMPTS = 6

_SYSTEM_CLOCK = SystemClock()


class AwsSession:
    """AWS clients with one set of credentials in one region, each made when it is first asked for.

    Clients may be used by all threads. boto3 may make only one at a time, which a lock sees to.
    """

    def __init__(self, session: Session, region: str, clock: Clock) -> None:
        self.region = region
        self.pace = Paces(clock)
        self._session = session
        self._lock = RLock()

    @cached_property
    def ssm(self) -> SSMClient:
        """One attempt a call: `calls` paces and repeats, and a write is looked at before it is repeated."""
        with self._lock:
            return self._session.client("ssm", config=client_config(1), verify=_certificates())

    @cached_property
    def eks(self) -> EKSClient:
        """For the cluster's address."""
        with self._lock:
            return self._session.client("eks", config=client_config(_ATTEMPTS), verify=_certificates())

    @cached_property
    def sts(self) -> STSClient:
        """For the caller's identity."""
        with self._lock:
            return self._session.client("sts", config=client_config(_ATTEMPTS), verify=_certificates())

    @cached_property
    def account(self) -> str:
        """The account's number: one call to STS, made when it is first asked for. Raises StoreError."""
        try:
            return self.sts.get_caller_identity()["Account"]
        except Exception as error:
            raise StoreError(failures.problem(error, Request("sts:GetCallerIdentity", self.region))) from error


def connect(
    settings: AwsSettings,
    log: Log,
    *,
    fetch_oidc_token: Callable[[str], str] | None,
    clock: Clock = _SYSTEM_CLOCK,
) -> AwsSession:
    """Finds credentials and region. Calls AWS only to assume a role. All credentials are masked at once.

    fetch_oidc_token: audience → a fresh OIDC token of the job; None where the job may not have one.
    Raises InputError: no region, no credentials, no right to an OIDC token. Raises StoreError: AWS refused the role.
    """
    for name in ("boto3", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    region = _region(settings)
    if not settings.role:
        return AwsSession(_found_session(region, log), region, clock)
    if fetch_oidc_token is None:
        raise InputError(
            Problem(
                "aws-role-to-assume is given, but this job may not have an OIDC token.",
                "Give the job `permissions: id-token: write`. A called workflow needs it from its caller as well.",
                ("Pull requests from forks never get it.",),
            )
        )
    credentials = assume_role(_anonymous_sts(region), settings, region, log, clock, fetch_oidc_token)
    session = _session(
        region,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    return AwsSession(session, region, clock)


def client_config(attempts: int, **options: Any) -> Config:
    """A client's settings. attempts: requests a call makes at most, its first included.

    All that botocore would take from its changing defaults or from AWS_RETRY_MODE is said here.
    """
    from botocore.config import Config

    return Config(
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
        # After a cancel, requests that hang still hold their connections while the undo opens its own.
        max_pool_connections=2 * THREADS,
        retries={"mode": "standard", "total_max_attempts": attempts},
        user_agent_extra=f"secret-sync/{__version__}",
        **options,
    )


def _certificates() -> str | None:
    """The CA bundle that `SSL_CERT_FILE` names: botocore knows only AWS_CA_BUNDLE and REQUESTS_CA_BUNDLE."""
    if os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE"):
        return None
    return os.environ.get("SSL_CERT_FILE") or None


def _session(region: str | None, **credentials: str) -> Session:
    """A boto3 session. Raises InputError for a profile that does not exist, which boto3 looks for in any case."""
    from boto3.session import Session
    from botocore.exceptions import ProfileNotFound

    try:
        return Session(region_name=region, **credentials)  # type: ignore[arg-type]  # all three are strings
    except ProfileNotFound as error:
        raise InputError(
            Problem(
                "AWS_PROFILE names a profile that the AWS configuration does not have.",
                "Correct AWS_PROFILE, or unset it. Inside a container the home directory's ~/.aws is not there.",
            )
        ) from error


def _region(settings: AwsSettings) -> str:
    """The region of the input, else of the environment or the profile."""
    from botocore.exceptions import InvalidRegionError
    from botocore.utils import validate_region_name

    region = settings.region or _session(None).region_name
    if not region:
        raise InputError(
            Problem(
                "No AWS region is given.",
                "Set the input `aws-region`, or the variable AWS_REGION or AWS_DEFAULT_REGION.",
                ("The region is a variable of a GitHub environment, and the job names no `environment:`.",),
            )
        )
    try:
        validate_region_name(region)
    except InvalidRegionError as error:
        raise InputError(
            Problem(f"aws-region is not the name of a region: {region}", "Write one such as eu-west-1.")
        ) from error
    return region


def _found_session(region: str, log: Log) -> Session:
    """A session with the credentials that the environment, a profile or the machine's own role gives."""
    session = _session(region)
    try:
        found = session.get_credentials()
        credentials = found.get_frozen_credentials() if found else None
    except Exception as error:
        raise StoreError(failures.problem(error, Request("signing requests", region))) from error
    if credentials is None:
        raise InputError(
            Problem(
                "No AWS credentials were found.",
                "Set the input `aws-role-to-assume` (with `permissions: id-token: write`), or run "
                "aws-actions/configure-aws-credentials before this step, or set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY.",
            )
        )
    for secret in (credentials.access_key, credentials.secret_key, credentials.token):
        if secret:
            log.mask(secret)
    return session


def _anonymous_sts(region: str) -> STSClient:
    """A client for the one call that needs no credentials: one attempt, since each try needs a fresh OIDC token."""
    from botocore import UNSIGNED

    return _session(region).client("sts", config=client_config(1, signature_version=UNSIGNED), verify=_certificates())
