"""How a request is sent to SSM: at its pace, and again while that may help.

botocore retries nothing for us: it knows neither the account's rate nor whether a write may be repeated.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from secret_action.store import answers
from secret_action.store.pacing import Pacer

Result = TypeVar("Result")

_TRIES = 8
"""Times a read is sent that fails for another reason than its rate: about ten seconds in all."""
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 5.0
_jitter = random.SystemRandom()


class Stopped(Exception):
    """The work was told to stop before a request was sent."""


def never() -> bool:
    """For work that nothing stops."""
    return False


def longer(delay: float) -> float:
    """The seconds to wait after a failure that is a request's own. delay: those of the last time, 0 at first.

    It doubles, with jitter, so that requests which failed together do not come back together.
    """
    return min(_LONGEST_DELAY, max(_FIRST_DELAY, 2 * delay)) * _jitter.uniform(0.5, 1.0)


def send(pacer: Pacer, given_at: float, call: Callable[[], Result]) -> Result:
    """Sends a request and tells the pacer how it went. Raises what `call` raises.

    given_at: when the pacer gave it its token. What came between the token and the request (a look at what is to be
    overwritten) must not make a refusal look like news.
    """
    try:
        result = call()
    except Exception as error:
        pacer.failed(given_at, throttled=answers.is_throttled(error))
        raise
    pacer.succeeded(given_at)
    return result


def once(pacer: Pacer, call: Callable[[], Result], stopped: Callable[[], bool] = never) -> Result:
    """One try, at its pace. Raises what `call` raises, and Stopped."""
    if (given_at := pacer.wait(stopped)) is None:
        raise Stopped
    return send(pacer, given_at, call)


def ask(pacer: Pacer, call: Callable[[], Result], stopped: Callable[[], bool] = never) -> Result:
    """A request that may be repeated without harm, until it succeeds or another try is of no use.

    A refusal because of the rate is waited out as long as the pacer has patience. Raises what `call` raised last, and
    Stopped.
    """
    pacer.renew()
    delay, tries = 0.0, 0
    while (given_at := pacer.wait(stopped, delay)) is not None:
        try:
            return send(pacer, given_at, call)
        except Exception as error:
            throttled = answers.is_throttled(error)
            tries += not throttled
            if not answers.is_transient(error) or pacer.exhausted() or tries == _TRIES:
                raise
            delay = 0.0 if throttled else longer(delay)
    raise Stopped
