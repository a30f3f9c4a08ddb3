"""`key-lost`: a strategic-merge patch on a custom resource replaces the whole list, without a word."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from secret_action.manifest.draft import Draft
from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.overlay import Overlay, Tenant
from secret_action.manifest.own_patches import deciding_patch, home_of, is_shared
from secret_action.manifest.parts import Part
from secret_action.manifest.patches import add_to_list, has_operations, in_order, prove, target_of, write_patch
from secret_action.manifest.paths import in_environment
from secret_action.manifest.rules.rule import Fix, Flaw, Rule
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
                yield _flaw(overlay, external_secret, rendered, reference)


def _flaw(overlay: Overlay, base: ExternalSecret, rendered: ExternalSecret, reference: Reference) -> Flaw:
    what = f"secretKey {reference.secret_key}" if reference.secret_key else "dataFrom.extract"
    field, resource = _field(reference), overlay.resource(rendered)
    operation = _taking_out(overlay, resource, reference)
    patch = None if operation else deciding_patch(overlay.sources, resource, field)
    # What the overlays of several environments are built of has the placeholder, as the base.
    shared = patch is not None and is_shared(overlay, patch)
    entry = _entry(base, reference, reference.path if shared else in_environment(overlay, reference.path))
    if operation:
        inner = "extract" if reference.extract else "remoteRef"
        path = f"{operation.fields['path'].text}/{inner}/key"
        instead = as_one_line({"op": "replace", "path": path, "value": entry[inner]["key"]})
        how = "a JSON6902 operation takes it out"
        remedy = f"Change its key instead, and count the entries anew in the operations behind it: {instead}"
        where = overlay.sources.where(operation)
    else:
        how = f"a patch replaces the whole list spec.{field}"
        remedy = f"Repeat it in the patch, under spec.{field}: - {as_one_line(entry)}"
        # Where the patch has no other entry, the list itself is all that it says.
        kept = next((kept.where for kept in rendered.references if kept.extract == reference.extract), None)
        where = kept or _emptied(overlay, resource, field) or overlay.sources.locate(resource, "spec", field)
    return Flaw(
        f"ExternalSecret {rendered.name}: {what} of {reference.path} is in the base ({reference.where}) "
        f"and lost in {home_of(overlay, patch)}: {how}.",
        remedy,
        where,
        tuple(each for each in (rendered.name, reference.secret_key, reference.path) if each),
        fix=None if operation else _repeating(overlay, rendered, field, entry),
    )


def _taking_out(overlay: Overlay, resource: Mapping[str, Any], reference: Reference) -> Part | None:
    """The JSON6902 operation that takes an entry out."""
    traced = overlay.sources.trace(resource)
    return next((operation for gone, operation in (traced.removed if traced else ()) if _is(gone, reference)), None)


def _emptied(overlay: Overlay, resource: Mapping[str, Any], field: str) -> Location | None:
    """Where the last word on a list is that there is none: a key with nothing behind it."""
    traced = overlay.sources.trace(resource)
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
            field, entry = _field(reference), _entry(origin, reference, in_environment(overlay, reference.path))
            entries = {field: [*_list(rendered, field), entry]}
            with suppress(EditError):
                prove(draft, overlay, overlay.resource(rendered), entries)
                continue  # it is built of what was changed for an overlay before it
            try:
                add_to_list(draft, overlay, rendered, field, entry)
            except EditError:
                _patch(draft, overlay, rendered, entries)
            prove(draft, overlay, overlay.resource(rendered), entries)

    return fix


def _patch(draft: Draft, overlay: Overlay, rendered: ExternalSecret, entries: Mapping[str, Any]) -> None:
    target = target_of(overlay, rendered)
    if has_operations(draft, overlay, target):
        raise EditError("JSON6902 operations change the list; where the entry belongs among them is not known.")
    write_patch(draft, overlay, target, entries)


def _repeating(overlay: Overlay, rendered: ExternalSecret, field: str, entry: Mapping[str, Any]) -> Fix:
    """Puts the entry behind those that are left, where these are written: there it was lost, as the remedy says."""

    def fix(draft: Draft) -> None:
        add_to_list(draft, overlay, rendered, field, entry)
        prove(draft, overlay, overlay.resource(rendered), {field: [*_list(rendered, field), entry]})

    return fix


def _list(rendered: ExternalSecret, field: str) -> Sequence[Any]:
    there = rendered.spec.get(field)
    return there if isinstance(there, list) else ()


def _field(reference: Reference) -> str:
    return "dataFrom" if reference.extract else "data"


def _entry(origin: ExternalSecret, reference: Reference, key: str) -> dict[str, Any]:
    """The entry of a list that a reference stands for, with this key."""
    inner = "extract" if reference.extract else "remoteRef"
    entries = origin.spec.get(_field(reference))
    for entry in entries if isinstance(entries, list) else ():
        said = mapping(mapping(entry).get(inner))
        if said.get("key") == reference.path and mapping(entry).get("secretKey", "") == reference.secret_key:
            return dict(in_order({**copy.deepcopy(entry), inner: {**said, "key": key}}))
    return {"secretKey": reference.secret_key, inner: {"key": key}}


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
