"""What users read agrees with what the code does."""

import re
from pathlib import Path

import pytest
import yaml

from secret_action import contract
from secret_action.cli import parser
from secret_action.model import RunReport
from secret_action.report import document, outputs
from tools import generate

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("path", generate.generated(), ids=lambda path: path.name)
def test_generated_files_are_up_to_date(path):
    """`make generate` would change nothing: action.yml, README, command line, rules."""
    assert path.read_text(encoding="utf-8") == generate.generated()[path]


def test_action_yml_has_the_inputs_and_outputs_of_the_contract():
    """As YAML, not only as text: names, defaults, a container."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert {name: (given or {}).get("default", "") for name, given in action["inputs"].items()} == {
        definition.name: definition.default for definition in contract.INPUTS
    }
    assert list(action["outputs"]) == [output.name for output in contract.OUTPUTS]
    assert action["runs"]["using"] == "docker"


def test_every_output_of_the_contract_is_set_by_every_run():
    """Also by one that failed before it began."""
    names = [output.name for output in contract.OUTPUTS]
    assert list(outputs(RunReport(mode="release"), "")) == names


def test_every_input_is_a_flag():
    """The command line is the same program."""
    flags = set(re.findall(r"--([a-z-]+)", parser().format_help()))
    assert {definition.name for definition in contract.INPUTS} - {"mode"} <= flags


def test_workflows_and_examples_use_only_inputs_that_exist():
    """A misspelt input is only a warning on GitHub, and then has its default."""
    known = {definition.name for definition in contract.INPUTS}
    files = [*(ROOT / ".github" / "workflows").glob("*.yml"), *(ROOT / "examples").glob("*.yml")]
    used = 0
    for path in files:
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            for step in job.get("steps", []):
                if "secret-sync" in str(step.get("uses", "")):
                    used += 1
                    assert set(step.get("with", {})) <= known, path
    assert used >= 5


def test_the_report_says_its_version():
    """Later steps read it."""
    assert document(RunReport(mode="plan"))["version"] == 1
