"""The write stage against what else there is, on a local Parameter Store with AWS's limits and 15 ms to an answer.

    python -m bench.store [NAME…]      NAME: new, shared, unchanged, many, bad-day; all where none is given

All contenders of a table run against one server in the same run, each in a region, which has limits of its own, and in
a process of its own. Ratios are to the ideal of the bucket: what is above its burst, at its rate. Takes ten minutes;
`bench.store_simulation` has what would take longer.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from bench.store_contenders import AWS_CLI, Contender, Run, Task, loop, named
from bench.store_simulation import BUCKETS, LATENCY
from sandbox.aws import AwsServer

BOTO3 = [f"boto3 {mode} x{threads}" for mode in ("default", "standard", "adaptive") for threads in (1, 8)]
REGIONS = [f"us-east-{number}" for number in range(1, 10)]
FOLDER = "/zerotouch/prod/my-service"
READ_RATE, READ_BURST = 40.0, 40
LOOPED = 30
"""Processes that the plain loop is measured with; their median is what one write costs it."""


def main() -> int:
    """Prints one table for each bench."""
    tables: dict[str, Callable[[], None]] = {
        "new": new,
        "shared": shared,
        "unchanged": unchanged,
        "many": many,
        "bad-day": bad_day,
    }
    for name in sys.argv[1:] or tables:
        began = time.perf_counter()
        tables[name]()
        print(f"({time.perf_counter() - began:.0f} s)\n", flush=True)
    return 0


def new() -> None:
    """200 new parameters, each bucket."""
    each = one_process()
    for bucket, (rate, burst) in BUCKETS.items():
        ideal = (200 - burst) / rate
        _head(f"200 new parameters, {bucket}: ideal {ideal:.1f} s (goal ≤ 1.05x, 0 lost, ≤ 5 % refused)")
        with _server(rate, burst) as server:
            _race(server, named(["ours", *BOTO3]), _values(200), ideal, together=rate < 40)
        if each is not None:
            seconds = max(200 * each, ideal)
            print(f"{'aws CLI, a process each':26} {seconds:9.2f} {seconds / ideal:9.2f}x   ({each:.2f} s a process)")


def shared() -> None:
    """200 writes while another client takes half the rate."""
    for bucket, (rate, burst) in BUCKETS.items():
        if rate < 10:
            continue  # four minutes: simulated
        ideal = (200 - burst) / (rate / 2)
        _head(f"200 writes, another client takes half of {bucket}: ideal {ideal:.1f} s (goal ≤ 1.15x, 0 lost)")
        with _server(rate, burst) as server:
            contenders = named(["ours", "boto3 default x8", "boto3 standard x8", "boto3 adaptive x8"])
            _race(server, contenders, _values(200), ideal, together=True, other_rate=rate / 2)


def unchanged() -> None:
    """1,000 unchanged parameters."""
    ideal = (100 - READ_BURST) / READ_RATE
    _head(
        f"1,000 unchanged, reads {READ_RATE:.0f}/s, burst {READ_BURST}: ideal {ideal:.1f} s (goal: 100 reads, 0 writes)"
    )
    with _server(10, 20) as server:
        values = _stored(server, 1000)
        [run] = _race(server, named(["ours"]), values, ideal, together=True)
        operations = [call.operation for call in server.calls]
        print(f"{operations.count('GetParameters')} reads, {operations.count('PutParameter')} writes")
    each = one_process()
    if each is not None:
        print(
            f"aws CLI, a process each: {1000 * each:.0f} s ({each:.2f} s each): {1000 * each / run.seconds:.0f} x ours"
        )


def many() -> None:
    """10,000 parameters, 1 % changed."""
    _head("1 % changed, reads 40/s, writes 10/s: ours (goal: linear, ≤ 300 MiB)")
    for count in (1000, 10_000):
        with _server(10, 20) as server:
            values = _stored(server, count)
            changed = {path: f"{text}-rotated" for path, text in list(values.items())[:: count // (count // 100)]}
            ideal = max(0, count / 10 + 10 - READ_BURST) / READ_RATE + max(0, count / 100 - 20) / 10
            [run] = _race(server, named(["ours"]), {**values, **changed}, ideal, together=True, label=f"{count:,}")
            print(
                f"  processor {run.processor:.2f} s, {1e6 * run.processor / count:.0f} µs each; {run.mebibytes:.0f} MiB"
            )


def bad_day() -> None:
    """200 writes, 10 % TooManyUpdates, 2 % connection resets, 1 % 500."""
    rate, burst = BUCKETS["10/s, burst 20"]
    ideal = (200 - burst) / rate
    _head(f"200 writes, 10 % TooManyUpdates, 2 % resets, 1 % 500: ideal {ideal:.1f} s (goal: 0 lost, none twice)")
    with _server(rate, burst) as server:
        server.fail("PutParameter", code="TooManyUpdates", times=None, chance=0.10)
        server.fail("PutParameter", times=None, chance=0.01, drop="before")
        resets = server.fail("PutParameter", times=None, chance=0.01, drop="after")
        server.fail("PutParameter", code="InternalServerError", status=500, times=None, chance=0.01)
        contenders = named(["ours", "boto3 default x8", "boto3 standard x8", "boto3 adaptive x8"])
        _race(server, contenders, _values(200), ideal, together=True)
        for (name, _), region in zip(contenders, REGIONS, strict=False):
            versions = [found["version"] for found in server.parameters(region).values()]
            print(f"{name}: {len(versions)} stored, {sum(versions) - len(versions)} versions too many")
        print(f"(answers lost after the write, all contenders together: {resets.taken})")


_one: list[float] = []


def one_process() -> float | None:
    """Seconds that the plain loop takes for one write, on a machine that does nothing else; None without the CLI."""
    if not AWS_CLI.exists():
        print(f"(no aws CLI at {AWS_CLI}: the plain loop is left out)")
        return None
    if not _one:
        with _server(10, 20) as server:
            values = _values(LOOPED)
            each = [loop(Task(server.url, REGIONS[0], {path: text})).seconds for path, text in values.items()]
            _one.append(statistics.median(each))
    return _one[0]


def _values(count: int) -> dict[str, str]:
    return {f"{FOLDER}/key_{number:05}": f"value-of-key-{number:05}-0123456789" for number in range(count)}


def _stored(server: AwsServer, count: int) -> dict[str, str]:
    values = _values(count)
    for path, text in values.items():
        server.put(path, text, region=REGIONS[0])
    return values


@contextmanager
def _server(rate: float, burst: float) -> Iterator[AwsServer]:
    with AwsServer(
        write_rate=rate, burst=int(burst), read_rate=READ_RATE, read_burst=READ_BURST, latency=LATENCY, quota=20_000
    ) as server:
        yield server


def _race(
    server: AwsServer,
    contenders: Sequence[Contender],
    values: dict[str, str],
    ideal: float,
    *,
    together: bool,
    other_rate: float = 0.0,
    label: str = "",
) -> list[Run]:
    """Runs each contender in a region of its own, and prints a line for each."""
    with ProcessPoolExecutor(
        len(contenders) if together else 1, mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        jobs = []
        for (_, contender), region in zip(contenders, REGIONS, strict=False):
            over = threading.Event()
            if other_rate:
                threading.Thread(target=_other_client, args=(server, region, other_rate, over), daemon=True).start()
            job = pool.submit(contender, Task(server.url, region, values))
            job.add_done_callback(lambda _, over=over: over.set())  # type: ignore[misc]
            jobs.append(job)
        runs = [job.result() for job in jobs]
    for (name, _), region, run in zip(contenders, REGIONS, runs, strict=False):
        calls = [call for call in server.calls if (call.region, call.operation) == (region, "PutParameter")]
        refused = sum(call.status == 400 for call in calls)
        share = refused / len(calls) if calls else 0.0
        print(
            f"{label or name:26} {run.seconds:9.2f} {run.seconds / ideal:9.3f}x {run.lost:6} {refused:9} {share:8.1%}",
            flush=True,
        )
    return runs


def _other_client(server: AwsServer, region: str, rate: float, over: threading.Event) -> None:
    """Takes so many tokens a second, and insists where it is refused."""
    due = time.monotonic()
    while not over.wait(max(0.0, due - time.monotonic())):
        due = due + 1 / rate if server.take("PutParameter", region) else time.monotonic() + 0.02


def _head(title: str) -> None:
    print(title)
    print(f"{'':26} {'seconds':>9} {'ratio':>10} {'lost':>6} {'refused':>9} {'share':>8}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
