"""Why there is no answer at all, told so that the reader can mend it.

Pure: exceptions in, errors out. An exception's text is never quoted: requests puts whole URLs into it, and an archive's
URL carries a token.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import TypeVar

from secret_action.errors import GitHubError, InputError, SecretSyncError
from secret_action.github.answers import clean, host_of
from secret_action.model import Problem

E = TypeVar("E", bound=BaseException)


def may_pass(error: OSError) -> bool:
    """Whether sending the request again can help."""
    from requests import exceptions

    if _first(error, ssl.SSLCertVerificationError) or _proxy_refuses(error):
        return False
    return isinstance(error, (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError))


def unreachable(error: OSError, url: str) -> SecretSyncError:
    """Why there is no answer. url: where the request went, unless the exception knows better (a redirect)."""
    from requests.exceptions import ProxyError, RequestException, SSLError, Timeout

    request = error.request if isinstance(error, RequestException) else None
    # Of the request only while it still is text: requests prepares it step by step, and may have failed early.
    asked = request.url if request is not None else None
    host = host_of(asked if isinstance(asked, str) and asked else url)
    if not isinstance(error, RequestException):
        return _not_even_sent(error, host)
    if _proxy_refuses(error) or isinstance(error, ProxyError):
        return GitHubError(
            Problem(
                f"{host} cannot be reached through the proxy that the environment names.",
                "Check HTTPS_PROXY (address, port, user and password), or name the host in NO_PROXY.",
                ("The proxy is down or wants credentials.", "The proxy does not allow this host."),
            )
        )
    if isinstance(error, SSLError):
        untrusted = _first(error, ssl.SSLCertVerificationError)
        reason = f" ({clean(untrusted.verify_message)})" if untrusted and untrusted.verify_message else ""
        return GitHubError(
            Problem(
                f"No TLS connection to {host}: its certificate is not trusted here{reason}."
                if untrusted
                else f"The TLS connection to {host} failed.",
                "Where a company's own CA signs for it (GitHub Enterprise Server, an inspecting proxy), set "
                "REQUESTS_CA_BUNDLE or SSL_CERT_FILE to a file that holds that CA's certificate, in the workspace "
                "or another folder that the action's container sees.",
            )
        )
    if _first(error, socket.gaierror) or "NameResolutionError" in {type(link).__name__ for link in _chain(error)}:
        return GitHubError(
            Problem(
                f"The name {host} cannot be resolved.",
                "Check GITHUB_API_URL and the runner's DNS; where the network has a proxy, set HTTPS_PROXY.",
            )
        )
    if _first(error, ConnectionRefusedError):
        return GitHubError(
            Problem(
                f"{host} refuses the connection.",
                "Check GITHUB_API_URL and the runner's way out (firewall, HTTPS_PROXY).",
            )
        )
    if isinstance(error, Timeout) or _first(error, TimeoutError):
        return GitHubError(
            Problem(
                f"{host} did not answer in time.",
                "Look at https://www.githubstatus.com and the runner's way out (firewall, HTTPS_PROXY); run it again.",
            )
        )
    return GitHubError(
        Problem(
            f"The connection to {host} was lost ({type(error).__name__}).",
            "Run it again; if it stays, check the runner's way out (firewall, HTTPS_PROXY).",
        )
    )


def _not_even_sent(error: OSError, host: str) -> SecretSyncError:
    """requests raises a plain OSError where the CA bundle is no file; anything else is the machine's own."""
    if "CA certificate bundle" in str(error):
        return InputError(
            Problem(
                "The CA bundle that REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE names does not exist here.",
                "Name a file that the action's container sees: in the workspace, not elsewhere on the runner.",
            )
        )
    return GitHubError(
        Problem(
            f"No connection to {host}: {clean(error.strerror or type(error).__name__)}.",
            "Check the runner's network, and run it again.",
        )
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and all that it wraps: requests hides urllib3's in `args`, and urllib3 the cause in `reason`."""
    todo: list[BaseException] = [error]
    seen: set[int] = set()
    while todo:
        link = todo.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inner = (*link.args, getattr(link, "reason", None), link.__cause__, link.__context__)
        todo.extend(item for item in inner if isinstance(item, BaseException))


def _first(error: BaseException, kind: type[E]) -> E | None:
    return next((link for link in _chain(error) if isinstance(link, kind)), None)


def _proxy_refuses(error: BaseException) -> bool:
    return any("Tunnel connection failed" in str(link) for link in _chain(error) if isinstance(link, OSError))
