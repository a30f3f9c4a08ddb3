"""AWS in small, behind one URL: SSM Parameter Store, STS for the job's OIDC token, and EKS DescribeCluster.

It throttles, denies and fails as it is told, in AWS's words. Long-lived credentials are never checked.
"""

import base64
import fnmatch
import json
import random
import re
import secrets
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self
from xml.sax.saxutils import escape

import jwt

from sandbox.aws_limits import Limit, Limits
from sandbox.aws_parameters import ACCOUNT, AwsError, ParameterStore
from sandbox.faults import Fault
from sandbox.http import HttpServer, Request, Response, json_response

AUDIENCE = "sts.amazonaws.com"

_SSM_TARGET = "AmazonSSM."
_STS_OPERATIONS = ("AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity")

Denies = Callable[[str, str], bool]
"""An access policy: given an operation and a parameter's name (or path, or `*`), is it denied?"""


@dataclass(frozen=True)
class Call:
    """One call as AWS saw it; `status` as for `Request`: 0 where the connection was dropped."""

    operation: str
    parameters: Mapping[str, Any]
    region: str
    access_key: str
    status: int

    def __str__(self) -> str:
        return self.operation

    @property
    def names(self) -> list[str]:
        """The parameters (or the path, or the cluster) that the call is about; `*` where it is about all."""
        if "Names" in self.parameters:
            return list(self.parameters["Names"])
        for key in ("Name", "Path", "ResourceId"):
            if key in self.parameters:
                return [str(self.parameters[key])]
        return ["*"]


@dataclass(frozen=True)
class _Session:
    token: str
    arn: str


@dataclass(frozen=True)
class _Trust:
    public_key_pem: str
    subject: str


class AwsServer(HttpServer):
    """SSM, STS and EKS at one URL, which goes into AWS_ENDPOINT_URL; each instance starts empty.

    `write_rate` (writes per second, with `burst` at once) throttles as the account's limit does, and so does
    `read_rate`; each region has limits of its own. `latency` (seconds) is how long an answer takes.
    `recreate_wait` (seconds) is how long a deleted name cannot be created again. `quota` is how many Standard
    parameters a region takes. `denies` are access policies: a call is refused when any of them denies it.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        write_rate: float | None = None,
        burst: int = 20,
        read_rate: float | None = None,
        read_burst: int = 40,
        latency: float = 0.0,
        recreate_wait: float = 0.0,
        quota: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock=clock)
        self.region = region
        self.denies: list[Denies] = []
        self._recreate_wait = recreate_wait
        self._quota = quota
        self._latency = latency
        writes = Limit(write_rate, burst) if write_rate else None
        self._limits = Limits(writes, Limit(read_rate, read_burst) if read_rate else None)
        self._chance = random.Random(0)
        self._stores: dict[str, ParameterStore] = {}
        self._stores_lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}
        self._trusts: dict[str, _Trust] = {}
        self._clusters: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        self._store(self.region)  # so that no caller waits for moto's import
        return super().__enter__()

    @property
    def calls(self) -> list[Call]:
        """All calls so far, in the order of their arrival."""
        return [_call(request) for request in self.requests]

    def parameters(self, region: str | None = None) -> dict[str, dict[str, Any]]:
        """What is stored in a region: see `ParameterStore.snapshot`."""
        return self._store(region or self.region).snapshot()

    def put(
        self,
        name: str,
        value: str,
        *,
        type: Literal["String", "StringList", "SecureString"] = "SecureString",
        key_id: str | None = None,
        tier: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        region: str | None = None,
    ) -> int:
        """Stores a parameter as somebody else would, past policies and recording; returns its version."""
        store = self._store(region or self.region)
        optional = {"KeyId": key_id, "Tier": tier, "Description": description}
        asked = {key: given for key, given in optional.items() if given is not None}
        asked |= {"Name": name, "Value": value, "Type": type}
        version = store.call("PutParameter", {**asked, "Overwrite": True})["Version"]
        if tags:
            listed = [{"Key": key, "Value": tag} for key, tag in tags.items()]
            tagged = {"ResourceType": "Parameter", "ResourceId": name, "Tags": listed}
            store.call("AddTagsToResource", tagged)
        return int(version)

    def delete(self, name: str, *, region: str | None = None) -> None:
        """Removes a parameter as somebody else would."""
        self._store(region or self.region).call("DeleteParameter", {"Name": name})

    def fail(
        self,
        operation: str,
        *,
        code: str | None = None,
        message: str = "",
        status: int = 400,
        name: str | None = None,
        nth: int = 1,
        times: int | None = 1,
        delay: float = 0.0,
        drop: Literal["before", "after"] | None = None,
        chance: float = 1.0,
    ) -> Fault:
        """Orders the `nth` call of an operation, and `times` in all, to fail with an AWS error code.

        `name` counts only calls about that parameter, `chance` only so large a share of all. `delay` and `drop` are
        those of `Faults.add`.
        """

        def matches(request: Request) -> bool:
            call = _call(request)
            met = operation == call.operation and (name is None or name in call.names)
            return met and (chance >= 1 or self._chance.random() < chance)

        skip = nth - 1
        if not code:
            return self.faults.add(matches, skip=skip, times=times, delay=delay, drop=drop)
        headers, body = _error_content(operation, AwsError(code, message, status))
        return self.faults.add(
            matches,
            status=status,
            headers=headers,
            body=body,
            skip=skip,
            times=times,
            delay=delay,
            drop=drop,
        )

    def take(self, operation: str, region: str | None = None) -> bool:
        """Uses up one call of the account's limit, as another client would; whether there was one left."""
        try:
            self._limits.check(region or self.region, operation)
        except AwsError:
            return False
        return True

    def trust(self, role_arn: str, public_key_pem: str, *, subject: str = "*") -> None:
        """Lets tokens that this key signed assume a role, if their `sub` is like `subject` (`*` and `?`)."""
        self._trusts[role_arn] = _Trust(public_key_pem, subject)

    def add_cluster(self, name: str, endpoint: str, ca_pem: str, *, status: str = "ACTIVE") -> None:
        """Makes an EKS cluster known: its API server's URL, and the CA that signs for it."""
        self._clusters[name] = {
            "name": name,
            "arn": f"arn:aws:eks:{self.region}:{ACCOUNT}:cluster/{name}",
            "endpoint": endpoint,
            "certificateAuthority": {"data": base64.b64encode(ca_pem.encode()).decode()},
            "status": status,
            "version": "1.34",
        }

    def handle(self, request: Request) -> Response:
        """Answers one call in the protocol of its service."""
        if self._latency:
            self.stopping.wait(self._latency)
        call = _call(request)
        try:
            if call.operation == "AssumeRoleWithWebIdentity":  # unsigned: it brings its own proof
                return self._assume_role(call.parameters)
            self._check_session(call, request)
            if call.operation == "GetCallerIdentity":
                return self._caller_identity(call)
            self._check_access(call)
            if call.operation == "DescribeCluster":
                return self._describe_cluster(call.names[0])
            self._limits.check(call.region, call.operation)
            answer = self._store(call.region or self.region).call(call.operation, call.parameters)
            return json_response(answer, headers={"Content-Type": "application/x-amz-json-1.1"})
        except AwsError as error:
            headers, body = _error_content(call.operation, error)
            return Response(error.status, headers, body)

    def _store(self, region: str) -> ParameterStore:
        with self._stores_lock:
            if region not in self._stores:
                store = ParameterStore(region, recreate_wait=self._recreate_wait, quota=self._quota, clock=self.clock)
                self._stores[region] = store
            return self._stores[region]

    def _check_session(self, call: Call, request: Request) -> None:
        """Temporary credentials must be ones that this server issued."""
        session = self._sessions.get(call.access_key)
        given = request.headers.get("x-amz-security-token")
        if call.access_key.startswith("ASIA") and (not session or session.token != given):
            message = "The security token included in the request is invalid."
            raise AwsError("UnrecognizedClientException", message)

    def _check_access(self, call: Call) -> None:
        service = "eks" if call.operation == "DescribeCluster" else "ssm"
        action = f"{service}:{call.operation}"
        for name in call.names:
            if not any(denies(call.operation, name) for denies in self.denies):
                continue
            kind = "cluster/" if service == "eks" else "parameter/"
            resource = "*" if name == "*" else kind + name.lstrip("/")
            raise AwsError(
                "AccessDeniedException",
                f"User: {self._caller(call)} is not authorized to perform: {action} on resource: "
                f"arn:aws:{service}:{call.region}:{ACCOUNT}:{resource} because no identity-based policy "
                f"allows the {action} action",
                403 if service == "eks" else 400,
            )

    def _caller(self, call: Call) -> str:
        session = self._sessions.get(call.access_key)
        return session.arn if session else f"arn:aws:sts::{ACCOUNT}:assumed-role/release/session"

    def _caller_identity(self, call: Call) -> Response:
        arn = self._caller(call)
        user = "AROASANDBOX:" + arn.rpartition("/")[2]
        return _sts_response(call.operation, _elements(Arn=arn, UserId=user, Account=ACCOUNT))

    def _assume_role(self, asked: Mapping[str, str]) -> Response:
        operation = "AssumeRoleWithWebIdentity"
        denied = AwsError("AccessDenied", f"Not authorized to perform sts:{operation}", 403)
        role = asked.get("RoleArn", "")
        trust = self._trusts.get(role)
        if not trust:
            raise denied
        claims = _verified_claims(asked.get("WebIdentityToken", ""), trust.public_key_pem, self.clock())
        if not fnmatch.fnmatchcase(claims["sub"], trust.subject):
            raise denied
        name = asked.get("RoleSessionName", "")
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/{name}"
        session = _Session(secrets.token_urlsafe(200), arn)
        access_key = "ASIA" + secrets.token_hex(8).upper()
        self._sessions[access_key] = session
        expires = datetime.fromtimestamp(self.clock() + int(asked.get("DurationSeconds", 3600)), UTC)
        credentials = _elements(
            AccessKeyId=access_key,
            SecretAccessKey=secrets.token_urlsafe(30),
            SessionToken=session.token,
            Expiration=expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        user = _elements(Arn=arn, AssumedRoleId=f"AROASANDBOX:{name}")
        return _sts_response(
            operation,
            f"<Credentials>{credentials}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>"
            + _elements(SubjectFromWebIdentityToken=claims["sub"], Audience=claims["aud"]),
        )

    def _describe_cluster(self, name: str) -> Response:
        if name not in self._clusters:
            raise AwsError("ResourceNotFoundException", f"No cluster found for name: {name}.", 404)
        return json_response({"cluster": self._clusters[name]})


def _call(request: Request) -> Call:
    target = request.headers.get("x-amz-target", "")
    parameters: Mapping[str, Any]
    if target.startswith(_SSM_TARGET):
        operation, parameters = target.removeprefix(_SSM_TARGET), request.json()
    elif request.path.startswith("/clusters/"):
        operation, parameters = "DescribeCluster", {"Name": request.path.removeprefix("/clusters/")}
    else:
        parameters = dict(urllib.parse.parse_qsl(request.body.decode()))
        operation = parameters.get("Action", "")
    # Credential=AKIA…/20260101/us-east-1/ssm/aws4_request
    scope = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", request.headers.get("authorization", ""))
    access_key, region = scope.groups() if scope else ("", "")
    return Call(operation, parameters, region, access_key, request.status)


def _verified_claims(token: str, public_key_pem: str, now: float) -> dict[str, Any]:
    try:
        # Audience and times are judged below, by the server's clock and in AWS's words.
        options: jwt.types.Options = {"verify_aud": False, "verify_exp": False, "verify_nbf": False}
        claims = jwt.decode(token, public_key_pem, algorithms=["RS256"], options=options)
    except jwt.InvalidTokenError:
        raise AwsError("InvalidIdentityToken", "The ID Token provided is not a valid JWT.") from None
    if claims["exp"] <= now:
        message = f"Token expired: current date/time {int(now)} must be before the expiration date/time "
        raise AwsError("ExpiredTokenException", f"{message}{claims['exp']}")
    if claims["aud"] != AUDIENCE:
        raise AwsError("InvalidIdentityToken", "Incorrect token audience")
    return claims


def _error_content(operation: str, error: AwsError) -> tuple[dict[str, str], bytes]:
    """Headers and body of an error: XML from STS, JSON from the others."""
    if operation in _STS_OPERATIONS:
        content = _elements(Type="Sender", Code=error.code, Message=error.message)
        xml = f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>{content}</Error>'
        return {"Content-Type": "text/xml"}, f"{xml}</ErrorResponse>".encode()
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": error.code}
    return headers, json.dumps({"__type": error.code, "message": error.message}).encode()


def _elements(**values: str) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())


def _sts_response(operation: str, result: str) -> Response:
    body = (
        f'<{operation}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<{operation}Result>{result}</{operation}Result></{operation}Response>"
    )
    return Response(200, {"Content-Type": "text/xml"}, body.encode())
