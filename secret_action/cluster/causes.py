"""Why ESO does not deliver, as a table: what is seen → the likeliest cause and its remedy.

The first that fits is taken, so the particular stand before the general. Documentation is generated from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from secret_action.cluster.evidence import Evidence


@dataclass(frozen=True)
class Cause:
    """One line of the table.

    seen: for the reader, what shows it. pattern: found in what ESO said; its named groups may stand in the texts.
    when: what else must hold; a cause without a pattern rests on it alone. cause, remedy: one sentence each, with
    `{name}`, `{namespace}`, `{store}`, `{region}` and the pattern's groups filled in.
    """

    id: str
    seen: str
    cause: str
    remedy: str
    pattern: str = ""
    when: Callable[[Evidence], bool] = lambda _: True

    def match(self, evidence: Evidence) -> dict[str, str] | None:
        """The pattern's groups where it fits, else None."""
        if not self.when(evidence):
            return None
        if not self.pattern:
            return {}
        for text in evidence.texts:
            if found := re.search(self.pattern, text, re.IGNORECASE):
                return {name: value or "" for name, value in found.groupdict().items()}
        return None


_KEY = r"(?:\(key: (?P<key>[^)]*)\).*)?"


def _missing_for_us(evidence: Evidence) -> bool:
    return not all(evidence.parameters.values())


def _there_for_us(evidence: Evidence) -> bool:
    return bool(evidence.parameters) and all(evidence.parameters.values())


CAUSES = (
    Cause(
        "store-missing",
        "the store that the ExternalSecret names is not in the cluster",
        "There is no {store} in the cluster.",
        "Check `spec.secretStoreRef` (name and kind) against `kubectl get clustersecretstores,secretstores -A`.",
        when=lambda evidence: evidence.store_found is False,
    ),
    Cause(
        "namespace-barred",
        "an event `using cluster store … is not allowed from namespace …`",
        "The {store} does not admit the namespace {namespace}.",
        "Add the namespace to `spec.conditions` of the {store}, or use a store that admits it.",
        r"is not allowed from namespace",
    ),
    Cause(
        "another-controller",
        "an event `can not reference unmanaged store`",
        "The {store} is served by another controller class than the one that serves the ExternalSecret.",
        "Make `spec.controller` of the {store} the class that ESO runs with (`--controller-class`).",
        r"can not reference unmanaged store",
    ),
    Cause(
        "role-not-assumed",
        "`AssumeRoleWithWebIdentity` or `AssumeRole` is refused, in the events of the store or the ExternalSecret",
        "ESO cannot assume the IAM role of the {store}.",
        "Check the role's trust policy (OIDC provider, namespace and name of the service account) and the annotation "
        "`eks.amazonaws.com/role-arn` on that service account.",
        r"AssumeRole|no OpenIDConnect provider|IAM role must be associated|InvalidIdentityToken",
    ),
    Cause(
        "clock-skew",
        "AWS calls a signature expired or not yet current",
        "The clock of the node that ESO runs on is off, so AWS refuses its requests.",
        "Correct the time of that node (chrony or NTP), or move ESO's pod to another one.",
        r"Signature (?:expired|not yet current)|RequestTimeTooSkewed|RequestExpired|InvalidSignatureException",
    ),
    Cause(
        "no-credentials",
        "`unable to create session`, `failed to refresh cached credentials`, or a token that AWS does not accept",
        "ESO has no valid AWS credentials for the {store}.",
        "Check `spec.provider.aws.auth` of the {store} and the service account or Secret that it names.",
        r"unable to create session|failed to refresh cached credentials|UnrecognizedClient|ExpiredToken"
        r"|security token included in the request is invalid|no EC2 IMDS role",
    ),
    Cause(
        "kms-denied",
        "`kms:Decrypt` is refused, or the key is not there",
        "ESO's role may not decrypt {key_or_parameter}: it lacks kms:Decrypt on the parameter's key.",
        "Allow the role `kms:Decrypt` on the KMS key, in its policy and in the key's policy.",
        rf"{_KEY}(?:kms:Decrypt|ciphertext refers to a customer master key|KMS.*(?:disabled|InvalidState))",
    ),
    Cause(
        "ssm-denied",
        "`AccessDeniedException` for `ssm:GetParameter`",
        "ESO's role may not read {key_or_parameter} from SSM.",
        "Allow the role `ssm:GetParameter*` on `arn:aws:ssm:{region}:*:parameter/…` of this environment and service.",
        rf"{_KEY}(?:ssm:GetParameter|AccessDenied)",
    ),
    Cause(
        "throttled",
        "`ThrottlingException` or `Rate exceeded`",
        "SSM is throttling ESO.",
        "Raise SSM's throughput setting for the account, or lengthen `refreshInterval`; then run again.",
        r"Throttling|Rate exceeded|TooManyRequests",
    ),
    Cause(
        "parameter-elsewhere",
        "`Secret does not exist`, and the parameter is there as this run sees it",
        "ESO does not find {key_or_parameter}, which this run does see: the {store} reads another region or account.",
        "Compare the {store}'s region ({region}) and role with the aws-region and the account of this run.",
        rf"{_KEY}(?:Secret does not exist|ParameterNotFound)",
        _there_for_us,
    ),
    Cause(
        "parameter-missing",
        "`Secret does not exist`",
        "{key_or_parameter} is not in SSM.",
        "Give its value to the pipeline and release again, or correct `remoteRef.key` of the ExternalSecret.",
        rf"{_KEY}(?:Secret does not exist|ParameterNotFound)",
    ),
    Cause(
        "property-missing",
        "`key … does not exist in secret …`, or `unable to unmarshal secret`",
        "{key_or_parameter} is not a JSON object that has the property `{property}`.",
        "Put that property into the value, or correct `remoteRef.property` of the ExternalSecret.",
        rf"{_KEY}key (?P<property>\S+) does not exist in secret",
    ),
    Cause(
        "not-json",
        "`unable to unmarshal secret`",
        "A parameter that is read with `dataFrom.extract` is not a JSON object.",
        "Make its value a JSON object, or read it with `data` instead.",
        r"unable to unmarshal secret",
    ),
    Cause(
        "decoding",
        "`unable to decode`, or another decoding error",
        "A value is not encoded as `decodingStrategy` says.",
        "Correct the value, or `decodingStrategy` of the entry.",
        r"decoding|unable to decode|illegal base64",
    ),
    Cause(
        "store-not-ready",
        "the store's `Ready` is not True, or an event `… is not ready`",
        "The {store} is not ready: {store_words}.",
        "Look at it with `kubectl describe`: ESO reads nothing through a store that is not ready.",
        when=lambda evidence: bool(evidence.store_condition) or any("is not ready" in text for text in evidence.texts),
    ),
    Cause(
        "owned-by-another",
        "`target is owned by another ExternalSecret`",
        "Its target Secret belongs to another ExternalSecret.",
        "Give one of them another `spec.target.name`.",
        r"owned by another|failed to take ownership|already owned by",
    ),
    Cause(
        "immutable",
        "`target is immutable`",
        "Its target Secret is immutable, so ESO cannot change it.",
        "Remove `immutable: true`, or delete the Secret so that ESO makes it anew.",
        r"target is immutable",
    ),
    Cause(
        "webhook",
        "`admission webhook … denied the request`",
        "An admission webhook refuses what ESO writes: {webhook}.",
        "Satisfy that webhook's policy, or exempt the Secret from it.",
        r"admission webhook \\?\"(?P<webhook>[^\"\\]+)\\?\" denied",
    ),
    Cause(
        "template",
        "`could not apply template`, `unable to execute template`, or the condition `could not update secret`",
        "ESO cannot write the Secret, most likely because its template fails.",
        "Correct `spec.target.template`; the words of the event name the place.",
        r"template|could not update secret",
    ),
    Cause(
        "without-data",
        "`Ready=True` with the reason SecretMissing or SecretDeleted, or a message with `retained`",
        "ESO read its provider, and had nothing to write into the Secret.",
        "Check `creationPolicy`, `deletionPolicy` and whether a `find` matches any parameter.",
        when=lambda evidence: evidence.answered and not evidence.condition and not evidence.events,
    ),
    Cause(
        "parameter-missing-unsaid",
        "ESO gives no reason, and this run does not find a parameter that it reads",
        "{missing} is not in SSM.",
        "Give its value to the pipeline and release again, or correct `remoteRef.key` of the ExternalSecret.",
        when=_missing_for_us,
    ),
    Cause(
        "operator-down",
        "no attempt, and no pod of ESO's runs",
        "External Secrets Operator is not running in the cluster.",
        "Look at `kubectl get pods -A -l app.kubernetes.io/name=external-secrets`.",
        when=lambda evidence: not evidence.answered and evidence.operator_running is False,
    ),
    Cause(
        "not-attempted",
        "no attempt within the timeout",
        "ESO has not looked at it: it is not running, its queue is long, or it does not watch the namespace "
        "{namespace}.",
        "Look at ESO's pods and log (`kubectl logs -n external-secrets deploy/external-secrets`), or raise timeout.",
        when=lambda evidence: not evidence.answered,
    ),
    Cause(
        "unknown",
        "anything else",
        "ESO tried and failed, and does not say more than this: {said}.",
        "Look at `kubectl describe externalsecret -n {namespace} {name}` and at ESO's log.",
    ),
)
