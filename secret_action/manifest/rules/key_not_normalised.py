"""`key-not-normalised`: a key that is not `lowercase_underscore`, or a name that YAML takes for no text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.patches import quote, rewrite_keys
from secret_action.manifest.rules.rule import Fix, Flaw, Rule, about, entry, readable
from secret_action.model import ExternalSecret, Location, Severity
from secret_action.naming import KEY_PATTERN, normalised_key


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
    for external_secret in overlay.external_secrets:
        yield from _not_texts(overlay, external_secret)


def _fix(overlay: Overlay, external_secret: ExternalSecret, path: str, wanted: str) -> Fix:
    return lambda draft: rewrite_keys(draft, overlay, external_secret, {path: wanted})


def _not_texts(overlay: Overlay, external_secret: ExternalSecret) -> Iterator[Flaw]:
    resource = overlay.resource(external_secret)
    for field, what, value in _names(resource):
        if value is None or isinstance(value, str):
            continue
        where = overlay.sources.place(resource, field, value)
        shown = str(value).lower() if isinstance(value, bool) else value
        yield Flaw(
            f"ExternalSecret {external_secret.name}: {what} is rendered as {shown}, which is no text: kustomize "
            "rewrites what has no quotes (007 to 7, 1.10 to 1.1).",
            "Write the parameter's path there."
            if field == "key"
            else f'Put what is written there in quotes, as in {field}: "007".',
            where,
            (external_secret.name, str(value)),
            fix=_quoting(where, field, value) if field != "key" else None,
        )


def _names(resource: Any) -> Iterator[tuple[str, str, Any]]:
    """The fields that hold names: the last key, how a message calls it, and the value."""
    spec = mapping(resource.get("spec"))
    yield "name", "metadata.name", mapping(resource.get("metadata")).get("name")
    yield "name", "spec.target.name", mapping(spec.get("target")).get("name")
    for field, inner in (("data", "remoteRef"), ("dataFrom", "extract")):
        items = spec.get(field)
        for item in map(mapping, items if isinstance(items, list) else ()):
            yield "secretKey", "a secretKey", item.get("secretKey")
            yield "key", f"the key of {inner}", mapping(item.get(inner)).get("key")
            yield "property", "a property", mapping(item.get(inner)).get("property")


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
