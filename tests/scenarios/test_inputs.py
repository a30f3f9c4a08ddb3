"""Where values come from, and what is said of inputs that cannot be meant."""

import base64
import json
import shutil

import pytest

from sandbox.world import EXAMPLE, SERVICE, VALUES

pytestmark = pytest.mark.thorough

PATH = f"/zerotouch/prod/{SERVICE}/"


@pytest.fixture
def tenants(tmp_path):
    """A copy of the example's tenants repository, to change files in."""
    return shutil.copytree(EXAMPLE, tmp_path / "tenants-repository")


def stored(world):
    return {name.removeprefix(PATH): found["value"] for name, found in world.aws.parameters().items() if PATH in name}


def writes(world):
    return [str(call) for call in world.aws.calls if str(call) == "PutParameter"]


def sources(result):
    return {p["key"]: p["source"] for p in result.report["parameters"] if p["source"]}


def as_secrets(values, prefix="PROD_", **more):
    """What `toJSON(secrets)` gives."""
    return json.dumps(
        {"github_token": "ghs_not_for_a_parameter_1234567", **{prefix + k: v for k, v in values.items()}, **more}
    )


def test_values_from_the_secrets_object(world):
    """`toJSON(secrets)`: every value byte for byte, and the token in it goes nowhere."""
    world.secret_texts.add("ghs_not_for_a_parameter_1234567")
    given = as_secrets(
        VALUES, PROD_UNKNOWN="not-asked-for-by-anyone", DEV_DATABASE_URL="postgres://of-another-environment"
    )
    result = world.run({}, secrets=given)
    assert result.exit_code == 0, result.log_as_shown()
    assert stored(world) == {name.lower(): value for name, value in VALUES.items()}
    notices = [a.message for a in result.annotations if a.level == "notice"]
    assert any("PROD_UNKNOWN" in notice for notice in notices), "what nobody asks for is named, and not pushed"
    assert result.report["unused_sources"] == ["PROD_UNKNOWN"]

    plain = as_secrets(VALUES | {"DATABASE_URL": "postgres://app:plain-name-pa55@db/app"}, prefix="")
    ignored = world.run({}, secrets=plain)
    assert ignored.exit_code == 0
    assert ignored.outputs["kept"] == "6", "plain names count only when they are asked for"
    asked = world.run({}, secrets=plain, unprefixed_secrets="true")
    assert asked.exit_code == 0
    assert (asked.outputs["updated"], asked.outputs["unchanged"]) == ("1", "5")
    assert sources(asked)["database_url"] == "DATABASE_URL"


def test_the_first_name_that_is_present_wins_and_is_shown(world):
    """The service's own name before the environment's, the step's environment before `secrets`."""
    secrets = as_secrets(VALUES, PROD_MY_SERVICE_OPENAI_API_KEY="sk-of-the-service-itself-0123456789")
    values = {"DATABASE_URL": "postgres://from-the-steps-environment", "PRODUCTION_X": "not-a-name-of-ours"}
    result = world.run(
        values, secrets=secrets, env={"PRODUCTION_SMTP_CREDENTIALS": VALUES["SMTP_CREDENTIALS"]}, refresh="never"
    )
    assert result.exit_code == 0, result.log_as_shown()
    assert stored(world)["database_url"] == "postgres://from-the-steps-environment"
    assert sources(result) == {
        "database_url": "PROD_DATABASE_URL",
        "openai_api_key": "PROD_MY_SERVICE_OPENAI_API_KEY",
        "anthropic_api_key": "PROD_ANTHROPIC_API_KEY",
        "jwt_private_key": "PROD_JWT_PRIVATE_KEY",
        "jwt_public_key": "PROD_JWT_PUBLIC_KEY",
        "smtp_credentials": "PRODUCTION_SMTP_CREDENTIALS",
    }


def test_all_that_is_wrong_with_the_values_comes_at_once(world):
    """Empty, hyphenated, two values for one key, and all missing with the names that were looked for."""
    values = {
        "DATABASE_URL": "",
        "JWT_PRIVATE_KEY": VALUES["JWT_PRIVATE_KEY"],
        "SMTP_CREDENTIALS": VALUES["SMTP_CREDENTIALS"],
    }
    secrets = json.dumps({"PROD_OPENAI-API-KEY": "sk-under-a-wrong-name-000000"})
    result = world.run(values, secrets=secrets, env={"PRODUCTION_JWT_PRIVATE_KEY": "another-value-than-the-other"})
    assert result.exit_code == 2
    assert writes(world) == []
    what = [problem["what"] for problem in result.report["problems"]]
    told = "\n".join(what)
    assert "PROD_DATABASE_URL, the value of database_url, is present but empty." in what
    assert "The source name PROD_OPENAI-API-KEY has a hyphen." in what
    assert "PROD_JWT_PRIVATE_KEY and PRODUCTION_JWT_PRIVATE_KEY give jwt_private_key two different values." in what
    for name in (
        "PROD_MY_SERVICE_ANTHROPIC_API_KEY",
        "PRODUCTION_ANTHROPIC_API_KEY",
        "PROD_JWT_PUBLIC_KEY",
        "PROD_OPENAI_API_KEY",
    ):
        assert name in told
    assert len(what) == 6, "what is refused is not called missing as well"
    assert all(problem["remedy"] for problem in result.report["problems"])
    assert result.outputs["result"] == "failure"


def test_nothing_given_at_all_is_said_in_the_headline_and_in_a_warning(world):
    """What is there is kept, and the reader learns that this run could not change anything."""
    world.run(refresh="never")
    count = len(writes(world))
    result = world.run({})
    assert result.exit_code == 0
    assert result.outputs["kept"] == "6"
    assert len(writes(world)) == count
    assert "No value was given for any key" in result.summary.splitlines()[0]
    (warning,) = [a.message for a in result.annotations if a.level == "warning"]
    assert "`secrets: inherit`" in warning
    assert "`environment:`" in warning


def test_secrets_yaml_says_optional_base64_and_another_name(make_world, tenants):
    """Decoded before the push; an optional key may be empty or absent; `from` takes the value from there."""
    (tenants / "tenants" / SERVICE / "secrets.yaml").write_text(
        "version: 1\nparameters:\n"
        "  sentry_dsn: {optional: true}\n"
        "  keystore: {encoding: base64}\n"
        '  database_url: {from: "{ENV}_DSN"}\n'
        "  shared: {from: SHARED_TOKEN}\n"
    )
    world = make_world(tenants=tenants)
    content = "-----BEGIN KEYSTORE-----\nkeystore-content-77\n"
    values = VALUES | {
        "KEYSTORE": base64.b64encode(content.encode()).decode(),
        "DSN": "postgres://by-another-name",
        "SENTRY_DSN": "",
    }
    del values["DATABASE_URL"]
    world.secret_texts.update((content, "shared-token-0123456789"))
    result = world.run(values, secrets=json.dumps({"SHARED_TOKEN": "shared-token-0123456789"}), mode="push")
    assert result.exit_code == 0, result.log_as_shown()
    found = stored(world)
    assert (found["keystore"], found["database_url"]) == (content, "postgres://by-another-name")
    assert found["shared"] == "shared-token-0123456789"
    assert "sentry_dsn" not in found
    refused = world.run(values | {"KEYSTORE": "not base64 at all!"}, secrets="", mode="push")
    assert refused.exit_code == 2
    assert "PROD_KEYSTORE, the value of keystore, is not base64." in refused.summary


def test_a_value_that_must_be_json_is_checked_before_any_write(world):
    """It is read with `property`: each property must be there. The value is not shown."""
    result = world.run(VALUES | {"SMTP_CREDENTIALS": '{"host": "smtp.internal", "user": "mailer-77"}'})
    assert result.exit_code == 2
    assert writes(world) == []
    assert "smtp_credentials" in result.summary
    assert "username" in result.summary
    assert "mailer-77" not in result.summary + result.log_as_shown()


def test_inputs_that_cannot_be_meant_are_told_all_at_once(make_world):
    """Each names the input, what is wrong and what to do; nobody is asked anything."""
    world = make_world()
    world.secret_texts.add("hunter2-and-more")
    result = world.run(
        {},
        environment="Prod!",
        timeout="5m",
        secrets='{"PROD_DATABASE_URL": "hunter2-and-more"',
        label_selector="a==b=c",
        refresh="sometimes",
        aws_region="Frankfurt",
        dry_run="yes",
        parameter_path="/x/{key}",
        app_private_key="-----BEGIN RSA PRIVATE KEY-----\nbroken",
    )
    assert result.exit_code == 2
    named = [problem["what"].partition("`")[2].partition("`")[0] for problem in result.report["problems"]]
    assert sorted(named) == sorted(
        [
            "environment",
            "timeout",
            "secrets",
            "label-selector",
            "refresh",
            "aws-region",
            "dry-run",
            "parameter-path",
            "app-private-key",
        ]
    )
    assert all(problem["remedy"] for problem in result.report["problems"])
    assert (world.github.requests, world.aws.calls) == ([], [])
    assert "Traceback" not in result.log_as_shown() + result.stderr
