"""When a request to GitHub is sent again: the one place that retries.

What may pass by itself is retried (5xx, lost connections, rate limits); any other refusal never is: a wrong key
does not become right by asking again, and the reader waits for the message.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from secret_action.github.answers import Answer
from secret_action.github.no_answer import may_pass, unreachable
from secret_action.ports import Clock, Log

RETRIES = 3
FIRST_PAUSE = 1.0
"""Seconds; doubled with every retry."""
RATE_LIMIT_BUDGET = 60.0
"""Seconds that one `Patience` waits for rate limits, in all."""


def never(_: Answer) -> bool:
    """No answer but a 5xx may pass by itself."""
    return False


class Patience:
    """The retries of one conversation with one server."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._budget = RATE_LIMIT_BUDGET

    def ask(self, send: Callable[[], Answer], url: str, again: Callable[[Answer], bool] = never) -> Answer:
        """The answer, whatever its status, once retrying is of no more use.

        send: sends the request and reads the answer; called anew for each try. url: where it goes, for messages.
        again: other answers that may pass by themselves, treated like a 5xx.
        Raises GitHubError or InputError where no answer was had at all.
        """
        tries = 0
        while True:
            try:
                answer = send()
            except OSError as error:  # requests' exceptions are OSErrors, and so is an unreadable CA bundle
                failure = unreachable(error, url)
                if tries == RETRIES or not may_pass(error):
                    raise failure from None
                reason = failure.problems[0].what
            else:
                if answer.rate_limited:
                    if not self._wait_for_limit(answer):
                        return answer
                    continue
                if tries == RETRIES or not (answer.status >= 500 or again(answer)):
                    return answer
                reason = f"GitHub answered {answer.status}."
            tries += 1
            # Jobs of one matrix fail at the same moment; without jitter they would all come back together too.
            pause = FIRST_PAUSE * 2 ** (tries - 1) * random.uniform(0.75, 1.25)  # noqa: S311  # not for security
            self._log.line(f"{reason} Trying again in {pause:.1f} s ({tries} of {RETRIES}).")
            self._clock.sleep(pause)

    def _wait_for_limit(self, answer: Answer) -> bool:
        """Waits as GitHub asks, and is False where that is longer than what is left of the budget."""
        seconds = answer.seconds_to_wait
        if seconds > self._budget:
            return False
        self._budget -= seconds
        self._log.line(f"GitHub's rate limit is reached: waiting {seconds:.0f} s, as GitHub asks.")
        self._clock.sleep(seconds)
        return True
