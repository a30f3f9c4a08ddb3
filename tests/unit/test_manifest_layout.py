"""Where tenants and overlays lie, and what is said where they do not."""

import pytest

from secret_action.errors import InputError, ManifestError
from secret_action.manifest.kustomize import find_kustomize
from secret_action.manifest.layout import list_overlays, list_services
from secret_action.manifest.read import Scope, read_tenant
from secret_action.naming import ParameterPath
from tests.unit.manifest_samples import SERVICE, TEMPLATE, TENANT, external_secret, judged, kustomization, write_tree

OVERLAY = {"kustomization.yaml": kustomization("es.yaml"), "es.yaml": external_secret()}


def overlay(folder):
    return {f"{folder}/{name}": content for name, content in OVERLAY.items()}


def refusal(root, environment="prod", service=SERVICE, tenant_path="tenants/{service}"):
    with pytest.raises(ManifestError) as caught:
        read_tenant(
            root, Scope(service, environment, tenant_path, ParameterPath(TEMPLATE), "aws-parameter-store", True)
        )
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("folder", ["prod", "production"])
@pytest.mark.parametrize("environment", ["prod", "production"])
def test_production_and_prod_are_one_environment(tmp_path, folder, environment):
    """In the input as in the folder; the path always says prod."""
    (manifest,) = judged(tmp_path, overlay(f"overlays/{folder}"), environment).manifests
    assert (manifest.environment, manifest.overlay) == ("prod", f"{TENANT}/overlays/{folder}")
    assert [parameter.owned for parameter in manifest.parameters] == [True]


def test_both_spellings_at_once_are_refused(tmp_path):
    """Which of them is released would be left to chance."""
    problem = refusal(write_tree(tmp_path, overlay("overlays/prod") | overlay("overlays/production")))
    assert "more than one overlay" in problem.what
    assert "overlays/prod," in problem.what
    assert "overlays/production" in problem.what


def test_an_unknown_environment_names_those_that_exist_the_nearest_first(tmp_path):
    """A typing error is seen at once."""
    root = write_tree(tmp_path, overlay("overlays/dev") | overlay("overlays/staging") | overlay("overlays/production"))
    problem = refusal(root, "stagin")
    assert "no overlay for the environment “stagin”" in problem.what
    assert "Overlays that exist: staging, " in problem.remedy
    assert "dev" in problem.remedy
    assert "production" in problem.remedy


def test_a_tenant_without_any_overlay(tmp_path):
    """Says how it gets one."""
    problem = refusal(write_tree(tmp_path, {"README.md": "nothing here"}))
    assert "no overlay at all" in problem.remedy
    assert "overlays/prod" in problem.remedy
    assert "secrets.yaml" in problem.remedy


def test_a_missing_tenant_names_the_nearest(tmp_path):
    """`shop` where `shpo` was asked for."""
    problem = refusal(write_tree(tmp_path, overlay("overlays/prod")), service="shpo")
    assert "no folder tenants/shpo" in problem.what
    assert "There is: shop." in problem.remedy


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_all_names_of_a_kustomization(tmp_path, name):
    """All three are legal."""
    files = {f"overlays/prod/{name}": kustomization("es.yaml"), "overlays/prod/es.yaml": external_secret()}
    assert len(judged(tmp_path, files).manifests[0].external_secrets) == 1


def test_overlays_need_not_lie_in_a_folder_of_that_name(tmp_path):
    """Then every folder counts that nothing builds on, but for bases and components."""
    files = {
        **overlay("envs/prod"),
        "envs/dev/kustomization.yaml": kustomization("../../shared"),
        **overlay("shared"),
        **overlay("base"),
        **overlay("components/extra"),
    }
    root = write_tree(tmp_path, files)
    assert {name: [folder.name for folder in each] for name, each in list_overlays(root / TENANT).items()} == {
        "dev": ["dev"],
        "prod": ["prod"],
    }


def test_services_are_the_folders_at_the_tenant_path(tmp_path):
    """Hidden folders and files are none."""
    for name in ("b/x", "a/x", ".github/x"):
        (tmp_path / "tenants" / name).mkdir(parents=True)
    (tmp_path / "tenants" / "README.md").write_text("x")
    assert list_services(tmp_path, "tenants/{service}") == ["a", "b"]
    assert list_services(tmp_path, "tenants/{service}/x") == ["a", "b"]
    assert list_services(tmp_path, "nowhere/{service}") == []


@pytest.mark.parametrize("link", [TENANT, f"{TENANT}/overlays"])
def test_a_tenant_or_its_overlays_behind_a_link_out_of_the_repository(tmp_path, link):
    """Nothing outside is judged, let alone released; and that is said."""
    write_tree(tmp_path / "elsewhere", overlay("overlays/prod"))
    (tmp_path / "repository" / link).parent.mkdir(parents=True)
    (tmp_path / "repository" / link).symlink_to(tmp_path / "elsewhere" / link)
    assert refusal(tmp_path / "repository").what.startswith(f"{link} is a link that leads outside of the repository")


def test_overlays_that_are_links_within_the_repository(tmp_path):
    """As when two environments are one."""
    root = write_tree(tmp_path, overlay("shared/prod"))
    (root / TENANT / "overlays").mkdir()
    (root / TENANT / "overlays" / "prod").symlink_to("../shared/prod")
    scope = Scope(SERVICE, "prod", "tenants/{service}", ParameterPath(TEMPLATE), "aws-parameter-store")
    judged_ = read_tenant(root, scope)
    assert [len(manifest.external_secrets) for manifest in judged_.manifests] == [1]
    assert judged_.findings == ()


def test_no_kustomize_is_one_clear_line(tmp_path, monkeypatch):
    """With how to get it, and of the run: it is not said again of every tenant."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError) as caught:
        find_kustomize()
    assert type(caught.value) is InputError
    (problem,) = caught.value.problems
    assert "Neither kustomize nor kubectl" in problem.what
    assert "Install kustomize" in problem.remedy
