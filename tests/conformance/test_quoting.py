"""A run that knows no values shows none, although the operator says them."""

from typing import Any

import pytest

from sandbox.real.cluster import RealCluster
from secret_action.model import RefreshState
from tests.conformance.lab import Lab, eventually, ready
from tests.conformance.product import MANAGED, Product

pytestmark = pytest.mark.thorough

VALUE = "Hu(nter2 %zz-S3cretPassw0rd"


def _template(text: str, **more: Any) -> dict[str, Any]:
    return {"target": {"template": {"data": {"k": text}, **more}}}


EVERYWHERE = {"what a template says": _template("{{ .key | fail }}")}
REAL = {
    "an address": _template("{{ (urlParse .key).host }}"),
    "a date": _template('{{ mustToDate "06" .key }}'),
    "an expression": _template('{{ mustRegexMatch .key "a" }}'),
    "a list": _template("{{ range .key }}{{ end }}"),
    "a label": _template("x", metadata={"labels": {"a": "{{ .key }}"}}),
}


@pytest.mark.parametrize("spec", [*EVERYWHERE.values(), *REAL.values()], ids=[*EVERYWHERE, *REAL])
def test_what_the_operator_says_of_a_value_is_not_shown(lab: Lab, spec: dict[str, Any]) -> None:
    """It is in its events, and the cause is told all the same."""
    if spec in REAL.values() and not isinstance(lab.cluster, RealCluster):
        pytest.skip("the stand-in knows one function that fails")
    product = Product(lab, timeout=5.0)
    lab.create("x", parameter=lab.parameter(value=VALUE), metadata={"labels": MANAGED}, **spec)
    lab.wait("x", lambda found: bool(ready(found)))
    said = eventually(lambda: [text for kind, _, text in lab.events("x") if kind == "Warning"])
    assert any(VALUE[:8] in text for text in said), said
    (result,) = product.refresh(product.rendered("x", parameter=lab.parameter(value=VALUE), **spec))
    assert result.state is RefreshState.FAILED
    assert result.diagnosis is not None
    assert "template fails" in result.diagnosis.cause or "does not take the Secret" in result.diagnosis.cause
    assert any("left out" in text or "Invalid value: …" in text for text in result.diagnosis.observed), result
    for shown in (repr(result), *product.log.lines):
        assert not any(VALUE[at : at + 8] in shown for at in range(len(VALUE) - 7)), shown
