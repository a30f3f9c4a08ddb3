"""What a parameter's path says before it is right: that it still waits to be filled in, or names an environment."""

from __future__ import annotations

import re

from secret_action.manifest.overlay import Overlay
from secret_action.model import Reference
from secret_action.naming import PLACEHOLDER, ParameterPath, canonical_environment, normalised_key

_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\([^)]*\)|\{\{.*?\}\}|<[^<>]+>")
"""Of Flux and envsubst, of kustomize, of templates, and what a person puts in angle brackets."""

_FILL_IN = re.compile(
    r"(?:REPLACE|CHANGE|FILL|PATCH|EDIT|OVERRIDE|SET)[-_]?(?:ME|THIS)(?:[-_]IN)?|TO[-_]BE[-_][A-Z]+|TODO|TBD|FIXME|X{3,}"
    r"|PLACEHOLDER|(?:change|replace)[-_]?me|to[-_]be[-_](?:patched|replaced|defined)"
)

_ENVIRONMENTS = (
    *("dev", "develop", "development", "local", "ci", "int", "integration", "test", "testing", "qa", "uat", "e2e"),
    *("perf", "sandbox", "demo", "pr", "preview", "stage", "staging", "stg", "preprod", "pre", "prd", "prod", "live"),
)


def unresolved(path: str) -> str:
    """The first piece of a path that nobody has filled in; empty where there is none."""
    if PLACEHOLDER in path:
        return PLACEHOLDER
    if match := _VARIABLE.search(path):
        return match[0]
    return next((part for part in path.split("/") if _FILL_IN.fullmatch(part)), "")


def names_environment(name: str, *others: str) -> bool:
    """True where a part of a path names an environment: one of the common ones, or one of `others`."""
    return canonical_environment(name) in {canonical_environment(other) for other in (*_ENVIRONMENTS, *others)}


def template_of(overlay: Overlay, reference: Reference) -> ParameterPath:
    """What the path of a reference is to follow: that of a search is a folder."""
    return overlay.parameter_path.at(reference.path) if reference.find else overlay.parameter_path


def in_environment(overlay: Overlay, path: str) -> str:
    """The path as this overlay must ask for it: its environment in the place of the placeholder or of another's."""
    template = overlay.parameter_path.at(path)
    parts = template.parse(path)
    if parts and (parts.environment == PLACEHOLDER or names_environment(parts.environment)):
        return template.render(overlay.environment, parts.service, parts.key)
    return path.replace(PLACEHOLDER, overlay.environment)


def suggested(overlay: Overlay, reference: Reference) -> str:
    """The path that an entry would have if all that cannot be told from its own one were as usual."""
    template, path = template_of(overlay, reference), in_environment(overlay, reference.path)
    if not unresolved(path) and template.parse(path):
        return path
    last = path.rpartition("/")[2]
    key = normalised_key(reference.secret_key if unresolved(last) or not last else last) or "KEY"
    parts = template.parse(path)
    service = parts.service if parts and not unresolved(parts.service) else overlay.service
    return template.render(overlay.environment, service, key)
