"""`key-lost`: a strategic-merge patch on a custom resource replaces the whole list, without a word."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest.overlay import Overlay
from secret_action.manifest.rules.rule import Flaw, Rule
from secret_action.model import ExternalSecret, Severity
from secret_action.naming import PLACEHOLDER


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for base in overlay.bases:
        rendered = _counterpart(base, overlay.external_secrets)
        if rendered is None:
            continue
        kept = {reference.secret_key for reference in rendered.references}
        extracted = [reference.path for reference in rendered.references if reference.extract]
        # The place to mend is the patch that replaced the list: where one of the surviving entries is written.
        place = next((reference.where for reference in rendered.references), overlay.where)
        for reference in base.references:
            path = reference.path.replace(PLACEHOLDER, overlay.environment)
            if reference.secret_key and reference.secret_key not in kept:
                what, field = f"secretKey {reference.secret_key}", "data"
                line = f"{{secretKey: {reference.secret_key}, remoteRef: {{key: {path}}}}}"
            elif reference.extract and path not in extracted and len(extracted) < _extracts(base):
                what, field = f"dataFrom.extract of {reference.path}", "dataFrom"
                line = f"{{extract: {{key: {path}}}}}"
            else:
                continue
            yield Flaw(
                f"ExternalSecret {rendered.name}: {what} is in the base ({reference.where}) and lost in "
                f"{overlay.folder}: a patch replaces the whole list spec.{field}.",
                f"Repeat it in the patch: - {line}",
                place,
            )


def _extracts(external_secret: ExternalSecret) -> int:
    return sum(reference.extract for reference in external_secret.references)


def _counterpart(base: ExternalSecret, rendered: tuple[ExternalSecret, ...]) -> ExternalSecret | None:
    """The same ExternalSecret in the overlay, whose name a prefix or suffix may have changed."""
    exact = [other for other in rendered if other.name == base.name]
    return next(iter(exact or [other for other in rendered if other.where == base.where]), None)


RULE = Rule(
    "key-lost",
    Severity.ERROR,
    "a secretKey (or `dataFrom.extract`) that is in the base and not in the rendered overlay",
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
