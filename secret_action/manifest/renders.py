"""Rendering many folders, several at once and each once."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from secret_action.manifest.kustomize import Exhausted, Kustomize, RenderError, find_kustomize
from secret_action.manifest.reach import refuse_out_of_reach

Rendered = list[dict[str, Any]] | RenderError
"""The resources of a folder, or why there are none."""

AT_ONCE = max(2, os.cpu_count() or 1)
"""How many renders run at a time."""

_LARGE = 20_000
"""Values of YAML from which kustomize may take as much memory as it is given: of these, one runs at a time."""
_AS_LARGE = 0.9
_MOST_SHARED = 4
"""Folders outside of the tenants whose render is kept, the latest: what is kept takes memory, up to 30 MiB each."""


class Renders:
    """Starts kustomize for folders of one repository, as many at once as there are processors.

    root: the repository, absolute. Raises InputError at the first folder where there is no kustomize.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        # Not `with`: leaving that waits for what runs, and a cancel must not wait for a slow kustomize.
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._shared: OrderedDict[Path, Future[Rendered]] = OrderedDict()
        self._one_large = Lock()
        self._too_large = math.inf
        """Values of YAML that were too many for kustomize."""

    @cached_property
    def _kustomize(self) -> Kustomize:
        return Kustomize(find_kustomize())

    def start(self, folder: Path, added: Mapping[str, Any] | None = None, *, shared: bool = False) -> Future[Rendered]:
        """Begins to render a folder (absolute), or goes on with what has begun already where it is shared.

        added: as for `Kustomize.render`. shared: other tenants may build on it as well.
        """
        if shared and folder in self._shared:
            self._shared.move_to_end(folder)
            return self._shared[folder]
        started = self._pool.submit(self._render, self._kustomize, folder, added)
        if shared:
            self._shared[folder] = started
            if len(self._shared) > _MOST_SHARED:
                self._shared.popitem(last=False)
        return started

    def close(self) -> None:
        """Ends what still runs."""
        if "_kustomize" in vars(self):
            self._kustomize.kill()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _render(self, kustomize: Kustomize, folder: Path, added: Mapping[str, Any] | None) -> Rendered:
        try:
            values = refuse_out_of_reach(self._root, folder)
            if values <= _LARGE:
                return kustomize.render(folder, added)
            with self._one_large:
                return self._render_large(kustomize, folder, added, values)
        except RenderError as error:
            return error

    def _render_large(
        self, kustomize: Kustomize, folder: Path, added: Mapping[str, Any] | None, values: int
    ) -> list[dict[str, Any]]:
        """What was too much once is too much again, as for each overlay on one base: it is not tried each time."""
        if values >= _AS_LARGE * self._too_large:
            raise RenderError(
                "kustomize was not started: this is about as large as something else here, for which it took all the "
                "time or memory that it is given"
            )
        try:
            return kustomize.render(folder, added)
        except Exhausted:
            self._too_large = values
            raise
