"""An EKS cluster by its name: where it is, and a token for it, from the run's own AWS credentials. No aws CLI."""

from __future__ import annotations

import base64
from typing import Any

from secret_action.errors import StoreError
from secret_action.model import Problem

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
        from botocore.exceptions import BotoCoreError, ClientError

        region = self._eks.meta.region_name
        try:
            cluster = self._eks.describe_cluster(name=name)["cluster"]
            return cluster["endpoint"], cluster["certificateAuthority"]["data"]
        except KeyError:
            raise StoreError(
                Problem(f"The EKS cluster {name} has no endpoint yet.", "Wait until it is active, then run again.")
            ) from None
        except ClientError as error:
            said = error.response.get("Error", {})
            raise StoreError(_refused(name, region, said.get("Code", ""), said.get("Message", ""))) from None
        except BotoCoreError as error:
            raise StoreError(
                Problem(
                    f"EKS in {region} cannot be asked about the cluster {name}: {error}",
                    "Check aws-region, the AWS credentials and the route to AWS.",
                )
            ) from None

    def token(self, name: str) -> str:
        """A bearer token for the cluster: a signed request that EKS sends to STS to learn who we are.

        Raises StoreError where there are no credentials to sign with.
        """
        from botocore.exceptions import BotoCoreError

        try:
            url = self._sts.generate_presigned_url(
                "get_caller_identity", Params={_HEADER: name}, ExpiresIn=_URL_SECONDS, HttpMethod="GET"
            )
        except BotoCoreError as error:
            raise StoreError(
                Problem(f"No token for the EKS cluster {name}: {error}", "Give the step AWS credentials.")
            ) from None
        return _PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def _refused(name: str, region: str, code: str, said: str) -> Problem:
    match code:
        case "ResourceNotFoundException":
            return Problem(
                f"There is no EKS cluster {name} in {region}.", "Check eks-cluster, aws-region and the AWS account."
            )
        case "AccessDeniedException" | "AccessDenied":
            return Problem(
                f"The AWS role may not describe the EKS cluster {name} in {region}: {said}",
                f'Add to its policy: {{"Effect": "Allow", "Action": "eks:DescribeCluster", "Resource": '
                f'"arn:aws:eks:{region}:*:cluster/{name}"}}',
            )
        case "ExpiredTokenException" | "ExpiredToken" | "UnrecognizedClientException":
            return Problem(
                f"AWS does not accept the credentials for EKS: {said}", "Renew the AWS credentials of the step."
            )
    return Problem(
        f"EKS refuses to describe the cluster {name} in {region}: {said}", "Check the name and the AWS credentials."
    )


def _keep_name(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if _HEADER in params:
        context[_HEADER] = params.pop(_HEADER)


def _put_header(request: Any, **_: Any) -> None:
    if _HEADER in request.context:
        request.headers[_HEADER] = request.context[_HEADER]
