"""Each rule: the smallest tree that breaks it, one that is right though it looks wrong, and its remedy applied."""

import pytest

from secret_action.manifest.draft import apply_edits
from secret_action.manifest.rules import all_rules
from tests.unit.manifest_samples import (
    claim,
    deployment,
    entry,
    external_secret,
    judged,
    judged_again,
    kustomization,
    one_overlay,
    other,
    overlays,
    patch,
)

URL = "/zerotouch/prod/shop/url"
CA = "/zerotouch/prod/shop/ca"
WAITING = external_secret(data=[entry("URL", "/zerotouch/_ENV_/shop/url")])
TWO_WAITING = external_secret(data=[entry("URL", "/zerotouch/_ENV_/shop/url"), entry("CA", "/zerotouch/_ENV_/shop/ca")])
V1, BETA = "external-secrets.io/v1\n", "external-secrets.io/v1beta1\n"


def reading(path, key="URL", **remote):
    """One overlay with one entry."""
    return one_overlay(external_secret(data=[entry(key, path, **remote)]))


def base_and_patch(base, text, **fields):
    """A base, and an overlay that patches it."""
    listed = kustomization("../../base", patches=[{"path": "patch.yaml"}], **fields)
    return overlays(base, "prod", prod=text) | {"overlays/prod/kustomization.yaml": listed}


def operations(base, *replaced, **target):
    """A base, and an overlay that changes it by JSON6902."""
    lines = [f"- {{op: replace, path: /spec/data/{n}/remoteRef/key, value: {path}}}" for n, path in replaced]
    listed = [{"path": "patch.yaml", "target": {"kind": "ExternalSecret", "name": "db"} | target}]
    return overlays(base, "prod", prod="\n".join(lines)) | {
        "overlays/prod/kustomization.yaml": kustomization("../../base", patches=listed)
    }


def with_deployment(*documents, deployed, **more):
    """One overlay with ExternalSecrets and whatever reads their Secrets."""
    return one_overlay(*documents, deployed) | more


def patched(environment, path="url"):
    return patch(entry("URL", f"/zerotouch/{environment}/shop/{path}"))


class ByHand(dict):
    """A tree whose remedy is said in words alone."""


UNSTORED = external_secret().replace(
    "  secretStoreRef:\n    name: aws-parameter-store\n    kind: ClusterSecretStore\n", ""
)

BROKEN = {
    "placeholder-left": [
        reading("/zerotouch/_ENV_/shop/url"),
        one_overlay(external_secret(data=[], dataFrom=[{"extract": {"key": "/zerotouch/_ENV_/shop/url"}}])),
        reading("/zerotouch/${ENVIRONMENT}/shop/url"),
        base_and_patch(TWO_WAITING, patch(entry("URL", URL), entry("CA", "/zerotouch/_ENV_/shop/ca"))),
        operations(TWO_WAITING, (0, URL)),
        base_and_patch(WAITING, patched("_ENV_")) | {"base/es.yaml": external_secret(data=[entry("URL", "REPLACE_ME")])},
        ByHand(reading("/zerotouch/prod/${SERVICE:=shop}/url")),
        ByHand(reading("/zerotouch/prod/shop/<key>")),
        ByHand(reading("TO_BE_PATCHED")),
        ByHand(reading("CHANGEME")),
        ByHand(reading("")),
        ByHand(reading(None)),
    ],
    "base-names-environment": [
        overlays(external_secret(data=[entry("URL", "/zerotouch/dev/shop/url")]), "prod", prod=patched("prod")),
        overlays(external_secret(data=[entry("URL", "/zerotouch/dev/shop/url")]), "prod"),
        overlays(external_secret(), "dev", "prod", dev=patched("dev")),
    ],
    "wrong-environment": [
        reading("/zerotouch/dev/shop/url"),
        reading("/zerotouch/production/shop/url"),
        base_and_patch(WAITING, patched("dev")),
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
    ],
    "overlay-missing": [
        overlays(WAITING, "dev", "prod", dev=patched("dev")),
        overlays(TWO_WAITING, "prod"),
        ByHand(reading(URL) | {"secrets.yaml": "version: 1\nenvironments: [prod, staging]\n"}),
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
        )
    ],
    "not-in-kustomization": [
        reading(URL) | {"overlays/prod/llm.yaml": external_secret("llm")},
        base_and_patch(WAITING, patched("prod"))
        | {"base/llm.yaml": external_secret("llm", data=[entry("KEY", "/zerotouch/_ENV_/shop/key")])},
        overlays(external_secret(data=[entry("URL", URL.replace("prod", "_ENV_"))]), "prod", prod=patched("prod"))
        | {"overlays/prod/more.yaml": patch(entry("URL", URL), refreshInterval="2h")},
        ByHand(reading(URL) | {"spare/es.yaml": external_secret("llm")}),
    ],
    "not-consumed": [
        ByHand(with_deployment(external_secret(), deployed=claim())),
        ByHand(with_deployment(external_secret(), deployed=deployment())),
        overlays(WAITING, "dev", "prod", deployed=claim("db"), dev=patched("dev"), prod=patched("prod"))
        | {"overlays/prod/deployment.yaml": claim("other-conn") + "---\n" + other("db/v1", "PostgresInstance", "other")},
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
        with_deployment(external_secret("shop-db"), deployed=claim("shop-bd")),
        with_deployment(external_secret("shop-db"), deployed=deployment("shop-dbs")),
        ByHand(with_deployment(external_secret(), deployed=claim("db", "mail"))),
        ByHand(with_deployment(deployed=deployment(volumes=[{"name": "v", "secret": {"secretName": "mail"}}]))),
    ],
    "store-unknown": [
        one_overlay(UNSTORED),
        one_overlay(external_secret("a"), external_secret("b", secretStoreRef={"name": "aws-parameter-stor"})),
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
        overlays(WAITING.replace(V1, BETA), "dev", "prod", dev=patched("dev").replace(V1, BETA), prod=patched("prod").replace(V1, BETA)),
        operations(WAITING.replace(V1, BETA), (0, URL), group="external-secrets.io", version="v1beta1"),
        ByHand(one_overlay(external_secret().replace(V1, BETA.replace("beta", "alpha")))),
    ],
    "value-in-git": [
        ByHand(one_overlay(other("v1", "Secret", "s", stringData={"PASSWORD": "hunter2"}))),
        ByHand(one_overlay(other("v1", "Secret", "s", data={"PASSWORD": "aHVudGVyMg=="}))),
        ByHand(
            {"overlays/prod/kustomization.yaml": kustomization(secretGenerator=[{"name": "s", "literals": ["A=hunter2"]}])}
        ),
        ByHand(reading(URL) | {"spare/s.yaml": other("v1", "Secret", "s", stringData={"PASSWORD": "hunter2"})}),
    ],
    "unused-ignore": [
        ByHand(reading(URL) | {"secrets.yaml": "version: 1\nignore: [{rule: key-lost, covers: db, reason: why not}]\n"})
    ],
}  # fmt: skip

RIGHT = {
    "placeholder-left": [
        # The base may have the placeholder: the overlay has not.
        base_and_patch(WAITING, patched("prod")),
        base_and_patch(external_secret(data=[entry("URL", "REPLACE_ME")]), patched("prod")),
        reading("/zerotouch/prod/todo/url"),  # a service that is called todo
    ],
    "base-names-environment": [
        # No environment: all of them share it.
        overlays(external_secret(data=[entry("URL", "/zerotouch/shared/shop/url")]), "prod"),
        overlays(external_secret(data=[entry("URL", "/zerotouch/_ENV_/dev/url")]), "prod"),
        # What another overlay builds on is no base.
        one_overlay(external_secret()) | {"overlays/dev/kustomization.yaml": kustomization("../prod")},
    ],
    "wrong-environment": [
        reading("/zerotouch/prod/dev/url"),  # a service that is called dev
        reading("/zerotouch/prod/shop/dev_url"),
        # The folder says production, the path says prod.
        {
            "overlays/production/kustomization.yaml": kustomization("es.yaml"),
            "overlays/production/es.yaml": external_secret(),
        },
        reading("/zerotouch/_ENV_/shop/url"),  # said by placeholder-left
        overlays(external_secret(data=[entry("URL", "/zerotouch/dev/shop/url")]), "prod"),  # said of the base
    ],
    "path-mismatch": [
        reading("/zerotouch/prod/zerotouch-platform/jwks_url"),
        reading("REPLACE_ME"),
        reading(7),
        one_overlay(external_secret(secretStoreRef={"name": "vault"}, data=[entry("URL", "kv/shop#url")])),
        one_overlay(
            external_secret(
                data=[{**entry("URL", "kv/shop"), "sourceRef": {"storeRef": {"name": "vault"}}}, entry("A", URL)]
            )
        ),
        one_overlay(external_secret(data=[], dataFrom=[{"find": {"name": {"regexp": ".*"}}}])),
        one_overlay(external_secret().replace("external-secrets.io/v1", "kubernetes-client.io/v1").replace(URL, "x")),
    ],
    "key-not-normalised": [
        reading("/zerotouch/prod/Shop-2/url_2"),
        reading("/zerotouch/prod/shop/007"),
        one_overlay(external_secret().replace("secretKey: URL", 'secretKey: "007"')),
        one_overlay(external_secret().replace("secretKey: URL", "secretKey: on")),  # a text for Kubernetes
    ],
    "label-missing": [
        one_overlay(external_secret(labels={}, secretStoreRef={"name": "vault"}, data=[entry("URL", "kv/shop")])),
    ],
    "key-lost": [
        base_and_patch(TWO_WAITING, patch(entry("URL", URL), entry("CA", CA))),
        # A JSON6902 patch changes one entry and leaves the others.
        operations(TWO_WAITING.replace("_ENV_", "prod"), (0, URL)),
        # A new key that only one environment's ExternalSecret of that name has in common with nobody.
        one_overlay(external_secret("a"), external_secret("b", data=[entry("CA", CA)])),
    ],
    "overlay-missing": [
        reading(URL) | {"secrets.yaml": "version: 1\nenvironments: [production]\n"},
        base_and_patch(TWO_WAITING, patch(entry("URL", URL), entry("CA", "/zerotouch/_ENV_/shop/ca"))),
        overlays(external_secret(data=[entry("URL", "/zerotouch/shared/shop/url")]), "prod"),
    ],
    "never-refreshes": [
        one_overlay(external_secret(refreshInterval="10s")),
        one_overlay(external_secret(refreshInterval="0h10m")),
        one_overlay(external_secret(refreshInterval="0", refreshPolicy="OnChange")),
        one_overlay(external_secret(target={"immutable": False})),
    ],
    "does-not-render": [one_overlay(external_secret())],
    "duplicate-key": [
        one_overlay(external_secret(data=[entry("URL", URL), entry("URL", URL)])),
        one_overlay(external_secret(data=[entry("URL", URL), entry("REPLICA", URL)])),
        one_overlay(external_secret("a"), external_secret("b")),
        one_overlay(
            external_secret("a", target={"name": "db"}),
            external_secret("b", data=[entry("CA", CA)], target={"name": "db", "creationPolicy": "Merge"}),
        ),
    ],
    "not-in-kustomization": [
        base_and_patch(WAITING, patched("prod")),
        # Listed by a component that no overlay of this tenant uses yet.
        reading(URL)
        | {
            "components/llm/kustomization.yaml": kustomization("es.yaml", kind="Component"),
            "components/llm/es.yaml": external_secret("llm"),
        },
        reading(URL) | {"charts/x/Chart.yaml": "name: x", "charts/x/templates/es.yaml": external_secret("llm")},
        reading(URL)
        | {"old.yaml": external_secret("old").replace("external-secrets.io/v1", "kubernetes-client.io/v1")},
    ],
    "not-consumed": [
        one_overlay(external_secret()),  # nothing here could
        with_deployment(external_secret(), deployed=claim("db")),
        with_deployment(external_secret(), deployed=deployment(volumes=[{"name": "v", "secret": {"secretName": "db"}}])),
        with_deployment(external_secret(), deployed=deployment(imagePullSecrets=[{"name": "db"}])),
        with_deployment(
            external_secret(), claim(), deployed=other("networking.k8s.io/v1", "Ingress", "i", spec={"tls": [{"secretName": "db"}]})
        ),
        with_deployment(external_secret(), claim(), deployed=other("v1", "ServiceAccount", "s", secrets=[{"name": "db"}])),
        with_deployment(
            external_secret(),
            claim(),
            deployed=other("acme.io/v1", "Backup", "b", spec={"auth": {"passwordSecretRef": {"name": "db", "key": "x"}}}),
        ),
        with_deployment(external_secret(target={"creationPolicy": "None"}), deployed=claim()),
        with_deployment(
            external_secret(target={"template": {"metadata": {"labels": {"argocd.io/secret-type": "repo"}}}}),
            deployed=claim(),
        ),
        with_deployment(external_secret("shop-db"), deployed=claim("shop-bd")),  # said by unknown-secret
    ],
    "unknown-secret": [
        with_deployment(external_secret(target={"name": "x"}), deployed=claim("x")),
        with_deployment(other("db.io/v1", "PostgresInstance", "shop"), deployed=claim("shop-conn")),
        with_deployment(
            other("db.io/v1", "Database", "d", spec={"writeConnectionSecretToRef": {"name": "x"}}), deployed=claim("x")
        ),
        with_deployment(other("bitnami.com/v1alpha1", "SealedSecret", "x"), deployed=deployment("x")),
        with_deployment(
            other("cert-manager.io/v1", "Certificate", "c", spec={"secretName": "x"}), deployed=deployment("x")
        ),
        with_deployment(other("kubernetes-client.io/v1", "ExternalSecret", "x"), deployed=deployment("x")),
        with_deployment(
            other("external-secrets.io/v1", "ClusterExternalSecret", "c", spec={"externalSecretName": "x"}),
            deployed=deployment("x"),
        ),
        with_deployment(deployed=deployment().replace("envFrom: []", "envFrom: [{secretRef: {name: x, optional: true}}]")),
        # A neighbour's claim makes it.
        one_overlay(claim("shop-conn"))
        | {
            "overlays/dev/kustomization.yaml": kustomization("db.yaml"),
            "overlays/dev/db.yaml": other("db.io/v1", "PostgresInstance", "shop"),
        },
        # Not for pods: whoever reads these says so itself.
        with_deployment(deployed=other("source.toolkit.fluxcd.io/v1", "GitRepository", "g", spec={"secretRef": {"name": "x"}})),
        with_deployment(deployed=other("networking.k8s.io/v1", "Ingress", "i", spec={"tls": [{"secretName": "x"}]})),
    ],
    "store-unknown": [
        one_overlay(external_secret()),
        one_overlay(
            external_secret(
                data=[], dataFrom=[{"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}}]
            ).replace("  secretStoreRef:\n    name: aws-parameter-store\n    kind: ClusterSecretStore\n", "")
        ),
        one_overlay(
            UNSTORED.replace("- secretKey", "- sourceRef: {storeRef: {name: aws-parameter-store}}\n    secretKey")
        ),
        one_overlay(UNSTORED.replace("external-secrets.io/v1", "kubernetes-client.io/v1")),
    ],
    "api-version-retired": [
        one_overlay(external_secret()),
        one_overlay(other("external-secrets.io/v1alpha1", "PushSecret", "p")),
        one_overlay(other("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "g")),
    ],
    "value-in-git": [
        one_overlay(other("v1", "Secret", "s", type="kubernetes.io/service-account-token")),
        one_overlay(other("v1", "Secret", "s", stringData={"PASSWORD": "${PASSWORD}"})),
        one_overlay(other("bitnami.com/v1alpha1", "SealedSecret", "s", spec={"encryptedData": {"PASSWORD": "AgBy3i4OJSWK"}})),
        one_overlay(other("v1", "Secret", "s", stringData={"PASSWORD": "ENC[AES256_GCM,data:x]"}, sops={"mac": "x"})),
    ],
    "unused-ignore": [
        reading("shop/url")
        | {"secrets.yaml": "version: 1\nignore: [{rule: path-mismatch, covers: db, reason: it moves in June}]\n"}
    ],
}  # fmt: skip

SEVERITIES = {rule.id: rule.severity for rule in all_rules()}


def cases(trees):
    return [pytest.param(rule, tree, id=f"{rule}-{n}") for rule, each in trees.items() for n, tree in enumerate(each)]


def found(tmp_path, tree, rule):
    return [finding for finding in judged(tmp_path, tree, "").findings if finding.rule == rule]


def test_every_rule_is_tried_here():
    """A new rule comes with both kinds of example."""
    assert set(BROKEN) == set(RIGHT) == set(SEVERITIES)


@pytest.mark.parametrize(("rule", "tree"), cases(BROKEN))
def test_the_smallest_tree_that_breaks_it(tmp_path, rule, tree):
    """One finding with a remedy and a place; its edits, where it has them, make it and nothing new go away."""
    judged(tmp_path, tree, "")
    before = judged_again(tmp_path).findings
    (finding,) = [each for each in before if each.rule == rule]
    assert finding.message
    assert finding.remedy
    assert finding.about
    assert finding.overlay in ("", "tenants/shop/overlays/prod")
    assert finding.where.file.startswith("tenants/shop")
    assert str(tmp_path) not in finding.message + finding.remedy
    assert bool(finding.edits) is not isinstance(tree, ByHand)
    if finding.edits:
        apply_edits(tmp_path, finding.edits)
        after = judged_again(tmp_path).findings
        assert [(each.rule, each.message) for each in after if each.rule == rule or each not in before] == []


@pytest.mark.parametrize(("rule", "tree"), cases(RIGHT))
def test_what_is_right_though_it_looks_wrong(tmp_path, rule, tree):
    """No finding of that rule."""
    assert [finding.message for finding in found(tmp_path, tree, rule)] == []


@pytest.mark.parametrize("rule", sorted(SEVERITIES))
def test_severities(tmp_path, rule):
    """As the contract's table has them."""
    (finding,) = found(tmp_path, BROKEN[rule][0], rule)
    assert finding.severity is SEVERITIES[rule]


def test_every_rules_page_can_be_written():
    """They become its documentation."""
    for rule in all_rules():
        assert rule.why.endswith(".")
        assert rule.example.strip()
        assert rule.mended.strip()
        assert rule.example != rule.mended
        assert rule.finds
        assert rule.check or rule.compare or rule.id == "unused-ignore"
