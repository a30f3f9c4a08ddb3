"""From what the cluster shows of a failure to one sentence with the likeliest cause and one with the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.cause import Cause
from secret_action.cluster.causes import CAUSES
from secret_action.cluster.errors import shortened
from secret_action.cluster.evidence import Account, Evidence, Gatherer, ParameterExists
from secret_action.cluster.ground import Ground
from secret_action.cluster.live import Key, Object
from secret_action.cluster.parallel import each
from secret_action.cluster.paths import Resource
from secret_action.cluster.targets import Target
from secret_action.model import Diagnosis

SECONDS = 15.0
"""That explaining may take beyond the timeout, whatever the API server does."""


@dataclass(frozen=True)
class Failure:
    """An ExternalSecret that was not refreshed."""

    target: Target
    live: Object | None
    """As it was seen last; None where it is not there."""
    answered: bool
    """ESO is known to have tried."""
    dropped: bool
    """Our annotation was not stored."""
    known: bool
    """Its cause is known already, unless the ground is lost that it stands on."""


class Diagnostician:
    """Diagnoses the failures of one run. exists: whether a parameter exists, as our AWS credentials see it."""

    def __init__(self, api: KubernetesApi, resource: Resource, exists: ParameterExists | None) -> None:
        hurried = api.within(SECONDS)
        self._ground = Ground(hurried, resource)
        self._gatherer = Gatherer(hurried, resource, exists)

    def explain(self, failures: Sequence[Failure]) -> dict[Key, Diagnosis]:
        """Why they failed, as far as it is found out here. Raises nothing: what cannot be read is skipped."""
        if not failures:
            return {}
        namespaces = sorted({failure.target.namespace for failure in failures})
        lost_kind = self._ground.lost_kind()
        lost = {} if lost_kind else dict(zip(namespaces, each(self._ground.lost_namespace, namespaces), strict=True))
        grounds = {failure.target.key: lost_kind or lost[failure.target.namespace] for failure in failures}
        open_ = [one for one in failures if not (grounds[one.target.key] or one.known)]
        self._gatherer.warnings.read(one.target.namespace for one in open_)
        found = {one.target.key: self._by_traces(one) for one in open_}
        return {key: diagnosis for key, diagnosis in (grounds | found).items() if diagnosis is not None}

    def _by_traces(self, failure: Failure) -> Diagnosis | None:
        if failure.live is None:
            return None
        return diagnosis(
            self._gatherer.gather(failure.target, failure.live, answered=failure.answered, dropped=failure.dropped)
        )


def diagnosis(evidence: Evidence) -> Diagnosis:
    """The first cause of the table that the evidence fits, in words.

    What ESO said last is asked first: an older event may tell of a failure that is mended by now.
    """
    last_said = replace(evidence, events=evidence.events[:1], log=evidence.log[:1])
    cause, groups = _first_fit(last_said)
    if cause is CAUSES[-1]:
        cause, groups = _first_fit(evidence)
    words = _words(evidence, groups)
    return Diagnosis(
        _sentence(cause.cause.format(**words)), _sentence(cause.remedy.format(**words)), _observed(evidence, cause)
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _first_fit(evidence: Evidence) -> tuple[Cause, dict[str, str]]:
    """The table's last line fits everything."""
    fits = ((cause, groups) for cause in CAUSES if (groups := cause.match(evidence)) is not None)
    return next(fits)


def _words(evidence: Evidence, groups: dict[str, str]) -> dict[str, str]:
    missing = [path for path, there in evidence.parameters.items() if not there]
    key, account = groups.get("key", ""), evidence.account
    where = (account.namespace, account.name) if account else ("NAMESPACE", "NAME")
    return {
        "name": evidence.name,
        "namespace": evidence.namespace,
        "store": evidence.store,
        "store_near": f"; {evidence.store_near} may be meant" if evidence.store_near else "",
        "region": evidence.store_region or "its own region",
        "api_version": evidence.api_version,
        "operator_version": f" {evidence.operator_version}" if evidence.operator_version else "",
        "operator_trouble": f" ({evidence.operator_trouble})" if evidence.operator_trouble else "",
        "account": f"the service account {account.namespace}/{account.name}" if account else "its service account",
        "role": f"the IAM role {account.role}" if account and account.role else "its IAM role",
        "subject": ":".join(("system:serviceaccount", *where)),
        "prefix": evidence.store_prefix,
        "key_or_parameter": f"the parameter {evidence.store_prefix}{key}" if key else "a parameter",
        "missing": f"the parameter {missing[0]}" if missing else "a parameter",
        "store_words": shortened((evidence.store_events or (evidence.store_condition or "it does not say why",))[0]),
        "said": shortened(next((text for text in evidence.texts if text), "nothing")).rstrip("."),
        **{name: shortened(text).rstrip(".") for name, text in groups.items()},
    }


def _observed(evidence: Evidence, cause: Cause) -> tuple[str, ...]:
    """What was seen, each with where it comes from. Parameters and service account only where they are in doubt."""
    in_doubt = cause.id.startswith("parameter")
    states = {True: "exists", False: "does not exist"}
    parameters = {path: there for path, there in evidence.parameters.items() if in_doubt or not there}
    return (
        *(f"Event: {shortened(text)}" for text in evidence.events),
        *([f"Condition: {shortened(evidence.condition)}"] if evidence.condition else []),
        *([f"{evidence.store}: {shortened(evidence.store_condition)}"] if evidence.store_condition else []),
        *(f"Event of {evidence.store}: {shortened(text)}" for text in evidence.store_events),
        *(f"ESO's log: {shortened(text)}" for text in evidence.log),
        *([_account_seen(evidence.account)] if evidence.account and cause.id.startswith("role") else []),
        *(f"Parameter {path} {states[there]}, as this run sees it" for path, there in parameters.items()),
    )


def _account_seen(account: Account) -> str:
    seen = {
        True: f"is annotated with the role {account.role}" if account.role else "is annotated with no role",
        False: "is not there",
        None: "not checked, since this run may not read it",
    }
    return f"Service account {account.namespace}/{account.name}: {seen[account.found]}"
