"""Writes into an overlay what it is to change of a resource: where a person would, and nowhere else.

What stands in the overlay's own files is changed there. For all else there is a patch: the overlay's own one of that
resource, else a new document in its file of such patches, else a new file that its kustomization lists. A base is not
touched, since other environments build on it. What cannot be done safely raises EditError.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from secret_action.manifest import yaml_edit
from secret_action.manifest.draft import Draft
from secret_action.manifest.external_secrets import KEY_FIELDS
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.yaml_edit import EditError
from secret_action.manifest.yaml_files import (
    compose_documents,
    get,
    items,
    line_of,
    load_documents,
    pairs_below,
    reads_as,
    scalars,
    text,
)
from secret_action.model import ExternalSecret, Location
from secret_action.naming import PLACEHOLDER

Change = Callable[[str, int], str]
"""(text, document in it) → the text, changed."""


@dataclass(frozen=True)
class Target:
    """A resource, named as the overlay's patches must name it. namespace: empty where it has none."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""


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
                _edit(draft, _Patch(where.file, index, inner, inline=start), change)
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

    external_secret: as rendered. keys: the new path by the old one. A patch that has to be written for it holds the
    whole list, and leaves no placeholder in it.
    """
    wanted = {reference.where: reference for reference in external_secret.entries if reference.path in keys}
    shared = [reference for where, reference in wanted.items() if not is_own(overlay, where)]
    for where, reference in wanted.items():
        if reference not in shared:
            replace_in_line(draft, where, reference.path, keys[reference.path])
    if not shared:
        return
    if external_secret.of_cluster:
        raise EditError(f"ExternalSecret {external_secret.name} is made of another resource, in a file that is shared.")
    target = target_of(overlay, external_secret)
    if (patch := _operations(draft, overlay, target)) is None:
        write_patch(draft, overlay, target, resolved_lists(external_secret.spec, overlay.environment, keys))
        return
    for field in ("data", "dataFrom"):
        for at, place, key in _key_places(external_secret.spec.get(field)):
            if new := keys.get(place[key]):
                operation = {"op": "replace", "path": f"/spec/{field}/{at}", "value": new}
                _edit(draft, patch, _appending(operation))


def resolved_lists(spec: Mapping[str, Any], environment: str, keys: Mapping[str, str]) -> dict[str, Any]:
    """The lists of an ExternalSecret's spec as an overlay's patch should have them: other keys, and no placeholder.

    keys: the new path by the old one.
    """
    lists = copy.deepcopy({field: spec[field] for field in ("data", "dataFrom") if list(_key_places(spec.get(field)))})
    for entries in lists.values():
        for _, place, key in _key_places(entries):
            place[key] = keys.get(place[key]) or place[key].replace(PLACEHOLDER, environment)
    return {field: [in_order(entry) for entry in entries] for field, entries in lists.items()}


def in_order(entry: Any) -> Any:
    """An entry of a list with its secretKey first, as people write it; kustomize sorts by name."""
    return {"secretKey": entry["secretKey"], **entry} if isinstance(entry, dict) and "secretKey" in entry else entry


def _appending(operation: Mapping[str, str]) -> Change:
    return lambda content, document: yaml_edit.append(content, document, (), operation)


def _key_places(entries: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """How a JSON pointer names each key below a list of entries, the mapping that holds it, and under which field."""
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        for *parents, key in KEY_FIELDS:
            place = entry
            for field in parents:
                place = place.get(field) if isinstance(place, dict) else None
            if isinstance(place, dict) and isinstance(place.get(key), str):
                yield "/".join([str(index), *parents, key]), place, key


def target_of(overlay: Overlay, external_secret: ExternalSecret) -> Target:
    """How the overlay's patches name a rendered ExternalSecret."""
    origin = overlay.in_base(external_secret)
    if origin is None and overlay.sources.renamed(external_secret.name) != external_secret.name:
        raise EditError(f"The name of {external_secret.name} before the overlay's prefix is not known.")
    return as_target(origin or external_secret)


def as_target(external_secret: ExternalSecret) -> Target:
    """How patches name an ExternalSecret that has its name and namespace from a base."""
    return Target(external_secret.api_version, "ExternalSecret", external_secret.name, external_secret.namespace)


def has_operations(draft: Draft, overlay: Overlay, target: Target) -> bool:
    """True where the overlay changes the resource by JSON6902 operations."""
    return _operations(draft, overlay, target) is not None


def write_patch(draft: Draft, overlay: Overlay, target: Target, spec: Mapping[str, Any]) -> None:
    """Makes the overlay's strategic-merge patch of a resource give it these fields of its `spec`.

    Lists are whole ones, since a patch of a custom resource replaces them; of one that is there the entries stay as
    they are written, and those that it lacks come behind them.
    """
    if (patch := _patch_of(draft, overlay, target)) is not None:
        for field, value in spec.items():
            _edit(draft, patch, _giving(field, value))
        return
    metadata = {"name": target.name} | ({"namespace": target.namespace} if target.namespace else {})
    document = {"apiVersion": target.api_version, "kind": target.kind, "metadata": metadata, "spec": dict(spec)}
    if file := _file_of_patches(draft, overlay, target.kind):
        draft.put(file, yaml_edit.add_document(draft.text(file), document))
        return
    name = "patches/secrets-patch.yaml" if target.kind == "ExternalSecret" else f"patches/{target.kind.lower()}.yaml"
    file = f"{overlay.folder}/{name}"
    if draft.exists(file):
        raise EditError(f"{file} is there, and the kustomization does not list it.")
    draft.put(file, yaml_edit.dump(document))
    list_in(draft, overlay.where.file, "patches", {"path": name})


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
    key = next((place[field] for _, place, field in _key_places([entry])), None)
    return entry.get("secretKey"), key


def loaded(content: str, document: int) -> dict[str, Any]:
    """A document as plain values."""
    documents = load_documents(content.removeprefix("\ufeff"))
    if len(documents) != len(compose_documents(content)) or not isinstance(documents[document], dict):
        raise EditError("There are empty documents in the file.")
    found: dict[str, Any] = documents[document]
    return found


# --- the overlay's patches ---


@dataclass(frozen=True)
class _Patch:
    """A document that patches. inline: the line of the literal text in the kustomization that holds it."""

    file: str
    document: int
    node: yaml.Node
    target: yaml.Node | None = None
    inline: int | None = None


def _patches(draft: Draft, overlay: Overlay) -> Iterator[_Patch]:
    """All documents of the overlay's own patch files and of the patches in its kustomization."""
    file = overlay.where.file
    kustomization = next(iter(compose_documents(draft.text(file))), None)
    for field in ("patches", "patchesJson6902", "patchesStrategicMerge"):
        for entry in items(get(kustomization, field)):
            plain = isinstance(entry, yaml.ScalarNode)
            path, inline = (entry, entry) if plain else (get(entry, "path"), get(entry, "patch"))
            target = get(entry, "target")
            if isinstance(inline, yaml.ScalarNode) and "\n" in inline.value:
                for index, node in enumerate(compose_documents(inline.value) if inline.style == "|" else ()):
                    yield _Patch(file, index, node, target, line_of(inline))
            elif text(path) and ".." not in PurePosixPath(text(path)).parts and not text(path).startswith("/"):
                own = (PurePosixPath(overlay.folder) / text(path)).as_posix()
                for index, node in enumerate(compose_documents(draft.text(own))):
                    yield _Patch(own, index, node, target)


def _patch_of(draft: Draft, overlay: Overlay, target: Target) -> _Patch | None:
    """The last strategic-merge patch of a resource, since it has the last word."""
    found = [
        patch
        for patch in _patches(draft, overlay)
        if text(get(patch.node, "kind")) == target.kind and text(get(patch.node, "metadata", "name")) == target.name
    ]
    return found[-1] if found else None


def _operations(draft: Draft, overlay: Overlay, target: Target) -> _Patch | None:
    """The last list of JSON6902 operations on just this resource."""
    found = [
        patch
        for patch in _patches(draft, overlay)
        if isinstance(patch.node, yaml.SequenceNode)
        and text(get(patch.target, "kind")) in ("", target.kind)
        and text(get(patch.target, "name")) == target.name
    ]
    return found[-1] if found else None


def _file_of_patches(draft: Draft, overlay: Overlay, kind: str) -> str:
    """The last file of the overlay that holds nothing but strategic-merge patches of this kind; empty without one."""
    kinds: dict[str, set[str]] = {}
    for patch in _patches(draft, overlay):
        if patch.inline is None:
            named = patch.target is None and get(patch.node, "metadata", "name") is not None
            kinds.setdefault(patch.file, set()).add(text(get(patch.node, "kind")) if named else "")
    return next((file for file in reversed(kinds) if kinds[file] == {kind}), "")


def _edit(draft: Draft, patch: _Patch, change: Change) -> None:
    content = draft.text(patch.file)
    if patch.inline is None:
        draft.put(patch.file, change(content, patch.document))
        return
    lines = content.split("\n")
    old = _literal(content, patch.inline)
    body = old.rstrip("\n").split("\n")
    first = next(line for line in lines[patch.inline :] if line.strip())
    indent = first[: len(first) - len(first.lstrip(" "))]
    end = "\r" if first.endswith("\r") else ""
    new = change(old, patch.document)
    written = [f"{indent}{line}{end}" if line else end for line in new.rstrip("\n").split("\n")]
    lines[patch.inline : patch.inline + len(body)] = written
    changed = "\n".join(lines)
    if _literal(changed, patch.inline).rstrip("\n") != new.rstrip("\n"):
        raise EditError(f"The patch in {patch.file} is written in an unusual way. Change it by hand.")
    draft.put(patch.file, changed)


def _literal(content: str, line: int) -> str:
    """The text of the literal block whose mark is in this line."""
    everything = (scalar for node in compose_documents(content) for scalar in scalars(node))
    found = next((scalar for scalar in everything if scalar.style == "|" and line_of(scalar) == line), None)
    if found is None:
        raise EditError(f"Line {line} holds no literal text.")
    return str(found.value)
