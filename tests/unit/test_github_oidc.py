"""The job's OIDC token is asked for with its audience, and masked."""

import jwt
import pytest
from github_world import JumpingClock, MemoryLog

from sandbox.oidc import OidcServer
from secret_action.errors import GitHubError, InputError
from secret_action.github.oidc import fetch_token
from secret_action.settings import OidcSettings
from secret_action.values import SecretValue

AUDIENCE = "sts.amazonaws.com"


def settings(server: OidcServer, token: str = "") -> OidcSettings:
    return OidcSettings(server.url + server.request_path, SecretValue(token or server.request_token))


def test_a_token_for_the_audience_is_masked() -> None:
    log = MemoryLog()
    with OidcServer() as server:
        token = fetch_token(settings(server), AUDIENCE, log, JumpingClock())
        claims = jwt.decode(token, server.public_key_pem, algorithms=["RS256"], audience=AUDIENCE)
        (request,) = server.requests
    assert claims["repository"] == "zerotouch/my-service"
    assert request.query == {"api-version": "2.0", "audience": AUDIENCE}
    assert log.events == [("mask", token)]


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 429}, {"drop": "before"}])
def test_what_passes_by_itself_is_tried_again(fault: dict) -> None:
    clock = JumpingClock()
    with OidcServer() as server:
        server.faults.add(("GET", ".*"), times=1, **fault)
        assert fetch_token(settings(server), AUDIENCE, MemoryLog(), clock)
    assert len(clock.slept) == 1


def test_a_refusal_says_which_permission() -> None:
    log, clock = MemoryLog(), JumpingClock()
    with OidcServer() as server, pytest.raises(GitHubError) as caught:
        fetch_token(settings(server, "wrong"), AUDIENCE, log, clock)
    (problem,) = caught.value.problems
    assert AUDIENCE in problem.what
    assert "401" in problem.what
    assert "id-token: write" in problem.remedy
    assert clock.slept == []


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"value": ""}', b'{"value": 7}'])
def test_an_answer_without_a_token(body: bytes) -> None:
    server = OidcServer()
    server.faults.add(("GET", ".*"), status=200, body=body)
    with server, pytest.raises(GitHubError):
        fetch_token(settings(server), AUDIENCE, MemoryLog(), JumpingClock())


@pytest.mark.parametrize("pair", [("", ""), ("http://127.0.0.1:1", ""), ("", "token")])
def test_a_job_without_the_permission(pair: tuple[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        fetch_token(OidcSettings(pair[0], SecretValue(pair[1])), AUDIENCE, MemoryLog(), JumpingClock())
    assert "id-token: write" in caught.value.problems[0].remedy
