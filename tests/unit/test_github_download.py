"""The archive comes from wherever GitHub says, and the token goes to GitHub's API alone."""

import io
from collections.abc import Iterator

import pytest
from github_world import JumpingClock

from sandbox.http import HttpServer, Response
from secret_action.errors import GitHubError
from secret_action.github import download as module
from secret_action.github.download import download


class Scripted(HttpServer):
    """Answers the paths that it is given."""

    def __init__(self, **answers: Response) -> None:
        super().__init__()
        self.answers = answers

    def not_found(self, request):
        return self.answers[request.path.strip("/")]


def redirect(url: str, status: int = 302) -> Response:
    return Response(status, {"Location": url})


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_token_is_not_sent_to_another_host(status: int) -> None:
    with Scripted(archive=Response(200, {}, b"content")) as storage:
        with Scripted(tarball=redirect(f"{storage.url}/archive?token=x", status)) as api:
            sink = io.BytesIO()
            answer = download(f"{api.url}/tarball", "ghs_secret", sink, JumpingClock())
        assert answer.ok
        assert sink.read() == b"content"
        assert api.requests[0].headers["authorization"] == "Bearer ghs_secret"
        assert "authorization" not in storage.requests[0].headers
        assert "ghs_secret" not in str(storage.requests[0].headers)


def test_a_redirect_on_the_same_host_keeps_the_token() -> None:
    """GHES without subdomain isolation."""
    with Scripted(tarball=redirect("/archive"), archive=Response(200, {}, b"content")) as api:
        download(f"{api.url}/tarball", "ghs_secret", io.BytesIO(), JumpingClock())
        assert api.requests[1].headers["authorization"] == "Bearer ghs_secret"


def test_netrc_is_not_read(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("default login someone password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Scripted(archive=Response(200, {}, b"content")) as storage:
        with Scripted(tarball=redirect(f"{storage.url}/archive")) as api:
            download(f"{api.url}/tarball", "ghs_secret", io.BytesIO(), JumpingClock())
        assert "authorization" not in storage.requests[0].headers


def test_redirects_without_end_and_out_of_https_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted(tarball=redirect("/tarball")) as api, pytest.raises(GitHubError, match="5 redirects"):
        download(f"{api.url}/tarball", "t", io.BytesIO(), JumpingClock())
    with Scripted(tarball=redirect("ftp://example.com/x")) as api, pytest.raises(GitHubError, match="leaves HTTPS"):
        download(f"{api.url}/tarball", "t", io.BytesIO(), JumpingClock())


def test_a_second_try_begins_anew() -> None:
    sink = io.BytesIO(b"half of the first try")
    with Scripted(tarball=Response(200, {}, b"all")) as api:
        download(f"{api.url}/tarball", "t", sink, JumpingClock())
    assert sink.getvalue() == b"all"


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1024)
    with Scripted(tarball=Response(200, {}, b"x" * 2000)) as api, pytest.raises(GitHubError, match="larger than"):
        download(f"{api.url}/tarball", "t", io.BytesIO(), JumpingClock())


def test_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that always sends a little more does not hold up a release."""
    clock = JumpingClock()
    monkeypatch.setattr(module, "_CHUNK", 1)

    def drip() -> Iterator[bytes]:
        while True:
            clock.time += 30
            yield b"xxx"

    with Scripted(tarball=Response(200, {}, drip())) as api, pytest.raises(GitHubError, match="did not arrive within"):
        download(f"{api.url}/tarball", "t", io.BytesIO(), clock)


def test_no_room_is_not_taken_for_a_lost_connection() -> None:
    class Full(io.BytesIO):
        def write(self, data) -> int:
            raise OSError(28, "No space left on device")

    with Scripted(tarball=Response(200, {}, b"x")) as api, pytest.raises(GitHubError, match="No space left"):
        download(f"{api.url}/tarball", "t", Full(), JumpingClock())


def test_a_refusal_keeps_its_words() -> None:
    with Scripted(tarball=Response(403, {"X-GitHub-SSO": "required"}, b'{"message": "no"}')) as api:
        answer = download(f"{api.url}/tarball", "t", io.BytesIO(), JumpingClock())
    assert (answer.status, answer.message, answer.headers["x-github-sso"]) == (403, "no", "required")
