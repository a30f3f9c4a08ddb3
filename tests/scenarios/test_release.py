"""The main job, as a platform team sees it: release, release again, change a value."""

from sandbox.world import JWKS_URL, VALUES

OWNED = {f"/zerotouch/prod/my-service/{name.lower()}" for name in VALUES}
SECRETS = {"my-service-db", "my-service-jwt-keys", "my-service-llm-keys", "my-service-smtp", "platform-global-config"}


def test_a_first_release_creates_everything_and_proves_it(world):
    """Values reach the Secrets byte for byte, and GitHub, AWS and the cluster see these requests in this order."""
    result = world.run()
    assert result.exit_code == 0, result.log_as_shown() + result.stderr
    assert result.outputs == {
        "result": "success",
        "changed": "true",
        "created": "6",
        "updated": "0",
        "unchanged": "0",
        "kept": "0",
        "pruned": "0",
        "refreshed": "5",
        "restarted": "0",
        "failed": "0",
        "tenants-sha": world.github.repositories[0].refs["main"].sha,
        "report": result.outputs["report"],
    }
    assert {name for name, found in world.aws.parameters().items() if found["type"] == "SecureString"} == OWNED
    assert world.secret("my-service-jwt-keys")["JWT_PRIVATE_KEY"] == VALUES["JWT_PRIVATE_KEY"].encode()
    assert world.secret("my-service-llm-keys")["ANTHROPIC_API_KEY"] == VALUES["ANTHROPIC_API_KEY"].encode()
    assert world.secret("platform-global-config") == {"PLATFORM_JWKS_URL": JWKS_URL.encode()}
    assert "proven" in result.summary.splitlines()[0] + result.summary.splitlines()[2]
    assert [a for a in result.annotations if a.level == "error"] == []
    sha = result.outputs["tenants-sha"]
    repository = "/repos/zerotouch/zerotouch-tenants"
    assert [str(request) for request in world.github.requests] == [
        f"GET {repository}/installation",
        "POST /app/installations/50001/access_tokens",
        f"GET {repository}",
        f"GET {repository}/commits/main",
        f"GET {repository}/tarball/{sha}",
        f"GET /codeload/zerotouch/zerotouch-tenants/legacy.tar.gz/{sha}",
        "DELETE /installation/token",
    ]
    ours = [str(call) for call in world.aws.calls if str(call) != "GetParameter"]  # those are the operator's
    assert ours == ["AssumeRoleWithWebIdentity", "GetParameters", "GetParameters"] + 6 * ["PutParameter"]
    assert sum(request.method == "PATCH" for request in world.cluster.requests) == len(SECRETS)
    assert all(token.revoked for token in world.github.tokens)
    assert world.github.tokens[0].permissions == {"contents": "read", "metadata": "read"}  # the latter always
    assert world.github.tokens[0].repositories == ["zerotouch-tenants"]


def test_a_second_release_writes_nothing(world):
    """Idempotent: no new version of any parameter, and still the proof."""
    world.run()
    versions = {name: found["version"] for name, found in world.aws.parameters().items()}
    result = world.run()
    assert result.exit_code == 0
    assert (result.outputs["changed"], result.outputs["unchanged"], result.outputs["refreshed"]) == ("false", "6", "5")
    assert {name: found["version"] for name, found in world.aws.parameters().items()} == versions


def test_a_changed_value_is_one_update(world):
    """Only what differs is written, and the cluster has the new bytes."""
    world.run()
    changed = VALUES | {"DATABASE_URL": "postgres://app:another-pa55@db.internal:5432/app"}
    result = world.run(changed)
    assert result.exit_code == 0
    assert (result.outputs["updated"], result.outputs["unchanged"]) == ("1", "5")
    assert world.secret("my-service-db") == {"DATABASE_URL": changed["DATABASE_URL"].encode()}


def test_a_store_that_is_not_ready_is_a_failure_with_a_diagnosis(world):
    """The old scripts reported success here: `Ready` of the ExternalSecrets was still true."""
    world.run()
    world.cluster.set_store_ready("aws-parameter-store", False, "InvalidProviderConfig", "unable to create client")
    result = world.run(VALUES | {"OPENAI_API_KEY": "sk-sandbox-rotated-0000111122223333"}, timeout="6")
    assert result.exit_code == 1
    assert result.outputs["result"] == "failure"
    assert "aws-parameter-store" in result.summary
    assert "not ready" in result.summary.lower()
    assert [a for a in result.annotations if a.level == "error"]
