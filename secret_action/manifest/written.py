"""The files of a tenant as they are written, whether anything renders them or not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from secret_action.manifest.kustomize import kustomization_file
from secret_action.manifest.yaml_files import MAX_BYTES, read_regular, scalars, source_nodes, why_unreadable

MOST_FILES = 5_000
_JUDGED = re.compile(r"\.(?:ya?ml|json|properties)$|\.env(?:\.(?!(?:tpl|tmpl|template|example|sample|dist)$)[\w-]+)?$")
_YAML = (".yaml", ".yml")


def tenant_files(folder: Path) -> Iterator[Path]:
    """The files of a tenant, sorted, but for those of Helm charts and in hidden folders; MOST_FILES at most.

    No links are followed.
    """
    count = 0
    for current, folders, files in os.walk(folder):
        folders[:] = [] if "Chart.yaml" in files else sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files) if "Chart.yaml" not in files else ():
            path = Path(current, name)
            count += 1
            if count > MOST_FILES:
                return
            if not path.is_symlink() and path.is_file():
                yield path


def is_yaml(file: Path) -> bool:
    """Whether its name says so."""
    return file.suffix in _YAML


def judged_files(folder: Path) -> Iterator[Path]:
    """Those that may hold a value: YAML, JSON, properties and environment files, but no templates of them."""
    return (file for file in tenant_files(folder) if _JUDGED.search(file.name))


def named_in(kustomization: Path) -> Iterator[Path]:
    """The files that any field of a kustomization names."""
    for node in source_nodes(kustomization):
        for scalar in scalars(node):
            path = kustomization.parent / scalar.value
            if len(scalar.value) < 256 and scalar.value.isprintable() and os.path.isfile(path):
                yield path.resolve()


def nearest_kustomization(file: Path, within: Path) -> Path | None:
    """The kustomization in whose folder, or below it, a file lies; none outside of the folder `within`."""
    folders = [folder for folder in file.parents if folder.is_relative_to(within)]
    return next((found for folder in folders if (found := kustomization_file(folder))), None)


def read_text(file: Path) -> str | None:
    """The text of a file; None where it is too long or no text."""
    try:
        content = read_regular(file, MAX_BYTES + 1)
        return content.decode("utf-8-sig") if len(content) <= MAX_BYTES else None
    except (OSError, ValueError):
        return None


def why_not_judged(file: Path) -> str:
    """Why no rule can look into it; empty where it can."""
    if is_yaml(file):
        return "" if source_nodes(file) else why_unreadable(file)
    return "" if read_text(file) is not None else "it is not UTF-8 text of at most 1 MiB"
