"""Rendering many folders, several at once and each once."""

from __future__ import annotations

import math
import os
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


class Renders:
    """Starts kustomize for folders of one repository, as many at once as there are processors.

    root: the repository, absolute. Raises InputError at the first folder where there is no kustomize.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        # Not `with`: leaving that waits for what runs, and a cancel must not wait for a slow kustomize.
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._one_large = Lock()
        self._too_large = math.inf
        """Values of YAML that were too many for kustomize."""

    @cached_property
    def _kustomize(self) -> Kustomize:
        return Kustomize(find_kustomize())

    def start(self, folder: Path, added: Mapping[str, Any] | None = None) -> Future[Rendered]:
        """Begins to render a folder (absolute). added: as for `Kustomize.render`."""
        kustomize = self._kustomize
        return self._pool.submit(self._render, kustomize, folder, added)

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
