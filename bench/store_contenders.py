"""What is measured against one another in `bench.store`: each runs in a process of its own and says how it went."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from secret_action.model import Parameter, SourcedValue
from secret_action.ports import SystemClock
from secret_action.settings import AwsSettings
from secret_action.store import AwsSession, look_up, make_plan, read, write
from secret_action.values import SecretValue

AWS_CLI = Path(__file__).parents[1] / ".cache" / "bench" / "awscli" / "bin" / "aws"
"""Where the plain loop's CLI is looked for: `python3 -m venv .cache/bench/awscli`, then its `pip install awscli`."""
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIASANDBOX", "AWS_SECRET_ACCESS_KEY": "sandbox-secret-access-key-0001"}


@dataclass(frozen=True)
class Task:
    """Parameters to bring to their values, in one region of one server."""

    url: str
    region: str
    values: dict[str, str]
    """By path."""


@dataclass(frozen=True)
class Run:
    """How it went: writes that did not succeed, wall-clock and processor seconds, the most memory (MiB)."""

    lost: int
    seconds: float
    processor: float
    mebibytes: float


def ours(task: Task) -> Run:
    """The product: read, plan, look up, write."""
    aws = AwsSession(_session(task), task.region, SystemClock())
    _ = aws.ssm  # a client takes as long to make for every contender, and is not what is measured
    aws_settings = AwsSettings(region=task.region, role="", kms_key_id="", oidc=None, session_name="bench")

    def work() -> int:
        parameters = [Parameter(path, path.rpartition("/")[2], True, ()) for path in task.values]
        given = {path: SourcedValue(SecretValue(text), "BENCH") for path, text in task.values.items()}
        plan = make_plan(parameters, given, read(aws, list(given), [], _Silent()))
        metadata = look_up(aws, plan)
        outcome = write(aws, plan, aws_settings, _Silent(), SystemClock(), metadata=metadata)
        return sum(result.state != "written" for result in outcome.results)

    return _measured(work)


def boto(task: Task, *, mode: str, threads: int) -> Run:
    """One `put_parameter` for each, on so many threads. mode: botocore's retry mode; empty for its default."""
    retries: Any = {"mode": mode}
    config = Config(retries=retries) if mode else None
    ssm = _session(task).client("ssm", config=config, endpoint_url=task.url)

    def put(path: str) -> bool:
        try:
            ssm.put_parameter(Name=path, Value=task.values[path], Type="SecureString", Overwrite=True)
        except Exception:
            return False
        return True

    def work() -> int:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(put, task.values)).count(False)

    return _measured(work)


def loop(task: Task) -> Run:
    """One process of the AWS CLI for each, as a shell script has it."""
    environment = {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": task.url,
        "AWS_DEFAULT_REGION": task.region,
        "PATH": "/usr/bin:/bin",
    }

    def put(path: str) -> bool:
        options = ["--name", path, "--value", task.values[path], "--type", "SecureString", "--overwrite"]
        command = [str(AWS_CLI), "ssm", "put-parameter", *options]
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0

    return _measured(lambda: [put(path) for path in task.values].count(False))


def _session(task: Task) -> Any:
    keys = CREDENTIALS
    session = boto3.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], region_name=task.region)
    return _At(session, task.url)


class _At:
    """A boto3 session whose clients talk to the bench's server."""

    def __init__(self, session: boto3.Session, url: str) -> None:
        self._session = session
        self._url = url

    def client(self, service: Any, **options: Any) -> Any:
        """As boto3's."""
        return self._session.client(service, **{"endpoint_url": self._url, **options})


def _measured(work: Callable[[], int]) -> Run:
    began, processor = time.perf_counter(), time.process_time()
    lost = work()
    return Run(
        lost,
        time.perf_counter() - began,
        time.process_time() - processor,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,  # KiB on Linux
    )


class _Silent:
    """A log that nobody reads."""

    def stage(self, _: str) -> AbstractContextManager[None]:
        """No group."""
        return contextlib.nullcontext()

    def line(self, _: str) -> None:
        """Nothing."""

    def progress(self, _: str) -> None:
        """Nothing."""

    def mask(self, _: str) -> None:
        """Nothing."""


Contender = tuple[str, Callable[[Task], Run]]


def named(contenders: Sequence[str]) -> list[Contender]:
    """Contenders by name: `ours`, or `MODE xTHREADS` for boto3."""
    return [(name, _Named(name)) for name in contenders]


@dataclass(frozen=True)
class _Named:
    """A contender that can be handed to another process."""

    name: str

    def __call__(self, task: Task) -> Run:
        if self.name == "ours":
            return ours(task)
        mode, _, threads = self.name.removeprefix("boto3 ").partition(" x")
        return boto(task, mode="" if mode == "default" else mode, threads=int(threads))
