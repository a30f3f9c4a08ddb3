"""Each rule: the smallest tree that breaks it, and one that is right though it looks wrong."""

import pytest

from secret_action.manifest.rules import all_rules
from secret_action.model import Severity
from tests.unit.manifest_samples import entry, external_secret, judged, kustomization, one_overlay

URL = "/zerotouch/prod/shop/url"


def reading(path, **remote):
    return one_overlay(external_secret(data=[entry("URL", path, **remote)]))


def base_and_patch(base, patch, **fields):
    """A base, and an overlay that patches it."""
    return {
        "base/kustomization.yaml": kustomization("es.yaml"),
        "base/es.yaml": base,
        "overlays/prod/kustomization.yaml": kustomization("../../base", patches=[{"path": "patch.yaml"}], **fields),
        "overlays/prod/patch.yaml": patch,
    }


def only_data(*data, name="db"):
    """A strategic-merge patch of the list."""
    return external_secret(name, data=list(data)).replace("  labels:\n    zerotouch.io/managed: 'true'\n", "")


TWO_KEYS = external_secret(data=[entry("URL", "/zerotouch/_ENV_/shop/url"), entry("CA", "/zerotouch/_ENV_/shop/ca")])
EXTRACT = [{"extract": {"key": URL}}]

BROKEN = {
    "placeholder-left": [
        reading("/zerotouch/_ENV_/shop/url"),
        one_overlay(external_secret(data=[], dataFrom=[{"extract": {"key": "/zerotouch/_ENV_/shop/url"}}])),
    ],
    "wrong-environment": [reading("/zerotouch/dev/shop/url"), reading("/zerotouch/production/shop/url")],
    "path-mismatch": [
        reading("shop/url"),
        reading("/zerotouch/prod/shop/deep/url"),
        reading("/zerotouch/prod/shop/"),
        reading(" /zerotouch/prod/shop/url"),
        reading(""),
        reading(7),
        reading(None),
    ],
    "key-not-normalised": [
        reading("/zerotouch/prod/shop/URL"),
        reading("/zerotouch/prod/shop/data-url"),
        reading("/zerotouch/prod/shop/url\n"),
    ],
    "label-missing": [
        one_overlay(external_secret(labels={})),
        one_overlay(external_secret(labels={"zerotouch.io/managed": "True"})),
        one_overlay(external_secret(labels={"zerotouch.io/managed": "false"})),
    ],
    "key-lost": [base_and_patch(TWO_KEYS, only_data(entry("URL", URL)))],
    "never-refreshes": [
        one_overlay(external_secret(refreshInterval="0")),
        one_overlay(external_secret(refreshInterval=0)),
        one_overlay(external_secret(refreshInterval="0h0m")),
        one_overlay(external_secret(refreshPolicy="CreatedOnce")),
        one_overlay(external_secret(target={"immutable": True})),
        reading(URL, version="3"),
    ],
    "does-not-render": [{"overlays/prod/kustomization.yaml": kustomization("missing.yaml")}],
    "duplicate-key": [
        one_overlay(external_secret(data=[entry("URL", URL), entry("URL", "/zerotouch/prod/shop/replica_url")])),
        one_overlay(external_secret(data=[entry("URL", URL, property="a"), entry("URL", URL, property="b")])),
        one_overlay(external_secret("a", target={"name": "db"}), external_secret("b", target={"name": "db"})),
        one_overlay(
            external_secret("a", target={"name": "db"}),
            external_secret(
                "b", data=[entry("URL", "/zerotouch/prod/shop/other")], target={"name": "db", "creationPolicy": "Merge"}
            ),
        ),
    ],
}

RIGHT = {
    "placeholder-left": [
        # The base may have the placeholder: the overlay has not.
        base_and_patch(external_secret(data=[entry("URL", "/zerotouch/_ENV_/shop/url")]), only_data(entry("URL", URL))),
    ],
    "wrong-environment": [
        reading("/zerotouch/prod/dev/url"),  # a service that is called dev
        reading("/zerotouch/prod/shop/dev_url"),
        # The folder says production, the path says prod.
        {
            "overlays/production/kustomization.yaml": kustomization("es.yaml"),
            "overlays/production/es.yaml": external_secret(),
        },
    ],
    "path-mismatch": [
        reading("/zerotouch/prod/zerotouch-platform/jwks_url"),
        one_overlay(external_secret(secretStoreRef={"name": "vault"}, data=[entry("URL", "kv/shop#url")])),
        one_overlay(
            external_secret(
                data=[{**entry("URL", "kv/shop"), "sourceRef": {"storeRef": {"name": "vault"}}}, entry("A", URL)]
            )
        ),
        one_overlay(external_secret(data=[], dataFrom=[{"find": {"name": {"regexp": ".*"}}}])),
        one_overlay(external_secret().replace("external-secrets.io/v1", "kubernetes-client.io/v1").replace(URL, "x")),
    ],
    "key-not-normalised": [reading("/zerotouch/prod/Shop-2/url_2"), reading("/zerotouch/prod/shop/007")],
    "label-missing": [
        one_overlay(external_secret(labels={}, secretStoreRef={"name": "vault"}, data=[entry("URL", "kv/shop")])),
    ],
    "key-lost": [
        base_and_patch(TWO_KEYS, only_data(entry("URL", URL), entry("CA", "/zerotouch/prod/shop/ca"))),
        # A JSON6902 patch changes one entry and leaves the others.
        base_and_patch(
            TWO_KEYS.replace("_ENV_", "prod"),
            f'[{{"op": "replace", "path": "/spec/data/0/remoteRef/key", "value": "{URL}"}}]',
        )
        | {
            "overlays/prod/kustomization.yaml": kustomization(
                "../../base", patches=[{"path": "patch.yaml", "target": {"kind": "ExternalSecret", "name": "db"}}]
            )
        },
    ],
    "never-refreshes": [
        one_overlay(external_secret(refreshInterval="10s")),
        one_overlay(external_secret(refreshInterval="0h10m")),
        one_overlay(external_secret(refreshInterval="0", refreshPolicy="OnChange")),
        one_overlay(external_secret(target={"immutable": False})),
    ],
    "does-not-render": [
        one_overlay(external_secret()) | {"overlays/dev/kustomization.yaml": kustomization("missing.yaml")},
    ],
    "duplicate-key": [
        one_overlay(external_secret(data=[entry("URL", URL), entry("URL", URL)])),
        one_overlay(external_secret(data=[entry("URL", URL), entry("REPLICA", URL)])),
        one_overlay(external_secret("a"), external_secret("b")),
        one_overlay(
            external_secret("a", target={"name": "db"}),
            external_secret(
                "b",
                data=[entry("CA", "/zerotouch/prod/shop/ca")],
                target={"name": "db", "creationPolicy": "Merge"},
            ),
        ),
    ],
}  # fmt: skip


def cases(trees):
    return [pytest.param(rule, tree, id=f"{rule}-{n}") for rule, each in trees.items() for n, tree in enumerate(each)]


def found(tmp_path, tree, rule):
    environment = "production" if "overlays/production/kustomization.yaml" in tree else "prod"
    return [finding for finding in judged(tmp_path, tree, environment).findings if finding.rule == rule]


def test_every_rule_is_tried_here():
    """A new rule comes with both kinds of example."""
    rules = {rule.id for rule in all_rules()}
    assert set(BROKEN) == set(RIGHT) == rules


@pytest.mark.parametrize(("rule", "tree"), cases(BROKEN))
def test_the_smallest_tree_that_breaks_it(tmp_path, rule, tree):
    """One finding, with the rule's severity, a remedy, and a file of the overlay."""
    (finding,) = found(tmp_path, tree, rule)
    assert finding.severity is {rule.id: rule for rule in all_rules()}[rule].severity
    assert finding.message
    assert finding.remedy
    assert finding.overlay == "tenants/shop/overlays/prod"
    assert finding.where.file.startswith("tenants/shop/")
    assert str(tmp_path) not in finding.message + finding.remedy


@pytest.mark.parametrize(("rule", "tree"), cases(RIGHT))
def test_what_is_right_though_it_looks_wrong(tmp_path, rule, tree):
    """No finding of that rule."""
    assert found(tmp_path, tree, rule) == []


def test_a_label_that_is_missing_where_only_others_parameters_are_read_is_a_warning(tmp_path):
    """The platform document's own example has none there."""
    tree = one_overlay(external_secret(labels={}, data=[entry("URL", "/zerotouch/prod/zerotouch-platform/jwks_url")]))
    (finding,) = judged(tmp_path, tree).findings
    assert (finding.rule, finding.severity) == ("label-missing", Severity.WARNING)


def test_a_key_lost_is_told_where_the_patch_is_with_the_line_to_add(tmp_path):
    """The reader needs the patch, not the base."""
    tree = base_and_patch(TWO_KEYS, only_data(entry("URL", URL)))
    (finding,) = found(tmp_path, tree, "key-lost")
    assert finding.where.file == "tenants/shop/overlays/prod/patch.yaml"
    assert finding.where.line
    assert "tenants/shop/base/es.yaml" in finding.message
    assert "- {secretKey: CA, remoteRef: {key: /zerotouch/prod/shop/ca}}" in finding.remedy


def test_a_key_lost_behind_a_name_prefix_is_found(tmp_path):
    """A prefix changes the name, and not what the patch did."""
    tree = base_and_patch(TWO_KEYS, only_data(entry("URL", URL)), namePrefix="eu-")
    assert len(found(tmp_path, tree, "key-lost")) == 1


def test_a_whole_extract_that_is_lost_is_found(tmp_path):
    """dataFrom is a list as well."""
    base = external_secret(
        dataFrom=[
            {"extract": {"key": "/zerotouch/_ENV_/shop/smtp"}},
            {"extract": {"key": "/zerotouch/_ENV_/shop/imap"}},
        ]
    )
    patch = only_data(entry("URL", URL)) + "  dataFrom:\n  - extract:\n      key: /zerotouch/prod/shop/smtp\n"
    assert len(found(tmp_path, base_and_patch(base, patch), "key-lost")) == 1


@pytest.mark.parametrize(
    ("resource", "says"),
    [
        ("https://example.org/base.yaml", "the network"),
        ("github.com/zerotouch/base?ref=v1", "the network"),
    ],
)
def test_a_remote_base_needs_the_network_and_says_so(tmp_path, resource, says):
    """It is never fetched."""
    (finding,) = judged(tmp_path, {"overlays/prod/kustomization.yaml": kustomization(resource)}).findings
    assert finding.rule == "does-not-render"
    assert says in finding.remedy


REMOTE = "http://127.0.0.1:9/x.yaml"


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


def test_every_rules_own_example_and_reason_are_there():
    """They become its documentation."""
    for rule in all_rules():
        assert rule.why.endswith(".")
        assert rule.example.strip()
        assert rule.finds
