"""`path-mismatch`: a key that is no parameter path of this platform."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest.overlay import Overlay
from secret_action.manifest.rules.rule import Flaw, Rule, entry, references
from secret_action.model import Severity
from secret_action.naming import normalised_key


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for _, reference in references(overlay):
        if overlay.parameter_path.parse(reference.path) is None:
            key = normalised_key(reference.path.rpartition("/")[2] or reference.secret_key) or "KEY"
            example = overlay.parameter_path.render(overlay.environment, overlay.service, key)
            yield Flaw(
                f"{entry(reference)}: the key {reference.path or '(empty)'} does not follow "
                f"{overlay.parameter_path.template}.",
                f"Write key: {example}, or give the input `parameter-path` where the tree follows another template.",
                reference.where,
            )


RULE = Rule(
    "path-mismatch",
    Severity.ERROR,
    "a key that does not follow the path template",
    "Nobody can tell whose it is, so it is never pushed, and the role of the service may not read it.",
    """    remoteRef:
      key: my-service/database_url
""",
    _check,
)
