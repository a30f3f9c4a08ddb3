"""`overlay-missing`: an environment without overlay, or an ExternalSecret that an overlay never patches."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest.overlay import Overlay, Tenant
from secret_action.manifest.patches import rewrite_keys
from secret_action.manifest.rules.rule import Fix, Flaw, Rule
from secret_action.model import ExternalSecret, Severity
from secret_action.naming import PLACEHOLDER, canonical_environment


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for base in overlay.bases:
        for external_secret in () if base.is_overlay else base.external_secrets:
            rendered = overlay.rendered(external_secret)
            if rendered and _never_patched(external_secret, rendered):
                yield Flaw(
                    f"ExternalSecret {rendered.name} of the base ({external_secret.where}): {overlay.folder} never "
                    f"patches it, so all its keys still have {PLACEHOLDER}.",
                    f"Add a patch to {overlay.folder} that repeats all of its entries, with {overlay.environment} in "
                    "the place of the placeholder.",
                    overlay.where,
                    (rendered.name,),
                    fix=_fix(overlay, rendered),
                )


def _never_patched(base: ExternalSecret, rendered: ExternalSecret) -> bool:
    """True where all that waits for a patch is still as it is written in the base."""
    waiting = {(each.path, each.where) for each in base.references if PLACEHOLDER in each.path}
    return bool(waiting) and waiting <= {(each.path, each.where) for each in rendered.references}


def _fix(overlay: Overlay, rendered: ExternalSecret) -> Fix:
    paths = {reference.path for reference in rendered.references if PLACEHOLDER in reference.path}
    keys = {path: path.replace(PLACEHOLDER, overlay.environment) for path in paths}
    return lambda draft: rewrite_keys(draft, overlay, rendered, keys)


def _compare(tenant: Tenant) -> Iterator[Flaw]:
    there = {overlay.environment: overlay.folder for overlay in tenant.overlays}
    for environment in tenant.environments:
        if canonical_environment(environment) not in there:
            parent = next((folder.rpartition("/")[0] for folder in there.values()), f"{tenant.folder}/overlays")
            yield Flaw(
                f"{tenant.folder} has no overlay for the environment {environment}"
                + (f"; it has {', '.join(there.values())}." if there else "."),
                f"Add {parent}/{environment} (a copy of another overlay, with {canonical_environment(environment)} in "
                "its paths), or no longer ask for that environment.",
                tenant.where,
                (environment,),
            )


RULE = Rule(
    "overlay-missing",
    Severity.ERROR,
    "an environment of `secrets.yaml` or of the input without an overlay, or an ExternalSecret of the base that an "
    "overlay never patches",
    "Nothing of that ExternalSecret reaches the environment: its keys still have the placeholder, so the Secret is "
    "never made, and the pods that name it do not start.",
    """# base/kustomization.yaml lists a new ExternalSecret; overlays/prod/kustomization.yaml patches others only
resources:
  - ../../base
""",
    """# overlays/prod/kustomization.yaml
resources:
  - ../../base
patches:
  - path: patches/secrets-patch.yaml # every entry of the base, with prod in the place of _ENV_
""",
    check=_check,
    compare=_compare,
    in_release=Severity.WARNING,
    symptoms=("placeholder-left",),
    silencing="By `ignore`; one that is not patched also by an annotation.",
)
