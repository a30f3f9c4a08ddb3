"""The job summary: GitHub-flavoured Markdown, never larger than GitHub accepts, however large the run.

What a reader needs first comes first: after a failure what failed and what to do, otherwise the secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from secret_action.model import RunReport
from secret_action.report import markdown
from secret_action.report.links import rule_link
from secret_action.report.markdown import Markdown
from secret_action.report.tables import Cell, Name, RuleName, Table
from secret_action.report.view import View

if TYPE_CHECKING:
    from jinja2 import Template

SIZE_LIMIT = 1_000_000
"""Bytes. GitHub drops a summary over 1 MiB (1,048,576) whole; the rest is room for redaction, which may lengthen."""

_LIST_LIMITS = (1_000, 300, 100, 30, 5)
"""Items that each list shows at most: the first of these with which the whole fits."""

_WHEN_DONE = (
    *("head", "secrets", "workloads", "overlays", "findings", "patches", "silenced"),
    *("writes", "failures", "notes", "foot"),
)
_WHEN_FAILED = (
    *("head", "failures", "writes", "findings", "patches", "silenced"),
    *("overlays", "workloads", "secrets", "notes", "foot"),
)
_LEFT_OUT_FIRST = (
    *("secrets", "overlays", "notes", "patches", "silenced", "findings", "workloads"),
    *("writes", "failures"),
)


def render_summary(report: RunReport, limit: int = SIZE_LIMIT) -> str:
    """The summary of a run in Markdown, at most `limit` bytes of UTF-8."""
    order = _WHEN_FAILED if report.exit_code else _WHEN_DONE
    for most in _LIST_LIMITS:
        sections = _sections(report, order, most)
        if _size(sections) <= limit:
            return _join(sections)
    for name in _LEFT_OUT_FIRST:
        sections[name] = f"The list of {name} does not fit here and is left out; the JSON report has it."
        if _size(sections) <= limit:
            return _join(sections)
    return sections["head"].encode()[:limit].decode(errors="ignore")


def _sections(report: RunReport, order: Sequence[str], most: int) -> dict[str, str]:
    view = View(report, most)
    macros = _template().module
    return {name: str(getattr(macros, name)(view)).strip() for name in order}


def _join(sections: dict[str, str]) -> str:
    return "\n\n".join(filter(None, sections.values())) + "\n"


def _size(sections: dict[str, str]) -> int:
    return len(_join(sections).encode())


@cache
def _template() -> Template:
    # Here and not above: `--help` and a wrong input need no Jinja, and its import costs more than they do.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=_escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "code": markdown.code,
        "block": markdown.block,
        "diff": markdown.diff,
        "html_code": markdown.html_code,
        "prose": markdown.prose,
        "strong": markdown.strong,
        "table": _table,
    }
    return environment.get_template("summary.md.j2")


def _escaped(value: object) -> object:
    """Whatever the template prints becomes Markdown that shows it, unless it is Markdown already."""
    return value if hasattr(value, "__html__") else markdown.text(value)


def _table(table: Table) -> Markdown:
    return markdown.table(table.titles, ([_cell(cell) for cell in row] for row in table.rows))


def _cell(cell: Cell) -> Markdown:
    return Markdown("<br>".join(" ".join(_word(word) for word in line if word) for line in cell))


def _word(word: str) -> Markdown:
    if isinstance(word, RuleName):
        return markdown.link(word, rule_link(word))
    return markdown.code(word) if isinstance(word, Name) else markdown.text(word)
