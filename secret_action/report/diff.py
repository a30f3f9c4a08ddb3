"""Remedies as patches that `git apply --unidiff-zero --ignore-whitespace` takes. Text in, text out: no file is read.

File names and lines come from the repository. A line break or control character in one is shown as an escape, so that
a patch has the lines that we gave it, wherever it is pasted.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from secret_action.model import Edit, Finding
from secret_action.report.words import visible

_DOCUMENT = "---"


@dataclass(frozen=True)
class Patch:
    """All edits of one file, and the rules whose findings they mend. Files can be patched in any order."""

    file: str
    rules: tuple[str, ...]
    diff: str


def unified(edits: Sequence[Edit]) -> str:
    """The unified diff of edits that do not overlap, in any order; an edit that is given twice is made once.

    Hunks have no context, since an `Edit` has none. An edit of line 1 that removes nothing and is its file's only one
    makes the file, and so do several that each are a document of it; to put lines at the top of a file that exists,
    replace its first line.
    """
    by_file: dict[str, list[Edit]] = defaultdict(list)
    for edit in dict.fromkeys(edits):
        if edit.remove or edit.add:
            by_file[edit.file].append(edit)
    return "".join(line + "\n" for file, of_file in by_file.items() for line in _file_diff(file, of_file))


def patches(findings: Iterable[Finding]) -> tuple[tuple[Patch, ...], int]:
    """The findings' edits, one patch for each file, and how many findings had to be left out.

    Left out is a finding whose edits overlap those of an earlier one, or write the same thing in another way, or an
    `apiVersion` that the other does away with: whoever applies the patches and looks again is offered the rest.
    """
    fitting = _Fitting()
    left = sum(not fitting.take(finding) for finding in findings if finding.edits)
    return tuple(_patch(file, wanted) for file, wanted in fitting.files.items()), left


def _patch(file: str, wanted: Mapping[Edit, Sequence[str]]) -> Patch:
    rules = dict.fromkeys(rule for by in wanted.values() for rule in by)
    return Patch(file, tuple(rules), unified(tuple(wanted)))


class _Fitting:
    """Edits that can be made together, by file, each with the rules that want it."""

    def __init__(self) -> None:
        self.files: dict[str, dict[Edit, list[str]]] = defaultdict(dict)
        self._replaced: set[tuple[str, int]] = set()
        # A gap is named by the line after it.
        self._filled: dict[tuple[str, int], set[tuple[str, ...]]] = defaultdict(set)
        self._closed: set[tuple[str, int]] = set()
        # By tenant: a patch must have the version of what it patches, wherever that is written.
        self._versions_gone: dict[str, set[str]] = defaultdict(set)
        self._versions_come: dict[str, set[str]] = defaultdict(set)

    def take(self, finding: Finding) -> bool:
        """Takes all edits of a finding, or none of them."""
        fresh = [edit for edit in finding.edits if edit not in self.files.get(edit.file, {})]
        come = _versions(line for edit in fresh for line in edit.add)
        gone = _versions(line for edit in fresh for line in edit.remove) - come
        versions_gone, versions_come = self._versions_gone[finding.service], self._versions_come[finding.service]
        if come & versions_gone or gone & versions_come or any(self._clashes(edit) for edit in fresh):
            return False
        versions_gone |= gone
        versions_come |= come
        for edit in fresh:
            self._note(edit)
        for edit in finding.edits:
            self.files[edit.file].setdefault(edit, []).append(finding.rule)
        return True

    def _clashes(self, edit: Edit) -> bool:
        lines, inner = _covered(edit)
        if edit.remove:
            return any((edit.file, line) in self._replaced for line in lines) or any(
                (edit.file, gap) in self._filled for gap in inner
            )
        gap = (edit.file, edit.line)
        head, heads = _head(edit), self._filled.get(gap, set())
        if gap in self._closed or head in heads:
            return True
        # Several edits may put different things into one gap, but into a new file only documents.
        return edit.line == 1 and bool(heads) and not all(map(_is_document, {head, *heads}))

    def _note(self, edit: Edit) -> None:
        lines, inner = _covered(edit)
        self._replaced.update((edit.file, line) for line in lines)
        self._closed.update((edit.file, gap) for gap in inner)
        if not edit.remove:
            self._filled[edit.file, edit.line].add(_head(edit))


def _covered(edit: Edit) -> tuple[range, range]:
    """The lines that an edit removes, and the gaps between them."""
    end = edit.line + len(edit.remove)
    return range(edit.line, end), range(edit.line + 1, end)


_VERSION = re.compile(r"""\s*apiVersion:\s*["']?([^\s"'#]+)""")


def _versions(lines: Iterable[str]) -> set[str]:
    return {match[1] for line in lines if (match := _VERSION.match(line))}


def _head(edit: Edit) -> tuple[str, ...]:
    """What lines of YAML that are put into a gap are about: two texts of one head are two of the same thing.

    Of a document of a patch it is all before its `spec`, of an item of a list all before its value, which comes last;
    of all else its first line, with the key.
    """
    first = edit.add[0] if edit.add else ""
    if _is_document(edit.add):
        return tuple(takewhile(lambda line: not line.startswith("spec:"), edit.add))
    return edit.add[:-1] or edit.add if first.lstrip().startswith("- ") else (first,)


def _is_document(lines: Sequence[str]) -> bool:
    """As patches are written: their version comes first."""
    return bool(lines) and lines[0].startswith((_DOCUMENT, "apiVersion:"))


def _depth(edit: Edit) -> tuple[int, bool, bool]:
    """What YAML ends first comes first in a gap: what is deeper, items before the next key, documents at the end."""
    first = edit.add[0] if edit.add else ""
    return len(first.lstrip()) - len(first), not first.lstrip().startswith("- "), first.startswith(_DOCUMENT)


def _file_diff(file: str, edits: list[Edit]) -> Iterator[str]:
    edits = sorted(edits, key=lambda edit: (edit.line, len(edit.remove) > 0, _depth(edit)))
    made = all(edit.line == 1 and not edit.remove for edit in edits)
    if made:
        edits = [edits[0], *(replace(edit, add=(_DOCUMENT, *edit.add)) for edit in edits[1:])]
    yield "--- /dev/null" if made else f"--- {_name('a/' + file)}"
    yield f"+++ {_name('b/' + file)}"
    grown = 0
    for hunk in _hunks(edits):
        removed, added = (sum(len(lines) for lines in side) for side in zip(*map(_sides, hunk), strict=True))
        # Of nothing, a hunk names the line before it (POSIX, diff -u).
        old = hunk[0].line - (not removed)
        new = hunk[0].line + grown - (not added)
        yield f"@@ -{old},{removed} +{new},{added} @@"
        for edit in hunk:
            yield from ("-" + _line(line) for line in edit.remove)
            yield from ("+" + _line(line) for line in edit.add)
        grown += added - removed


def _hunks(edits: Iterable[Edit]) -> Iterator[list[Edit]]:
    """Edits that touch make one hunk, or git would look for the second where the first has been."""
    hunk: list[Edit] = []
    for edit in edits:
        if hunk and edit.line > hunk[-1].line + len(hunk[-1].remove):
            yield hunk
            hunk = []
        hunk.append(edit)
    yield hunk


def _sides(edit: Edit) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return edit.remove, edit.add


def _line(line: str) -> str:
    return "\t".join(visible(part) for part in line.split("\t"))


_NEEDS_QUOTES = re.compile(r'[\s"\\]')


def _name(name: str) -> str:
    """A file's name as git writes it: in quotes, with octal bytes, where it would not be read back otherwise."""
    if visible(name) == name and not _NEEDS_QUOTES.search(name):
        return name
    return f'"{"".join(map(_quoted, name))}"'


def _quoted(character: str) -> str:
    if character != " " and (visible(character) != character or _NEEDS_QUOTES.match(character)):
        return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))
    return character
