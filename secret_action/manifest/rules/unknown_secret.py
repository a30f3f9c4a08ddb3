"""`unknown-secret`: a workload or claim that needs a Secret which nothing in the tenant makes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from secret_action.manifest.overlay import Overlay, Tenant
from secret_action.manifest.patches import is_own, replace_in_line
from secret_action.manifest.rules.rule import Fix, Flaw, Rule
from secret_action.manifest.secrets_in_use import Use, is_made, made, made_elsewhere, mentioned, uses
from secret_action.model import Location, Severity

_PULL = "imagePullSecrets"


def _compare(tenant: Tenant) -> Iterator[Flaw]:
    shared = {name for overlay in tenant.overlays for name in made_elsewhere(overlay.resources)}
    for overlay in tenant.overlays:
        names = made(overlay.resources) | shared
        for use in uses(overlay.resources):
            if not is_made(use.secret, names, overlay.resources) and not any(
                other.makes(use.secret, use.resource) for other in overlay.beside
            ):
                yield _flaw(tenant, overlay, use, names)


def _flaw(tenant: Tenant, overlay: Overlay, use: Use, names: set[str]) -> Flaw:
    is_claim_field = re.fullmatch(r"secret[0-9]*Name", use.field)
    where = overlay.sources.place(use.resource, use.field if is_claim_field else "name", use.secret)
    others = [other for other in tenant.overlays if other is not overlay and use.secret in made(other.resources)]
    makers = [other.folder for other in others]
    # Each may be deployed to a cluster of its own, and a copy of the Secret brought there by others.
    beside = any(other.environment == overlay.environment for other in others)
    renamed, near = overlay.sources.renamed(use.secret), meant(overlay, use.secret, names)
    if near == renamed:
        said = f"the overlay makes it as {renamed}: kustomize's namePrefix and nameSuffix do not reach this field"
        remedy = f"Write {renamed} there, or give the ExternalSecret spec.target.name: {use.secret}"
    elif any(re.fullmatch(re.escape(use.secret) + "-[a-z0-9]{10}", name) for name in names):
        said = "kustomize adds a hash to the name of a generated Secret, and does not know this field"
        remedy, near = "Write generatorOptions: {disableNameSuffixHash: true} in the kustomization.", ""
    elif makers:
        said = f"only {', '.join(makers)} makes it"
        remedy = f"Add the ExternalSecret that makes it to {overlay.folder}, or to the base."
    else:
        said = "nothing in the tenant makes it"
        remedy = f"Did you mean {near}?" if near else "Add an ExternalSecret that makes it, or take the reference out."
    unread = near and near not in mentioned(overlay.resources)
    # A base is right for the overlays that rename nothing.
    exact = is_own(overlay, where) if near == renamed else not makers
    so = "unless the platform does, the image cannot be pulled" if use.field == _PULL else "its pods do not start"
    return Flaw(
        f"{use.who} of {overlay.folder} needs the Secret {use.secret} ({use.field}), and {said}: {so}.",
        remedy,
        where,
        (use.secret, *([near] if near else [])),
        Severity.NOTICE if use.field == _PULL else Severity.WARNING if beside else None,
        overlay=overlay,
        fix=_fix(where, use.secret, near) if unread and exact else None,
    )


def meant(overlay: Overlay, secret: str, names: set[str]) -> str:
    """The name that somebody may have meant: what the overlay's prefix makes of it, or the nearest; else empty."""
    renamed = overlay.sources.renamed(secret)
    if renamed in names:
        return renamed
    return next(iter(difflib.get_close_matches(secret, sorted(names), n=1, cutoff=0.8)), "")


def _fix(where: Location, wrong: str, right: str) -> Fix:
    return lambda draft: replace_in_line(draft, where, wrong, right)


RULE = Rule(
    "unknown-secret",
    Severity.ERROR,
    "a deployment that references a Secret that nothing in the tenant makes; a notice for `imagePullSecrets`",
    "Pods that name a Secret which is not there do not start; the rollout hangs until it times out.",
    """# overlays/prod/deployment.yaml, and the ExternalSecret makes my-service-db
spec:
  secret1Name: my-service-bd
""",
    """# overlays/prod/deployment.yaml
spec:
  secret1Name: my-service-db
""",
    compare=_compare,
    in_release=Severity.WARNING,
    annotated=False,
)
