"""One answer of GitHub, as far as this product looks at it.

Pure. Texts in an answer come from outside; `message` is the cleaned form that may be quoted.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

LONGEST_QUOTE = 300
"""Characters of GitHub's own words that a message quotes."""

SECONDS_WITHOUT_ADVICE = 60.0
"""GitHub's "Best practices for using the REST API": wait at least a minute where a limit names no time."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")


def clean(text: str) -> str:
    """A foreign text fit to be quoted: one line, no control or direction characters, at most `LONGEST_QUOTE`."""
    line = " ".join(_UNPRINTABLE.sub(" ", text).split())
    return line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1] + "…"


def host_of(url: str) -> str:
    """Host of a URL, and port where it is not the usual one, without anything else that the URL may carry."""
    parts = urlsplit(url)
    usual = ":443" if parts.scheme == "https" else ":80"
    return clean(parts.netloc.rpartition("@")[2].removesuffix(usual)) or "GitHub"


@dataclass(frozen=True)
class Answer:
    """Status, headers (names in lower case) and text of one answer."""

    status: int
    headers: Mapping[str, str]
    body: str = ""

    @property
    def ok(self) -> bool:
        """True for a status of the 200s."""
        return 200 <= self.status < 300

    @property
    def fields(self) -> Mapping[str, Any]:
        """The JSON object of the body; empty where the body is anything else, as a proxy's HTML page is."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def message(self) -> str:
        """GitHub's own sentence about a refusal, cleaned; empty where it gave none."""
        message = self.fields.get("message")
        return clean(message) if isinstance(message, str) else ""

    @property
    def date(self) -> float | None:
        """When the server says it answered, seconds since the epoch; None where it does not say."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except ValueError:
            return None

    @property
    def rate_limited(self) -> bool:
        """True for a primary or secondary rate limit.

        By GitHub's "Rate limits for the REST API" both come as 403 or 429, with `x-ratelimit-remaining: 0`, with
        `retry-after`, or with nothing but the message.
        """
        if self.status == 429:
            return True
        return self.status == 403 and (
            "retry-after" in self.headers
            or self.headers.get("x-ratelimit-remaining") == "0"
            or "rate limit" in self.message.lower()
        )

    @property
    def seconds_to_wait(self) -> float:
        """How long a rate limit asks to wait, at least a second.

        The reset time is compared with the answer's own date, so that a wrong clock here does no harm.
        """
        try:
            if "retry-after" in self.headers:
                return max(1.0, float(int(self.headers["retry-after"])))
            if self.headers.get("x-ratelimit-remaining") == "0":
                now = self.date if self.date is not None else time.time()
                return max(1.0, int(self.headers.get("x-ratelimit-reset", "")) - now)
        except ValueError:
            pass
        return SECONDS_WITHOUT_ADVICE
