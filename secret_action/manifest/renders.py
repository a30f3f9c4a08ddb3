"""Rendering many folders, several at once and each once."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from secret_action.manifest.kustomize import Kustomize, RenderError, find_kustomize
from secret_action.manifest.reach import refuse_out_of_reach

Rendered = list[dict[str, Any]] | RenderError
"""The resources of a folder, or why there are none."""

AT_ONCE = max(2, os.cpu_count() or 1)
"""How many renders run at a time."""


class Renders:
    """Starts kustomize for folders of one repository, as many at once as there are processors.

    root: the repository, absolute. Raises InputError at the first folder where there is no kustomize.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        # Not `with`: leaving that waits for what runs, and a cancel must not wait for a slow kustomize.
        self._pool = ThreadPoolExecutor(AT_ONCE)

    @cached_property
    def _kustomize(self) -> Kustomize:
        return Kustomize(find_kustomize())

    def start(self, folder: Path) -> Future[Rendered]:
        """Begins to render a folder (absolute)."""
        kustomize = self._kustomize
        return self._pool.submit(self._render, kustomize, folder)

    def close(self) -> None:
        """Ends what still runs."""
        if "_kustomize" in vars(self):
            self._kustomize.kill()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _render(self, kustomize: Kustomize, folder: Path) -> Rendered:
        try:
            refuse_out_of_reach(self._root, folder)
            return kustomize.render(folder)
        except RenderError as error:
            return error
