"""An EKS cluster by name: its address from EKS, and a token that is a signed request to STS."""

import base64
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from secret_action.errors import StoreError
from secret_action.store.eks import EksAccess

CREDENTIALS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "s3cr3t", "region_name": "eu-west-1"}


class EksClient:
    """EKS, with one answer."""

    class meta:
        region_name = "eu-west-1"

    def __init__(self, answer):
        self._answer = answer

    def describe_cluster(self, name):
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"cluster": self._answer}


def access(answer=None):
    return EksAccess(EksClient(answer), boto3.client("sts", **CREDENTIALS))


def test_a_token_is_a_signed_request_that_names_the_cluster():
    """What `aws eks get-token` makes: the header is signed, so the token is good for this cluster alone."""
    token = access().token("shop")
    prefix, _, encoded = token.partition(".")
    url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    query = parse_qs(url.query)
    assert prefix == "k8s-aws-v1"
    assert "=" not in token
    assert url.hostname == "sts.eu-west-1.amazonaws.com"
    assert query["Action"] == ["GetCallerIdentity"]
    assert query["X-Amz-Expires"] == ["60"]
    assert query["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert "x-k8s-aws-id" not in query


def test_two_clusters_have_two_tokens():
    """The name is part of what is signed."""
    eks = access()
    assert eks.token("one") != eks.token("two")


def test_the_address_and_ca_are_what_eks_says():
    """As they are in DescribeCluster."""
    cluster = {"endpoint": "https://x", "certificateAuthority": {"data": "Q0E="}}
    assert access(cluster).describe_cluster("shop") == ("https://x", "Q0E=")


def _refused(code, text=""):
    return ClientError({"Error": {"Code": code, "Message": text}}, "DescribeCluster")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"name": "shop"}, "has no endpoint yet"),
        (_refused("ResourceNotFoundException", "No cluster found for name: shop."), "There is no EKS cluster shop"),
        (
            _refused(
                "AccessDeniedException",
                "User: arn:aws:sts::1:assumed-role/ci/x is not authorized to perform: eks:DescribeCluster "
                "on resource: arn:aws:eks:eu-west-1:1:cluster/shop",
            ),
            "eks:DescribeCluster",
        ),
    ],
)
def test_what_eks_refuses_is_told_in_words(answer, words):
    """Missing, not ready, or not allowed; each with a remedy."""
    with pytest.raises(StoreError) as error:
        access(answer).describe_cluster("shop")
    problem = error.value.problems[0]
    assert words in problem.what
    assert problem.remedy
