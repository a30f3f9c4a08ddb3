"""`label-missing`: an ExternalSecret that the release may not refresh."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest.external_secrets import MANAGED_LABEL
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.rules.rule import Flaw, Rule
from secret_action.model import ExternalSecret, Severity


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for external_secret in overlay.external_secrets:
        if external_secret.managed:
            continue
        value = external_secret.labels.get(MANAGED_LABEL)
        said = "is missing" if value is None else f"is {str(value).lower()} of the wrong type, not the text “true”"
        if isinstance(value, str):
            said = f"is “{value}”"
        yield Flaw(
            f"ExternalSecret {external_secret.name}: the label {MANAGED_LABEL} {said}: it is never refreshed.",
            f'Add under metadata.labels: {MANAGED_LABEL}: "true"',
            external_secret.where,
            None if _reads_owned(overlay, external_secret) else Severity.WARNING,
        )


def _reads_owned(overlay: Overlay, external_secret: ExternalSecret) -> bool:
    return any(
        (parts := overlay.parameter_path.parse(reference.path)) and parts.service == overlay.service
        for reference in external_secret.references
    )


RULE = Rule(
    "label-missing",
    Severity.ERROR,
    "an ExternalSecret of the platform's store without the label `zerotouch.io/managed`, or with `true` as a boolean; "
    "a warning where only other services' parameters are read",
    "Only labelled ExternalSecrets are refreshed: the new value would reach the pods an hour later, or never.",
    """metadata:
  name: my-service-db
  labels: {}          # zerotouch.io/managed: "true" is missing
""",
    _check,
)
