"""Each refusal of GitHub is told apart, names what is wrong, and says what to do."""

import time
from pathlib import Path

import pytest
from github_world import OWNER, REPOSITORY, TOKEN_PATH, World, other_key

from sandbox.github_model import Commit
from secret_action.errors import GitHubError, InputError, SecretSyncError
from secret_action.github.tenants import fetch
from secret_action.model import Problem


def failure(
    world: World, folder: Path, *, ref: str = "", repository: str = REPOSITORY, **session: str
) -> tuple[SecretSyncError, Problem]:
    """The one problem that a fetch ends with; nothing of a key or a token stands in it."""
    settings = world.settings(ref=ref, repository=repository)
    with world.server, pytest.raises(SecretSyncError) as caught:
        fetch(world.session(repository=repository, **session), settings, folder / "t", world.log)
    (problem,) = caught.value.problems
    told = " ".join((problem.what, problem.remedy, *problem.causes, world.log.text))
    assert problem.remedy
    assert told.isprintable() or "\n" in told
    for secret in ("PRIVATE KEY", "eyJ", "ghs_", "token="):
        assert secret not in told
    return caught.value, problem


def refused(world: World, folder: Path, path: str, status: int, message: str, headers=None, **given):
    """The same, where GitHub answers requests of this path in these words."""
    body = {"message": message} if message else None
    world.server.faults.add(("*", path), status=status, body=body, headers=headers, times=None)
    return failure(world, folder, **given)


def test_key_of_another_app(tmp_path: Path) -> None:
    error, problem = failure(World(), tmp_path, key=other_key()[0])
    assert isinstance(error, InputError)
    assert "app-private-key is not a key of the App that app-id names (4711)" in problem.what
    assert "A JSON web token could not be decoded" in problem.what


def test_app_that_does_not_exist(tmp_path: Path) -> None:
    error, problem = failure(World(), tmp_path, app_id="99")
    assert isinstance(error, InputError)
    assert "There is no GitHub App 99" in problem.what
    assert "app-id" in problem.remedy


def test_app_id_that_is_no_id(tmp_path: Path) -> None:
    words = "'Issuer' claim ('iss') must be an Integer"
    error, problem = refused(World(), tmp_path, ".*", 401, words, app_id="my-app")
    assert isinstance(error, InputError)
    assert "app-id (my-app)" in problem.what


@pytest.mark.parametrize(
    ("offset", "words"), [(400, "s behind GitHub's"), (-200, "s ahead of GitHub's")], ids=["behind", "ahead"]
)
def test_a_clock_that_is_off_says_by_how_much_and_which_way(tmp_path: Path, offset: int, words: str) -> None:
    error, problem = failure(World(clock=lambda: time.time() + offset), tmp_path)
    assert isinstance(error, GitHubError)
    assert words in problem.what
    seconds = int(problem.what.partition("clock is ")[2].partition(" s ")[0])
    assert abs(seconds - abs(offset)) <= 2
    assert "claim" in problem.what
    assert "NTP" in problem.remedy


def test_a_wrong_key_is_the_key_also_where_the_clock_is_off(tmp_path: Path) -> None:
    error, problem = failure(World(clock=lambda: time.time() + 100), tmp_path, key=other_key()[0])
    assert isinstance(error, InputError)
    assert "app-private-key is not a key" in problem.what
    assert "s behind GitHub's" in problem.causes[-1]


def test_not_installed_for_the_owner(tmp_path: Path) -> None:
    world = World()
    world.server.installations.clear()
    error, problem = failure(world, tmp_path)
    assert isinstance(error, GitHubError)
    assert f"not installed for {OWNER}" in problem.what
    assert "Install App" in problem.remedy


def test_repository_not_granted(tmp_path: Path) -> None:
    error, problem = failure(World(repositories=["another"]), tmp_path)
    assert isinstance(error, GitHubError)
    assert f"not granted the repository {REPOSITORY}" in problem.what
    assert "Repository access" in problem.remedy
    assert f"/organizations/{OWNER}/settings/installations" in problem.remedy


def test_repository_that_does_not_exist(tmp_path: Path) -> None:
    error, problem = failure(World(), tmp_path, repository=f"{OWNER}/zerotouch-tenant")
    assert isinstance(error, InputError)
    assert f"tenants-repository: {OWNER}/zerotouch-tenant does not exist" in problem.what


def test_repository_not_granted_when_the_token_is_asked_for(tmp_path: Path) -> None:
    """As after a rename: the installation is found by GitHub's redirect, the name is not."""
    words = "There is at least one repository that does not exist or is not accessible to the parent installation."
    error, problem = refused(World(), tmp_path, TOKEN_PATH, 422, words)
    assert isinstance(error, GitHubError)
    assert f"not granted the repository {REPOSITORY}" in problem.what
    assert "renamed" in " ".join(problem.causes)


def test_permission_not_granted(tmp_path: Path) -> None:
    error, problem = failure(World(permissions={"metadata": "read"}), tmp_path)
    assert isinstance(error, GitHubError)
    assert "lacks the permission `contents: read`" in problem.what
    assert "Contents to Read-only" in problem.remedy


@pytest.mark.parametrize("known_before", [True, False])
def test_suspended(tmp_path: Path, known_before: bool) -> None:
    world = World(suspended=known_before)
    if not known_before:
        world.server.faults.add(("POST", ".*"), status=403, body={"message": "This installation has been suspended"})
    error, problem = failure(world, tmp_path)
    assert isinstance(error, GitHubError)
    assert f"suspended for {OWNER}" in problem.what
    assert "Unsuspend" in problem.remedy


def test_token_that_is_not_taken_any_more(tmp_path: Path) -> None:
    error, problem = refused(World(), tmp_path, ".*/tarball/.*", 401, "Bad credentials")
    assert isinstance(error, GitHubError)
    assert "refused the installation token" in problem.what
    assert "Bad credentials" in problem.what


def test_saml(tmp_path: Path) -> None:
    world = World()
    world.repository.saml = True
    error, problem = failure(world, tmp_path)
    assert isinstance(error, GitHubError)
    assert "SAML" in problem.what
    assert "authorization_request" not in problem.what + problem.remedy


def test_ip_allow_list(tmp_path: Path) -> None:
    words = (
        "Although you appear to have the correct authorization credentials, the `zerotouch` organization has an IP "
        "allow list enabled, and your IP address is not permitted to access this resource."
    )
    error, problem = refused(World(), tmp_path, f"/repos/{REPOSITORY}", 403, words)
    assert isinstance(error, GitHubError)
    assert "IP allow list" in problem.what
    assert "runner's address" in problem.remedy


def test_permission_that_github_names(tmp_path: Path) -> None:
    headers = {"X-Accepted-GitHub-Permissions": "contents=read; metadata=read"}
    words = "Resource not accessible by integration"
    error, problem = refused(World(), tmp_path, ".*/commits/.*", 403, words, headers)
    assert isinstance(error, GitHubError)
    assert "contents=read; metadata=read" in problem.remedy


def test_ref_that_does_not_exist(tmp_path: Path) -> None:
    error, problem = failure(World(), tmp_path, ref="release/9")
    assert isinstance(error, InputError)
    assert "tenants-ref" in problem.what
    assert "release/9" in problem.what


def test_repository_without_commits(tmp_path: Path) -> None:
    error, problem = refused(World(), tmp_path, ".*/commits/.*", 409, "Git Repository is empty.")
    assert isinstance(error, GitHubError)
    assert "has no commits yet" in problem.what


def test_repository_that_is_gone_in_this_moment(tmp_path: Path) -> None:
    error, problem = refused(World(), tmp_path, f"/repos/{REPOSITORY}", 404, "Not Found")
    assert isinstance(error, InputError)
    assert "tenants-repository" in problem.what


def test_server_error(tmp_path: Path) -> None:
    error, problem = refused(World(), tmp_path, ".*/installation", 503, "")
    assert isinstance(error, GitHubError)
    assert "GitHub answered 503" in problem.what
    assert "githubstatus" in problem.remedy


def test_rate_limit_that_is_too_long(tmp_path: Path) -> None:
    world = World()
    world.server.limit_rate(("GET", ".*/commits/.*"), wait=1800)
    error, problem = failure(world, tmp_path)
    assert isinstance(error, GitHubError)
    assert "rate limit" in problem.what
    assert "1800 s" in problem.what or "1799 s" in problem.what
    assert world.clock.slept == []


@pytest.mark.parametrize(
    ("status", "headers"), [(200, {}), (302, {"Location": "/sign-in"}), (418, {})], ids=["page", "sign-in", "teapot"]
)
def test_what_is_not_github(tmp_path: Path, status: int, headers: dict[str, str]) -> None:
    world = World()
    world.server.faults.add(("*", ".*"), status=status, body=b"<html>Sign in</html>", headers=headers, times=None)
    error, problem = failure(world, tmp_path)
    assert isinstance(error, GitHubError)
    assert "does not answer as GitHub's API does" in problem.what
    assert "GITHUB_API_URL" in problem.remedy


@pytest.mark.parametrize("path", [TOKEN_PATH, f"/repos/{REPOSITORY}", ".*/commits/main", ".*/installation"])
@pytest.mark.parametrize("body", [b"{}", b"[1]", b"{broken", b'{"token": 1, "id": "x"}', b"\xff\xfe"])
def test_an_answer_that_makes_no_sense(tmp_path: Path, path: str, body: bytes) -> None:
    world = World()
    world.server.faults.add(("*", path), status=200, body=body, times=None)
    _, problem = failure(world, tmp_path)
    assert "does not answer as GitHub's API does" in problem.what


def test_archive_of_another_commit(tmp_path: Path) -> None:
    world = World()
    other = World()
    other.repository.refs["main"] = Commit({"a": b"b"})
    with other.server:
        folder = tmp_path / "other"
        sha = fetch(other.session(), other.settings(), folder, other.log).sha
        archive = next(iter(other.server._archives.values()))
    world.repository.refs["main"] = Commit({}, sha="0" * 40, archive=archive)
    _, problem = failure(world, tmp_path)
    assert f"the archive of commit {sha} for {'0' * 40}" in problem.what


def test_archive_that_is_damaged(tmp_path: Path) -> None:
    world = World()
    world.repository.refs["main"] = Commit({}, sha="0" * 40, archive=b"not gzip")
    error, problem = failure(world, tmp_path)
    assert isinstance(error, GitHubError)
    assert "archive is damaged" in problem.what


def test_githubs_words_are_quoted_clean_and_short(tmp_path: Path) -> None:
    words = "No\r\n::error::\x1b[31m\u202e" + "x" * 1000
    _, problem = refused(World(), tmp_path, ".*/commits/.*", 403, words)
    assert problem.what.isprintable()
    assert len(problem.what) < 500
