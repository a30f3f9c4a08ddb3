"""The command line: flags are the inputs, secrets never stand on it."""

import io
import json
import sys

import pytest

from secret_action import __version__, cli, contract
from tests.unit.manifest_samples import external_secret, one_overlay, write_tree


@pytest.fixture(autouse=True)
def outside_of_a_runner(monkeypatch, tmp_path):
    """No variable of a runner, and no signal handlers in the test's own process."""
    for name in ("GITHUB_ACTIONS", "GITHUB_REPOSITORY", "GITHUB_WORKSPACE", "APP_ID", "APP_PRIVATE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cli.Cancellation, "install", lambda self: None)
    monkeypatch.chdir(tmp_path)


def report(capsys, *argv):
    """Runs with --format json; returns exit code and report."""
    code = cli.main([*argv, "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def test_help_names_every_input_and_every_mode(capsys):
    """Generated from the contract."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"--{definition.name}" in shown for definition in contract.INPUTS if definition.name != "mode")
    assert all(mode.name in shown for mode in contract.MODES)


def test_version(capsys):
    """Name and version."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"secret-sync {__version__}\n"


def test_without_a_mode_it_helps_and_does_nothing(capsys):
    """Outside of a runner a bare call is a question, not a release."""
    assert cli.main([]) == 2
    assert "usage: secret-sync" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--secrets", "--app-private-key"])
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(capsys, flag):
    """`ps` would show it."""
    code, told = report(capsys, "push", "--environment", "prod", "--service", "shop", flag, "hunter2-and-more")
    assert code == 2
    (problem,) = told["problems"]
    assert flag in problem["what"]
    assert "standard input" in problem["remedy"]
    assert "hunter2" not in json.dumps(told)


def test_a_dash_reads_secrets_from_standard_input(capsys, monkeypatch):
    """Then they are parsed as the input would be."""
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"PROD_URL": 1}'))
    code, told = report(capsys, "push", "--environment", "prod", "--service", "shop", "--secrets", "-")
    assert code == 2
    assert [problem["what"] for problem in told["problems"]] == [
        "Input `secrets`: the value of PROD_URL is not a text."
    ]


def test_only_one_secret_can_come_from_standard_input(capsys, monkeypatch):
    """The second would be empty without a word."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("{}"))
    code, told = report(capsys, "push", "--environment", "prod", "--secrets", "-", "--app-private-key", "-")
    assert code == 2
    assert "standard input" in told["problems"][0]["what"]


def test_sarif_is_what_validate_finds(capsys):
    """Exit code 2 in another mode, never something else than was asked for."""
    assert cli.main(["validate", "--format", "sarif"]) == 2
    assert json.loads(capsys.readouterr().out)["version"] == "2.1.0"
    assert cli.main(["plan", "--environment", "prod", "--service", "shop", "--format", "sarif"]) == 2
    assert "--format sarif tells what validate finds" in capsys.readouterr().out


def test_paths_belong_to_validate(capsys):
    """In another mode they are refused."""
    code, told = report(capsys, "push", "tenants/shop", "--environment", "prod", "--service", "shop")
    assert code == 2
    assert "Only validate takes paths" in told["problems"][0]["what"]


def test_paths_are_found_below_a_folder_that_is_called_as_the_tenants_are(capsys, tmp_path):
    """A checkout may lie in `tenants/`, and a file anywhere in a tenant stands for it."""
    root = tmp_path / "tenants" / "repository"
    write_tree(root, one_overlay(external_secret()))
    code, told = report(capsys, "validate", str(root / "tenants" / "shop" / "overlays" / "prod" / "es.yaml"))
    assert code == 0, told["problems"]
    assert [parameter["path"] for parameter in told["parameters"]] == ["/zerotouch/prod/shop/url"]
    assert told["service"] == "shop"


@pytest.mark.parametrize(("path", "says"), [("nowhere", "does not exist"), (".", "belongs to no tenant")])
def test_a_path_that_is_no_tenant_is_named(capsys, path, says):
    """With where tenants are looked for."""
    code, told = report(capsys, "validate", path)
    assert code == 2
    assert f"{path} {says}." in told["problems"][0]["what"]
    assert "tenants/{service}" in told["problems"][0]["remedy"]


def test_an_unknown_mode_names_the_nearest(capsys):
    """`relase` is `release`."""
    code, told = report(capsys, "relase", "--environment", "prod", "--service", "shop")
    assert code == 2
    assert "Did you mean “release”?" in told["problems"][0]["remedy"]


def test_a_flag_goes_before_the_runners_variable(capsys, monkeypatch):
    """And an input of the runner is read where no flag is given, hyphens kept."""
    monkeypatch.setenv("INPUT_TIMEOUT", "x")
    monkeypatch.setenv("INPUT_LABEL-SELECTOR", "a=b=c")
    _, told = report(capsys, "push", "--environment", "prod", "--service", "shop", "--timeout", "y")
    assert [problem["what"].partition(":")[0] for problem in told["problems"]] == [
        "Input `label-selector`",
        "Input `timeout`",
    ]
    assert "“y”" in told["problems"][1]["what"]


def test_a_defect_of_ours_is_told_without_its_message(capsys, monkeypatch):
    """The message of an unknown exception might hold a value."""

    def explode(self):
        raise ValueError("hunter2-and-more")

    monkeypatch.setattr(cli.Run, "execute", explode)
    code, told = report(capsys, "validate")
    assert code == 1
    assert "secret-sync has a defect: ValueError at test_cli.py:" in told["problems"][0]["what"]
    assert "hunter2" not in json.dumps(told)
