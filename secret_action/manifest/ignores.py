"""Silencing: which findings a tenant chose to live with, why, and which of its choices do nothing any more.

A choice stands in `secrets.yaml` (`ignore:`), or as an annotation `ignore.zerotouch.io/RULE: reason` on the
ExternalSecret that it is about.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from secret_action.manifest.definitions import Ignore
from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.overlay import Tenant
from secret_action.manifest.rules import Found, all_rules
from secret_action.manifest.rules.unused_ignore import RULE as UNUSED
from secret_action.model import Finding, Severity, Silenced

ANNOTATION_PREFIX = "ignore.zerotouch.io/"
_ORDER = list(Severity)


@dataclass(frozen=True)
class _Choice:
    """overlay, external_secret: of the annotation; both empty for an entry of `secrets.yaml`."""

    ignore: Ignore
    overlay: str = ""
    external_secret: str = ""

    def covers(self, found: Found) -> bool:
        finding = found.finding
        if finding.rule != self.ignore.rule or not self.ignore.reason:
            return False
        if self.external_secret:
            return (
                found.rule.annotated
                and finding.about[:1] == (self.external_secret,)
                and finding.overlay in ("", self.overlay)
            )
        names = (*finding.about, finding.where.file, finding.overlay, finding.overlay.rpartition("/")[2])
        return any(fnmatchcase(name, self.ignore.covers) for name in names if name)


def silence(
    found: Sequence[Found], tenant: Tenant, ignores: Sequence[Ignore], *, whole: bool
) -> tuple[list[Found], list[Silenced]]:
    """Parts what was found into what is told and what is silenced.

    ignores: those of `secrets.yaml`. whole: all overlays were judged, so that a choice which silences nothing can be
    told; such notices are among what is told.
    """
    choices = [_Choice(ignore) for ignore in ignores] + list(_annotations(tenant))
    told: list[Found] = []
    silenced: list[Silenced] = []
    effective: set[Ignore] = set()
    refused: set[Ignore] = set()
    for each in found:
        covering = [choice.ignore for choice in choices if choice.covers(each)]
        (refused if each.firm else effective).update(covering)
        if covering and not each.firm:
            silenced.append(Silenced(each.finding, covering[0].reason, covering[0].where))
        else:
            told.append(each)
    if whole:
        idle = dict.fromkeys(choice for choice in choices if choice.ignore not in effective)
        told += [_idle(choice, tenant, choice.ignore in refused) for choice in idle]
    return told, silenced


def _annotations(tenant: Tenant) -> Iterator[_Choice]:
    """Those on ExternalSecrets of any store."""
    for overlay in tenant.overlays:
        for resource in overlay.resources:
            metadata = mapping(resource.get("metadata"))
            if resource.get("kind") != "ExternalSecret":
                continue
            for name, value in mapping(metadata.get("annotations")).items():
                if isinstance(name, str) and name.startswith(ANNOTATION_PREFIX):
                    external_secret = str(metadata.get("name", ""))
                    reason = " ".join(value.split()) if isinstance(value, str) else ""
                    rule = name.removeprefix(ANNOTATION_PREFIX)
                    ignore = Ignore(rule, external_secret, reason, overlay.sources.place(resource, name))
                    yield _Choice(ignore, overlay.folder, external_secret)


def _idle(choice: _Choice, tenant: Tenant, refused: bool) -> Found:
    ignore = choice.ignore
    known = {rule.id: rule for rule in all_rules()}
    if ignore.rule not in known:
        near = difflib.get_close_matches(ignore.rule, known, n=1, cutoff=0.0)
        why, remedy = "there is no such rule", f"Did you mean {near[0]}?"
    elif choice.external_secret and not known[ignore.rule].annotated:
        why = "what that rule finds is about no single ExternalSecret"
        remedy = "Write it under `ignore` in secrets.yaml."
    elif not ignore.reason:
        why, remedy = "it gives no reason, so it silences nothing", "Write the reason as its text."
    elif refused:
        why, remedy = "what it covers cannot be silenced", "Mend what is found instead, and take this away."
    else:
        why, remedy = "there is nothing that it silences", "Take it away."
    message = f"{ignore.rule} is ignored for {ignore.covers}, and {why}."
    finding = Finding(
        UNUSED.id, UNUSED.severity, message, remedy, ignore.where, service=tenant.service, about=(ignore.covers,)
    )
    return Found(finding, UNUSED, firm=True)


def without_symptoms(found: Sequence[Found]) -> list[Found]:
    """Without the findings that another one, as bad or worse, explains: it is about the same names, or fewer."""

    def explained(each: Found) -> bool:
        return any(
            each.finding.rule in other.rule.symptoms
            and each.finding.overlay == other.finding.overlay
            and set(other.finding.about) <= set(each.finding.about)
            and _ORDER.index(other.finding.severity) <= _ORDER.index(each.finding.severity)
            for other in explaining
        )

    explaining = [each for each in found if each.rule.symptoms]
    return [each for each in found if not explained(each)]


def merged(findings: Sequence[Finding]) -> list[Finding]:
    """One mistake in a base is one finding, however many overlays build on it; it then names none of them."""
    by_place: dict[Finding, Finding] = {}
    for finding in findings:
        anywhere = replace(finding, overlay="", severity=Severity.ERROR)
        earlier = by_place.get(anywhere)
        severity = min(finding.severity, (earlier or finding).severity, key=_ORDER.index)
        by_place[anywhere] = replace(finding, severity=severity, overlay="" if earlier else finding.overlay)
    return list(by_place.values())
