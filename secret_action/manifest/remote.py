"""What kustomize would fetch. It is looked for before kustomize starts: Go uses no proxy for this machine's own
addresses, so a proxy that nobody answers does not keep kustomize from asking them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from secret_action.manifest.kustomize import RenderError, kustomization_file
from secret_action.manifest.yaml_files import compose_documents, source_nodes, why_unreadable

# The fields, in lower case as Go compares them, below which texts name files, folders or repositories.
_PLUGINS = frozenset({"generators", "transformers", "validators"})
_NAMING = _PLUGINS | {
    *("resources", "bases", "components", "crds", "configurations", "patchesstrategicmerge"),
    *("path", "paths", "files", "env", "envs"),  # of patches, replacements, openapi and the two generators of maps
}
_NOT_NAMING = frozenset({"annotations", "commonannotations"})
_REMOTE = re.compile(r"://|^git::|^[\w.-]+@[\w.-]+:|^gh:|^github\.com[:/]|[?&](ref|version)=", re.IGNORECASE)
_REMOTE_PATCH = re.compile(r"https?://", re.IGNORECASE)  # a patch may itself stand there, with addresses in it


def refuse_remote(root: Path, folder: Path) -> None:
    """Raises RenderError where a kustomization names anything that is fetched, itself or through what it builds on.

    root: the repository. Also where a kustomization cannot be read here, since kustomize might be able to.
    """
    _refuse_in_folder(root.resolve(), folder.resolve(), False, set())


def _refuse_in_folder(root: Path, folder: Path, plugins: bool, seen: set[tuple[Path, bool]]) -> None:
    """plugins: what is built there are plug-ins' settings, which name files as a kustomization does."""
    file = kustomization_file(folder)
    if file is None or (folder, plugins) in seen:
        return
    seen.add((folder, plugins))
    documents = source_nodes(file)
    if not documents and (why := why_unreadable(file)):
        raise RenderError(f"{_shown(root, file)} cannot be read: {why}")
    _refuse_in(root, file, documents, plugins, seen)


def _refuse_in(
    root: Path, file: Path, documents: Iterable[yaml.Node], plugins: bool, seen: set[tuple[Path, bool]]
) -> None:
    for field, name in (named for document in documents for named in _named(document)):
        is_plugin = plugins or field in _PLUGINS
        if "\n" in name:
            if is_plugin:
                _refuse_in(root, file, compose_documents(name), True, seen)
            continue
        if (_REMOTE_PATCH.match if field == "patchesstrategicmerge" else _REMOTE.search)(name):
            address = re.sub(r"//[^/@]*@", "//", name)[:200]
            raise RenderError(f"{_shown(root, file)} names {address}, which needs the network, and that is not used")
        # As kustomize does: `..` goes first, then links are followed.
        target = Path(os.path.normpath(file.parent / name))
        if os.path.isdir(target):
            _refuse_in_folder(root, target.resolve(), is_plugin, seen)
        elif is_plugin and os.path.isfile(target) and (target, True) not in seen:
            seen.add((target, True))
            _refuse_in(root, target, source_nodes(target), True, seen)


def _named(document: yaml.Node) -> Iterator[tuple[str, str]]:
    """Fields and the texts below them, wherever they stand, so also behind aliases and merge keys."""
    seen: set[tuple[int, str]] = set()
    pending = [(document, "")]
    while pending:
        node, field = pending.pop()
        if (id(node), field) in seen:
            continue
        seen.add((id(node), field))
        if isinstance(node, yaml.ScalarNode):
            if field:
                yield field, node.value
        elif isinstance(node, yaml.SequenceNode):
            pending.extend((part, field) for part in node.value)
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = key.value.casefold() if isinstance(key, yaml.ScalarNode) else ""
                if name not in _NOT_NAMING:
                    pending.append((value, name if name in _NAMING else field))


def _shown(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
