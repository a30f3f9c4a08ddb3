"""`never-refreshes`: an ExternalSecret that no annotation can refresh."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from secret_action.manifest import yaml_edit
from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.patches import change_at, loaded
from secret_action.manifest.rules.rule import Fix, Flaw, Rule, about, entry
from secret_action.manifest.yaml_edit import EditError
from secret_action.model import Location, Reference, Severity

_Reason = tuple[str, str, tuple[str, ...], Any]
"""What is said, the remedy, the field, and what to write there (None: nothing)."""


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for external_secret in overlay.external_secrets:
        resource = overlay.resource(external_secret)
        for why, remedy, path, value in _reasons(external_secret.spec):
            where = overlay.sources.place(resource, path[-1])
            yield Flaw(
                f"ExternalSecret {external_secret.name}: {why}, so once synced it never takes a new value.",
                remedy,
                where,
                (external_secret.name,),
                fix=_fix(where, path, value),
            )
        for reference in external_secret.references:
            if reference.version:
                yield Flaw(
                    f"{entry(reference)}: pins version {reference.version}, so a newer value is never read.",
                    f"Take `version: {reference.version}` out of the entry.",
                    reference.where,
                    about(reference),
                    fix=_unpinned(reference.where, reference),
                )


def _reasons(spec: Mapping[str, Any]) -> Iterator[_Reason]:
    """External Secrets Operator's shouldRefresh: a policy that looks at neither annotation nor time."""
    policy = spec.get("refreshPolicy")
    if policy == "CreatedOnce":
        yield (
            "its refreshPolicy is CreatedOnce",
            "Write refreshPolicy: OnChange",
            ("spec", "refreshPolicy"),
            "OnChange",
        )
    interval = spec.get("refreshInterval")
    if policy in (None, "", "Periodic") and interval is not None and re.fullmatch(r"[-+]?0[0a-zµ]*", str(interval)):
        yield (
            f"its refreshInterval is {interval}",
            "Write refreshInterval: 1h (or add refreshPolicy: OnChange, which looks at annotations alone)",
            ("spec", "refreshInterval"),
            "1h",
        )
    if mapping(spec.get("target")).get("immutable") is True:
        yield "its target is immutable", "Take `immutable: true` out.", ("spec", "target", "immutable"), None


def _fix(where: Location, path: tuple[str, ...], value: Any) -> Fix:
    def change(text: str, document: int) -> str:
        if value is None:
            return yaml_edit.remove(text, document, path)
        return yaml_edit.set_value(text, document, path, value)

    return lambda draft: change_at(draft, where, "ExternalSecret", change)


def _unpinned(where: Location, reference: Reference) -> Fix:
    field, inner = ("dataFrom", "extract") if reference.extract else ("data", "remoteRef")

    def change(text: str, document: int) -> str:
        entries = loaded(text, document)["spec"][field]
        for index, item in enumerate(entries):
            if item[inner].get("key") == reference.path and item.get("secretKey", "") == reference.secret_key:
                return yaml_edit.remove(text, document, ("spec", field, index, inner, "version"))
        raise EditError("The entry is not there.")

    return lambda draft: change_at(draft, where, "ExternalSecret", change)


RULE = Rule(
    "never-refreshes",
    Severity.WARNING,
    "`refreshInterval: 0`, `CreatedOnce`, a pinned version, an immutable target",
    "The operator ignores the release's annotation for these, and `Ready` stays true on yesterday's value.",
    """spec:
  refreshInterval: "0"
""",
    """spec:
  refreshInterval: 1h
""",
    check=_check,
)
