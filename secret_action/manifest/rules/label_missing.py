"""`label-missing`: an ExternalSecret that the release may not refresh."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest import yaml_edit
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.patches import change_at
from secret_action.manifest.rules.rule import Fix, Flaw, Rule
from secret_action.model import ExternalSecret, Location, Severity
from secret_action.naming import MANAGED_LABEL


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for external_secret in overlay.external_secrets:
        if external_secret.managed:
            continue
        value = external_secret.labels.get(MANAGED_LABEL)
        where = external_secret.where
        if value is not None:
            where = overlay.sources.place(overlay.resource(external_secret), MANAGED_LABEL)
        yield Flaw(
            f"ExternalSecret {external_secret.name}: the label {MANAGED_LABEL} {_said(value)}: it is never refreshed.",
            f'Write {"there" if value is not None else "under metadata.labels"}: {MANAGED_LABEL}: "true"',
            where,
            (external_secret.name,),
            None if _reads_owned(overlay, external_secret) else Severity.WARNING,
            fix=_fix(where),
        )


def _said(value: object) -> str:
    if value is None:
        return "is missing"
    if isinstance(value, str):
        return f"is “{value}”"
    return f"is {str(value).lower()} of the wrong type, not the text “true”"


def _reads_owned(overlay: Overlay, external_secret: ExternalSecret) -> bool:
    return any(
        (parts := overlay.parameter_path.parse(reference.path)) and parts.service == overlay.service
        for reference in external_secret.references
    )


def _fix(where: Location) -> Fix:
    """At the definition, since the label belongs to every environment; a wrong one where it is written."""

    def labelled(text: str, document: int) -> str:
        return yaml_edit.set_value(text, document, ("metadata", "labels", MANAGED_LABEL), "true")

    return lambda draft: change_at(draft, where, "ExternalSecret", labelled)


RULE = Rule(
    "label-missing",
    Severity.ERROR,
    "an ExternalSecret of the platform's store without the label `zerotouch.io/managed`, or with `true` as a boolean; "
    "a warning where only other services' parameters are read",
    "Only labelled ExternalSecrets are refreshed: the new value would reach the pods an hour later, or never.",
    """metadata:
  name: my-service-db
  labels: {}
""",
    """metadata:
  name: my-service-db
  labels:
    zerotouch.io/managed: "true"
""",
    check=_check,
)
