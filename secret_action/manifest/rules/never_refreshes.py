"""`never-refreshes`: an ExternalSecret that no annotation can refresh."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.rules.rule import Flaw, Rule, entry
from secret_action.model import Severity


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for external_secret in overlay.external_secrets:
        for why, remedy in _reasons(external_secret.spec):
            yield Flaw(
                f"ExternalSecret {external_secret.name}: {why}, so once synced it never takes a new value.",
                remedy,
                external_secret.where,
            )
        for reference in external_secret.references:
            if reference.version:
                yield Flaw(
                    f"{entry(reference)}: pins version {reference.version}, so a newer value is never read.",
                    "Leave `version` out.",
                    reference.where,
                )


def _reasons(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """External Secrets Operator's shouldRefresh: a policy that looks at neither annotation nor time."""
    policy = spec.get("refreshPolicy")
    if policy == "CreatedOnce":
        yield "its refreshPolicy is CreatedOnce", "Write refreshPolicy: OnChange."
    interval = spec.get("refreshInterval")
    if policy in (None, "", "Periodic") and interval is not None and re.fullmatch(r"[-+]?0[0a-zµ]*", str(interval)):
        yield f"its refreshInterval is {interval}", "Write refreshInterval: 1h, or refreshPolicy: OnChange."
    if mapping(spec.get("target")).get("immutable") is True:
        yield "its target is immutable", "Leave target.immutable out."


RULE = Rule(
    "never-refreshes",
    Severity.WARNING,
    "`refreshInterval: 0`, `CreatedOnce`, a pinned version, an immutable target",
    "The operator ignores the release's annotation for these, and `Ready` stays true on yesterday's value.",
    """spec:
  refreshInterval: "0"
""",
    _check,
)
