"""What ESO's Parameter Store provider makes of a parameter: properties, extracted maps, decodings.

Texts of errors are those of ESO v0.20.4, gjson and Go's encoding/json, since they reach the events.
"""

import base64
import binascii
import json
import re
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.kubernetes_kinds import Object

GetParameter = Callable[[str, str], "str | None"]
"""Reads a parameter by name and version (empty: newest); None when it does not exist, raises ProviderError."""


class ProviderError(Exception):
    """What the operator could not read, in its words."""


class NoSecretError(ProviderError):
    """The parameter does not exist: the one error that a deletionPolicy can turn into a success."""

    def __init__(self) -> None:
        super().__init__("Secret does not exist")


class SsmParameters:
    """Reads parameters from an SSM endpoint that checks no signature (moto), as the operator's AWS SDK does."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def in_region(self, region: str) -> GetParameter:
        """The reader for one region."""

        def get(name: str, version: str) -> str | None:
            full_name = f"{name}:{version}" if version else name
            answer = self._call(region, "GetParameter", {"Name": full_name, "WithDecryption": True})
            return None if answer is None else str(answer["Parameter"]["Value"])

        return get

    def _call(self, region: str, action: str, body: Object) -> Object | None:
        request = urllib.request.Request(
            self._endpoint,
            data=json.dumps(body).encode(),
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"AmazonSSM.{action}",
                # Only its form matters: the server finds the region in it.
                "Authorization": f"AWS4-HMAC-SHA256 Credential=sandbox/20250101/{region}/ssm/aws4_request, "
                "SignedHeaders=host, Signature=0",
                "User-Agent": "external-secrets",
            },
        )
        failure = f"operation error SSM: {action}, "
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer: Object = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            code, text = _aws_error(error.read())
            if code == "ParameterNotFound":
                return None
            raise ProviderError(
                f"{failure}{_attempts(code, error.code)}https response error StatusCode: {error.code}, "
                f"RequestID: {uuid.uuid4()}, api error {code}: {text}"
            ) from error
        except OSError as error:
            raise ProviderError(
                f"{failure}{_attempts('', 500)}https response error StatusCode: 0, RequestID: , "
                f'request send failed, Post "{self._endpoint}/": {getattr(error, "reason", error)}'
            ) from error


def _aws_error(body: bytes) -> tuple[str, str]:
    try:
        fields = json.loads(body)
        code = str(fields.get("__type", "UnknownError")).rpartition("#")[2]
        return code, str(fields.get("message", fields.get("Message", "")))
    except ValueError:
        return "UnknownError", "UnknownError"


def _attempts(code: str, http_status: int) -> str:
    """The SDK tries what may pass three times, and says so."""
    retried = http_status >= 500 or code in ("ThrottlingException", "TooManyUpdates", "RequestLimitExceeded")
    return "exceeded maximum number of attempts, 3, " if retried else ""


def get_secret(get: GetParameter, prefix: str, ref: Object) -> bytes:
    """One `data[]` entry's value: the whole parameter, or one property of it."""
    text = get(prefix + ref["key"], ref.get("version", ""))
    if text is None:
        raise NoSecretError
    path = ref.get("property", "")
    if not path:
        return text.encode()
    # A property with dots is first looked for as the name of one field.
    for parts in ([path], _split(path)):
        found = _gjson(text, parts)
        if found is not None:
            return _gjson_string(found).encode()
    raise ProviderError(f"key {path} does not exist in secret {ref['key']}")


def get_secret_map(get: GetParameter, prefix: str, ref: Object) -> dict[str, bytes]:
    """A `dataFrom[].extract`'s values: strings unquoted, all else as the JSON text that stands there."""
    text = get_secret(get, prefix, ref).decode()
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError as error:
        raise ProviderError(f"unable to unmarshal secret {ref['key']}: {_go_json_error(text, error)}") from error
    if parsed is None:
        return {}
    if not isinstance(parsed, dict):
        kind = {list: "array", str: "string", bool: "bool"}.get(type(parsed), "number")
        raise ProviderError(
            f"unable to unmarshal secret {ref['key']}: "
            f"json: cannot unmarshal {kind} into Go value of type map[string]json.RawMessage"
        )
    values: dict[str, bytes] = {}
    for key, raw in _members(text):
        value = json.loads(raw)
        values[key] = ("" if value is None else value if isinstance(value, str) else raw).encode()
    return values


def decode(strategy: str, value: bytes) -> bytes:
    """`decodingStrategy` applied to one value."""
    if strategy == "Base64":
        return _base64(value, b"+/")
    if strategy == "Base64URL":
        return _base64(value, b"-_")
    if strategy == "Auto":
        for inner in ("Base64", "Base64URL"):
            try:
                return decode(inner, value)
            except ValueError:
                continue
    return value


def _base64(value: bytes, alphabet: bytes) -> bytes:
    stripped = value.replace(b"\n", b"").replace(b"\r", b"")  # Go skips line ends
    allowed = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + alphabet + b"="
    bad = next((index for index, byte in enumerate(value) if byte not in allowed + b"\r\n"), None)
    if bad is None:
        try:
            return base64.b64decode(stripped, alphabet, validate=True)
        except binascii.Error:
            bad = len(value) - len(value) % 4
    raise ValueError(f"illegal base64 data at input byte {bad}")


def converted(strategy: str, key: str) -> str:
    """`conversionStrategy` applied to a key that Kubernetes might not take."""
    if strategy == "Unicode":
        return re.sub(r"[^\w.-]", lambda found: f"_U{ord(found[0]):04x}_", key)
    return re.sub(r"[^\w.-]", "_", key)


def _split(path: str) -> list[str]:
    """gjson's path: dots part, a backslash takes the next character as it is."""
    parts = re.findall(r"((?:[^.\\]|\\.)*)(?:\.|$)", path)[: path.count(".") + 1]
    return [re.sub(r"\\(.)", r"\1", part) for part in parts]


def _gjson(text: str, parts: list[str]) -> str | None:
    """The JSON text at a path, or None. Wildcards, modifiers and queries are not imitated."""
    raw = text
    for part in parts:
        try:
            parsed = json.loads(raw)
        except ValueError:
            return None
        if isinstance(parsed, dict):
            found = dict(_members(raw)).get(part)
            if found is None:
                return None
            raw = found
        elif isinstance(parsed, list) and part.isdecimal() and int(part) < len(parsed):
            raw = json.dumps(parsed[int(part)], separators=(",", ":"), ensure_ascii=False)
        elif isinstance(parsed, list) and part == "#":
            raw = str(len(parsed))
        else:
            return None
    return raw


def _gjson_string(raw: str) -> str:
    """gjson's `.String()`: null is empty, numbers lose exponents and trailing zeros, objects stay as written."""
    value: Any = json.loads(raw)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:f}".rstrip("0").rstrip(".")
    return raw


def _members(text: str) -> Iterator[tuple[str, str]]:
    """The members of a valid JSON object with each value's own text, which re-encoding would change."""
    decoder = json.JSONDecoder()
    position = text.index("{") + 1
    while True:
        position = _skip(text, position, " \t\r\n,")
        if text[position] == "}":
            return
        key, position = decoder.raw_decode(text, position)
        position = _skip(text, position, " \t\r\n:")
        _, end = decoder.raw_decode(text, position)
        yield key, text[position:end]
        position = end


def _skip(text: str, position: int, characters: str) -> int:
    while text[position] in characters:
        position += 1
    return position


def _go_json_error(text: str, error: json.JSONDecodeError) -> str:
    """What Go's decoder says where Python's gave up."""
    position = _skip(text + "\0", error.pos, " \t\r\n")
    if position >= len(text):
        return "unexpected end of JSON input"
    for literal in ("null", "true", "false"):
        if error.msg == "Expecting value" and text[position] == literal[0]:
            length = next(n for n in range(1, 6) if text[position : position + n] != literal[:n]) - 1
            if position + length == len(text):
                return "unexpected end of JSON input"
            found, expected = text[position + length], literal[length]
            return f"invalid character {found!r} in literal {literal} (expecting {expected!r})"
    context = {
        "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
        "Expecting ':' delimiter": "after object key",
        "Expecting ',' delimiter": "after object key:value pair",
        "Extra data": "after top-level value",
    }.get(error.msg, "looking for beginning of value")
    return f"invalid character {text[position]!r} {context}"
