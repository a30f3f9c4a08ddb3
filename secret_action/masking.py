"""Every form of a value that a tool might print, and a redactor that finds them in a text.

Two nets: the forms are registered with the runner, which hides them in all later steps, and everything that this
program prints goes through the redactor, so that it does not depend on the runner.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

# Shorter forms hide ordinary words: a value `dev` would blank the environment's name all over a log, and the runner
# drops an output that contains a mask.
SHORTEST_VALUE = 6
SHORTEST_DERIVED = 8
HIDDEN = "***"

# So much of a value gives it away, though the rest was cut off by whoever printed it.
SHORTEST_PART = 12

_PLAIN_WORD = re.compile(r"[A-Za-z]{0,11}|[0-9]{0,11}")

# Where tools break base64: MIME (76), PEM (64), `openssl base64` (64), GNU base64 (76).
_WRAPS = (64, 76)

# What Go's encoding/json escapes besides what JSON asks for, and what its %q writes in another way than JSON.
_GO_JSON = str.maketrans({character: f"\\u{ord(character):04x}" for character in "&<>\u2028\u2029"})
_GO_QUOTED = str.maketrans(
    {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F)}
    | {code: f"\\{letter}" for letter, code in zip("abtnvfr", range(7, 14), strict=True)}
    | {"\\": "\\\\", '"': '\\"'}
)

# Begins a thousand texts, so it tells nothing of the one.
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://|arn:(?:[^:]*:){4}", re.IGNORECASE)
# Where a word goes on: the end of a value that stands there is the end of something else (`.amazonaws.com`).
_IN_A_WORD = re.compile(r"[\w-]")


def forms_of(text: str) -> Iterator[str]:
    """All forms of a value that a log might hold, without those too short to be told from ordinary words.

    The runner itself derives base64, JSON, URI and XML forms of a mask, but neither wrapped nor url-safe base64,
    hex, base64 of single lines, parts of a JSON object, nor shell-quoted forms (actions/runner, ValueEncoders.cs).
    """
    seen: set[str] = set()
    for form, shortest in _candidates(text):
        if len(form) >= shortest and form not in seen:
            seen.add(form)
            yield form


def _candidates(text: str) -> Iterator[tuple[str, int]]:
    # The runner masks a text with line breaks line by line, and would hide every `{` for a line that is one: so a
    # mask never has a line break, and short lines are left out.
    yield from ((line, SHORTEST_VALUE) for line in _lines(text))
    for piece in dict.fromkeys((text, text.strip(), *_lines(text))):
        if len(piece) >= SHORTEST_VALUE:
            # A value of six characters is as secret in a form of seven.
            shortest = min(SHORTEST_DERIVED, len(piece))
            yield from ((line, shortest) for derived in _encoded(piece) for line in _lines(derived))
    yield from ((leaf, SHORTEST_DERIVED) for leaf in _json_leaves(text))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def _encoded(text: str) -> Iterator[str]:
    raw = text.encode("utf-8", "surrogateescape")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            # Inside a longer text the same bytes have three base64 forms, by where they begin; the first and last
            # characters mix with the neighbours' bits and are left out.
            encoded = encode(b"\0" * shift + raw).decode().rstrip("=")
            first = (0, 2, 3)[shift]
            whole = encoded[first : len(encoded) - (1 if (len(raw) + shift) % 3 else 0)]
            yield whole
            if shift == 0:
                yield from (encoded[at : at + width] for width in _WRAPS for at in range(0, len(encoded), width))
    yield raw.hex()
    yield raw.hex().upper()
    yield urllib.parse.quote(raw)
    yield urllib.parse.quote(raw, safe="")
    yield urllib.parse.quote_plus(raw)
    for ascii_only in (True, False):
        quoted = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        for form in (quoted, quoted.translate(_GO_JSON)):
            yield form
            yield json.dumps(form, ensure_ascii=ascii_only)[1:-1]  # inside an object that is a text of another one
    yield text.translate(_GO_QUOTED)
    yield repr(text)[1:-1]
    yield repr(raw)[2:-1]
    if (quoted := shlex.quote(text)) != text:
        yield quoted[1:-1]
    yield html.escape(text)


def _json_leaves(text: str) -> Iterator[str]:
    """The texts inside a JSON object or list, but for plain words (a user name would be hidden everywhere)."""
    if not text.lstrip().startswith(("{", "[")):
        return
    try:
        pending = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, str) and not _PLAIN_WORD.fullmatch(node.strip()):
            yield from _lines(node)
            yield from (form for form in _encoded(node) if "\n" not in form)


_active: list[Redactor] = []


def activate(redactor: Redactor) -> None:
    """Makes it the one that `hidden` asks, for the rest of the process."""
    _active[:] = [redactor]


def hidden(text: str) -> str:
    """A text from outside with every known value hidden, and what is left of one that was cut.

    For whoever shortens, folds or escapes such a text before it is printed: what is cut in two is found no more.
    """
    return _active[0].redact_outside(text) if _active else text


class Redactor:
    """Replaces every known form of every known value in a text by `***`."""

    def __init__(self) -> None:
        self._public = ""
        self._by_beginning: dict[str, tuple[str, ...]] = {}
        self._parts: _Parts | None = None
        self._lock = threading.RLock()
        """Held while forms or parts change, or parts without the newest form could stay."""

    def allow(self, public: Iterable[str]) -> None:
        """Texts that are public in this run anyway: names, paths, the environment.

        A form that is part of one is not hidden when it is added later, or a value that happens to equal the
        service's name would blank the report.
        """
        self._public = "\n".join((self._public, *public))

    def add(self, text: str) -> tuple[str, ...]:
        """Takes a value and returns its forms that are new, for the runner to be told of."""
        fresh = tuple(form for form in forms_of(text) if self._take(form))
        for whole in (text, text.strip(), " ".join(text.split())):
            self._take(whole)  # of several lines, or folded into one: only we look for those
        return fresh

    def _take(self, form: str) -> bool:
        beginning = form[:SHORTEST_VALUE]
        with self._lock:
            known = self._by_beginning.get(beginning, ())
            if len(form) < SHORTEST_VALUE or form in self._public or form in known:
                return False
            # A new tuple, since another thread may be reading the old one.
            self._by_beginning[beginning] = tuple(sorted((*known, form), key=len, reverse=True))
            self._parts = None
            return True

    def redact_all(self, thing: Any) -> Any:
        """The same for every text inside plain data, dataclasses included. Keys are ours and stay."""
        if isinstance(thing, str):
            return thing if isinstance(thing, Enum) else self.redact(thing)
        if isinstance(thing, Mapping):
            return {key: self.redact_all(value) for key, value in thing.items()}
        if isinstance(thing, list | tuple):
            return type(thing)(self.redact_all(item) for item in thing)
        if is_dataclass(thing) and not isinstance(thing, type):
            return replace(thing, **{one.name: self.redact_all(getattr(thing, one.name)) for one in fields(thing)})
        return thing

    def redact(self, text: str) -> str:
        """The text with every known form hidden. Time grows with the text's length, not with the number of values."""
        if not self._by_beginning:
            return text
        pieces: list[str] = []
        start = position = 0
        while position <= len(text) - SHORTEST_VALUE:
            for form in self._by_beginning.get(text[position : position + SHORTEST_VALUE], ()):
                if text.startswith(form, position):
                    pieces += [text[start:position], HIDDEN]
                    position += len(form)
                    start = position
                    break
            else:
                position += 1
        return "".join([*pieces, text[start:]])

    def redact_outside(self, text: str) -> str:
        """The same for a text that others wrote, and perhaps cut: long beginnings and ends of values go as well."""
        shown = self.redact(text)
        if len(shown) < SHORTEST_PART:
            return shown
        with self._lock:
            if self._parts is None:
                self._parts = _Parts(form for forms in self._by_beginning.values() for form in forms)
            parts = self._parts
        return parts.redact(shown, self._public)


class _Parts:
    """Finds long beginnings and ends of forms. Made when first asked for: most runs quote nothing from outside."""

    def __init__(self, forms: Iterable[str]) -> None:
        self._beginnings: dict[str, list[str]] = {}
        self._ends: dict[str, list[str]] = {}  # both read backwards
        for form in forms:
            telling = _SCHEME.sub("", form, count=1) if _SCHEME.match(form) else form
            if len(telling) > SHORTEST_PART:
                for known, way in ((self._beginnings, telling), (self._ends, telling[::-1])):
                    known.setdefault(way[:SHORTEST_PART], []).append(way)

    def redact(self, text: str, public: str) -> str:
        """The text without them. public: parts of it stay."""
        shown = _without(text, self._beginnings, lambda part, _: part not in public)
        # HIDDEN reads the same backwards.
        return _without(
            shown[::-1],
            self._ends,
            lambda part, before: not _IN_A_WORD.match(before) and part[::-1] not in public,
        )[::-1]


def _without(text: str, known: Mapping[str, Iterable[str]], hides: Callable[[str, str], bool]) -> str:
    """The text without the beginnings that are known. hides: asked with each and with what follows it."""
    pieces: list[str] = []
    start = position = 0
    while position <= len(text) - SHORTEST_PART:
        if forms := known.get(text[position : position + SHORTEST_PART]):
            end = position + max(_alike(form, text[position : position + len(form)]) for form in forms)
            part = text[position:end]
            if hides(part, text[end : end + 1]):
                pieces += [text[start:position], HIDDEN]
                start = position = end
                continue
        position += 1
    return "".join([*pieces, text[start:]])


def _alike(one: str, other: str) -> int:
    """How many characters they have in common at their beginning."""
    return next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(other))
