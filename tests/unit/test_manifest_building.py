"""What an overlay is built of: which folders are rendered, how often, and as what."""

from collections import Counter
from dataclasses import replace

import pytest

from secret_action.manifest.kustomize import Kustomize
from secret_action.manifest.layers import MAX_LAYERS, layers_of
from secret_action.manifest.read import Scope, read_tenants
from secret_action.manifest.renders import Renders
from secret_action.model import Severity
from secret_action.naming import ParameterPath
from tests.unit.edits import apply_edits
from tests.unit.manifest_samples import (
    CA,
    TEMPLATE,
    TENANT,
    TWO_WAITING,
    URL,
    WAITING,
    entry,
    external_secret,
    judged,
    judged_again,
    kustomization,
    overlays,
    patch,
    patched,
    with_component,
    with_layer,
    write_tree,
)


def test_each_folder_is_rendered_once_however_many_build_on_it(tmp_path, monkeypatch):
    """Three overlays, a layer, its base, and the part that a component adds."""
    rendered = Counter()
    render = Kustomize.render

    def counted(self, folder, *more):
        rendered[folder.relative_to(tmp_path / TENANT).as_posix()] += 1
        return render(self, folder, *more)

    monkeypatch.setattr(Kustomize, "render", counted)
    files = with_component(external_secret("llm", data=[]), "prod") | overlays(WAITING)
    files["components/only-patches/kustomization.yaml"] = kustomization(kind="Component")
    files["shared/kustomization.yaml"] = kustomization("../base")
    used = ["../../components/extra", "../../components/only-patches"]
    for environment in ("dev", "staging", "prod"):
        files[f"overlays/{environment}/kustomization.yaml"] = kustomization(
            "../../shared", "deployment.yaml", components=used, patches=[{"path": "patch.yaml"}]
        )
        files[f"overlays/{environment}/patch.yaml"] = patched(environment)
        files[f"overlays/{environment}/deployment.yaml"] = files["overlays/prod/deployment.yaml"]
    assert [each.rule for each in judged(tmp_path, files, "").findings if each.severity is Severity.ERROR] == []
    assert rendered == dict.fromkeys(
        ["overlays/dev", "overlays/staging", "overlays/prod", "shared", "base", "components/extra"], 1
    )


def test_a_base_of_several_tenants_is_rendered_once_for_all_of_them(tmp_path, monkeypatch):
    """It lies outside of each of them."""
    rendered = Counter()
    render = Kustomize.render

    def counted(self, folder, *more):
        rendered[folder.relative_to(tmp_path).as_posix()] += 1
        return render(self, folder, *more)

    monkeypatch.setattr(Kustomize, "render", counted)
    base = {"kustomization.yaml": kustomization("es.yaml"), "es.yaml": external_secret("jwks", data=[])}
    for name, content in base.items():
        (tmp_path / "lib").mkdir(exist_ok=True)
        (tmp_path / "lib" / name).write_text(content)
    for service in ("a", "b", "c"):
        overlay = tmp_path / "tenants" / service / "overlays/prod"
        overlay.mkdir(parents=True)
        (overlay / "kustomization.yaml").write_text(kustomization("../../../../lib"))
    renders = Renders(tmp_path)
    scope = Scope("", "", "tenants/{service}", ParameterPath(TEMPLATE), "aws-parameter-store")
    judged_ = [*read_tenants(tmp_path, [replace(scope, service=service) for service in ("a", "b", "c")], renders)]
    renders.close()
    assert [len(each.manifests) for each in judged_] == [1, 1, 1]
    assert rendered == dict.fromkeys(["lib", *(f"tenants/{service}/overlays/prod" for service in "abc")], 1)


def test_layers_come_the_nearest_first_with_what_is_put_around_their_names(tmp_path):
    """And each once, though many ways lead to it, also round in a circle."""
    files = {
        "overlay/kustomization.yaml": kustomization("../a", "../b", namePrefix="own-"),
        "a/kustomization.yaml": kustomization("../base", namePrefix="a-", nameSuffix="-x"),
        "b/kustomization.yaml": kustomization("../base", "../overlay", components=["../c"]),
        "base/kustomization.yaml": kustomization("../deep", nameSuffix="-y"),
        "c/kustomization.yaml": kustomization("../deep", kind="Component"),
        "deep/kustomization.yaml": kustomization("../deep", "../nowhere"),
    }
    root = write_tree(tmp_path, files)
    found = layers_of(root, root / TENANT / "overlay")
    assert [(each.folder.name, each.prefix, each.suffix) for each in found] == [
        ("a", "", ""),
        ("b", "", ""),
        ("base", "a-", "-x"),
        ("base", "", ""),
        ("c", "", ""),
        ("deep", "a-", "-y-x"),
        ("deep", "", "-y"),
        ("deep", "", ""),
    ]


def test_of_what_lies_outside_of_the_repository_no_kustomization_is_read(tmp_path):
    """However it is reached."""
    root = write_tree(tmp_path / "repository", {"overlay/kustomization.yaml": kustomization("../link", "../base")})
    write_tree(tmp_path, {"outside/kustomization.yaml": kustomization(), "base/kustomization.yaml": kustomization()})
    (root / TENANT / "link").symlink_to(tmp_path / TENANT / "outside")
    (root / TENANT / "base").symlink_to(tmp_path / TENANT / "base")
    assert layers_of(root, root / TENANT / "overlay") == ()
    assert layers_of(root, root / TENANT / "link") == ()


def test_an_overlay_of_very_many_folders_does_not_render(tmp_path, monkeypatch):
    """Each of them would be rendered by itself; none is."""
    monkeypatch.setattr(Kustomize, "render", None)
    files = {f"l{n}/kustomization.yaml": kustomization(f"../l{n + 1}") for n in range(MAX_LAYERS + 5)}
    files["overlays/prod/kustomization.yaml"] = kustomization("../../l0")
    root = write_tree(tmp_path, files)
    assert len(layers_of(root, root / TENANT / "overlays/prod")) == MAX_LAYERS + 1
    (finding,) = judged_again(tmp_path, "prod").findings
    assert finding.rule == "does-not-render"
    assert "it is built of more than 100 folders" in finding.message


BOTH = TWO_WAITING + "---\n" + TWO_WAITING.replace("name: db", "name: llm")
ONE_SHORT = patch(entry("URL", URL), name="eu-db") + "---\n" + patch(entry("URL", URL), entry("CA", CA), name="eu-llm")


@pytest.mark.parametrize(
    "tree",
    [
        with_layer(BOTH, "", ONE_SHORT, namePrefix="eu-"),
        with_component(BOTH, "prod", prod=ONE_SHORT, namePrefix="eu-"),
    ],
)
def test_two_in_one_file_whose_names_a_layer_changes(tmp_path, tree):
    """Each is told from the other."""
    (finding,) = [each for each in judged(tmp_path, tree, "").findings if each.rule == "key-lost"]
    assert finding.about[:2] == ("eu-db", "CA")
    apply_edits(tmp_path, finding.edits)
    assert "key-lost" not in [each.rule for each in judged_again(tmp_path).findings]


@pytest.mark.parametrize("tree", [overlays, with_component])
def test_what_the_base_of_a_release_says_of_an_environment_stops_it(tmp_path, tree):
    """Also where the overlay that is released patches it. Without an edit: the other overlays are not looked at."""
    files = tree(external_secret(data=[entry("URL", "/zerotouch/dev/shop/url")]), "dev", "prod", prod=patched("prod"))
    (finding,) = judged(tmp_path, files, "prod", in_release=True).findings
    assert (finding.rule, finding.severity) == ("base-names-environment", Severity.ERROR)
    assert finding.edits == ()
    assert finding.overlay == f"{TENANT}/overlays/prod"
