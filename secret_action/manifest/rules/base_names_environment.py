"""`base-names-environment`: a base that all environments share says which one it is for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from secret_action.manifest.draft import Draft
from secret_action.manifest.overlay import Base, Overlay, Tenant
from secret_action.manifest.patches import is_own, replace_in_line, rewrite_keys
from secret_action.manifest.paths import in_environment, names_environment, unresolved
from secret_action.manifest.rules.rule import Fix, Flaw, Rule, entry
from secret_action.model import ExternalSecret, Reference, Severity
from secret_action.naming import PLACEHOLDER


def _check(overlay: Overlay) -> Iterator[Flaw]:
    """Without an edit: what the other overlays would need, which may not be here, is not known."""
    for flaw, _, _ in _flaws(overlay):
        yield flaw


def _compare(tenant: Tenant) -> Iterator[Flaw]:
    for overlay in tenant.overlays:
        for flaw, reference, wanted in _flaws(overlay):
            yield replace(flaw, overlay=overlay, fix=_fix(tenant.overlays, reference, wanted))


def _flaws(overlay: Overlay) -> Collection[tuple[Flaw, Reference, str]]:
    """With the reference that names an environment, and the path that it should have."""
    found = {}
    for base, external_secret, reference in _in_bases(overlay):
        parts = overlay.parameter_path.parse(reference.path)
        if parts is None or unresolved(reference.path) or parts.environment in base.only_for:
            continue
        if not names_environment(parts.environment, *overlay.environments):
            continue
        rendered = overlay.rendered(external_secret, base) or external_secret
        wanted = overlay.parameter_path.render(PLACEHOLDER, parts.service, parts.key)
        flaw = Flaw(
            f"{entry(reference)}: the base {base.folder} names the environment {parts.environment} in "
            f"{reference.path}; an overlay that forgets to patch it reads {parts.environment}.",
            f"Write key: {wanted} in the base, and the environment's own path in each overlay's patch.",
            reference.where,
            tuple(each for each in (rendered.name, reference.secret_key, reference.path) if each),
        )
        # The last base that has it is the one that it is written in.
        found[reference.where, reference.path] = flaw, reference, wanted
    return found.values()


def _in_bases(overlay: Overlay) -> Iterator[tuple[Base, ExternalSecret, Reference]]:
    for base in overlay.bases:
        for external_secret in () if base.is_overlay else base.external_secrets:
            for reference in external_secret.references:
                yield base, external_secret, reference


def _fix(overlays: Sequence[Overlay], reference: Reference, wanted: str) -> Fix:
    """Overlays that relied on the base, rightly or wrongly, get a patch of their own."""

    def fix(draft: Draft) -> None:
        replace_in_line(draft, reference.where, reference.path, wanted)
        for overlay in overlays:
            for external_secret in overlay.external_secrets:
                unpatched = [each for each in external_secret.references if not is_own(overlay, each.where)]
                if any(each.where == reference.where for each in unpatched):
                    keys = {each.path: in_environment(overlay, each.path) for each in unpatched}
                    keys[reference.path] = in_environment(overlay, wanted)
                    rewrite_keys(draft, overlay, external_secret, keys)

    return fix


RULE = Rule(
    "base-names-environment",
    Severity.ERROR,
    "a base or component that hard-codes an environment instead of `_ENV_`, and is not for that one alone",
    "The placeholder is what stops an overlay that forgets its patch. A base that says `dev` lets production read "
    "development's parameter, and a base that says `prod` lets everyone read production's.",
    """# base/external-secrets/db-es.yaml
spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/dev/my-service/database_url
""",
    """# base/external-secrets/db-es.yaml
spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/_ENV_/my-service/database_url
""",
    check=_check,
    compare=_compare,
    symptoms=("wrong-environment",),
)
