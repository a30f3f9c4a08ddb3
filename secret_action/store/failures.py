"""An error of AWS's client → a `Problem` that its reader can mend.

AWS's texts may echo the very value that was sent, and botocore's own checks print it. So nothing of a text is quoted;
what is shown of it is parsed out: the action, the resource, the caller. Codes are shown as they are.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from urllib.parse import urlsplit

from secret_action.model import Problem
from secret_action.store import answers, denials
from secret_action.store.denials import Request
from secret_action.store.limits import ADVANCED_BYTES, STANDARD_BYTES


def problem(error: BaseException, request: Request) -> Problem:
    """What went wrong with a request, why, and what to do about it."""
    if answers.is_denied(error):
        return denials.problems([denials.denial(error, request)])[0]
    if not answers.answered(error):
        return _without_answer(error, request)
    explain = _EXPLANATIONS.get(answers.code(error))
    if explain is not None:
        return explain(str(error), request)
    if answers.is_throttled(error):
        return _throttled(request)
    facts = [answers.code(error)]
    if answers.status(error):
        facts.append(f"HTTP {answers.status(error)}")
    if answers.request_id(error):
        facts.append(f"request {answers.request_id(error)}")
    return Problem(
        f"AWS did not do {request.what}: {', '.join(facts)}.",
        "Run it again. If it stays, look the code up in AWS's API reference, or give AWS Support the request's id.",
    )


def _throttled(request: Request) -> Problem:
    return Problem(
        f"AWS throttled {request.action} and let nothing through for too long.",
        "Run it again when no other job writes to Parameter Store in this account and region, or turn on its "
        "higher throughput setting (ssm/parameter-store/high-throughput-enabled).",
        ("Other jobs share the account's limit: three writes a second by default.",),
    )


def _without_answer(error: BaseException, request: Request) -> Problem:
    """An error that botocore raised by itself: credentials, network, TLS, or a request that it would not send."""
    from botocore import exceptions as botocore

    name = type(error).__name__
    host = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url", ""))).hostname or "AWS"
    if isinstance(error, botocore.ParamValidationError):
        return Problem(
            f"The AWS client would not send {request.what}: an argument is not as it should be.",
            "Please report this as a bug, with the version and the mode.",
        )
    if isinstance(error, botocore.SSLError):
        return Problem(
            f"TLS with {host} failed, so {request.what} was not done.",
            "Behind a proxy that opens TLS, set AWS_CA_BUNDLE or REQUESTS_CA_BUNDLE to its CA certificates.",
            ("The certificate is not signed by a known authority.", "The machine's clock is wrong."),
        )
    if isinstance(error, botocore.ProxyConnectionError):
        return Problem(
            f"The proxy could not be reached, so {request.what} was not done.",
            "Check HTTPS_PROXY, or name the host in NO_PROXY.",
        )
    if isinstance(error, (botocore.EndpointConnectionError, botocore.ConnectTimeoutError)):
        return _unreachable(error, host, request)
    if isinstance(error, (botocore.HTTPClientError, botocore.IncompleteReadError)) or name == "ResponseParserError":
        return Problem(
            f"{host} gave no whole answer to {request.what} ({name}).",
            "Run it again. If it stays, look at what is between the runner and AWS (proxy, VPC endpoint).",
        )
    if isinstance(
        error,
        (
            botocore.NoCredentialsError,
            botocore.PartialCredentialsError,
            botocore.CredentialRetrievalError,
            botocore.TokenRetrievalError,
            botocore.MetadataRetrievalError,
            botocore.SSOError,
            botocore.LoginError,
        ),
    ):
        return Problem(
            f"The AWS credentials could not be had for {request.what} ({name}).",
            "Check what hands them out: the step before, the AWS_* variables, the profile, or the instance's role.",
        )
    return Problem(
        f"The AWS client failed at {request.what} ({name}).",
        "Run it again; if it stays, please report it as a bug, with the version and the mode.",
    )


def _unreachable(error: BaseException, host: str, request: Request) -> Problem:
    from urllib3.exceptions import NameResolutionError

    cause = getattr(error, "kwargs", {}).get("error")
    if isinstance(cause, NameResolutionError):
        return Problem(
            f"The name {host} does not resolve, so {request.what} was not done.",
            f"Check the region: it is {request.region}{_nearest_region(request.region)}. "
            "If it is right, check the runner's DNS.",
            ("`aws-region` names no region.", "The runner has no way to the internet."),
        )
    return Problem(
        f"No connection to {host} ({type(error).__name__}), so {request.what} was not done.",
        "Check the runner's route, firewall, proxy (HTTPS_PROXY) and VPC endpoints.",
    )


def _nearest_region(region: str) -> str:
    from difflib import get_close_matches

    import botocore.session

    known = botocore.session.get_session().get_available_regions("ssm")
    nearest = [] if region in known else get_close_matches(region, known, n=1)
    return f" (did you mean {nearest[0]}?)" if nearest else ""


def _expired(_: str, request: Request) -> Problem:
    return Problem(
        f"The AWS credentials have expired, so AWS refused {request.what}.",
        "Get new ones just before this step: `aws-role-to-assume`, or aws-actions/configure-aws-credentials.",
        ("An earlier step took longer than the credentials live (one hour by default).",),
    )


def _invalid_credentials(_: str, request: Request) -> Problem:
    return Problem(
        f"AWS does not know these credentials, so it refused {request.what} in {request.region}.",
        "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN: all three from one source.",
        (
            "The access key was deleted, or AWS_SESSION_TOKEN is missing or belongs to another key.",
            f"The account has not enabled the region {request.region}.",
        ),
    )


def _signature(text: str, request: Request) -> Problem:
    if "Signature expired" in text or "not yet current" in text:
        return Problem(
            f"AWS refused {request.what}: the machine's clock is wrong by more than five minutes.",
            "Set the runner's clock (NTP).",
        )
    return Problem(
        f"AWS refused the signature of {request.what}.",
        "Check AWS_SECRET_ACCESS_KEY: it does not belong to AWS_ACCESS_KEY_ID, or was cut or padded when pasted.",
    )


def _key(text: str, request: Request) -> Problem:
    """KMS's own words come inside SSM's InvalidKeyId; they tell apart what happened."""
    found = denials.KEY.search(text)
    key_id = found[0] if found else "…"
    key = f"The KMS key {key_id}" if found else "The KMS key"
    lower = text.lower()
    if "disabled" in lower:
        return Problem(
            f"{key} is disabled, so AWS refused {request.what}.", f"Enable it: aws kms enable-key --key-id {key_id}"
        )
    if "pending deletion" in lower or "pendingdeletion" in lower:
        return Problem(
            f"{key} is about to be deleted, so AWS refused {request.what}.",
            f"Keep it: aws kms cancel-key-deletion --key-id {key_id}, then enable it; "
            "or name another in `aws-kms-key-id`.",
        )
    if "accessdenied" in lower or "not authorized" in lower:
        action = denials.ACTION.search(text)
        needed = action[1] if action else "kms:Encrypt and kms:Decrypt (Advanced tier: also kms:GenerateDataKey)"
        return Problem(
            f"{key} may not be used by the caller, so AWS refused {request.what}.",
            f"Allow {needed} on it in the key's policy or in the role's.",
        )
    return Problem(
        f"{key} does not exist in {request.region}, so AWS refused {request.what}.",
        "Check `aws-kms-key-id`, or the key that the parameter has: a key id, an ARN, or `alias/…`, "
        "symmetric, in this region.",
    )


def _validation(text: str, request: Request) -> Problem:
    if "maximum parameter value of" in text:
        return Problem(
            f"{request.path} would get a value that is too large for its tier "
            f"(Standard takes {STANDARD_BYTES:,} bytes, Advanced {ADVANCED_BYTES:,}).",
            "Write `tier: Advanced` for it in secrets.yaml.",
        )
    if "can't downgrade" in text:
        return Problem(
            f"SSM refused the tier that was sent with {request.path}: an Advanced parameter cannot go back.",
            "Write `tier: Advanced` for it in secrets.yaml, or delete the parameter and run again.",
        )
    if "nest another parameter" in text:
        return Problem(
            f"The value for {request.path} holds {{{{…}}}}, which SSM takes for a reference to another parameter.",
            "Store it base64-encoded, with `decodingStrategy: Base64` in the ExternalSecret's remoteRef.",
        )
    return Problem(
        f"SSM refused {request.what} as invalid. Its text is not shown: it may hold the value.",
        "Check the value for {{…}} and for control characters, and the name for unusual ones.",
    )


def _told(what: str, remedy: str) -> Callable[[str, Request], Problem]:
    """An explanation that needs the path alone: `{path}`, and `{name}` as a shell word."""

    def explain(_: str, request: Request) -> Problem:
        words = {"path": request.path, "name": shlex.quote(request.path), "region": request.region}
        return Problem(what.format_map(words), remedy.format_map(words))

    return explain


_EXPLANATIONS: dict[str, Callable[[str, Request], Problem]] = {
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "RequestExpired"), _expired),
    **dict.fromkeys(
        (
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
            "AuthFailure",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "OptInRequired",
            "NotAuthorized",
        ),
        _invalid_credentials,
    ),
    **dict.fromkeys(
        ("InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException"),
        _signature,
    ),
    **dict.fromkeys(
        ("InvalidKeyId", "KMSInvalidStateException", "DisabledException", "KMSAccessDeniedException"), _key
    ),
    **dict.fromkeys(("ValidationException", "ValidationError"), _validation),
    "ParameterLimitExceeded": _told(
        "The account has as many parameters in {region} as it may, so {path} was not created.",
        "Delete parameters that nothing reads, or write `tier: Advanced` for it in secrets.yaml "
        "(10,000 Standard and 100,000 Advanced parameters per account and region).",
    ),
    "ParameterMaxVersionLimitExceeded": _told(
        "{path} has 100 versions, and the oldest carries a label, so SSM cannot drop it for a new one.",
        "Move the label: aws ssm get-parameter-history --region {region} --name {name} "
        "--query 'Parameters[?Labels].[Version,Labels]', then aws ssm unlabel-parameter-version.",
    ),
    "TooManyTagsError": _told(
        "{path} would have more than 50 tags, the most that SSM takes.",
        "Remove some, or shorten the input `tags`: aws ssm list-tags-for-resource --region {region} "
        "--resource-type Parameter --resource-id {name}",
    ),
    "TooManyUpdates": _told(
        "SSM answered TooManyUpdates for {path} for too long: other clients update parameters at the same time.",
        "Run it again when no other job writes to Parameter Store in this account and region.",
    ),
    "ParameterAlreadyExists": _told(
        "{path} exists already: somebody created it while this run was on.",
        "Run it again: it reads the parameter anew and overwrites it.",
    ),
    "ParameterNotFound": _told(
        "{path} does not exist: somebody deleted it while this run was on.", "Run it again: it will be created."
    ),
    "HierarchyLevelLimitExceededException": _told(
        "{path} has more than 15 levels, the most that SSM takes.", "Shorten the path."
    ),
    "HierarchyTypeMismatchException": _told(
        "{path} is not a SecureString, and SSM refused to make it one.",
        "Delete it and run again, which creates it as a SecureString: "
        "aws ssm delete-parameter --region {region} --name {name}",
    ),
    "ParameterPatternMismatchException": _told(
        "The value for {path} does not match the AllowedPattern of the parameter.",
        "Correct the value, or the pattern: aws ssm describe-parameters --region {region} "
        "--parameter-filters Key=Name,Values={name} --query 'Parameters[].AllowedPattern'",
    ),
    "InvalidAllowedPatternException": _told(
        "The AllowedPattern of {path} is not a regular expression that SSM takes.",
        "Delete the parameter and run again, which creates it without a pattern.",
    ),
    "UnsupportedParameterType": _told(
        "This partition or region does not support SecureString for {path}.",
        "Use a region where Parameter Store supports SecureString.",
    ),
    **dict.fromkeys(
        (
            "PoliciesLimitExceededException",
            "InvalidPolicyTypeException",
            "InvalidPolicyAttributeException",
            "IncompatiblePolicyException",
        ),
        _told(
            "{path} has a parameter policy that SSM does not accept with this write.",
            "Look at its policies in the AWS console (Parameter Store) and remove the one that is wrong.",
        ),
    ),
}
