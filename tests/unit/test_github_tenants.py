"""A checkout that is there is judged by its own commit, read without a git binary."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from github_world import OWNER, REPOSITORY, github_settings

from secret_action.errors import InputError
from secret_action.github.tenants import checkout, workspace_is_tenants_checkout
from secret_action.settings import GitHubSettings

SHA = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def tenants_folder(root: Path) -> Path:
    write(root / "tenants/shop/base/kustomization.yaml", "resources: []\n")
    return root


def loose(git: Path) -> None:
    write(git / "HEAD", "ref: refs/heads/main\n")
    write(git / "refs/heads/main", f"{SHA}\n")


def packed(git: Path) -> None:
    write(git / "HEAD", "ref: refs/heads/main\n")
    lines = ["# pack-refs with: peeled fully-peeled sorted", f"{OTHER} refs/heads/main-2", f"{SHA} refs/heads/main"]
    write(git / "packed-refs", "\n".join([*lines, f"{OTHER} refs/tags/v1", f"^{OTHER}", ""]))


def loose_wins(git: Path) -> None:
    packed(git)
    write(git / "packed-refs", f"{OTHER} refs/heads/main\n")
    write(git / "refs/heads/main", f"{SHA}\n")


def symbolic(git: Path) -> None:
    write(git / "HEAD", "ref: refs/heads/main\n")
    write(git / "refs/heads/main", "ref: refs/heads/trunk\n")
    write(git / "refs/heads/trunk", f"{SHA}\n")


@pytest.mark.parametrize("layout", [loose, packed, loose_wins, symbolic])
def test_the_commit_of_a_branch(tmp_path: Path, layout: Callable[[Path], None]) -> None:
    layout(tenants_folder(tmp_path) / ".git")
    tenants = checkout(str(tmp_path), github_settings(), {})
    assert (tenants.root, tenants.sha, tenants.ref) == (str(tmp_path), SHA, "main")


def test_a_pull_requests_merge_commit(tmp_path: Path) -> None:
    """actions/checkout leaves HEAD detached at it."""
    write(tenants_folder(tmp_path) / ".git/HEAD", f"{SHA}\n")
    tenants = checkout(str(tmp_path), github_settings(), {})
    assert (tenants.sha, tenants.ref) == (SHA, "")


@pytest.mark.parametrize(
    "head", ["", "nonsense", "ref: ../../etc/passwd", "ref: refs/heads/.invalid", "ref: refs/heads/unborn", "\0"]
)
def test_a_head_that_tells_nothing_is_unknown(tmp_path: Path, head: str) -> None:
    write(tenants_folder(tmp_path) / ".git/HEAD", head)
    assert checkout(str(tmp_path), github_settings(), {}).sha == ""


def test_git_files_that_cannot_be_read_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    loose(tenants_folder(tmp_path) / ".git")
    monkeypatch.setattr(Path, "read_text", forbidden)
    assert checkout(str(tmp_path), github_settings(), {}).sha == ""


def test_references_in_a_circle_are_unknown(tmp_path: Path) -> None:
    write(tenants_folder(tmp_path) / ".git/HEAD", "ref: refs/heads/a\n")
    write(tmp_path / ".git/refs/heads/a", "ref: refs/heads/b\n")
    write(tmp_path / ".git/refs/heads/b", "ref: refs/heads/a\n")
    assert checkout(str(tmp_path), github_settings(), {}).sha == ""


def test_a_folder_that_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    tenants = checkout(str(tenants_folder(tmp_path)), github_settings(), {})
    assert (tenants.root, tenants.sha, tenants.repository) == (str(tmp_path), "", "")


def test_a_worktree(tmp_path: Path) -> None:
    """Its `.git` is a file; HEAD is its own, branches and packed-refs are the repository's."""
    own = tmp_path / "main/.git/worktrees/side"
    write(own / "HEAD", "ref: refs/heads/side\n")
    write(own / "commondir", "../..\n")
    write(tmp_path / "main/.git/HEAD", f"{OTHER}\n")
    write(tmp_path / "main/.git/packed-refs", f"{SHA} refs/heads/side\n")
    write(tenants_folder(tmp_path / "side") / ".git", f"gitdir: {own}\n")
    tenants = checkout(str(tmp_path / "side"), github_settings(), {})
    assert (tenants.sha, tenants.ref) == (SHA, "side")


def test_a_submodule(tmp_path: Path) -> None:
    write(tmp_path / ".git/modules/tenants/HEAD", f"{SHA}\n")
    write(tmp_path / ".git/HEAD", f"{OTHER}\n")
    write(tenants_folder(tmp_path / "sub") / ".git", "gitdir: ../.git/modules/tenants\n")
    assert checkout(str(tmp_path / "sub"), github_settings(), {}).sha == SHA


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("packs", [False, True], ids=["loose", "packed"])
def test_git_itself_agrees(tmp_path: Path, packs: bool) -> None:
    def git(*words: str) -> str:
        options = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
        return subprocess.run(
            ["git", *options, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    tenants_folder(tmp_path)
    git("init", "--quiet", "--initial-branch", "feature/x")
    git("add", ".")
    git("commit", "--quiet", "--message", "one")
    git("remote", "add", "origin", f"https://token:secret@github.com/{REPOSITORY}.git")
    if packs:
        git("pack-refs", "--all")
    tenants = checkout(str(tmp_path), github_settings(), {})
    assert (tenants.sha, tenants.ref, tenants.repository) == (git("rev-parse", "HEAD"), "feature/x", REPOSITORY)


@pytest.mark.parametrize(
    ("url", "repository"),
    [
        (f"https://github.com/{REPOSITORY}", REPOSITORY),
        (f"https://x-access-token:ghs_abc@github.com/{REPOSITORY}.git", REPOSITORY),
        (f"git@github.com:{REPOSITORY}.git", REPOSITORY),
        (f"ssh://git@github.com/{REPOSITORY}.git/", REPOSITORY),
        ("/srv/git/tenants.git", ""),
        ("", ""),
    ],
)
def test_where_a_checkout_came_from(tmp_path: Path, url: str, repository: str) -> None:
    loose(tenants_folder(tmp_path) / ".git")
    config = (
        f'[remote "upstream"]\n\turl = https://github.com/else/where\n[remote "origin"]\n\turl = {url}\n\tfetch = +x\n'
    )
    write(tmp_path / ".git/config", config)
    assert checkout(str(tmp_path), github_settings(), {}).repository == repository


@pytest.mark.parametrize("below", ["", "tenants", "tenants/shop/base", "docs"])
def test_the_root_is_found_from_any_folder_of_the_checkout(tmp_path: Path, below: str) -> None:
    loose(tenants_folder(tmp_path / "repo") / ".git")
    (tmp_path / "repo/docs").mkdir()
    assert checkout(str(tmp_path / "repo" / below), github_settings(), {}).root == str(tmp_path / "repo")


@pytest.mark.parametrize(("below", "root"), [("", ""), ("tenants/shop", ""), ("docs", "docs")])
def test_without_git_only_a_tenants_own_folder_leads_up(tmp_path: Path, below: str, root: str) -> None:
    tenants_folder(tmp_path)
    (tmp_path / "docs").mkdir()
    assert checkout(str(tmp_path / below), github_settings(), {}).root == str(tmp_path / root)


def test_a_folder_of_tenants_within_another_repository_is_its_own_root(tmp_path: Path) -> None:
    loose(tmp_path / ".git")
    tenants_folder(tmp_path / "deploy")
    tenants = checkout(str(tmp_path / "deploy"), github_settings(), {})
    assert (tenants.root, tenants.sha) == (str(tmp_path / "deploy"), SHA)


@pytest.mark.parametrize("tenant_path", ["tenants/{service}", "tenants/shop", "{service}", "shop"])
def test_any_tenant_path(tmp_path: Path, tenant_path: str) -> None:
    tenants_folder(tmp_path)
    assert checkout(str(tmp_path), github_settings(tenant_path=tenant_path), {}).root == str(tmp_path)


@pytest.mark.parametrize("below", ["", "repo", "side/repo"])
def test_the_workflows_own_repository_is_known_by_its_origin_wherever_it_lies(tmp_path: Path, below: str) -> None:
    """Its lines are those that GitHub shows. The tenants may lie in a folder of it."""
    repo = tmp_path / below
    write(repo / ".git/config", '[remote "origin"]\n\turl = https://github.com/Acme/mono\n')
    tenants_folder(repo / "deploy")
    settings = github_settings(workspace=str(tmp_path))
    for own, root in (("acme/mono", str(repo)), ("acme/shop", ""), (REPOSITORY, ""), ("", "")):
        tenants = checkout(str(repo / "deploy"), settings, {"GITHUB_REPOSITORY": own})
        assert (tenants.root, tenants.workflow_root) == (str(repo / "deploy"), root)


@pytest.mark.parametrize("git", [True, False])
def test_where_no_origin_tells_it_is_the_workspace_or_the_tenants_repository_of_its_own_workflow(
    tmp_path: Path, git: bool
) -> None:
    """actions/checkout leaves no `.git` where there is no git; a folder without one may be any repository's."""
    tenants_folder(tmp_path / "repo")
    if git:
        loose(tmp_path / "repo/.git")
    repo = str(tmp_path / "repo")

    def root(workspace: str, own: str) -> str:
        settings = github_settings(workspace=str(tmp_path / workspace) if workspace else "")
        return checkout(repo, settings, {"GITHUB_REPOSITORY": own}).workflow_root

    assert root("repo", f"{OWNER}/shop") == repo
    assert root(".", REPOSITORY) == (repo if git else "")
    assert root(".", f"{OWNER}/shop") == ""
    assert root("", REPOSITORY) == ""


def test_a_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tenants_folder(tmp_path / "repo")
    monkeypatch.chdir(tmp_path)
    assert checkout("repo", github_settings(), {}).root == str(tmp_path / "repo")


@pytest.mark.parametrize(("name", "words"), [("missing", "does not exist"), ("file", "is not a folder")])
def test_a_folder_that_is_not_there_names_the_input(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught:
        checkout(str(tmp_path / name), github_settings(), {})
    assert caught.value.problems[0].what == f"tenants-directory: {tmp_path / name} {words}."


# The workspace, when the workflow runs in the tenants repository


def workspace(tmp_path: Path, **given: str) -> GitHubSettings:
    return github_settings(workspace=str(tmp_path), **given)


def test_a_workflow_in_the_tenants_repository_with_a_checkout(tmp_path: Path) -> None:
    loose(tenants_folder(tmp_path) / ".git")
    environment = {"GITHUB_REPOSITORY": REPOSITORY.replace("zero", "Zero")}
    assert workspace_is_tenants_checkout(workspace(tmp_path), environment)
    assert not workspace_is_tenants_checkout(workspace(tmp_path), {"GITHUB_REPOSITORY": f"{OWNER}/shop"})
    assert not workspace_is_tenants_checkout(workspace(tmp_path), {})
    assert not workspace_is_tenants_checkout(workspace(tmp_path, ref="main"), environment)
    assert not workspace_is_tenants_checkout(github_settings(), environment)


def test_a_checkout_without_git_files_counts_by_its_tenants(tmp_path: Path) -> None:
    assert not workspace_is_tenants_checkout(workspace(tmp_path), {"GITHUB_REPOSITORY": REPOSITORY})
    write(tmp_path / "artefact.json", "{}")
    assert not workspace_is_tenants_checkout(workspace(tmp_path), {"GITHUB_REPOSITORY": REPOSITORY})
    tenants_folder(tmp_path)
    assert workspace_is_tenants_checkout(workspace(tmp_path), {"GITHUB_REPOSITORY": REPOSITORY})


def test_a_checkout_without_files_does_not_count(tmp_path: Path) -> None:
    loose(tmp_path / ".git")
    assert not workspace_is_tenants_checkout(workspace(tmp_path), {"GITHUB_REPOSITORY": REPOSITORY})


def test_a_checkout_of_another_repository_does_not_count(tmp_path: Path) -> None:
    loose(tenants_folder(tmp_path) / ".git")
    write(tmp_path / ".git/config", '[remote "origin"]\n\turl = https://github.com/else/where\n')
    assert not workspace_is_tenants_checkout(workspace(tmp_path), {"GITHUB_REPOSITORY": REPOSITORY})


def test_a_workspace_that_is_missing_does_not_count(tmp_path: Path) -> None:
    settings = github_settings(workspace=str(tmp_path / "missing"))
    assert not workspace_is_tenants_checkout(settings, {"GITHUB_REPOSITORY": REPOSITORY})
