"""Silencing: what a tenant chooses to live with, what it cannot, and what its choices do not do."""

import pytest
import yaml

from secret_action.model import Severity
from tests.unit.manifest_samples import (
    WAITING,
    claim,
    entry,
    external_secret,
    judged,
    kustomization,
    one_overlay,
    other,
    overlays,
    patched,
)

FOREIGN = external_secret(labels={}, data=[entry("JWKS", "/zerotouch/prod/zerotouch-platform/jwks_url")])
"""Breaks label-missing, as a warning."""


def ignoring(*entries):
    """`secrets.yaml` with these entries: rule, what is covered."""
    ignore = [{"rule": rule, "covers": covers, "reason": "agreed in June"} for rule, covers in entries]
    return {"secrets.yaml": yaml.safe_dump({"version": 1, "ignore": ignore})}


def annotated(text, rule, reason):
    resource = yaml.safe_load(text)
    resource["metadata"]["annotations"] = {f"ignore.zerotouch.io/{rule}": reason}
    return yaml.safe_dump(resource, sort_keys=False)


def told(result):
    return [finding.rule for finding in result.findings]


@pytest.mark.parametrize(
    "covers", ["db", "d*", "*", "tenants/shop/overlays/prod/es.yaml", "prod", "tenants/shop/overlays/*"]
)
def test_an_entry_covers_a_name_a_file_or_an_environment(tmp_path, covers):
    """With `*` for any characters."""
    result = judged(tmp_path, one_overlay(FOREIGN) | ignoring(("label-missing", covers)), "")
    assert told(result) == []
    (silenced,) = result.silenced
    assert silenced.finding.rule == "label-missing"
    assert silenced.reason == "agreed in June"
    assert silenced.where.file == "tenants/shop/secrets.yaml"
    assert silenced.where.line


@pytest.mark.parametrize("covers", ["key", "URL", "/zerotouch/prod/shop/Url"])
def test_an_entry_covers_a_key_or_a_path(tmp_path, covers):
    """As the finding names them."""
    tree = one_overlay(external_secret(data=[entry("URL", "/zerotouch/prod/shop/Url")]))
    result = judged(tmp_path, tree | ignoring(("key-not-normalised", covers)), "")
    expected = ["key-not-normalised", "unused-ignore"] if covers == "key" else []
    assert told(result) == expected


def test_an_annotation_covers_its_own_external_secret_alone(tmp_path):
    """The reason is its text, and the place its line."""
    jwks = FOREIGN.replace("name: db", "name: jwks")
    result = judged(tmp_path, one_overlay(annotated(FOREIGN, "label-missing", "agreed\n  in June"), jwks), "")
    assert [finding.about[0] for finding in result.findings] == ["jwks"]
    (silenced,) = result.silenced
    assert (silenced.finding.about[0], silenced.reason) == ("db", "agreed in June")
    lines = (tmp_path / silenced.where.file).read_text().splitlines()
    assert "ignore.zerotouch.io" in lines[silenced.where.line - 1]


def test_an_annotation_silences_also_where_another_store_is_read(tmp_path):
    """It is on the ExternalSecret that the finding is about, whosever store it names."""
    vault = external_secret("mail", secretStoreRef={"name": "vault"}, data=[entry("URL", "kv/mail")])
    result = judged(tmp_path, one_overlay(external_secret(), annotated(vault, "store-unknown", "moves in June")), "")
    assert told(result) == []
    assert len(result.silenced) == 1


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("wrong-environment", "/zerotouch/dev/shop/url"),
        ("placeholder-left", "/zerotouch/_ENV_/shop/url"),
        ("placeholder-left", "/zerotouch/${ENV}/shop/url"),
        ("placeholder-left", "REPLACE_ME"),
    ],
)
def test_what_concerns_owned_keys_cannot_be_silenced(tmp_path, rule, path):
    """And the attempt is told."""
    text = annotated(external_secret(data=[entry("URL", path)]), rule, "later")
    result = judged(tmp_path, one_overlay(text) | ignoring((rule, "db")), "")
    assert told(result) == [rule, "unused-ignore", "unused-ignore"]
    assert result.silenced == ()
    assert all("cannot be silenced" in finding.message for finding in result.findings[1:])


@pytest.mark.parametrize(
    ("rule", "path"),
    [("wrong-environment", "/zerotouch/dev/other/url"), ("placeholder-left", "/zerotouch/_ENV_/other/url")],
)
def test_the_same_for_another_services_parameter_can_be(tmp_path, rule, path):
    """It is never written."""
    tree = one_overlay(external_secret(data=[entry("URL", path)]))
    assert told(judged(tmp_path, tree | ignoring((rule, "db")), "")) == []


def test_a_firm_finding_is_told_where_what_explains_it_is_silenced(tmp_path):
    """Nobody can hide a placeholder behind a milder rule."""
    tree = overlays(WAITING, "prod")
    assert told(judged(tmp_path, tree, "")) == ["overlay-missing"]
    silenced = judged(tmp_path, tree | ignoring(("overlay-missing", "db")), "")
    assert told(silenced) == ["placeholder-left"]


def test_in_a_release_the_error_is_not_hidden_behind_the_warning_that_explains_it(tmp_path):
    """`overlay-missing` is a warning there; the key with the placeholder must stop it."""
    findings = judged(tmp_path, overlays(WAITING, "prod"), "prod", in_release=True).findings
    assert [(each.rule, each.severity) for each in findings] == [
        ("placeholder-left", Severity.ERROR),
        ("overlay-missing", Severity.WARNING),
    ]


@pytest.mark.parametrize(
    ("rule", "covers", "says"),
    [
        ("label-missing", "nothing-here", "there is nothing that it silences"),
        ("label-mising", "db", "there is no such rule"),
        ("path-mismatch", "db", "there is nothing that it silences"),
    ],
)
def test_an_entry_that_does_nothing_is_a_notice(tmp_path, rule, covers, says):
    """At its line."""
    result = judged(tmp_path, one_overlay(FOREIGN) | ignoring((rule, covers)), "")
    assert told(result) == ["label-missing", "unused-ignore"]
    notice = result.findings[1]
    assert notice.severity is Severity.NOTICE
    assert notice.where.file == "tenants/shop/secrets.yaml"
    assert notice.where.line
    assert says in notice.message
    if rule == "label-mising":
        assert "Did you mean label-missing?" in notice.remedy


@pytest.mark.parametrize("reason", ["", "  ", None, 7])
def test_an_annotation_without_a_reason_silences_nothing(tmp_path, reason):
    """The reason is what the next reader needs."""
    text = annotated(FOREIGN, "label-missing", "REASON").replace(
        "REASON", {None: "", 7: "''"}.get(reason, f"'{reason}'")
    )
    result = judged(tmp_path, one_overlay(text), "")
    assert told(result) == ["label-missing", "unused-ignore"]
    assert "gives no reason" in result.findings[1].message


@pytest.mark.parametrize("names", [("db",), ("mail", "db")])
def test_an_annotation_silences_no_finding_that_is_about_more_than_its_own(tmp_path, names):
    """Wherever the ExternalSecret stands among those that are named; the notice says what does."""
    old = [
        external_secret(name, data=[entry("URL", f"/zerotouch/prod/shop/{name}")]).replace("/v1\n", "/v1beta1\n")
        for name in names
    ]
    old[-1] = annotated(old[-1], "api-version-retired", "the cluster is upgraded in June")
    result = judged(tmp_path, one_overlay(*old), "")
    assert told(result) == ["api-version-retired", "unused-ignore"]
    assert "`ignore` in secrets.yaml" in result.findings[1].remedy
    silenced = judged(tmp_path, one_overlay(*old) | ignoring(("api-version-retired", "db")), "")
    assert told(silenced) == ["unused-ignore"]


def test_an_annotation_is_for_an_external_secret_and_not_for_the_secret_of_its_name(tmp_path):
    """A value in Git stays one."""
    secret = other("v1", "Secret", "db", stringData={"PASSWORD": "hunter2"})
    result = judged(tmp_path, one_overlay(annotated(external_secret(), "value-in-git", "it is none"), secret), "")
    assert told(result) == ["value-in-git", "unused-ignore"]


def test_what_is_not_rendered_is_not_taken_for_judged(tmp_path):
    """A tenant may choose to live with it, but its overlay says nothing then, and not that it has no secrets."""
    tree = {"overlays/prod/kustomization.yaml": kustomization("missing.yaml")}
    result = judged(tmp_path, tree | ignoring(("does-not-render", "prod")), "")
    assert told(result) == []
    assert [manifest.rendered for manifest in result.manifests] == [False]


def test_a_choice_is_used_as_long_as_one_overlay_needs_it(tmp_path):
    """It is told as unused only where all overlays were judged, and none has it."""
    tree = {
        "overlays/dev/kustomization.yaml": kustomization("es.yaml"),
        "overlays/dev/es.yaml": external_secret(data=[entry("URL", "/zerotouch/dev/shop/url")]),
        "overlays/prod/kustomization.yaml": kustomization("es.yaml"),
        "overlays/prod/es.yaml": external_secret(labels={}),
    } | ignoring(("label-missing", "db"))
    assert told(judged(tmp_path, tree, "")) == []
    assert told(judged(tmp_path, tree, "dev")) == []
    assert told(judged(tmp_path, tree, "prod")) == []


def test_one_mistake_in_a_base_is_one_finding(tmp_path):
    """However many overlays build on it; it names none of them."""
    base = external_secret(labels={}, data=[entry("URL", "/zerotouch/_ENV_/shop/url")])
    tree = overlays(base, "dev", "prod", dev=patched("dev"), prod=patched("prod"))
    (finding,) = judged(tmp_path, tree, "").findings
    assert (finding.rule, finding.overlay) == ("label-missing", "")


def test_a_rule_that_compares_speaks_in_the_place_of_the_same_words_on_one_overlay(tmp_path):
    """One Secret that one deployment forgot is one finding, the worse one."""
    tree = overlays(WAITING, "dev", "prod", deployed=claim("db"), dev=patched("dev"), prod=patched("prod"))
    tree["overlays/prod/deployment.yaml"] = claim()
    (finding,) = judged(tmp_path, tree, "").findings
    assert (finding.rule, finding.severity) == ("not-consumed", Severity.ERROR)
    (alone,) = judged(tmp_path, {}, "prod").findings
    assert (alone.rule, alone.severity) == ("not-consumed", Severity.WARNING)
