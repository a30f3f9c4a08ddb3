"""A run mints one token for one repository, masks it first, and leaves none behind."""

import threading
from pathlib import Path

import pytest
from github_world import FILES, NAME, REPOSITORY, TOKEN_PATH, World, app_key

from sandbox.github_model import Commit
from secret_action import __version__
from secret_action.errors import GitHubError
from secret_action.github.tenants import fetch


def test_the_requests_of_one_run(tmp_path: Path) -> None:
    world = World()
    with world.server:
        session = world.session()
        tenants = fetch(session, world.settings(), tmp_path / "tenants", world.log)
        session.revoke()

    sha = world.commit.sha
    assert world.requests == [
        f"GET /repos/{REPOSITORY}/installation",
        "POST /app/installations/50001/access_tokens",
        f"GET /repos/{REPOSITORY}",
        f"GET /repos/{REPOSITORY}/commits/main",
        f"GET /repos/{REPOSITORY}/tarball/{sha}",
        f"GET /codeload/{REPOSITORY}/legacy.tar.gz/{sha}",
        "DELETE /installation/token",
    ]
    assert tenants.sha == sha
    assert tenants.ref == "main"
    assert tenants.repository == REPOSITORY
    assert tenants.workflow_root == ""
    for path, content in FILES.items():
        assert (Path(tenants.root) / path).read_bytes() == content
    assert f"{REPOSITORY} at commit {sha} (main)" in world.log.text


def test_the_token_is_narrowed_masked_first_and_revoked() -> None:
    world = World(permissions={"contents": "write", "metadata": "read", "issues": "write"})
    with world.server:
        session = world.session()
        token = session.token()
        assert session.token() == token
        assert world.log.events[0] == ("mask", token)
        assert token not in world.log.text
        issued = world.server.tokens[0]
        assert (issued.repositories, issued.permissions) == ([NAME], {"contents": "read", "metadata": "read"})
        session.revoke()
        session.revoke()

    assert issued.revoked
    assert len(world.server.tokens) == 1
    assert world.requests.count("DELETE /installation/token") == 1


def test_who_asks_is_named() -> None:
    world = World()
    with world.server:
        world.session().token()
    assert {request.headers["user-agent"] for request in world.server.requests} == {f"secret-sync/{__version__}"}


@pytest.mark.parametrize("app_id", ["4711", "Iv23abcDEF"])
@pytest.mark.parametrize("kind", [0, 1], ids=["PKCS#1", "PKCS#8"])
def test_app_id_or_client_id_with_either_kind_of_key(app_id: str, kind: int) -> None:
    world = World()
    with world.server:
        assert world.session(app_id=app_id, key=app_key()[kind]).token().startswith("ghs_")


def test_github_enterprise_server(tmp_path: Path) -> None:
    world = World(base_path="/api/v3")
    with world.server:
        session = world.session()
        assert fetch(session, world.settings(), tmp_path / "t", world.log).sha == world.commit.sha
        session.revoke()
    assert world.requests[0] == f"GET /api/v3/repos/{REPOSITORY}/installation"
    assert world.server.tokens[0].revoked


@pytest.mark.parametrize(
    ("ref", "asked"),
    [
        ("feature/x", "feature/x"),
        ("refs/heads/feature/x", "heads/feature/x"),
        ("refs/tags/v1", "tags/v1"),
        ("v1", "v1"),
    ],
)
def test_a_ref_is_resolved_to_its_commit(tmp_path: Path, ref: str, asked: str) -> None:
    world = World()
    other = Commit({"tenants/a": b"another"})
    world.repository.refs.update({"feature/x": other, "v1": other})
    with world.server:
        tenants = fetch(world.session(), world.settings(ref=ref), tmp_path / "t", world.log)
    assert (tenants.sha, tenants.ref) == (other.sha, ref)
    assert f"GET /repos/{REPOSITORY}/commits/{asked}" in world.requests
    assert (tmp_path / "t/tenants/a").read_bytes() == b"another"


def test_a_commit_is_a_ref(tmp_path: Path) -> None:
    world = World()
    with world.server:
        tenants = fetch(world.session(), world.settings(ref=world.commit.sha), tmp_path / "t", world.log)
    assert tenants.sha == world.commit.sha


def test_a_new_token_that_is_not_known_everywhere_yet_is_tried_again(tmp_path: Path) -> None:
    world = World()
    world.server.faults.add(("GET", f"/repos/{REPOSITORY}"), status=401, body={"message": "Bad credentials"}, times=2)
    with world.server:
        fetch(world.session(), world.settings(), tmp_path / "t", world.log)
    assert world.requests.count(f"GET /repos/{REPOSITORY}") == 3
    assert len(world.clock.slept) == 2


@pytest.mark.parametrize("fault", [{"status": 502}, {"drop": "before"}, {"drop": "after"}])
@pytest.mark.parametrize(
    "path",
    [f"/repos/{REPOSITORY}/installation", TOKEN_PATH, f"/repos/{REPOSITORY}/tarball/.*", "/codeload/.*"],
)
def test_what_passes_by_itself_is_tried_again(tmp_path: Path, path: str, fault: dict) -> None:
    world = World()
    world.server.faults.add(("*", path), times=3, **fault)
    with world.server:
        tenants = fetch(world.session(), world.settings(), tmp_path / "t", world.log)
    assert tenants.sha == world.commit.sha
    assert len(world.clock.slept) == 3
    assert world.clock.slept == sorted(world.clock.slept)
    assert "Trying again in" in world.log.text


def test_a_refusal_is_never_tried_again() -> None:
    world = World()
    world.server.faults.add(("GET", ".*"), status=403, body={"message": "Resource not accessible by integration"})
    with world.server, pytest.raises(GitHubError):
        world.session().token()
    assert world.clock.slept == []
    assert len(world.requests) == 1


@pytest.mark.parametrize("secondary", [False, True], ids=["primary", "secondary"])
def test_a_rate_limit_is_waited_for_as_told_and_said(secondary: bool) -> None:
    world = World()
    world.server.limit_rate(("POST", TOKEN_PATH), secondary=secondary, wait=17)
    with world.server:
        world.session().token()
    assert [round(seconds) for seconds in world.clock.slept] in ([17], [16])
    assert "waiting 1" in world.log.text


def test_rate_limits_are_waited_for_up_to_a_minute_in_all() -> None:
    world = World()
    world.server.limit_rate(("POST", TOKEN_PATH), secondary=True, wait=25, times=None)
    with world.server, pytest.raises(GitHubError, match="asks to wait 25 s") as caught:
        world.session().token()
    assert world.clock.slept == [25, 25]
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("status", [401, 404])
def test_a_token_that_is_gone_already_is_no_failure(status: int) -> None:
    world = World()
    world.server.faults.add(("DELETE", ".*"), status=status, body={"message": "Bad credentials"})
    with world.server:
        session = world.session()
        session.token()
        session.revoke()
    assert "could not be revoked" not in world.log.text


@pytest.mark.parametrize("fault", [{"status": 500}, {"drop": "before"}])
def test_revoking_never_raises_and_says_what_is_left(fault: dict) -> None:
    world = World()
    world.server.faults.add(("DELETE", ".*"), times=None, **fault)
    with world.server:
        session = world.session()
        token = session.token()
        session.revoke()
    assert "could not be revoked" in world.log.text
    assert token not in world.log.text
    assert world.requests.count("DELETE /installation/token") == 1


def test_revoking_what_was_never_minted_asks_nobody() -> None:
    world = World()
    with world.server:
        world.session().revoke()
    assert world.requests == []


def test_after_the_end_no_token_is_minted() -> None:
    world = World()
    with world.server:
        session = world.session()
        session.revoke()
        with pytest.raises(GitHubError, match="The run is over"):
            session.token()
    assert world.requests == []


def test_a_token_that_is_minted_while_the_run_is_cancelled_is_revoked() -> None:
    """The cancel comes while another thread waits for GitHub's answer."""
    world = World()
    world.server.faults.add(("POST", TOKEN_PATH), delay=0.3)
    failures: list[BaseException] = []

    def mint() -> None:
        try:
            session.token()
        except GitHubError as error:
            failures.append(error)

    with world.server:
        session = world.session()
        thread = threading.Thread(target=mint)
        thread.start()
        world.server.wait_for(lambda request: request.method == "POST")
        session.revoke()
        thread.join()
        assert len(failures) == 1
        assert [token.revoked for token in world.server.tokens] == [True]


def test_threads_share_one_token() -> None:
    world = World()
    with world.server:
        session = world.session()
        threads = [threading.Thread(target=session.token) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(world.server.tokens) == 1


def test_pygithub_speaks_with_the_token() -> None:
    world = World()
    with world.server:
        assert world.session().client().get_repo(REPOSITORY).default_branch == "main"


def test_what_is_left_out_of_the_archive_is_named(tmp_path: Path) -> None:
    world = World()
    world.repository.refs["main"] = Commit({f"odd\n{number}": b"x" for number in range(7)} | {"ok": b"x"})
    with world.server:
        fetch(world.session(), world.settings(), tmp_path / "t", world.log)
    assert world.log.text.count("Left out of the archive: odd ") == 5
    assert "Left out of the archive: 2 more." in world.log.text
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["ok"]
