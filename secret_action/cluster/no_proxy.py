"""NO_PROXY as kubectl reads it: by the rules of Go's golang.org/x/net/http/httpproxy.

The Kubernetes client's own reading knows neither `*.example.com` nor the port that a URL leaves out.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from secret_action.cluster.addresses import IpAddress, ip_address, is_loopback

_PORTS = {"http": "80", "https": "443"}
# As Go's net.SplitHostPort: IPv6 with a port is in brackets.
_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[^:\[\]]*)")


def no_proxy_of(environment: Mapping[str, str]) -> str:
    """Its value; the upper-case name goes first, as for Go."""
    return environment.get("NO_PROXY") or environment.get("no_proxy") or ""


def is_direct(url: str, no_proxy: str) -> bool:
    """Whether a URL is reached without the proxy of the environment."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", str(parts.port or _PORTS.get(parts.scheme, ""))
    entries = [entry.strip().lower() for entry in no_proxy.split(",")]
    return is_loopback(url) or any(_names(entry, host, ip_address(host), port) for entry in entries if entry)


def _names(entry: str, host: str, ip: IpAddress | None, port: str) -> bool:
    """Whether an entry means this host: `*`, a network, an address or a domain, the last two with a port or without."""
    if entry == "*":
        return True
    if (network := _network(entry)) is not None:
        return ip is not None and ip in network
    split = _HOST_AND_PORT.fullmatch(entry)
    name = (split["v6"] or split["host"] or "") if split else entry
    if split and split["port"] not in ("", port):
        return False
    if ip is not None:
        return ip == ip_address(name)
    domain = name[1:] if name.startswith("*.") else name
    if domain.startswith("."):
        return host.endswith(domain)  # what lies under it, and not itself
    return domain != "" and f".{host}".endswith(f".{domain}")


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """None for what is no CIDR."""
    if not re.search(r"/\d+$", entry):
        return None
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None
