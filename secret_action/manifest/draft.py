"""Changes of files in a repository, held in memory until they are wanted: as a diff, as edits, or on disk.

Nothing outside of the repository is read or written, whatever links lie in it. Line ends are kept as they are.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

import yaml

from secret_action.manifest.yaml_edit import EditError
from secret_action.manifest.yaml_files import MAX_BYTES, compose_documents, source_nodes
from secret_action.model import Edit


class Draft:
    """Changed texts of files below a folder. `file` is always relative to it, with slashes.

    Each method raises EditError for a file that lies outside, is no UTF-8 text, or is over 1 MiB.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._before: dict[str, str | None] = {}
        self._after: dict[str, str] = {}

    def text(self, file: str) -> str:
        """The file's text as it is by now; empty where there is none."""
        name = _name(file)
        return self._after[name] if name in self._after else self._on_disk(name) or ""

    def nodes(self, path: Path) -> Sequence[yaml.Node]:
        """The documents of a file (absolute) as it is by now; none where it cannot be read."""
        for name, text in self._after.items():
            if _inside(self._root, name) == path.resolve():
                return compose_documents(text)
        return source_nodes(path)

    def exists(self, file: str) -> bool:
        """There is a file, on disk or made here."""
        name = _name(file)
        return name in self._after or self._on_disk(name) is not None

    def put(self, file: str, text: str) -> None:
        """Gives a file this text; one that does not exist yet is made."""
        name = _name(file)
        self._on_disk(name)  # also where it will be made: not outside, not in the place of a folder
        self._after[name] = text

    def changed(self) -> list[str]:
        """The files whose text is another than on disk, or that are new, sorted."""
        return sorted(name for name, text in self._after.items() if text != self._before[name])

    def edits(self) -> tuple[Edit, ...]:
        """The changes line by line, by file and line. A change of line ends alone does not show."""
        return tuple(
            edit for name in self.changed() for edit in _edits(name, self._before[name] or "", self._after[name])
        )

    def write(self) -> None:
        """Puts the changes on disk: all of them, or none as far as a file system can promise that."""
        _write({_inside(self._root, name): self._after[name] for name in self.changed()})

    def _on_disk(self, name: str) -> str | None:
        if name not in self._before:
            self._before[name] = _read(_inside(self._root, name), name)
        return self._before[name]


def _name(file: str) -> str:
    path = PurePosixPath(file)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in file:
        raise EditError(f"{file or 'A file without a name'} does not lie in the repository.")
    return path.as_posix()


def _inside(root: Path, name: str) -> Path:
    """The file's real path."""
    try:
        path = (root / name).resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, or a name that no file can have
        raise EditError(f"{name} cannot be reached.") from None
    if not path.is_relative_to(root):
        raise EditError(f"{name} is a link to a place outside of the repository.")
    return path


def _read(path: Path, name: str) -> str | None:
    try:
        if path.exists() and not path.is_file():
            raise EditError(f"{name} is no file.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EditError(f"{name} cannot be read: {error.strerror}.") from None
    if len(content) > MAX_BYTES:
        raise EditError(f"{name} is larger than 1 MiB.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise EditError(f"{name} is not UTF-8 text.") from None


# --- edits ---


def _lines(text: str) -> list[str]:
    """The lines with their ends. Only `\\n` ends one: editors and diffs count so."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _bare(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _edits(file: str, before: str, after: str) -> Iterator[Edit]:
    old, new = ([_bare(line) for line in _lines(text)] for text in (before, after))
    for tag, start, end, new_start, new_end in _opcodes(old, new):
        if tag == "insert" and start == 0 and old:
            # Nothing taken from line 1 would say that the file is new.
            yield Edit(file, 1, (old[0],), (*new[:new_end], old[0]))
        elif tag == "insert" and start == len(old) > 0 and not before.endswith("\n"):
            # A patch would put it behind the last line's text, on the same line.
            yield Edit(file, start, (old[-1],), (old[-1], *new[new_start:new_end]))
        elif tag != "equal":
            yield Edit(file, start + 1, tuple(old[start:end]), tuple(new[new_start:new_end]))


def _opcodes(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """As difflib says them, but it only sees the lines between the first that differ and the last ones."""
    before = _alike(old, new)
    behind = _alike(old[before:][::-1], new[before:][::-1])
    matcher = difflib.SequenceMatcher(
        None, old[before : len(old) - behind], new[before : len(new) - behind], autojunk=False
    )
    for tag, *places in matcher.get_opcodes():
        start, end, new_start, new_end = (place + before for place in places)
        yield tag, start, end, new_start, new_end


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many of the first lines are the same."""
    return next(
        (at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
        len(min(one, other, key=len)),
    )


# --- writing ---


def _write(files: dict[Path, str]) -> None:
    """Writes all beside their places first, then moves them there; what has been moved goes back if one cannot be.

    Each step is noted before it is taken: a signal between the two would leave it behind.
    """
    folders: list[Path] = []
    beside: dict[Path, Path] = {}
    moved: dict[Path, bytes | None] = {}
    try:
        for path, text in files.items():
            for folder in _missing_folders(path.parent):
                folders.append(folder)
                folder.mkdir()
            beside[path] = path.with_name(f".{path.name}.{os.getpid()}.new")
            with beside[path].open("xb") as file:
                file.write(text.encode("utf-8"))
            if path.exists():
                beside[path].chmod(path.stat().st_mode)
        for path, temporary in beside.items():
            moved[path] = path.read_bytes() if path.exists() else None
            os.replace(temporary, path)
    except BaseException as error:
        for path, old in moved.items():
            with suppress(OSError):
                path.unlink() if old is None else path.write_bytes(old)
        for temporary in beside.values():
            with suppress(OSError):
                temporary.unlink()
        for folder in reversed(folders):
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise EditError(f"{error.filename or 'A file'} cannot be written: {error.strerror}.") from None
        raise


def _missing_folders(folder: Path) -> list[Path]:
    """The outermost first."""
    return [each for each in (folder, *folder.parents) if not each.exists()][::-1]
