"""`does-not-render`: what kustomize refuses, and what it is not asked to do."""

import pytest

from tests.unit.manifest_samples import external_secret, judged, kustomization, one_overlay

REMOTE = "http://127.0.0.1:9/x.yaml"


@pytest.mark.parametrize("resource", ["https://example.org/base.yaml", "github.com/zerotouch/base?ref=v1"])
def test_a_remote_base_needs_the_network_and_says_so(tmp_path, resource):
    """It is never fetched."""
    (finding,) = judged(tmp_path, {"overlays/prod/kustomization.yaml": kustomization(resource)}).findings
    assert finding.rule == "does-not-render"
    assert "the network" in finding.remedy


@pytest.mark.parametrize(
    "files",
    [
        {"kustomization.yaml": kustomization(REMOTE)},
        {"kustomization.yaml": kustomization("../../base"), "../../base/kustomization.yaml": kustomization(REMOTE)},
        *(
            {"kustomization.yaml": kustomization(**{field: [REMOTE]})}
            for field in (
                "bases",
                "components",
                "crds",
                "configurations",
                "transformers",
                "generators",
                "validators",
                "patchesStrategicMerge",
                "Resources",
            )
        ),
        {"kustomization.yaml": kustomization(openapi={"path": REMOTE})},
        {"kustomization.yaml": kustomization(patches=[{"path": REMOTE}])},
        {"kustomization.yaml": kustomization(configMapGenerator=[{"name": "x", "files": [f"a={REMOTE}"]}])},
        {"kustomization.yaml": f"x: &a [{REMOTE}]\n<<: {{resources: *a}}\n"},
        {
            "kustomization.yaml": kustomization(transformers=["t.yaml"]),
            "t.yaml": f"kind: PatchTransformer\npath: {REMOTE}\n",
        },
        {"kustomization.yaml": kustomization(transformers=[f"kind: PatchTransformer\npath: {REMOTE}\n"])},
        {"kustomization.yaml": kustomization("git@github.com:x/y.git")},
        {"kustomization.yaml": kustomization("git::https://example.org/x")},
        {"kustomization.yaml": kustomization("github.com/x/y?ref=main")},
    ],
)
def test_kustomize_is_not_started_where_it_would_fetch(tmp_path, monkeypatch, files):
    """This machine's own addresses are asked in spite of the proxy, so kustomize must not see them."""
    monkeypatch.setattr("secret_action.manifest.kustomize.Kustomize.render", lambda *_: pytest.fail("started"))
    (finding,) = judged(tmp_path, {f"overlays/prod/{name}": text for name, text in files.items()}).findings
    assert finding.rule == "does-not-render"
    assert "which needs the network" in finding.message
    assert "names " in finding.message
    assert "tenants/shop/" in finding.message


def test_an_address_that_is_not_fetched_is_none_of_this(tmp_path):
    """In a literal, an annotation, an inline patch, a resource."""
    address = "https://example.org/x?ref=y"
    patch = f'{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "x"}}, "data": {{"a": "{address}"}}}}'
    tree = one_overlay(external_secret()) | {
        "overlays/prod/kustomization.yaml": kustomization(
            "es.yaml",
            "x.yaml",
            configMapGenerator=[{"name": "urls", "literals": [f"URL={address}"]}],
            commonAnnotations={"path": address},
            patchesStrategicMerge=[patch],
        ),
        "overlays/prod/x.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata:\n  path: '{address}'\n",
    }
    assert [finding.message for finding in judged(tmp_path, tree).findings] == []


def test_kustomizes_words_come_without_this_machines_paths(tmp_path):
    """The reader does not know our temporary folders."""
    (finding,) = judged(tmp_path, {"overlays/prod/kustomization.yaml": kustomization("missing.yaml")}).findings
    assert "missing.yaml" in finding.message
    assert "/tmp" not in finding.message
    assert "secret-sync-" not in finding.message
    assert "\n" not in finding.message


def test_kustomizes_words_are_the_same_in_every_run(tmp_path):
    """kubectl puts them into a frame with the time and a process id, in another way where they are several lines."""
    tree = {"overlays/prod/kustomization.yaml": kustomization(helmCharts=[{"name": "redis", "version": "1.0.0"}])}
    (finding,) = judged(tmp_path, tree).findings
    assert "Helm" in finding.remedy
    assert finding.message.startswith("tenants/shop/overlays/prod does not render: trouble configuring builtin Helm")
    assert finding.message.endswith("must specify --enable-helm")


def test_a_neighbour_that_does_not_render_is_said_beside_the_others_findings(tmp_path):
    """One broken overlay hides nothing of the next."""
    tree = one_overlay(external_secret(labels={})) | {"overlays/dev/kustomization.yaml": kustomization("missing.yaml")}
    assert {finding.rule for finding in judged(tmp_path, tree, "").findings} == {"does-not-render", "label-missing"}
