"""Entries that ask for no parameter: where they are found, and that no run ever asks for one in their place."""

import pytest

from tests.unit.manifest_samples import (
    CA,
    GENERATED,
    PASSWORD,
    PATCH,
    URL,
    WAITING,
    base_and_patch,
    cluster_external_secret,
    entry,
    external_secret,
    judged,
    one_overlay,
    patch,
    searching,
)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (entry("CA", ""), "key: ''"),
        (entry("CA", None), "key: null"),
        ({"secretKey": "CA", "remoteRef": {}}, "remoteRef: {}"),
        ({"secretKey": "CA", "remotRef": {"key": URL}}, "secretKey: CA"),
    ],
)
def test_an_entry_without_a_key_is_found_in_its_own_line(tmp_path, wrong, line):
    """And only by the rule that says so: it is not lost."""
    (finding,) = judged(tmp_path, base_and_patch(WAITING, patch(entry("URL", URL), wrong))).findings
    assert (finding.rule, finding.where.file) == ("placeholder-left", PATCH)
    assert line in (tmp_path / PATCH).read_text().splitlines()[finding.where.line - 1]
    assert "/zerotouch/prod/shop/ca" in finding.remedy


def test_the_suggestion_comes_from_the_base(tmp_path):
    """It may call the parameter otherwise than the Secret calls its key."""
    base = external_secret(data=[entry("URL", "/zerotouch/_ENV_/shop/database_url")])
    (finding,) = judged(tmp_path, base_and_patch(base, patch(entry("URL", None)))).findings
    assert "/zerotouch/prod/shop/database_url" in finding.remedy


@pytest.mark.parametrize(
    "external",
    [
        one_overlay(external_secret(data=[entry("A", URL), entry("B", ""), entry("C", None), {"secretKey": "D"}])),
        one_overlay(external_secret(dataFrom=[{"find": {"path": "/zerotouch/prod/shop"}}])),
        one_overlay(
            external_secret(data=[entry("A", URL), entry("B", CA) | {"sourceRef": {"storeRef": {"name": "vault"}}}])
        ),
    ],
)
def test_what_asks_for_no_parameter_is_never_planned(tmp_path, external):
    """Whatever becomes of the finding."""
    (manifest,) = judged(tmp_path, external).manifests
    assert [parameter.path for parameter in manifest.parameters] == [URL]


def test_a_search_alone_makes_no_parameter(tmp_path):
    """Its path is a folder."""
    (manifest,) = judged(tmp_path, searching("/zerotouch/prod/shop")).manifests
    assert manifest.parameters == ()
    assert len(manifest.external_secrets) == 1


@pytest.mark.parametrize("store", ["aws-parameter-store", None])
def test_what_comes_of_generators_alone_is_no_runs_affair(tmp_path, store):
    """A refresh would make another password; that a store is named beside it says nothing."""
    made = external_secret("made", labels={}, data=[], dataFrom=[PASSWORD], secretStoreRef=store and {"name": store})
    result = judged(tmp_path, one_overlay(external_secret(), GENERATED.replace("name: db", "name: once"), made), "")
    assert result.findings == ()
    (manifest,) = result.manifests
    assert [each.name for each in manifest.external_secrets] == ["db"]


def test_one_that_also_reads_the_store_is_ours(tmp_path):
    """Whatever generators are named beside it."""
    mixed = external_secret(labels={}, refreshInterval="0", dataFrom=[PASSWORD])
    result = judged(tmp_path, one_overlay(mixed), "")
    assert {found.rule for found in result.findings} == {"label-missing", "never-refreshes"}
    (manifest,) = result.manifests
    assert [each.name for each in manifest.external_secrets] == ["db"]


def test_what_a_cluster_external_secret_makes_is_no_runs_affair(tmp_path):
    """It is made in other namespaces, and may have the name of one that is refreshed."""
    result = judged(tmp_path, one_overlay(cluster_external_secret(URL)))
    assert result.findings == ()
    (manifest,) = result.manifests
    assert (manifest.external_secrets, manifest.parameters) == ((), ())


@pytest.mark.parametrize("path", ["", "shop/url", "/zerotouch/prod/shop/Url", "/zerotouch/dev/shop/url"])
def test_its_keys_are_judged_where_they_are_written(tmp_path, path):
    """By every rule that judges keys."""
    (finding,) = judged(tmp_path, one_overlay(cluster_external_secret(path))).findings
    line = (tmp_path / finding.where.file).read_text().splitlines()[finding.where.line - 1]
    assert line.endswith(f"key: {path}" if path else "key: ''")


def test_the_list_of_keys_of_an_old_version_asks_for_them(tmp_path):
    """`dataFrom: [{key: …}]`; the versions after it know no such field, and read nothing."""
    old = external_secret(data=[], dataFrom=[{"key": URL}])
    (manifest,) = judged(tmp_path, one_overlay(old.replace("/v1\n", "/v1alpha1\n"))).manifests
    assert [parameter.path for parameter in manifest.parameters] == [URL]
    new = judged(tmp_path, one_overlay(old))
    assert [finding.rule for finding in new.findings] == ["placeholder-left"]
    assert new.manifests[0].parameters == ()
