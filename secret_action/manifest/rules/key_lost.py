"""`key-lost`: a strategic-merge patch on a custom resource replaces the whole list, without a word."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from secret_action.manifest.draft import Draft
from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.overlay import Overlay, Tenant
from secret_action.manifest.parts import Part
from secret_action.manifest.patches import has_operations, in_order, prove, target_of, write_patch
from secret_action.manifest.paths import in_environment
from secret_action.manifest.rules.rule import Fix, Flaw, Rule
from secret_action.manifest.trace import Traced
from secret_action.manifest.yaml_edit import EditError
from secret_action.manifest.yaml_style import inline as as_one_line
from secret_action.model import ExternalSecret, Location, Reference, Severity


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for rendered in overlay.external_secrets:
        told = set()
        for _, external_secret in overlay.origins(rendered):
            for reference in _lost(overlay, external_secret, rendered):
                if (name := reference.secret_key or reference.path) in told:
                    continue
                told.add(name)
                what = f"secretKey {reference.secret_key}" if reference.secret_key else "dataFrom.extract"
                how, remedy, where = _why(overlay, external_secret, rendered, reference)
                yield Flaw(
                    f"ExternalSecret {rendered.name}: {what} of {reference.path} is in the base ({reference.where}) "
                    f"and lost in {overlay.folder}: {how}.",
                    remedy,
                    where,
                    tuple(each for each in (rendered.name, reference.secret_key, reference.path) if each),
                    fix=_fix([overlay], rendered.name, external_secret, reference),
                )


def _why(
    overlay: Overlay, base: ExternalSecret, rendered: ExternalSecret, reference: Reference
) -> tuple[str, str, Location]:
    """How it was lost, the remedy, and the place to mend."""
    field, entry = _field(reference), _entry(overlay, base, reference)
    resource = overlay.resource(rendered)
    traced = overlay.sources.trace(resource)
    for gone, operation in traced.removed if traced else ():
        if _is(gone, reference):
            inner = "extract" if reference.extract else "remoteRef"
            path = f"{operation.fields['path'].text}/{inner}/key"
            instead = as_one_line({"op": "replace", "path": path, "value": entry[inner]["key"]})
            return (
                "a JSON6902 operation takes it out",
                f"Change its key instead, and count the entries anew in the operations behind it: {instead}",
                overlay.sources.where(operation),
            )
    # Where the patch has no other entry, the list itself is all that it says.
    kept = next((kept.where for kept in rendered.references if kept.extract == reference.extract), None)
    return (
        f"a patch replaces the whole list spec.{field}",
        f"Repeat it in the patch, under spec.{field}: - {as_one_line(entry)}",
        kept or _emptied(overlay, traced, field) or overlay.sources.locate(resource, "spec", field),
    )


def _emptied(overlay: Overlay, traced: Traced | None, field: str) -> Location | None:
    """Where the last word on a list is that there is none: a key with nothing behind it."""
    if traced is None or traced.tree.at("spec", field):
        return None
    last = next((part for said in traced.written if (part := said.at("spec", field))), None)
    return overlay.sources.where(replace(last, lines=last.key_lines)) if last and last.is_null else None


def _is(part: Part, reference: Reference) -> bool:
    """True where a part is the entry that a reference stands for."""
    said = part.at("extract", "key") if reference.extract else part.at("secretKey")
    return said is not None and said.text == (reference.path if reference.extract else reference.secret_key)


def _lost(overlay: Overlay, base: ExternalSecret, rendered: ExternalSecret) -> Iterator[Reference]:
    kept = {entry.secret_key for entry in rendered.entries}
    extracted = {reference.path for reference in rendered.references if reference.extract}
    wanted = sum(reference.extract for reference in base.references)
    for reference in base.references:
        if reference.extract:
            if len(extracted) < wanted and not extracted & {reference.path, in_environment(overlay, reference.path)}:
                yield reference
        elif reference.secret_key and reference.secret_key not in kept:
            yield reference


def _compare(tenant: Tenant) -> Iterator[Flaw]:
    """Keys that are in no base, and in one environment and not in another that has the same ExternalSecret."""
    reported = set()
    for overlay in tenant.overlays:
        for external_secret in overlay.external_secrets:
            for reference in external_secret.references:
                name, key = external_secret.name, reference.secret_key
                without = [other for other in tenant.overlays if _lacks(other, name, key)]
                if not key or not without or (name, key) in reported or _in_base(tenant.overlays, name, key):
                    continue
                reported.add((name, key))
                folders = ", ".join(other.folder for other in without)
                yield Flaw(
                    f"ExternalSecret {name}: secretKey {key} is in {overlay.folder} and not in {folders}; no base has "
                    "it.",
                    f"Add it there, or take it out of {overlay.folder} where no pod needs it.",
                    reference.where,
                    (name, key),
                    Severity.WARNING,
                    fix=_fix(without, name, external_secret, reference),
                )


def _lacks(overlay: Overlay, name: str, key: str) -> bool:
    found = [each for each in overlay.external_secrets if each.name == name]
    return bool(found) and not any(reference.secret_key == key for each in found for reference in each.entries)


def _in_base(overlays: Sequence[Overlay], name: str, key: str) -> bool:
    return any(
        reference.secret_key == key
        for overlay in overlays
        for rendered in overlay.external_secrets
        if rendered.name == name
        for _, origin in overlay.origins(rendered)
        for reference in origin.references
    )


def _fix(overlays: Sequence[Overlay], name: str, origin: ExternalSecret, reference: Reference) -> Fix:
    """Puts the entry behind those that each overlay has."""

    def fix(draft: Draft) -> None:
        for overlay in overlays:
            rendered = next(each for each in overlay.external_secrets if each.name == name)
            target = target_of(overlay, rendered)
            if has_operations(draft, overlay, target):
                raise EditError("JSON6902 operations change the list; where the entry belongs among them is not known.")
            there = rendered.spec.get(_field(reference))
            entries = [*(there if isinstance(there, list) else ()), _entry(overlay, origin, reference)]
            write_patch(draft, overlay, target, {_field(reference): entries})
            prove(draft, overlay, overlay.resource(rendered), {_field(reference): entries})

    return fix


def _field(reference: Reference) -> str:
    return "dataFrom" if reference.extract else "data"


def _entry(overlay: Overlay, origin: ExternalSecret, reference: Reference) -> dict[str, Any]:
    """The entry of a list that a reference stands for, as this overlay should have it."""
    inner = "extract" if reference.extract else "remoteRef"
    entries = origin.spec.get(_field(reference))
    for entry in entries if isinstance(entries, list) else ():
        said = mapping(mapping(entry).get(inner))
        if said.get("key") == reference.path and mapping(entry).get("secretKey", "") == reference.secret_key:
            key = in_environment(overlay, reference.path)
            return dict(in_order({**copy.deepcopy(entry), inner: {**said, "key": key}}))
    return {"secretKey": reference.secret_key, inner: {"key": in_environment(overlay, reference.path)}}


RULE = Rule(
    "key-lost",
    Severity.ERROR,
    "a secretKey (or `dataFrom.extract`) that is in the base and not in the rendered overlay; a warning for one that "
    "is in no base, and in one environment and not in another",
    "kustomize replaces a custom resource's whole list: a patch that names one entry drops all others, and pods start "
    "without them.",
    """# the base has DATABASE_URL and DATABASE_CA; overlays/prod/patches/secrets-patch.yaml:
spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/prod/my-service/database_url
""",
    """# overlays/prod/patches/secrets-patch.yaml
spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/prod/my-service/database_url
    - secretKey: DATABASE_CA
      remoteRef:
        key: /zerotouch/prod/my-service/database_ca
""",
    check=_check,
    compare=_compare,
)
