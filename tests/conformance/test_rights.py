"""What a user without a right is told, since the product turns it into the line of policy that is missing."""

import pytest

from sandbox.aws import AwsServer
from tests.conformance.lab import ESO, METADATA_ONLY, Cluster, Lab, Object


@pytest.fixture(scope="module")
def told(cluster: Cluster, aws: AwsServer) -> tuple[Lab, str]:
    """A namespace and a user who may read and watch one ExternalSecret, and read one Secret."""
    lab = Lab(cluster, aws)
    rules: list[Object] = [
        {
            "apiGroups": ["external-secrets.io"],
            "resources": ["externalsecrets"],
            "resourceNames": ["mine"],
            "verbs": ["get", "list", "watch"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mine"], "verbs": ["get"]},
    ]
    return lab, cluster.add_user("reader", rules, [lab.namespace])


CASES = [
    ("PATCH", "{es}/mine", 'patch resource "externalsecrets" in API group "external-secrets.io" {ns}'),
    ("PATCH", "{es}/mine/status", 'patch resource "externalsecrets/status" in API group "external-secrets.io" {ns}'),
    ("GET", "{es}/other", 'get resource "externalsecrets" in API group "external-secrets.io" {ns}'),
    ("DELETE", "{es}/mine", 'delete resource "externalsecrets" in API group "external-secrets.io" {ns}'),
    ("PUT", "{es}/mine", 'update resource "externalsecrets" in API group "external-secrets.io" {ns}'),
    ("GET", "{v1}/secrets/other", 'get resource "secrets" in API group "" {ns}'),
    ("GET", "{v1}/pods/p/log", 'get resource "pods/log" in API group "" {ns}'),
    (
        "GET",
        f"{ESO}/clustersecretstores/aws-parameter-store",
        'get resource "clustersecretstores" in API group "external-secrets.io" at the cluster scope',
    ),
    ("GET", "{es}", 'list resource "externalsecrets" in API group "external-secrets.io" {ns}'),
    ("GET", "{es}?watch=1", 'watch resource "externalsecrets" in API group "external-secrets.io" {ns}'),
    ("POST", "{es}", 'create resource "externalsecrets" in API group "external-secrets.io" {ns}'),
    ("GET", "{v1}/events", 'list resource "events" in API group "" {ns}'),
    (
        "GET",
        f"{ESO}/externalsecrets",
        'list resource "externalsecrets" in API group "external-secrets.io" at the cluster scope',
    ),
    ("GET", "/api/v1/namespaces", 'list resource "namespaces" in API group "" at the cluster scope'),
]


@pytest.mark.parametrize(("method", "path", "text"), CASES)
def test_a_refusal_names_user_verb_resource_group_and_place(
    told: tuple[Lab, str], method: str, path: str, text: str
) -> None:
    lab, token = told
    path = path.format(es=lab.path, v1=f"/api/v1/namespaces/{lab.namespace}")
    body: Object | None = None if method == "GET" else {"metadata": {}}
    code, reason, message = lab.refuse(method, path, body, token=token)
    assert (code, reason) == (403, "Forbidden")
    assert message.endswith(" cannot " + text.format(ns=f'in the namespace "{lab.namespace}"'))
    parts = path.partition("?")[0].removeprefix("/api/v1/").removeprefix(f"{ESO}/").split("/")
    if parts[0] == "namespaces" and len(parts) > 2:
        parts = parts[2:]
    group = ".external-secrets.io" if path.startswith(ESO) else ""
    name = f' "{parts[1]}"' if len(parts) > 1 else ""
    assert message.startswith(f'{parts[0]}{group}{name} is forbidden: User "u')


def test_a_refusal_has_its_details(told: tuple[Lab, str]) -> None:
    lab, token = told
    _, answer = lab.cluster.request("GET", f"{lab.path}/other", token=token)
    assert answer["details"] == {"name": "other", "group": "external-secrets.io", "kind": "externalsecrets"}
    _, answer = lab.cluster.request("GET", f"{lab.secrets}/other", token=token)
    assert answer["details"] == {"name": "other", "kind": "secrets"}


def test_another_namespace_is_another_matter(told: tuple[Lab, str]) -> None:
    lab, token = told
    assert lab.refuse("GET", f"{Lab(lab.cluster, lab.aws).path}/mine", token=token)[0] == 403


def test_what_is_allowed_by_name_is_found_missing_and_not_forbidden(told: tuple[Lab, str]) -> None:
    lab, token = told
    assert lab.refuse("GET", f"{lab.path}/mine", token=token)[0] == 404
    refusal = lab.refuse("GET", f"{lab.secrets}/mine", token=token, accept=METADATA_ONLY)
    assert refusal == (404, "NotFound", 'secrets "mine" not found')


def test_a_right_for_one_name_allows_to_list_and_watch_that_one(told: tuple[Lab, str]) -> None:
    lab, token = told
    selector = "fieldSelector=metadata.name%3Dmine"
    assert lab.cluster.request("GET", f"{lab.path}?{selector}", token=token)[0] == 200
    assert lab.watch(lab.path, token, fieldSelector="metadata.name=mine") == (200, [])


def test_metadata_alone_needs_the_same_right(told: tuple[Lab, str]) -> None:
    lab, token = told
    assert lab.refuse("GET", f"{lab.secrets}/other", token=token, accept=METADATA_ONLY)[0] == 403


def test_a_subresource_is_a_right_of_its_own(lab: Lab) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}]
    token = lab.cluster.add_user("log-reader", rules)
    pod = f"/api/v1/namespaces/{lab.namespace}/pods/p"
    assert lab.refuse("GET", f"{pod}/log", token=token) == (404, "NotFound", 'pods "p" not found')
    assert lab.refuse("GET", pod, token=token)[0] == 403


def test_discovery_is_for_everyone_with_a_token(told: tuple[Lab, str]) -> None:
    lab, token = told
    for path in ("/version", "/readyz", "/api", "/apis", "/apis/external-secrets.io", ESO):
        assert lab.cluster.request("GET", path, token=token)[0] == 200, path


def test_an_unknown_version_is_forbidden_before_it_is_not_found(told: tuple[Lab, str]) -> None:
    lab, token = told
    assert lab.refuse("GET", f"{ESO}alpha1/externalsecrets", token=token)[0] == 403


def test_a_wrong_token_is_unauthorised(lab: Lab) -> None:
    assert lab.refuse("GET", lab.path, token="wrong") == (401, "Unauthorized", "Unauthorized")
