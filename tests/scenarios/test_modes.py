"""How far each mode goes: what it asks of GitHub, AWS and the cluster, and what it tells."""

import json
import os
import shutil
import subprocess
import sys

import jsonschema
import pytest

from sandbox.world import EXAMPLE, ROOT, SERVICE, VALUES
from secret_action.report.document import schema

PRODUCTION_PATCH = f"tenants/{SERVICE}/overlays/production/patches/secrets-patch.yaml"
TENANTS_REPOSITORY = {"GITHUB_REPOSITORY": "zerotouch/zerotouch-tenants"}


@pytest.fixture
def tenants(tmp_path):
    """A copy of the example's tenants repository, to change files in."""
    return shutil.copytree(EXAMPLE, tmp_path / "tenants-repository")


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def operations(world):
    """What the run asked of AWS. `GetParameter` is the operator's."""
    return [str(call) for call in world.aws.calls if str(call) not in ("GetParameter", "AssumeRoleWithWebIdentity")]


def asked_cluster(world):
    """The run's own requests to the cluster; the operator's are there, too."""
    return [request for request in world.cluster.requests if world.token in request.headers.get("authorization", "")]


def patches(world):
    return [str(request) for request in asked_cluster(world) if request.method == "PATCH"]


def forget(world):
    """Only what the next run asks counts."""
    world.github.clear()
    world.aws.clear()
    world.cluster.clear()


def test_validate_in_the_tenants_repository_judges_the_checkout_and_asks_nobody(make_world, tenants):
    """A pull request is judged by its own content; what is wrong stands beside its line."""
    world = make_world()
    workspace = {**TENANTS_REPOSITORY, "GITHUB_WORKSPACE": str(tenants)}
    shutil.copytree(tenants / "tenants" / SERVICE, tenants / "tenants" / "other-service")
    for file in (tenants / "tenants" / "other-service").rglob("*.yaml"):
        file.write_text(file.read_text().replace(f"/{SERVICE}/", "/other-service/"))
    good = world.run({}, env=workspace, mode="validate", environment="", service="")
    assert good.exit_code == 0, good.log_as_shown()
    assert {f"tenants/{name}/overlays/{overlay}" for name in (SERVICE, "other-service") for overlay in os.listdir(
        tenants / "tenants" / SERVICE / "overlays")} <= set(good.log_as_shown().replace(":", " ").split())  # fmt: skip
    assert good.outputs["result"] == "success"
    assert good.annotations == []

    change(
        tenants / PRODUCTION_PATCH, "/zerotouch/prod/my-service/database_url", "/zerotouch/dev/my-service/database_url"
    )
    other = "tenants/other-service/overlays/dev/patches/secrets-patch.yaml"
    change(tenants / other, "/zerotouch/dev/other-service/openai_api_key", "/zerotouch/dev/other-service/OPENAI-KEY")
    bad = world.run({}, env=workspace, mode="validate", environment="", service="")
    assert bad.exit_code == 2
    found = {(a.title, a.file): a.line for a in bad.annotations if a.level == "error" and a.file}
    line = (
        (tenants / PRODUCTION_PATCH)
        .read_text()
        .splitlines()
        .index("        key: /zerotouch/dev/my-service/database_url")
    )
    assert found[("wrong-environment", PRODUCTION_PATCH)] == line + 1
    assert ("key-not-normalised", other) in found

    one = world.run({}, env=workspace, mode="validate", environment="dev", service=SERVICE)
    assert one.exit_code == 0, "another overlay and another tenant are none of its business"
    assert (world.github.requests, world.aws.calls, asked_cluster(world)) == ([], [], [])


@pytest.mark.parametrize("own", [True, False])
def test_a_checkout_below_the_workspace_is_annotated_where_it_is_the_workflows_own(make_world, tenants, own):
    """With paths of the repository, as GitHub knows no other; else the place stands in the message."""
    world = make_world()
    folder = tenants.parent / "workspace"
    shutil.copytree(tenants, folder / "checkout")
    origin = folder / "checkout/.git/config"
    origin.parent.mkdir(exist_ok=True)
    origin.write_text('[remote "origin"]\n\turl = https://github.com/zerotouch/zerotouch-tenants\n')
    change(folder / "checkout" / PRODUCTION_PATCH, "/zerotouch/prod/my-service/", "/zerotouch/dev/my-service/")
    env = {"GITHUB_WORKSPACE": str(folder), **(TENANTS_REPOSITORY if own else {})}
    directory = str(folder / "checkout")
    result = world.run({}, env=env, mode="validate", environment="", service="", tenants_directory=directory)
    assert result.exit_code == 2, result.log_as_shown()
    found = [each for each in result.annotations if each.title == "wrong-environment"]
    assert found
    for each in found:
        assert (each.file, "In tenants/" in each.message) == ((PRODUCTION_PATCH, False) if own else ("", True))


def test_validate_from_another_repository_fetches_from_github_and_nothing_else(make_world):
    """No cloud, no cluster; the commit that was judged is told."""
    world = make_world()
    result = world.run({}, mode="validate", environment="", service="")
    assert result.exit_code == 0, result.log_as_shown()
    sha = world.github.repositories[0].refs["main"].sha
    assert result.outputs["tenants-sha"] == sha
    assert sha in result.log_as_shown()
    assert (world.aws.calls, asked_cluster(world)) == ([], [])
    assert [token.revoked for token in world.github.tokens] == [True]


def test_a_release_from_a_checkout_needs_no_app(make_world, tenants):
    """`tenants-directory`: no token is minted and GitHub is not called."""
    world = make_world(tenants=tenants)
    world.deploy()
    folder = tenants.parent / "workspace"
    shutil.copytree(tenants, folder / "checkout")
    result = world.run(
        env={"GITHUB_WORKSPACE": str(folder)}, tenants_directory=str(folder / "checkout"), app_id="", app_private_key=""
    )
    assert result.exit_code == 0, result.log_as_shown()
    assert world.github.requests == []


@pytest.mark.parametrize("inputs", [{"mode": "plan"}, {"mode": "release", "dry_run": "true"}], ids=["plan", "dry-run"])
def test_a_plan_tells_what_a_release_would_do_and_writes_nothing(world, inputs):
    """It reads SSM and the cluster; each value's source is shown. It needs no cluster to be named."""
    result = world.run(**inputs)
    assert result.exit_code == 0, result.log_as_shown()
    assert operations(world) == ["GetParameters", "GetParameters"]
    assert patches(world) == []
    assert result.outputs["changed"] == "false"
    assert "PROD_DATABASE_URL" in result.summary
    assert [(p["action"], p["source"]) for p in result.report["parameters"] if p["key"] == "database_url"] == [
        ("create", "PROD_DATABASE_URL")
    ]
    forget(world)
    without = world.run(kubeconfig="", **inputs)
    assert without.exit_code == 0, without.log_as_shown()
    assert asked_cluster(world) == []


def test_push_then_refresh_do_together_what_release_does(world):
    """Push never talks to the cluster, refresh never to AWS: what a pipeline that deploys itself calls around it."""
    pushed = world.run(mode="push", kubeconfig="/nowhere")
    assert pushed.exit_code == 0, pushed.log_as_shown()
    assert (pushed.outputs["created"], pushed.outputs["refreshed"]) == ("6", "0")
    assert patches(world) == []
    forget(world)
    refreshed = world.run({}, mode="refresh", aws_role_to_assume="")
    assert refreshed.exit_code == 0, refreshed.log_as_shown()
    assert (refreshed.outputs["refreshed"], refreshed.outputs["changed"]) == ("5", "false")
    assert operations(world) == []
    assert len(patches(world)) == 5
    assert world.secret("my-service-db") == {"DATABASE_URL": VALUES["DATABASE_URL"].encode()}
    assert refreshed.annotations == [], "without values nothing is to be warned of"


def test_refresh_never_and_refresh_changed(world):
    """`never` leaves the cluster alone; `changed` refreshes what lacks the wanted bytes, and then nothing more."""
    never = world.run(refresh="never", kubeconfig="")
    assert never.exit_code == 0, never.log_as_shown()
    assert (never.outputs["created"], never.outputs["refreshed"]) == ("6", "0")
    assert patches(world) == []
    first = world.run(refresh="changed")
    assert first.exit_code == 0, first.log_as_shown()
    assert world.secret("my-service-db") == {"DATABASE_URL": VALUES["DATABASE_URL"].encode()}
    forget(world)
    second = world.run(refresh="changed")
    assert second.exit_code == 0, second.log_as_shown()
    assert patches(world) == []
    assert (second.outputs["refreshed"], second.outputs["changed"], second.outputs["failed"]) == ("0", "false", "0")
    forget(world)
    one = world.run(VALUES | {"DATABASE_URL": "postgres://app:third-pa55@db.internal:5432/app"}, refresh="changed")
    assert one.exit_code == 0, one.log_as_shown()
    assert len(patches(world)) == 1
    assert world.secret("my-service-db") == {"DATABASE_URL": b"postgres://app:third-pa55@db.internal:5432/app"}


def laptop(*arguments, stdin=""):
    """The program as a person starts it, without a runner around it."""
    return subprocess.run(
        [sys.executable, str(ROOT / "entrypoint.py"), *arguments],
        env={"PATH": os.environ["PATH"]},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_on_a_laptop_it_prints_a_table_and_no_workflow_command(tenants):
    """Folders or files, from anywhere; the exit code is the action's."""
    folder = str(tenants / "tenants" / SERVICE)
    done = laptop("validate", folder, f"{folder}/base/kustomization.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "production" in done.stdout
    assert "::" not in done.stdout
    change(
        tenants / PRODUCTION_PATCH,
        "/zerotouch/prod/my-service/database_url",
        "/zerotouch/_ENV_/my-service/database_url",
    )
    wrong = laptop("validate", folder)
    assert wrong.returncode == 2
    assert "placeholder-left" in wrong.stdout
    assert f"{PRODUCTION_PATCH}:12" in wrong.stdout

    as_json = laptop("validate", folder, "--format", "json")
    assert as_json.returncode == 2
    report = json.loads(as_json.stdout)
    jsonschema.validate(report, schema())
    assert [finding["rule"] for finding in report["findings"]] == ["placeholder-left"]
    assert report["service"] == SERVICE

    nothing = laptop("validate", str(tenants / "README.md"))
    assert nothing.returncode == 2
    assert "Traceback" not in nothing.stdout + nothing.stderr


def test_help_and_version_leave_with_0_and_secrets_are_no_argument():
    """What a person tries first."""
    assert laptop("--version").stdout.startswith("secret-sync ")
    shown = laptop("--help")
    assert (shown.returncode, "--environment" in shown.stdout) == (0, True)
    refused = laptop("push", "--environment", "prod", "--service", "x", "--secrets", '{"PROD_A": "hunter2-and-more"}')
    assert refused.returncode == 2
    assert "hunter2" not in refused.stdout + refused.stderr
    assert "standard input" in refused.stdout
