"""What a release says of manifests that it must not begin with: all at once, with file and line."""

import shutil

import pytest
from markdown_it import MarkdownIt

from sandbox.world import EXAMPLE, SERVICE, VALUES
from secret_action.report.links import RULES_PAGE

pytestmark = pytest.mark.thorough

TENANT = f"tenants/{SERVICE}"
PRODUCTION = f"{TENANT}/overlays/production"
PATCH = f"{PRODUCTION}/patches/secrets-patch.yaml"


@pytest.fixture
def tenants(tmp_path):
    """A copy of the example's tenants repository, to change files in."""
    return shutil.copytree(EXAMPLE, tmp_path / "tenants-repository")


def change(path, *changes):
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)


def refused(world, **inputs):
    """Runs a release that must end with 2 before AWS is read."""
    result = world.run(**inputs)
    assert result.exit_code == 2, result.log_as_shown()
    assert not [call for call in world.aws.calls if str(call) in ("GetParameters", "PutParameter")]
    assert not [request for request in world.cluster.requests if request.method == "PATCH"]
    assert "Traceback" not in result.log_as_shown() + result.stderr
    assert "/tmp" not in result.summary, "no path of this machine"
    return result


def line_of(tenants, file, text):
    lines = [number for number, line in enumerate((tenants / file).read_text().splitlines(), 1) if text in line]
    assert len(lines) == 1
    return lines[0]


def test_every_broken_rule_is_told_at_once_with_its_place(make_world, tenants):
    """One release, all findings: rule, file, line and remedy, and nothing was read from AWS."""
    change(
        tenants / PATCH,
        ("/zerotouch/prod/my-service/database_url", "/zerotouch/_ENV_/my-service/database_url"),
        ("/zerotouch/prod/my-service/openai_api_key", "/zerotouch/dev/my-service/openai_api_key"),
        ("/zerotouch/prod/my-service/anthropic_api_key", "my-service/anthropic_api_key"),
        ("/zerotouch/prod/my-service/jwt_private_key", "/zerotouch/prod/my-service/JWT-Private-Key"),
        (
            "    - secretKey: JWT_PUBLIC_KEY\n      remoteRef:\n"
            "        key: /zerotouch/prod/my-service/jwt_public_key\n",
            "",
        ),
        ("    - secretKey: SMTP_USERNAME", "    - secretKey: SMTP_HOST"),
    )
    external_secrets = tenants / TENANT / "base/external-secrets"
    change(external_secrets / "db-es.yaml", ('zerotouch.io/managed: "true"', "other: label"))
    change(external_secrets / "db-es.yaml", ("/_ENV_/", "/prod/"))
    change(external_secrets / "smtp-es.yaml", ("refreshInterval: 1h", 'refreshInterval: "0"'))
    world = make_world(tenants=tenants)
    result = refused(world)
    found = {
        finding["rule"]: (finding["severity"], finding["file"], finding["line"])
        for finding in result.report["findings"]
    }
    assert found == {
        "placeholder-left": ("error", PATCH, line_of(tenants, PATCH, "/_ENV_/")),
        "wrong-environment": ("error", PATCH, line_of(tenants, PATCH, "/zerotouch/dev/")),
        "path-mismatch": ("error", PATCH, line_of(tenants, PATCH, "key: my-service/anthropic_api_key")),
        "key-not-normalised": ("error", PATCH, line_of(tenants, PATCH, "JWT-Private-Key")),
        "key-lost": ("error", PATCH, found["key-lost"][2]),
        "duplicate-key": ("error", PATCH, found["duplicate-key"][2]),
        "label-missing": ("error", f"{TENANT}/base/external-secrets/db-es.yaml", 4),
        "base-names-environment": (
            "error",
            f"{TENANT}/base/external-secrets/db-es.yaml",
            line_of(tenants, f"{TENANT}/base/external-secrets/db-es.yaml", "/prod/"),
        ),
        "never-refreshes": ("warning", f"{TENANT}/base/external-secrets/smtp-es.yaml", 10),
    }
    lost = {finding["message"] for finding in result.report["findings"] if finding["rule"] == "key-lost"}
    assert any("JWT_PUBLIC_KEY" in message for message in lost)
    for rule, (_, file, line) in found.items():
        assert rule in result.summary
        assert (f"{file}:{line}" if line else file) in result.summary
    assert len([a for a in result.annotations if a.level == "error"]) <= 10
    assert result.outputs["tenants-sha"] == world.github.repositories[0].refs["main"].sha


def test_an_overlay_that_does_not_render_and_one_that_is_not_the_released(make_world, tenants):
    """kustomize's own words, without our paths; and a broken staging overlay does not hold up production."""
    change(tenants / TENANT / "overlays/staging/kustomization.yaml", ("../../base", "../../nowhere"))
    change(tenants / TENANT / "overlays/dev/kustomization.yaml", ("../../base", "https://example.org/base.yaml"))
    world = make_world(tenants=tenants)
    world.deploy()
    broken = refused(world, environment="staging")
    finding = broken.report["findings"][0]
    assert (finding["rule"], finding["file"]) == ("does-not-render", f"{TENANT}/overlays/staging/kustomization.yaml")
    assert "nowhere" in finding["message"]
    remote = refused(world, environment="dev")
    assert "needs the network" in remote.report["findings"][0]["remedy"]
    good = world.run(environment="prod")
    assert good.exit_code == 0, good.log_as_shown()
    assert good.outputs["created"] == "6"
    everything = world.run({}, mode="validate", environment="")
    assert everything.exit_code == 2
    assert len(everything.report["findings"]) == 2


def test_an_unknown_environment_or_tenant_names_those_that_exist(make_world, tenants):
    """The nearest first."""
    world = make_world(tenants=tenants)
    environment = refused(world, environment="stagin")
    assert "Overlays that exist: staging, " in environment.report["problems"][0]["remedy"]
    service = refused(world, service="my-servise")
    assert "There is: my-service." in service.report["problems"][0]["remedy"]
    assert "no folder tenants/my-servise" in service.summary


def test_secrets_yaml_that_is_wrong_stops_before_anything_is_written(make_world, tenants):
    """All of it at once, the nearest field named, with the line."""
    (tenants / TENANT / "secrets.yaml").write_text(
        "version: 1\nparameters:\n  sentry_dsn:\n    optinal: true\n"
        "  database_url:\n    from: AWS_SECRET_ACCESS_KEY\n    encoding: hex\n"
    )
    result = refused(make_world(tenants=tenants))
    problems = {(problem["file"], problem["line"]): problem for problem in result.report["problems"]}
    assert "Did you mean “optional”?" in problems[(f"{TENANT}/secrets.yaml", 4)]["remedy"]
    assert any("must be one of base64" in problem["what"] for problem in result.report["problems"])


def test_a_tenant_with_only_secrets_yaml_can_be_pushed(make_world, tenants):
    """Parameters that no ExternalSecret reads: both spellings of production, and none of another environment."""
    shutil.rmtree(tenants / TENANT)
    (tenants / TENANT).mkdir()
    (tenants / TENANT / "secrets.yaml").write_bytes(
        b"\xef\xbb\xbfversion: 1\r\nenvironments: [dev, production]\r\nparameters:\r\n  database_url:\r\n"
    )
    world = make_world(tenants=tenants)
    values = {"DATABASE_URL": VALUES["DATABASE_URL"]}
    result = world.run(values)
    assert result.exit_code == 0, result.log_as_shown()
    assert (result.outputs["created"], result.outputs["refreshed"]) == ("1", "0")
    assert world.aws.parameters()[f"/zerotouch/prod/{SERVICE}/database_url"]["value"] == VALUES["DATABASE_URL"]
    assert world.run(values, environment="prod").outputs["unchanged"] == "1"
    other = world.run(values, environment="staging")
    assert other.exit_code == 2
    assert "It lists dev, prod." in other.report["problems"][0]["remedy"]


def test_a_tenant_from_windows(make_world, tenants):
    """CRLF and byte order marks in every file change nothing."""
    for file in (tenants / TENANT).rglob("*.yaml"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    world = make_world(tenants=tenants)
    world.deploy()
    result = world.run()
    assert result.exit_code == 0, result.log_as_shown()
    assert (result.outputs["created"], result.outputs["refreshed"]) == ("6", "5")


def test_what_a_tenant_writes_neither_commands_the_runner_nor_marks_up_the_summary(make_world, tenants):
    """Names with commands, HTML, Markdown and line breaks are shown as they are, escaped."""
    evil = "\\n::error::gotcha\\n##[error]gotcha2 <script>alert(1)</script> | `a [x](http://evil.example) ![i](http://evil.example/i.png)"
    change(
        tenants / PATCH,
        ("key: /zerotouch/prod/my-service/database_url", f'key: "/zerotouch/prod/my-service/{evil}"'),
        ("key: /zerotouch/prod/my-service/openai_api_key", f'key: "{evil}"'),
        ("secretKey: ANTHROPIC_API_KEY", f'secretKey: "{evil}"'),
    )
    world = make_world(tenants=tenants)
    result = refused(world)
    assert not [a for a in result.annotations if a.message.startswith("gotcha")]
    rules = {"key-not-normalised", "path-mismatch", "key-lost", "duplicate-key", "placeholder-left"}
    assert {a.title for a in result.annotations} <= {"my-service in production", *rules}
    for line in result.summary.splitlines():
        assert not line.startswith(("::", "##["))
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(result.summary)
    assert not [tag for tag in ("<script", "<img") if tag in shown]
    # Our own links, to the rules' page, are the only ones.
    assert shown.count("<a ") == shown.count(f'<a href="{RULES_PAGE}#')
