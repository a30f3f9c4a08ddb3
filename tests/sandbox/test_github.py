"""The sandbox's GitHub speaks to PyGithub as GitHub does, and refuses what GitHub refuses."""

import io
import tarfile
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import jwt
import pytest
import requests
from github import Auth, Github, GithubException, GithubIntegration

from sandbox.github import GitHubServer
from sandbox.github_model import App, Commit, Installation, Repository, make_app_key

PRIVATE_KEY, PRIVATE_KEY_PKCS8, PUBLIC_KEY = make_app_key()
OTHER_KEY, _, _ = make_app_key()
TENANTS = "/repos/zerotouch/zerotouch-tenants"
SAML_TEXT = "Resource protected by organization SAML enforcement. You must grant your OAuth token access"


def make_server(**options: Any) -> GitHubServer:
    """An organization with two repositories and an App that may read both."""
    files = {"tenants/my-service/base/kustomization.yaml": b"resources: []\n", "README.md": b"# Tenants\n"}
    return GitHubServer(
        apps=[App(1001, "Iv23sandbox", PUBLIC_KEY)],
        installations=[Installation(app_id=1001, owner="zerotouch")],
        repositories=[
            Repository("zerotouch/zerotouch-tenants", {"main": Commit(files), "v1": Commit({"a": b"1"})}),
            Repository("zerotouch/other", {"main": Commit({})}),
        ],
        **options,
    )


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with make_server() as running:
        yield running


def app_jwt(*, key: str = PRIVATE_KEY, **claims: Any) -> str:
    now = int(time.time())
    return jwt.encode({"iss": "1001", "iat": now - 60, "exp": now + 540, **claims}, key, algorithm="RS256")


def get(server: GitHubServer, path: str, credential: str, **headers: str) -> requests.Response:
    return requests.get(
        server.api_url + path,
        headers={"Authorization": f"Bearer {credential}", **headers},
        allow_redirects=False,
        timeout=5,
    )


def mint(server: GitHubServer, **body: Any) -> requests.Response:
    url = f"{server.api_url}/app/installations/50001/access_tokens"
    return requests.post(url, json=body, headers={"Authorization": f"Bearer {app_jwt()}"}, timeout=5)


@pytest.mark.parametrize("base_path", ["", "/api/v3"])
@pytest.mark.parametrize("key", [PRIVATE_KEY, PRIVATE_KEY_PKCS8])
def test_pygithub_gets_a_token_and_reads_the_repository(base_path: str, key: str) -> None:
    with make_server(base_path=base_path) as server:
        options: dict[str, Any] = {"base_url": server.api_url, "seconds_between_requests": None}
        integration = GithubIntegration(auth=Auth.AppAuth(1001, key), **options)
        installation = integration.get_repo_installation("zerotouch", "zerotouch-tenants")
        token = Auth.Token(integration.get_access_token(installation.id).token)
        repository = Github(auth=token, **options).get_repo("zerotouch/zerotouch-tenants")
        assert repository.default_branch == "main"
        assert repository.get_commit("main").sha == server.repositories[0].refs["main"].sha
    assert [str(request) for request in server.requests] == [
        f"GET {base_path}{TENANTS}/installation",
        f"POST {base_path}/app/installations/50001/access_tokens",
        f"GET {base_path}{TENANTS}",
        f"GET {base_path}{TENANTS}/commits/main",
    ]


@pytest.mark.parametrize("issuer", ["1001", "Iv23sandbox"])
def test_an_app_may_name_itself_by_either_id(server: GitHubServer, issuer: str) -> None:
    assert get(server, "/app", app_jwt(iss=issuer)).json()["slug"] == "release-pipeline"


@pytest.mark.parametrize(
    ("make", "status", "message"),
    [
        (lambda: app_jwt(key=OTHER_KEY), 401, "A JSON web token could not be decoded"),
        (lambda: "not-a-jwt", 401, "A JSON web token could not be decoded"),
        (lambda: app_jwt(iss="9"), 404, "Integration not found"),
        (lambda: app_jwt(exp=int(time.time()) - 1), 401, "'Expiration time' claim ('exp') must be a numeric value"),
        (lambda: app_jwt(exp=int(time.time()) + 900), 401, "'Expiration time' claim ('exp') is too far in the future"),
        (lambda: app_jwt(iat=int(time.time()) + 90), 401, "'Issued at' claim ('iat') must be an Integer"),
    ],
)
def test_a_wrong_jwt_is_refused_in_githubs_words(
    server: GitHubServer, make: Callable[[], str], status: int, message: str
) -> None:
    answer = get(server, "/app", make())
    assert answer.status_code == status
    assert answer.json()["message"].startswith(message)


def test_a_clock_that_is_off_shows_in_the_date_header() -> None:
    with make_server(clock=lambda: time.time() - 3600) as server:
        answer = get(server, "/app", app_jwt())
    assert answer.json()["message"] == "'Expiration time' claim ('exp') is too far in the future"
    assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == pytest.approx(time.time() - 3600, abs=5)


def test_an_app_that_is_not_installed_is_not_found(server: GitHubServer) -> None:
    for path in ("/repos/zerotouch/none/installation", "/orgs/none/installation", "/users/none/installation"):
        assert get(server, path, app_jwt()).status_code == 404
    assert get(server, "/users/zerotouch/installation", app_jwt()).json()["id"] == 50001


def test_a_token_is_narrowed_to_repository_and_permission(server: GitHubServer) -> None:
    answer = mint(server, repositories=["zerotouch-tenants"], permissions={"contents": "read"})
    assert answer.status_code == 201
    token = answer.json()["token"]
    assert token.startswith("ghs_")
    assert answer.json()["repository_selection"] == "selected"
    assert server.tokens[0].repositories == ["zerotouch-tenants"]
    assert server.tokens[0].permissions == {"contents": "read", "metadata": "read"}
    assert get(server, "/repos/zerotouch/other", token).status_code == 404
    assert get(server, "/installation/repositories", token).json()["total_count"] == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"repositories": ["none"]}, "There is at least one repository that does not exist or is not accessible"),
        ({"permissions": {"contents": "write"}}, "The permissions requested are not granted"),
        ({"permissions": {"issues": "read"}}, "The permissions requested are not granted"),
    ],
)
def test_a_token_cannot_be_wider_than_the_installation(
    server: GitHubServer, body: dict[str, Any], message: str
) -> None:
    answer = mint(server, **body)
    assert (answer.status_code, answer.json()["message"].startswith(message)) == (422, True)


def test_a_suspended_installation_gives_no_token(server: GitHubServer) -> None:
    server.installations[0].suspended = True
    answer = mint(server)
    assert answer.status_code == 403
    assert answer.json()["message"] == "This installation has been suspended"


def test_a_revoked_token_is_worth_nothing(server: GitHubServer) -> None:
    token = mint(server).json()["token"]
    url = f"{server.api_url}/installation/token"
    assert requests.delete(url, headers={"Authorization": f"token {token}"}, timeout=5).status_code == 204
    assert server.tokens[0].revoked
    assert get(server, TENANTS, token).json()["message"] == "Bad credentials"


def test_reading_needs_the_permission(server: GitHubServer) -> None:
    token = mint(server, permissions={"metadata": "read"}).json()["token"]
    assert get(server, TENANTS, token).status_code == 200
    answer = get(server, f"{TENANTS}/commits/main", token)
    assert answer.status_code == 403
    assert answer.json()["message"] == "Resource not accessible by integration"
    assert answer.headers["X-Accepted-GitHub-Permissions"] == "contents=read"


def test_saml_is_enforced_per_repository(server: GitHubServer) -> None:
    server.repositories[0].saml = True
    answer = get(server, TENANTS, mint(server).json()["token"])
    assert answer.status_code == 403
    assert answer.json()["message"].startswith(SAML_TEXT)
    assert answer.headers["X-GitHub-SSO"].startswith("required; url=https://github.com/orgs/zerotouch/sso?")


def test_a_commit_is_found_by_branch_tag_sha_and_short_sha(server: GitHubServer) -> None:
    token = mint(server).json()["token"]
    sha = server.repositories[0].refs["main"].sha
    for ref in ("main", "refs%2Fheads%2Fmain", sha, sha[:7]):
        answer = get(server, f"{TENANTS}/commits/{ref}", token, Accept="application/vnd.github.sha")
        assert answer.text == sha
    assert get(server, f"{TENANTS}/commits/v1", token).json()["sha"] != sha
    answer = get(server, f"{TENANTS}/commits/none", token)
    assert (answer.status_code, answer.json()["message"]) == (422, "No commit found for SHA: none")


def test_the_archive_has_githubs_layout_and_its_link_works_once(server: GitHubServer) -> None:
    token = mint(server).json()["token"]
    sha = server.repositories[0].refs["main"].sha
    redirect = get(server, f"{TENANTS}/tarball/{sha}", token)
    assert redirect.status_code == 302
    answer = requests.get(redirect.headers["Location"], timeout=5)
    top = f"zerotouch-zerotouch-tenants-{sha[:7]}"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        assert archive.pax_headers["comment"] == sha
        assert archive.getnames()[:2] == [top, f"{top}/README.md"]
        member = archive.extractfile(f"{top}/tenants/my-service/base/kustomization.yaml")
        assert member
        assert member.read() == b"resources: []\n"
    assert requests.get(redirect.headers["Location"], timeout=5).status_code == 404


def test_a_test_may_serve_any_archive(server: GitHubServer) -> None:
    server.repositories[0].refs["main"] = Commit(archive=b"not a tar.gz")
    token = mint(server).json()["token"]
    url = f"{server.api_url}{TENANTS}/tarball/main"
    answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=5)
    assert answer.content == b"not a tar.gz"


def test_rate_limits_say_how_long_to_wait(server: GitHubServer) -> None:
    server.limit_rate(("GET", "/app"), wait=30)
    server.limit_rate(("GET", "/app"), wait=2, secondary=True)
    primary, secondary = (get(server, "/app", app_jwt()) for _ in range(2))
    assert primary.json()["message"].startswith("API rate limit exceeded for installation ID")
    assert primary.headers["X-RateLimit-Remaining"] == "0"
    assert int(primary.headers["X-RateLimit-Reset"]) == pytest.approx(time.time() + 30, abs=2)
    assert secondary.json()["message"].startswith("You have exceeded a secondary rate limit")
    assert secondary.headers["Retry-After"] == "2"
    assert get(server, "/app", app_jwt()).status_code == 200


def test_a_connection_may_drop_before_and_after_the_server_acted(server: GitHubServer) -> None:
    server.faults.add(("POST", ".*/access_tokens"), drop="before")
    server.faults.add(("POST", ".*/access_tokens"), drop="after")
    for issued in (0, 1):
        with pytest.raises(requests.ConnectionError):
            mint(server)
        assert len(server.tokens) == issued
    assert [request.status for request in server.requests] == [0, 0]


def test_a_certificate_is_refused_until_its_ca_is_trusted(tmp_path: Any) -> None:
    with make_server(tls=True) as server:
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{server.api_url}/app", timeout=5)
        (tmp_path / "ca.pem").write_text(str(server.ca_pem))
        answer = requests.get(f"{server.api_url}/app", verify=str(tmp_path / "ca.pem"), timeout=5)
    assert answer.json()["message"] == "Requires authentication"


def test_pygithub_raises_what_the_server_refuses(server: GitHubServer) -> None:
    integration = GithubIntegration(auth=Auth.AppAuth(1001, OTHER_KEY), base_url=server.api_url)
    with pytest.raises(GithubException) as caught:
        integration.get_repo_installation("zerotouch", "zerotouch-tenants")
    assert caught.value.status == 401
