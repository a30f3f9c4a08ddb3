"""Each rule: the smallest trees that break it, and its remedy applied."""

import json

import pytest
import yaml

from secret_action.manifest.rules import all_rules
from secret_action.model import Severity
from tests.unit.edits import apply_edits
from tests.unit.manifest_samples import (
    CA,
    TWO_WAITING,
    UNSTORED,
    URL,
    WAITING,
    base_and_patch,
    claim,
    cluster_external_secret,
    deployment,
    entry,
    external_secret,
    inline,
    judged,
    judged_again,
    kustomization,
    one_overlay,
    operations,
    other,
    overlays,
    patch,
    patched,
    reading,
    regions,
    searching,
    sharing,
    with_component,
    with_component_each,
    with_layer,
)

V1, BETA = "external-secrets.io/v1\n", "external-secrets.io/v1beta1\n"
BETA_IN_ONE_LINE = json.dumps(yaml.safe_load(patched("prod").replace(V1, BETA)))


SPELLINGS = ("prod", "production")
BOTH_OF_DEV = patch(entry("URL", "/zerotouch/dev/shop/url"), entry("CA", "/zerotouch/dev/shop/ca"))


def prefixed(**deployed):
    """Two overlays of one base, of which one has a prefix for all names."""
    tree = overlays(WAITING, "dev", "prod", dev=patched("dev"), prod=patched("prod"), **deployed)
    tree["overlays/prod/kustomization.yaml"] += "namePrefix: eu-\n"
    return tree


class ByHand(dict):
    """A tree whose remedy is said in words alone."""


BROKEN = {
    "placeholder-left": [
        reading("/zerotouch/_ENV_/shop/url"),
        one_overlay(external_secret(data=[], dataFrom=[{"extract": {"key": "/zerotouch/_ENV_/shop/url"}}])),
        reading("/zerotouch/${ENVIRONMENT}/shop/url"),
        base_and_patch(TWO_WAITING, patch(entry("URL", URL), entry("CA", "/zerotouch/_ENV_/shop/ca"))),
        operations(TWO_WAITING, (0, URL)),
        base_and_patch(WAITING, patched("_ENV_"))
        | {"base/es.yaml": external_secret(data=[entry("URL", "REPLACE_ME")])},
        ByHand(reading("/zerotouch/prod/${SERVICE:=shop}/url")),
        ByHand(reading("/zerotouch/prod/shop/<key>")),
        ByHand(reading("TO_BE_PATCHED")),
        ByHand(reading("CHANGEME")),
        ByHand(reading("")),
        ByHand(reading(None)),
        ByHand(one_overlay(external_secret(data=[{"secretKey": "URL"}]))),
        # What the base says of the entry tells what is missing.
        base_and_patch(WAITING, patch(entry("URL", ""))),
        base_and_patch(WAITING, patch(entry("URL", None))),
        base_and_patch(WAITING, patch({"secretKey": "URL", "remoteRef": {}})),
        base_and_patch(WAITING, patch({"secretKey": "URL"})),
        ByHand(base_and_patch(WAITING, patch({"secretKey": "URL", "remotRef": {"key": URL}}))),
        searching("/zerotouch/_ENV_/shop"),
        overlays(searching("/zerotouch/_ENV_/shop/")["overlays/prod/es.yaml"], "prod"),
    ],
    "base-names-environment": [
        overlays(external_secret(data=[entry("URL", "/zerotouch/dev/shop/url")]), "prod", prod=patched("prod")),
        overlays(external_secret(data=[entry("URL", "/zerotouch/dev/shop/url")]), "prod"),
        overlays(external_secret(), "dev", "prod", dev=patched("dev")),
        with_component(external_secret(data=[entry("URL", "/zerotouch/dev/shop/url")]), "dev", "prod"),
        with_component(external_secret(), "prod", prod=patched("prod")),
        with_layer(external_secret(data=[entry("URL", "/zerotouch/dev/shop/url")]), "", patched("prod")),
        with_layer(WAITING, patched("dev"), patched("prod")),
    ],
    "wrong-environment": [
        reading("/zerotouch/dev/shop/url"),
        reading("/zerotouch/production/shop/url"),
        base_and_patch(WAITING, patched("dev")),
        one_overlay(cluster_external_secret("/zerotouch/dev/shop/url")),
        ByHand(overlays(cluster_external_secret("/zerotouch/dev/shop/url"), "prod")),
        searching("/zerotouch/dev/shop"),
        searching("/zerotouch/dev"),
        searching("/zerotouch/dev/"),
        overlays(searching("/zerotouch/dev/shop")["overlays/prod/es.yaml"], "prod"),
        one_overlay(
            external_secret(data=[], dataFrom=[{"key": "/zerotouch/dev/shop/all"}]).replace(
                V1, BETA.replace("beta", "alpha")
            )
        ),
    ],
    "path-mismatch": [
        ByHand(tree)
        for tree in (
            reading("shop/url"),
            reading("/zerotouch/prod/shop/deep/url"),
            reading("/zerotouch/prod/shop/"),
            reading(" /zerotouch/prod/shop/url"),
            one_overlay(external_secret(data=[entry("URL", "/acme/shop/prod/url"), entry("CA", "/acme/shop/prod/ca")])),
        )
    ],
    "key-not-normalised": [
        reading("/zerotouch/prod/shop/URL"),
        reading("/zerotouch/prod/shop/data-url"),
        base_and_patch(WAITING, patched("prod", "data.url")),
        ByHand(reading("/zerotouch/prod/shop/url\n")),
        ByHand(reading(7)),
        one_overlay(external_secret().replace("secretKey: URL", "secretKey: 007")),
        one_overlay(external_secret(target={"name": "x"}).replace("name: x", "name: 1e3")),
        one_overlay(external_secret(), claim("db").replace("name: shop", "name: 1e3")),
        one_overlay(external_secret(), deployment("db").replace("name: shop", "name: shop\n  namespace: true", 1)),
        reading(URL, property="x") | {"overlays/prod/es.yaml": external_secret() + "      property: 1.10\n"},
    ],
    "label-missing": [
        one_overlay(external_secret(labels={})),
        one_overlay(external_secret(labels={"zerotouch.io/managed": "True"})),
        one_overlay(external_secret(labels={"zerotouch.io/managed": "false"})),
        one_overlay(external_secret(labels={"zerotouch.io/managed": True})),
        overlays(
            external_secret(labels={}, data=[entry("URL", "/zerotouch/_ENV_/shop/url")]), "prod", prod=patched("prod")
        ),
    ],
    "key-lost": [
        base_and_patch(TWO_WAITING, patch(entry("URL", URL))),
        base_and_patch(TWO_WAITING, patch(entry("URL", URL)), namePrefix="eu-"),
        base_and_patch(
            external_secret(
                data=[],
                dataFrom=[{"extract": {"key": f"/zerotouch/_ENV_/shop/{key}"}} for key in ("smtp", "imap")],
            ),
            patch(dataFrom=[{"extract": {"key": "/zerotouch/prod/shop/smtp"}}]),
        ),
        ByHand(
            operations(TWO_WAITING, (0, URL))
            | {
                "overlays/prod/patch.yaml": f"- {{op: replace, path: /spec/data/0/remoteRef/key, value: {URL}}}\n"
                "- {op: remove, path: /spec/data/1}\n"
            }
        ),
        with_component(TWO_WAITING, "prod", prod=patched("prod")),
        with_layer(TWO_WAITING, patched("_ENV_"), patched("prod")),  # lost twice, told once
        with_layer(TWO_WAITING, "", patched("prod")),
        with_layer(TWO_WAITING, patched("_ENV_"), patch(entry("URL", URL), name="eu-db"), namePrefix="eu-"),
        # Written elsewhere than in a file of the overlay, and for no other environment.
        inline(TWO_WAITING, patched("prod")),
        inline(WAITING, patch().replace(" []", ""), target="{name: d.*}"),
        with_component_each(TWO_WAITING, dev=BOTH_OF_DEV, prod=patched("prod")),
        regions(TWO_WAITING, prod=patched("prod")),
        regions(TWO_WAITING, dev=BOTH_OF_DEV, prod=patched("prod")),
        # Not as it is in its file; for another ExternalSecret as well; for another environment as well.
        ByHand(inline(TWO_WAITING, json.dumps(yaml.safe_load(patched("prod"))), ">-")),
        ByHand(inline(TWO_WAITING + "---\n" + external_secret("other"), patched("prod"))),
        ByHand(
            with_layer(TWO_WAITING, patched("prod"))
            | {"overlays/dev/kustomization.yaml": kustomization("../../shared", patches=[{"path": "patch.yaml"}])}
            | {"overlays/dev/patch.yaml": BOTH_OF_DEV}
        ),
    ],
    "overlay-missing": [
        overlays(WAITING, "dev", "prod", dev=patched("dev")),
        overlays(TWO_WAITING, "prod"),
        ByHand(reading(URL) | {"secrets.yaml": "version: 1\nenvironments: [prod, staging]\n"}),
        ByHand(reading(URL) | {"overlays/blue/eu/kustomization.yaml": kustomization("../../prod")}),
        ByHand({file.replace("prod/", f"{name}/"): text for name in SPELLINGS for file, text in reading(URL).items()}),
        with_component(WAITING, "prod"),
        with_component(WAITING, "prod", namePrefix="eu-", namespace="shop"),
        with_layer(WAITING, ""),
        with_layer(WAITING, "", namePrefix="eu-", namespace="shop"),
        # The patch is there, and not listed.
        overlays(TWO_WAITING, "prod") | {"overlays/prod/p.yaml": patch(entry("URL", URL), entry("CA", CA))},
        overlays(WAITING, "prod") | {"overlays/prod/patches/secrets-patch.yaml": patched("prod")},
        overlays(WAITING, "prod", deployed=claim("eu-db"))
        | {"overlays/prod/p.yaml": f"{claim(replicas=2)}---\n{patched('prod')}"}
        | {"overlays/prod/kustomization.yaml": kustomization("../../base", "deployment.yaml", namePrefix="eu-")},
        # Nor right: what is wrong in it is told once it is listed. Which of two is meant is not known.
        ByHand(overlays(WAITING, "prod") | {"overlays/prod/p.yaml": patched("dev")}),
        ByHand(
            overlays(WAITING, "prod")
            | {"overlays/prod/p.yaml": patched("prod"), "overlays/prod/q.yaml": patched("prod")}
        ),
        ByHand(overlays(TWO_WAITING, "prod") | {"overlays/prod/p.yaml": patched("prod")}),
        # Of something else, so that the overlay would not render; or for another kustomization to list.
        overlays(WAITING, "prod")
        | {"overlays/prod/p.yaml": f"{patched('prod')}---\n{patched('prod').replace('name: db', 'name: mail')}"},
        overlays(WAITING, "prod") | {"overlays/prod/p.yaml": patched("prod").replace(V1, BETA)},
        overlays(WAITING, "prod") | {"overlays/prod/p.yaml": patched("prod").replace("spec:", "spec: &a\n  a: *a")},
        overlays(WAITING, "prod")
        | {"overlays/prod/more/kustomization.yaml": "resources: []\n", "overlays/prod/more/p.yaml": patched("prod")},
        base_and_patch(
            WAITING + "---\n" + external_secret("llm", data=[entry("KEY", "/zerotouch/_ENV_/shop/key")]),
            patched("prod"),
        ),
    ],
    "never-refreshes": [
        one_overlay(external_secret(refreshInterval="0")),
        one_overlay(external_secret(refreshInterval=0)),
        one_overlay(external_secret(refreshInterval="0h0m")),
        one_overlay(external_secret(refreshPolicy="CreatedOnce")),
        one_overlay(external_secret(target={"immutable": True})),
        reading(URL, version="3"),
    ],
    "does-not-render": [ByHand({"overlays/prod/kustomization.yaml": kustomization("missing.yaml")})],
    "duplicate-key": [
        ByHand(tree)
        for tree in (
            one_overlay(external_secret(data=[entry("URL", URL), entry("URL", "/zerotouch/prod/shop/replica_url")])),
            one_overlay(external_secret(data=[entry("URL", URL, property="a"), entry("URL", URL, property="b")])),
            one_overlay(external_secret("a", target={"name": "db"}), external_secret("b", target={"name": "db"})),
            one_overlay(
                external_secret("a", target={"name": "db"}),
                external_secret(
                    "b",
                    data=[entry("URL", "/zerotouch/prod/shop/other")],
                    target={"name": "db", "creationPolicy": "Merge"},
                ),
            ),
            one_overlay(*(sharing(key, "{{ .URL }}", mergePolicy="Merge") for key in ("a", "b"))),
        )
    ],
    "not-in-kustomization": [
        reading(URL) | {"overlays/prod/llm.yaml": external_secret("llm")},
        base_and_patch(WAITING, patched("prod"))
        | {"base/llm.yaml": external_secret("llm", data=[entry("KEY", "/zerotouch/_ENV_/shop/key")])},
        overlays(external_secret(data=[entry("URL", URL.replace("prod", "_ENV_"))]), "prod", prod=patched("prod"))
        | {"overlays/prod/more.yaml": patch(entry("URL", URL), refreshInterval="2h")},
        # A patch, by the name that the base has for what the overlay calls `eu-db`.
        base_and_patch(WAITING, patched("prod"), namePrefix="eu-")
        | {"overlays/prod/more.yaml": patch(entry("URL", URL), refreshInterval="2h")},
        ByHand(reading(URL) | {"spare/es.yaml": external_secret("llm")}),
        # A patch that would keep the overlay from rendering: of nothing that is there, or of another version of it.
        ByHand(reading(URL) | {"overlays/prod/more.yaml": f"{patched('prod')}---\n{patch(name='mail')}"}),
        ByHand(reading(URL) | {"overlays/prod/more.yaml": patched("prod").replace(V1, BETA)}),
        # What it is for is not known where nothing renders.
        ByHand(
            base_and_patch(WAITING, patched("prod")) | {"overlays/prod/kustomization.yaml": kustomization("../../bas")}
        ),
    ],
    "not-consumed": [
        ByHand(one_overlay(external_secret(), claim())),
        ByHand(one_overlay(external_secret(), deployment())),
        overlays(WAITING, "dev", "prod", deployed=claim("db"), dev=patched("dev"), prod=patched("prod"))
        | {
            "overlays/prod/deployment.yaml": claim("other-conn") + "---\n" + other("db/v1", "PostgresInstance", "other")
        },
        overlays(WAITING, "dev", "prod", deployed=deployment("db"), dev=patched("dev"), prod=patched("prod"))
        | {"overlays/prod/deployment.yaml": deployment()},
        # The claim itself is in the base, so the overlay patches it.
        overlays(WAITING, "dev", "prod", dev=patched("dev"), prod=patched("prod"))
        | {
            "base/kustomization.yaml": kustomization("es.yaml", "claim.yaml"),
            "base/claim.yaml": claim(),
            "overlays/dev/patch.yaml": patched("dev") + "---\n" + claim("db"),
        },
    ],
    "unknown-secret": [
        one_overlay(external_secret("shop-db"), claim("shop-bd")),
        one_overlay(external_secret("shop-db"), deployment("shop-dbs")),
        prefixed(deployed=claim("db")),
        prefixed(deployed=deployment("db")),
        ByHand(one_overlay(external_secret(), claim("db", "mail"))),
        ByHand(one_overlay(deployment(volumes=[{"name": "v", "secret": {"secretName": "mail"}}]))),
    ],
    "store-unknown": [
        one_overlay(UNSTORED),
        one_overlay(external_secret("a"), external_secret("b", secretStoreRef={"name": "aws-parameter-stor"})),
        base_and_patch(WAITING, patch(entry("URL", URL) | {"sourceRef": {"storeRef": {"name": "aws-parameter-stor"}}})),
        ByHand(
            one_overlay(
                external_secret("a"),
                external_secret("b", secretStoreRef={"name": "vault"}, data=[entry("URL", "kv/shop")]),
            )
        ),
        ByHand(one_overlay(external_secret(secretStoreRef={"name": "vault"}))),
        ByHand(
            one_overlay(
                external_secret(
                    data=[{**entry("URL", "kv/shop"), "sourceRef": {"storeRef": {"name": "vault"}}}, entry("A", URL)]
                )
            )
        ),
    ],
    "api-version-retired": [
        one_overlay(external_secret().replace(V1, BETA)),
        overlays(
            WAITING.replace(V1, BETA),
            "dev",
            "prod",
            dev=patched("dev").replace(V1, BETA),
            prod=patched("prod").replace(V1, BETA),
        ),
        operations(WAITING.replace(V1, BETA), (0, URL), group="external-secrets.io", version="v1beta1"),
        overlays(WAITING.replace(V1, BETA), "prod")
        | {"overlays/prod/kustomization.yaml": f"resources: [../../base]\npatches: [patch: '{BETA_IN_ONE_LINE}']\n"},
        # Of a text that is folded over several lines, it is not certain which of them says it.
        ByHand(
            overlays(WAITING.replace(V1, BETA), "prod")
            | {
                "overlays/prod/kustomization.yaml": kustomization("../../base", patches=[{"patch": BETA_IN_ONE_LINE}]),
            }
        ),
        # Two in one line.
        ByHand(
            overlays(WAITING.replace(V1, BETA), "prod")
            | {
                "overlays/prod/kustomization.yaml": "resources: [../../base]\npatches:\n- {target: "
                f"{{version: v1beta1, kind: ExternalSecret, name: db}}, patch: '{BETA_IN_ONE_LINE}'}}\n"
            }
        ),
        ByHand(one_overlay(external_secret().replace(V1, BETA.replace("beta", "alpha")))),
    ],
    "value-in-git": [
        ByHand(one_overlay(other("v1", "Secret", "s", stringData={"PASSWORD": "hunter2"}))),
        ByHand(one_overlay(other("v1", "Secret", "s", data={"PASSWORD": "aHVudGVyMg=="}))),
        ByHand(
            {
                "overlays/prod/kustomization.yaml": kustomization(
                    secretGenerator=[{"name": "s", "literals": ["A=hunter2"]}]
                )
            }
        ),
        ByHand(reading(URL) | {"spare/s.yaml": other("v1", "Secret", "s", stringData={"PASSWORD": "hunter2"})}),
    ],
    "file-not-judged": [
        ByHand(reading(URL) | {"overlays/prod/notes.yaml": "remember: to tell them: all\n"}),
        ByHand(reading(URL) | {"overlays/prod/values.json": '{"a": "' + "x" * 1024 * 1024 + '"}'}),
        ByHand(reading(URL) | {"spare/es.yaml": external_secret("llm") + "---\n" + "x: " + "[" * 101 + "]" * 101}),
    ],
    "unused-ignore": [
        ByHand(reading(URL) | {"secrets.yaml": "version: 1\nignore: [{rule: key-lost, covers: db, reason: why not}]\n"})
    ],
}


MADE, READ = one_overlay(external_secret()), one_overlay(claim("db"))


def placed(tree, folder, **fields):
    """The overlay of a tree in another folder, with more fields in its kustomization."""
    moved = {file.replace("overlays/prod/", f"overlays/{folder}/"): text for file, text in tree.items()}
    return moved | {f"overlays/{folder}/kustomization.yaml": kustomization("es.yaml", **fields)}


@pytest.mark.parametrize(
    "tree",
    [
        placed(MADE, "prod/data") | placed(READ, "prod/app"),
        placed(MADE, "prod/data", namespace="shop") | placed(READ, "prod/app"),
        placed(MADE, "prod/data") | placed(READ, "prod/app", namespace="shop"),
        placed(MADE, "prod/data", namespace="shop") | placed(READ, "prod/app", namespace="shop"),
        placed(one_overlay(other("helm.cattle.io/v1", "HelmChart", "db")), "prod/data")
        | placed(one_overlay(claim("db-root")), "prod/app"),
        # Its maker has pods as well, which need another one.
        placed(one_overlay(external_secret(), external_secret("two"), claim("two", name="data")), "prod/data")
        | placed(READ, "prod/app"),
    ],
)
def test_overlays_of_one_environment_may_be_deployed_side_by_side(tmp_path, tree):
    """What one of them makes is there for the other's pods, and read by them."""
    assert judged(tmp_path, tree, "").findings == ()


@pytest.mark.parametrize(
    ("tree", "severity"),
    [
        # Two namespaces, or two clusters, since in one there is only one thing of that kind and name.
        (placed(MADE, "prod/data", namespace="data") | placed(READ, "prod/app", namespace="shop"), Severity.WARNING),
        (placed(one_overlay(external_secret(), claim("db")), "prod/eu") | placed(READ, "prod/us"), Severity.WARNING),
        (
            placed(one_overlay(external_secret(data=[entry("URL", "/zerotouch/dev/shop/url")])), "dev/data") | READ,
            Severity.ERROR,
        ),
    ],
)
def test_what_is_made_elsewhere_is_out_of_reach(tmp_path, tree, severity):
    """Where it is at most a warning that this environment has it, others may bring it to the pods."""
    (finding,) = judged(tmp_path, tree, "").findings
    assert (finding.rule, finding.severity) == ("unknown-secret", severity)


@pytest.mark.parametrize("namespaces", [("", ""), ("data", "shop")])
def test_what_is_read_elsewhere_is_not_consumed(tmp_path, namespaces):
    """The pods of another cluster, for which there is a copy, or of another namespace do not see it."""
    made_here = one_overlay(external_secret(), external_secret("two"), claim("two"))
    all_there = one_overlay(external_secret(), external_secret("two"), claim("db", "two"))
    tree = placed(made_here, "prod/data", namespace=namespaces[0]) | placed(
        all_there, "prod/app", namespace=namespaces[1]
    )
    assert [found.rule for found in judged(tmp_path, tree, "").findings] == ["not-consumed"]


SEVERITIES = {rule.id: rule.severity for rule in all_rules()}
CASES = [pytest.param(rule, tree, id=f"{rule}-{n}") for rule, trees in BROKEN.items() for n, tree in enumerate(trees)]


@pytest.mark.parametrize(("rule", "tree"), CASES)
def test_the_smallest_tree_that_breaks_it(tmp_path, rule, tree):
    """One finding with a remedy and a place; its edits, where it has them, make it go away and nothing new come."""
    before = judged(tmp_path, tree, "").findings
    (finding,) = [each for each in before if each.rule == rule]
    assert finding.message
    assert finding.remedy
    assert finding.about
    assert finding.overlay in ("", "tenants/shop/overlays/prod", "tenants/shop/overlays/production")
    assert finding.where.file.startswith("tenants/shop")
    assert str(tmp_path) not in finding.message + finding.remedy
    assert bool(finding.edits) is not isinstance(tree, ByHand)
    if tree is BROKEN[rule][0]:
        assert finding.severity is SEVERITIES[rule]
    if finding.edits:
        apply_edits(tmp_path, finding.edits)
        after = judged_again(tmp_path).findings
        assert [(each.rule, each.message) for each in after if each.rule == rule or each not in before] == []


def test_every_rule_is_tried_here():
    """A new rule comes with an example that breaks it."""
    assert set(BROKEN) == set(SEVERITIES)


def test_every_rules_page_can_be_written():
    """They become its documentation."""
    for rule in all_rules():
        assert rule.why.endswith(".")
        assert rule.example.strip()
        assert rule.mended.strip()
        assert rule.example != rule.mended
        assert rule.finds
        assert rule.check or rule.compare or rule.id == "unused-ignore"
