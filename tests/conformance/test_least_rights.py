"""The rights of `examples/cluster/pipeline-rbac.yaml` suffice, and each that is missing is told or done without."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from secret_action.errors import ClusterError
from secret_action.model import ContentState, RefreshResult, RefreshState
from tests.conformance.gitops import REFRESH, application
from tests.conformance.lab import Lab
from tests.conformance.product import MANAGED, Product

pytestmark = pytest.mark.thorough

EXAMPLE = Path(__file__).parents[2] / "examples" / "cluster" / "pipeline-rbac.yaml"
GITOPS = EXAMPLE.with_name("pipeline-rbac-gitops.yaml")
SERVICE = "my-service"  # the namespace that the example is written for
_NUMBERS = itertools.count()


def roles(*more: Path) -> list[dict[str, Any]]:
    documents = [each for file in (EXAMPLE, *more) for each in yaml.safe_load_all(file.read_text())]
    return [each for each in documents if each["kind"] in ("Role", "ClusterRole")]


# What a refresh may use; those of `restart` and `refresh: force` have tests of their own.
RIGHTS = [
    (resource, verb)
    for role in roles()
    if role["metadata"]["name"] not in ("secret-sync-workloads", "secret-sync-force")
    for rule in role["rules"]
    for resource in rule["resources"]
    for verb in rule["verbs"]
]


def user(lab: Lab, without: tuple[str, str] | None = None, *more: Path) -> str:
    """The token of a user with the rights of the example, and of more of them, in this lab, but for one."""
    name = f"pipeline-{next(_NUMBERS)}"
    token = ""
    for role in roles(*more):
        namespace = role["metadata"].get("namespace")
        if namespace == SERVICE:
            namespace = lab.namespace
        elif namespace:
            lab.cluster.create_namespace(namespace)
        rules = [
            rule | {"resources": [resource], "verbs": [verb for verb in rule["verbs"] if (resource, verb) != without]}
            for rule in role["rules"]
            for resource in rule["resources"]
        ]
        token = lab.cluster.add_user(
            name, [rule for rule in rules if rule["verbs"]], None if namespace is None else [namespace]
        )
    return token


def run(lab: Lab, token: str) -> tuple[RefreshResult, RefreshResult]:
    """One that works, and one whose parameter is missing."""
    Product(lab).deploy("good", parameter=lab.parameter(value="old"))
    product = Product(lab, token, timeout=4.0)
    lab.create("bad", parameter="/zerotouch/gone", metadata={"labels": {"zerotouch.io/managed": "true"}})
    wanted = (
        product.rendered("good", parameter=lab.parameter(value="old")),
        product.rendered("bad", parameter="/zerotouch/gone"),
    )
    good, bad = product.release(*wanted, values={lab.parameter(value="old"): "new"})
    return good, bad


def test_the_example_suffices(lab: Lab) -> None:
    """Proof, content, and the cause of a failure."""
    good, bad = run(lab, user(lab))
    assert (good.state, good.content) == (RefreshState.PROVEN, ContentState.PROVEN), good
    assert bad.state is RefreshState.FAILED
    assert bad.diagnosis is not None
    assert "/zerotouch/gone is not in SSM" in bad.diagnosis.cause


@pytest.mark.parametrize(("resource", "verb"), RIGHTS, ids=[" ".join(right) for right in RIGHTS])
def test_each_right_is_told_or_done_without(lab: Lab, resource: str, verb: str) -> None:
    """Before the first write where nothing can be proven without it, with the rule that grants it; never a crash."""
    token = user(lab, without=(resource, verb))
    if (resource, verb) in {("externalsecrets", verb) for verb in ("list", "watch", "patch")}:
        with pytest.raises(ClusterError) as error:
            run(lab, token)
        problem = error.value.problems[0]
        assert f'resources: ["externalsecrets"], verbs: ["{verb}"]' in problem.remedy
        assert lab.secret("good") == {"key": "old"}
        return
    good, bad = run(lab, token)
    assert good.state is RefreshState.PROVEN, good
    assert (good.content is ContentState.PROVEN) is (resource != "secrets"), good
    assert resource != "secrets" or 'resources: ["secrets"], verbs: ["get"]' in good.detail
    assert not bad.ok
    assert bad.diagnosis is not None
    assert bad.diagnosis.remedy


@pytest.mark.parametrize("verb", ["", "get", "list", "patch"])
def test_the_example_for_gitops_suffices_to_ask_argo(tools: None, lab: Lab, verb: str) -> None:
    """And each right of it that is missing is done without: what may be read is quoted, and asked where that may be."""
    labels = MANAGED | {"app.kubernetes.io/instance": f"app-{lab.namespace}"}
    Product(lab).deploy("x", parameter=lab.parameter(), metadata={"labels": labels})
    path = application(lab, "b" * 40, "OutOfSync")
    product = Product(lab, user(lab, ("applications", verb), GITOPS), timeout=2.0)
    es = product.rendered("x", parameter=lab.parameter(), refreshInterval="2h", metadata={"labels": labels})
    (result,) = product.refresh(es)
    assert result.state is RefreshState.NOT_DEPLOYED
    assert result.diagnosis is not None
    assert f"app-{lab.namespace} is OutOfSync" in result.diagnosis.cause
    asked = lab.read(path)["metadata"].get("annotations", {}).get(REFRESH)
    assert asked == (None if verb == "patch" else "normal")
