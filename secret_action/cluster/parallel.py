"""Several requests at a time, where all their answers are wanted before anything goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from secret_action.background import Background

_WORKERS = 8

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results for all items, in their order. Raises what one of them raised."""
    given = list(items)
    # Every worker takes each eighth item, so that no lock is shared with a main thread that a signal may interrupt.
    stripes = [given[start::_WORKERS] for start in range(min(_WORKERS, len(given)))]
    workers = [Background(partial(_all, function, stripe)) for stripe in stripes]
    results = [worker.result() for worker in workers]
    return [results[at % _WORKERS][at // _WORKERS] for at in range(len(given))]


def _all(function: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [function(item) for item in items]
