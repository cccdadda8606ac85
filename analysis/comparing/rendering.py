"""Render a comparison of two studies as one HTML page and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.comparing.sections import comparison_sections
from analysis.comparing.values import Comparison
from analysis.figures.drawing import Drawing
from analysis.rendering.page import render_page
from analysis.rendering.text import escaped, images, text_of_sections


def render_comparison_html(comparison: Comparison, figures: Sequence[Drawing]) -> str:
    """Return the page; like that of a report it needs nothing but itself."""
    return render_page("comparison.html.j2", comparison_sections(comparison), figures, comparison=comparison)


def render_comparison_markdown(comparison: Comparison, figures: Sequence[Drawing]) -> str:
    """Return sentences and tables in Markdown; figures are linked as files beside it."""
    blocks = [
        f"# {escaped(comparison.first.label)} and {escaped(comparison.second.label)}",
        *(escaped(sentence) for sentence in comparison.sentences),
        *images(figures, "forest"),
        *text_of_sections(comparison_sections(comparison), figures),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"
