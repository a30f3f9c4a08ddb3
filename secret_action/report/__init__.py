"""What a run tells: summary, annotations, outputs, JSON report, SARIF, terminal tables.

Pure: a `RunReport` in, texts out. Whoever prints them redacts them first.
"""

from secret_action.report.annotations import annotate
from secret_action.report.document import document
from secret_action.report.headline import headline
from secret_action.report.log import finding_lines
from secret_action.report.outputs import outputs
from secret_action.report.sarif import sarif
from secret_action.report.summary import render_summary
from secret_action.report.terminal import render_terminal

__all__ = ["annotate", "document", "finding_lines", "headline", "outputs", "render_summary", "render_terminal", "sarif"]
