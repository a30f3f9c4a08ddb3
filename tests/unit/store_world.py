"""A Parameter Store in memory, with faults on order, and what else the store's tests share."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from secret_action.model import Location, Parameter, Plan, PlannedParameter, Reference, SourcedValue
from secret_action.ports import Clock
from secret_action.settings import AwsSettings
from secret_action.store import Metadata, WriteOutcome, look_up, make_plan, read, write
from secret_action.store.pacing import Paces
from secret_action.values import SecretValue

REGION = "eu-west-1"
FOLDER = "/zerotouch/prod/my-service"
SETTINGS = AwsSettings(region=REGION, role="", kms_key_id="", oidc=None, session_name="secret-sync")
WHERE = Location("tenants/my-service/base/app.yaml", 7)
_MODIFIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Fault = Callable[[str, dict[str, Any]], Exception | None]
"""Given an operation and its arguments, the error that it ends with, or None."""


def aws_error(code: str, message: str = "", status: int = 400, operation: str = "PutParameter") -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "a1b2"},
        },  # type: ignore[typeddict-item]
        operation,
    )


def throttled() -> ClientError:
    return aws_error("ThrottlingException", "Rate exceeded")


def reset() -> Exception:
    return ConnectionClosedError(endpoint_url=f"https://ssm.{REGION}.amazonaws.com/")


def unreachable() -> Exception:
    return EndpointConnectionError(endpoint_url=f"https://ssm.{REGION}.amazonaws.com/", error=OSError("no route"))


def denied(action: str, path: str) -> ClientError:
    arn = f"arn:aws:ssm:{REGION}:123456789012:parameter{path}"
    caller = "arn:aws:sts::123456789012:assumed-role/release/secret-sync"
    return aws_error(
        "AccessDeniedException",
        f"User: {caller} is not authorized to perform: {action} on resource: {arn} "
        f"because no identity-based policy allows the {action} action",
    )


def secret(name: str) -> str:
    """A value that no message contains by chance."""
    return f"v4lue-of-{name}"


def at(key: str) -> str:
    return f"{FOLDER}/{key}"


@dataclass
class Row:
    value: str
    type: str = "SecureString"
    version: int = 1
    key_id: str = "alias/aws/ssm"
    tier: str = "Standard"
    description: str = ""
    allowed_pattern: str = ""
    history: dict[int, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class FakeSsm:
    """Both clients of a session. `faults` are asked before an operation acts, `lost` after it."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.faults: list[Fault] = []
        self.lost: list[Fault] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.lock = threading.RLock()
        self.now: Callable[[], float] = lambda: 0.0
        self.recreate_wait = 0.0
        self.deleted: dict[str, float] = {}

    def put(self, path: str, value: str, **more: Any) -> None:
        """As somebody else would: past faults and records."""
        with self.lock:
            old = self.rows.get(path)
            version = old.version + 1 if old else 1
            history = {**(old.history if old else {}), version: value}
            kept = {"tags": old.tags if old else {}}
            self.rows[path] = Row(value, version=version, history=history, **{**kept, **more})

    def values(self) -> dict[str, str]:
        return {path: row.value for path, row in self.rows.items()}

    def writes(self) -> list[str]:
        return [arguments["Name"] for operation, arguments in self.calls if operation == "PutParameter"]

    def _act(self, operation: str, arguments: dict[str, Any], work: Callable[[], Any]) -> Any:
        self.calls.append((operation, arguments))
        self._fail(self.faults, operation, arguments)
        with self.lock:
            answer = work()
        self._fail(self.lost, operation, arguments)
        return answer

    def _fail(self, faults: list[Fault], operation: str, arguments: dict[str, Any]) -> None:
        for fault in list(faults):
            error = fault(operation, arguments)
            if error is not None:
                raise error

    def put_parameter(self, **arguments: Any) -> dict[str, Any]:
        return self._act("PutParameter", arguments, lambda: self._put(**arguments))

    def _put(
        self,
        *,
        Name: str,
        Value: str,
        Type: str,
        Overwrite: bool,
        KeyId: str = "alias/aws/ssm",
        Tier: str = "",
        Description: str = "",
        AllowedPattern: str = "",
        Tags: Sequence[dict[str, str]] = (),
    ) -> dict[str, Any]:
        old = self.rows.get(Name)
        if Tags and Overwrite:
            raise aws_error("ValidationException", "tags and overwrite can't be used together")
        if (old and not Overwrite) or (not old and self.now() < self.deleted.get(Name, 0.0) + self.recreate_wait):
            raise aws_error("ParameterAlreadyExists")
        if old and old.tier == "Advanced" and Tier == "Standard":
            raise aws_error("ValidationException", "You can't downgrade a parameter from the advanced-parameter tier")
        self.put(
            Name,
            Value,
            type=Type,
            key_id=KeyId if Type == "SecureString" else "",
            tier=Tier or (old.tier if old else "Standard"),
            description=Description,
            allowed_pattern=AllowedPattern,
            tags=dict(old.tags) if old else {tag["Key"]: tag["Value"] for tag in Tags},
        )
        return {"Version": self.rows[Name].version}

    def get_parameters(self, **arguments: Any) -> dict[str, Any]:
        return self._act("GetParameters", arguments, lambda: self._get(**arguments))

    def _get(self, *, Names: list[str], WithDecryption: bool) -> dict[str, Any]:
        assert len(Names) <= 10
        found = [name for name in sorted(Names) if name in self.rows]
        return {
            "Parameters": [
                {
                    "Name": name,
                    "ARN": f"arn:aws:ssm:{REGION}:123456789012:parameter{name}",
                    "Type": self.rows[name].type,
                    "Value": self.rows[name].value if WithDecryption else "AQICAH…",
                    "Version": self.rows[name].version,
                    "LastModifiedDate": _MODIFIED,
                }
                for name in found
            ],
            "InvalidParameters": [name for name in Names if name not in found],
        }

    def describe_parameters(self, **arguments: Any) -> dict[str, Any]:
        return self._act("DescribeParameters", arguments, lambda: self._describe(**arguments))

    def _describe(
        self, *, ParameterFilters: list[dict[str, Any]], MaxResults: int, NextToken: str = ""
    ) -> dict[str, Any]:
        assert all(len(each["Values"]) <= 50 for each in ParameterFilters)
        found = [name for name in sorted(self.rows) if all(self._passes(name, each) for each in ParameterFilters)]
        start = int(NextToken or 0)
        end = start + min(MaxResults, 50)
        if not NextToken:
            return {"Parameters": [], "NextToken": "0"}  # AWS answers with empty pages, too
        more = {"NextToken": str(end)} if end < len(found) else {}
        return {"Parameters": [self._described(name) for name in found[start:end]], **more}

    def _passes(self, name: str, condition: dict[str, Any]) -> bool:
        key, values = condition["Key"], condition["Values"]
        if key == "Name":
            return name in values
        if key == "Path":
            return name.rpartition("/")[0] in values
        return self.rows[name].tags.get(key.removeprefix("tag:")) in values

    def _described(self, name: str) -> dict[str, Any]:
        row = self.rows[name]
        facts = {
            "KeyId": row.key_id,
            "Tier": row.tier,
            "Description": row.description,
            "AllowedPattern": row.allowed_pattern,
        }
        shown = {"Name": name, "Version": row.version, "Type": row.type, "LastModifiedDate": _MODIFIED}
        return {**shown, **{key: fact for key, fact in facts.items() if fact}}

    def add_tags_to_resource(self, **arguments: Any) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            given = {tag["Key"]: tag["Value"] for tag in arguments["Tags"]}
            self.rows[arguments["ResourceId"]].tags.update(given)
            return {}

        return self._act("AddTagsToResource", {"Name": arguments["ResourceId"], **arguments}, work)

    def delete_parameters(self, **arguments: Any) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            names = arguments["Names"]
            assert len(names) <= 10
            gone = [name for name in names if self.rows.pop(name, None)]
            self.deleted |= dict.fromkeys(gone, self.now())
            return {"DeletedParameters": gone, "InvalidParameters": [name for name in names if name not in gone]}

        return self._act("DeleteParameters", arguments, work)


class FakeSession:
    """In place of an AwsSession."""

    def __init__(self, ssm: Any, clock: Clock, region: str = REGION) -> None:
        self.ssm = ssm
        self.region = region
        self.pace = Paces(clock)


class FakeClock:
    """Time that passes only while somebody sleeps; `tick` seconds also pass at each look at it."""

    def __init__(self, tick: float = 0.0) -> None:
        self._now = 1000.0
        self._tick = tick
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            self._now += self._tick
            return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds


class FakeLog:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.masked: list[str] = []

    def stage(self, title: str) -> AbstractContextManager[None]:
        return nullcontext()

    def line(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, text: str) -> None:
        self.lines.append(text)

    def mask(self, text: str) -> None:
        self.masked.append(text)


def parameter(key: str, *, path: str = "", owned: bool = True, **more: Any) -> Parameter:
    path = path or at(key)
    references = more.pop("references", (Reference(path, WHERE, "app", key.upper()),))
    return Parameter(path=path, key=key, owned=owned, references=references, **more)


def given(text: str, source: str = "PROD_X") -> SourcedValue:
    return SourcedValue(SecretValue(text), source)


class World:
    """A store, and a run against it."""

    def __init__(self, ssm: FakeSsm | None = None, clock: FakeClock | None = None) -> None:
        self.ssm = ssm or FakeSsm()
        self.clock = clock or FakeClock()
        self.ssm.now = self.clock.now
        self.session: Any = FakeSession(self.ssm, self.clock)
        self.log = FakeLog()
        self.settings = SETTINGS
        self.tags: dict[str, str] = {}

    def plan(self, parameters: Sequence[Parameter], values: dict[str, str]) -> Plan:
        """values: by path."""
        owned = [each.path for each in parameters if each.owned]
        foreign = [each.path for each in parameters if not each.owned]
        reading = read(self.session, owned, foreign, self.log)
        return make_plan(parameters, {path: given(text) for path, text in values.items()}, reading)

    def plan_keys(self, values: dict[str, str], **more: Any) -> Plan:
        """values: by key."""
        parameters = [parameter(key, **more) for key in values]
        return self.plan(parameters, {at(key): text for key, text in values.items()})

    def write(self, plan: Plan, metadata: Metadata | None = None) -> WriteOutcome:
        known = look_up(self.session, plan, self.tags) if metadata is None else metadata
        return write(self.session, plan, self.settings, self.log, self.clock, metadata=known, tags=self.tags)

    def push(self, values: dict[str, str], **more: Any) -> WriteOutcome:
        return self.write(self.plan_keys(values, **more))


def failing(operation: str, error: Callable[[], Exception], *, path: str = "", times: int | None = None) -> Fault:
    """A fault for an operation (about one path), so many times or always."""
    left = itertools.repeat(None) if times is None else iter([None] * times)  # next() is one step for all threads

    def fault(called: str, arguments: dict[str, Any]) -> Exception | None:
        names = arguments.get("Names") or [arguments.get("Name")]
        if called != operation or (path and path not in names) or next(left, "over"):
            return None
        return error()

    return fault


def states(outcome: WriteOutcome) -> dict[str, str]:
    return {result.path.rpartition("/")[2]: str(result.state) for result in outcome.results}


def texts(outcome: WriteOutcome, log: FakeLog) -> str:
    """All that a reader could see of an outcome."""
    results = [f"{result.path} {result.detail} {result.command}" for result in outcome.results]
    problems = [" ".join((each.what, each.remedy, *each.causes)) for each in outcome.problems]
    return "\n".join([*results, *problems, *log.lines, repr(outcome)])


def entries(plan: Plan) -> dict[str, PlannedParameter]:
    return {entry.parameter.key: entry for entry in plan.entries}
