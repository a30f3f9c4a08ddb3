"""From a rendered key back to the file and the line that a person wrote: the right line, or none."""

import pytest

from tests.unit.manifest_samples import TENANT, entry, external_secret, judged, kustomization, patch

WRONG = "/zerotouch/qa7/shop/url"
"""Of no environment that a base could be said to name."""
BASE = {
    "base/kustomization.yaml": kustomization("es.yaml"),
    "base/es.yaml": external_secret(data=[entry("URL", "/zerotouch/_ENV_/shop/url")]),
}
MERGE_PATCH = """\
    # what production reads
    apiVersion: external-secrets.io/v1
    kind: ExternalSecret
    metadata:
      name: db
    spec:
      data:
        - secretKey: URL
          remoteRef:
            key: /zerotouch/qa7/shop/url
    """


def place(tmp_path, files, rule="wrong-environment"):
    """Where the one finding of the rule is, and the text of that line."""
    (finding,) = [found for found in judged(tmp_path, files).findings if found.rule == rule]
    file, line = finding.where.file.removeprefix(TENANT + "/"), finding.where.line
    written = (tmp_path / finding.where.file).read_text(encoding="utf-8-sig").splitlines()
    return file, written[line - 1].strip() if line else None


def test_a_patch_file(tmp_path):
    """The line of the key in the patch, not the base's."""
    files = BASE | {
        "overlays/prod/kustomization.yaml": kustomization("../../base", patches=[{"path": "patches/db.yaml"}]),
        "overlays/prod/patches/db.yaml": MERGE_PATCH,
    }
    assert place(tmp_path, files) == ("overlays/prod/patches/db.yaml", f"key: {WRONG}")


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b""])
def test_windows_files(tmp_path, prefix):
    """CRLF and a byte order mark change no line."""
    text = "\r\n".join(line.removeprefix("    ") for line in MERGE_PATCH.splitlines())
    files = BASE | {
        "overlays/prod/kustomization.yaml": kustomization("../../base", patches=[{"path": "db.yaml"}]).replace(
            "\n", "\r\n"
        ),
        "overlays/prod/db.yaml": prefix + text.encode(),
    }
    assert place(tmp_path, files) == ("overlays/prod/db.yaml", f"key: {WRONG}")


def test_the_old_way_to_name_patches(tmp_path):
    """patchesStrategicMerge is deprecated and everywhere."""
    files = BASE | {
        "overlays/prod/kustomization.yaml": kustomization("../../base", patchesStrategicMerge=["db.yaml"]),
        "overlays/prod/db.yaml": MERGE_PATCH,
    }
    assert place(tmp_path, files) == ("overlays/prod/db.yaml", f"key: {WRONG}")


def test_an_inline_merge_patch(tmp_path):
    """Within the kustomization, as `patch: |-`."""
    files = BASE | {
        "overlays/prod/kustomization.yaml": """\
            resources:
              - ../../base
            patches:
              - patch: |-

                  kind: ExternalSecret
                  apiVersion: external-secrets.io/v1
                  metadata:
                    name: db
                  spec:
                    data:
                      - secretKey: URL
                        remoteRef:
                          key: /zerotouch/qa7/shop/url
            """
    }
    assert place(tmp_path, files) == ("overlays/prod/kustomization.yaml", f"key: {WRONG}")


def test_an_inline_json6902_patch(tmp_path):
    """The operation's value."""
    files = BASE | {
        "overlays/prod/kustomization.yaml": """\
            resources: [../../base]
            patches:
              - target: {kind: ExternalSecret, name: db}
                patch: |
                  # production
                  - op: replace
                    path: /spec/data/0/remoteRef/key
                    value: /zerotouch/qa7/shop/url
            """
    }
    assert place(tmp_path, files) == ("overlays/prod/kustomization.yaml", f"value: {WRONG}")


@pytest.mark.parametrize(
    ("comment", "line"),
    [("", '"value": "/zerotouch/qa7/shop/url"}]'), ('{"op": "test", "path": "/x", "value": "WRONG"},', None)],
)
def test_a_folded_inline_patch_has_the_line_that_alone_says_it(tmp_path, comment, line):
    """Its lines are not those of the file: where two of them say the same, the file alone is named."""
    files = BASE | {
        "overlays/prod/kustomization.yaml": f"""\
            resources: [../../base]
            patches:
              - target: {{kind: ExternalSecret, name: db}}
                patch: >

                  [{comment.replace("WRONG", WRONG).replace("/x", "/spec/data/0/remoteRef/key")}

                  {{"op": "replace", "path": "/spec/data/0/remoteRef/key",

                  "value": "/zerotouch/qa7/shop/url"}}]
            """
    }
    if comment:
        files["base/es.yaml"] = external_secret(data=[entry("URL", WRONG)])
    assert place(tmp_path, files) == ("overlays/prod/kustomization.yaml", line)


def test_a_quoted_inline_patch_of_one_line(tmp_path):
    """All of it stands there."""
    operation = f'[{{"op": "replace", "path": "/spec/data/0/remoteRef/key", "value": "{WRONG}"}}]'
    files = BASE | {
        "overlays/prod/kustomization.yaml": f"""\
            resources: [../../base]
            patches:
              - target: {{kind: ExternalSecret, name: db}}
                patch: '{operation}'
            """
    }
    assert place(tmp_path, files) == ("overlays/prod/kustomization.yaml", f"patch: '{operation}'")


def test_a_json6902_patch_file(tmp_path):
    """A list of operations, which names no ExternalSecret itself."""
    files = BASE | {
        "overlays/prod/kustomization.yaml": kustomization(
            "../../base", patches=[{"path": "op.yaml", "target": {"kind": "ExternalSecret"}}]
        ),
        "overlays/prod/op.yaml": """\
            - op: replace
              path: /spec/data/0/remoteRef/key
              value: /zerotouch/qa7/shop/url
            """,
    }
    assert place(tmp_path, files) == ("overlays/prod/op.yaml", f"value: {WRONG}")


def test_a_component(tmp_path):
    """Its patches count as the overlay's own."""
    files = BASE | {
        "components/urls/kustomization.yaml": """\
            apiVersion: kustomize.config.k8s.io/v1alpha1
            kind: Component
            patches:
              - path: db.yaml
            """,
        "components/urls/db.yaml": MERGE_PATCH,
        "overlays/prod/kustomization.yaml": kustomization("../../base", components=["../../components/urls"]),
    }
    assert place(tmp_path, files) == ("components/urls/db.yaml", f"key: {WRONG}")


def test_a_name_prefix(tmp_path):
    """The rendered name is eu-db, the file says db."""
    files = {
        "overlays/prod/kustomization.yaml": kustomization("es.yaml", namePrefix="eu-"),
        "overlays/prod/es.yaml": external_secret(data=[entry("URL", WRONG)]),
    }
    assert place(tmp_path, files) == ("overlays/prod/es.yaml", f"key: {WRONG}")


def test_behind_a_prefix_two_in_one_file_are_not_confused(tmp_path):
    """Which of them it is cannot be told for certain: no line rather than a wrong one."""
    files = {
        "overlays/prod/kustomization.yaml": kustomization("es.yaml", namePrefix="eu-"),
        "overlays/prod/es.yaml": external_secret("a")
        + "---\n"
        + external_secret("b", data=[entry("URL", WRONG)], target={"name": "b"}),
    }
    assert place(tmp_path, files) in {
        ("overlays/prod/kustomization.yaml", None),
        ("overlays/prod/es.yaml", f"key: {WRONG}"),
    }


def test_one_key_in_two_external_secrets(tmp_path):
    """Each is found in its own."""
    files = {
        "overlays/prod/kustomization.yaml": kustomization("es.yaml"),
        "overlays/prod/es.yaml": external_secret("a", data=[entry("URL", WRONG)])
        + "---\n"
        + external_secret("b", data=[entry("URL", WRONG)]),
    }
    findings = [found for found in judged(tmp_path, files).findings if found.rule == "wrong-environment"]
    first, second = (finding.where.line for finding in findings)
    assert first != second
    lines = (tmp_path / findings[0].where.file).read_text().splitlines()
    assert WRONG in lines[first - 1]
    assert WRONG in lines[second - 1]


def test_the_same_entry_twice_has_two_lines(tmp_path):
    """The first is the first."""
    files = {
        "overlays/prod/kustomization.yaml": kustomization("es.yaml"),
        "overlays/prod/es.yaml": external_secret(data=[entry("URL", WRONG), entry("URL", WRONG)]),
    }
    lines = files["overlays/prod/es.yaml"].splitlines()
    written = [number for number, line in enumerate(lines, 1) if WRONG in line]
    findings = [found for found in judged(tmp_path, files).findings if found.rule == "wrong-environment"]
    assert [finding.where.line for finding in findings] == written


def two_patches(field, *texts, **more):
    """A base, and an overlay with these patches, the last of them last."""
    names = [f"{number}.yaml" for number, _ in enumerate(texts)]
    listed = names if field == "patchesStrategicMerge" else [{"path": name} for name in names]
    return BASE | {
        "overlays/prod/kustomization.yaml": kustomization("../../base", **{field: listed}, **more),
        **{f"overlays/prod/{name}": text for name, text in zip(names, texts, strict=True)},
    }


@pytest.mark.parametrize("field", ["patches", "patchesStrategicMerge"])
def test_the_last_patch_has_the_last_word(tmp_path, field):
    """Whatever an earlier one says."""
    files = two_patches(field, MERGE_PATCH, MERGE_PATCH.replace("what production reads", "again"))
    assert place(tmp_path, files) == ("overlays/prod/1.yaml", f"key: {WRONG}")


def test_a_patch_of_another_external_secret_is_not_the_place(tmp_path):
    """Though it says the same."""
    operation = f"- {{op: replace, path: /spec/data/0/remoteRef/key, value: {WRONG}}}"
    other = external_secret("a", data=[entry("URL", "/zerotouch/_ENV_/shop/url")])
    files = BASE | {
        "base/es.yaml": f"{BASE['base/es.yaml']}---\n{other}",
        "overlays/prod/kustomization.yaml": kustomization(
            "../../base",
            patches=[{"path": "a.yaml", "target": {"kind": "ExternalSecret", "name": "a"}}, {"path": "db.yaml"}],
        ),
        "overlays/prod/a.yaml": operation,
        "overlays/prod/db.yaml": MERGE_PATCH,
    }
    findings = [found for found in judged(tmp_path, files).findings if found.rule == "wrong-environment"]
    assert {(found.about[0], found.where.file.rpartition("/")[2]) for found in findings} == {
        ("a", "a.yaml"),
        ("db", "db.yaml"),
    }


def test_two_of_one_name_in_two_namespaces(tmp_path):
    """Each is found in its own, and its patch is no other's."""

    def named(namespace, text):
        return text.replace("name: db\n", f"name: db\n  namespace: {namespace}\n", 1)

    blue = named("blue", external_secret(data=[entry("URL", "/zerotouch/_ENV_/shop/url")], target={"name": "x"}))
    green = named("green", external_secret(data=[entry("CA", "/zerotouch/_ENV_/shop/ca")], target={"name": "y"}))
    files = {
        "base/kustomization.yaml": kustomization("es.yaml"),
        "base/es.yaml": f"{blue}---\n{green}",
        "overlays/prod/kustomization.yaml": kustomization(
            "../../base", patches=[{"path": "blue.yaml"}, {"path": "green.yaml"}]
        ),
        "overlays/prod/blue.yaml": named("blue", patch(entry("URL", WRONG))),
        "overlays/prod/green.yaml": named("green", patch(entry("CA", "/zerotouch/prod/shop/ca"))),
    }
    (finding,) = judged(tmp_path, files).findings
    assert finding.where.file == f"{TENANT}/overlays/prod/blue.yaml"


def test_items_of_a_list(tmp_path):
    """kustomize opens it, and the item keeps its place."""
    item = "\n".join(f"    {line}" for line in external_secret(data=[entry("URL", WRONG)]).splitlines())
    files = {
        "overlays/prod/kustomization.yaml": kustomization("es.yaml"),
        "overlays/prod/es.yaml": f"apiVersion: v1\nkind: List\nitems:\n  -\n{item}\n",
    }
    assert place(tmp_path, files) == ("overlays/prod/es.yaml", f"key: {WRONG}")


def test_a_prefix_over_a_prefix(tmp_path):
    """The overlay's patch names it by the base's prefix, the render by both."""
    files = BASE | {
        "base/kustomization.yaml": kustomization("es.yaml", namePrefix="b-"),
        "overlays/prod/kustomization.yaml": kustomization(
            "../../base", namePrefix="prod-", patches=[{"path": "db.yaml"}]
        ),
        "overlays/prod/db.yaml": MERGE_PATCH.replace("name: db", "name: b-db"),
    }
    assert place(tmp_path, files) == ("overlays/prod/db.yaml", f"key: {WRONG}")


def test_a_merge_key(tmp_path):
    """What it takes over stands at its anchor."""
    files = two_patches(
        "patches",
        MERGE_PATCH.replace("remoteRef:\n", "remoteRef: &url\n")
        + "    - secretKey: CA\n          remoteRef: {<<: *url, property: ca}\n",
    )
    findings = [found for found in judged(tmp_path, files).findings if found.rule == "wrong-environment"]
    assert [found.where.line for found in findings] == [10, 10]


def test_a_replacement_has_the_last_word(tmp_path):
    """A patch that says the same is not the place, and is no remedy."""
    files = two_patches(
        "patches",
        MERGE_PATCH,
        replacements=[
            {
                "source": {"kind": "ExternalSecret", "name": "db", "fieldPath": "spec.data.0.remoteRef.key"},
                "targets": [{"select": {"name": "d.+|x*"}, "fieldPaths": ["spec.data.0.remoteRef.key"]}],
            }
        ],
    )
    (finding,) = judged(tmp_path, files).findings
    assert (str(finding.where), finding.edits) == (f"{TENANT}/overlays/prod/kustomization.yaml", ())


@pytest.mark.parametrize(
    "operation",
    [
        "{op: remove, path: /spec/data/0}",
        "{op: move, from: /spec/data/1, path: /spec/data/0}",
        "{op: copy, from: /spec/data/1/remoteRef, path: /spec/data/0/remoteRef}",
    ],
)
def test_operations_move_what_they_do_not_write(tmp_path, operation):
    """The base's line is found wherever its entry has gone."""
    base = external_secret(data=[entry("A", "/zerotouch/prod/shop/a"), entry("B", WRONG)])
    files = {
        "base/kustomization.yaml": kustomization("es.yaml"),
        "base/es.yaml": base,
        "overlays/prod/kustomization.yaml": kustomization(
            "../../base", patches=[{"patch": f"- {operation}\n", "target": {"kind": "ExternalSecret"}}]
        ),
    }
    findings = [found for found in judged(tmp_path, files).findings if found.rule == "wrong-environment"]
    places = {(found.where.file, found.where.line) for found in findings}
    line = next(number for number, text in enumerate(base.splitlines(), 1) if WRONG in text)
    assert places == {(f"{TENANT}/base/es.yaml", line)}


def test_a_label_of_the_kustomization(tmp_path):
    """It is written over the ExternalSecret's own."""
    files = two_patches("patches", MERGE_PATCH, labels=[{"pairs": {"zerotouch.io/managed": "yes"}}])
    assert place(tmp_path, files, "label-missing") == (
        "overlays/prod/kustomization.yaml",
        "zerotouch.io/managed: 'yes'",
    )


def test_a_comment_with_the_same_text_is_not_the_place(tmp_path):
    """Positions come from the YAML, not from a search in the text."""
    files = {
        "overlays/prod/kustomization.yaml": kustomization("es.yaml"),
        "overlays/prod/es.yaml": f"# key: {WRONG}\n" + external_secret(data=[entry("URL", WRONG)]),
    }
    assert place(tmp_path, files) == ("overlays/prod/es.yaml", f"key: {WRONG}")


def test_what_another_kind_says_is_not_the_place(tmp_path):
    """A ConfigMap may hold the same text; the replacement that made the key is not followed."""
    files = BASE | {
        "overlays/prod/kustomization.yaml": """\
            resources: [../../base, config.yaml]
            replacements:
              - source: {kind: ConfigMap, name: paths, fieldPath: data.url}
                targets:
                  - select: {kind: ExternalSecret}
                    fieldPaths: [spec.data.0.remoteRef.key]
            """,
        "overlays/prod/config.yaml": f"""\
            apiVersion: v1
            kind: ConfigMap
            metadata: {{name: paths}}
            data: {{url: {WRONG}}}
            """,
    }
    assert place(tmp_path, files) == ("overlays/prod/kustomization.yaml", None)


def test_a_missing_label_is_told_where_the_external_secret_is_defined(tmp_path):
    """There the label belongs, not in the overlay's patch."""
    files = BASE | {
        "base/es.yaml": external_secret(labels={}, data=[entry("URL", "/zerotouch/_ENV_/shop/url")]),
        "overlays/prod/kustomization.yaml": kustomization("../../base", patches=[{"path": "db.yaml"}]),
        "overlays/prod/db.yaml": MERGE_PATCH,
    }
    assert place(tmp_path, files, "label-missing") == ("base/es.yaml", "name: db")


def test_files_outside_of_the_repository_are_not_read(tmp_path):
    """A link that leads out is no source."""
    outside = tmp_path / "outside.yaml"
    outside.write_text(external_secret(data=[entry("URL", WRONG)]))
    files = {"overlays/prod/kustomization.yaml": kustomization("es.yaml")}
    folder = tmp_path / "repository" / TENANT / "overlays/prod"
    folder.mkdir(parents=True)
    (folder / "es.yaml").symlink_to(outside)
    findings = judged(tmp_path / "repository", files).findings
    assert {str(finding.where) for finding in findings} <= {f"{TENANT}/overlays/prod/kustomization.yaml"}
