"""Overlays whose folder does not bear an environment's name: their keys say which one they are for."""

from dataclasses import replace

import pytest

from secret_action.errors import ManifestError
from secret_action.manifest.read import Reading, Scope, read_tenant
from secret_action.manifest.renders import Renders
from secret_action.naming import ParameterPath
from tests.unit.manifest_samples import (
    SERVICE,
    TEMPLATE,
    TENANT,
    WAITING,
    entry,
    external_secret,
    judged,
    judged_again,
    kustomization,
    patched,
    write_tree,
)

LISTED = {"secrets.yaml": "version: 1\nenvironments: [dev, staging, production]\n"}


def overlay(folder, *environments, service=SERVICE):
    """An overlay with an entry for each of these environments."""
    data = [entry(f"K{n}", f"/zerotouch/{each}/{service}/k{n}") for n, each in enumerate(environments)]
    return {f"{folder}/kustomization.yaml": kustomization("es.yaml"), f"{folder}/es.yaml": external_secret(data=data)}


def on(folder, *built_on, environment="", **fields):
    """An overlay on others, and a patch with an environment."""
    files = {f"{folder}/patch.yaml": patched(environment)} if environment else {}
    listed = {"patches": [{"path": "patch.yaml"}]} if environment else {}
    return files | {f"{folder}/kustomization.yaml": kustomization(*built_on, **listed, **fields)}


BASE = {"base/kustomization.yaml": kustomization("es.yaml"), "base/es.yaml": WAITING}


def environments(result):
    """Overlays, below the tenant, with their environments."""
    return {each.overlay.removeprefix(f"{TENANT}/"): each.environment for each in result.manifests}


def told(result):
    """What each finding says is to be done, by its rule."""
    return [(each.rule, each.remedy) for each in result.findings]


def scope(environment, tenant_path="tenants/{service}"):
    """Of a release."""
    return Scope(SERVICE, environment, tenant_path, ParameterPath(TEMPLATE), "aws-parameter-store", True)


def refusal(root, environment, tenant_path="tenants/{service}"):
    """Why a release is refused."""
    with pytest.raises(ManifestError) as caught:
        read_tenant(root, scope(environment, tenant_path))
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("folder", "said", "environment"),
    [
        ("overlays/prod-eu", ["prod"], "prod"),
        ("overlays/eu_production", ["prod"], "prod"),
        ("overlays/prod.eu", ["prod", "prod"], "prod"),
        ("clusters/production-cluster", ["prod"], "prod"),
        ("clusters/production-cluster/app", ["prod"], "prod"),
        ("clusters/pr-cluster", ["pr"], "pr"),
        # Environments of their own.
        ("overlays/prod-eu", ["prod-eu"], "prod-eu"),
        ("overlays/pr-123", ["pr-123"], "pr-123"),
        ("overlays/qa", ["qa"], "qa"),
        ("overlays/blue", ["blue"], "blue"),
    ],
)
def test_keys_say_which_environment_an_overlay_is_for(tmp_path, folder, said, environment):
    """Where its name has the environment as a word; and nothing is wrong with it."""
    result = judged(tmp_path, overlay(folder, *said), "")
    assert environments(result) == {folder: environment}
    assert [parameter.owned for parameter in result.manifests[0].parameters] == [True] * len(said)
    assert told(result) == []


@pytest.mark.parametrize(
    ("folder", "said", "environment", "wrong"),
    [
        ("overlays/prod", ["dev"], "prod", ["/zerotouch/prod/shop/k0"]),
        ("overlays/prod", ["prod-eu"], "prod", ["/zerotouch/prod/shop/k0"]),
        ("overlays/prod-eu", ["dev", "prod"], "prod", ["/zerotouch/prod/shop/k0"]),
        ("clusters/production-cluster", ["dev", "prod"], "prod", ["/zerotouch/prod/shop/k0"]),
        ("overlays/prod-eu", ["prod-eu", "prod"], "prod-eu", ["/zerotouch/prod-eu/shop/k1"]),
        ("overlays/prod-eu", ["dev"], "prod-eu", ["/zerotouch/prod-eu/shop/k0"]),
        ("overlays/pr-123", ["dev"], "pr-123", ["/zerotouch/pr-123/shop/k0"]),
        ("overlays/blue", ["prod"], "blue", ["/zerotouch/blue/shop/k0"]),
        # Anything but prod, or two environments.
        ("overlays/non-prod", ["prod"], "non-prod", ["/zerotouch/non-prod/shop/k0"]),
        ("overlays/pre-prod", ["prod"], "pre-prod", ["/zerotouch/pre-prod/shop/k0"]),
    ],
)
def test_a_key_of_another_environment_stays_a_mistake(tmp_path, folder, said, environment, wrong):
    """Whatever the folder is called."""
    result = judged(tmp_path, overlay(folder, *said), "")
    assert environments(result) == {folder: environment}
    assert told(result) == [("wrong-environment", f"Write key: {path}") for path in wrong]


def test_the_platforms_parameters_say_it_where_a_service_has_none_of_its_own(tmp_path):
    """Else they do not count: an environment of its own may well read production's."""
    shared = overlay("overlays/prod-eu", "prod", service="platform")
    assert environments(judged(tmp_path / "a", shared, "")) == {"overlays/prod-eu": "prod"}
    both = [entry("A", "/zerotouch/prod-eu/shop/a"), entry("B", "/zerotouch/prod/platform/b")]
    result = judged(tmp_path / "b", shared | {"overlays/prod-eu/es.yaml": external_secret(data=both)}, "")
    assert environments(result) == {"overlays/prod-eu": "prod-eu"}


def test_environments_that_secrets_yaml_lists_are_known(tmp_path):
    """As words, by which none is missing then; and as names, which are that environment whatever the keys say."""
    files = overlay("clusters/dev-cluster", "dev") | overlay("clusters/production-cluster", "prod")
    result = judged(tmp_path / "a", files | overlay("clusters/staging-cluster", "staging") | LISTED, "")
    assert (sorted(environments(result).values()), told(result)) == (["dev", "prod", "staging"], [])
    (finding,) = judged(tmp_path / "b", files | LISTED, "").findings
    assert "Add tenants/shop/clusters/staging-cluster (a copy of another overlay" in finding.remedy
    listed = {"secrets.yaml": "version: 1\nenvironments: [blue]\n"}
    assert environments(judged(tmp_path / "c", overlay("overlays/blue-eu", "blue") | listed, "")) == {
        "overlays/blue-eu": "blue"
    }
    listed = {"secrets.yaml": "version: 1\nenvironments: [prod-eu]\n"}
    assert told(judged(tmp_path / "d", overlay("overlays/prod-eu", "prod") | listed, "")) == [
        ("wrong-environment", "Write key: /zerotouch/prod-eu/shop/k0")
    ]


def test_a_copy_that_still_says_its_originals_environment_is_judged_as_its_neighbours_are(tmp_path):
    """So that what mends it is right. A preview environment keeps its name."""
    files = overlay("overlays/dev-cluster", "dev") | overlay("overlays/production-cluster", "dev")
    result = judged(tmp_path, files | overlay("overlays/pr-7", "dev"), "")
    assert environments(result) == {
        "overlays/dev-cluster": "dev",
        "overlays/pr-7": "pr-7",
        "overlays/production-cluster": "prod",
    }
    assert told(result) == [
        ("wrong-environment", "Write key: /zerotouch/pr-7/shop/k0"),
        ("wrong-environment", "Write key: /zerotouch/prod/shop/k0"),
    ]


# --- which one a run takes ---


@pytest.mark.parametrize("folder", ["overlays/prod-eu", "clusters/production-cluster"])
@pytest.mark.parametrize("environment", ["prod", "production"])
def test_a_release_takes_the_only_overlay_of_its_environment(tmp_path, folder, environment):
    """Though it is called otherwise."""
    root = write_tree(tmp_path, overlay(folder, "prod") | overlay(folder.replace("prod", "non-prod"), "dev"))
    for in_release in (True, False):
        result = read_tenant(root, replace(scope(environment), in_release=in_release))
        assert (environments(result), told(result)) == ({folder: "prod"}, [])


@pytest.mark.parametrize("parent", ["overlays", "clusters"])
def test_of_several_one_is_named(tmp_path, parent):
    """Each may ask for other parameters."""
    eu, us = f"{parent}/prod-eu", f"{parent}/prod-us"
    root = write_tree(tmp_path, overlay(eu, "prod") | overlay(us, "prod") | overlay(f"{parent}/dev", "dev"))
    problem = refusal(root, "prod")
    assert f"more than one overlay for the environment “prod”: {TENANT}/{eu}, {TENANT}/{us}" in problem.what
    assert f"tenant-path: {TENANT}/{eu}" in problem.remedy
    result = read_tenant(root, scope("prod", f"tenants/{{service}}/{us}"))
    assert environments(result) == {us: "prod"}
    assert result.manifests[0].beside == (f"{TENANT}/{eu}",)
    assert "no overlay for the environment “dev”" in refusal(root, "dev", f"tenants/{{service}}/{us}").what


def test_a_folder_of_the_environments_name_comes_first(tmp_path):
    """Those beside it are known, since they may read the same parameters; one of its own environment is not there."""
    files = (
        overlay("overlays/prod", "prod") | overlay("overlays/prod-eu", "prod") | overlay("overlays/prod-us", "prod-us")
    )
    (manifest,) = read_tenant(write_tree(tmp_path, files), scope("prod")).manifests
    assert manifest.overlay == f"{TENANT}/overlays/prod"
    assert manifest.beside == (f"{TENANT}/overlays/prod-eu",)


def test_an_environment_that_the_run_names_is_known(tmp_path):
    """Its folder is that environment's, so that keys of another one stop the release."""
    result = read_tenant(write_tree(tmp_path, overlay("overlays/prod-eu", "prod")), scope("prod-eu"))
    assert environments(result) == {"overlays/prod-eu": "prod-eu"}
    assert told(result) == [("wrong-environment", "Write key: /zerotouch/prod-eu/shop/k0")]


def test_one_that_does_not_render_is_said_to(tmp_path):
    """It is not that there is none."""
    root = write_tree(tmp_path, {"overlays/prod-eu/kustomization.yaml": kustomization("missing.yaml")})
    for environment in ("prod", ""):
        result = read_tenant(root, replace(scope(environment), in_release=bool(environment)))
        assert [each.rule for each in result.findings] == ["does-not-render"]


def test_what_is_judged_beside_a_release_is_settled_too(tmp_path):
    """Neighbours are rendered later, and must not look wrong then."""
    root = write_tree(tmp_path, overlay("overlays/prod", "prod") | overlay("overlays/dev-eu", "dev"))
    renders = Renders(root)
    try:
        reading = Reading(root, scope("prod"), renders)
        assert environments(reading.judged()) == {"overlays/prod": "prod"}
        everything = reading.everything()
    finally:
        renders.close()
    assert environments(everything) == {"overlays/dev-eu": "dev", "overlays/prod": "prod"}
    assert told(everything) == []


# --- layers among the overlays ---

LAYERED = (
    BASE
    | on("overlays/nonprod", "../../base")
    | on("overlays/dev", "../nonprod", environment="dev")
    | on("overlays/staging", "../nonprod", environment="staging")
)


@pytest.mark.parametrize("environment", ["", "dev"])
def test_what_overlays_build_on_is_a_layer_where_it_is_no_environment(tmp_path, environment):
    """It has no keys to be right or wrong: those who build on it have."""
    result = judged(tmp_path, LAYERED, environment)
    assert set(environments(result).values()) == ({environment} if environment else {"dev", "staging"})
    assert told(result) == []


def test_a_layer_may_have_an_environment_as_a_word_of_its_name(tmp_path):
    """`dev-common` is no third overlay of dev, be it a kustomization or a component."""
    files = BASE | on("overlays/dev-common", "../../base")
    files |= on("overlays/dev-eu", "../dev-common", environment="dev")
    files |= on("overlays/dev-us", "../dev-common", environment="dev")
    found = {"overlays/dev-eu": "dev", "overlays/dev-us": "dev"}
    result = judged(tmp_path / "a", files, "")
    assert (environments(result), told(result)) == (found, [])
    component = {"components": ["../dev-common"]}
    files = overlay("overlays/dev-common") | on("overlays/dev-eu", **component) | on("overlays/dev-us", **component)
    files["overlays/dev-common/kustomization.yaml"] = kustomization("es.yaml", kind="Component")
    files["overlays/dev-common/es.yaml"] = external_secret(data=[entry("URL", "/zerotouch/dev/shop/url")])
    assert environments(judged(tmp_path / "b", files, "")) == found


def test_a_promotion_chain_is_overlays_all_the_way(tmp_path):
    """Staging is an environment, though production builds on it; so is one whose keys are all its own."""
    files = BASE | on("overlays/staging", "../../base", environment="staging")
    files |= on("overlays/production", "../staging", environment="prod")
    assert set(environments(judged(tmp_path / "a", files, "")).values()) == {"prod", "staging"}
    files = BASE | on("overlays/blue", "../../base", environment="blue")
    files |= on("overlays/green", "../blue", environment="green")
    assert set(environments(judged(tmp_path / "b", files, "")).values()) == {"blue", "green"}


def test_a_layer_that_is_named_is_an_overlay(tmp_path):
    """By `secrets.yaml`, by the run's environment or by its path; it lacks its patch then."""
    root = write_tree(tmp_path, LAYERED)
    for environment, path in (("nonprod", "tenants/{service}"), ("", "tenants/{service}/overlays/nonprod")):
        result = read_tenant(root, replace(scope(environment, path), in_release=False))
        assert environments(result) == {"overlays/nonprod": "nonprod"}
        assert [each.rule for each in result.findings] == ["overlay-missing"]
    write_tree(tmp_path, {"secrets.yaml": "version: 1\nenvironments: [dev, nonprod]\n"})
    assert "overlays/nonprod" in environments(judged_again(tmp_path))


def test_layers_that_build_on_each_other_are_not_passed_over(tmp_path):
    """Neither renders, and nothing else would say so."""
    result = judged(tmp_path, on("overlays/blue", "../green") | on("overlays/green", "../blue"), "")
    assert [each.rule for each in result.findings] == ["does-not-render"] * 2
