"""`placeholder-left`: what somebody was to fill in survived into an overlay."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest import yaml_edit
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.patches import change_at, loaded, rewrite_keys
from secret_action.manifest.paths import in_environment, suggested, template_of, unresolved
from secret_action.manifest.rules.rule import Fix, Flaw, Rule, about, entry, references, to_write
from secret_action.manifest.yaml_edit import EditError
from secret_action.model import ExternalSecret, Reference, Severity
from secret_action.naming import PLACEHOLDER

_FIELDS = frozenset({"secretKey", "remoteRef", "sourceRef"})
"""Of an entry of `data`."""


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for external_secret, reference in references(overlay):
        left = unresolved(reference.path)
        if reference.path and not left:
            continue
        kind = "path" if reference.find else "key"
        what = f"the {kind} {reference.path} still has {_words(left)}" if left else "there is no key, or an empty one"
        origin = _origin(overlay, external_secret, reference)
        yield Flaw(
            f"{entry(reference)}: {what}, so {overlay.folder} reads no parameter there.",
            f"Write in {overlay.folder}: {to_write(reference, suggested(overlay, origin or reference))}",
            reference.where,
            about(reference),
            firm=_may_be_owned(overlay, reference),
            fix=_fix(overlay, external_secret, reference) if left else _filling_in(overlay, reference, origin),
        )


def _words(left: str) -> str:
    return f"the placeholder {left}" if left == PLACEHOLDER else f"{left}, which nothing has filled in"


def _may_be_owned(overlay: Overlay, reference: Reference) -> bool:
    parts = template_of(overlay, reference).parse(reference.path)
    return parts is None or parts.service in ("", overlay.service) or bool(unresolved(parts.service))


def _origin(overlay: Overlay, external_secret: ExternalSecret, reference: Reference) -> Reference | None:
    """The entry of the base that one without a key stands for."""
    base = overlay.in_base(external_secret) if reference.secret_key and not reference.path else None
    return next((each for each in base.references if each.secret_key == reference.secret_key), None) if base else None


def _fix(overlay: Overlay, external_secret: ExternalSecret, reference: Reference) -> Fix | None:
    """Exact only where nothing but the environment was to be filled in."""
    wanted, template = in_environment(overlay, reference.path), template_of(overlay, reference)
    parts = template.parse(wanted)
    if parts and unresolved(parts.environment) == parts.environment and parts.environment:
        wanted = template.render(overlay.environment, parts.service, parts.key)
    if parts is None or unresolved(wanted):
        return None
    return lambda draft: rewrite_keys(draft, overlay, external_secret, {reference.path: wanted})


def _filling_in(overlay: Overlay, reference: Reference, origin: Reference | None) -> Fix | None:
    """Exact only where the base has the key."""
    wanted = in_environment(overlay, origin.path) if origin else ""
    if not overlay.parameter_path.parse(wanted) or unresolved(wanted):
        return None

    def change(text: str, document: int) -> str:
        for index, item in enumerate(loaded(text, document)["spec"]["data"]):
            if item == {**item, "secretKey": reference.secret_key} and set(item) <= _FIELDS:
                return yaml_edit.set_value(text, document, ("spec", "data", index, "remoteRef", "key"), wanted)
        raise EditError("The entry is not there, or has fields that nobody knows.")

    return lambda draft: change_at(draft, reference.where, "ExternalSecret", change)


RULE = Rule(
    "placeholder-left",
    Severity.ERROR,
    "`_ENV_` still in a rendered key, a variable that nothing has replaced (`${ENV}`), `REPLACE_ME` and the like, or "
    "no key at all",
    "No parameter has that name, so External Secrets Operator would never make the Secret, and pods would not start.",
    """# overlays/prod, rendered
spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/_ENV_/my-service/database_url
""",
    """# overlays/prod/patches/secrets-patch.yaml
spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/prod/my-service/database_url
""",
    check=_check,
    silencing="Only for another service's parameter, which a release never writes.",
)
