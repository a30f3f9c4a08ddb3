"""Remedies as patches: git takes them, and no text from a repository breaks out of them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_report_markdown import PARSER, TEXTS

from secret_action.manifest.draft import Draft
from secret_action.model import Edit, Finding
from secret_action.report import markdown
from secret_action.report.diff import patches, unified

FILE = "tenants/my-service/base/external-secrets.yaml"


def finding(*edits: Edit, rule: str = "key-lost") -> Finding:
    return replace(samples.finding(), rule=rule, edits=edits)


def applied(folder: Path, patch: str) -> None:
    """By git itself, as a person would."""
    command = ["git", "apply", "--unidiff-zero", "--ignore-whitespace", "--whitespace=nowarn", "-"]
    done = subprocess.run(command, cwd=folder, input=patch.encode(), capture_output=True, check=False)
    assert done.returncode == 0, f"{done.stderr.decode()}\n{patch}"


def edited(lines: list[str], edits: list[Edit]) -> list[str]:
    """What the edits mean, from the last to the first so that no line moves before its turn."""
    result = list(lines)
    for edit in sorted(edits, key=lambda edit: (edit.line, bool(edit.remove)), reverse=True):
        start = edit.line - 1
        result[start : start + len(edit.remove)] = edit.add
    return result


def test_a_patch_reads_as_every_diff_does() -> None:
    edits = [
        Edit(FILE, 12, ("old",), ("new",)),
        Edit(FILE, 3, (), ("one", "two")),
        Edit("tenants/my-service/new.yaml", 1, (), ("kind: Secret",)),
        Edit(FILE, 12, ("old",), ("new",)),
    ]
    assert unified(edits) == (
        f"--- a/{FILE}\n+++ b/{FILE}\n@@ -2,0 +3,2 @@\n+one\n+two\n@@ -12,1 +14,1 @@\n-old\n+new\n"
        "--- /dev/null\n+++ b/tenants/my-service/new.yaml\n@@ -0,0 +1,1 @@\n+kind: Secret\n"
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "unended"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a b c", "a B c"),
        ("a b c", "a b C"),
        ("a b c", "a b c d e"),
        ("a b c", "a b"),
        ("a", "z a"),
        ("a", "a z"),
    ],
)
def test_a_patch_fits_files_of_any_line_ends(tmp_path: Path, before: str, after: str, end: str, last: bool) -> None:
    """What git makes of it reads as what was meant, line by line."""
    old, new = (end.join(text.split()) + end * last for text in (before, after))
    (tmp_path / "f.yaml").write_bytes(old.encode())
    draft = Draft(tmp_path)
    draft.put("f.yaml", new)
    applied(tmp_path, unified(draft.edits()))
    assert (tmp_path / "f.yaml").read_bytes().decode().split() == after.split()


def test_no_edits_are_no_patch() -> None:
    assert unified([]) == unified([Edit(FILE, 1, (), ())]) == ""


WORDS = st.text("ab:-+@\\ \t'\"é🔑", max_size=8)


@st.composite
def files_with_edits(draw: st.DrawFn) -> tuple[list[str], list[Edit]]:
    lines = draw(st.lists(WORDS, min_size=2, max_size=12))
    edits: list[Edit] = []
    at = 1
    while at <= len(lines):
        gone = draw(st.integers(0, min(2, len(lines) - at + 1)))
        added = tuple(draw(st.lists(WORDS, max_size=2)))
        # At line 1, an edit that removes nothing means a new file.
        if (gone or (added and at > 1)) and draw(st.booleans()):
            edits.append(Edit("f.yaml", at, tuple(lines[at - 1 : at - 1 + gone]), added))
        at += max(gone, 1)
    return lines, edits


@given(files_with_edits())
def test_git_makes_of_a_patch_exactly_what_the_edits_say(tmp_path_factory: pytest.TempPathFactory, case) -> None:  # type: ignore[no-untyped-def]
    lines, edits = case
    if not edits:
        return
    folder = tmp_path_factory.mktemp("git")
    (folder / "f.yaml").write_text("".join(f"{line}\n" for line in lines))
    applied(folder, unified(edits))
    left = (folder / "f.yaml").read_text() if (folder / "f.yaml").exists() else ""
    assert left == "".join(f"{line}\n" for line in edited(lines, edits))


@pytest.mark.parametrize("name", ["a b.yaml", 'a"b.yaml', "a\\b.yaml", "é🔑.yaml", "a\nb.yaml", "a\tb.yaml", "‮a.yaml"])
def test_git_finds_files_of_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old\n")
    applied(tmp_path, unified([Edit(name, 1, ("old",), ("new",)), Edit(f"dir/{name}", 1, (), ("made",))]))
    assert (tmp_path / name).read_text() == "new\n"
    assert (tmp_path / "dir" / name).read_text() == "made\n"


def test_patches_of_files_can_be_applied_in_any_order_and_mend_all_findings(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\n2\n3\n")
    (tmp_path / "b").write_text("1\n")
    made, left = patches(
        [
            finding(Edit("a", 1, ("1",), ("one",)), Edit("b", 1, ("1",), ("eins",))),
            finding(Edit("a", 3, (), ("two and a half",)), rule="overlay-missing"),
            finding(Edit("a", 3, ("3",), ("three",)), Edit("c", 1, (), ("new",))),
        ]
    )
    assert not left
    assert [(patch.file, patch.rules) for patch in made] == [
        ("a", ("key-lost", "overlay-missing")),
        ("b", ("key-lost",)),
        ("c", ("key-lost",)),
    ]
    for patch in reversed(made):
        applied(tmp_path, patch.diff)
    assert (tmp_path / "a").read_text() == "one\n2\ntwo and a half\nthree\n"
    assert (tmp_path / "b").read_text() == "eins\n"
    assert (tmp_path / "c").read_text() == "new\n"


DOCUMENT = ("---", "metadata:", "  name: db", "spec:", "  data:", "    - secretKey: A")
ALONE = ("apiVersion: x/v1", *DOCUMENT[1:])


def operation(place: int, value: str) -> tuple[str, ...]:
    """A JSON6902 operation."""
    return ("- op: replace", f"  path: /spec/data/{place}", f"  value: {value}")


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        (Edit("a", 2, ("x",), ("y",)), Edit("a", 2, ("x",), ("y",)), True),
        (Edit("a", 2, ("x",), ("y",)), Edit("a", 2, ("x",), ("z",)), False),
        (Edit("a", 2, ("x", "y"), ()), Edit("a", 3, (), ("z",)), False),
        (Edit("a", 3, (), ("z",)), Edit("a", 2, ("x", "y"), ()), False),
        (Edit("a", 2, ("x", "y"), ()), Edit("a", 2, (), ("z",)), True),
        (Edit("a", 2, (), ("y",)), Edit("a", 2, (), ("z",)), True),
        (Edit("a", 1, (), ("y",)), Edit("a", 1, (), ("z",)), False),
        # Each makes the file: of two documents, not of two texts, nor of two documents of one thing.
        (Edit("a", 1, (), ALONE), Edit("a", 1, (), (*ALONE[:2], "  name: other", *ALONE[3:])), True),
        (Edit("a", 1, (), ALONE), Edit("a", 1, (), (*ALONE, "    - secretKey: B")), False),
        (Edit("a", 1, (), ALONE), Edit("a", 1, (), ("y",)), False),
        (Edit("a", 1, (), ("y",)), Edit("a", 1, (), ALONE), False),
        (Edit("a", 2, ("x",), ()), Edit("b", 2, ("x",), ()), True),
        # Two texts for one key, one item or one document: the last would win, and one finding would stay.
        (Edit("a", 2, (), ("  data:", "    - x")), Edit("a", 2, (), ("  data:", "    - y")), False),
        (Edit("a", 2, (), ("  data:", "    - x")), Edit("a", 2, (), ("  dataFrom:", "    - x")), True),
        (Edit("a", 2, (), DOCUMENT), Edit("a", 2, (), (*DOCUMENT, "    - secretKey: B")), False),
        (Edit("a", 2, (), DOCUMENT), Edit("a", 2, (), (*DOCUMENT[:2], "  name: other", *DOCUMENT[3:])), True),
        (Edit("a", 2, (), operation(0, "x")), Edit("a", 2, (), operation(0, "y")), False),
        (Edit("a", 2, (), operation(0, "x")), Edit("a", 2, (), operation(1, "x")), True),
    ],
)
def test_a_finding_whose_edits_overlap_others_is_left_for_the_next_time(first: Edit, second: Edit, fits: bool) -> None:
    elsewhere = Edit("elsewhere", 5, (), ("only with the second",))
    made, left = patches([finding(first), finding(second, elsewhere)])
    assert left == (not fits)
    assert ("elsewhere" in {patch.file for patch in made}) == fits


@pytest.mark.parametrize("other", ["same", "another"])
def test_a_patch_of_a_version_that_another_finding_does_away_with_is_left_for_the_next_time(other: str) -> None:
    """It would be a patch without anything to patch; in another tenant it is right."""
    retired = Edit("base", 1, ('apiVersion: "x/v1beta1"',), ('apiVersion: "x/v1"',))
    written = Edit("overlay", 9, (), ("---", "apiVersion: x/v1beta1 # as in the base", "kind: A"))
    one, two = (replace(finding(edit), service="same") for edit in (retired, written))
    two = replace(two, service=other)
    assert patches([one, two])[1] == patches([two, one])[1] == (other == "same")


def test_what_yaml_ends_first_comes_first_where_several_findings_want_one_place(tmp_path: Path) -> None:
    """An entry of the last document's list, a key behind the list, and one document more."""
    (tmp_path / "a").write_text("kind: A\nspec:\n  data:\n  - one\n")
    (made,), left = patches(
        [
            finding(Edit("a", 5, (), ("---", "kind: B"))),
            finding(Edit("a", 5, (), ("  more: true",))),
            finding(Edit("a", 5, (), ("  - two",))),
        ]
    )
    assert not left
    applied(tmp_path, made.diff)
    assert list(yaml.safe_load_all((tmp_path / "a").read_text())) == [
        {"kind": "A", "spec": {"data": ["one", "two"], "more": True}},
        {"kind": "B"},
    ]


def test_a_new_file_has_all_documents_that_findings_want_in_it(tmp_path: Path) -> None:
    """One patch for it, and what lists it is there once."""
    listed = Edit("listing", 2, (), ("- path: made",))
    (tmp_path / "listing").write_text("patches:\n")
    documents = [(*ALONE[:2], f"  name: {name}", *ALONE[3:]) for name in ("a", "b", "c")]
    made, left = patches([finding(Edit("made", 1, (), document), listed) for document in documents])
    assert not left
    for patch in made:
        applied(tmp_path, patch.diff)
    written = [each["metadata"]["name"] for each in yaml.safe_load_all((tmp_path / "made").read_text())]
    assert written == ["a", "b", "c"]
    assert (tmp_path / "listing").read_text() == "patches:\n- path: made\n"


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3), st.lists(TEXTS, max_size=3))
def test_no_text_breaks_out_of_a_patch_or_of_its_block(file: str, gone: list[str], come: list[str]) -> None:
    patch = unified([Edit(file, 3, tuple(gone), tuple(come))])
    head, names, at, *lines = patch.split("\n")[:-1]
    assert (head[:4], names[:4], at[:3]) == ("--- ", "+++ ", "@@ ")
    assert [line[0] for line in lines] == ["-"] * len(gone) + ["+"] * len(come)
    assert not any(line.startswith("::") for line in patch.splitlines())
    tokens = PARSER.parse(f"{markdown.diff(patch)}\n\nafter")
    assert [token.type for token in tokens][:2] == ["fence", "paragraph_open"]
    assert tokens[0].content == patch
