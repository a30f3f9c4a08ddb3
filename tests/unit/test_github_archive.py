"""An archive is unpacked as if the worst server had sent it: nothing ever lands outside of its folder."""

import contextlib
import gzip
import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secret_action.errors import GitHubError
from secret_action.github.archive import Limits, Unpacked, unpack

TOP = "zerotouch-tenants-0123abc"


def entry(name: str, content: bytes = b"", *, type: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o664):
    member = tarfile.TarInfo(name)
    member.size = len(content) if type == tarfile.REGTYPE else 0
    member.type, member.linkname, member.mode = type, link, mode
    return member, content


def link(name: str, target: str):
    return entry(name, type=tarfile.SYMTYPE, link=target)


def archive(*entries, comment: str = "") -> bytes:
    packed = io.BytesIO()
    headers = {"comment": comment} if comment else {}
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT, pax_headers=headers) as file:
        for member, content in entries:
            file.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def unpacked(folder: Path, *entries, limits: Limits | None = None, comment: str = "") -> Unpacked:
    return unpack(io.BytesIO(archive(*entries, comment=comment)), folder, limits or Limits())


def everything(folder: Path) -> Iterator[Path]:
    for base, folders, files in os.walk(folder):
        yield from (Path(base, name) for name in (*folders, *files))


def test_files_land_without_the_top_folder_and_with_plain_modes(tmp_path: Path) -> None:
    result = unpacked(
        tmp_path / "new",
        entry(TOP, type=tarfile.DIRTYPE),
        entry(f"{TOP}/README.md", b"hello", mode=0o6777),
        entry(f"{TOP}/tenants/shop/ü.yaml", b"a: 1\n", mode=0o600),
        comment="0123abc",
    )

    assert result == Unpacked("0123abc", ())
    assert (tmp_path / "new/README.md").read_bytes() == b"hello"
    assert stat.S_IMODE((tmp_path / "new/README.md").stat().st_mode) == 0o755
    assert (tmp_path / "new/tenants/shop/ü.yaml").read_bytes() == b"a: 1\n"
    assert stat.S_IMODE((tmp_path / "new/tenants/shop/ü.yaml").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/etc/passwd", "leaves its own folder"),
        (f"{TOP}/../../evil", "leaves its own folder"),
        (f"{TOP}/a/../b", "leaves its own folder"),
        (f"{TOP}//b", "leaves its own folder"),
        ("../evil", "leaves its own folder"),
        ("other/file", "more than one top folder"),
    ],
)
def test_a_path_that_no_commit_can_hold_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(GitHubError, match=words):
        unpacked(tmp_path / "in", entry(f"{TOP}/ok", b"x"), entry(name, b"x"))
    assert {path.name for path in everything(tmp_path)} <= {"in", "ok"}


@pytest.mark.parametrize(
    "type",
    [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE],
    ids=["hard link", "character device", "block device", "fifo", "sparse"],
)
def test_a_kind_that_no_commit_can_hold_is_refused(tmp_path: Path, type: bytes) -> None:
    with pytest.raises(GitHubError):
        unpacked(tmp_path / "in", entry(f"{TOP}/odd", type=type, link=f"{TOP}/ok"))
    assert not (tmp_path / "in/odd").exists()


@pytest.mark.parametrize("target", ["b", "./b", "../shop/b", "../../README.md", "sub", "..", "missing"])
def test_a_link_that_stays_is_kept(tmp_path: Path, target: str) -> None:
    result = unpacked(tmp_path, entry(f"{TOP}/tenants/shop/b", b"x"), link(f"{TOP}/tenants/shop/a", target))
    assert result.left_out == ()
    assert (tmp_path / "tenants/shop/a").is_symlink()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../..", "../../../etc", "b/../../../..", "up/../x", "", "a\nb"])
def test_a_link_that_leaves_is_left_out_and_named(tmp_path: Path, target: str) -> None:
    """One tenant's link must not stop another tenant's release."""
    result = unpacked(tmp_path, entry(f"{TOP}/ok", b"x"), link(f"{TOP}/tenants/shop/a", target))

    assert result.left_out == ("tenants/shop/a: it is a link that leaves the repository",)
    assert (tmp_path / "ok").exists()
    assert not os.path.lexists(tmp_path / "tenants/shop/a")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    with pytest.raises(GitHubError):
        unpacked(
            tmp_path / "in",
            link(f"{TOP}/a", "b"),
            entry(f"{TOP}/a/file", b"x"),
            entry(f"{TOP}/b/ok", b"x"),
            link(f"{TOP}/b/ok", "a"),
        )
    assert not (tmp_path / "in/b/file").exists()


@pytest.mark.parametrize("name", [f"{TOP}/a\nb", f"{TOP}/a\x1b[31m", f"{TOP}/a\u202eb", f"{TOP}/{'n' * 256}"])
def test_an_odd_name_is_left_out_and_named_cleanly(tmp_path: Path, name: str) -> None:
    result = unpacked(tmp_path, entry(name, b"x"), entry(f"{TOP}/ok", b"x"))
    assert [path.name for path in everything(tmp_path)] == ["ok"]
    assert len(result.left_out) == 1
    assert result.left_out[0].isprintable()


def test_a_huge_file_is_left_out_and_named(tmp_path: Path) -> None:
    result = unpacked(tmp_path, entry(f"{TOP}/big", b"x" * 11), entry(f"{TOP}/ok", b"x"), limits=Limits(file=10))
    assert [path.name for path in everything(tmp_path)] == ["ok"]
    assert result.left_out[0].startswith("big: it is larger than")


def test_a_link_to_an_endless_path_is_left_out(tmp_path: Path) -> None:
    result = unpacked(tmp_path, entry(f"{TOP}/ok", b"x"), link(f"{TOP}/a", "b/" * 600))
    assert result.left_out == ("a: the path it links to is too long",)


def test_what_follows_the_end_is_refused(tmp_path: Path) -> None:
    whole = gzip.decompress(archive(entry(f"{TOP}/a", b"x"))) + b"\0" * 200_000
    with pytest.raises(GitHubError, match="goes on after its end"):
        unpack(io.BytesIO(gzip.compress(whole)), tmp_path, Limits())


def test_no_room_on_the_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(GitHubError, match="No space left on device"):
        unpacked(tmp_path, entry(f"{TOP}/a", b"x"))


@pytest.mark.parametrize("limits", [Limits(total=15), Limits(entries=1)])
def test_too_much_is_refused(tmp_path: Path, limits: Limits) -> None:
    with pytest.raises(GitHubError, match="more than"):
        unpacked(tmp_path, entry(f"{TOP}/a", b"x" * 10), entry(f"{TOP}/b", b"x" * 10), limits=limits)


def test_an_entry_never_replaces_another(tmp_path: Path) -> None:
    with pytest.raises(GitHubError):
        unpacked(tmp_path, entry(f"{TOP}/a", b"first"), entry(f"{TOP}/a", b"second"))
    assert (tmp_path / "a").read_bytes() == b"first"


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"<html>sign in</html>",
        gzip.compress(b""),
        gzip.compress(b"not a tar"),
        archive(entry(f"{TOP}/a", os.urandom(5000)))[:2500],
        archive(entry(f"{TOP}/a", os.urandom(5000)))[:-6],
        archive(),
    ],
    ids=["nothing", "a page", "empty gzip", "no tar", "half", "no end", "no entries"],
)
def test_a_damaged_archive_is_one_clear_error(tmp_path: Path, damaged: bytes) -> None:
    with pytest.raises(GitHubError, match="archive"):
        unpack(io.BytesIO(damaged), tmp_path / "in", Limits())


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    whole = bytearray(archive(entry(f"{TOP}/a", b"a" * 5000)))
    whole[-7] ^= 1  # in gzip's checksum
    with pytest.raises(GitHubError, match="archive is damaged"):
        unpack(io.BytesIO(bytes(whole)), tmp_path, Limits())


NAMES = st.lists(st.sampled_from(["..", ".", "", "a", "b", "c", "\n", "é"]), min_size=1, max_size=5).map("/".join)
TYPES = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])


@st.composite
def entries(draw):
    top = draw(st.sampled_from([f"{TOP}/"] * 6 + ["", "/", "../"]))
    return entry(top + draw(NAMES), b"x", type=draw(TYPES), link=draw(NAMES))


@given(st.lists(entries(), max_size=8))
@settings(max_examples=400, deadline=None)
def test_nothing_lands_outside_and_no_link_leads_there(members) -> None:
    """Whatever the names, the kinds and the targets are."""
    with tempfile.TemporaryDirectory() as base:
        inside = Path(base, "deep", "er", "in").resolve()
        # ValueError: tarfile cannot even write such a header.
        with contextlib.suppress(GitHubError, ValueError):
            unpacked(inside, *members)
        for path in everything(Path(base)):
            assert path.is_relative_to(inside) or inside.is_relative_to(path)
        for path in everything(inside):
            assert path.is_symlink() or path.is_file() or path.is_dir()
            assert Path(os.path.realpath(path)).is_relative_to(inside)


@given(st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_bytes_end_in_files_or_in_a_clear_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as base:
        for stream in (content, gzip.compress(content)):
            with pytest.raises(GitHubError):
                unpack(io.BytesIO(stream), Path(base, "in"), Limits())


PLAIN = gzip.decompress(
    archive(entry(f"{TOP}/a", b"x"), entry(f"{TOP}/{'long' * 40}", b"y"), link(f"{TOP}/b", "a"), comment="0123")
)


@given(st.lists(st.tuples(st.integers(0, len(PLAIN) - 1), st.integers(0, 255)), max_size=6))
@settings(max_examples=300, deadline=None)
def test_damaged_headers_end_in_files_or_in_a_clear_error(changes: list[tuple[int, int]]) -> None:
    content = bytearray(PLAIN)
    for at, byte in changes:
        content[at] = byte
    with tempfile.TemporaryDirectory() as base, contextlib.suppress(GitHubError):
        unpack(io.BytesIO(gzip.compress(bytes(content), 1)), Path(base, "in"), Limits())
