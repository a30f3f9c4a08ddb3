"""`add-secret` and `new-service` as people run them: a child process on tenants of many shapes.

What comes out is clean in `validate`, and every line that was there is there still.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from secret_action.authoring.cli import main
from secret_action.cancellation import Cancellation
from secret_action.manifest.read import Scope, read_tenant
from secret_action.manifest.yaml_files import load_documents
from secret_action.naming import ParameterPath

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples/tenants-repository"
TENANT = "tenants/shop"
ENVIRONMENTS = {"dev": "dev", "production": "prod"}


def run(root, *arguments):
    """The real program, in the tenants repository."""
    return subprocess.run(
        [sys.executable, ROOT / "entrypoint.py", *arguments],
        cwd=root,
        env={"PATH": os.environ["PATH"], "HOME": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


def files(root):
    """All files with their bytes."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def findings(root, service="shop"):
    """What `validate` says of a tenant, but for notices."""
    scope = Scope(
        service, "", "tenants/{service}", ParameterPath("/zerotouch/{env}/{service}/{key}"), "aws-parameter-store"
    )
    judged = read_tenant(root, scope)
    return [f"{each.where} {each.rule}: {each.message}" for each in judged.findings if each.severity != "notice"]


def assert_only_lines_added(before, after):
    """Each old file is the new one with lines left out, byte for byte."""
    for name, old in before.items():
        remaining = iter(after[name].split(b"\n"))
        lost = [line for line in old.removesuffix(b"\n").split(b"\n") if line not in remaining]
        assert not lost, (name, lost)


def external_secret(name="shop-db", env="_ENV_", *, whole=True, data=("DATABASE_URL",), namespace="shop"):
    """An ExternalSecret, or a patch of it, as people write them."""
    lines = ["apiVersion: external-secrets.io/v1", "kind: ExternalSecret", "metadata:", f"  name: {name}"]
    lines += [f"  namespace: {namespace}"] if namespace else []
    if whole:
        lines += ["  labels:", '    zerotouch.io/managed: "true" # for the refresh']
    lines += ["spec:"]
    if whole:
        lines += ["  refreshInterval: 15m", "  secretStoreRef: {name: aws-parameter-store, kind: ClusterSecretStore}"]
    lines += ["  data:  # all of it"]
    for key in data:
        lines += [f"  - secretKey: '{key}'", "    remoteRef:", f"      key: /zerotouch/{env}/shop/{key.lower()}"]
    return "\n".join(lines) + "\n"


CLAIM = """\
apiVersion: platform.zerotouch.io/v1alpha1
kind: WebService
metadata: {name: shop, namespace: shop}
spec:
  secret1Name: shop-db   # the database
  # the rest
  replicas: 1
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  namespace: shop
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      initContainers:
      - {name: wait, image: wait}
      containers:
      - name: shop
        image: shop:1   # by the pipeline
        envFrom:
        - configMapRef: {name: shop}
        - secretRef:
            name: shop-db
        # nothing else
      - name: proxy
        image: proxy
"""


def tenant(root, changes=None):
    """A tenant with a claim in each of two overlays. changes: files that are otherwise; None leaves one out."""
    base = "resources:\n- es.yaml\n# the end\n"
    overlay = "resources:\n- ../../base\n- deployment.yaml\npatches:\n- path: patch.yaml # paths\n"
    shape = {
        "base/kustomization.yaml": base,
        "base/es.yaml": external_secret(),
        "overlays/{name}/kustomization.yaml": overlay,
        "overlays/{name}/deployment.yaml": CLAIM,
        "overlays/{name}/patch.yaml": external_secret(env="{env}", whole=False),
        **(changes or {}),
    }
    for file, text in shape.items():
        for name, env in ENVIRONMENTS.items():
            path = root / TENANT / file.replace("{name}", name)
            if text is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.replace("{env}", env).replace("{name}", name).encode())
    assert findings(root) == []
    return root


KUSTOMIZE = "overlays/{name}/kustomization.yaml"
SHAPES = {
    "a claim in each overlay": {},
    "a deployment with envFrom in the base": {
        "base/kustomization.yaml": "resources:\n- es.yaml\n- deployment.yaml\n",
        "base/deployment.yaml": DEPLOYMENT,
        "overlays/{name}/deployment.yaml": None,
        KUSTOMIZE: "resources:\n- ../../base\npatches:\n- path: patch.yaml\n",
    },
    "a claim in the base": {
        "base/kustomization.yaml": "resources:\n- es.yaml\n- claim.yaml\n",
        "base/claim.yaml": CLAIM,
        "overlays/{name}/deployment.yaml": None,
        KUSTOMIZE: "resources:\n- ../../base\npatches:\n- path: patch.yaml\n",
    },
    "a deployment with envFrom in each overlay": {"overlays/{name}/deployment.yaml": DEPLOYMENT},
    "CRLF": {
        "base/kustomization.yaml": "resources:\r\n- es.yaml\r\n",
        "base/es.yaml": external_secret().replace("\n", "\r\n"),
        "overlays/{name}/patch.yaml": external_secret(env="{env}", whole=False).replace("\n", "\r\n"),
        "overlays/{name}/deployment.yaml": CLAIM.replace("\n", "\r\n"),
    },
    "other names of the kustomization": {
        "base/kustomization.yaml": None,
        "base/Kustomization": "resources:\n- es.yaml",
        KUSTOMIZE: None,
        "overlays/{name}/kustomization.yml": "resources: # two\n  - ../../base\n  - deployment.yaml\n\n"
        "patches:\n  - path: patch.yaml\n",
    },
    "patches of the old kind, without a namespace": {
        "base/es.yaml": external_secret(namespace=""),
        "overlays/{name}/patch.yaml": external_secret(env="{env}", whole=False, namespace=""),
        KUSTOMIZE: "namespace: shop\nresources:\n- ../../base\n- deployment.yaml\n"
        "patchesStrategicMerge:\n- patch.yaml\n",
    },
    "an inline patch": {
        "overlays/{name}/patch.yaml": None,
        KUSTOMIZE: "resources:\n- ../../base\n- deployment.yaml\npatches:\n- patch: |\n"
        + "".join(f"    {line}\n" for line in external_secret(env="{env}", whole=False).splitlines()),
    },
    "an ExternalSecret in a component": {
        "base/kustomization.yaml": "resources:\n- other.yaml\n",
        "base/other.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shop\n  namespace: shop\n",
        "base/es.yaml": None,
        "components/db/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
        "resources:\n- es.yaml\n",
        "components/db/es.yaml": external_secret(),
        KUSTOMIZE: "resources:\n- ../../base\n- deployment.yaml\ncomponents:\n- ../../components/db\n"
        "patches:\n- path: patch.yaml\n",
    },
    "two bases, of which one has the deployment": {
        "app/kustomization.yaml": "resources:\n- claim.yaml\n",
        "app/claim.yaml": CLAIM,
        "overlays/{name}/deployment.yaml": None,
        KUSTOMIZE: "resources:\n- ../../app\n- ../../base\npatches:\n- path: patch.yaml\n",
    },
    "JSON6902 operations": {
        "overlays/{name}/patch.yaml": None,
        KUSTOMIZE: "resources:\n- ../../base\n- deployment.yaml\npatches:\n- path: ops.yaml\n"
        "  target: {kind: ExternalSecret, name: shop-db}\n",
        "overlays/{name}/ops.yaml": "- op: replace # the path\n  path: /spec/data/0/remoteRef/key\n"
        "  value: /zerotouch/{env}/shop/database_url\n",
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_and_then_a_key_more_in_a_tenant_of_this_shape(tmp_path, shape):
    """A new ExternalSecret, then a key in the one that was there: clean both times, and no line lost."""
    root = tenant(tmp_path, SHAPES[shape])
    before = files(root)
    done = run(root, "add-secret", "shop", "API_KEY", "TOKEN", "--secret", "shop-keys")
    assert (done.returncode, done.stderr) == (0, "")
    # The same program, without another start of Python.
    again = ["add-secret", "shop", "REPLICA_URL", "--secret", "shop-db", "--tenants-directory", str(root)]
    assert main(again, Cancellation()) == 0
    assert findings(root) == []
    after = files(root)
    assert_only_lines_added(before, after)
    for name, content in after.items():
        crlf = b"\r\n" in before.get(name, b"")
        assert content.count(b"\n") == (content.count(b"\r\n") if crlf else content.count(b"\n"))
    (made,) = load_documents(after[f"{TENANT}/base/external-secrets/keys-es.yaml"].decode())
    assert made["spec"]["refreshInterval"] == "15m"
    assert made["metadata"]["labels"] == {"zerotouch.io/managed": "true"}
    read = b"".join(
        content for name, content in after.items() if "Name: shop-keys" in str(content) or "secretRef" in str(content)
    )
    assert b"secret2Name: shop-keys" in read or b"- secretRef:\n            name: shop-keys" in read


def test_the_example_gets_what_the_platform_document_lists(tmp_path):
    """ExternalSecret, kustomization, a patch in every overlay, the next number in every claim; nothing else."""
    root = tmp_path / "tenants-repository"
    shutil.copytree(EXAMPLES, root)
    before = files(root)
    arguments = (
        *("add-secret", "my-service", "FEATURES_URL", "--secret", "platform-features"),
        *("--parameter", "zerotouch-platform/features_url"),
    )
    dry = run(root, *arguments, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "+  secret6Name: platform-features" in dry.stdout
    assert files(root) == before
    done = run(root, *arguments)
    assert done.returncode == 0, done.stderr
    assert "belongs to zerotouch-platform" in done.stdout
    after = files(root)
    assert_only_lines_added(before, after)
    folder = "tenants/my-service"
    overlays = [f"{folder}/overlays/{name}" for name in ("dev", "pr", "staging", "production")]
    assert {name for name in after if after[name] != before.get(name)} == {
        f"{folder}/base/kustomization.yaml",
        f"{folder}/base/external-secrets/platform-features-es.yaml",
        *(f"{overlay}/{name}" for overlay in overlays for name in ("deployment.yaml", "patches/secrets-patch.yaml")),
    }
    new = after[f"{folder}/base/external-secrets/platform-features-es.yaml"]
    old = before[f"{folder}/base/external-secrets/platform-config-es.yaml"].partition(b"\n")[2]
    assert new == old.replace(b"platform-global-config", b"platform-features").replace(b"JWKS", b"FEATURES").replace(
        b"PLATFORM_", b""
    ).replace(b"jwks", b"features")
    assert (
        b"key: /zerotouch/prod/zerotouch-platform/features_url\n" in after[f"{overlays[3]}/patches/secrets-patch.yaml"]
    )
    validated = run(root, "validate", "tenants/my-service", "--format", "json")
    assert json.loads(validated.stdout)["findings"] == []
    again = run(root, *arguments)
    assert (again.returncode, again.stdout) == (2, "")
    assert "FEATURES_URL already" in again.stderr
    assert files(root) == after


def test_a_new_service_is_a_clean_tenant_that_can_grow(tmp_path):
    """With keys or without; a second run refuses."""
    for service, keys in (("shop", ["DATABASE_URL", "API-KEY".replace("-", "_")]), ("bare", [])):
        done = run(tmp_path, "new-service", service, *keys)
        assert done.returncode == 0, done.stderr
        assert "FILL IN" in done.stdout
        assert findings(tmp_path, service) == []
    assert "PROD_DATABASE_URL, PROD_API_KEY" in run(tmp_path, "new-service", "third", "DATABASE_URL", "API_KEY").stdout
    grown = run(tmp_path, "add-secret", "bare", "TOKEN", "--secret", "bare-token")
    assert grown.returncode == 0, grown.stderr
    assert findings(tmp_path, "bare") == []
    assert "secret1Name: bare-token" in (tmp_path / "tenants/bare/overlays/pr/deployment.yaml").read_text()
    before = files(tmp_path)
    again = run(tmp_path, "new-service", "bare")
    assert (again.returncode, again.stdout) == (2, "")
    assert "there already" in again.stderr
    assert files(tmp_path) == before


def test_a_change_that_would_not_be_right_is_not_written(tmp_path):
    """The overlay patches by an anchor: no edit of ours, and it says so."""
    changes = {
        "overlays/{name}/patch.yaml": dedent("""\
            apiVersion: external-secrets.io/v1
            kind: ExternalSecret
            metadata: {name: shop-db, namespace: shop}
            spec:
              data: &all
              - secretKey: DATABASE_URL
                remoteRef: {key: /zerotouch/{env}/shop/database_url}
            x-copy: *all
            """)
    }
    root = tenant(tmp_path, changes)
    before = files(root)
    done = run(root, "add-secret", "shop", "TOKEN", "--secret", "shop-db")
    assert (done.returncode, done.stdout) == (2, "")
    assert "anchor" in done.stderr
    assert files(root) == before


# Runs the program, and sends it a signal before it moves a file with a given number to its place.
INTERRUPTED = """\
import os, signal, sys
from secret_action.cli import main
number, at, *arguments = sys.argv[1:]
replace, moves = os.replace, []
def move(source, target):
    moves.append(target)
    if len(moves) == int(at):
        os.kill(os.getpid(), int(number))
    replace(source, target)
os.replace = move
sys.exit(main(arguments))
"""
ON_THE_COPY, ON_THE_TENANT = 2, 9


@pytest.mark.parametrize(
    ("number", "at"),
    [(signal.SIGTERM, ON_THE_TENANT), (signal.SIGHUP, ON_THE_TENANT), (signal.SIGINT, ON_THE_COPY)],
)
def test_a_signal_leaves_nothing_half_done(tmp_path, number, at):
    """All files or none, no temporary ones, and a message that is true."""
    root = tenant(tmp_path / "tenants-repository")
    before = files(root)
    arguments = ("add-secret", "shop", "API_KEY", "--secret", "shop-keys", "--tenants-directory", root)
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(int(number)), str(at), *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    after = files(root)
    assert not [name for name in after if name.endswith(".new")]
    if at == ON_THE_COPY:
        assert (done.returncode, done.stderr) == (2, "error: Interrupted; nothing was written.\n")
        assert after == before
    else:
        assert (done.returncode, done.stderr) == (0, "")
        assert len([name for name in after if after[name] != before.get(name)]) == 6
        assert findings(root) == []
