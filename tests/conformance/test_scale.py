"""Many namespaces: what a release of all of them asks of the API server, and that all of it is proven."""

import collections
from typing import Any

import pytest

from secret_action.cluster import follow, prepare, refresh
from secret_action.model import ContentState, RefreshResult, RefreshState
from secret_action.ports import SystemClock
from secret_action.values import SecretValue
from tests.conformance.lab import Lab
from tests.conformance.product import Product

RULES = [
    {"apiGroups": ["external-secrets.io"], "resources": ["externalsecrets"], "verbs": ["list", "watch", "patch"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
]
NAMESPACES = 6
Counted = collections.Counter[str]


@pytest.fixture
def labs(lab: Lab) -> list[Lab]:
    return [lab, *(Lab(lab.cluster, lab.aws) for _ in range(NAMESPACES - 1))]


def release(labs: list[Lab], product: Product) -> tuple[tuple[RefreshResult, ...], Counted]:
    """The cluster's half of a run, as the pipeline has it, and what it asked about ExternalSecrets and Secrets."""
    admin = Product(labs[0])
    wanted = []
    for lab in labs:
        admin.lab = lab
        wanted += [admin.deploy("x", parameter=lab.parameter(value="old"))]
    known = {lab.parameter(value="old"): SecretValue("new") for lab in labs}
    asked: Counted = collections.Counter()
    transport: Any = product.api._transport
    send = transport.send

    def counted(method: str, url: str, **rest: Any) -> Any:
        kind = "watch" if "watch=true" in url else "list" if "limit=" in url else method
        scope = "namespace" if "/namespaces/" in url else "cluster"
        if "externalsecrets" in url:
            asked[f"{kind} {scope}"] += 1
        elif "/secrets/" in url:
            asked["secret"] += 1
        return send(method, url, **rest)

    transport.send = counted
    seen = prepare(product.api, product.inspect(*wanted), known, frozenset(known), product.settings)
    following = follow(product.api, seen)
    for path in known:
        labs[0].aws.put(path, "new")
    results = refresh(
        product.api, tuple(wanted), seen, known, product.settings, product.log, SystemClock(),
        token="run-scale", changed_paths=frozenset(known), following=following,
    )  # fmt: skip
    return results, asked


def right(results: tuple[RefreshResult, ...]) -> bool:
    return {(one.state, one.content) for one in results} == {(RefreshState.PROVEN, ContentState.PROVEN)}


def test_each_namespace_is_listed_and_watched_once(labs: list[Lab]) -> None:
    """With the rights of namespaces alone; one patch and one look at the Secret's metadata each."""
    token = labs[0].cluster.add_user(f"scale-{labs[0].namespace}", RULES, [lab.namespace for lab in labs])
    results, asked = release(labs, Product(labs[0], token))
    assert right(results), results
    assert asked == {
        "list namespace": NAMESPACES,
        "watch namespace": NAMESPACES,
        "PATCH namespace": NAMESPACES,
        "secret": NAMESPACES,
    }


def test_the_cluster_is_listed_and_watched_at_once_where_that_is_allowed(labs: list[Lab]) -> None:
    """Unless it holds many times what is wanted: whatever else is there would be read as well."""
    product = Product(labs[0], labs[0].cluster.add_user(f"scale-{labs[0].namespace}", RULES))
    results, asked = release(labs, product)
    assert right(results), results
    everything = labs[0].read("/apis/external-secrets.io/v1/externalsecrets")["items"]
    at_once = len(everything) <= 4 * NAMESPACES
    assert asked["watch cluster"] == at_once
    assert asked["watch namespace"] == (0 if at_once else NAMESPACES)
    assert asked["list namespace"] == asked["watch namespace"]
    assert asked["PATCH namespace"] == asked["secret"] == NAMESPACES
