"""`duplicate-key`: one key asked for twice, in ways that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.rules.rule import Flaw, Rule, references
from secret_action.model import ExternalSecret, Reference, Severity

_SHARING = frozenset({"Merge", "CreateOrMerge", "None"})


def _check(overlay: Overlay) -> Iterator[Flaw]:
    owners: dict[tuple[str, str], ExternalSecret] = {}
    for external_secret in overlay.external_secrets:
        target = (external_secret.namespace, external_secret.secret_name)
        policy = mapping(external_secret.spec.get("target")).get("creationPolicy")
        if isinstance(policy, str) and policy in _SHARING:
            continue
        first = owners.setdefault(target, external_secret)
        if first is not external_secret:
            yield Flaw(
                f"ExternalSecrets {first.name} ({first.where}) and {external_secret.name} both make the Secret "
                f"{target[1]}: the operator lets only one own it.",
                "Give one of them another spec.target.name, or spec.target.creationPolicy: Merge.",
                external_secret.where,
                (external_secret.name, target[1]),
            )
    by_key: dict[tuple[str, str, str, str], Reference] = {}
    for external_secret, reference in references(overlay):
        if not reference.secret_key or external_secret.of_cluster:
            continue
        # A template makes other keys of these, which two ExternalSecrets that share a Secret do not share.
        sharer = "" if _arrives(external_secret, reference.secret_key) else external_secret.name
        target_key = (external_secret.namespace, external_secret.secret_name, sharer, reference.secret_key)
        earlier = by_key.setdefault(target_key, reference)
        if _wanted(earlier) != _wanted(reference):
            yield Flaw(
                f"Secret {external_secret.secret_name}: {reference.secret_key} is asked for twice, from "
                f"{_shown(earlier)} ({earlier.where}) and from {_shown(reference)}.",
                "Keep the right one of the two entries."
                if earlier.external_secret == reference.external_secret or not _has_data(_template(external_secret))
                else "Take mergePolicy: Merge out of spec.target.template: then only what it makes is in the Secret.",
                reference.where,
                (external_secret.name, reference.secret_key, reference.path),
            )


def _arrives(external_secret: ExternalSecret, key: str) -> bool:
    """Whether an entry's key is in the Secret as it is: what a template makes takes its place, or that of all keys."""
    template = _template(external_secret)
    return not _has_data(template) or (
        template.get("mergePolicy") == "Merge" and key not in mapping(template.get("data"))
    )


def _template(external_secret: ExternalSecret) -> Mapping[str, Any]:
    return mapping(mapping(external_secret.spec.get("target")).get("template"))


def _has_data(template: Mapping[str, Any]) -> bool:
    return bool(template.get("data") or template.get("templateFrom"))


def _wanted(reference: Reference) -> tuple[str, str, str]:
    return reference.path, reference.property, reference.version


def _shown(reference: Reference) -> str:
    more = (
        f"property {reference.property}" * bool(reference.property),
        f"version {reference.version}" * bool(reference.version),
    )
    return ", ".join(filter(None, (reference.path, *more)))


RULE = Rule(
    "duplicate-key",
    Severity.ERROR,
    "one secretKey or Secret asked for twice in conflicting ways",
    "Which of the two values the pods get is left to chance.",
    """spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/prod/my-service/database_url
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/prod/my-service/replica_url
""",
    """spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/prod/my-service/database_url
    - secretKey: REPLICA_URL
      remoteRef:
        key: /zerotouch/prod/my-service/replica_url
""",
    check=_check,
)
