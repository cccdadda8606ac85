"""Render a report as Markdown."""

from __future__ import annotations

import html
from collections.abc import Sequence

from analysis.figures import Drawing
from analysis.rendering import text_tables
from analysis.rendering.guide import reading_guide
from analysis.rendering.text_tables import TextTable
from analysis.tables.contents import Report


def render_markdown(report: Report, figures: Sequence[Drawing]) -> str:
    """Return the sentences and tables of the report in Markdown; figures are linked as files beside it."""
    blocks = [
        f"# {_escaped(report.study)}",
        f"**{_escaped(report.design.question)}**" if report.design.question else "",
        *(_escaped(sentence) for sentence in report.sentences),
        *_images(figures, "accuracy"),
        _table(text_tables.verdict_table(report)),
        *_section("Withheld and qualified verdicts", text_tables.remarks_table(report)),
        *_section("The control tuned and as published", text_tables.gaps_table(report)),
        "## Learning curves",
        *_images(figures, "curves"),
        *_section("Time to target", text_tables.time_to_target_table(report)),
        "## Every seed",
        *_images(figures, "seeds"),
        _table(text_tables.spread_table(report)),
        *_section("Winning settings", text_tables.winners_table(report)),
        *_section("Ledger", text_tables.ledger_table(report)),
        *_section("Checks", text_tables.checks_table(report)),
        *_section("Rules of this study", text_tables.design_table(report)),
        "## How to read the verdict",
        *(f"* {_escaped(line)}" for line in reading_guide(report.design)),
        *_section("Provenance", text_tables.provenance_table(report)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _section(title: str, table: TextTable) -> list[str]:
    return [f"## {title}", _table(table)] if table.rows else []


def _images(figures: Sequence[Drawing], kind: str) -> list[str]:
    return [f"![{_escaped(f.alt)}](figures/{f.name}.png)" for f in figures if f.kind == kind]


def _table(table: TextTable) -> str:
    rule = ("---:" if column in table.numeric else "---" for column in table.columns)
    lines = [table.columns, tuple(rule), *table.rows]
    escaped = (lines[0], lines[1], *(tuple(_escaped(cell) for cell in row) for row in lines[2:]))
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    plain = html.escape(" ".join(text.split()), quote=False)
    for mark in "\\`*_[]|":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
