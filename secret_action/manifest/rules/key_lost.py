"""`key-lost`: a strategic-merge patch on a custom resource replaces the whole list, without a word."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest.overlay import Overlay
from secret_action.manifest.rules.rule import Flaw, Rule
from secret_action.model import ExternalSecret, Severity


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for base in overlay.bases:
        rendered = _counterpart(base, overlay.external_secrets)
        if rendered is None:
            continue
        kept = {reference.secret_key for reference in rendered.references}
        # The place to mend is the patch that replaced the list: where one of the surviving entries is written.
        place = next((reference.where for reference in rendered.references), overlay.where)
        for reference in base.references:
            if reference.secret_key and reference.secret_key not in kept:
                path = reference.path.replace("_ENV_", overlay.environment)
                yield Flaw(
                    f"ExternalSecret {rendered.name}: secretKey {reference.secret_key} is in the base "
                    f"({reference.where}) and lost in {overlay.folder}: a patch replaces the whole list spec.data.",
                    f"Repeat it in the patch: - {{secretKey: {reference.secret_key}, remoteRef: {{key: {path}}}}}",
                    place,
                )


def _counterpart(base: ExternalSecret, rendered: tuple[ExternalSecret, ...]) -> ExternalSecret | None:
    """The same ExternalSecret in the overlay, whose name a prefix or suffix may have changed."""
    exact = [other for other in rendered if other.name == base.name]
    return next(iter(exact or [other for other in rendered if other.where == base.where]), None)


RULE = Rule(
    "key-lost",
    Severity.ERROR,
    "a secretKey that is in the base and not in the rendered overlay",
    "kustomize replaces a custom resource's whole list: a patch that names one entry drops all others, and pods start "
    "without them.",
    """# base has DATABASE_URL and DATABASE_CA; overlays/prod/patches/secrets-patch.yaml:
  data:
  - secretKey: DATABASE_URL
    remoteRef:
      key: /zerotouch/prod/my-service/database_url
""",
    _check,
)
