"""Writes into an overlay what it is to change of a resource: where a person would, and nowhere else.

What stands in the overlay's own files is changed there. For all else there is a patch: the overlay's own one of that
resource, or one in its folder that is not listed yet, else a new document in its file of such patches, else a new file
that its kustomization lists. A base is not touched, since other environments build on it; a patch in a folder that only
overlays of one environment are built of is, where it has lost an entry. What cannot be done safely raises EditError.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import yaml

from secret_action.manifest import yaml_edit
from secret_action.manifest.draft import Draft
from secret_action.manifest.external_secrets import KEY_FIELDS, read_external_secrets
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.own_patches import (
    Change,
    Target,
    deciding_patch,
    edit_document,
    edit_patch,
    file_of_patches,
    files_of_patches,
    home_of,
    is_for_several,
    is_shared,
    merge_patch,
    operations,
    unlisted_patches,
)
from secret_action.manifest.parts import agrees, plain
from secret_action.manifest.paths import in_environment, unresolved
from secret_action.manifest.yaml_edit import EditError
from secret_action.manifest.yaml_files import (
    compose_documents,
    get,
    line_of,
    load_documents,
    pairs_below,
    reads_as,
    scalars,
    text,
)
from secret_action.model import ExternalSecret, Location, Reference
from secret_action.naming import KEY_PATTERN, PLACEHOLDER


def replace_in_line(draft: Draft, where: Location, old: str, new: str) -> None:
    """Puts one text in the place of another, which must stand exactly once in that line."""
    lines = draft.text(where.file).split("\n")
    if where.line is None or where.line > len(lines) or not old or lines[where.line - 1].count(old) != 1:
        raise EditError(f"{where} does not say {old} just once.")
    lines[where.line - 1] = lines[where.line - 1].replace(old, new)
    draft.put(where.file, "\n".join(lines))


def quote(draft: Draft, where: Location, field: str, value: Any) -> None:
    """Puts quotes around the plain scalar behind this key in that line, of which kustomize makes this value."""
    content = draft.text(where.file)
    pairs = (pair for node in compose_documents(content) for pair in pairs_below(node))
    found = [
        node
        for key, node in pairs
        if text(key) == field
        and isinstance(node, yaml.ScalarNode)
        and line_of(node) == where.line
        and not node.style
        and reads_as(node, value)
    ]
    if len(found) != 1 or found[0].start_mark.line != found[0].end_mark.line:
        raise EditError(f"{where} has no such value.")
    lines = content.removeprefix("\ufeff").split("\n")
    at, start, end = found[0].start_mark.line, found[0].start_mark.column, found[0].end_mark.column
    lines[at] = f'{lines[at][:start]}"{found[0].value}"{lines[at][end:]}'
    draft.put(where.file, content[: content.startswith("\ufeff")] + "\n".join(lines))


def change_at(draft: Draft, where: Location, kind: str, change: Change) -> None:
    """Changes the document of this kind that a line is in, also one that a kustomization holds as a literal text."""
    line = where.line or 0
    content = draft.text(where.file)
    node, index = _around(content, line)
    if text(get(node, "kind")) == kind:
        draft.put(where.file, change(content, index))
        return
    for scalar in scalars(node):
        start = line_of(scalar)
        if scalar.style == "|" and start < line <= start + scalar.value.count("\n") + 1:
            inner, index = _around(scalar.value, line - start)
            if text(get(inner, "kind")) == kind:
                edit_document(draft, where.file, index, start, change)
                return
    raise EditError(f"{where} is in no {kind}.")


def _around(content: str, line: int) -> tuple[yaml.Node, int]:
    """The document that a line is in, and its number as `yaml_edit` counts them."""
    documents = list(enumerate(compose_documents(content)))
    found = [(node, index) for index, node in documents if line_of(node) <= line]
    if not found:
        raise EditError(f"Line {line} is in no document.")
    return found[-1]


def is_own(overlay: Overlay, where: Location) -> bool:
    """True for a line of a file in the overlay's folder, which no other environment shares."""
    return where.line is not None and where.file.startswith(f"{overlay.folder}/")


def rewrite_keys(draft: Draft, overlay: Overlay, external_secret: ExternalSecret, keys: Mapping[str, str]) -> None:
    """Gives an ExternalSecret of this overlay other parameter paths.

    external_secret: as rendered. keys: the new path by the old one. Each is changed where it is written, if that is
    the overlay's own file. Otherwise there is a patch; one that has to be written for it holds the whole list, and
    nothing that is waiting or of another environment in it. One that is there, and only has to be listed, may give it
    other keys, as long as they are right.
    """
    places = {each.where: each.path for each in external_secret.entries if each.path in keys}
    own = [where for where in places if is_own(overlay, where)]
    for where in own:
        replace_in_line(draft, where, places[where], keys[places[where]])
    if len(own) == len(places):
        return  # what is rendered stood in just these places
    if external_secret.of_cluster:
        raise EditError(f"ExternalSecret {external_secret.name} is made of another resource, in a file that is shared.")
    resource, spec = overlay.resource(external_secret), external_secret.spec
    target = target_of(overlay, external_secret)
    if has_operations(draft, overlay, target):
        lists = _lists(spec, lambda key: keys.get(key, key))
        append_operations(draft, overlay, target, spec, keys)
    else:
        if merge_patch(draft, overlay, target) is None and (name := unlisted_patch(overlay, target)):
            list_in(draft, overlay.where.file, "patches", {"path": name})
            _prove_right(draft, overlay, external_secret)
            return
        lists = resolved_lists(overlay, spec, keys)
        write_patch(draft, overlay, target, lists)
    prove(draft, overlay, resource, lists)


def append_operations(
    draft: Draft, overlay: Overlay, target: Target, spec: Mapping[str, Any], keys: Mapping[str, str]
) -> None:
    """Adds to the overlay's JSON6902 operations on a resource one for each of these keys. keys: the new by the old."""
    if (patch := operations(draft, overlay, target)) is None:
        raise EditError("There are no operations to add to.")
    for steps, place in _key_places(spec):
        if new := keys.get(place[steps[-1]]):
            operation = {"op": "replace", "path": "/".join(("/spec", *map(str, steps))), "value": new}
            edit_patch(draft, overlay, patch, _appending(operation))


def prove(draft: Draft, overlay: Overlay, resource: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Raises EditError unless a draft is sure to give a rendered resource these fields of its `spec`.

    Another patch, a replacement or a transformer may have the last word.
    """
    traced = overlay.sources.over(draft).trace(resource)
    for field, value in fields.items():
        if traced is None or not agrees(traced.tree.at("spec", field), value):
            raise EditError(f"What else changes spec.{field} is not known.")


def unlisted_patch(overlay: Overlay, target: Target) -> str:
    """The file in the overlay's folder that has a patch of a resource, and is not listed; empty without one.

    Its name is relative to that folder. Raises EditError where there are several.
    """
    found = unlisted_patches(overlay, target)
    if len(found) > 1:
        raise EditError(f"Which of {', '.join(found)} is to be listed is not known.")
    return next(iter(found), "")


def _prove_right(draft: Draft, overlay: Overlay, external_secret: ExternalSecret) -> None:
    """Raises EditError unless a draft surely gives a rendered ExternalSecret right keys, and all that it had."""
    resource, spec = overlay.resource(external_secret), external_secret.spec
    traced = overlay.sources.over(draft).trace(resource)
    lists: dict[str, Any] = {}
    for field in ("data", "dataFrom"):
        part = traced.tree.at("spec", field) if traced else None
        lists |= {field: plain(part)} if part else {}
        if not agrees(part, lists.get(field)) and (part or field in spec):
            raise EditError(f"What else changes spec.{field} is not known.")
    for patched in read_external_secrets([{**resource, "spec": {**spec, **lists}}], overlay.store, lambda *_: _NOWHERE):
        keys, old = ({each.secret_key for each in one.entries} for one in (patched, external_secret))
        whole = sum(each.extract for each in patched.entries) >= sum(each.extract for each in external_secret.entries)
        if keys >= old and whole and all(map(partial(_is_right, overlay), patched.entries)):
            return
    raise EditError("The patch is not right either.")


_NOWHERE = Location("")


def resolved_lists(overlay: Overlay, spec: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    """The lists of an ExternalSecret's spec as an overlay's patch should have them.

    keys: the new path by the old one; of the others, those of the service itself get the overlay's environment, and
    no placeholder is left.
    """

    def resolved(key: str) -> str:
        parts = overlay.parameter_path.parse(key)
        own = parts is not None and parts.service == overlay.service
        return keys.get(key) or (in_environment(overlay, key) if own else key.replace(PLACEHOLDER, overlay.environment))

    lists = _lists(spec, resolved)
    return {field: [in_order(entry) for entry in entries] for field, entries in lists.items()}


def _lists(spec: Mapping[str, Any], changed: Callable[[str], str]) -> dict[str, Any]:
    """A copy of the lists that hold keys, with other keys."""
    lists = copy.deepcopy({field: spec[field] for field in dict.fromkeys(steps[0] for steps, _ in _key_places(spec))})
    for steps, place in _key_places(lists):
        place[steps[-1]] = changed(place[steps[-1]])
    return lists


def in_order(entry: Any) -> Any:
    """An entry of a list with its secretKey first, as people write it; kustomize sorts by name."""
    return {"secretKey": entry["secretKey"], **entry} if isinstance(entry, dict) and "secretKey" in entry else entry


def _appending(operation: Mapping[str, str]) -> Change:
    return lambda content, document: yaml_edit.append(content, document, (), operation)


def _key_places(spec: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], dict[Any, Any]]]:
    """The mappings that hold keys in the lists of a spec, and the steps that lead to each key."""
    for field in ("data", "dataFrom"):
        entries = spec.get(field)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            for *parents, key in KEY_FIELDS:
                place = entry
                for parent in parents:
                    place = place.get(parent) if isinstance(place, dict) else None
                if isinstance(place, dict) and isinstance(place.get(key), str):
                    yield (field, index, *parents, key), place


def target_of(overlay: Overlay, external_secret: ExternalSecret) -> Target:
    """How the overlay's patches name a rendered ExternalSecret."""
    return target_of_resource(overlay, overlay.resource(external_secret))


def target_of_resource(overlay: Overlay, resource: Mapping[str, Any]) -> Target:
    """How the overlay's patches name a rendered resource. Raises EditError where that cannot be told."""
    if (traced := overlay.sources.trace(resource)) is None:
        raise EditError("How the overlay's patches name it is not known.")
    return Target(str(resource.get("apiVersion")), traced.kind, *traced.met)


def as_target(external_secret: ExternalSecret) -> Target:
    """How patches name an ExternalSecret that has its name and namespace from a base."""
    return Target(external_secret.api_version, "ExternalSecret", external_secret.name, external_secret.namespace)


def has_operations(draft: Draft, overlay: Overlay, target: Target) -> bool:
    """True where the overlay changes the resource by JSON6902 operations."""
    return operations(draft, overlay, target) is not None


def write_patch(draft: Draft, overlay: Overlay, target: Target, spec: Mapping[str, Any]) -> None:
    """Makes the overlay's strategic-merge patch of a resource give it these fields of its `spec`.

    Lists are whole ones, since a patch of a custom resource replaces them; of one that is there the entries stay as
    they are written, and those that it lacks come behind them.
    """
    if (patch := merge_patch(draft, overlay, target)) is not None:
        for field, value in spec.items():
            edit_patch(draft, overlay, patch, _giving(field, value))
        return
    metadata = {"name": target.name} | ({"namespace": target.namespace} if target.namespace else {})
    document = {"apiVersion": target.api_version, "kind": target.kind, "metadata": metadata, "spec": dict(spec)}
    if file := file_of_patches(draft, overlay, target.kind):
        draft.put(file, yaml_edit.add_document(draft.text(file), document))
        return
    name = "patches/secrets-patch.yaml" if target.kind == "ExternalSecret" else f"patches/{target.kind.lower()}.yaml"
    if f"{overlay.folder}/{name}" in files_of_patches(draft, overlay):  # and nothing can be added to it
        name = f"patches/{target.name}-patch.yaml"
    file = f"{overlay.folder}/{name}"
    if draft.exists(file):
        raise EditError(f"{file} is there, and is no file of such patches that the kustomization lists.")
    draft.put(file, yaml_edit.dump(document))
    list_in(draft, overlay.where.file, "patches", {"path": name})


def add_to_list(
    draft: Draft, overlay: Overlay, external_secret: ExternalSecret, field: str, entry: Mapping[str, Any]
) -> None:
    """Adds an entry to a list of a rendered ExternalSecret's `spec`, in the patch that has given it this list.

    That may lie in a folder that the overlay is built of, but not where it is for others as well; nor where keys of the
    list are still to be changed, since the overlay will have a patch of its own for that.
    """
    sources = overlay.sources.over(draft)
    patch = deciding_patch(sources, overlay.resource(external_secret), field)
    if patch is None or is_shared(overlay, patch) or is_for_several(overlay, sources, patch):
        raise EditError("The list is not only this ExternalSecret's.")
    if home_of(overlay, patch) != overlay.folder and not all(map(partial(_is_right, overlay), external_secret.entries)):
        raise EditError("The overlay will have a patch of its own.")
    edit_patch(draft, overlay, patch, lambda text, number: yaml_edit.append(text, number, ("spec", field), entry))


def _is_right(overlay: Overlay, reference: Reference) -> bool:
    parts = overlay.parameter_path.parse(reference.path)
    normalised = parts is None or KEY_PATTERN.fullmatch(parts.key) is not None
    return normalised and not unresolved(reference.path) and in_environment(overlay, reference.path) == reference.path


def list_in(draft: Draft, kustomization: str, field: str, entry: Any) -> None:
    """Adds an entry to a list of a kustomization."""
    draft.put(kustomization, yaml_edit.append(draft.text(kustomization), 0, (field,), entry))


def _giving(field: str, value: Any) -> Change:
    def change(content: str, document: int) -> str:
        there = loaded(content, document).get("spec")
        old = there.get(field) if isinstance(there, dict) else None
        if isinstance(old, list) and isinstance(value, list):
            kept = [_identity(entry) for entry in old]
            if kept == [_identity(entry) for entry in value[: len(kept)]]:
                for entry in value[len(kept) :]:
                    content = yaml_edit.append(content, document, ("spec", field), entry)
                return content
        return yaml_edit.set_value(content, document, ("spec", field), value)

    return change


def _identity(entry: Any) -> Any:
    """What makes an entry of a list the one that it is, however its scalars are written."""
    entry = entry if isinstance(entry, dict) else {}
    places = _key_places({"data": [entry], "dataFrom": [entry]})
    key = next((place[steps[-1]] for steps, place in places), None)
    return entry.get("secretKey"), key


def loaded(content: str, document: int) -> dict[str, Any]:
    """A document as plain values."""
    documents = load_documents(content.removeprefix("\ufeff"))
    if len(documents) != len(compose_documents(content)) or not isinstance(documents[document], dict):
        raise EditError("There are empty documents in the file.")
    found: dict[str, Any] = documents[document]
    return found
