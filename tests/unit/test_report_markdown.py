"""Whatever a text holds, it is shown as that text: no link, no HTML, no mention, no further cell."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from secret_action.report import markdown
from secret_action.report.words import visible

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
TRAPS = st.sampled_from(
    [
        *"`|\\<>&*_~[]()!#@$:\n\r\t -+=.1a",
        "``", "```", "&#124;", "&lt;", "<b>", "<!--", "-->", "</details>", "[x](y)", "![", "](", "http://", "https://e.x/",
        "www.e.x", "a@b.cc", "@octocat", "#1", "GH-1", "o/r#2", "deadbeef", ":key:", "$x$", "1. ", "- ", "> ", "***",
        "---", "~~", "\u202e", "\u200b", "\u2028", "\udc80", "\x00", "\x1b[31m", "\x85", "é", "🔑", "DATABASE_URL",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=60), st.lists(TRAPS, max_size=14).map("".join))

TURNED_BY_GITHUB = re.compile(
    r"(?:https?|ftp)://|www\.\w|\w@\w|(?:^|\W)@\w|#\d|\bGH-\d|:[\w+-]+:|\$\w.*\$|\b[0-9a-f]{7,40}\b", re.I
)


def inline(source: str) -> list[Token]:
    """The inline tokens of all that was parsed."""
    return [child for token in PARSER.parse(source) for child in token.children or ()]


def shown(tokens: list[Token]) -> str:
    """What a reader sees."""
    return "".join("\n" if token.type == "softbreak" else token.content for token in tokens)


def squeezed(text: str) -> str:
    return " ".join(text.split())


def expected_text(text: str) -> str:
    """On one line, hidden characters as escapes, and without the backticks that make code."""
    return squeezed(visible(re.sub(r"(?<!`)`([^`]+)`(?!`)", r"\1", re.sub(r"\s+", " ", text))))


@given(TEXTS)
def test_text_is_shown_as_it_is_and_as_nothing_else(text: str) -> None:
    for before, after in (("", ""), ("### ", ""), ("- ", ""), ("⚠️ ", ""), ("<sub>", "</sub>")):
        tokens = inline(f"{before}{markdown.text(text)}{after}")
        words = [token for token in tokens if token.content not in ("<sub>", "</sub>")]
        assert {token.type for token in words} <= {"text", "text_special", "code_inline"}
        assert squeezed(shown(words)).removeprefix("⚠️").strip() == expected_text(text)


@given(TEXTS)
def test_text_opens_no_block_of_its_own(text: str) -> None:
    assert {token.type for token in PARSER.parse(markdown.text(text))} <= {
        "paragraph_open",
        "inline",
        "paragraph_close",
    }


@given(TEXTS)
def test_what_github_would_turn_into_a_link_stands_in_code(text: str) -> None:
    tokens = inline(markdown.text(text))
    # Code ends a run of text: GitHub looks at each run by itself.
    running = "".join("\0" if token.type == "code_inline" else token.content for token in tokens)
    assert not TURNED_BY_GITHUB.search(running)


@given(TEXTS)
def test_code_holds_exactly_the_name(name: str) -> None:
    tokens = inline(f"a {markdown.code(name)} b")
    wanted = visible(name)
    if wanted:
        assert [token.content for token in tokens if token.type == "code_inline"] == [wanted]
    assert {token.type for token in tokens} <= {"text", "code_inline"}


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3))
def test_no_cell_can_break_a_table(rows: list[tuple[str, str]]) -> None:
    source = markdown.table(("A", "B"), [(markdown.code(a), markdown.text(b)) for a, b in rows])
    tokens = PARSER.parse(source)
    assert [token.type for token in tokens].count("table_open") == 1
    assert [token.type for token in tokens].count("td_open") == 2 * len(rows)
    cells = [token for before, token in pairwise(tokens) if before.type == "td_open"]
    for (name, text), (first, second) in zip(rows, zip(cells[::2], cells[1::2], strict=True), strict=True):
        assert shown(first.children or []) == visible(name)
        assert squeezed(shown(second.children or [])) == expected_text(text)
        assert not {child.type for cell in (first, second) for child in cell.children or ()} & {
            "link_open", "image", "html_inline", "em_open", "strong_open", "s_open",
        }  # fmt: skip


@given(TEXTS)
def test_a_code_block_ends_where_it_should(text: str) -> None:
    tokens = PARSER.parse(f"{markdown.block(text)}\n\nafter")
    assert [token.type for token in tokens][:2] == ["fence", "paragraph_open"]
    assert shown(inline(f"{markdown.block(text)}\n\nafter")) == "after"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("set `DATABASE_URL` in `env:`", "set `DATABASE_URL` in `env:`"),
        ("ask @octocat about #12", "ask `@octocat` about `#12`"),
        ("see https://docs.aws.amazon.com/x.", "see `https://docs.aws.amazon.com/x`."),
        ("role arn:aws:iam::123456789012:role/x", "role `arn:aws:iam::123456789012:role/x`"),
        ("DATABASE_URL and _ENV_", r"DATABASE_URL and \_ENV\_"),
        ("1. no list", r"1\. no list"),
        ("two\nlines", "two lines"),
    ],
)
def test_plain_texts_stay_readable_in_the_source(text: str, wanted: str) -> None:
    assert markdown.text(text) == wanted


def test_a_message_of_many_lines_keeps_them_in_a_block() -> None:
    assert markdown.prose("kustomize failed:\n  a\n  b") == "kustomize failed:\n\n```text\n  a\n  b\n```"


def test_a_very_long_text_is_cut_and_says_so() -> None:
    assert markdown.text("x" * 5_000).endswith("… (3,000 more characters)")
