"""What the overlays of one tenant are built of, rendered: each folder once, however many build on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from secret_action.manifest.external_secrets import read_external_secrets
from secret_action.manifest.kustomize import RenderError
from secret_action.manifest.layers import MAX_LAYERS, Layer, added_by, is_component, layers_of
from secret_action.manifest.overlay import Base
from secret_action.manifest.renders import Rendered, Renders
from secret_action.manifest.sources import Sources
from secret_action.naming import canonical_environment


class Building:
    """Renders overlays and what they are built of.

    root: the repository. tenant: the tenant's folder. overlays: all that it has, by environment. store: the
    platform's. Paths are absolute.
    """

    def __init__(
        self, root: Path, tenant: Path, overlays: Mapping[str, Sequence[Path]], store: str, renders: Renders
    ) -> None:
        self._root = root
        self._tenant = tenant
        self._overlays = overlays
        self._store = store
        self._renders = renders
        self._layers: dict[Path, tuple[Layer, ...]] = {}
        self._rendering: dict[Path, Future[Rendered]] = {}
        self._read: dict[Path, Base | None] = {}

    def settle(self, overlays: Mapping[str, Sequence[Path]]) -> None:
        """From now on these are the tenant's overlays, by environment."""
        self._overlays = overlays
        self._read.clear()
        for cached in ("_folders", "_used"):
            vars(self).pop(cached, None)

    def built_on(self) -> set[Path]:
        """All folders, resolved, that the tenant's overlays build on."""
        return {folder for used in self._used.values() for folder in used}

    def start(self, overlay: Path) -> None:
        """Begins to render an overlay and what it is built of; nothing where that is too much."""
        layers = self._layers_of(overlay)
        if len(layers) > MAX_LAYERS:
            return
        self._render(overlay.resolve())
        for layer in layers:
            added = added_by(layer.folder) if is_component(layer.folder) else None
            if added != {}:
                self._render(layer.folder, added)

    def rendered(self, overlay: Path) -> Rendered:
        """An overlay that was started, as soon as it is there."""
        if len(self._layers_of(overlay)) > MAX_LAYERS:
            return RenderError(f"it is built of more than {MAX_LAYERS} folders")
        return self._rendering[overlay.resolve()].result()

    def bases(self, overlay: Path) -> Iterator[Base]:
        """What an overlay that was started is built of, as far as that has ExternalSecrets, the nearest first."""
        for layer in self._layers_of(overlay):
            if layer.folder not in self._read:
                self._read[layer.folder] = self._base(layer.folder)
            if base := self._read[layer.folder]:
                yield replace(base, prefix=layer.prefix, suffix=layer.suffix)

    def alone(self, overlay: Path) -> frozenset[str]:
        """The folders of the tenant that an overlay is built of, and no overlay of another environment."""
        others: set[Path] = set()
        for environment, overlays in self._overlays.items():
            if overlay not in overlays:
                others |= self._used[environment] | {each.resolve() for each in overlays}
        folders = {layer.folder for layer in self._layers_of(overlay)} - others
        tenant, root = self._tenant.resolve(), self._root.resolve()
        return frozenset(each.relative_to(root).as_posix() for each in folders if each.is_relative_to(tenant))

    def _layers_of(self, overlay: Path) -> tuple[Layer, ...]:
        if overlay not in self._layers:
            self._layers[overlay] = layers_of(self._root, overlay)
        return self._layers[overlay]

    def _render(self, folder: Path, added: Mapping[str, Any] | None = None) -> None:
        if folder not in self._rendering:
            shared = not folder.is_relative_to(self._tenant.resolve())
            self._rendering[folder] = self._renders.start(folder, added, shared=shared)

    def _base(self, folder: Path) -> Base | None:
        rendering = self._rendering.get(folder)
        rendered = rendering.result() if rendering else []
        if isinstance(rendered, RenderError):
            return None
        found = read_external_secrets(rendered, self._store, Sources(self._root, folder).locate)
        # Resolved, since one may lie behind a link; outside of the repository nothing is rendered.
        shown = folder.relative_to(self._root.resolve()).as_posix()
        return Base(shown, found, folder in self._folders, self._only_for(folder)) if found else None

    def _only_for(self, folder: Path) -> frozenset[str]:
        tenant = self._tenant.resolve()
        parts = folder.relative_to(tenant).parts if folder.is_relative_to(tenant) else ()
        users = [environment for environment, used in self._used.items() if folder in used]
        return frozenset([*map(canonical_environment, parts), *(users if len(users) == 1 < len(self._used) else ())])

    @cached_property
    def _folders(self) -> set[Path]:
        return {overlay.resolve() for overlays in self._overlays.values() for overlay in overlays}

    @cached_property
    def _used(self) -> dict[str, set[Path]]:
        """By environment, the folders that its overlays build on."""
        return {
            environment: {layer.folder for overlay in overlays for layer in self._layers_of(overlay)}
            for environment, overlays in self._overlays.items()
        }
