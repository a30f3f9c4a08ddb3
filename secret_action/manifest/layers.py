"""What an overlay is built of, as the kustomizations say it: bases, theirs in turn, and components."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from secret_action.manifest.kustomization import Kustomization
from secret_action.manifest.kustomize import kustomization_file
from secret_action.manifest.yaml_files import get, items, leads_outside, source_nodes, text

MAX_LAYERS = 100
"""Of one overlay. Each takes a render of its own; a tenant's overlay has one or two."""

_NAMING = ("namespace", "namePrefix", "nameSuffix")


@dataclass(frozen=True)
class Layer:
    """A folder with a kustomization that an overlay builds on, directly or through others.

    folder: resolved. prefix, suffix: what the layers between it and the overlay put around a name.
    """

    folder: Path
    prefix: str = ""
    suffix: str = ""


def layers_of(root: Path, overlay: Path, *, components: bool = True) -> tuple[Layer, ...]:
    """All layers of an overlay, the nearest first; each once for each name that it gives to one thing.

    components: also they, and what they add. No more than MAX_LAYERS + 1, which is then too many. Of what lies outside
    of the root, not even the kustomization is read.
    """
    found: dict[Layer, None] = {}
    waiting = deque([(Layer(overlay.resolve()), frozenset[Path]())])
    while waiting and len(found) <= MAX_LAYERS + 1:
        layer, above = waiting.popleft()
        if layer in found or layer.folder in above or leads_outside(root, layer.folder):
            continue
        found[layer] = None
        # The overlay's own prefix is known where its names are compared.
        node = _node(layer.folder) if above else None
        prefix, suffix = layer.prefix + text(get(node, "namePrefix")), text(get(node, "nameSuffix")) + layer.suffix
        for folder in (*bases_of(layer.folder), *(components_of(layer.folder) if components else ())):
            waiting.append((Layer(folder.resolve(), prefix, suffix), above | {layer.folder}))
    return tuple(found)[1:]


def bases_of(folder: Path) -> list[Path]:
    """The folders that a kustomization builds on directly, but for components."""
    read = _kustomization(folder)
    return [entry for entry in read.entries if kustomization_file(entry)] if read else []


def components_of(folder: Path) -> list[Path]:
    """The components that a kustomization uses directly."""
    read = _kustomization(folder)
    return [entry for entry in dict.fromkeys(read.components) if kustomization_file(entry)] if read else []


def added_by(component: Path) -> dict[str, Any]:
    """The fields of a component that add resources or name them; nothing for one that only changes others' resources.

    What it patches need not be there, since kustomize renders a component only with what it is added to.
    """
    node = _node(component)
    lists = {field: [text(name) for name in items(get(node, field))] for field in ("resources", "bases", "components")}
    added: dict[str, Any] = {field: names for field, names in lists.items() if names}
    return added and added | {field: name for field in _NAMING if (name := text(get(node, field)))}


def is_component(folder: Path) -> bool:
    """Whether the folder's kustomization is a component, which changes what it is added to."""
    return text(get(_node(folder), "kind")) == "Component"


def _node(folder: Path) -> yaml.Node | None:
    """What stands in a folder's kustomization file; None where there is none that can be read."""
    read = _kustomization(folder)
    return read.node if read else None


def _kustomization(folder: Path) -> Kustomization | None:
    file = kustomization_file(folder)
    return Kustomization(Path(os.path.normpath(folder)), file, source_nodes) if file else None
