"""Each rule: trees that are right though they look wrong."""

import pytest

from secret_action.manifest.rules import all_rules
from tests.unit.manifest_samples import (
    CA,
    GENERATED,
    TWO_WAITING,
    UNSTORED,
    URL,
    WAITING,
    base_and_patch,
    claim,
    deployment,
    entry,
    external_secret,
    judged,
    kustomization,
    one_overlay,
    operations,
    other,
    overlays,
    patch,
    patched,
    reading,
    searching,
    sharing,
    with_component,
    with_layer,
)


def one_overlay_of(environment):
    """As `one_overlay`, with one ExternalSecret."""
    tree = one_overlay(external_secret(data=[entry("URL", f"/zerotouch/{environment}/shop/url")]))
    return {file.replace("/prod/", f"/{environment}/"): text for file, text in tree.items()}


RIGHT = {
    "file-not-judged": [
        # A chart's templates are no YAML before Helm has been there; what is no manifest may be anything.
        reading(URL) | {"chart/Chart.yaml": "name: x", "chart/templates/a.yaml": "{{- if .Values.x }}"},
        reading(URL) | {"docs/notes.md": "# a: b: c", "overlays/prod/empty.yaml": "", "overlays/prod/none.yaml": "# -"},
    ],
    "placeholder-left": [
        # The base may have the placeholder: the overlay has not.
        base_and_patch(WAITING, patched("prod")),
        base_and_patch(external_secret(data=[entry("URL", "REPLACE_ME")]), patched("prod")),
        reading("/zerotouch/prod/todo/url"),  # a service that is called todo
        one_overlay(external_secret(dataFrom=[{"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}}])),
        one_overlay(external_secret(dataFrom=[{"find": {"name": {"regexp": "^shop-"}}}])),
        one_overlay(
            external_secret(data=[entry("A", URL), {"secretKey": "B", "sourceRef": {"storeRef": {"name": "vault"}}}])
        ),
    ],
    "base-names-environment": [
        # No environment: all of them share it.
        overlays(external_secret(data=[entry("URL", "/zerotouch/shared/shop/url")]), "prod"),
        overlays(external_secret(data=[entry("URL", "/zerotouch/_ENV_/dev/url")]), "prod"),
        # What another overlay builds on is no base.
        one_overlay(external_secret()) | {"overlays/dev/kustomization.yaml": kustomization("../prod")},
        # One environment's own: by who builds on it, or by where it lies.
        with_component(external_secret(), "prod") | one_overlay_of("dev"),
        {
            "overlays/prod/base/kustomization.yaml": kustomization("es.yaml"),
            "overlays/prod/base/es.yaml": external_secret(),
            "overlays/prod/eu/kustomization.yaml": kustomization("../base"),
            "overlays/prod/us/kustomization.yaml": kustomization("../base"),
        },
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
        searching("/zerotouch/prod/shop"),
        searching("/zerotouch"),
        searching("/"),
        searching("/acme/dev"),
        reading("/zerotouch/dev"),  # no folder: said by path-mismatch
        one_overlay(
            external_secret(
                dataFrom=[
                    {"find": {"path": "/zerotouch/dev/shop"}, "sourceRef": {"storeRef": {"name": "vault", "kind": "x"}}}
                ]
            )
        ),
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
        searching("/acme/shop"),
        one_overlay(external_secret().replace("external-secrets.io/v1", "kubernetes-client.io/v1").replace(URL, "x")),
    ],
    "key-not-normalised": [
        reading("/zerotouch/prod/Shop-2/url_2"),
        reading("/zerotouch/prod/shop/007"),
        one_overlay(external_secret().replace("secretKey: URL", 'secretKey: "007"')),
        one_overlay(external_secret().replace("secretKey: URL", "secretKey: on")),  # a text for Kubernetes
        one_overlay(external_secret(), claim("db").replace("name: shop", 'name: "1e3"')),
    ],
    "label-missing": [
        one_overlay(external_secret(labels={}, secretStoreRef={"name": "vault"}, data=[entry("URL", "kv/shop")])),
        one_overlay(GENERATED),
    ],
    "key-lost": [
        base_and_patch(TWO_WAITING, patch(entry("URL", URL), entry("CA", CA))),
        # A JSON6902 patch changes one entry and leaves the others.
        operations(TWO_WAITING.replace("_ENV_", "prod"), (0, URL)),
        # It is there, though it reads another store, or nothing.
        base_and_patch(WAITING, patch(entry("URL", URL) | {"sourceRef": {"storeRef": {"name": "vault"}}})),
        base_and_patch(WAITING, patch({"secretKey": "URL", "remoteRef": {}})),
        base_and_patch(WAITING, patch({"secretKey": "URL", "remotRef": {"key": URL}})),
        # A new key that only one environment's ExternalSecret of that name has in common with nobody.
        one_overlay(external_secret("a"), external_secret("b", data=[entry("CA", CA)])),
        # Lost on the way, and there again in the overlay.
        with_layer(TWO_WAITING, patched("_ENV_"), patch(entry("URL", URL), entry("CA", CA))),
        with_component(TWO_WAITING, "prod", prod=patch(entry("URL", URL), entry("CA", CA))),
        # One base under two names: each is compared with what became of it.
        overlays(TWO_WAITING, "prod")
        | {
            "a/kustomization.yaml": kustomization("../base", namePrefix="a-"),
            "b/kustomization.yaml": kustomization("../base", namePrefix="b-", patches=[{"path": "patch.yaml"}]),
            "b/patch.yaml": patch(entry("URL", URL), entry("CA", CA)),
            "overlays/prod/kustomization.yaml": kustomization("../../a", "../../b"),
        },
    ],
    "overlay-missing": [
        reading(URL) | {"secrets.yaml": "version: 1\nenvironments: [production]\n"},
        base_and_patch(TWO_WAITING, patch(entry("URL", URL), entry("CA", "/zerotouch/_ENV_/shop/ca"))),
        overlays(external_secret(data=[entry("URL", "/zerotouch/shared/shop/url")]), "prod"),
        with_layer(WAITING, "", patched("prod")),
        with_component(WAITING, "prod", prod=patched("prod")),
        # A region, and a name that only secrets.yaml knows for an environment's.
        {file.replace("prod/", "prod/eu/"): text for file, text in reading(URL).items()},
        {file.replace("prod/", "blue/eu/"): text for file, text in reading("/zerotouch/blue/shop/url").items()}
        | {"secrets.yaml": "version: 1\nenvironments: [blue]\n"},
    ],
    "never-refreshes": [
        one_overlay(external_secret(refreshInterval="10s")),
        one_overlay(external_secret(refreshInterval="0h10m")),
        one_overlay(external_secret(refreshInterval="0", refreshPolicy="OnChange")),
        one_overlay(external_secret(target={"immutable": False})),
        one_overlay(GENERATED),  # a password that is made once
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
        # Each template makes another key of the same name.
        one_overlay(external_secret(data=[entry("CA", CA)]), sharing("a", "{{ .URL }}"), sharing("b", "{{ .URL }}")),
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
        one_overlay(external_secret(), claim("db")),
        one_overlay(external_secret(), deployment(volumes=[{"name": "v", "secret": {"secretName": "db"}}])),
        one_overlay(external_secret(), deployment(imagePullSecrets=[{"name": "db"}])),
        one_overlay(
            external_secret(),
            claim(),
            other("networking.k8s.io/v1", "Ingress", "i", spec={"tls": [{"secretName": "db"}]}),
        ),
        one_overlay(external_secret(), claim(), other("v1", "ServiceAccount", "s", secrets=[{"name": "db"}])),
        one_overlay(
            external_secret(),
            claim(),
            other("acme.io/v1", "Backup", "b", spec={"auth": {"passwordSecretRef": {"name": "db", "key": "x"}}}),
        ),
        one_overlay(external_secret(target={"creationPolicy": "None"}), claim()),
        one_overlay(
            external_secret(target={"template": {"metadata": {"labels": {"argocd.io/secret-type": "repo"}}}}),
            claim(),
        ),
        one_overlay(external_secret("shop-db"), claim("shop-bd")),  # said by unknown-secret
    ],
    "unknown-secret": [
        one_overlay(external_secret(target={"name": "x"}), claim("x")),
        base_and_patch(WAITING, patched("prod"), namePrefix="eu-"),
        one_overlay(other("db.io/v1", "PostgresInstance", "shop"), claim("shop-conn")),
        one_overlay(other("db.io/v1", "Database", "d", spec={"writeConnectionSecretToRef": {"name": "x"}}), claim("x")),
        one_overlay(other("bitnami.com/v1alpha1", "SealedSecret", "x"), deployment("x")),
        one_overlay(other("cert-manager.io/v1", "Certificate", "c", spec={"secretName": "x"}), deployment("x")),
        one_overlay(other("kubernetes-client.io/v1", "ExternalSecret", "x"), deployment("x")),
        one_overlay(
            other("external-secrets.io/v1", "ClusterExternalSecret", "c", spec={"externalSecretName": "x"}),
            deployment("x"),
        ),
        one_overlay(deployment().replace("envFrom: []", "envFrom: [{secretRef: {name: x, optional: true}}]")),
        # A neighbour's claim makes it.
        one_overlay(claim("shop-conn"))
        | {
            "overlays/dev/kustomization.yaml": kustomization("db.yaml"),
            "overlays/dev/db.yaml": other("db.io/v1", "PostgresInstance", "shop"),
        },
        # Not for pods: whoever reads these says so itself.
        one_overlay(other("source.toolkit.fluxcd.io/v1", "GitRepository", "g", spec={"secretRef": {"name": "x"}})),
        one_overlay(other("networking.k8s.io/v1", "Ingress", "i", spec={"tls": [{"secretName": "x"}]})),
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
        one_overlay(
            other("bitnami.com/v1alpha1", "SealedSecret", "s", spec={"encryptedData": {"PASSWORD": "AgBy3i4OJSWK"}})
        ),
        one_overlay(other("v1", "Secret", "s", stringData={"PASSWORD": "ENC[AES256_GCM,data:x]"}, sops={"mac": "x"})),
    ],
    "unused-ignore": [
        reading("shop/url")
        | {"secrets.yaml": "version: 1\nignore: [{rule: path-mismatch, covers: db, reason: it moves in June}]\n"}
    ],
}


CASES = [pytest.param(rule, tree, id=f"{rule}-{n}") for rule, trees in RIGHT.items() for n, tree in enumerate(trees)]


@pytest.mark.parametrize(("rule", "tree"), CASES)
def test_what_is_right_though_it_looks_wrong(tmp_path, rule, tree):
    """No finding of that rule."""
    assert [each.message for each in judged(tmp_path, tree, "").findings if each.rule == rule] == []


def test_every_rule_is_tried_here():
    """A new rule comes with an example of what it leaves alone."""
    assert set(RIGHT) == {rule.id for rule in all_rules()}
