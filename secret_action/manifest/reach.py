"""What a kustomization reaches, walked before kustomize starts: itself, and all that it builds on.

kustomize trusts its input. It takes any folder of the machine as a base, waits for a pipe that nobody writes into,
copies aliases without end, and asks this machine's own addresses, for which Go uses no proxy. What would let it do so
is refused here, in words that say what to change.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock

import yaml

from secret_action.manifest.kustomize import KUSTOMIZATION_NAMES, RenderError, kustomization_file
from secret_action.manifest.yaml_files import (
    MAX_PARTS,
    compose_documents,
    expanded_parts,
    in_one_line,
    leads_outside,
    line_of,
    parts_of,
    read_regular,
    refuse_traps,
    source_nodes,
    where_it_fails,
    why_unreadable,
)
from secret_action.model import Location

_MIB = 1024 * 1024
_FILE_BYTES = 5 * _MIB
_ALL_BYTES = 20 * _MIB
# kustomize compares every resource with every other one: 1,000 take it half a second, 3,000 six.
_FILES = _DOCUMENTS = 2000
_ALIASED_PARTS = 100_000
_SHORT = 100  # characters: no patch that is nested deeply is shorter

# The fields, in lower case as Go compares them, below which texts name files, folders or repositories.
_PLUGINS = frozenset({"generators", "transformers", "validators"})
_EMBEDDED = frozenset({"files", "env", "envs"})  # of the two generators of maps, which take them as they are
_NAMING = (
    _PLUGINS
    | _EMBEDDED
    | {
        *("resources", "bases", "components", "crds", "configurations", "patchesstrategicmerge"),
        *("path", "paths"),  # of patches, replacements and openapi
    }
)
_NOT_READ = frozenset({"annotations", "commonannotations", "literals"})  # texts, which need not be YAML
_REMOTE = re.compile(r"://|^git::|^[\w.-]+@[\w.-]+:|^gh:|^github\.com[:/]|[?&](ref|version)=", re.IGNORECASE)
_REMOTE_PATCH = re.compile(r"https?://", re.IGNORECASE)  # a patch may itself stand there, with addresses in it
_REMEMBERED = 10_000  # texts that were looked through
_DOCUMENT = re.compile(r"^---", re.MULTILINE)


def refuse_out_of_reach(root: Path, folder: Path) -> int:
    """Raises RenderError where a kustomization reaches for what it must not, itself or through what it builds on.

    That is: the network, anything outside of the repository, anything that is neither file nor folder, and more than
    kustomize could render in some seconds. Also where a kustomization cannot be read here, since kustomize might be
    able to. root: the repository. Returns how many values of YAML kustomize is about to read, each alias counted as
    what it stands for.
    """
    walk = _Walk(root)
    walk.folder(folder, "", plugins=False)
    return walk.values


class _Walk:
    """Raises RenderError at the first thing that is out of reach."""

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))
        self._folders: set[tuple[str, bool]] = set()
        self._files: set[tuple[str, bool, bool]] = set()
        self._bytes = self._documents = self._parts = self._aliased = 0

    @property
    def values(self) -> int:
        """How many there are, as far as they were seen."""
        return self._parts + self._aliased

    def folder(self, folder: Path, named: str, *, plugins: bool) -> None:
        """named: by whom and how; empty for the first one. plugins: what is built there are plug-ins' settings, which
        name files as a kustomization does.
        """
        real = os.path.realpath(folder)
        self._refuse_outside(folder, named or "it is a link")
        try:
            real.encode()
        except UnicodeEncodeError:
            raise RenderError("the folder's name is not UTF-8 text, so kustomize cannot be told it") from None
        for name in KUSTOMIZATION_NAMES:
            if os.path.exists(folder / name) and not os.path.isfile(folder / name):
                raise RenderError(f"{self._shown(folder)} has a {name} that is no file")
        file = kustomization_file(folder)
        if file is None or (real, plugins) in self._folders:
            return
        self._folders.add((real, plugins))
        self._count(os.stat(file), self._shown(file))
        documents = source_nodes(file)
        if not documents and (why := why_unreadable(file)):
            raise RenderError(f"{self._shown(file)} cannot be read: {why}")
        self._names(Path(real) / file.name, documents, plugins)

    def _names(self, file: Path, documents: Sequence[yaml.Node], plugins: bool, line: int | None = None) -> None:
        """Follows what stands in a kustomization, or in the settings of a plug-in.

        line: where in the file they stand, if they are not all of it.
        """
        for field, scalar in (named for document in documents for named in _named(document)):
            name, at = scalar.value, line or line_of(scalar)
            is_plugin = plugins or field in _PLUGINS
            if "\n" in name or len(name) > _SHORT:
                self._weigh(name, f"{self._shown(file)} has a patch in it", Location(self._shown(file), at))
            if "\n" in name:
                if is_plugin:
                    self._settings(file, compose_documents(name), f"a plug-in's settings in {self._shown(file)}", at)
                continue
            if not field:
                continue
            if (_REMOTE_PATCH.match if field == "patchesstrategicmerge" else _REMOTE.search)(name):
                address = re.sub(r"//[^/@]*@", "//", name)[:200]
                raise RenderError(f"{self._shown(file)} names {address}, which needs the network, and that is not used")
            if field in _EMBEDDED:
                name = name.partition("=")[2] or name
            # As kustomize does: `..` goes first, then links are followed.
            target = Path(os.path.normpath(file.parent / name))
            named = f"{self._shown(file)} names {name[:200]}"
            if os.path.isdir(target):
                self.folder(target, named, plugins=is_plugin)
            elif os.path.lexists(target):
                self._file(target, named, embedded=field in _EMBEDDED, plugin=is_plugin)

    def _file(self, file: Path, named: str, *, embedded: bool, plugin: bool) -> None:
        real = os.path.realpath(file)
        self._refuse_outside(file, named)
        if (real, plugin, embedded) in self._files:
            return
        self._files.add((real, plugin, embedded))
        try:
            status = os.stat(real)
            if not stat.S_ISREG(status.st_mode):
                raise RenderError(f"{named}, which is neither a file nor a folder")
            self._count(status, named)
            text = "" if embedded else _decoded(read_regular(Path(real), _FILE_BYTES))
        except OSError as error:  # a link that leads nowhere or round in a circle, a file that must not be read
            raise RenderError(f"{named}, which cannot be read: {error.strerror or error}") from None
        self._weigh(text, named, Location(self._shown(file)))
        if plugin and text.strip():
            self._settings(file, source_nodes(file), f"{named}, a plug-in's settings")

    def _settings(self, file: Path, documents: Sequence[yaml.Node], shown: str, line: int | None = None) -> None:
        if not documents:
            raise RenderError(f"{shown}: they cannot be read as YAML, so what they name is not known")
        self._names(file, documents, True, line)

    def _count(self, status: os.stat_result, named: str) -> None:
        if status.st_size > _FILE_BYTES:
            raise RenderError(f"{named}, which is larger than {_FILE_BYTES // _MIB} MiB")
        self._bytes += status.st_size
        if self._bytes > _ALL_BYTES:
            raise RenderError(f"it is made of more than {_ALL_BYTES // _MIB} MiB of files")
        if len(self._files) + len(self._folders) > _FILES:
            raise RenderError(f"it is made of more than {_FILES:,} files")

    def _weigh(self, text: str, named: str, where: Location) -> None:
        self._documents += 1 + len(_DOCUMENT.findall(text))
        if self._documents > _DOCUMENTS:
            raise RenderError(f"it is made of more than {_DOCUMENTS:,} YAML documents")
        self._parts += parts_of(text)
        if self._parts > MAX_PARTS:
            raise RenderError(f"it is made of more YAML than is rendered here: more than {MAX_PARTS:,} values")
        unfolded = _unfold(text)
        if unfolded.refusal:
            place = Location(where.file, where.line or unfolded.line)
            raise RenderError(f"{named}, which as YAML is not read here: {unfolded.refusal}", place)
        self._aliased += unfolded.aliased
        if self._aliased > _ALIASED_PARTS:
            raise RenderError(f"{named}, whose aliases stand for more than {_ALIASED_PARTS:,} values", where)

    def _refuse_outside(self, path: Path, named: str) -> None:
        if leads_outside(self._root, path):
            raise RenderError(f"{named}, which leads outside of the repository, where nothing is read")

    def _shown(self, file: Path) -> str:
        return os.path.relpath(os.path.realpath(file), self._root)


@dataclass(frozen=True)
class _Unfolded:
    """What a text comes to. aliased: values, each alias counted as what it stands for; 0 without any.

    refusal: why it must not be given to kustomize, and in which of its lines.
    """

    aliased: int = 0
    refusal: str = ""
    line: int | None = None


_unfolded: OrderedDict[bytes, _Unfolded] = OrderedDict()
_unfolding = Lock()


def _unfold(text: str) -> _Unfolded:
    """kustomize takes seconds for some thousand levels, which a small file has room for.

    Each text is looked through once, however many overlays are made of it. One that has aliases, or is not plainly
    flat, must parse: kustomize reads some YAML that is not read here.
    """
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    with _unfolding:
        if digest not in _unfolded:
            try:
                refuse_traps(text)
                aliased = expanded_parts(text) if "&" in text and "*" in text else 0
                _unfolded[digest] = _Unfolded(aliased)
            except yaml.YAMLError as error:
                _unfolded[digest] = _Unfolded(refusal=in_one_line(error), line=where_it_fails(error))
            if len(_unfolded) > _REMEMBERED:
                _unfolded.popitem(last=False)
        return _unfolded[digest]


def _decoded(content: bytes) -> str:
    """As kustomize reads it: UTF-16 where the file begins with its mark."""
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if utf_16 else "utf-8", "replace")


def _named(document: yaml.Node) -> Iterator[tuple[str, yaml.ScalarNode]]:
    """Fields that name things, and the texts below them; without a field those that stand elsewhere.

    Wherever they stand, so also behind aliases and merge keys. Without what kustomize takes as it is.
    """
    seen: set[tuple[int, str]] = set()
    pending = [(document, "")]
    while pending:
        node, field = pending.pop()
        if (id(node), field) in seen:
            continue
        seen.add((id(node), field))
        if isinstance(node, yaml.ScalarNode):
            yield field, node
        elif isinstance(node, yaml.SequenceNode):
            pending.extend((part, field) for part in node.value)
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = key.value.casefold() if isinstance(key, yaml.ScalarNode) else ""
                if name not in _NOT_READ:
                    pending.append((value, name if name in _NAMING else field))
