"""Render a report as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.figures import Drawing
from analysis.rendering import text_tables
from analysis.rendering.guide import reading_guide
from analysis.tables.contents import Report


def render_html(report: Report, figures: Sequence[Drawing]) -> str:
    """Return the page: question, verdict, one figure and one table first; the evidence folded below.

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
    return environment.get_template("report.html.j2").render(
        report=report,
        figures=drawn,
        tables=text_tables,
        guide=reading_guide(report.design),
        failed=[check for check in report.checks if check.status == "fail"],
        warned=[check for check in report.checks if check.status == "warn"],
    )
