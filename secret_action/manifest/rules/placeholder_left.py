"""`placeholder-left`: the base's placeholder survived into an overlay."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest.overlay import Overlay
from secret_action.manifest.rules.rule import Flaw, Rule, entry, references
from secret_action.model import Severity
from secret_action.naming import PLACEHOLDER


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for _, reference in references(overlay):
        if PLACEHOLDER in reference.path:
            wanted = reference.path.replace(PLACEHOLDER, overlay.environment)
            yield Flaw(
                f"{entry(reference)}: the key {reference.path} still has the placeholder {PLACEHOLDER}.",
                f"Patch it in {overlay.folder}: key: {wanted}",
                reference.where,
            )


RULE = Rule(
    "placeholder-left",
    Severity.ERROR,
    "`_ENV_` still in a rendered key",
    "No parameter has that name, so External Secrets Operator would never make the Secret, and pods would not start.",
    """spec:
  data:
  - secretKey: DATABASE_URL
    remoteRef:
      key: /zerotouch/_ENV_/my-service/database_url   # rendered, in an overlay
""",
    _check,
)
