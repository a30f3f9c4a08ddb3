"""Applies the edits that a finding or a draft has to offer, as an editor would that knows nothing but them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from secret_action.model import Edit


def apply_edits(root: Path, edits: Iterable[Edit]) -> None:
    """Makes edits of files below `root`; the lines that each takes away must stand there."""
    by_file: dict[str, list[Edit]] = {}
    for edit in edits:
        by_file.setdefault(edit.file, []).append(edit)
    for name, its in by_file.items():
        file = root / name
        after = applied(file.read_bytes().decode() if file.exists() else "", its)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(after.encode())


def applied(text: str, edits: Sequence[Edit]) -> str:
    """What edits of one file make of its text: with its own line ends, and no last one where it has none."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    unended = bool(lines) and not lines[-1].endswith("\n")
    if unended:
        lines[-1] += newline
    for edit in sorted(edits, key=lambda edit: edit.line)[::-1]:  # from below, so that the lines above stay
        start, end = edit.line - 1, edit.line - 1 + len(edit.remove)
        assert start <= len(lines), edit
        assert [line.removesuffix("\n").removesuffix("\r") for line in lines[start:end]] == list(edit.remove), edit
        lines[start:end] = [line + newline for line in edit.add]
    result = "".join(lines)
    return result.removesuffix(newline) if unended else result
