"""Causes of a refresh that failed which lie in the cluster: ESO itself, its store, what it writes."""

from __future__ import annotations

import re

from secret_action.cluster.cause import MISSING, NOT_READY, Cause, seen_by_us
from secret_action.cluster.evidence import Evidence
from secret_action.cluster.proof import ANNOTATION


def _mended(evidence: Evidence, key: str) -> bool:
    return not evidence.answered and seen_by_us(evidence, key)


def _ready_again(evidence: Evidence, _: str) -> bool:
    return not evidence.answered and evidence.store_found is True and not evidence.store_condition


def _older_crd(evidence: Evidence) -> bool:
    """An ESO that knows no v1beta1 any more (0.17), on a cluster that serves nothing else."""
    version = re.match(r"v?(\d+)\.(\d+)", evidence.operator_version)
    no_v1beta1 = version is not None and (int(version[1]), int(version[2])) >= (0, 17)
    unknown = any("no matches for kind " in text for text in evidence.operator_log)
    return not evidence.answered and (unknown or (no_v1beta1 and evidence.api_version.endswith("/v1beta1")))


OPERATOR_AND_STORE = (
    Cause(
        "annotation-dropped",
        "the API server's answer to our annotation is without it, five times in a row or until the timeout",
        f"An admission webhook or policy removes the annotation `{ANNOTATION}` from the ExternalSecret as it is "
        "written, so nothing asks ESO to read again.",
        f"Let it leave the annotation `{ANNOTATION}` of ExternalSecrets alone: look through `kubectl get "
        "mutatingwebhookconfigurations,mutatingadmissionpolicies` and the policies of Kyverno or Gatekeeper.",
        shows=lambda evidence: evidence.dropped,
    ),
    Cause(
        "older-crd",
        "no attempt, and ESO's log has `no matches for kind …`, or ESO is 0.17 or newer and the cluster serves only "
        "v1beta1",
        "External Secrets Operator{operator_version} finds no CRD of the version that it needs: the cluster serves "
        "{api_version}.",
        "Install the CRDs of that version of ESO (its chart does with `installCRDs=true`), then restart ESO.",
        shows=_older_crd,
    ),
    Cause(
        "operator-down",
        "no attempt, and no pod of ESO's runs",
        "External Secrets Operator is not running in the cluster{operator_trouble}.",
        "Look at `kubectl get pods -A -l app.kubernetes.io/name=external-secrets`.",
        shows=lambda evidence: not evidence.answered and evidence.operator_running is False,
    ),
    Cause(
        "backoff",
        "no attempt since the annotation, and what the last failure named is mended: the parameter is there, or the "
        "store is ready",
        "ESO has not tried again: it waits out its backoff after failures whose cause is mended by now.",
        "Run again, with a longer timeout: each new annotation wakes it, and at the longest it waits for 7 minutes.",
        MISSING,
        _mended,
    ),
    Cause(
        "store-backoff",
        "the same, for a store",
        "ESO has not tried again: it waits out its backoff after failures of the {store}, which is ready by now.",
        "Run again, with a longer timeout: each new annotation wakes it, and at the longest it waits for 7 minutes.",
        NOT_READY,
        _ready_again,
    ),
    Cause(
        "store-missing",
        "the store that the ExternalSecret names is not in the cluster",
        "There is no {store} in the cluster{store_near}.",
        "Check `spec.secretStoreRef` (name and kind) against `kubectl get clustersecretstores,secretstores -A`.",
        shows=lambda evidence: evidence.store_found is False,
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
)

WRITING = (
    Cause(
        "owned-by-another",
        "`target is owned by another ExternalSecret`",
        "Its target Secret belongs to another ExternalSecret.",
        "Give one of them another `spec.target.name`.",
        r"owned by another|failed to take ownership|is already owned by",
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
        "webhook-away",
        "`failed calling webhook …`",
        "The admission webhook {webhook} does not answer, so the API server refuses what ESO writes.",
        "Mend what serves that webhook (its pods, its Service, its certificate), or let its configuration leave out "
        "Secrets.",
        r"failed calling webhook \\?\"(?P<webhook>[^\"\\]+)",
    ),
    Cause(
        "admission-policy",
        "`ValidatingAdmissionPolicy … denied request`",
        "A ValidatingAdmissionPolicy refuses what ESO writes: {policy}.",
        "Satisfy that policy, or let its binding leave out the Secret.",
        r"ValidatingAdmissionPolicy '(?P<policy>[^']+)' .*denied request",
    ),
    Cause(
        "quota",
        "`exceeded quota`",
        "The ResourceQuota {quota} of the namespace {namespace} has no room for the Secret.",
        "Raise that quota, or remove Secrets that nobody needs.",
        r"is forbidden: exceeded quota: (?P<quota>[^,\s]+)",
    ),
    Cause(
        "namespace-going",
        "`… because it is being terminated`",
        "The namespace {namespace} is being deleted, so nothing can be created in it.",
        "Wait until it is gone and deploy again, or look what keeps it: `kubectl get namespace {namespace} -o yaml`.",
        r"because it is being terminated",
    ),
    Cause(
        "operator-rights",
        "`User … cannot … resource …`",
        "ESO's own service account may not {verb} {resource} in the cluster.",
        "Give it the rights of its Helm chart's ClusterRole (`rbac.create=true`, and no `scopedNamespace` that leaves "
        "out {namespace}).",
        r'User \\?"[^"]+" cannot (?P<verb>\w+) resource \\?"(?P<resource>[^"\\]+)',
    ),
    Cause(
        "secret-invalid",
        "`Secret … is invalid`",
        "Kubernetes does not take the Secret as ESO writes it: {why}.",
        "Correct `spec.target` (type, keys of the template) or `secretKey` of the ExternalSecret; a Secret's type "
        "cannot change, so delete the Secret where that is meant.",
        r'Secret \\?"[^"]+" is invalid: (?P<why>.+)',
    ),
    Cause(
        "template",
        "`could not apply template`, `unable to execute template`",
        "ESO cannot write the Secret, because its template fails.",
        "Correct `spec.target.template`, or the value that it is given; the words of the event name the place, and "
        "`kubectl describe externalsecret -n {namespace} {name}` has them in full.",
        r"could not (?:apply|execute) template|unable to (?:execute|parse) template",
    ),
)
