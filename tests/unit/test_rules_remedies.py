"""What is offered as an edit makes the tree clean, alone and with all others; where that is not certain, words do."""

import subprocess

import pytest
import yaml

from secret_action.report.diff import patches
from tests.unit.manifest_samples import (
    CA,
    TENANT,
    TWO_WAITING,
    URL,
    WAITING,
    base_and_patch,
    entry,
    external_secret,
    inline,
    judged,
    judged_again,
    kustomization,
    one_overlay,
    overlays,
    patch,
    patched,
    regions,
    with_layer,
)

pytestmark = pytest.mark.thorough

WRONG_URL = "/zerotouch/qa7/shop/url"
OVERLAY = f"{TENANT}/overlays/prod/kustomization.yaml"


def mended(root, environment="prod"):
    """Applies all that is printed, as it says how, and returns what is found then, and how many were left out."""
    made, left = patches(judged_again(root, environment).findings)
    for each in made:
        command = ["git", "apply", "--unidiff-zero", "--ignore-whitespace", "-"]
        subprocess.run(command, input=each.diff.encode(), cwd=root, check=True)
    return [(found.rule, found.about) for found in judged_again(root, environment).findings], left


def test_what_an_operation_takes_out_is_told_so(tmp_path):
    """At the operation's line, with the one to write instead."""
    files = overlays(TWO_WAITING, "prod")
    files["overlays/prod/kustomization.yaml"] = f"""\
        resources: [../../base]
        patches:
          - target: {{kind: ExternalSecret, name: db}}
            patch: |-
              - {{op: replace, path: /spec/data/0/remoteRef/key, value: {URL}}}
              - op: remove
                path: /spec/data/1
        """
    (finding,) = judged(tmp_path, files).findings
    assert finding.rule == "key-lost"
    assert "a JSON6902 operation takes it out" in finding.message
    assert f"{{op: replace, path: /spec/data/1/remoteRef/key, value: {CA}}}" in finding.remedy
    line = (tmp_path / OVERLAY).read_text().splitlines()[finding.where.line - 1]
    assert (finding.where.file, line.strip()) == (OVERLAY, "- op: remove")
    assert finding.edits == ()


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("patch.yaml", patch(), "data: []"),
        ("patch.yaml", patch().replace(" []", ""), "data:"),
        ("patch.yaml", patch().replace("[]", "null # later"), "data: null # later"),
        ("patch.yaml", patch(refreshInterval="2h").replace(" []", ""), "data:"),
        ("patch.yaml", patch().replace("spec:\n  data: []", "spec: {data: }"), "spec: {data: }"),
        (
            "kustomization.yaml",
            "resources: [../../base]\npatches:\n- patch: |-\n    "
            + patch().strip().replace("\n", "\n    ").replace(" []", ""),
            "data:",
        ),
    ],
)
def test_a_list_that_a_patch_empties_is_found_there(tmp_path, file, text, line):
    """No entry of it is left to point at."""
    files = base_and_patch(TWO_WAITING, patch()) | {f"overlays/prod/{file}": text}
    findings = judged(tmp_path, files).findings
    lines = text.splitlines()
    assert {found.where.file for found in findings} == {f"{TENANT}/overlays/prod/{file}"}
    assert [(found.rule, lines[found.where.line - 1].strip()) for found in findings] == [("key-lost", line)] * 2
    while mended(tmp_path)[1]:
        pass
    assert judged_again(tmp_path, "prod").findings == ()


def test_the_last_patch_is_the_place_of_what_is_lost(tmp_path):
    """Not the one before it, which empties the list."""
    twice = patch().replace(" []", "") + "---\n" + patch(entry("URL", URL))
    (finding,) = judged(tmp_path, base_and_patch(TWO_WAITING, twice)).findings
    assert twice.splitlines()[finding.where.line - 1].strip() == f"key: {URL}"


def test_what_two_overlays_lose_in_a_folder_that_they_share_is_one_finding(tmp_path):
    """Mended in the one patch, which says it of both of them."""
    judged(tmp_path, regions(TWO_WAITING, prod=patched("prod")), "")
    (finding,) = judged_again(tmp_path).findings
    common = f"{TENANT}/overlays/prod/common"
    assert f"lost in {common}:" in finding.message
    assert [edit.file for edit in finding.edits] == [f"{common}/patch.yaml"]
    assert mended(tmp_path, "") == ([], 0)


def test_what_the_overlays_of_two_environments_lose_in_a_folder_that_they_share_is_one_finding(tmp_path):
    """What is repeated there is for neither of them, as in the base."""
    files = with_layer(TWO_WAITING, patched("_ENV_")) | {
        "overlays/dev/kustomization.yaml": kustomization("../../shared")
    }
    (finding,) = (each for each in judged(tmp_path, files, "").findings if each.rule == "key-lost")
    assert yaml.safe_load(finding.remedy.partition("spec.data: ")[2]) == [entry("CA", "/zerotouch/_ENV_/shop/ca")]
    assert (finding.where.file, finding.edits) == (f"{TENANT}/shared/patch.yaml", ())


def test_a_lost_key_waits_for_the_overlays_own_patch(tmp_path):
    """In which the list is, once the keys that are left have their environment."""
    judged(tmp_path, with_layer(TWO_WAITING, patched("_ENV_")))
    assert {rule for rule, _ in mended(tmp_path)[0]} == {"key-lost"}
    assert mended(tmp_path) == ([], 0)
    assert (tmp_path / TENANT / "shared/patch.yaml").read_text() == patched("_ENV_")


@pytest.mark.parametrize(
    ("lacking", "place"),
    [
        (lambda base, text: regions(base, prod=text), "overlays/prod/common/patch.yaml"),
        (inline, "overlays/prod/kustomization.yaml"),
    ],
)
def test_a_key_that_one_environment_has_is_added_where_the_other_has_its_list(tmp_path, lacking, place):
    """Once, though two overlays show it."""
    dev = patch(entry("URL", URL.replace("prod", "dev")), entry("CA", CA.replace("prod", "dev")))
    files = overlays(WAITING, "dev", dev=dev) | lacking(WAITING, patched("prod"))
    (finding,) = judged(tmp_path, files, "").findings
    assert [edit.file for edit in finding.edits] == [f"{TENANT}/{place}"]
    assert mended(tmp_path, "") == ([], 0)


def test_a_remedy_is_one_line(tmp_path):
    """Tables and annotations fold lines; what is to be written can still be pasted."""
    files = base_and_patch(TWO_WAITING, patch(entry("URL", URL)))
    (finding,) = judged(tmp_path, files).findings
    written = finding.remedy.partition("spec.data: ")[2]
    assert yaml.safe_load(written) == [entry("CA", CA)]
    assert "\n" not in finding.remedy


def test_two_wrong_keys_of_one_external_secret_get_one_patch(tmp_path):
    """Whichever of them asks: the patch of the one must not bring the other's mistake along."""
    wrong = [entry(key, f"/zerotouch/dev/shop/{key.lower()}") for key in ("URL", "CA")]
    files = {
        "overlays/dev/kustomization.yaml": kustomization("es.yaml"),
        "overlays/dev/es.yaml": external_secret(data=wrong),
        "overlays/prod/kustomization.yaml": kustomization("../dev"),
    }
    judged(tmp_path, files)
    assert mended(tmp_path) == ([], 0)


def test_another_services_key_stays_as_it_is_in_the_patch(tmp_path):
    """It may be meant so, and silenced: only its own finding changes it."""
    foreign = "/zerotouch/qa7/mail/token"
    base = external_secret(data=[entry("URL", WRONG_URL), entry("TOKEN", foreign)])
    own, other = judged(tmp_path, overlays(base, "prod")).findings
    assert (own.about[2], other.about[2]) == (WRONG_URL, foreign)
    assert foreign in str(own.edits)
    assert URL in str(own.edits)
    # Two patches of one ExternalSecret: the last would win.
    assert mended(tmp_path) == ([("wrong-environment", other.about)], 1)
    assert mended(tmp_path) == ([], 0)


def test_a_lost_key_and_a_missing_patch_of_two_external_secrets(tmp_path):
    """The entry belongs to the file's last document, the new document behind it."""
    base = f"{TWO_WAITING}---\n" + external_secret("mail", data=[entry("TOKEN", "/zerotouch/_ENV_/shop/token")])
    judged(tmp_path, base_and_patch(base, patch(entry("URL", URL))))
    assert mended(tmp_path) == ([], 0)
    written = list(yaml.safe_load_all((tmp_path / TENANT / "overlays/prod/patch.yaml").read_text()))
    assert [[item["secretKey"] for item in each["spec"]["data"]] for each in written] == [["URL", "CA"], ["TOKEN"]]


def test_a_patch_that_is_not_listed_is_listed(tmp_path):
    """And not written again, whichever of the findings is mended."""
    bases = [external_secret(name, data=[entry("URL", f"/zerotouch/_ENV_/shop/{name}")]) for name in ("a", "b")]
    written = "---\n".join(patch(entry("URL", f"/zerotouch/prod/shop/{name}"), name=name) for name in ("a", "b"))
    found = judged(tmp_path, overlays("---\n".join(bases), "prod") | {"overlays/prod/p.yaml": written}, "").findings
    assert [each.rule for each in found] == ["overlay-missing", "overlay-missing", "not-in-kustomization"]
    assert {each.remedy for each in found} == {f"Add to {OVERLAY}, under patches: - path: p.yaml"}
    (edits,) = {each.edits for each in found}
    assert [(edit.file, edit.add) for edit in edits] == [(OVERLAY, ("patches:", "- path: p.yaml"))]
    assert mended(tmp_path, "") == ([], 0)
    assert (tmp_path / TENANT / "overlays/prod/p.yaml").read_text() == written


def test_an_unlisted_patch_beside_what_nothing_patches(tmp_path):
    """What it lacks is added to it, once it is listed."""
    bases = [external_secret(name, data=[entry("URL", f"/zerotouch/_ENV_/shop/{name}")]) for name in ("a", "b")]
    written = patch(entry("URL", "/zerotouch/prod/shop/b"), name="b")
    judged(tmp_path, overlays("---\n".join(bases), "prod") | {"overlays/prod/p.yaml": written}, "")
    while mended(tmp_path, "")[1]:
        pass
    assert judged_again(tmp_path).findings == ()


def test_external_secrets_that_nothing_patches_get_one_file(tmp_path):
    """All of them at once."""
    bases = [external_secret(name, data=[entry("URL", f"/zerotouch/_ENV_/shop/{name}")]) for name in ("a", "b", "c")]
    judged(tmp_path, overlays("---\n".join(bases), "prod"))
    assert mended(tmp_path) == ([], 0)
    written = yaml.safe_load_all((tmp_path / TENANT / "overlays/prod/patches/secrets-patch.yaml").read_text())
    assert [each["metadata"]["name"] for each in written] == ["a", "b", "c"]


def test_a_patch_for_a_target_may_have_any_name(tmp_path):
    """It is the overlay's patch of that ExternalSecret all the same."""
    files = base_and_patch(TWO_WAITING, patch(entry("URL", WRONG_URL), name="whatever"))
    target = {"path": "patch.yaml", "target": {"kind": "ExternalSecret", "name": "db"}}
    judged(tmp_path, files | {"overlays/prod/kustomization.yaml": kustomization("../../base", patches=[target])})
    assert mended(tmp_path) == ([], 0)
    assert len(list(yaml.safe_load_all((tmp_path / TENANT / "overlays/prod/patch.yaml").read_text()))) == 1


@pytest.mark.parametrize("transformer", ["labels", "transformers", "replacements"])
def test_what_something_else_writes_over_is_no_edit(tmp_path, transformer):
    """A patch would change nothing, or nobody knows what."""
    base = external_secret(data=[entry("URL", WRONG_URL)])
    more = {
        "labels": [{"pairs": {"zerotouch.io/managed": "no"}}],
        "transformers": [
            yaml.safe_dump(
                {
                    "apiVersion": "builtin",
                    "kind": "AnnotationsTransformer",
                    "metadata": {"name": "x"},
                    "annotations": {"a": "b"},
                    "fieldSpecs": [{"path": "metadata/annotations", "create": True}],
                }
            )
        ],
        "replacements": [
            {
                "source": {"kind": "ExternalSecret", "name": "db", "fieldPath": "spec.data.0.remoteRef.key"},
                "targets": [{"select": {"kind": "ExternalSecret"}, "fieldPaths": ["spec.data.0.remoteRef.key"]}],
            }
        ],
    }
    files = overlays(base, "prod")
    files["overlays/prod/kustomization.yaml"] = kustomization("../../base", **{transformer: more[transformer]})
    rule = "label-missing" if transformer == "labels" else "wrong-environment"
    (finding,) = [found for found in judged(tmp_path, files).findings if found.rule == rule]
    assert (finding.where.file, finding.edits) == (OVERLAY, ())


def test_the_generator_of_a_secret_is_its_place(tmp_path):
    """It is written nowhere else."""
    generator = {"name": "app", "literals": ["PASSWORD=hunter2b"]}
    files = one_overlay(external_secret())
    files["overlays/prod/kustomization.yaml"] = kustomization("es.yaml", secretGenerator=[generator])
    finding = next(found for found in judged(tmp_path, files).findings if found.rule == "value-in-git")
    text = files["overlays/prod/kustomization.yaml"].splitlines()
    assert text[finding.where.line - 1] == "- name: app"


def test_a_missing_environment_is_told_where_it_is_asked_for(tmp_path):
    """In secrets.yaml."""
    files = one_overlay(external_secret()) | {"secrets.yaml": "version: 1\nenvironments: [prod, staging]\n"}
    (finding,) = judged(tmp_path, files, "").findings
    assert str(finding.where) == f"{TENANT}/secrets.yaml:2"
