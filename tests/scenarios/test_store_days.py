"""Parameter Store on bad days: what a run does, leaves behind and says when AWS throttles, refuses or loses answers."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest

from sandbox.runner import RunResult
from sandbox.world import EXAMPLE, VALUES, World
from tests.scenarios.conftest import CheckedWorld
from tests.values import BYTES

pytestmark = pytest.mark.thorough

PATH = "/zerotouch/prod/my-service/"
JWKS = "/zerotouch/prod/zerotouch-platform/jwks_url"
OWNED = {f"{PATH}{name.lower()}" for name in VALUES}
ARN = "arn:aws:ssm:us-east-1:123456789012:parameter"
STATIC = {"AWS_ACCESS_KEY_ID": "AKIASANDBOX", "AWS_SECRET_ACCESS_KEY": "sandbox-secret-access-key-0001"}


def tenants_with(folder: Path, changes: dict[str, str]) -> Path:
    """The example tenants repository with some files of the service replaced."""
    copy = folder / "tenants-repository"
    shutil.copytree(EXAMPLE, copy)
    for name, text in changes.items():
        (copy / "tenants" / "my-service" / name).write_text(text, encoding="utf-8")
    return copy


def calls(world: CheckedWorld) -> list[str]:
    """What the action asked of AWS, in order; the operator asks with credentials of its own."""
    return [str(call) for call in world.aws.calls if call.access_key != "sandbox"]


def writes(world: CheckedWorld) -> list[str]:
    """Those of its calls that change something in SSM."""
    return [call for call in calls(world) if call in ("PutParameter", "DeleteParameters")]


def failed(result: RunResult, exit_code: int = 1) -> str:
    """The text of the error annotations of a run that ended with this code, and without a defect of ours."""
    assert result.exit_code == exit_code, result.log_as_shown() + result.stderr
    assert result.outputs["result"] == "failure"
    assert result.stderr == ""
    text = "\n".join(annotation.message for annotation in result.annotations if annotation.level == "error")
    assert text
    assert "defect" not in text
    assert "❌" in result.summary.splitlines()[0]
    return text


class TestPatience:
    """What passes by itself is waited for, and leaves no trace in the parameters' history."""

    def test_a_throttled_run_slows_down_and_succeeds(self, world):
        """Refusals for the rate, and for two updates at once, cost time and nothing else."""
        world.aws.fail("PutParameter", code="ThrottlingException", message="Rate exceeded", nth=2, times=4)
        world.aws.fail("PutParameter", code="TooManyUpdates", name=PATH + "jwt_public_key", times=2)
        world.aws.fail("GetParameters", code="ThrottlingException", message="Rate exceeded")
        result = world.run(mode="push")
        assert result.exit_code == 0, result.log_as_shown()
        assert result.outputs["created"] == "6"
        assert {found["version"] for found in world.aws.parameters().values()} == {1}

    def test_a_lost_answer_makes_no_second_version(self, world):
        """AWS did what was asked and the connection broke: the run looks before it sends anything again."""
        world.aws.put(PATH + "database_url", "postgres://before-the-lost-answer")
        world.aws.fail("PutParameter", name=PATH + "database_url", drop="after")
        world.aws.fail("PutParameter", name=PATH + "anthropic_api_key", drop="after")
        result = world.run(mode="push")
        assert result.exit_code == 0, result.log_as_shown()
        assert (result.outputs["created"], result.outputs["updated"]) == ("5", "1")
        stored = world.aws.parameters()
        assert stored[PATH + "database_url"]["value"] == VALUES["DATABASE_URL"]
        assert stored[PATH + "database_url"]["version"] == 2
        assert stored[PATH + "anthropic_api_key"]["version"] == 1
        assert writes(world) == 6 * ["PutParameter"]


class TestUndo:
    """Nothing by halves: a write that fails for good takes the others back, or names what it could not."""

    def test_one_refused_write_undoes_all_others(self, world):
        """Values, key, type, tier and description are as before; what was created is gone; the cluster is untouched."""
        world.aws.put(PATH + "database_url", "before-database", key_id="alias/app", description="the main database")
        world.aws.put(PATH + "openai_api_key", "before-openai-key", type="String")
        world.aws.put(PATH + "jwt_private_key", "before-jwt-key", tier="Advanced")
        before = world.aws.parameters()
        # It is answered last, so that all others have been written by then.
        world.aws.fail("PutParameter", code="ParameterLimitExceeded", name=PATH + "smtp_credentials", delay=0.4)
        result = world.run()
        assert "smtp_credentials" in failed(result)
        after = world.aws.parameters()
        for found in (*before.values(), *after.values()):
            found.pop("version")
        before[PATH + "openai_api_key"].pop("key_id")  # a String has none
        after[PATH + "openai_api_key"].pop("key_id")
        assert after == before
        assert (result.outputs["changed"], result.outputs["created"], result.outputs["updated"]) == ("false", "0", "0")
        assert result.outputs["failed"] == "1"
        assert "5 earlier writes were put back" in result.summary
        assert result.summary.count("created, then removed again") == 4  # two rows each, in two tables
        assert [request for request in world.cluster.requests if request.method == "PATCH"] == []

    def test_what_cannot_be_undone_is_named_with_its_command(self, world):
        """The role may not delete: each parameter that stays is named, with the command that removes it."""
        world.aws.put(PATH + "database_url", "before-database")
        world.aws.fail("PutParameter", code="ParameterLimitExceeded", name=PATH + "smtp_credentials", delay=0.4)
        world.aws.denies.append(lambda operation, name: operation == "DeleteParameters")
        result = world.run(mode="push")
        text = failed(result)
        left = OWNED - {PATH + "smtp_credentials", PATH + "database_url"}
        for path in left:
            command = f"aws ssm delete-parameter --region us-east-1 --name {path}"
            assert command in text
            assert command in result.summary
        assert "ssm:DeleteParameters" in text
        assert "4 could not be put back" in result.summary
        assert world.aws.parameters()[PATH + "database_url"]["value"] == "before-database"
        assert result.outputs["changed"] == "true"

    def test_another_writer_before_the_overwrite_is_noticed_and_stands(self, world):
        """Just before it overwrites, the run looks again: a newer version ends it, and is not touched."""
        path = PATH + "database_url"
        world.aws.put(path, "before-database")
        looks: list[str] = []

        def somebody_writes(operation: str, name: str) -> bool:
            if (operation, name) == ("GetParameters", path):
                looks.append(name)
                if len(looks) == 2:
                    world.aws.put(path, "their-database")
            return False

        world.aws.denies.append(somebody_writes)
        text = failed(world.run(mode="push"))
        assert f"Somebody else wrote {path} while this run was on. Their version 2 stands." in text
        stored = world.aws.parameters()
        assert (stored[path]["value"], stored[path]["version"]) == ("their-database", 2)
        assert set(stored) == {path, JWKS}

    def test_another_writer_in_between_is_noticed(self, world):
        """SSM has no compare-and-set: a version that moved ends the run, and their value can be put back."""
        path = PATH + "database_url"
        world.aws.put(path, "before-database")
        written = threading.Event()

        def somebody_writes(operation: str, name: str) -> bool:
            if (operation, name) == ("PutParameter", path) and not written.is_set():
                written.set()
                world.aws.put(path, "their-database")
            return False

        world.aws.denies.append(somebody_writes)
        result = world.run(mode="push")
        assert f"Somebody else wrote {path} while this run was on" in failed(result)
        assert f"--name {path}:2" in result.summary  # their version
        assert set(world.aws.parameters()) == {path, JWKS}


class TestRights:
    """A missing permission is told as the line of policy that grants it."""

    def test_no_right_to_write(self, world):
        """The action, the ARN and the statement to add; and nothing was written."""
        world.aws.denies.append(lambda operation, name: operation == "PutParameter")
        text = failed(world.run(mode="push"))
        assert "may not ssm:PutParameter" in text
        assert f"{ARN}{PATH}" in text
        assert '{"Effect": "Allow", "Action": "ssm:PutParameter"' in text
        assert set(world.aws.parameters()) == {JWKS}

    def test_no_right_to_read_one_of_ours(self, world):
        """GetParameters fails whole for one name: the message names that one and not its nine neighbours."""
        world.aws.denies.append(
            lambda operation, name: operation == "GetParameters" and name.endswith("jwt_public_key")
        )
        text = failed(world.run(mode="push"))
        assert f"may not ssm:GetParameters on {ARN}{PATH}jwt_public_key." in text
        assert f'"Resource": ["{ARN}{PATH}jwt_public_key"]' in text
        assert writes(world) == []

    def test_what_the_role_may_not_see_of_others_is_not_checked(self, world):
        """Foreign parameters, and the details of those to overwrite, are optional rights: said, and not failed for."""
        world.aws.put(PATH + "database_url", "before-database")
        denied = {("GetParameters", JWKS), ("DescribeParameters", "*")}
        world.aws.denies.append(lambda operation, name: (operation, name) in denied)
        result = world.run(mode="push")
        assert result.exit_code == 0, result.log_as_shown()
        assert (result.outputs["created"], result.outputs["updated"]) == ("5", "1")
        assert "not ours, not checked" in result.summary
        assert "ssm:DescribeParameters" in result.summary


class TestWhatIsWritten:
    """Key, tier, type and description are kept, or become what was asked for."""

    def test_an_overwrite_keeps_the_key_and_a_string_becomes_a_secure_string(self, world):
        """An overwrite without `aws-kms-key-id` leaves a parameter under its key; with it, it moves there."""
        world.aws.put(PATH + "database_url", "before-database", key_id="alias/app", description="the main database")
        world.aws.put(PATH + "openai_api_key", "before-openai-key", type="String")
        result = world.run(mode="push")
        assert result.exit_code == 0, result.log_as_shown()
        stored = world.aws.parameters()
        assert stored[PATH + "database_url"]["key_id"] == "alias/app"
        assert stored[PATH + "database_url"]["description"] == "the main database"
        assert stored[PATH + "openai_api_key"]["type"] == "SecureString"
        assert "was a String, becomes a SecureString" in result.summary
        # Others' names are read apart; details, tags and a last look are asked for only because two are overwritten.
        reads = ["AssumeRoleWithWebIdentity", *2 * ["GetParameters"], *2 * ["DescribeParameters"]]
        assert calls(world)[:5] == reads
        assert sorted(calls(world)[5:-2]) == ["GetParameters", *6 * ["PutParameter"]]
        assert calls(world)[-2:] == 2 * ["AddTagsToResource"]
        changed = VALUES | {"DATABASE_URL": "postgres://rotated", "JWT_PUBLIC_KEY": "rotated-public-key"}
        result = world.run(changed, mode="push", aws_kms_key_id="alias/new")
        assert result.exit_code == 0, result.log_as_shown()
        stored = world.aws.parameters()
        assert {stored[PATH + key]["key_id"] for key in ("database_url", "jwt_public_key")} == {"alias/new"}
        assert result.outputs["updated"] == "2"

    def test_a_value_above_the_tiers_size(self, make_world, tmp_path):
        """4,097 bytes do not fit Standard: told before any write; `tier: Advanced` in secrets.yaml takes them."""
        large = VALUES | {"JWT_PRIVATE_KEY": "k" * 4097}
        world = make_world()
        text = failed(world.run(large, mode="push"), 2)
        assert "4,096 bytes" in text
        assert "tier: Advanced" in text
        assert "jwt_private_key" in text
        assert writes(world) == []
        advanced = "version: 1\nparameters:\n  jwt_private_key:\n    tier: Advanced\n"
        world = make_world(tenants=tenants_with(tmp_path, {"secrets.yaml": advanced}))
        result = world.run(large, mode="push")
        assert result.exit_code == 0, result.log_as_shown()
        tiers = {name: found["tier"] for name, found in world.aws.parameters().items() if name != JWKS}
        assert tiers.pop(PATH + "jwt_private_key") == "Advanced"
        assert set(tiers.values()) == {"Standard"}

    def test_a_json_value_without_a_property_is_found_before_any_write(self, world):
        """The message names the property, its reader and the source; never the value."""
        text = failed(
            world.run(VALUES | {"SMTP_CREDENTIALS": '{"host": "mail.internal.example", "username": "m4iler"}'}), 2
        )
        assert "PROD_SMTP_CREDENTIALS has no property password" in text
        assert "my-service-smtp" in text
        assert "secrets-patch.yaml" in text
        assert writes(world) == []


class TestRefusals:
    """One message that names what is wrong and what to do; nothing is left behind in SSM."""

    def test_an_error_text_that_echoes_the_value_is_not_quoted(self, world):
        """AWS has put whole values into its messages; the leak check of the world sees to the rest."""
        echo = f"1 validation error detected: Value '{VALUES['DATABASE_URL']}' at 'value' failed to satisfy constraint"
        world.aws.fail("PutParameter", code="ValidationException", message=echo, name=PATH + "database_url")
        text = failed(world.run(mode="push"))
        assert f"{PATH}database_url" in text
        assert set(world.aws.parameters()) == {JWKS}

    def test_a_disabled_kms_key(self, world):
        """SSM hides KMS's answer in its InvalidKeyId; the key and its state are told."""
        key = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
        world.aws.fail("PutParameter", code="InvalidKeyId", message=f"{key} is disabled.", times=None)
        text = failed(world.run(mode="push", aws_kms_key_id=key))
        assert f"The KMS key {key} is disabled" in text
        assert "aws kms enable-key" in text
        assert set(world.aws.parameters()) == {JWKS}

    def test_expired_credentials(self, world):
        """Credentials of an earlier step that have run out."""
        message = "The security token included in the request is expired"
        world.aws.fail("GetParameters", code="ExpiredTokenException", message=message, times=None)
        text = failed(world.run(mode="push", aws_role_to_assume="", env=STATIC))
        assert "The AWS credentials have expired" in text
        assert "aws-role-to-assume" in text
        assert writes(world) == []

    def test_another_region_lacks_what_others_own(self, world):
        """In the wrong region the platform's parameter is missing: the run stops before it creates anything there."""
        result = world.run(mode="push", aws_region="eu-west-1")
        text = failed(result, 2)
        assert f"{JWKS} does not exist" in text
        assert "another region or account" in result.summary
        assert world.aws.parameters("eu-west-1") == {}

    def test_the_role_is_refused(self, world):
        """What the token says of the job is shown, because the trust policy is about it; the token never is."""
        world.oidc.claims["sub"] = "repo:zerotouch/other-service:ref:refs/heads/main"
        result = world.run()
        text = failed(result)
        assert "sub = repo:zerotouch/other-service:ref:refs/heads/main" in text
        assert "aud = sts.amazonaws.com" in text
        assert "trust policy" in text
        assert "eyJ" not in result.log_as_shown() + result.summary + str(result.report)
        assert calls(world) == ["AssumeRoleWithWebIdentity"]

    @pytest.mark.parametrize(
        ("inputs", "env", "exit_code", "words"),
        [
            ({}, {"ACTIONS_ID_TOKEN_REQUEST_URL": "", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ""}, 2, "id-token: write"),
            ({"aws_region": ""}, {}, 2, "aws-region"),
            ({"aws_role_to_assume": ""}, {"AWS_EC2_METADATA_DISABLED": "true"}, 2, "No AWS credentials were found"),
        ],
        ids=["no id-token permission", "no region", "no credentials"],
    )
    def test_no_way_to_aws(self, world, inputs, env, exit_code, words):
        """Each names the input or the permission that is missing; AWS is not asked in vain."""
        text = failed(world.run(mode="push", env=env, **inputs), exit_code)
        assert words in text
        assert calls(world) == []


@pytest.mark.parametrize("handed_over", ["env", "secrets"])
def test_every_byte_of_a_value_arrives_whichever_way_it_comes(tmp_path: Path, handed_over: str) -> None:
    """From the workflow to SSM, with what shells, command lines and dotenv files break; a second run writes nothing."""
    values = {f"PROD_K{number:02}": text for number, text in enumerate(BYTES.values())}
    keys = "".join(f"  {name.removeprefix('PROD_').lower()}: {{}}\n" for name in values)
    definitions = f"version: 1\nenvironments: [production]\nparameters:\n{keys}"
    tenants = {"tenants/my-service/secrets.yaml": definitions.encode()}
    given = {"env": values} if handed_over == "env" else {"secrets": json.dumps(values)}
    with World(tmp_path, tenants=tenants) as world:
        first, second = (world.run({}, mode="push", **given) for _ in range(2))
        assert first.exit_code == 0, "not all were pushed"
        stored = {path: parameter["value"] for path, parameter in world.aws.parameters().items()}
    broken = [kind for kind, name in zip(BYTES, values, strict=True) if stored[PATH + name[5:].lower()] != values[name]]
    assert broken == []
    assert (first.outputs["created"], second.outputs["unchanged"]) == (str(len(BYTES)),) * 2
