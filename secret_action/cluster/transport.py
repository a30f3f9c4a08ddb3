"""HTTP to the API server, over the Kubernetes client's own pool of connections: its TLS, its proxies.

Nothing here retries, and nothing here knows what a request means.
"""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from secret_action.cluster import errors
from secret_action.masking import hidden
from secret_action.model import Problem

_CONNECT_TIMEOUT = 10.0  # seconds


class Answer(Protocol):
    """What the API server sent back."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def retry_after(self) -> float:
        """Seconds that the server asks to wait; 0 where it does not say."""

    def read(self) -> bytes:
        """The whole body. Raises Unreachable where it does not come."""

    def lines(self) -> Iterator[bytes]:
        """The body line by line, each as soon as it is there. Raises Unreachable where the connection breaks."""

    def interrupt(self) -> None:
        """Ends a reading that another thread waits in."""

    def close(self) -> None:
        """Ends the connection."""


class Transport(Protocol):
    """Sends one request."""

    @property
    def server(self) -> str:
        """The API server's URL."""

    def send(
        self,
        method: str,
        url: str,
        *,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        read_timeout: float,
    ) -> Answer:
        """The answer, whatever its status, its body not yet read. Raises Unreachable, NotTrusted."""

    def close(self) -> None:
        """Ends all connections."""


class Authorization(Protocol):
    """The account that requests are sent as."""

    def __call__(self) -> str | None:
        """The header's value, asked for at each request; None where the account is a client certificate."""

    def renew(self, refused: str) -> bool:
        """Told of a header that the cluster did not accept. True where the next one may be another."""


class HttpTransport:
    """The real one. rest: the Kubernetes client's `RESTClientObject`."""

    def __init__(self, server: str, rest: Any, authorization: Authorization) -> None:
        self._server = server
        self._rest = rest
        self._authorization = authorization

    @property
    def server(self) -> str:
        return self._server

    def send(
        self,
        method: str,
        url: str,
        *,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        read_timeout: float,
    ) -> HttpAnswer:
        sent = {"Accept": "application/json", "User-Agent": "secret-sync", **headers}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        header = self._authorization()
        answer = self._send(method, url, body, sent, header, read_timeout)
        if answer.status == 401 and header and self._authorization.renew(header):
            answer.read()  # a token may end before its time
            answer = self._send(method, url, body, sent, self._authorization(), read_timeout)
        return answer

    def _send(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        header: str | None,
        read_timeout: float,
    ) -> HttpAnswer:
        with _told(self._server):
            answer = self._rest.request(
                method,
                f"{self._server}{url}",
                headers={**headers, "Authorization": header} if header else dict(headers),
                body=body,
                _request_timeout=(min(_CONNECT_TIMEOUT, read_timeout), read_timeout),
            )
        return HttpAnswer(self._server, answer.response)

    def close(self) -> None:
        self._rest.close()


class HttpAnswer:
    """An answer of urllib3."""

    def __init__(self, server: str, response: Any) -> None:
        self._server = server
        self._response = response

    @property
    def status(self) -> int:
        found: int = self._response.status
        return found

    @property
    def retry_after(self) -> float:
        value = self._response.headers.get("Retry-After", "")
        return float(value) if re.fullmatch(r"\d{1,6}", value) else 0.0

    def read(self) -> bytes:
        with _told(self._server):
            body: bytes = self._response.read()
        self._response.release_conn()
        return body

    def lines(self) -> Iterator[bytes]:
        rest = b""
        with _told(self._server):
            for chunk in self._response.stream(amt=None):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from filter(None, whole)
        if rest:
            yield rest

    def interrupt(self) -> None:
        with contextlib.suppress(ValueError, RuntimeError, OSError):  # it has ended in the meantime
            self._response.shutdown()

    def close(self) -> None:
        self._response.close()


@contextlib.contextmanager
def _told(server: str) -> Iterator[None]:
    """Turns what urllib3 and the Kubernetes client raise into our own errors, without their object addresses."""
    import urllib3.exceptions as http
    from kubernetes.client.exceptions import ApiException

    try:
        yield
    except ApiException as error:  # the client's own name for a TLS failure, with the words in `reason`
        raise _not_trusted(server, str(error.reason)) from None
    except http.ProxyError as error:
        raise _unreachable(server, f"the proxy does not let it through: {_words(error)}") from None
    except (http.SSLError, ssl.SSLError) as error:
        raise _not_trusted(server, _words(error)) from None
    except http.NameResolutionError:
        raise _unreachable(server, "its name is not known to DNS") from None
    except http.NewConnectionError as error:
        raise _unreachable(server, _words(error)) from None
    except http.ConnectTimeoutError:
        raise _unreachable(server, f"no connection within {_CONNECT_TIMEOUT:.0f} seconds") from None
    except http.ReadTimeoutError:
        raise _unreachable(server, "it accepts the request and does not answer in time") from None
    except (http.HTTPError, OSError) as error:
        raise _unreachable(server, _words(error)) from None


def _words(error: BaseException) -> str:
    """The system's own words for it, out of urllib3's wrappers."""
    while (inner := error.__cause__ or getattr(error, "original_error", None)) is not None:
        error = inner
    said = str(error.args[-1]) if isinstance(error, OSError) and error.args else str(error)
    return errors.clean(re.sub(r"<[^>]*object at 0x[^>]*>:? ?|\(_ssl\.c:\d+\)", "", hidden(said))).strip()


def _unreachable(server: str, why: str) -> errors.Unreachable:
    return errors.Unreachable(
        Problem(
            f"The cluster's API server {server} cannot be reached: {why}.",
            "Check its address in the kubeconfig, and that this runner has a route to it: a private endpoint needs a "
            "self-hosted runner in its network, a proxy is taken from HTTPS_PROXY and NO_PROXY.",
        )
    )


def _not_trusted(server: str, why: str) -> errors.NotTrusted:
    return errors.NotTrusted(
        Problem(
            f"TLS with the cluster's API server {server} fails: {errors.clean(why)}.",
            "Check `certificate-authority-data` of the cluster in the kubeconfig, or `tls-server-name` where the "
            "certificate is made out to another name.",
        )
    )
