"""Render sections as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.figures.drawing import Drawing
from analysis.rendering import text_tables
from analysis.rendering.check_groups import alerts
from analysis.rendering.section import Section
from analysis.rendering.sections import report_sections
from analysis.rendering.sections.core import leads
from analysis.tables.contents import Report


def render_html(report: Report, figures: Sequence[Drawing]) -> str:
    """Return the page: question, verdict, one figure and one table first; the evidence folded below."""
    return render_page(
        "report.html.j2",
        report_sections(report),
        figures,
        report=report,
        verdicts=text_tables.verdict_table(report),
        alerts=alerts(report),
        leading="accuracy" if leads(report) else "",
    )


def render_page(template: str, sections: Iterable[Section], figures: Sequence[Drawing], **values: Any) -> str:
    """Return a page with its sections, less those that have nothing to show.

    Styles and figures are inline and there are no scripts, so that the page works from a file, in a sandboxed
    frame, in print, on a phone and in the dark.
    """
    environment = Environment(
        loader=PackageLoader("analysis", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Built by matplotlib, which escapes the names in it.
    drawn = [{"kind": f.kind, "title": f.title, "alt": f.alt, "svg": Markup(f.inline_svg())} for f in figures]  # noqa: S704
    kinds = frozenset(figure.kind for figure in figures if figure.kind)
    shown = [section for section in sections if not section.is_empty(kinds)]
    return environment.get_template(template).render(sections=shown, figures=drawn, **values)
