"""Where tenants and overlays lie, and what is said where they do not."""

from dataclasses import replace

import pytest

from secret_action.errors import InputError, ManifestError
from secret_action.manifest.kustomize import find_kustomize
from secret_action.manifest.layout import holds_nothing, list_overlays, list_services
from secret_action.manifest.read import Scope, read_tenant
from secret_action.naming import ParameterPath
from tests.unit.manifest_samples import SERVICE, TEMPLATE, TENANT, external_secret, judged, kustomization, write_tree


def overlay(folder, *built_on):
    """An overlay with an ExternalSecret of its own, or on others."""
    listed = {f"{folder}/kustomization.yaml": kustomization(*(built_on or ["es.yaml"]))}
    return listed if built_on else listed | {f"{folder}/es.yaml": external_secret()}


def scope(environment, tenant_path="tenants/{service}"):
    """Of a release."""
    return Scope(SERVICE, environment, tenant_path, ParameterPath(TEMPLATE), "aws-parameter-store", True)


def refusal(root, environment="prod", service=SERVICE, tenant_path="tenants/{service}"):
    with pytest.raises(ManifestError) as caught:
        read_tenant(root, replace(scope(environment, tenant_path), service=service))
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


def names(root):
    """The overlays of the tenant, by environment."""
    tenant = root / TENANT
    return {
        environment: [folder.relative_to(tenant).as_posix() for folder in folders]
        for environment, folders in list_overlays(tenant).items()
    }


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (["overlays/dev/k", "overlays/prod/k"], {"dev": ["overlays/dev/k"], "prod": ["overlays/prod/k"]}),
        (["overlays/dev", "overlays/prod/a/eu"], {"dev": ["overlays/dev"], "prod": ["overlays/prod/a/eu"]}),
        (["overlays/eu/prod", "overlays/us/production"], {"prod": ["overlays/eu/prod", "overlays/us/production"]}),
        (["overlays/blue"], {"blue": ["overlays/blue"]}),
        (["overlays/blue/eu", "overlays/prod"], {"": ["overlays/blue/eu"], "prod": ["overlays/prod"]}),
        (["overlays/prod/test"], {"": ["overlays/prod/test"]}),
        (["envs/dev/k", "envs/prod/k"], {"dev": ["envs/dev/k"], "prod": ["envs/prod/k"]}),
        (["envs/blue", "envs/green"], {"blue": ["envs/blue"], "green": ["envs/green"]}),
        (["envs/blue/k", "envs/green/k"], {"": ["envs/blue/k", "envs/green/k"]}),
        (
            ["test/overlays/prod", "test/overlays/blue"],
            {"prod": ["test/overlays/prod"], "blue": ["test/overlays/blue"]},
        ),
        # No overlays: bases and components, by their names.
        (["overlays/prod", "overlays/base", "overlays/prod/components/x"], {"prod": ["overlays/prod"]}),
    ],
)
def test_the_environment_is_the_folder_on_the_path_that_names_one(tmp_path, folders, found):
    """Where that is none, or several, it is not guessed."""
    root = write_tree(tmp_path, {file: text for folder in folders for file, text in overlay(folder).items()})
    listed = {environment: sorted(each) for environment, each in sorted(names(root).items())}
    assert listed == dict(sorted(found.items()))


def test_secrets_yaml_knows_the_environments_of_a_tenant(tmp_path):
    """Then its names count, and not the usual ones."""
    files = overlay("overlays/blue/eu") | overlay("overlays/prod/test") | overlay("overlays/dev")
    root = write_tree(tmp_path, files | {"secrets.yaml": "version: 1\nenvironments: [blue, production]\n"})
    assert names(root) == {"blue": ["overlays/blue/eu"], "dev": ["overlays/dev"], "prod": ["overlays/prod/test"]}


def test_what_an_overlay_of_its_environment_builds_on_is_no_overlay_and_another_environments_is(tmp_path):
    """`overlays/prod/base` is a part of production; `envs/prod` stays one though staging builds on it."""
    files = overlay("overlays/prod/common") | overlay("overlays/prod/eu", "../common")
    files |= overlay("overlays/staging/eu", "../../prod/eu") | overlay("overlays/dev/itself", ".")
    assert names(write_tree(tmp_path / "a", files)) == {
        "dev": ["overlays/dev/itself"],
        "prod": ["overlays/prod/eu"],
        "staging": ["overlays/staging/eu"],
    }
    files = overlay("envs/prod") | overlay("envs/staging", "../prod")
    files["features/x/kustomization.yaml"] = kustomization(kind="Component")
    assert names(write_tree(tmp_path / "b", files)) == {"prod": ["envs/prod"], "staging": ["envs/staging"]}


@pytest.mark.parametrize("folder", ["dev", "prod", "production"])
def test_parts_of_an_overlay_are_no_overlays(tmp_path, folder):
    """Whichever way the environment is spelt."""
    top = f"overlays/{folder}"
    files = overlay(f"{top}/secrets", "../../../base/secrets") | overlay(f"{top}/app", "../../../base/app")
    files |= overlay("base/secrets") | overlay("base/app") | overlay(top, "secrets", "app")
    assert list(names(write_tree(tmp_path, files)).values()) == [[top]]


REGIONS = overlay("overlays/prod/eu") | overlay("overlays/prod/us") | overlay("overlays/dev")


def test_a_release_of_an_environment_with_several_overlays_needs_one_of_them_named(tmp_path):
    """Each may ask for other parameters."""
    root = write_tree(tmp_path, REGIONS)
    problem = refusal(root)
    assert "more than one overlay for the environment “prod”: tenants/shop/overlays/prod/eu, " in problem.what
    assert "tenant-path: tenants/shop/overlays/prod/eu" in problem.remedy
    for path in ("tenants/{service}/overlays/prod/us", "tenants/shop/overlays/prod/us"):
        (manifest,) = read_tenant(root, scope("prod", path)).manifests
        assert (manifest.environment, manifest.overlay) == ("prod", f"{TENANT}/overlays/prod/us")
        assert manifest.beside == (f"{TENANT}/overlays/prod/eu",)
    problem = refusal(root, "dev", tenant_path="tenants/{service}/overlays/prod/us")
    assert "no overlay for the environment “dev”" in problem.what
    assert "Overlays that exist: overlays/prod/us." in problem.remedy


def test_an_overlay_that_is_named_has_the_tenants_definitions(tmp_path):
    """`secrets.yaml` lies in the tenant's folder, not in each overlay's."""
    definitions = {"secrets.yaml": "version: 1\nparameters: {url: {encoding: base64}}\n"}
    root = write_tree(tmp_path, REGIONS | definitions)
    (manifest,) = read_tenant(root, scope("prod", "tenants/{service}/overlays/prod/eu")).manifests
    assert [parameter.encoding for parameter in manifest.parameters] == ["base64"]


def test_a_tenant_that_lies_deeper_is_not_taken_for_an_overlay(tmp_path):
    """Though it has a kustomization, which an aggregate may build on."""
    root = write_tree(tmp_path, overlay("live") | overlay("live/overlays/prod") | overlay("deploy"))
    (manifest,) = read_tenant(root, scope("prod", "tenants/{service}/live")).manifests
    assert manifest.overlay == f"{TENANT}/live/overlays/prod"
    assert "no overlay" in refusal(root, tenant_path="tenants/{service}/deploy").what


def test_the_folder_of_an_environments_name_is_its_overlay_whatever_lies_below(tmp_path):
    """All of them are judged in a pull request."""
    root = write_tree(tmp_path, overlay("overlays/prod") | overlay("overlays/prod/canary", ".."))
    (manifest,) = read_tenant(root, scope("prod")).manifests
    assert manifest.overlay == f"{TENANT}/overlays/prod"
    for environment in ("", "prod"):
        found = read_tenant(root, replace(scope(environment), in_release=False)).manifests
        assert [each.overlay for each in found] == [f"{TENANT}/overlays/prod", f"{TENANT}/overlays/prod/canary"]


def test_an_overlay_whose_environment_cannot_be_told_is_never_passed_over_in_silence(tmp_path):
    """Neither in a pull request nor in a release."""
    root = write_tree(tmp_path, overlay("overlays/blue/eu"))
    (finding,) = read_tenant(root, replace(scope(""), in_release=False)).findings
    assert finding.rule == "overlay-missing"
    assert "overlays/blue/eu is for cannot be told" in finding.message
    problem = refusal(root, "blue")
    assert problem.remedy.startswith(
        "Of overlays/blue/eu the environment cannot be told: list the `environments` in secrets.yaml. "
    )


def test_both_spellings_at_once_are_told_in_a_pull_request(tmp_path):
    """Since a release refuses them."""
    files = overlay("overlays/prod/eu") | overlay("overlays/production/eu") | overlay("overlays/prod/us")
    (finding,) = judged(tmp_path, files, "").findings
    assert finding.rule == "overlay-missing"
    assert finding.message.startswith(f"{TENANT}/overlays/prod/eu and {TENANT}/overlays/production/eu are overlays of")


def test_services_are_the_folders_at_the_tenant_path(tmp_path):
    """Hidden folders and files are none."""
    for name in ("b/x", "a/x", ".github/x"):
        (tmp_path / "tenants" / name).mkdir(parents=True)
    (tmp_path / "tenants" / "README.md").write_text("x")
    assert list_services(tmp_path, "tenants/{service}") == ["a", "b"]
    assert list_services(tmp_path, "tenants/{service}/x") == ["a", "b"]
    assert list_services(tmp_path, "nowhere/{service}") == []


COMPONENT = kustomization("es.yaml", kind="Component")


@pytest.mark.parametrize(
    ("files", "nothing"),
    [
        ({"README.md": "apiVersion: v1\nkind: ExternalSecret\n", ".github/es.yaml": external_secret()}, True),
        ({"notes/values.yaml": "a: 1\n"}, True),
        ({"components/x/kustomization.yaml": COMPONENT, "components/x/more/es.yaml": external_secret()}, True),
        # What a tenant is made of, or might be.
        ({"components/x/kustomization.yaml": COMPONENT, "components/y/kustomization.yaml": kustomization()}, False),
        ({"components/x/kustomization.yaml": COMPONENT, "components/x/y/Kustomization": kustomization()}, False),
        ({"components/x/kustomization.yaml": COMPONENT, "components/es.yaml": external_secret()}, False),
        ({"a/b/c/d/e/kustomization.yml": kustomization()}, False),
        ({"base/kustomization.yaml": "- unreadable: ["}, False),
        ({"db.yml": external_secret()}, False),
        ({"secrets.yaml": ""}, False),
        ({"overlays/README.md": ""}, False),
    ],
)
def test_a_folder_that_is_no_tenant_is_known_by_having_nothing_of_one(tmp_path, files, nothing):
    """Notes, and components that tenants share; a tenant that is not whole is an error, and not passed over."""
    assert holds_nothing(write_tree(tmp_path, files), "tenants/{service}", SERVICE) is nothing


def test_a_link_may_lead_to_what_a_tenant_is_made_of(tmp_path):
    """And one that cannot be read may be it."""
    root = write_tree(tmp_path, overlay("notes/x"))
    (root / "tenants/linked").mkdir()
    assert holds_nothing(root, "tenants/{service}", "linked")
    (root / "tenants/linked/prod").symlink_to(root / TENANT)
    assert not holds_nothing(root, "tenants/{service}", "linked")
    (root / "tenants/odd").mkdir()
    (root / "tenants/odd/es.yaml").symlink_to("nowhere.yaml")
    assert not holds_nothing(root, "tenants/{service}", "odd")


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
