"""What a rule is: its id, its severity, what its page says, and functions from what was rendered to flaws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from secret_action.manifest.draft import Draft
from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.overlay import Overlay, Tenant
from secret_action.manifest.paths import unresolved
from secret_action.model import ExternalSecret, Location, Reference, Severity

Fix = Callable[[Draft], None]
"""Writes the remedy into a draft of the repository. Raises EditError where it cannot be done safely."""


@dataclass(frozen=True)
class Flaw:
    """One place that breaks the rule.

    about: the names by which `ignore` may cover it: the ExternalSecret or Secret first, then keys and paths.
    severity: where it is another than the rule's own. overlay: for a check of the whole tenant, the one that it is
    in. firm: it cannot be silenced. fix: the remedy as an edit, where the rule knows the exact text.
    """

    message: str
    remedy: str
    where: Location
    about: tuple[str, ...] = ()
    severity: Severity | None = None
    overlay: Overlay | None = None
    firm: bool = False
    fix: Fix | None = None


@dataclass(frozen=True)
class Rule:
    """One rule. Only `check` and `compare` run; the rest is what the reader of its page gets.

    id: stable, public. severity: in `validate`. in_release: at most this bad where a release is at stake.
    finds: one line. why: what goes wrong when it is not heeded. example: what breaks it; mended: the same, right.
    check: looks at one overlay. compare: looks at the tenant as a whole, once all its overlays are rendered; what it
    says of the same names in the same overlay stands in the place of what `check` says.
    symptoms: rules whose findings on the same ExternalSecret of the same overlay this one explains, so that one
    mistake is told once.
    annotated: an annotation on an ExternalSecret may silence it, since what it finds is about one. silencing: what its
    page says of silencing it, where that is not all.
    """

    id: str
    severity: Severity
    finds: str
    why: str
    example: str
    mended: str
    check: Callable[[Overlay], Iterator[Flaw]] | None = None
    compare: Callable[[Tenant], Iterator[Flaw]] | None = None
    in_release: Severity | None = None
    symptoms: tuple[str, ...] = ()
    annotated: bool = True
    silencing: str = ""


def references(overlay: Overlay) -> Iterator[tuple[ExternalSecret, Reference]]:
    """Every entry of the overlay that reads the platform's store, with its ExternalSecret."""
    for external_secret in (*overlay.external_secrets, *overlay.of_cluster):
        for reference in external_secret.entries:
            if not reference.store:
                yield external_secret, reference


def readable(overlay: Overlay) -> Iterator[tuple[ExternalSecret, Reference]]:
    """The references whose key is a text that somebody has filled in: only these say anything."""
    for external_secret in (*overlay.external_secrets, *overlay.of_cluster):
        for reference in external_secret.references:
            if not unresolved(reference.path) and reference.path not in _others(external_secret):
                yield external_secret, reference


def _others(external_secret: ExternalSecret) -> set[str]:
    """The keys that are no texts, as their references show them."""
    keys = (
        mapping(mapping(item).get(field)).get("key")
        for field, items in (
            ("remoteRef", external_secret.spec.get("data")),
            ("extract", external_secret.spec.get("dataFrom")),
        )
        for item in (items if isinstance(items, list) else ())
    )
    return {str(key) for key in keys if not isinstance(key, str)}


def entry(reference: Reference) -> str:
    """How a message names an entry: by its secretKey where it has one."""
    what = "dataFrom.find" if reference.find else "dataFrom.extract" if reference.extract else "an entry of data"
    key = f"secretKey {reference.secret_key}" if reference.secret_key else what
    return f"ExternalSecret {reference.external_secret}, {key}"


def to_write(reference: Reference, path: str) -> str:
    """What belongs in the entry: `key: …`, or the `path: …` of a search."""
    return f"{'path' if reference.find else 'key'}: {path}"


def about(reference: Reference) -> tuple[str, ...]:
    """The names by which a flaw of one entry can be covered."""
    return tuple(name for name in (reference.external_secret, reference.secret_key, reference.path) if name)
