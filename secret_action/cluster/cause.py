"""One line of the table of causes: how it is recognised in what the cluster shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from secret_action.cluster.evidence import Evidence
from secret_action.cluster.quoting import whole

# `error processing spec.data[0] (key: /a/b), err: …`: what ESO puts before the words of whoever failed.
_ENTRY = re.compile(r"error processing spec\.data\w*\[\d+\](?: \(key: (?P<key>[^)]*)\)|\.\w+)*, err: (?P<said>.*)")


@dataclass(frozen=True)
class Cause:
    """One line of the table.

    seen: for the reader, what shows it. pattern: found in all that ESO said; its named groups may stand in the texts,
    as far as they may be shown. It holds a space, a colon or a quote at a telling place, which no name does, or the
    parameter `…/throttling_limits` would be taken for what was said of it. when: what must hold besides, given the key
    of the entry that failed (empty where ESO names none). shows: what shows it where nobody said the pattern. cause,
    remedy: one sentence each, with the words of `diagnose` and the pattern's groups filled in.
    """

    id: str
    seen: str
    cause: str
    remedy: str
    pattern: str = ""
    when: Callable[[Evidence, str], bool] | None = None
    shows: Callable[[Evidence], bool] = lambda _: False

    def match(self, evidence: Evidence) -> dict[str, str] | None:
        """The pattern's groups where it fits, and `key` where ESO names one; else None."""
        for text in evidence.texts if self.pattern else ():
            key, said = _entry(whole(text))
            found = re.search(self.pattern, said)
            if found and (self.when is None or self.when(evidence, key)):
                shown = re.search(self.pattern, _entry(text)[1])
                words = shown.groupdict() if shown else dict.fromkeys(found.groupdict())
                return {"key": key, **{name: value or "" for name, value in words.items()}}
        return {} if self.shows(evidence) else None


def _entry(text: str) -> tuple[str, str]:
    """The key of the entry that failed, empty where none is named, and what was said of it."""
    entry = _ENTRY.search(text)
    return (entry["key"] or "", entry["said"]) if entry else ("", text)


def code(*names: str) -> str:
    """AWS's error codes by their beginning, where they stand as such: `api error ThrottlingException: `."""
    return rf"(?:^|[ (,])(?:{'|'.join(names)})\w*: "


def seen_by_us(evidence: Evidence, key: str) -> bool:
    """What ESO does not find is there, as our own credentials see it."""
    if evidence.store_prefix:
        return False  # they look for another parameter
    if key:
        return evidence.parameters.get(key, False)
    return bool(evidence.parameters) and all(evidence.parameters.values())


MISSING = r"Secret does not exist|" + code("ParameterNotFound")
NOT_READY = r'Store "[^"]*" is not ready'
