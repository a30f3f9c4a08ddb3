"""An EKS cluster by its name: where it is, and a token for it, from the run's own AWS credentials. No aws CLI."""

from __future__ import annotations

import base64
from typing import Any

from secret_action.errors import StoreError
from secret_action.model import Problem
from secret_action.store import answers, failures
from secret_action.store.denials import Request

_HEADER = "x-k8s-aws-id"
_PREFIX = "k8s-aws-v1."
_URL_SECONDS = 60  # as `aws eks get-token` signs it; EKS itself takes the token for 15 minutes


class EksAccess:
    """eks, sts: botocore clients of the same session and region."""

    def __init__(self, eks: Any, sts: Any) -> None:
        self._eks = eks
        self._sts = sts
        # As the aws CLI does it: the cluster's name travels in a signed header, which no parameter exists for.
        events = sts.meta.events
        events.register("provide-client-params.sts.GetCallerIdentity", _keep_name)
        events.register("before-sign.sts.GetCallerIdentity", _put_header)

    def describe_cluster(self, name: str) -> tuple[str, str]:
        """The API server's URL and its CA as base64 of PEM. Raises StoreError."""
        region = self._eks.meta.region_name
        try:
            cluster = self._eks.describe_cluster(name=name)["cluster"]
        except Exception as error:
            raise StoreError(_problem(error, name, region)) from error
        if "endpoint" not in cluster or "certificateAuthority" not in cluster:
            raise StoreError(
                Problem(f"The EKS cluster {name} has no endpoint yet.", "Wait until it is active, then run again.")
            )
        return cluster["endpoint"], cluster["certificateAuthority"]["data"]

    def token(self, name: str) -> str:
        """A bearer token for the cluster: a signed request that EKS sends to STS to learn who we are.

        Raises StoreError where there are no credentials to sign with.
        """
        try:
            url = self._sts.generate_presigned_url(
                "get_caller_identity", Params={_HEADER: name}, ExpiresIn=_URL_SECONDS, HttpMethod="GET"
            )
        except Exception as error:
            request = Request("sts:GetCallerIdentity", self._sts.meta.region_name)
            raise StoreError(failures.problem(error, request)) from error
        return _PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def _problem(error: Exception, name: str, region: str) -> Problem:
    if answers.code(error) == "ResourceNotFoundException":
        return Problem(
            f"There is no EKS cluster {name} in {region}.", "Check eks-cluster, aws-region and the AWS account."
        )
    return failures.problem(error, Request("eks:DescribeCluster", region))


def _keep_name(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if _HEADER in params:
        context[_HEADER] = params.pop(_HEADER)


def _put_header(request: Any, **_: Any) -> None:
    if _HEADER in request.context:
        request.headers[_HEADER] = request.context[_HEADER]
