"""Changes of files in memory: what they are as edits, and how they reach the disk."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secret_action.manifest.draft import Draft
from secret_action.manifest.yaml_edit import EditError
from secret_action.model import Edit
from tests.unit.edits import applied, apply_edits


def files(root):
    """All files below a folder, with their bytes."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_draft_changes_nothing_on_disk_until_it_is_written(tmp_path):
    """It shows the changed text meanwhile."""
    (tmp_path / "a.yaml").write_bytes(b"one\r\ntwo\r\nthree")
    draft = Draft(tmp_path)
    draft.put("a.yaml", draft.text("a.yaml").replace("two", "2"))
    draft.put("new/b.yaml", "x: 1\n")
    assert draft.text("a.yaml") == "one\r\n2\r\nthree"
    assert draft.exists("new/b.yaml")
    assert not draft.exists("c.yaml")
    assert draft.text("c.yaml") == ""
    assert draft.changed() == ["a.yaml", "new/b.yaml"]
    assert draft.edits() == (Edit("a.yaml", 2, ("two",), ("2",)), Edit("new/b.yaml", 1, (), ("x: 1",)))
    assert files(tmp_path) == {"a.yaml": b"one\r\ntwo\r\nthree"}
    draft.write()
    assert files(tmp_path) == {"a.yaml": b"one\r\n2\r\nthree", "new/b.yaml": b"x: 1\n"}


def test_edits_made_on_disk_give_what_the_draft_holds(tmp_path):
    """Line ends and a missing last one as the file has them."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_bytes(b"1\r\n2\r\n3")
    draft = Draft(tmp_path / "one")
    draft.put("a", "0\r\n1\r\n3\r\n4")
    draft.put("b/c", "x\n")
    apply_edits(tmp_path / "other", draft.edits())
    draft.write()
    assert files(tmp_path / "one") == files(tmp_path / "other") == {"a": b"0\r\n1\r\n3\r\n4", "b/c": b"x\n"}


_LINES = st.lists(st.sampled_from(["a", "b", "", "c: d", "\x85", "e\rf"]), max_size=8)


@given(_LINES, _LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_any_change_survives_as_edits(before, after, newline, ended):
    """Line by line, with the file's own line ends."""
    ended = ended or not (before and before[-1] and after and after[-1])
    old, new = (newline.join(lines) + (newline if lines and ended else "") for lines in (before, after))
    if newline == "\r\n" and "\r\n" not in old:
        return  # nothing tells which line ends the file has
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "f").write_bytes(old.encode())
        draft = Draft(Path(folder))
        draft.put("f", new)
        assert applied(old, draft.edits()) == new


@pytest.mark.parametrize("file", ["/etc/passwd", "../x", "a/../../x", "", "a\0b", "out/x", "loop", "outside"])
def test_what_lies_outside_is_neither_read_nor_written(tmp_path, file):
    """By its name, or behind a link."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "x").write_text("secret")
    (root / "out").symlink_to("..")
    (root / "outside").symlink_to("../x")
    (root / "loop").symlink_to("loop")
    draft = Draft(root)
    for touch in (lambda: draft.text(file), lambda: draft.exists(file), lambda: draft.put(file, "y")):
        with pytest.raises(EditError):
            touch()
    assert (tmp_path / "x").read_text() == "secret"


def test_a_link_to_a_file_inside_stays_a_link(tmp_path):
    """The file behind it is changed; its mode stays."""
    (tmp_path / "real").write_text("1\n")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    draft = Draft(tmp_path)
    draft.put("link", "2\n")
    draft.write()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "2\n"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_too_large_or_no_text_is_refused(tmp_path):
    """With words."""
    (tmp_path / "large").write_bytes(b"x" * (1024 * 1024 + 1))
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "folder").mkdir()
    for name, says in (("large", "1 MiB"), ("bytes", "UTF-8"), ("folder", "no file"), ("bytes/x", "cannot be read")):
        with pytest.raises(EditError, match=says):
            Draft(tmp_path).text(name)


def test_a_write_that_fails_half_way_leaves_everything_as_it_was(tmp_path, monkeypatch):
    """The second move fails: the first is taken back, new folders and temporary files go."""
    (tmp_path / "a").write_text("1\n")
    draft = Draft(tmp_path)
    draft.put("a", "2\n")
    draft.put("n/b", "3\n")
    draft.put("z", "4\n")
    replace, calls = os.replace, []

    def failing(source, target):
        calls.append(target)
        if len(calls) == 3:
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(EditError, match="No space left"):
        draft.write()
    assert files(tmp_path) == {"a": b"1\n"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_interrupt_right_after_a_move_takes_it_back(tmp_path, monkeypatch):
    """It was noted before it was made."""
    (tmp_path / "a").write_text("1\n")
    draft = Draft(tmp_path)
    draft.put("a", "2\n")
    replace = os.replace

    def interrupted(source, target):
        replace(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        draft.write()
    assert files(tmp_path) == {"a": b"1\n"}


def test_a_text_put_back_is_no_change(tmp_path):
    """Only what differs from the disk is written."""
    (tmp_path / "a").write_text("1\n")
    draft = Draft(tmp_path)
    draft.put("a", "2\n")
    draft.put("a", "1\n")
    assert draft.changed() == []
    assert draft.edits() == ()
