"""One HTML page that shows runs as a person sees them: the log as in a terminal, the summary as on GitHub.

It holds its own style and loads nothing, so it opens from a disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

_STYLE = Path(__file__).with_name("page.css")


def render_page(title: str, sections: Iterable[tuple[str, str, str]]) -> str:
    """The page. Each section is a heading, the text of a log, and a job summary in Markdown."""
    # The summary is made by this product, which escapes what comes from outside; its own <details> must work.
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    body = "\n".join(_section(markdown, *section) for section in sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>
{_STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{body}
</body>
</html>
"""


def _section(markdown: MarkdownIt, heading: str, log: str, summary: str) -> str:
    terminal = f'<pre class="log">{escape(log)}</pre>' if log else ""
    return f"""<section>
<h2>{escape(heading)}</h2>
<article class="summary">
{markdown.render(summary)}</article>
{terminal}
</section>"""
