"""`key-not-normalised`: a key that is not `lowercase_underscore`, or a name that YAML takes for no text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.patches import quote, rewrite_keys
from secret_action.manifest.rules.rule import Fix, Flaw, Rule, about, entry, readable
from secret_action.manifest.secrets_in_use import Resource, name_of
from secret_action.model import ExternalSecret, Location, Severity
from secret_action.naming import CLAIM_FIELD, KEY_PATTERN, normalised_key

Name = tuple[str, str, Any]
"""A field that holds a name: its last key, how a message calls it, and the value."""


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for external_secret, reference in readable(overlay):
        parts = overlay.parameter_path.parse(reference.path)
        if parts and not KEY_PATTERN.fullmatch(parts.key):
            key = normalised_key(parts.key)
            wanted = overlay.parameter_path.render(parts.environment, parts.service, key or "KEY")
            yield Flaw(
                f"{entry(reference)}: “{parts.key}” in {reference.path} has other characters than a–z, 0–9 and _.",
                f"Write key: {wanted}",
                reference.where,
                about(reference),
                fix=_fix(overlay, external_secret, reference.path, wanted) if key else None,
            )
    ours = [overlay.resource(external_secret) for external_secret in overlay.external_secrets]
    for resource in overlay.resources:
        names = _names(resource) if any(resource is each for each in ours) else _names_of_other(resource)
        yield from _not_texts(overlay, resource, names)


def _fix(overlay: Overlay, external_secret: ExternalSecret, path: str, wanted: str) -> Fix:
    return lambda draft: rewrite_keys(draft, overlay, external_secret, {path: wanted})


def _not_texts(overlay: Overlay, resource: Resource, names: Iterable[Name]) -> Iterator[Flaw]:
    for field, what, value in names:
        if value is None or isinstance(value, str):
            continue
        where = overlay.sources.place(resource, field, value)
        shown = str(value).lower() if isinstance(value, bool) else value
        yield Flaw(
            f"{resource.get('kind')} {name_of(resource)}: {what} is rendered as {shown}, which is no text: kustomize "
            "rewrites what has no quotes (007 to 7, 1.10 to 1.1).",
            "Write the parameter's path there."
            if field == "key"
            else f'Put what is written there in quotes, as in {field}: "007".',
            where,
            (name_of(resource), str(value)),
            fix=_quoting(where, field, value) if field != "key" else None,
        )


def _names(resource: Resource) -> Iterator[Name]:
    """Those of an ExternalSecret."""
    spec = mapping(resource.get("spec"))
    yield from _names_of_any(resource)
    yield "name", "spec.target.name", mapping(spec.get("target")).get("name")
    for field, inner in (("data", "remoteRef"), ("dataFrom", "extract")):
        items = spec.get(field)
        for item in map(mapping, items if isinstance(items, list) else ()):
            yield "secretKey", "a secretKey", item.get("secretKey")
            yield "key", f"the key of {inner}", mapping(item.get(inner)).get("key")
            yield "property", "a property", mapping(item.get(inner)).get("property")


def _names_of_other(resource: Resource) -> Iterator[Name]:
    """Those of a workload, a claim or anything else; a claim names Secrets as well."""
    yield from _names_of_any(resource)
    for field, value in mapping(resource.get("spec")).items():
        if CLAIM_FIELD.fullmatch(str(field)):
            yield field, f"spec.{field}", value


def _names_of_any(resource: Resource) -> Iterator[Name]:
    metadata = mapping(resource.get("metadata"))
    for field in ("name", "namespace"):
        yield field, f"metadata.{field}", metadata.get(field)


def _quoting(where: Location, field: str, value: Any) -> Fix:
    return lambda draft: quote(draft, where, field, value)


RULE = Rule(
    "key-not-normalised",
    Severity.ERROR,
    "upper case, hyphens, anything but `[a-z0-9_]` in a key; a key, secretKey or name that is no text, for want of "
    "quotes",
    "SSM names are case-sensitive: `DATABASE_URL` and `database_url` are two parameters, and only one is written. What "
    "YAML takes for a number reaches the cluster as another name than the one that is written, or is refused there.",
    """spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/prod/my-service/DATABASE-URL
""",
    """spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/prod/my-service/database_url
""",
    check=_check,
)
