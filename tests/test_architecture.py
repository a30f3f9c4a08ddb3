"""What a run may load. That the core imports no adapter is import-linter's job (`make lint`)."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

LIST_MODULES = """
import json, sys
sys.argv = ["entrypoint.py", *{argv}]
from secret_action.cli import main
code = main()
print(json.dumps({{"code": code, "modules": sorted(sys.modules)}}), file=sys.stderr)
"""


def loaded(*argv):
    """Top-level modules that a run has imported, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES.format(argv=list(argv))],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stderr.splitlines()[-1])
    return told["code"], {name.partition(".")[0] for name in told["modules"]}, set(told["modules"])


def test_validate_loads_neither_aws_nor_kubernetes_nor_github_clients():
    """It judges files, and should start quickly: it stands in pre-commit hooks."""
    code, packages, modules = loaded("validate", "examples/tenants-repository/tenants/my-service")
    assert code == 0
    assert not packages & {"boto3", "botocore", "kubernetes", "github", "sandbox"}
    assert not {name for name in modules if name.startswith(("secret_action.store", "secret_action.cluster"))}


def test_help_loads_next_to_nothing():
    """No client of any system."""
    code, packages, _ = loaded()
    assert code == 2
    assert not packages & {"boto3", "botocore", "kubernetes", "github", "sandbox", "jinja2"}


def test_the_product_never_names_its_sandbox():
    """Not even in a string that is imported later."""
    for path in (ROOT / "secret_action").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import sandbox" not in text, path
        assert "from sandbox" not in text, path
