"""Repositories that mean harm: each ends with a finding or one clear error, soon, and nothing of them gets through."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from markdown_it import MarkdownIt

from sandbox.runner import ENTRYPOINT, run_action
from tests.unit.manifest_samples import external_secret, kustomization, one_overlay, write_tree
from tests.unit.test_hostile_trees import CONFIG_MAP, LAUGHS

pytestmark = pytest.mark.thorough

OUTSIDE = "stands-outside-of-the-repository"
EVIL = "a\n::error::gotcha\n##[error]gotcha2 <script>alert(1)<\\script> [x](http:evil.example)"
AT_MOST = 30.0
"""Seconds. It takes five, on a machine that does nothing else."""


@pytest.fixture
def root(tmp_path):
    """An empty repository, with something beside it that must not be read."""
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    outside = {"kustomization.yaml": kustomization("es.yaml"), "es.yaml": external_secret(OUTSIDE)}
    for name, content in {**outside, "secrets.yaml": f"version: 1\nenvironments: [{OUTSIDE}]\n"}.items():
        (tmp_path / "outside").mkdir(exist_ok=True)
        (tmp_path / "outside" / name).write_text(content)
    return root


def overlays(**each):
    """Files of several overlays: a kustomization, or what `r.yaml`, its one resource, holds."""
    files = {}
    for name, content in each.items():
        if isinstance(content, bytes):
            files[f"overlays/{name}/r.yaml"] = content
            content = kustomization("r.yaml")
        files[f"overlays/{name}/kustomization.yaml"] = content
    return files


def validate(root, *arguments):
    """On a laptop, as a child process. Returns the exit code and all that was printed."""
    done = subprocess.run(
        [sys.executable, str(ENTRYPOINT), "validate", *arguments],
        cwd=root,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        timeout=AT_MOST,
    )
    shown = done.stdout.decode() + done.stderr.decode()
    assert "Traceback" not in shown
    assert "defect" not in shown
    assert OUTSIDE not in shown
    return done.returncode, shown


def lines(shown):
    """What the table of findings says of each overlay: a row, and what is indented below it."""
    row = re.compile(r"^error +\S+/overlays/([^/:\s]+)\S* +does-not-render.*(?:\n .*)*", re.MULTILINE)
    return {found[1]: " ".join(found[0].split()) for found in row.finditer(shown)}


def test_what_would_keep_kustomize_busy_or_fill_its_memory(root):
    """Billion laughs in each kind of file, depth, size, circles: one finding each, and the good overlay is judged."""
    laughs = "".join(f"  {line}\n" for line in LAUGHS.splitlines())
    hidden = f"patches:\n- patch: |\n    {CONFIG_MAP.replace(chr(10), chr(10) + '    ')}data:\n" + laughs.replace(
        "  ", "      "
    )
    files = overlays(
        resource=f"{CONFIG_MAP}data:\n{laughs}".encode(),
        kustomization=LAUGHS + kustomization("r.yaml"),
        inline=kustomization("r.yaml") + hidden,
        deep=f"{CONFIG_MAP}data: {'[' * 9000}{']' * 9000}\n".encode(),
        levels=f"{CONFIG_MAP}data: {'{a: ' * 3000}1{'}' * 3000}\n".encode(),
        documents=b"---\n".join([CONFIG_MAP.encode()] * 5000),
        itself=kustomization("."),
        circle=kustomization("../elcric"),
        elcric=kustomization("../circle"),
        binary=b"\x00\xff\xfe",
    )
    write_tree(root, one_overlay(external_secret()) | files | {"overlays/inline/r.yaml": CONFIG_MAP})
    with open(root / "tenants/shop/overlays/binary/large.yaml", "wb") as file:
        file.truncate(200 * 1000 * 1000)
    (root / "tenants/shop/overlays/large").mkdir()
    (root / "tenants/shop/overlays/large/kustomization.yaml").write_text(kustomization("../binary/large.yaml"))
    code, shown = validate(root)
    assert code == 2
    told = lines(shown)
    assert "aliases stand for more than 100,000 values" in told["resource"]
    assert "excessive aliasing" in told["kustomization"]
    assert "aliases stand for more than 100,000 values" in told["inline"]
    assert "nested deeper than 100 levels" in told["deep"]
    assert "overlays/levels/r.yaml:4" in told["levels"]
    assert "nested deeper than 100 levels" in told["levels"]
    assert "more than 2,000 YAML documents" in told["documents"]
    assert "cycle detected" in told["itself"]
    assert "cycle detected" in told["circle"]
    assert "larger than 5 MiB" in told["large"]
    assert set(told) == set(os.listdir(root / "tenants/shop/overlays")) - {"prod"}
    assert "tenants/shop/overlays/prod: 1 parameter, 1 ExternalSecret" in shown


def test_what_leads_out_of_the_repository_or_is_no_file(root, tmp_path):
    """Folders, links, pipes and devices: none is opened, and each is said."""
    files = overlays(
        folder=kustomization("../../../../../outside"),
        absolute=kustomization(str(tmp_path / "outside")),
        component="components: [../../../../../outside]",
        file=kustomization("link.yaml"),
        pipe=kustomization("pipe.yaml"),
        device=kustomization("device.yaml"),
        loop=kustomization("loop.yaml"),
    )
    write_tree(root, one_overlay(external_secret()) | files)
    overlays_ = root / "tenants/shop/overlays"
    (overlays_ / "file/link.yaml").symlink_to(tmp_path / "outside/es.yaml")
    (overlays_ / "link").symlink_to(tmp_path / "outside")
    (overlays_ / "round").symlink_to("round")
    os.mkfifo(overlays_ / "pipe/pipe.yaml")
    (overlays_ / "device/device.yaml").symlink_to("/dev/zero")
    (overlays_ / "loop/loop.yaml").symlink_to("loop.yaml")
    (overlays_ / "headless").mkdir()
    os.mkfifo(overlays_ / "headless/kustomization.yaml")
    os.mkfifo(overlays_ / "prod/stray.yaml")
    code, shown = validate(root)
    assert code == 2
    told = lines(shown)
    outside = {name for name, line in told.items() if "leads outside of the repository" in line}
    assert outside == {"folder", "absolute", "component", "file", "device", "link"}
    assert "neither a file nor a folder" in told["pipe"]
    assert "cannot be read" in told["loop"]
    assert "a kustomization.yaml that is no file" in told["headless"]
    assert "tenants/shop/overlays/prod: 1 parameter" in shown


@pytest.mark.parametrize("make", [lambda path, target: path.symlink_to(target), lambda path, _: os.mkfifo(path)])
def test_a_secrets_yaml_that_is_no_file_of_the_repository(root, tmp_path, make):
    """It is neither read nor passed over."""
    write_tree(root, one_overlay(external_secret()))
    make(root / "tenants/shop/secrets.yaml", tmp_path / "outside/secrets.yaml")
    code, shown = validate(root)
    assert code == 2
    assert "tenants/shop/secrets.yaml is no file in the repository, so it is not read." in shown


def test_what_needs_more_than_is_given_never_reads_as_no_secrets(root):
    """Helm, plug-ins, functions and the network, with what they need in the message or the remedy."""
    function = "apiVersion: v1\nkind: Foo\nmetadata:\n  name: f\n  annotations:\n    config.kubernetes.io/function: "
    files = overlays(
        helm="helmCharts: [{name: x, repo: oci, version: 1.0.0}]",
        helm_remote="helmCharts: [{name: x, repo: 'https://charts.example', version: 1.0.0}]",
        ksops="generators:\n- |\n  apiVersion: viaduct.ai/v1\n  kind: ksops\n  metadata: {name: k}\n",
        exec="transformers: [f.yaml]",
        container="transformers: [f.yaml]",
        remote=kustomization("https://127.0.0.1:9/a.yaml"),
    )
    files |= {
        "overlays/exec/f.yaml": function + "|\n      exec: {path: ./x}\n",
        "overlays/container/f.yaml": function + "|\n      container: {image: x}\n",
    }
    code, shown = validate(write_tree(root, files))
    assert code == 2
    told = lines(shown)
    assert set(told) == set(os.listdir(root / "tenants/shop/overlays"))
    assert "--enable-helm" in told["helm"]
    assert "plugin" in told["ksops"]
    assert "plugin" in told["exec"]
    assert "plugin" in told["container"]
    assert "needs the network" in told["remote"]
    assert not re.search(r"\d (?:parameters|ExternalSecrets)", shown)


def test_no_name_in_the_repository_commands_the_runner_or_marks_up_the_summary(root, tmp_path):
    """Names of folders, files, services, secrets and keys: shown as they are, escaped."""
    odd = '{name: 1, labels: {1: 2, "true": null}, annotations: [x]}'
    quoted = '"' + EVIL.replace("\\", "").replace("\n", "\\n") + '"'
    secret = external_secret().replace("name: db", f"name: {quoted}").replace("secretKey: URL", f"secretKey: {quoted}")
    files = overlays(
        prod=secret.encode(),
        numbers=f"apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {odd}\nspec: {{1: 2}}\n".encode(),
        keys=b"apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: k}\nspec: {3: 4, null: 5, "
        b"data: [{secretKey: 1, remoteRef: {key: 2}}, {secretKey: null, remoteRef: {key: null}}, null], target: null}",
        missing=kustomization(EVIL),
    )
    write_tree(root, files)
    shutil.copytree(root / "tenants/shop/overlays/prod", root / "tenants/shop/overlays" / EVIL)
    shutil.copytree(root / "tenants/shop", root / "tenants" / EVIL)
    os.mkdir(os.fsencode(root) + b"/tenants/shop/overlays/\xff\xfe")
    result = run_action(
        inputs={"mode": "validate", "tenants-directory": str(root)},
        env={"GITHUB_REPOSITORY": "acme/zerotouch-tenants", "GITHUB_REPOSITORY_OWNER": "acme"},
        workdir=tmp_path / "runner",
        timeout=AT_MOST,
    )
    assert result.exit_code == 2, result.log_as_shown()
    assert "Traceback" not in result.log_as_shown() + result.stderr
    assert "defect" not in result.summary
    assert {annotation.level for annotation in result.annotations} <= {"error", "warning", "notice"}
    assert not [each for each in result.annotations if each.message.startswith("gotcha")]
    for line in (*result.summary.splitlines(), *result.stdout.splitlines()):
        assert not line.lstrip().startswith(("::error::gotcha", "##["))
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(result.summary)
    assert not [tag for tag in ("<script", '<a href="http:evil', "<img") if tag in rendered]
    assert "does-not-render" in result.summary
    assert result.report is not None
    assert {EVIL} < {finding["service"] for finding in result.report["findings"]}
