"""What ESO says when it fails leads the whole product to the right cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.real.cluster import RealCluster
from secret_action.errors import ManifestError
from secret_action.model import Diagnosis, RefreshState
from tests.conformance.lab import Lab, ready
from tests.conformance.product import MANAGED, Product
from tests.conformance.refusals import frozen, full, refusing_secrets
from tests.conformance.stores import make_store, store_path

pytestmark = pytest.mark.thorough

ROLE = "arn:aws:iam::123456789012:role/reader"
USER = "User: arn:aws:sts::123456789012:assumed-role/reader/session is not authorized to perform:"


@pytest.fixture
def product(lab: Lab) -> Iterator[Product]:
    """With time enough for an SDK that tries again before it tells, where there is one."""
    yield Product(lab, timeout=20.0 if isinstance(lab.cluster, RealCluster) else 2.0)
    lab.aws.faults.clear()


def diagnosed(product: Product, **specs: dict[str, Any]) -> dict[str, Diagnosis]:
    """Creates ExternalSecrets of these names, refreshes them, and returns why each failed."""
    lab = product.lab
    specs = {name: {"target": {"name": name}, **spec} for name, spec in specs.items()}
    for name, spec in specs.items():
        lab.create(name, metadata={"labels": MANAGED}, **spec)
    for name in specs:
        lab.wait(name, lambda found: bool(ready(found)))
    results = product.refresh(*(product.rendered(name, **spec) for name, spec in specs.items()))
    found: dict[str, Diagnosis] = {}
    for result in results:
        assert result.state is RefreshState.FAILED, result
        assert result.diagnosis is not None
        found[result.name] = result.diagnosis
    return found


def test_what_ssm_answers(lab: Lab, product: Product) -> None:
    """Rights on the parameter and on its key, a key that is off, throttling, a version, a name, a failure of AWS's."""
    key = "arn:aws:kms:us-east-1:123456789012:key/1234"
    answers: dict[str, tuple[str, str, int, str]] = {
        "ssm": ("AccessDeniedException", f"{USER} ssm:GetParameter on resource: arn:aws:ssm:x", 400, "may not read"),
        "kms": ("AccessDeniedException", f"{USER} kms:Decrypt on resource: {key}", 400, "lacks kms:Decrypt"),
        "kms-off": (
            "InvalidKeyId", f"{key} is disabled. (Service: AWSKMS; Error Code: DisabledException)", 400,
            "cannot be used: it is disabled",
        ),
        "rate": ("ThrottlingException", "Rate exceeded", 400, "SSM is throttling ESO"),
        "version": ("ParameterVersionNotFound", "Systems Manager could not find version 7.", 400, "no such version"),
        "name": ("ValidationException", "Parameter name: can't be prefixed with \"ssm\".", 400, "not take the name"),
        "down": ("InternalServerError", "An error occurred on the server side.", 500, "a failure of its own"),
        "token": (
            "UnrecognizedClientException", "The security token included in the request is invalid.", 400,
            "no valid AWS credentials",
        ),
    }  # fmt: skip
    for name, (code, message, status, _) in answers.items():
        parameter = lab.parameter(name)
        lab.aws.fail("GetParameter", code=code, message=message, status=status, name=parameter, times=None)
    found = diagnosed(product, **{name: {"parameter": lab.parameter(name)} for name in answers})
    for name, (*_, words) in answers.items():
        assert words in found[name].cause, found[name]


def test_a_clock_that_is_off(lab: Lab, product: Product) -> None:
    """AWS calls the signature expired; the SDK tries with a corrected clock before it gives up."""
    name = lab.parameter()
    message = "Signature expired: 20261124T100000Z is now earlier than 20261124T105500Z (20261124T110000Z - 5 min.)"
    lab.aws.fail("GetParameter", code="InvalidSignatureException", message=message, name=name, times=None)
    found = diagnosed(product, x={"parameter": name})
    assert "The clock of the node that ESO runs on is off" in found["x"].cause


def test_what_is_wrong_with_a_parameter(lab: Lab, product: Product) -> None:
    """Missing, without the property, no JSON, not base64."""
    text = lab.parameter("text", "not json at all")
    found = diagnosed(
        product,
        missing={"parameter": "/gone/throttling_template"},
        prop={"data": [{"secretKey": "k", "remoteRef": {"key": text, "property": "user"}}]},
        json={"dataFrom": [{"extract": {"key": text}}]},
        coded={"data": [{"secretKey": "k", "remoteRef": {"key": text, "decodingStrategy": "Base64"}}]},
        template={"parameter": text, "target": {"name": "t", "template": {"data": {"k": "{{ .gone }}"}}}},
    )
    assert found["missing"].cause == "The parameter /gone/throttling_template is not in SSM."
    assert "has the property `user`" in found["prop"].cause
    assert "is not a JSON object" in found["json"].cause
    assert "`decodingStrategy`" in found["coded"].cause
    assert "its template fails" in found["template"].cause


def _signs_in_with(lab: Lab, name: str, account: str) -> dict[str, str]:
    return make_store(lab, name, aws={"auth": {"jwt": {"serviceAccountRef": {"name": account}}}})


def _account(lab: Lab, name: str, **annotations: str) -> None:
    path = f"/api/v1/namespaces/{lab.namespace}/serviceaccounts"
    lab.cluster.request("POST", path, {"metadata": {"name": name, "annotations": annotations}})


def _refused(operation: str, code: str, message: str) -> Callable[[Lab], None]:
    def order(lab: Lab) -> None:
        lab.aws.fail(operation, code=code, message=message, status=403, times=None)

    return order


WEB_IDENTITY = "AssumeRoleWithWebIdentity"
SIGNING_IN: dict[str, tuple[str, Callable[[Lab], None], str]] = {
    "no-account": ("gone", lambda lab: None, "/gone, which is not in the cluster"),
    "no-role": ("bare", lambda lab: None, "/bare, which names no IAM role"),
    "trust": ("reader", lambda lab: None, f"The trust policy of the IAM role {ROLE} does not admit the"),
    "provider": (
        "reader",
        _refused(WEB_IDENTITY, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://x"),
        "it has no IAM OIDC provider",
    ),
    "audience": (
        "reader",
        _refused(WEB_IDENTITY, "InvalidIdentityToken", "Incorrect token audience"),
        "does not accept the token",
    ),
    "expired": (
        "reader",
        _refused(
            WEB_IDENTITY,
            "ExpiredTokenException",
            "Token expired: current date/time 2 must be before the expiration date/time 1",
        ),
        "the clock of the API server",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("account", "order", "words"), SIGNING_IN.values(), ids=SIGNING_IN.keys())
def test_a_role_that_is_not_to_be_had(
    lab: Lab, product: Product, account: str, order: Callable[[Lab], None], words: str
) -> None:
    """No service account, no annotation, a trust policy, no OIDC provider, another audience, a clock."""
    _account(lab, "bare")
    _account(lab, "reader", **{"eks.amazonaws.com/role-arn": ROLE})
    order(lab)
    reference = _signs_in_with(lab, "store", account)
    lab.wait_for(store_path(lab, reference), lambda found: bool(ready(found)))
    found = diagnosed(product, x={"parameter": lab.parameter(), "secretStoreRef": reference})
    assert words in found["x"].cause, found
    assert any("Service account" in text for text in found["x"].observed)


def test_a_role_on_top_that_may_not_be_assumed(lab: Lab, product: Product) -> None:
    """`spec.provider.aws.role`, assumed with whatever ESO has."""
    _refused("AssumeRole", "AccessDenied", f"{USER} sts:AssumeRole on resource: {ROLE}")(lab)
    reference = make_store(lab, "store", aws={"role": ROLE})
    lab.wait_for(store_path(lab, reference), lambda found: bool(ready(found)))
    found = diagnosed(product, x={"parameter": lab.parameter(), "secretStoreRef": reference})
    assert found["x"].cause == "ESO cannot assume the IAM role of the SecretStore store."


def test_a_store_that_is_misspelt(lab: Lab, product: Product) -> None:
    """The nearest name is told."""
    make_store(lab, "my-service-store")
    reference = {"name": "my-servic-store", "kind": "SecretStore"}
    found = diagnosed(product, x={"parameter": lab.parameter(), "secretStoreRef": reference})
    assert found["x"].cause == (
        "There is no SecretStore my-servic-store in the cluster; SecretStore my-service-store may be meant."
    )


def test_a_store_that_puts_a_prefix_before_each_key(lab: Lab, product: Product) -> None:
    """What ESO looks for is named; a run that would change it ends before its first write."""
    reference = make_store(lab, "store", aws={"prefix": "/team"})
    path = lab.parameter(value="old")
    found = diagnosed(product, x={"parameter": path, "secretStoreRef": reference})
    assert found["x"].cause == (
        f"ESO looks for the parameter /team{path}, which is not in SSM: the SecretStore store puts the prefix `/team` "
        "before each key."
    )
    before = lab.aws.parameters()[path]
    with pytest.raises(ManifestError, match=f"ESO reads /team{path}"):
        product.release(product.rendered("x", parameter=path, secretStoreRef=reference), values={path: "new"})
    assert lab.aws.parameters()[path] == before


def test_a_secret_that_the_api_server_refuses(lab: Lab, product: Product) -> None:
    """A webhook that says no, one that does not answer, a policy: none is called a template that fails."""
    with refusing_secrets(lab) as said:
        found = diagnosed(product, **{name: {"parameter": lab.parameter()} for name in said})
        for name, event in said.items():
            lab.wait_for_event(name, "Warning", "UpdateFailed", event)
    assert found["denied"].cause == "An admission webhook refuses what ESO writes: denied.example.com."
    assert "The admission webhook away.example.com does not answer" in found["away"].cause
    assert found["policy"].cause == f"A ValidatingAdmissionPolicy refuses what ESO writes: {lab.namespace}."


@pytest.mark.parametrize("by", ["webhook", "policy"])
def test_an_annotation_that_admission_refuses(lab: Lab, product: Product, by: str) -> None:
    """With the status of a missing right, which it is not."""
    es = product.deploy("x", parameter=lab.parameter(value="old"))
    with frozen(lab, by, f"{lab.path}/x"):
        (result,) = product.release(es, values={lab.parameter(value="old"): "new"})
    assert result.state is RefreshState.FAILED
    assert result.diagnosis is not None
    who = {"webhook": "admission webhook frozen.example.com", "policy": f"ValidatingAdmissionPolicy {lab.namespace}"}
    assert f"The {who[by]} does not let this account patch externalsecrets/x in" in result.diagnosis.cause
    assert result.diagnosis.cause.endswith("(403): until Monday.")
    assert "Role" not in result.diagnosis.remedy


def test_a_namespace_without_room(lab: Lab, product: Product) -> None:
    """Its ResourceQuota is named."""
    with full(lab) as said:
        found = diagnosed(product, x={"parameter": lab.parameter(), "target": {"name": "x"}})
        lab.wait_for_event("x", "Warning", "UpdateFailed", said)
    assert f"The ResourceQuota few of the namespace {lab.namespace} has no room" in found["x"].cause


def test_a_type_that_cannot_change(lab: Lab, product: Product) -> None:
    """Kubernetes itself refuses what the template makes of the Secret."""
    if not isinstance(lab.cluster, RealCluster):
        pytest.skip("the stand-in validates no types")
    spec: dict[str, Any] = {"parameter": lab.parameter()}
    lab.synced("x", metadata={"labels": MANAGED}, **spec)
    spec["target"] = {"template": {"type": "kubernetes.io/tls"}}
    lab.patch("x", {"spec": {"target": spec["target"]}})
    (result,) = product.refresh(product.rendered("x", **spec))
    assert result.diagnosis is not None
    assert "Kubernetes does not take the Secret as ESO writes it" in result.diagnosis.cause
