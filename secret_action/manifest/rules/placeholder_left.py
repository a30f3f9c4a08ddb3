"""`placeholder-left`: what somebody was to fill in survived into an overlay."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest.overlay import Overlay
from secret_action.manifest.patches import rewrite_keys
from secret_action.manifest.paths import in_environment, suggested, unresolved
from secret_action.manifest.rules.rule import Fix, Flaw, Rule, about, entry, references
from secret_action.model import ExternalSecret, Reference, Severity
from secret_action.naming import PLACEHOLDER


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for external_secret, reference in references(overlay):
        left = unresolved(reference.path)
        if not left and reference.path not in ("", "None"):
            continue
        what = f"the key {reference.path} still has {_words(left)}" if left else "the key is empty"
        yield Flaw(
            f"{entry(reference)}: {what}, so {overlay.folder} reads no parameter there.",
            f"Write in {overlay.folder}: key: {suggested(overlay, reference)}",
            reference.where,
            about(reference),
            firm=_may_be_owned(overlay, reference),
            fix=_fix(overlay, external_secret, reference),
        )


def _words(left: str) -> str:
    return f"the placeholder {left}" if left == PLACEHOLDER else f"{left}, which nothing has filled in"


def _may_be_owned(overlay: Overlay, reference: Reference) -> bool:
    parts = overlay.parameter_path.parse(reference.path)
    return parts is None or parts.service == overlay.service or bool(unresolved(parts.service))


def _fix(overlay: Overlay, external_secret: ExternalSecret, reference: Reference) -> Fix | None:
    """Exact only where nothing but the environment was to be filled in."""
    wanted = in_environment(overlay, reference.path)
    parts = overlay.parameter_path.parse(wanted)
    if parts and unresolved(parts.environment) == parts.environment and parts.environment:
        wanted = overlay.parameter_path.render(overlay.environment, parts.service, parts.key)
    if parts is None or unresolved(wanted):
        return None
    return lambda draft: rewrite_keys(draft, overlay, external_secret, {reference.path: wanted})


RULE = Rule(
    "placeholder-left",
    Severity.ERROR,
    "`_ENV_` still in a rendered key, a variable that nothing has replaced (`${ENV}`), `REPLACE_ME` and the like, or "
    "no key at all",
    "No parameter has that name, so External Secrets Operator would never make the Secret, and pods would not start.",
    """# overlays/prod, rendered
spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/_ENV_/my-service/database_url
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
