"""Threads that the main thread never has to wait for: it stays free to take a cancel.

A signal handler may raise in the main thread between any two instructions, also while it holds a lock, which then is
never released. So the main thread shares none with these threads: it starts them below `threading`, which has locks
of its own, and tells them to stop by a plain attribute. The interpreter does not wait for such threads when it ends:
a request that hangs does not hold up a cancelled run.
"""

from __future__ import annotations

import _thread
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from typing import Generic, TypeVar

THREADS = 8
"""More bring nothing: SSM's own rate is the limit long before."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Crew(Generic[Item]):
    """Hands each item to `work`, on up to `THREADS` threads at a time. `work` must not raise."""

    def __init__(self, work: Callable[[Item], None], items: Iterable[Item]) -> None:
        self._work = work
        self._waiting = deque(items)
        self._stop = False

    def start(self) -> None:
        """Starts the threads. Called a second time, after an interruption, it adds those that are missing."""
        for _ in range(min(THREADS, len(self._waiting))):
            _thread.start_new_thread(self._run, ())

    def stop(self) -> None:
        """From now on no further item is begun."""
        self._stop = True

    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop

    def _run(self) -> None:
        while not self.stopped():
            try:
                item = self._waiting.popleft()
            except IndexError:
                return
            self._work(item)


def in_parallel(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """The results of `work` in the order of the items. Raises the first error, and then begins no further item."""
    done: SimpleQueue[tuple[int, Result | None, Exception | None]] = SimpleQueue()

    def run(numbered: tuple[int, Item]) -> None:
        number, item = numbered
        try:
            done.put((number, work(item), None))
        except Exception as error:
            done.put((number, None, error))

    crew = Crew(run, enumerate(items))
    results: dict[int, Result] = {}
    crew.start()
    try:
        for _ in items:
            number, result, error = done.get()
            if error is not None:
                raise error
            results[number] = result  # type: ignore[assignment]  # None only beside an error, or as Result itself
    finally:
        crew.stop()
    return [results[number] for number in range(len(items))]
