"""Addresses on the way to the API server: its own and its proxy's. No password in one is ever in a message."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from secret_action.errors import InputError
from secret_action.model import Problem

_SCHEMES = ("http", "https")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Proxy:
    """A proxy as the Kubernetes client takes it: the account is no part of its URL."""

    url: str
    headers: Mapping[str, str] = field(repr=False)


def read_proxy(given: str, source: str) -> Proxy:
    """A proxy as people write it: its scheme may be left out, as for curl and Go. source: where it is from.

    Raises InputError for what is no URL, and for kinds of proxies that the Kubernetes client does not speak to.
    """
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    whole = given.strip() if "://" in given else f"http://{given.strip()}"
    try:
        url = parse_url(whole)
    except LocationParseError:
        raise InputError(_no_proxy(source, "is not a URL")) from None
    if url.scheme not in _SCHEMES or not url.host:
        kind = f"is of the kind {url.scheme}://, which is not supported" if url.host else "names no host"
        raise InputError(_no_proxy(source, kind))
    headers = {}
    if url.auth:
        account = unquote(url.auth).encode()
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(account).decode()}"
    return Proxy(f"{url.scheme}://{url.host}" + (f":{url.port}" if url.port else ""), headers)


def _no_proxy(source: str, what: str) -> Problem:
    return Problem(
        f"The proxy in {source} {what}.",
        "Write it as http://HOST:PORT or https://HOST:PORT. Characters of a password that have a meaning in a URL are "
        "percent-encoded; a cluster that needs no proxy is named in NO_PROXY.",
    )


def is_http_url(url: str) -> bool:
    """Whether it is a whole URL of HTTP or HTTPS."""
    try:
        parts = urlsplit(url)
        return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket that is not closed, a port above 65535
        return False


def is_loopback(url: str) -> bool:
    """Whether it is this machine's own."""
    host = urlsplit(url).hostname or ""
    ip = ip_address(host)
    return ip.is_loopback if ip else host == "localhost"


def ip_address(host: str) -> IpAddress | None:
    """The address that a host is; None for a name. IPv4 in IPv6's clothes is IPv4."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def without_userinfo(url: str) -> str:
    """The URL without the account in it."""
    return re.sub(r"^(\w+://)?[^/?#]*@", r"\1", url)


def password_in(url: str) -> str:
    """The password, or the account where it has none; empty without either.

    Up to the last `@`: a password may hold what a URL may not.
    """
    match = re.match(r"(?:\w+://)?([^:/@]*:)?(.+)@", url, re.DOTALL)
    return match[2] if match else ""
