"""Why ESO does not deliver, as a table: what is seen → the likeliest cause and its remedy.

The first that fits is taken, so the particular stand before the general. Documentation is generated from it.
"""

from __future__ import annotations

from secret_action.cluster.cause import NOT_READY, Cause
from secret_action.cluster.causes_at_aws import ANSWERS, PARAMETERS, SIGNING_IN
from secret_action.cluster.causes_in_kubernetes import OPERATOR_AND_STORE, WRITING

_UNSAID = (
    Cause(
        "store-not-ready",
        "the store's `Ready` is not True, or an event `… is not ready`",
        "The {store} is not ready: {store_words}.",
        "Look at it with `kubectl describe`: ESO reads nothing through a store that is not ready.",
        NOT_READY,
        shows=lambda evidence: bool(evidence.store_condition),
    ),
    Cause(
        "not-written",
        "the condition `could not update secret`, and no event or log line that says why",
        "ESO has read the values and cannot write the Secret.",
        "Look at `kubectl describe externalsecret -n {namespace} {name}`: its template fails, or the API server "
        "refuses the Secret.",
        r"could not update [Ss]ecret$",
    ),
    Cause(
        "without-data",
        "`Ready=True` with the reason SecretMissing or SecretDeleted, or a message with `retained`",
        "ESO read its provider, and had nothing to write into the Secret.",
        "Check `creationPolicy`, `deletionPolicy` and whether a `find` matches any parameter.",
        shows=lambda evidence: evidence.answered and not evidence.condition,
    ),
    Cause(
        "parameter-missing-unsaid",
        "ESO gives no reason, and this run does not find a parameter that it reads",
        "{missing} is not in SSM.",
        "Give its value to the pipeline and release again, or correct `remoteRef.key` of the ExternalSecret.",
        shows=lambda evidence: not all(evidence.parameters.values()),
    ),
    Cause(
        "not-attempted",
        "no attempt within the timeout",
        "ESO has not looked at it: it is not running, its queue is long, or it does not watch the namespace "
        "{namespace}.",
        "Look at ESO's pods and log (`kubectl logs -n external-secrets deploy/external-secrets`), or raise timeout.",
        shows=lambda evidence: not evidence.answered,
    ),
    Cause(
        "unknown",
        "anything else",
        "ESO tried and failed, and does not say more than this: {said}.",
        "Look at `kubectl describe externalsecret -n {namespace} {name}` and at ESO's log.",
        shows=lambda _: True,
    ),
)

CAUSES: tuple[Cause, ...] = (*OPERATOR_AND_STORE, *WRITING, *SIGNING_IN, *ANSWERS, *PARAMETERS, *_UNSAID)
