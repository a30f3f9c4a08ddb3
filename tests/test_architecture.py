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


LOAD_AT_ONCE = """
import sys, threading
from secret_action import clients
sys.setswitchinterval(1e-6)
failed = []
def load(modules):
    try:
        clients.load(modules)
    except BaseException as error:
        failed.append(repr(error))
threads = [threading.Thread(target=load, args=(m,)) for m in (clients.GITHUB, clients.AWS, clients.KUBERNETES)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failed)
"""


def test_threads_that_load_clients_at_once_do_not_meet_half_a_module():
    """requests is shared by all three, and its parts need one another."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD_AT_ONCE], cwd=ROOT, env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_product_never_names_its_sandbox():
    """Not even in a string that is imported later."""
    for path in (ROOT / "secret_action").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import sandbox" not in text, path
        assert "from sandbox" not in text, path
