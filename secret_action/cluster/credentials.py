"""Credentials that run out: tokens of files, of exec plug-ins and of EKS, renewed while a run waits."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from secret_action.errors import ClusterError, InputError, SecretSyncError
from secret_action.model import Problem
from secret_action.ports import Clock, Log

_EARLY = 60.0  # seconds before its end that a token is renewed
_AGAIN = 10.0  # the fewest seconds between two renewals that nobody asked for
_REREAD = 60.0  # seconds after which a token's file is read again, as client-go does


@dataclass(frozen=True)
class Token:
    """A bearer token. seconds: how long it is good for from now; None where it does not say."""

    text: str = field(repr=False)
    seconds: float | None
    look_again: float = math.inf
    """Seconds after which there may be another one, where it does not say how long it is good for."""

    @property
    def renew_in(self) -> float:
        """Seconds after which another one is fetched."""
        if self.seconds is None:
            return self.look_again
        return max(self.seconds - _EARLY, self.seconds / 2, _AGAIN)  # also by a clock that is an hour off


class BearerToken:
    """The value of the Authorization header, renewed before the token in it runs out. Masks each token it gets."""

    def __init__(self, fetch: Callable[[], Token], log: Log, clock: Clock) -> None:
        self._fetch = fetch
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._header = ""
        self._renew_at = self._ends_at = -math.inf

    def __call__(self) -> str:
        """The header's value. Raises what fetching raises, as a ClusterError where there has been a token before."""
        with self._lock:
            if self._clock.now() >= self._renew_at:
                self._renew()
            return self._header

    def renew(self, refused: str) -> bool:
        """Fetches another one for a header that the cluster did not accept, unless that has been done since."""
        with self._lock:
            if self._header == refused:
                self._renew_at = self._ends_at = -math.inf
        return self() != refused

    def _renew(self) -> None:
        try:
            token = self._fetch()
        except SecretSyncError as error:
            now = self._clock.now()
            if now < self._ends_at:
                self._log.line(f"The cluster's token is good for a while yet, and could not be renewed: {error}")
                self._renew_at = now + _AGAIN
                return
            if self._header:  # the run is under way: no longer a matter of inputs
                raise ClusterError(*error.problems) from None
            raise
        self._log.mask(token.text)
        self._header = f"Bearer {token.text}"
        now = self._clock.now()
        self._renew_at = now + token.renew_in
        self._ends_at = math.inf if token.seconds is None else now + token.seconds


class FixedHeader:
    """A header that this program cannot renew by itself."""

    def __init__(self, read: Callable[[], str | None]) -> None:
        self._read = read

    def __call__(self) -> str | None:
        """The header's value, None without one."""
        return self._read()

    def renew(self, refused: str) -> bool:
        """Whether it reads another one now."""
        return self._read() != refused


def token_in_file(path: str, source: str) -> Callable[[], Token]:
    """Reads a token that somebody else renews: the kubelet, a sidecar. source: whose it is, for messages.

    What it returns raises InputError where the file cannot be read or holds no token.
    """

    def fetch() -> Token:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                found = file.read()
        except OSError as error:
            raise InputError(
                Problem(
                    f"{source}: the file of its token cannot be read ({error.strerror}).",
                    "See that it is there for the whole run and that this action's user may read it.",
                )
            ) from None
        return Token(usable_token(found, source), None, _REREAD)

    return fetch


def usable_token(token: str, source: str) -> str:
    """A token as a header takes it: without the line break that a file or a YAML block ends with.

    Raises InputError where another character is left that no token has.
    """
    stripped = token.strip()
    if not re.fullmatch(r"[\x21-\x7e]+", stripped):
        raise InputError(
            Problem(
                f"{source}: its token has a line break or another character in it that no token has, or is empty.",
                "Put the token in one line, exactly as it was issued.",
            )
        )
    return stripped
