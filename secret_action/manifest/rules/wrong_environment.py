"""`wrong-environment`: an overlay that reads another environment's parameters."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest.overlay import Overlay
from secret_action.manifest.patches import rewrite_keys
from secret_action.manifest.paths import template_of, unresolved
from secret_action.manifest.rules.rule import Fix, Flaw, Rule, about, entry, references, to_write
from secret_action.model import ExternalSecret, Severity


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for external_secret, reference in references(overlay):
        template = template_of(overlay, reference)
        parts = template.parse(reference.path)
        if parts is None or parts.environment in ("", overlay.environment) or unresolved(reference.path):
            continue
        wanted = template.render(overlay.environment, parts.service, parts.key)
        what = "a folder" if reference.find else "a parameter"
        yield Flaw(
            f"{entry(reference)}: the overlay of {overlay.environment} reads {reference.path}, {what} of "
            f"{parts.environment}.",
            f"Write {to_write(reference, wanted)}",
            reference.where,
            about(reference),
            firm=parts.service in ("", overlay.service),
            fix=_fix(overlay, external_secret, reference.path, wanted),
        )


def _fix(overlay: Overlay, external_secret: ExternalSecret, path: str, wanted: str) -> Fix:
    return lambda draft: rewrite_keys(draft, overlay, external_secret, {path: wanted})


RULE = Rule(
    "wrong-environment",
    Severity.ERROR,
    "a rendered key (or a folder that `dataFrom.find` searches) of another environment than its overlay's",
    "A copied overlay that still says `dev` makes production run on development's database, and says nothing.",
    """# overlays/prod/patches/secrets-patch.yaml
spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/dev/my-service/database_url
""",
    """# overlays/prod/patches/secrets-patch.yaml
spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/prod/my-service/database_url
""",
    check=_check,
    silencing="Only for another service's parameter, which a release never writes.",
)
