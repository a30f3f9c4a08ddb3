"""`overlay-missing`: an environment without just one overlay, or an ExternalSecret that an overlay never patches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from secret_action.manifest.definitions import FILE_NAME
from secret_action.manifest.layout import KEEP_ONE, two_spellings
from secret_action.manifest.overlay import Overlay, Tenant
from secret_action.manifest.patches import rewrite_keys, target_of, unlisted_patch
from secret_action.manifest.rules.rule import Fix, Flaw, Rule
from secret_action.manifest.yaml_edit import EditError
from secret_action.model import ExternalSecret, Location, Severity
from secret_action.naming import PLACEHOLDER, canonical_environment


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for rendered in overlay.external_secrets:
        origins = (each for base, each in overlay.origins(rendered) if not base.is_overlay)
        origin = next((each for each in origins if _never_patched(each, rendered)), None)
        if origin:
            yield Flaw(
                f"ExternalSecret {rendered.name} of the base ({origin.where}): {overlay.folder} never patches it, so "
                f"all its keys still have {PLACEHOLDER}.",
                _remedy(overlay, rendered),
                overlay.where,
                (rendered.name,),
                fix=_fix(overlay, rendered),
            )


def _remedy(overlay: Overlay, rendered: ExternalSecret) -> str:
    with suppress(EditError):
        if name := unlisted_patch(overlay, target_of(overlay, rendered)):
            return f"Add to {overlay.where.file}, under patches: - path: {name}"
    return (
        f"Add a patch to {overlay.folder} that repeats all of its entries, with {overlay.environment} in the place of "
        "the placeholder."
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
    there = {overlay.environment for overlay in tenant.overlays}
    for environment in tenant.environments:
        if canonical_environment(environment) not in there:
            folders = ", ".join(overlay.folder for overlay in tenant.overlays)
            yield Flaw(
                f"{tenant.folder} has no overlay for the environment {environment}"
                + (f"; it has {folders}." if folders else "."),
                f"Add {_twin(tenant, environment)} (a copy of another overlay, with "
                f"{canonical_environment(environment)} in its paths), or no longer ask for that environment.",
                tenant.where,
                (environment,),
            )
    for folder in tenant.unclear:
        yield Flaw(
            f"Which environment {folder} is for cannot be told from its path, so it was not judged.",
            "Let exactly one folder of its path bear an environment's name, or list the tenant's `environments` in "
            f"{tenant.folder}/{FILE_NAME}.",
            Location(folder),
            (folder,),
        )
    for same in two_spellings(Path(overlay.folder) for overlay in tenant.overlays):
        names = [folder.as_posix() for folder in same]
        last = next(overlay for overlay in tenant.overlays if overlay.folder == names[-1])
        yield Flaw(
            f"{' and '.join(names)} are overlays of one environment, {last.environment}: a release of it is refused.",
            KEEP_ONE,
            last.where,
            (last.environment, *names),
            overlay=last,
        )


def _twin(tenant: Tenant, environment: str) -> str:
    """Where an overlay of this environment would lie: as another one does."""
    for overlay in tenant.overlays:
        parts = overlay.folder.split("/")
        at = [n for n, part in enumerate(parts) if canonical_environment(part) == overlay.environment]
        if at:
            return "/".join([*parts[: at[-1]], environment, *parts[at[-1] + 1 :]])
    return f"{tenant.folder}/overlays/{environment}"


RULE = Rule(
    "overlay-missing",
    Severity.ERROR,
    "an environment of `secrets.yaml` or of the input without an overlay, one with two (`prod` and `production`), an "
    "overlay whose environment cannot be told, or an ExternalSecret of the base that an overlay never patches",
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
