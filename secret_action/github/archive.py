"""Unpacks a commit's tar.gz as if the worst server had sent it.

What no commit can hold (`..`, absolute paths, devices, hard links) means that this is not GitHub's archive: it is
refused. What a tenant could commit and we do not want (a link that leaves the tree, an odd name, a huge file) is
left out and named: one tenant's file must not stop another tenant's release.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from secret_action.errors import GitHubError
from secret_action.github.answers import clean
from secret_action.model import Problem

_PADDING = 64 * 1024
"""Bytes that may follow the last entry: `git archive` fills up to a multiple of 10 KiB."""


@dataclass(frozen=True)
class Limits:
    """The most that an archive may unpack to: bytes in all, bytes of one file, entries, bytes of one path."""

    total: int = 256 * 1024 * 1024
    file: int = 16 * 1024 * 1024
    entries: int = 100_000
    path: int = 1024
    name: int = 255
    """Bytes of one part of a path; what Linux's file systems take."""


@dataclass(frozen=True)
class Unpacked:
    """commit: what the archive says of itself (`git archive` writes it), empty where it does not.

    left_out: one clause for each entry that was not unpacked.
    """

    commit: str
    left_out: tuple[str, ...]


def unpack(stream: IO[bytes], destination: Path, limits: Limits) -> Unpacked:
    """Unpacks the tar.gz in `stream` into the folder `destination`, without the archive's top folder.

    destination: made if need be; must be empty. Regular files get mode 644 or 755, nothing else of the archive's
    owners, modes and times is taken over. tarfile's own `extract` is not used: its `data` filter is missing in
    Python 3.11.2 and has had its own holes.
    Raises GitHubError where the archive is damaged, is beyond a limit or holds what no commit can hold; what was
    unpacked until then is still in `destination`.
    """
    try:
        # Not tarfile's own `r|gz`: it stops at the tar's end and never compares gzip's checksum.
        with gzip.GzipFile(fileobj=stream, mode="rb") as plain:
            with tarfile.open(fileobj=plain, mode="r|") as archive:
                unpacked = _Unpacking(destination, limits).run(archive)
            if len(plain.read(_PADDING + 1)) > _PADDING:
                raise _not_usable("goes on after its end")
            return unpacked
    # EOFError: gzip was cut off. ValueError, OverflowError: tarfile on headers that make no sense.
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError) as error:
        raise _not_usable(f"is damaged or cut off ({clean(str(error)) or type(error).__name__})") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise _not_usable("holds one path twice") from None
    except OSError as error:
        # Python's gzip reports a bad checksum as an OSError without a number.
        if error.errno is None:
            raise _not_usable(f"is damaged ({clean(str(error))})") from None
        raise GitHubError(
            Problem(
                f"The tenants repository's archive could not be unpacked: {error.strerror}.",
                "Make room where temporary files live (RUNNER_TEMP, TMPDIR), and run it again.",
            )
        ) from None


class _Unpacking:
    """The state of one run over an archive."""

    def __init__(self, destination: Path, limits: Limits) -> None:
        self._root = destination
        self._limits = limits
        self._top = ""
        self._entries = 0
        self._bytes = 0
        self._links: list[tuple[tuple[str, ...], str]] = []
        self._left_out: list[str] = []

    def run(self, archive: tarfile.TarFile) -> Unpacked:
        self._root.mkdir(parents=True, exist_ok=True)
        for member in archive:
            self._entries += 1
            if self._entries > self._limits.entries:
                raise _not_usable(f"has more than {self._limits.entries:,} files", too_large=True)
            parts = self._parts(member.name)
            if parts is not None:
                self._unpack(archive, member, parts)
        if not self._top:
            raise _not_usable("is empty")
        # Links come last, so that no file is ever written through one.
        for parts, target in self._links:
            self._path(parts[:-1]).mkdir(parents=True, exist_ok=True)
            os.symlink(target, self._path(parts))
        return Unpacked(archive.pax_headers.get("comment", ""), tuple(self._left_out))

    def _parts(self, name: str) -> tuple[str, ...] | None:
        """The path below the top folder; empty for the top folder itself, None where it is to be left out."""
        top, *parts = name.rstrip("/").split("/")
        if not top or any(part in ("", ".", "..") for part in (top, *parts)):
            raise _not_usable(f"holds the path {clean(name)!r}, which leaves its own folder")
        if self._top and top != self._top:
            raise _not_usable("has more than one top folder")
        self._top = top
        raw = os.fsencode("/".join(parts))
        if len(raw) > self._limits.path or any(len(os.fsencode(part)) > self._limits.name for part in parts):
            self._leave_out(parts, "its path is too long")
            return None
        if not name.isprintable():
            self._leave_out(parts, "its name has characters that cannot be printed")
            return None
        return tuple(parts)

    def _unpack(self, archive: tarfile.TarFile, member: tarfile.TarInfo, parts: tuple[str, ...]) -> None:
        if member.isdir():
            self._path(parts).mkdir(parents=True, exist_ok=True)
        elif not parts:
            raise _not_usable("has no top folder")
        elif member.issym():
            self._link(member, parts)
        elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            self._file(archive, member, parts)
        else:
            # Sparse files are here as well: their size says nothing of what they cost.
            raise _not_usable(
                f"holds {clean('/'.join(parts))!r}, which is neither a file, a folder nor a symbolic link"
            )

    def _file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, parts: tuple[str, ...]) -> None:
        if member.size > self._limits.file:
            self._leave_out(parts, f"it is larger than {self._limits.file // 1024 // 1024} MiB")
            return
        self._bytes += member.size
        if self._bytes > self._limits.total:
            raise _not_usable(f"unpacks to more than {self._limits.total // 1024 // 1024} MiB", too_large=True)
        content = cast(IO[bytes], archive.extractfile(member))  # None only where the member is no regular file
        path = self._path(parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o755 if member.mode & 0o100 else 0o644
        # O_EXCL: an entry never replaces another one.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
            shutil.copyfileobj(content, file)

    def _link(self, member: tarfile.TarInfo, parts: tuple[str, ...]) -> None:
        """Notes a symbolic link that stays in the tree, whatever the other links do.

        Its target climbs first and then only descends: the folders it climbs through are real ones (no entry lies
        below a link), and what it descends into is a real folder or a link of the same kind.
        """
        target = [part for part in member.linkname.split("/") if part not in ("", ".")]
        climbs = next((index for index, part in enumerate(target) if part != ".."), len(target))
        stays = climbs < len(parts) and ".." not in target[climbs:]
        if member.linkname.startswith("/") or not member.linkname.isprintable() or not target or not stays:
            self._leave_out(parts, "it is a link that leaves the repository")
            return
        if len(os.fsencode(member.linkname)) > self._limits.path:
            self._leave_out(parts, "the path it links to is too long")
            return
        self._links.append((parts, "/".join(target)))

    def _path(self, parts: tuple[str, ...]) -> Path:
        return self._root.joinpath(*parts)

    def _leave_out(self, parts: list[str] | tuple[str, ...], why: str) -> None:
        self._left_out.append(f"{clean('/'.join(parts))}: {why}")


def _not_usable(why: str, *, too_large: bool = False) -> GitHubError:
    remedy = (
        "Hand over a checkout of the part that is needed by tenants-directory (actions/checkout, sparse-checkout)."
        if too_large
        else "Run it again. If it stays, check GITHUB_API_URL and what stands between the runner and GitHub."
    )
    return GitHubError(Problem(f"The tenants repository's archive {why}.", remedy))
