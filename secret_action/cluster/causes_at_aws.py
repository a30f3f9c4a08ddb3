"""Causes of a refresh that failed which lie at AWS: how ESO signs in, what the services answer, what SSM holds."""

from __future__ import annotations

from secret_action.cluster.cause import MISSING, Cause, code, seen_by_us
from secret_action.cluster.evidence import Evidence


def _account_missing(evidence: Evidence) -> bool:
    account = evidence.account
    return bool(evidence.store_condition) and account is not None and account.found is False


def _account_without_role(evidence: Evidence) -> bool:
    account = evidence.account
    names_none = account is not None and account.asked_for_role and account.found is True and not account.role
    return bool(evidence.store_condition) and names_none


SIGNING_IN = (
    Cause(
        "role-account-missing",
        "`ServiceAccount … not found`, or the service account that the store names is not there",
        "The {store} signs in to AWS through {account}, which is not in the cluster.",
        "Make that service account, annotated with `eks.amazonaws.com/role-arn`, or correct "
        "`auth.jwt.serviceAccountRef` of the {store}.",
        r'[Ss]ervice[Aa]ccounts? \\?"[^"]+" not found',
        shows=_account_missing,
    ),
    Cause(
        "role-not-annotated",
        "`an IAM role must be associated with service account …`, or that service account has no annotation",
        "The {store} signs in to AWS through {account}, which names no IAM role.",
        "Annotate that service account with `eks.amazonaws.com/role-arn: arn:aws:iam::…:role/…`.",
        r"an IAM role must be associated with service account ",
        shows=_account_without_role,
    ),
    Cause(
        "role-without-provider",
        "`No OpenIDConnect provider found`",
        "The AWS account of {role} does not know the cluster: it has no IAM OIDC provider for the cluster's issuer.",
        "Make one for the issuer URL of the cluster, with the audience sts.amazonaws.com (`eksctl utils "
        "associate-iam-oidc-provider`), or correct the account in the role's ARN.",
        r"No OpenIDConnect provider found",
    ),
    Cause(
        "role-token-expired",
        "`ExpiredTokenException` when the role is assumed",
        "AWS calls the token of {account} expired: the clock of the API server, which issues it, is off.",
        "Correct the time of the control plane's nodes (chrony or NTP).",
        r"Token expired: current date/time",
    ),
    Cause(
        "role-token-refused",
        "`InvalidIdentityToken` when the role is assumed",
        "AWS does not accept the token of {account} for {role}: its audience or issuer is not what the IAM OIDC "
        "provider expects.",
        "Compare the OIDC provider's URL with the cluster's issuer, and give it the audience sts.amazonaws.com (or "
        "that of the annotation `eks.amazonaws.com/audience`).",
        code("InvalidIdentityToken"),
    ),
    Cause(
        "role-not-trusting",
        "`Not authorized to perform sts:AssumeRoleWithWebIdentity`",
        "The trust policy of {role} does not admit {account}, or there is no such role.",
        "Let its condition name the cluster's OIDC provider and the subject `{subject}`, and check the ARN in the "
        "annotation `eks.amazonaws.com/role-arn`.",
        r"[Nn]ot authorized to perform:? sts:AssumeRoleWithWebIdentity",
    ),
    Cause(
        "clock-skew",
        "AWS calls a signature expired or not yet current",
        "The clock of the node that ESO runs on is off, so AWS refuses its requests.",
        "Correct the time of that node (chrony or NTP), or move ESO's pod to another one.",
        r"Signature expired: |Signature not yet current: |" + code("RequestTimeTooSkewed", "RequestExpired"),
    ),
)

ANSWERS = (
    Cause(
        "kms-throttled",
        "`ThrottlingException` of AWSKMS",
        "KMS is throttling the decryption of what ESO reads.",
        "Raise the account's request quota of KMS, or lengthen `refreshInterval`; then run again.",
        code("Thrott") + r".*Service: (?:AWS)?KMS",
    ),
    Cause(
        "throttled",
        "`ThrottlingException` or `Rate exceeded`",
        "SSM is throttling ESO.",
        "Raise SSM's throughput setting for the account, or lengthen `refreshInterval`; then run again.",
        r": Rate exceeded|" + code("Thrott", "TooManyRequests", "RequestLimitExceeded"),
    ),
    Cause(
        "aws-failing",
        "`StatusCode: 500` and the like",
        "AWS answers ESO with a failure of its own.",
        "Look at the AWS Health Dashboard for {region}, then run again.",
        r"StatusCode: 5\d\d|" + code("InternalServerError", "InternalFailure", "ServiceUnavailable"),
    ),
    Cause(
        "aws-unreachable",
        "`dial tcp`, `no such host`, `i/o timeout`, `request send failed`, `x509: …`",
        "ESO does not reach AWS's endpoint in {region}.",
        "Check the cluster's way out (DNS, NAT or VPC endpoints of ssm, sts and kms, network policies, a proxy's "
        "certificate) and the region of the {store}.",
        r"dial tcp|: no such host|i/o timeout|: connection (?:refused|reset)|request send failed|TLS handshake|: x509: "
        r"|context deadline exceeded",
    ),
    Cause(
        "role-not-assumed",
        "`AssumeRole` is refused, in the events of the store or the ExternalSecret",
        "ESO cannot assume the IAM role of the {store}.",
        "Allow ESO's own identity `sts:AssumeRole` on that role, let the role's trust policy name that identity, and "
        "check the ARN in `spec.provider.aws.role`.",
        r"STS: AssumeRole|sts:AssumeRole",
    ),
    Cause(
        "no-credentials",
        "`unable to create session`, `failed to refresh cached credentials`, or a token that AWS does not accept",
        "ESO has no valid AWS credentials for the {store}.",
        "Check `spec.provider.aws.auth` of the {store} and the service account or Secret that it names.",
        r"unable to create session: |failed to refresh cached credentials|security token included in the request is "
        r"|no EC2 IMDS role|request signature we calculated does not match|"
        + code("UnrecognizedClient", "InvalidClientTokenId", "ExpiredToken", "InvalidAccessKeyId"),
    ),
    Cause(
        "kms-denied",
        "`kms:Decrypt` is refused, or the key is not there",
        "ESO's role may not decrypt {key_or_parameter}: it lacks kms:Decrypt on the parameter's key.",
        "Allow the role `kms:Decrypt` on the KMS key, in its policy and in the key's policy.",
        r" kms:Decrypt|ciphertext refers to a customer master key",
    ),
    Cause(
        "kms-key-off",
        "`DisabledException` or `KMSInvalidStateException` of AWSKMS",
        "The KMS key of {key_or_parameter} cannot be used: it is disabled or about to be deleted.",
        "Enable the key or cancel its deletion, or write the parameter with another key.",
        r"Error Code: (?:Disabled|KMSInvalidState)|" + code("InvalidKeyId", "KMSInvalidState", "DisabledException"),
    ),
    Cause(
        "ssm-denied",
        "`AccessDeniedException` for `ssm:GetParameter`",
        "ESO's role may not read {key_or_parameter} from SSM.",
        "Allow the role `ssm:GetParameter*` on `arn:aws:ssm:{region}:*:parameter/…` of this environment and service.",
        r" ssm:GetParameter|" + code("AccessDenied"),
    ),
)

PARAMETERS = (
    Cause(
        "parameter-prefixed",
        "`Secret does not exist`, and the store has a `prefix`",
        "ESO looks for {key_or_parameter}, which is not in SSM: the {store} puts the prefix `{prefix}` before each "
        "key.",
        "Take `spec.provider.aws.prefix` off the {store}, or let the ExternalSecret name a store that has none.",
        MISSING,
        lambda evidence, _: bool(evidence.store_prefix),
    ),
    Cause(
        "parameter-elsewhere",
        "`Secret does not exist`, and the parameter is there as this run sees it",
        "ESO does not find {key_or_parameter}, which this run does see: the {store} reads another region or account.",
        "Compare the {store}'s region ({region}) and role with the aws-region and the account of this run.",
        MISSING,
        seen_by_us,
    ),
    Cause(
        "parameter-missing",
        "`Secret does not exist`",
        "{key_or_parameter} is not in SSM.",
        "Give its value to the pipeline and release again, or correct `remoteRef.key` of the ExternalSecret.",
        MISSING,
    ),
    Cause(
        "parameter-version",
        "`ParameterVersionNotFound`",
        "{key_or_parameter} has no such version or label as the ExternalSecret pins.",
        "Correct `remoteRef.version` of the ExternalSecret, or remove it to read the newest.",
        code("ParameterVersionNotFound", "ParameterVersionLabelNotFound"),
    ),
    Cause(
        "parameter-name",
        "`ValidationException`",
        "SSM does not take the name of {key_or_parameter}.",
        "Correct `remoteRef.key` of the ExternalSecret: a path begins with a slash, and not with `/aws` or `/ssm`.",
        code("ValidationException"),
    ),
    Cause(
        "property-missing",
        "`key … does not exist in secret …`",
        "{key_or_parameter} is not a JSON object that has the property `{property}`.",
        "Put that property into the value, or correct `remoteRef.property` of the ExternalSecret.",
        r"key (?P<property>.+?) does not exist in secret ",
    ),
    Cause(
        "not-json",
        "`unable to unmarshal secret`",
        "A parameter that is read with `dataFrom.extract` is not a JSON object.",
        "Make its value a JSON object, or read it with `data` instead.",
        r"unable to unmarshal secret ",
    ),
    Cause(
        "decoding",
        "`error applying decoding strategy`, or another decoding error",
        "A value is not encoded as `decodingStrategy` says.",
        "Correct the value, or `decodingStrategy` of the entry.",
        r"applying decoding strategy|error decoding |unable to decode |illegal base64 data",
    ),
)
