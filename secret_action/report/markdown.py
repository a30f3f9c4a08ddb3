"""Text from anywhere → GitHub-flavoured Markdown that shows exactly that text. The one place that escapes for it.

`Markdown` marks what is done. The templates pass everything else through `text`, so nothing goes in raw by mistake.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from secret_action.report.words import shorten, visible

TEXT_LIMIT = 2_000
"""Characters of one message. The log and the JSON report have the whole."""
NAME_LIMIT = 1_100
"""Characters of one name. SSM's longest path has 1,011, so no real name is cut."""
BLOCK_LIMIT = 8_000
"""Characters of one code block."""


class Markdown(str):
    """Text that is Markdown already. Jinja leaves what has `__html__` alone."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


def text(value: object) -> Markdown:
    """A message as running text on one line.

    What stands between backticks becomes code. So does a word that GitHub would turn into something else: a URL,
    an address, a mention, an issue or commit reference, an emoji's name, a formula. No escape stops those,
    because GitHub looks for them in what it has rendered, but never inside code.
    """
    flat = re.sub(r"\s+", " ", shorten(str(value), TEXT_LIMIT))
    parts: list[tuple[bool, str]] = []
    for piece in _PIECES.findall(flat):
        for is_code, part in _words(piece):
            # Two code spans that touch would read as one with a longer fence.
            before = parts.pop()[1] if is_code and parts and parts[-1][0] else ""
            parts.append((is_code, before + part))
    escaped = "".join(code(part) if is_code else _plain(part) for is_code, part in parts)
    return Markdown(_BLOCK_START.sub(r"\1\\\2", escaped))


def code(value: object) -> Markdown:
    """A name as a code span. Line breaks and control characters are shown as escapes."""
    shown = visible(shorten(str(value), NAME_LIMIT))
    if not shown:
        return Markdown()
    fence = _fence(shown, shortest=1)
    # CommonMark takes one space off both ends, but leaves a span of nothing but spaces alone.
    pad = " " if shown.strip() and (shown[0] in "` " or shown[-1] in "` ") else ""
    return Markdown(f"{fence}{pad}{shown}{pad}{fence}")


def block(value: object, language: str = "text") -> Markdown:
    """Lines as a code block."""
    lines = shorten(str(value), BLOCK_LIMIT).expandtabs(4).splitlines()
    body = "\n".join(visible(line) for line in lines)
    fence = _fence(body, shortest=3)
    return Markdown(f"{fence}{language}\n{body}\n{fence}")


def diff(patch: str) -> Markdown:
    """A patch as a code block; `diff.unified` has made its lines visible."""
    fence = _fence(patch, shortest=3)
    return Markdown(f"{fence}diff\n{patch}{fence}")


def link(value: object, address: str) -> Markdown:
    """A name that leads to an address of ours, which needs no escape."""
    shown = code(value)
    return Markdown(f"[{shown}]({address})") if shown else shown


def html_code(value: object) -> Markdown:
    """A name inside HTML of our own, such as a <summary>, where Markdown is not read."""
    return Markdown(f"<code>{html.escape(visible(shorten(str(value), NAME_LIMIT)))}</code>")


def prose(value: object) -> Markdown:
    """A message that may have many lines: the first as text, the rest as a code block under it."""
    first, _, rest = str(value).strip().partition("\n")
    return Markdown(f"{text(first)}\n\n{block(rest)}") if rest.strip() else text(first)


def strong(value: object) -> Markdown:
    """`prose` whose first line is bold."""
    first, gap, rest = prose(value).partition("\n")
    return Markdown(f"**{first.strip()}**{gap}{rest}") if first.strip() else Markdown()


def table(titles: Sequence[str], rows: Iterable[Sequence[Markdown]]) -> Markdown:
    """A table. Cells are Markdown of one line; a pipe in them is escaped here, in code spans too, as GFM wants it."""
    lines = [[text(title) for title in titles], [Markdown("---")] * len(titles), *rows]
    return Markdown("\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines))


def _cell(markdown: Markdown) -> str:
    return markdown.replace("|", "\\|").replace("\n", " ")


_QUOTED = r"(?<!`)`[^`]+`(?!`)"
_PIECES = re.compile(rf"{_QUOTED}|\s|(?:(?!{_QUOTED})\S)+")
_TURNED = re.compile(
    r"://|www\.|[@#$]"  # URLs, addresses, mentions, issues, formulas
    r"|:[\w+-]+:"  # emoji names; ARNs look like them
    r"|\bGH-\d|\b[0-9a-f]{7,40}\b",  # issues and commits
    re.IGNORECASE,
)
_WORD = re.compile(r"([(\[{<\"']*)(.*?)([.,;:!?)\]}>\"']*)", re.DOTALL)


def _words(piece: str) -> Iterable[tuple[bool, str]]:
    """One piece (a word, a space, or text in backticks) as parts, each with whether it must be code."""
    if re.fullmatch(_QUOTED, piece):
        yield True, piece[1:-1]
        return
    if not _TURNED.search(piece) or not (match := _WORD.fullmatch(piece)):
        yield False, piece
        return
    before, word, after = match.groups()
    yield from ((is_code, part) for is_code, part in ((False, before), (True, word), (False, after)) if part)


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "&#96;", "\\": "&#92;"}
_SPECIAL = re.compile(
    r"[&<>`\\]"
    r"|[*\[\]~]"
    r"|(?<![A-Za-z0-9_])_+|_+(?![A-Za-z0-9_])"  # inside a word, as in DATABASE_URL, it means nothing
)
_BLOCK_START = re.compile(r"^(\s*\d{0,9})([-+=#.)])(?=\s|\2|$)")


def _plain(part: str) -> str:
    return _SPECIAL.sub(
        lambda match: "".join(_ENTITIES.get(character, f"\\{character}") for character in match[0]),
        visible(part),
    )


def _fence(shown: str, shortest: int) -> str:
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    return "`" * max(shortest, longest + 1)
