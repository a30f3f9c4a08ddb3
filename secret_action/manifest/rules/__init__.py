"""The rules, one file each. A new rule is one new file in this folder: it is found by being there."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from secret_action.manifest.credentials import looks_like
from secret_action.manifest.draft import Draft
from secret_action.manifest.overlay import Overlay, Tenant
from secret_action.manifest.rules.rule import Fix, Flaw, Rule
from secret_action.manifest.yaml_edit import EditError
from secret_action.model import Edit, Finding, Severity

__all__ = ["Found", "Rule", "all_rules", "judge"]


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, by id."""
    modules = (
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
        if module.name != "rule"
    )
    return tuple(sorted((module.RULE for module in modules), key=lambda rule: rule.id))


@dataclass(frozen=True)
class Found:
    """A finding, before it is known whether it is silenced. firm: it cannot be."""

    finding: Finding
    rule: Rule
    firm: bool


def judge(tenant: Tenant, *, whole: bool, in_release: bool) -> Iterator[Found]:
    """All that the rules find.

    whole: all the tenant's overlays are there, so that they can be compared. in_release: a release is at stake, so
    that what only a pull request must not do is no error.
    """
    for rule in all_rules():
        compared = list(rule.compare(tenant)) if rule.compare and whole else []
        known = {(flaw.overlay.folder, flaw.about) for flaw in compared if flaw.overlay}
        for overlay in tenant.overlays if rule.check else ():
            for flaw in rule.check(overlay) if rule.check else ():
                if (overlay.folder, flaw.about) not in known:
                    yield _found(rule, flaw, tenant, overlay, in_release)
        yield from (_found(rule, flaw, tenant, flaw.overlay, in_release) for flaw in compared)


def _found(rule: Rule, flaw: Flaw, tenant: Tenant, overlay: Overlay | None, in_release: bool) -> Found:
    severity = flaw.severity or rule.severity
    if in_release and rule.in_release:
        severity = max(severity, rule.in_release, key=list(Severity).index)
    finding = Finding(
        rule=rule.id,
        severity=severity,
        message=flaw.message,
        remedy=flaw.remedy,
        where=flaw.where,
        overlay=overlay.folder if overlay else "",
        service=tenant.service,
        about=flaw.about,
        edits=_edits(tenant, flaw.fix) if flaw.fix else (),
    )
    return Found(finding, rule, flaw.firm)


def _edits(tenant: Tenant, fix: Fix) -> tuple[Edit, ...]:
    """The remedy's text. Nothing where it cannot be written safely, or would show a value: the words must do then."""
    draft = Draft(tenant.root)
    try:
        fix(draft)
        edits = draft.edits()
    except (EditError, OSError, ValueError):
        return ()
    lines = (line for edit in edits for line in (*edit.remove, *edit.add))
    return () if any(looks_like(line) for line in lines) else edits
