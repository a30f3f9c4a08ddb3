"""`wrong-environment`: an overlay that reads another environment's parameters."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest.overlay import Overlay
from secret_action.manifest.rules.rule import Flaw, Rule, entry, references
from secret_action.model import Severity
from secret_action.naming import PLACEHOLDER


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for _, reference in references(overlay):
        parts = overlay.parameter_path.parse(reference.path)
        if parts and parts.environment not in (overlay.environment, PLACEHOLDER):
            wanted = overlay.parameter_path.render(overlay.environment, parts.service, parts.key)
            yield Flaw(
                f"{entry(reference)}: the overlay of {overlay.environment} reads {reference.path}, a parameter of "
                f"{parts.environment}.",
                f"Write key: {wanted}",
                reference.where,
            )


RULE = Rule(
    "wrong-environment",
    Severity.ERROR,
    "a rendered key of another environment than its overlay's",
    "A copied overlay that still says `dev` makes production run on development's database, and says nothing.",
    """# overlays/prod/patches/secrets-patch.yaml
  - secretKey: DATABASE_URL
    remoteRef:
      key: /zerotouch/dev/my-service/database_url
""",
    _check,
)
