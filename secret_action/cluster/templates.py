"""What can be said of ESO's templates without running them: the plainest are filled in, the rest is left to ESO.

A template is a program in Go's language with a hundred functions; guessing at one would turn into a false alarm.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping

from secret_action.cluster.live import Object, section, text

# `{{ .key }}`, alone or piped through functions; ESO gives each key's bytes to the template as one text.
_ACTION = re.compile(r"\{\{\s*\.([A-Za-z_]\w*)\s*((?:\|\s*\w+\s*)*)\}\}")
_FUNCTIONS: Mapping[str, Callable[[bytes], bytes]] = {"toString": bytes, "b64enc": base64.b64encode}
# Another text in gives another text out.
_TRANSPARENT = {*_FUNCTIONS, "quote", "squote", "indent", "nindent", "urlquery", "toJson"}
# Each run gives another text: what a rebuild makes of these is a new password or key.
_MAKES_ANEW = re.compile(r"\b(rand\w*|gen[A-Z]\w*|uuidv4|shuffle|encryptAES)\b")


class Unclear(Exception):
    """What a template makes is not known; the text is the reason."""


def filled(template: Object, data: Mapping[str, bytes]) -> dict[str, bytes]:
    """The Secret's data that ESO makes by this `spec.target.template` of what the provider gave.

    Raises Unclear for all but texts with plain `{{ .key }}` in them.
    """
    if text(template, "engineVersion") not in ("", "v2") or template.get("templateFrom"):
        raise Unclear("a template makes its data")
    texts = _texts(template)
    if not texts:
        return dict(data)  # ESO: a template without data is about labels, annotations and type alone
    merged = dict(data) if text(template, "mergePolicy") == "Merge" else {}
    return merged | {key: _filled(words, data) for key, words in texts.items()}


def _filled(words: str, data: Mapping[str, bytes]) -> bytes:
    made = b""
    at = 0
    for action in _ACTION.finditer(words):
        functions = _functions(action)
        if action[1] not in data or not set(functions) <= set(_FUNCTIONS):
            raise Unclear("a template makes its data")
        value = data[action[1]]
        for function in functions:
            value = _FUNCTIONS[function](value)
        made += words[at : action.start()].encode() + value
        at = action.end()
    if "{{" in _ACTION.sub("", words):
        raise Unclear("a template makes its data")
    return made + words[at:].encode()


def shown(target: Object, keys: set[str]) -> set[str]:
    """Those of the provider's keys that surely show in the Secret: another value there is another hash."""
    template = section(target, "template")
    texts = _texts(template)
    if template.get("templateFrom"):
        return set()
    if not texts:
        return keys
    named = {
        action[1]
        for words in texts.values()
        if "{{" not in _ACTION.sub("", words)  # a condition may leave anything out
        for action in _ACTION.finditer(words)
        if set(_functions(action)) <= _TRANSPARENT
    }
    kept = keys - set(texts) if text(template, "mergePolicy") == "Merge" else set()
    return keys & (named | kept)


def keys(target: Object, given: set[str]) -> set[str]:
    """The keys that a Secret has for sure where the provider gives these; none where a template may name others."""
    template = section(target, "template")
    if template.get("templateFrom"):
        return set()
    texts = set(_texts(template))
    return given | texts if not texts or text(template, "mergePolicy") == "Merge" else texts


def makes_anew(target: Object) -> bool:
    """Whether running this target's template again may give other secrets from the same values."""
    template = section(target, "template")
    return bool(template.get("templateFrom")) or any(map(_MAKES_ANEW.search, _texts(template).values()))


def _texts(template: Object) -> dict[str, str]:
    return {key: words for key, words in section(template, "data").items() if isinstance(words, str)}


def _functions(action: re.Match[str]) -> list[str]:
    return re.findall(r"\w+", action[2])
