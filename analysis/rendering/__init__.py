"""Write a report down: as plain rows, Markdown or one HTML page."""

from analysis.rendering.page import render_html
from analysis.rendering.text import render_markdown
from analysis.rendering.text_tables import VerdictRow, verdict_rows

__all__ = ["VerdictRow", "render_html", "render_markdown", "verdict_rows"]
