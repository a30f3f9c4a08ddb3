"""The rules, one file each. A new rule is one new file in this folder: it is found by being there."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache

from secret_action.manifest.overlay import Overlay
from secret_action.manifest.rules.rule import Rule
from secret_action.model import Finding

__all__ = ["Rule", "all_rules", "judge"]


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, by id."""
    modules = (
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
        if module.name != "rule"
    )
    return tuple(sorted((module.RULE for module in modules), key=lambda rule: rule.id))


def judge(overlay: Overlay) -> Iterator[Finding]:
    """All that the rules find in one overlay."""
    for rule in all_rules():
        for flaw in rule.check(overlay):
            yield Finding(
                rule=rule.id,
                severity=flaw.severity or rule.severity,
                message=flaw.message,
                remedy=flaw.remedy,
                where=flaw.where,
                overlay=overlay.folder,
            )
