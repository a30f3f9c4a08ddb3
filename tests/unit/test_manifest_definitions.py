"""`secrets.yaml`: what it may say, and what is said of one that is wrong."""

import pytest

from secret_action.errors import ManifestError
from tests.unit.manifest_samples import TENANT, external_secret, judged, one_overlay

FILE = f"{TENANT}/secrets.yaml"


def refused(tmp_path, content, files=None, environment="prod"):
    with pytest.raises(ManifestError) as caught:
        judged(tmp_path, {**(files or one_overlay(external_secret())), "secrets.yaml": content}, environment)
    return caught.value.problems


def parameters(tmp_path, content, files=None, environment="prod"):
    tree = {**(files if files is not None else one_overlay(external_secret())), "secrets.yaml": content}
    (manifest,) = judged(tmp_path, tree, environment).manifests
    return {parameter.key: parameter for parameter in manifest.parameters}


def test_it_adds_to_what_external_secrets_ask_for(tmp_path):
    """Another source, optional, an encoding, a tier, and keys that no ExternalSecret reads."""
    found = parameters(
        tmp_path,
        """\
        version: 1
        parameters:
          url:
            from: "{ENV}_SHOP_DSN"
            encoding: base64
            tier: Advanced
          sentry_dsn: {optional: true, description: errors}
          plain:
        """,
    )
    assert set(found) == {"url", "sentry_dsn", "plain"}
    url = found["url"]
    assert (url.source, url.encoding, url.tier, url.optional) == ("{ENV}_SHOP_DSN", "base64", "Advanced", False)
    assert (found["sentry_dsn"].optional, found["sentry_dsn"].path) == (True, "/zerotouch/prod/shop/sentry_dsn")
    assert str(found["sentry_dsn"].references[0].where) == f"{FILE}:7"


def test_windows_files_are_read(tmp_path):
    """A byte order mark and CRLF."""
    content = b"\xef\xbb\xbfversion: 1\r\nparameters:\r\n  extra:\r\n    optional: true\r\n"
    found = parameters(tmp_path, content)
    assert found["extra"].optional
    assert str(found["extra"].references[0].where) == f"{FILE}:3"


@pytest.mark.parametrize("environment", ["dev", "production", "prod"])
def test_a_tenant_with_only_this_file_lists_its_environments(tmp_path, environment):
    """It can be pushed, in either spelling of production."""
    content = "version: 1\nenvironments: [dev, production]\nparameters:\n  url:\n"
    found = parameters(tmp_path, content, {}, environment)
    assert found["url"].path == f"/zerotouch/{environment.replace('production', 'prod')}/shop/url"
    assert found["url"].owned


def test_an_environment_that_it_does_not_list_is_refused(tmp_path):
    """Those that it lists are named."""
    (problem,) = refused(tmp_path, "version: 1\nenvironments: [dev, staging]\nparameters:\n  url:\n", {"x": ""}, "prod")
    assert "does not list the environment “prod”" in problem.what
    assert "dev, staging" in problem.remedy


def test_an_unknown_field_names_the_nearest_known_one(tmp_path):
    """With its line."""
    (problem,) = refused(tmp_path, "version: 1\nparameters:\n  url:\n    optinal: true\n")
    assert "“optinal” is not a field" in problem.what
    assert "Did you mean “optional”?" in problem.remedy
    assert str(problem.where) == f"{FILE}:4"
    (problem,) = refused(tmp_path / "other", "version: 1\nparamters: {}\n")
    assert "Did you mean “parameters”?" in problem.remedy
    assert str(problem.where) == f"{FILE}:2"


def test_all_that_is_wrong_comes_at_once(tmp_path):
    """Not only the first."""
    content = "parameters:\n  Url: {}\n  a: {encoding: hex, optional: maybe}\n  b: {from: 'no-hyphens'}\n  c: [1]\n"
    problems = refused(tmp_path, content)
    told = " ".join(problem.what for problem in problems)
    assert len(problems) == 6, told
    assert "has no `version`" in told
    assert "must be one of base64" in told
    assert "must be of type boolean" in told


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("version: 1\n  parameters: [", "is not YAML"),
        ("- version\n", "must hold one YAML mapping"),
        ("", "must hold one YAML mapping"),
        ("version: 1\n---\nversion: 1\n", "must hold one YAML mapping"),
        (b"version: 1\nparameters: {\xff: {}}\n", "is not UTF-8"),
        ("version: 2\n", "version: must be 1"),
        ('version: "1"\n', "version: must be 1"),
        ("version: 1\nparameters: {a: &x {description: *x}}\n", "is not YAML: aliases"),
        ("version: 1\nparameters: {a: &x {tier: Standard}, b: *x}\n", "is not YAML: aliases"),
        ("version: 1\nparameters: " + "[" * 100_000, "is not YAML: it is nested deeper than 100"),
        ("version: 1\nparameters:\n" + "- " * 200 + "a\n", "is not YAML: it is nested deeper than 100"),
        ("version: " + "9" * 5000, "is not YAML: a value"),
        ("version: 0x" + "f" * 5000, "is not YAML: a value"),
        ("version: !!int abc\n", "is not YAML: a value"),
        ("version: !!int ''\n", "is not YAML: a value"),
        ("version: !!float abc\n", "is not YAML: a value"),
        ("version: !!timestamp abc\n", "is not YAML: a value"),
        ("version: !!bool abc\n", "is not YAML: a value"),
        ('version: 1\nparameters: {"url\\n": {}}\n', "is no key"),
        ('version: 1\nparameters: {url: {from: "APP_PRIVATE_KEY\\n"}}\n', "must match"),
        ('version: 1\nenvironments: ["prod\\n"]\n', "must match"),
        ("version: 1\nignore: [{rule: x, covers: y, reason: ''}]\n", "ignore.0.reason: must not be empty"),
        ("version: 1\nignore: [{rule: x, covers: '', reason: z}]\n", "ignore.0.covers: must not be empty"),
        ("version: 1\nparameters: !!python/object/apply:os.system [ls]\n", "is not YAML"),
        ("version: 1\n1: x\n", "the name 1 is not a text"),
        ("version: 1\nparameters: {1: {}}\n", "the name 1 is not a text"),
        ("version: 1\nparameters: {? [a, b] : {}}\n", ""),
    ],
)
def test_what_is_no_such_file_is_one_clear_error(tmp_path, content, says):
    """Never a traceback."""
    (problem, *_) = refused(tmp_path, content)
    assert says in problem.what
    assert problem.remedy
    assert problem.where
    assert problem.where.file == FILE


def test_a_value_written_by_mistake_is_not_shown(tmp_path):
    """A person may have taken the file for the place of the values."""
    content = "version: 1\nparameters:\n  url: hunter2-and-more\n  dsn: {encoding: hunter2-and-more}\n"
    for problem in refused(tmp_path, content):
        assert "hunter2" not in problem.what + problem.remedy
    (problem,) = refused(tmp_path, "version: 1\nurl: {hunter2-and-more\n")
    assert "hunter2" not in problem.what + problem.remedy


@pytest.mark.parametrize(
    "source",
    ["GITHUB_TOKEN", "github_token", "AWS_SECRET_ACCESS_KEY", "APP_PRIVATE_KEY", "KUBECONFIG", "ACTIONS_X", "INPUT_X"],
)
def test_from_never_names_the_pipelines_own_credentials(tmp_path, source):
    """Whoever edits a tenant must not be able to carry them into a parameter."""
    (problem,) = refused(tmp_path, f"version: 1\nparameters:\n  url:\n    from: {source}\n")
    assert "never a source" in problem.what
    assert str(problem.where) == f"{FILE}:3"
