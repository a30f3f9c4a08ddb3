"""`key-not-normalised`: a key that is not `lowercase_underscore`."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest.overlay import Overlay
from secret_action.manifest.rules.rule import Flaw, Rule, entry, references
from secret_action.model import Severity
from secret_action.naming import KEY_PATTERN, normalised_key


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for _, reference in references(overlay):
        parts = overlay.parameter_path.parse(reference.path)
        if parts and not KEY_PATTERN.fullmatch(parts.key):
            wanted = overlay.parameter_path.render(parts.environment, parts.service, normalised_key(parts.key) or "key")
            yield Flaw(
                f"{entry(reference)}: “{parts.key}” in {reference.path} has other characters than a–z, 0–9 and _.",
                f"Write key: {wanted}",
                reference.where,
            )


RULE = Rule(
    "key-not-normalised",
    Severity.ERROR,
    "upper case, hyphens, anything but `[a-z0-9_]` in a key",
    "SSM names are case-sensitive: `DATABASE_URL` and `database_url` are two parameters, and only one is written.",
    """    remoteRef:
      key: /zerotouch/prod/my-service/DATABASE-URL
""",
    _check,
)
