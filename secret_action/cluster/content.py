"""What a Secret's data must be, computed as External Secrets Operator (ESO) computes it from the values of this run.

Where that is not certain it says so and gives up: a guess would turn into a false alarm. It never logs, and never
shows data or hash.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from secret_action.cluster import templates
from secret_action.cluster.hashes import data_hash
from secret_action.cluster.live import Object, entries, section, text
from secret_action.values import SecretValue

# ESO: its path language is gjson's, in which these characters are operators. Names with them are left to ESO.
_OPERATORS = re.compile(r"[*?#|@!{}\[\]()\\\"'=<>%:^]")
_VALID_KEY = re.compile(r"[-._a-zA-Z0-9]+")
# ESO: with these the operator makes the Secret's data and nothing else adds to it.
_WHOLE = {"", "Owner", "Orphan"}


@dataclass(frozen=True)
class Expectation:
    """What the Secret must hold, or why that is not known (`reason`, one sentence without a full stop)."""

    reason: str = ""
    impossible: bool = False
    """ESO cannot make it either, as long as the values are what this run knows them to be."""
    _data: Mapping[str, bytes] | None = field(default=None, repr=False)

    @property
    def keys(self) -> frozenset[str]:
        """The keys that it must have, as far as they are known."""
        return frozenset(self._data or ())

    def matches(self, found: str) -> bool | None:
        """Whether a Secret with this `data-hash` holds exactly these bytes; None where that cannot be told."""
        expected = None if self._data is None else data_hash(self._data, like=found)
        return None if expected is None else expected == found


class _Number(str):
    """A JSON number as it is written."""


class _NotKnowable(Exception):
    """Ends the computation; its text is the reason."""


class _Impossible(_NotKnowable):
    """The values are not what the manifest takes them for."""


def expected_content(spec: Object, values: Mapping[str, SecretValue]) -> Expectation:
    """The data that ESO makes for an ExternalSecret with this spec when SSM holds these values, by parameter path."""
    try:
        return Expectation(_data=_data(spec, values))
    except _NotKnowable as reason:
        return Expectation(str(reason), isinstance(reason, _Impossible))


def _data(spec: Object, values: Mapping[str, SecretValue]) -> dict[str, bytes]:
    target = section(spec, "target")
    if target.get("manifest"):
        raise _NotKnowable("its target is not a Secret")
    policy = text(target, "creationPolicy")
    if policy not in _WHOLE:
        raise _NotKnowable(f"`creationPolicy: {policy}` leaves other keys in the Secret, or makes none")
    data: dict[str, bytes] = {}
    for item in entries(spec, "dataFrom"):  # ESO: dataFrom first, then data over it
        data |= _extracted(item, values)
    for item in entries(spec, "data"):
        data[text(item, "secretKey")] = _single(item, values)
    try:
        return templates.filled(section(target, "template"), data)
    except templates.Unclear as reason:
        raise _NotKnowable(str(reason)) from None


def carried(spec: Object, paths: Set[str]) -> tuple[str, ...]:
    """Those of these parameters that surely stand in the Secret: another value there is another hash of its data."""
    target = section(spec, "target")
    last = {text(item, "secretKey"): item for item in entries(spec, "data")}
    elsewhere = target.get("manifest") or text(target, "creationPolicy") == "None"
    seen = set() if elsewhere else templates.shown(target, set(last))
    return tuple(sorted({text(last[key], "remoteRef", "key") for key in seen if _is_whole(last[key])} & paths))


def asked(spec: Object, optional: Set[str]) -> frozenset[str]:
    """The keys that an ExternalSecret with this spec surely asks for, whatever the values are.

    optional: parameters that need not be there.
    """
    target = section(spec, "target")
    if target.get("manifest") or text(target, "creationPolicy") == "None":
        return frozenset()
    items = entries(spec, "data")
    given = {text(item, "secretKey") for item in items if text(item, "remoteRef", "key") not in optional}
    return frozenset(templates.keys(target, given))


def _is_whole(item: Object) -> bool:
    reference = section(item, "remoteRef")
    given = {name for name, value in reference.items() if value not in ("", "None")}
    return "sourceRef" not in item and given <= {"key", "conversionStrategy"}


def _single(item: Object, values: Mapping[str, SecretValue]) -> bytes:
    if "sourceRef" in item:
        raise _NotKnowable("an entry reads another store")
    reference = section(item, "remoteRef")
    value = _value(reference, values)
    if name := text(reference, "property"):
        value = _as_text(_property(_parsed(value), name))
    return _decoded(value, text(reference, "decodingStrategy"))


def _extracted(item: Object, values: Mapping[str, SecretValue]) -> dict[str, bytes]:
    for word in ("sourceRef", "rewrite", "find"):
        if item.get(word):
            raise _NotKnowable(f"`dataFrom` with `{word}`")
    reference = section(item, "extract")
    parsed = _parsed(_value(reference, values))
    if name := text(reference, "property"):
        parsed = _property(parsed, name)
        if isinstance(parsed, str):  # ESO: the property's text is what is read as JSON
            parsed = _parsed(parsed)
    if not isinstance(parsed, dict):
        raise _Impossible("a parameter that is extracted is not a JSON object")
    data: dict[str, bytes] = {}
    for name, value in parsed.items():
        key = _converted(name, text(reference, "conversionStrategy"))
        if key in data:
            raise _NotKnowable("two properties give one key")
        raw = str(value) if isinstance(value, _Number) else _as_text(value)  # ESO: other than text as it is written
        data[key] = _decoded(raw, text(reference, "decodingStrategy"))
    return data


def _value(reference: Object, values: Mapping[str, SecretValue]) -> str:
    path = text(reference, "key")
    if text(reference, "version"):
        raise _NotKnowable("a pinned version is read")
    if text(reference, "metadataPolicy") not in ("", "None"):
        raise _NotKnowable("tags are read, not values")
    if path not in values:
        raise _NotKnowable(f"the value of {path} is not known to this run")
    return values[path].reveal()


def _parsed(value: str) -> Any:
    try:
        return json.loads(
            value, parse_int=_Number, parse_float=_Number, parse_constant=_refuse, object_pairs_hook=_object
        )
    except (ValueError, RecursionError):
        raise _Impossible("a parameter of which a property is read is not JSON") from None


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotKnowable("a JSON object names a property twice")
    return found


def _property(parsed: Any, name: str) -> Any:
    """ESO: a name with dots is first a literal name, then a path; a number steps into a list."""
    if _OPERATORS.search(name):
        raise _NotKnowable(f"the property {name} is a gjson expression")
    if isinstance(parsed, dict) and name in parsed:
        return parsed[name]
    if "." not in name:
        raise _Impossible(f"there is no property {name}")
    for step in name.split("."):
        if isinstance(parsed, dict) and step in parsed:
            parsed = parsed[step]
        elif isinstance(parsed, list) and step.isascii() and step.isdecimal() and int(step) < len(parsed):
            parsed = parsed[int(step)]
        else:
            raise _Impossible(f"there is no property {name}")
    return parsed


def _as_text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case _Number():
            # gjson prints whole numbers as they are written, and any other by its own rounding.
            if re.fullmatch(r"-?\d+", value):
                return str(value)
            raise _NotKnowable("a property is a fractional number")
        case str():
            return value
        case None:
            return ""
    raise _NotKnowable("a property is itself an object or a list")


def _converted(name: str, strategy: str) -> str:
    """ESO: `conversionStrategy`, for the names that `extract` makes keys of."""
    if not name.isascii():
        raise _NotKnowable("a property's name is not plain ASCII")
    replacement: dict[str, Callable[[str], str]] = {
        "": lambda _: "_",
        "Default": lambda _: "_",
        "Unicode": lambda character: f"_U{ord(character):04x}_",
    }
    if strategy not in replacement:
        raise _NotKnowable(f"`conversionStrategy: {strategy}`")
    return "".join(
        character if _VALID_KEY.fullmatch(character) else replacement[strategy](character) for character in name
    )


def _decoded(value: str, strategy: str) -> bytes:
    """ESO: `decodingStrategy`; `Auto` tries base64, then its URL alphabet, then leaves the value."""
    try:
        raw = value.encode()
    except UnicodeEncodeError:
        raise _NotKnowable("a value is not valid Unicode") from None
    attempts: dict[str, tuple[bytes | None, ...]] = {
        "": (None,),
        "None": (None,),
        "Base64": (b"+/",),
        "Base64URL": (b"-_",),
        "Auto": (b"+/", b"-_", None),
    }
    if strategy not in attempts:
        raise _NotKnowable(f"`decodingStrategy: {strategy}`")
    for alphabet in attempts[strategy]:
        decoded = raw if alphabet is None else _base64(raw, alphabet)
        if decoded is not None:
            return decoded
    raise _Impossible(f"a value is not what `decodingStrategy: {strategy}` asks for")


def _base64(raw: bytes, alphabet: bytes) -> bytes | None:
    """As Go's decoder: line breaks are skipped, padding is needed, anything else outside the alphabet is an error."""
    compact = raw.replace(b"\r", b"").replace(b"\n", b"")
    if re.search(rb"[+/_-]", compact.translate(None, alphabet)):
        return None
    try:
        return binascii.a2b_base64(compact.translate(bytes.maketrans(alphabet, b"+/")), strict_mode=True)
    except binascii.Error:
        return None
