"""What a rule is: its id, its severity, and a function from a rendered overlay to flaws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from secret_action.manifest.overlay import Overlay
from secret_action.model import ExternalSecret, Location, Reference, Severity


@dataclass(frozen=True)
class Flaw:
    """One place that breaks the rule. `severity` where it is another than the rule's own."""

    message: str
    remedy: str
    where: Location
    severity: Severity | None = None


@dataclass(frozen=True)
class Rule:
    """id: stable, public. finds: one line. why: what goes wrong when it is not heeded. example: what breaks it."""

    id: str
    severity: Severity
    finds: str
    why: str
    example: str
    check: Callable[[Overlay], Iterator[Flaw]]


def references(overlay: Overlay) -> Iterator[tuple[ExternalSecret, Reference]]:
    """Every reference of the overlay with its ExternalSecret."""
    for external_secret in overlay.external_secrets:
        for reference in external_secret.references:
            yield external_secret, reference


def entry(reference: Reference) -> str:
    """How a message names an entry: by its secretKey where it has one."""
    key = f", secretKey {reference.secret_key}" if reference.secret_key else ", dataFrom.extract"
    return f"ExternalSecret {reference.external_secret}{key}"
