"""What is read out of an answer of GitHub, and out of the lack of one."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from github_world import JumpingClock, MemoryLog, World, app_session
from hypothesis import given
from hypothesis import strategies as st

from sandbox.http import HttpServer, Response
from secret_action.errors import GitHubError, InputError, SecretSyncError
from secret_action.github import failures, no_answer
from secret_action.github.answers import LONGEST_QUOTE, Answer, clean
from secret_action.github.transport import certificates

DATE = "Tue, 01 Jul 2025 12:00:00 GMT"
EPOCH = 1751371200


@given(st.text())
def test_a_quoted_text_is_one_short_printable_line(text: str) -> None:
    assert len(clean(text)) <= LONGEST_QUOTE
    assert not any(ord(character) < 32 or character in "\x7f\x85\u2028\u2029\u202e" for character in clean(text))
    clean(text).encode()


@pytest.mark.parametrize(
    ("status", "headers", "message", "limited", "seconds"),
    [
        (429, {}, "", True, 60),
        (429, {"retry-after": "7"}, "", True, 7),
        (403, {"retry-after": "0"}, "", True, 1),
        (403, {"retry-after": "soon"}, "", True, 60),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{EPOCH + 42}"}, "", True, 42),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{EPOCH - 42}"}, "", True, 1),
        (403, {"x-ratelimit-remaining": "0"}, "", True, 60),
        (403, {}, "You have exceeded a secondary rate limit.", True, 60),
        (403, {"x-ratelimit-remaining": "10"}, "Resource not accessible by integration", False, 60),
        (401, {"retry-after": "7"}, "", False, 7),
    ],
)
def test_rate_limits(status: int, headers: dict[str, str], message: str, limited: bool, seconds: float) -> None:
    """The reset is counted from GitHub's own clock: ours may be years off."""
    answer = Answer(status, {"date": DATE, **headers}, f'{{"message": "{message}"}}')
    assert answer.rate_limited is limited
    assert answer.seconds_to_wait == seconds


@pytest.mark.parametrize("body", ["", "<html>", "[]", "7", '{"message": 7}', "{"])
def test_an_answer_without_words_has_no_message(body: str) -> None:
    assert Answer(500, {}, body).message == ""
    assert Answer(500, {"date": "yesterday"}, body).date is None


@pytest.mark.parametrize(
    ("api_url", "web_url"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://github.example.com/api/v3", "https://github.example.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("https://github.example.com:8443/api/v3", "https://github.example.com:8443"),
    ],
)
def test_where_people_see_github(api_url: str, web_url: str) -> None:
    assert failures.Subject(api_url, "a/b").web_url == web_url


@pytest.mark.parametrize(
    ("environment", "verify"),
    [
        ({}, True),
        ({"SSL_CERT_FILE": "/ca.pem"}, "/ca.pem"),
        ({"SSL_CERT_FILE": "/ca.pem", "REQUESTS_CA_BUNDLE": "/other.pem"}, True),
        ({"SSL_CERT_FILE": ""}, True),
    ],
)
def test_which_certificates_are_trusted(environment: dict[str, str], verify: bool | str) -> None:
    assert certificates(environment) == verify


# No answer at all. Each of these goes over a real socket.

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Caller:
    """What is left of a run that reaches nobody."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.clock = JumpingClock()


def unreachable(api_url: str, world: Caller | World) -> SecretSyncError:
    """What asking for a token there ends with."""
    with pytest.raises(SecretSyncError) as caught:
        app_session(api_url, world.log, world.clock).token()
    (problem,) = caught.value.problems
    assert problem.remedy
    assert "/repos/" not in problem.what + world.log.text
    return caught.value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_connection_refused() -> None:
    world, port = Caller(), free_port()
    error = unreachable(f"http://127.0.0.1:{port}", world)
    assert isinstance(error, GitHubError)
    assert error.problems[0].what == f"127.0.0.1:{port} refuses the connection."
    assert len(world.clock.slept) == 3


def test_name_that_does_not_resolve() -> None:
    error = unreachable("http://no-such-host.invalid", Caller())
    assert error.problems[0].what == "The name no-such-host.invalid cannot be resolved."


def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(auth, api_url):
        return github_client(auth, api_url, 1)

    from secret_action.github import app
    from secret_action.github.transport import github_client

    monkeypatch.setattr(app, "github_client", impatient)
    monkeypatch.setattr("secret_action.github.patience.RETRIES", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = unreachable(f"http://127.0.0.1:{silent.getsockname()[1]}", Caller())
    assert "did not answer in time" in error.problems[0].what


def test_connection_that_is_dropped() -> None:
    world = World()
    world.server.faults.add(("*", ".*"), drop="before", times=None)
    with world.server:
        error = unreachable(world.server.api_url, world)
    assert "was lost" in error.problems[0].what


def test_certificate_that_is_not_trusted_is_not_tried_again() -> None:
    world = Caller()
    with HttpServer(tls=True) as server:
        error = unreachable(server.url, world)
    assert "certificate is not trusted here (self-signed certificate)" in error.problems[0].what
    assert "REQUESTS_CA_BUNDLE or SSL_CERT_FILE" in error.problems[0].remedy
    assert world.clock.slept == []


def test_a_server_that_does_not_speak_tls() -> None:
    with HttpServer() as server:
        error = unreachable(server.url.replace("http:", "https:"), Caller())
    assert error.problems[0].what.startswith("The TLS connection to 127.0.0.1")


def test_a_machine_that_cannot_even_send() -> None:
    error = no_answer.unreachable(OSError(24, "Too many open files"), "https://user:secret@api.github.com/x?token=y")
    assert error.problems[0].what == "No connection to api.github.com: Too many open files."


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificate_of_ones_own_ca(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpServer(tls=True) as server:
        assert server.ca_pem
        (tmp_path / "ca.pem").write_text(server.ca_pem)
        monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
        error = unreachable(server.url, Caller())
        assert len(server.requests) == 2
    assert "not installed" in error.problems[0].what


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_bundle_that_is_not_there(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "/no/such/bundle.pem")
    world = Caller()
    with HttpServer(tls=True) as server:
        error = unreachable(server.url, world)
    assert isinstance(error, InputError)
    assert variable in error.problems[0].what
    assert world.clock.slept == []


class Proxy(http.server.BaseHTTPRequestHandler):
    """Refuses to connect anybody to anything."""

    def do_CONNECT(self) -> None:
        self.send_error(407)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def refusing_proxy() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_proxy_that_refuses(refusing_proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@{refusing_proxy}")
    world = Caller()
    error = unreachable("https://github.example.com/api/v3", world)
    assert "github.example.com cannot be reached through the proxy" in error.problems[0].what
    assert "HTTPS_PROXY" in error.problems[0].remedy
    assert "secret" not in str(error) + world.log.text
    assert world.clock.slept == []


def test_proxy_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    error = unreachable("https://github.example.com/api/v3", Caller())
    assert "through the proxy" in error.problems[0].what


def test_a_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub itself stands in for the proxy: it is handed the request for another host."""

    class Recording(HttpServer):
        def not_found(self, request):
            return Response(404, {}, b'{"message": "Integration not found"}')

    with Recording() as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        error = unreachable("http://github.example.com/api/v3", Caller())
        assert len(server.requests) == 1
    assert "There is no GitHub App 4711" in error.problems[0].what


def test_redirect_to_another_protocol() -> None:
    class Redirecting(HttpServer):
        def not_found(self, request):
            return Response(301, {"Location": "https://github.example.com/api/v3"})

    with Redirecting() as server:
        error = unreachable(server.url, Caller())
    assert "does not answer as GitHub's API does" in error.problems[0].what
    assert "GITHUB_API_URL" in error.problems[0].remedy
