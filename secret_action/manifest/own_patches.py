"""The patches of an overlay, mostly its own: which one is for a resource, and how its text is changed.

Nothing is written: a draft is changed. What cannot be done safely raises EditError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from secret_action.manifest.draft import Draft
from secret_action.manifest.kustomization import Patch
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.sources import Sources
from secret_action.manifest.yaml_edit import EditError
from secret_action.manifest.yaml_files import compose_documents, get, line_of, scalars, text

Change = Callable[[str, int], str]
"""(text, document in it) → the text, changed."""

Resource = Mapping[str, Any]
"""As kustomize rendered it."""


@dataclass(frozen=True)
class Target:
    """A resource, named as the overlay's patches must name it. namespace: empty where it has none."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    @property
    def in_space(self) -> Target:
        """The same with the namespace that stands for none."""
        return replace(self, namespace=self.namespace or "default")


def own_patches(draft: Draft, overlay: Overlay) -> list[Patch]:
    """The patches that the overlay's own files hold, the last one has the last word."""
    sources = overlay.sources.over(draft)
    layer = sources.layer
    return [
        patch
        for patch in ((*layer.patches, *layer.late_patches) if layer else ())
        if sources.location(patch.file).file.startswith(f"{overlay.folder}/")
    ]


def _of_resource(draft: Draft, overlay: Overlay, target: Target) -> Iterator[Patch]:
    """The overlay's own patches of just this resource."""
    for patch in own_patches(draft, overlay):
        kind, (name, namespace) = patch.names
        if kind in (("", target.kind) if patch.target is not None else (target.kind,)) and name == target.name:
            spaces = {namespace or "default", target.namespace or "default"}
            if len(spaces) == 1 or (patch.target is not None and not namespace):
                yield patch


def merge_patch(draft: Draft, overlay: Overlay, target: Target) -> Patch | None:
    """The last strategic-merge patch of a resource that can be edited, since it has the last word."""
    found = [patch for patch in _of_resource(draft, overlay, target) if patch.is_merge and _is_editable(patch)]
    return found[-1] if found else None


def operations(draft: Draft, overlay: Overlay, target: Target) -> Patch | None:
    """The last list of JSON6902 operations on just this resource."""
    found = [patch for patch in _of_resource(draft, overlay, target) if not patch.is_merge and _is_editable(patch)]
    return found[-1] if found else None


def deciding_patch(sources: Sources, resource: Resource, field: str) -> Patch | None:
    """The strategic-merge patch by which a rendered resource has a field of its `spec`, in whichever folder it lies."""
    traced = sources.trace(resource)
    saying = (patch for patch in (traced.patches if traced else ()) if patch.is_merge and _says(patch, field))
    return next(saying, None)


def _says(patch: Patch, field: str) -> bool:
    return patch.part().at("spec", field) is not None


def unlisted_patches(overlay: Overlay, target: Target | None = None) -> list[str]:
    """The files in the overlay's folder that are for its kustomization to list, as patches.

    By their names relative to that folder. target: only those that have a patch of it. A patch of what is not there
    would keep the overlay from rendering, so a file with one is none of these.
    """
    wanted = (target.api_version, target.kind, (target.name, target.namespace or "default")) if target else None
    return [
        file
        for file, named in overlay.sources.unlisted.items()
        if named and wanted in (None, *named) and overlay.met.issuperset(named) and len(set(named)) == len(named)
    ]


def home_of(overlay: Overlay, patch: Patch | None) -> str:
    """The folder whose kustomization has a patch; the overlay's own without one."""
    return overlay.sources.location(patch.listed_in).file if patch else overlay.folder


def is_shared(overlay: Overlay, patch: Patch) -> bool:
    """Whether another environment's overlay has the patch as well."""
    return home_of(overlay, patch) not in {overlay.folder, *overlay.alone}


def is_for_several(overlay: Overlay, sources: Sources, patch: Patch) -> bool:
    """Whether several of the overlay's resources have the patch; one without a target names just one.

    sources: the overlay's, by which the patch was found.
    """
    traced = (sources.trace(resource) for resource in overlay.resources) if patch.target is not None else ()
    return sum(patch in each.patches for each in traced if each) > 1


def _is_editable(patch: Patch) -> bool:
    return patch.inline is None or patch.inline.style == "|"


def files_of_patches(draft: Draft, overlay: Overlay) -> dict[str, set[str]]:
    """The overlay's files of patches, the last one has the last word, and the kinds that they are for.

    The kind is empty for anything but a strategic-merge patch that names its resource, and for one that takes it out:
    kustomize 5 panics at one more document behind that.
    """
    kinds: dict[str, set[str]] = {}
    for patch in own_patches(draft, overlay):
        if patch.inline is None:
            named = patch.target is None and get(patch.node, "metadata", "name") is not None and not _deletes(patch)
            kinds.setdefault(_file(overlay, patch), set()).add(patch.names[0] if named else "")
    return kinds


def file_of_patches(draft: Draft, overlay: Overlay, kind: str) -> str:
    """The last file of the overlay to which a strategic-merge patch of this kind can be added; empty without one.

    It holds nothing but such patches.
    """
    kinds = files_of_patches(draft, overlay)
    return next((file for file in reversed(kinds) if kinds[file] == {kind}), "")


def _deletes(patch: Patch) -> bool:
    return text(get(patch.node, "$patch")) == "delete"


def _file(overlay: Overlay, patch: Patch) -> str:
    return overlay.sources.location(patch.file).file


def edit_document(draft: Draft, file: str, document: int, inline: int | None, change: Change) -> None:
    """Changes a document of a file, or of the literal text whose mark is in the line `inline` of it."""
    content = draft.text(file)
    if inline is None:
        draft.put(file, change(content, document))
        return
    lines = content.split("\n")
    old = _literal(content, inline)
    body = old.rstrip("\n").split("\n")
    first = next(line for line in lines[inline:] if line.strip())
    indent = first[: len(first) - len(first.lstrip(" "))]
    end = "\r" if first.endswith("\r") else ""
    new = change(old, document)
    written = [f"{indent}{line}{end}" if line else end for line in new.rstrip("\n").split("\n")]
    lines[inline : inline + len(body)] = written
    changed = "\n".join(lines)
    if _literal(changed, inline).rstrip("\n") != new.rstrip("\n"):
        raise EditError(f"The patch in {file} is written in an unusual way. Change it by hand.")
    draft.put(file, changed)


def edit_patch(draft: Draft, overlay: Overlay, patch: Patch, change: Change) -> None:
    """Changes what a patch says. Raises EditError where it is written so that it cannot be changed safely."""
    if not _is_editable(patch):
        raise EditError("The patch does not stand in its file as it is.")
    inline = line_of(patch.inline) if patch.inline is not None else None
    edit_document(draft, _file(overlay, patch), patch.document, inline, change)


def _literal(content: str, line: int) -> str:
    """The text of the literal block whose mark is in this line."""
    everything = (scalar for node in compose_documents(content) for scalar in scalars(node))
    found = next((scalar for scalar in everything if scalar.style == "|" and line_of(scalar) == line), None)
    if found is None:
        raise EditError(f"Line {line} holds no literal text.")
    return str(found.value)
