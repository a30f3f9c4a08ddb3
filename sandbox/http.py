"""The base of the local servers: threaded HTTP/1.1 with keep-alive, streaming and, when asked for, TLS.

It records every request in the order of arrival, and lets `Faults` misbehave before anything is routed.
"""

import contextlib
import datetime
import email.utils
import ipaddress
import json
import re
import select
import socket
import socketserver
import ssl
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.faults import Faults


@dataclass(frozen=True)
class Request:
    """One request as it arrived: `path` is percent-decoded, header names are in lower case.

    `status` is what it was answered with: 0 as long as it is under way, and for ever when it was dropped.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int = 0

    def json(self) -> Any:
        """The body, read as JSON; None when there is none."""
        return json.loads(self.body) if self.body else None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Response:
    """An answer. A `body` of chunks is streamed, each chunk flushed at once.

    The stream ends with its iterator, with the client, or with the server. While it has nothing to say it
    must yield `b""` every now and then: that is when the other two are noticed.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterator[bytes] = b""


Handler = Callable[[Request, re.Match[str]], Response]


class HttpError(Exception):
    """Raised by a handler: ends the request with this response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class DropConnection(Exception):
    """Raised by a handler or a stream: closes the connection as it is, without a further byte."""


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of `content` as JSON; `headers` may name another content type."""
    body = json.dumps(content).encode()
    return Response(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, body)


@dataclass(frozen=True)
class Certificate:
    """A self-signed server certificate, which is also the CA that a client must trust."""

    certificate_pem: str
    key_pem: str


def make_certificate(*, authority_key_identifier: bool = True) -> Certificate:
    """Makes a certificate for 127.0.0.1 and localhost that is valid for a day.

    Without `authority_key_identifier` it is one that kubectl accepts and that Python's strict X.509 check
    (the default since 3.13) refuses.
    """
    # Imported here because most servers speak plain HTTP and cryptography takes long to import.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sandbox")])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if authority_key_identifier:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode())


class HttpServer:
    """A server on 127.0.0.1 and a free port, open from `with` to the end of the block.

    A subclass calls `route` in its constructor. `faults` are its orders to misbehave; `stopping` is set when
    the block ends. `clock` (seconds since the epoch) is what the server believes the time to be.
    """

    def __init__(self, *, tls: bool | Certificate = False, clock: Callable[[], float] = time.time) -> None:
        self.faults = Faults()
        self.clock = clock
        self.stopping = threading.Event()
        self.ca_pem: str | None = None
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self._recorded: list[Request] = []
        self._changed = threading.Condition()
        self._tls: ssl.SSLContext | None = None
        if tls:
            certificate = make_certificate() if tls is True else tls
            self.ca_pem = certificate.certificate_pem
            self._tls = _server_context(certificate)
        self._server = _Listener(self, self._tls)

    def __enter__(self) -> Self:
        # The short interval is how long `shutdown` waits.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where the server is, without a trailing slash."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in the order of their arrival."""
        with self._changed:
            return list(self._recorded)

    def clear(self) -> None:
        """Forgets the requests so far."""
        with self._changed:
            self._recorded = []

    def wait_for(self, matches: Callable[[Request], bool], *, count: int = 1, timeout: float = 10.0) -> Request:
        """Waits until `count` requests that match have arrived, answered or not; returns the last of them.

        Raises TimeoutError after `timeout` seconds.
        """
        found: list[Request] = []

        def arrived() -> bool:
            found[:] = [request for request in self._recorded if matches(request)]
            return len(found) >= count

        with self._changed:
            if not self._changed.wait_for(arrived, timeout):
                seen = ", ".join(map(str, self._recorded)) or "none"
                raise TimeoutError(f"{len(found)} of {count} requests after {timeout} s; seen: {seen}")
        return found[count - 1]

    def route(self, method: str, pattern: str, handler: Handler) -> None:
        """Sends requests of this method, whose whole path matches the regular expression, to the handler."""
        self._routes.append((method, re.compile(pattern), handler))

    def handle(self, request: Request) -> Response:
        """Routes one request; a subclass may wrap it for what all its answers have in common."""
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                return handler(request, match)
        return self.not_found(request)

    def not_found(self, request: Request) -> Response:
        """The answer to what no route matches."""
        return json_response({"message": f"no such route: {request}"}, 404)

    def answer(self, request: Request) -> Response:
        """The answer to one request, faults included; raises DropConnection where there shall be none."""
        fault = self.faults.take(request)
        if fault:
            self.stopping.wait(fault.delay)
            if fault.drop == "before":
                raise DropConnection
            if fault.status is not None and fault.drop is None:
                return _fault_response(fault.status, fault.headers, fault.body)
        try:
            response = self.handle(request)
        except HttpError as error:
            response = error.response
        except DropConnection:
            raise
        except Exception:  # a mistake in the sandbox: shown to the test that met it
            response = Response(500, {"Content-Type": "text/plain"}, traceback.format_exc().encode())
        if fault and fault.drop == "after":
            raise DropConnection
        return response

    def _record(self, request: Request) -> tuple[list[Request], int]:
        """Records a request; returns where, so that its status can be added even after `clear`."""
        with self._changed:
            recorded = self._recorded
            recorded.append(request)
            self._changed.notify_all()
            return recorded, len(recorded) - 1

    def _record_status(self, place: tuple[list[Request], int], status: int) -> None:
        recorded, index = place
        with self._changed:
            recorded[index] = replace(recorded[index], status=status)
            self._changed.notify_all()


def _fault_response(status: int, headers: Mapping[str, str], body: bytes | str | Mapping[str, Any] | None) -> Response:
    if isinstance(body, Mapping):
        return json_response(body, status, headers)
    return Response(status, headers, body.encode() if isinstance(body, str) else body or b"")


def _server_context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # load_cert_chain reads files only.
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder, "server.pem")
        pem.write_text(certificate.certificate_pem + certificate.key_pem)
        context.load_cert_chain(pem)
    return context


class _Listener(socketserver.ThreadingTCPServer):
    # http.server.HTTPServer would look its own host name up, which takes seconds where there is no resolver.
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, owner: HttpServer, tls: ssl.SSLContext | None) -> None:
        self.owner = owner
        self._tls = tls
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls:
            # The handshake happens at the first read, in the connection's own thread.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Ends the connections that clients keep alive."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a client that goes away or refuses the certificate is what some tests are about."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # with Nagle's algorithm each answer waits 40 ms for an acknowledgement
    wbufsize = -1
    server: _Listener
    methods: ClassVar[tuple[str, ...]] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: `HttpServer.requests` is the log."""

    def __getattr__(self, name: str) -> Any:
        # The base class looks for a method `do_GET`, `do_POST` and so on; ours are all the same.
        if name.startswith("do_") and name[3:] in self.methods:
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        owner = self.server.owner
        url = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=unquote(url.path),
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )
        place = owner._record(request)
        try:
            response = owner.answer(request)
            owner._record_status(place, response.status)
            self._send(response)
        except DropConnection:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # the client has gone
            self.close_connection = True

    def _send(self, response: Response) -> None:
        self.send_response_only(response.status, _phrase(response.status))
        headers = {
            "Date": email.utils.formatdate(self.server.owner.clock(), usegmt=True),
            **response.headers,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        if isinstance(response.body, bytes):
            if response.status not in (204, 304):
                self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)
            self.wfile.flush()
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self._stream(response.body)

    def _stream(self, chunks: Iterator[bytes]) -> None:
        try:
            for chunk in chunks:
                if self.server.owner.stopping.is_set() or self._client_has_gone():
                    self.close_connection = True
                    return
                if chunk:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        finally:
            close = getattr(chunks, "close", None)
            if close:
                close()

    def _client_has_gone(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        if not readable:
            return False
        # A client says nothing while it listens to a stream, so within TLS it can only be the closing alert.
        return isinstance(self.connection, ssl.SSLSocket) or not self.connection.recv(1, socket.MSG_PEEK)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
