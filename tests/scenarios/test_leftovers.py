"""What nobody asks for any more: pruned at the end of a release, and cleaned up with a preview environment."""

from __future__ import annotations

import shutil

import pytest

from sandbox.world import EXAMPLE

pytestmark = pytest.mark.thorough

OVERLAY = "tenants/my-service/overlays/production"
PATH = "/zerotouch/prod/my-service/"
PREVIEW = "/zerotouch/pr-7/my-service/"
OURS = {"managed-by": "secret-sync"}


def deletions(world):
    return [call for call in world.aws.calls if str(call) == "DeleteParameters" and call.access_key != "sandbox"]


def test_a_release_prunes_what_is_left_over_and_nothing_else(world):
    """After the proof; only our own, directly under the service's path."""
    world.aws.put(PATH + "old_key", "left-over-value-0001", tags=OURS)
    world.aws.put(PATH + "by_hand", "somebody-elses-value-0002")
    world.aws.put(PATH + "deeper/key", "somebody-elses-value-0003", tags=OURS)
    world.aws.put("/zerotouch/prod/other-service/old_key", "somebody-elses-value-0004", tags=OURS)
    world.aws.put("/zerotouch/dev/my-service/old_key", "somebody-elses-value-0005", tags=OURS)
    before = set(world.aws.parameters())
    result = world.run(prune="true")
    assert result.exit_code == 0, result.log_as_shown()
    assert result.outputs["pruned"] == "1"
    assert result.outputs["changed"] == "true"
    assert before - set(world.aws.parameters()) == {PATH + "old_key"}
    assert "old_key" in result.summary
    log = result.log_as_shown()
    assert log.index("proven") < log.index(f"deleted {PATH}old_key")


def test_without_the_input_nothing_is_deleted(world):
    """Not even looked for."""
    world.aws.put(PATH + "old_key", "left-over-value-0001", tags=OURS)
    result = world.run(mode="push")
    assert result.exit_code == 0
    assert result.outputs["pruned"] == "0"
    assert deletions(world) == []


def test_too_many_left_overs_are_an_error_before_anything_is_written(world):
    """A moved folder must not cost a service its parameters."""
    for number in range(11):
        world.aws.put(f"{PATH}old_{number}", f"left-over-value-{number:04}", tags=OURS)
    result = world.run(mode="push", prune="true")
    assert result.exit_code == 2, result.log_as_shown()
    assert "11 parameters are left over" in result.summary
    assert deletions(world) == []
    assert PATH + "database_url" not in world.aws.parameters()


@pytest.fixture
def with_resource(make_world, tmp_path):
    """A world whose production overlay has one more resource than the example."""

    def make(text):
        tenants = shutil.copytree(EXAMPLE, tmp_path / "tenants-repository")
        (tenants / OVERLAY / "more.yaml").write_text(text)
        listed = tenants / OVERLAY / "kustomization.yaml"
        listed.write_text(listed.read_text().replace("resources:\n", "resources:\n  - more.yaml\n", 1))
        world = make_world(tenants=tenants)
        world.aws.put(PATH + "old_key", "left-over-value-0001", tags=OURS)
        return world

    return make


def test_what_anything_in_the_overlay_names_is_not_left_over(with_resource):
    """It need not be an ExternalSecret of the platform's store."""
    text = f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: reads-itself}}
data: {{PARAMETER: "arn:aws:ssm:us-east-1:123456789012:parameter{PATH}old_key"}}
"""
    world = with_resource(text)
    result = world.run(mode="push", prune="true")
    assert result.exit_code == 0, result.log_as_shown()
    assert result.outputs["pruned"] == "0"
    assert PATH + "old_key" in world.aws.parameters()


def test_where_an_external_secret_reads_by_pattern_nothing_is_pruned(with_resource):
    """What it reads is known to the operator alone."""
    text = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: everything
  labels: {zerotouch.io/managed: "true"}
spec:
  refreshInterval: 1h
  secretStoreRef: {kind: ClusterSecretStore, name: aws-parameter-store}
  dataFrom: [{find: {path: /zerotouch/prod/my-service, name: {regexp: ".*"}}}]
"""
    world = with_resource(text)
    result = world.run(mode="push", prune="true")
    assert result.exit_code == 2, result.log_as_shown()
    assert "ExternalSecret everything reads what matches a pattern" in result.summary
    assert set(world.aws.parameters()) == {PATH + "old_key"} | {
        path for path in world.aws.parameters() if not path.startswith(PATH)
    }


def test_a_key_whose_value_is_refused_is_not_called_left_over(world):
    """It is asked for, though nothing is planned for it."""
    world.aws.put(PATH + "database_url", "value-before-0001", tags=OURS)
    result = world.run({"PROD_DATABASE_URL": ""}, mode="plan", prune="true")
    assert result.exit_code == 2, result.log_as_shown()
    assert "left over" not in result.summary


def test_a_release_that_fails_prunes_nothing(world):
    """Left-overs go last."""
    world.aws.put(PATH + "old_key", "left-over-value-0001", tags=OURS)
    world.aws.fail("PutParameter", code="AccessDeniedException", message="no", name=PATH + "database_url", times=99)
    result = world.run(mode="push", prune="true")
    assert result.exit_code == 1
    assert PATH + "old_key" in world.aws.parameters()


def test_a_plan_lists_what_would_be_pruned(world):
    """Whoever approves sees it first."""
    world.aws.put(PATH + "old_key", "left-over-value-0001", tags=OURS)
    result = world.run(mode="plan", prune="true")
    assert result.exit_code == 0, result.log_as_shown()
    assert "old_key" in result.summary
    assert deletions(world) == []


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_cleanup_removes_a_preview_environments_parameters(world, dry_run):
    """All of the service's that carry our tag, ten a call, without any manifest; a dry run only shows them."""
    for number in range(12):
        world.aws.put(f"{PREVIEW}key_{number}", f"preview-value-{number:04}", tags=OURS)
    world.aws.put(PREVIEW + "by_hand", "somebody-elses-value-0001")
    result = world.run(mode="cleanup", environment="pr-7", dry_run=dry_run)
    assert result.exit_code == 0, result.log_as_shown()
    left = {path for path in world.aws.parameters() if path.startswith(PREVIEW)}
    assert result.outputs["pruned"] == ("0" if dry_run == "true" else "12")
    assert len(left) == (13 if dry_run == "true" else 1)
    assert len(deletions(world)) == (0 if dry_run == "true" else 2)
    assert world.github.requests == []
    assert "key_11" in result.summary
    assert "pr-7" in result.summary.splitlines()[0]


def test_cleanup_again_finds_nothing(world):
    """Which is no failure: a closed pull request may never have had an environment."""
    result = world.run(mode="cleanup", environment="pr-7")
    assert result.exit_code == 0, result.log_as_shown()
    assert result.outputs["changed"] == "false"


def test_tags_of_the_user_come_beside_ours(world):
    """On creation, and on an overwrite where they differ."""
    world.aws.put(PATH + "database_url", "postgres://before-the-tags-were-there")
    result = world.run(mode="push", tags="team=payments\ncost-centre=42")
    assert result.exit_code == 0, result.log_as_shown()
    for name in ("database_url", "jwt_private_key"):
        tags = world.aws.parameters()[PATH + name]["tags"]
        assert tags == {
            "managed-by": "secret-sync",
            "service": "my-service",
            "environment": "prod",
            "repository": "zerotouch/my-service",
            "team": "payments",
            "cost-centre": "42",
        }
