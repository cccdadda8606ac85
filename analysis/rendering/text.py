"""Render sections as Markdown."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence

from analysis.figures.drawing import Drawing
from analysis.rendering import text_tables
from analysis.rendering.check_groups import Alert, alerts
from analysis.rendering.section import Section
from analysis.rendering.sections import report_sections
from analysis.rendering.sections.core import leads
from analysis.rendering.text_table import TextTable
from analysis.tables.contents import Report


def render_markdown(report: Report, figures: Sequence[Drawing]) -> str:
    """Return the sentences and tables of the report in Markdown; figures are linked as files beside it."""
    blocks = [
        f"# {escaped(report.study)}",
        f"**{escaped(report.design.question)}**" if report.design.question else "",
        *(escaped(sentence) for sentence in report.sentences),
        *(_text_of_alert(alert) for alert in alerts(report)),
        *(images(figures, "accuracy") if leads(report) else ()),
        text_of_table(text_tables.verdict_table(report)),
        *text_of_sections(report_sections(report), figures),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _text_of_alert(alert: Alert) -> str:
    listed = "\n".join(f"* {escaped(line)}" for line in alert.evidence)
    return "\n\n".join(part for part in (escaped(alert.sentence), listed) if part)


def text_of_sections(sections: Iterable[Section], figures: Sequence[Drawing]) -> Iterator[str]:
    """Yield the blocks of every section that has something to show."""
    drawn = frozenset(figure.kind for figure in figures if figure.kind)
    for section in sections:
        if section.is_empty(drawn):
            continue
        yield f"## {section.title}"
        yield escaped(section.note)
        yield from (escaped(sentence) for sentence in section.sentences)
        for kind in section.figures:
            yield from images(figures, kind)
        yield from (text_of_table(table) for table in section.tables if table.rows)
        yield "\n".join(f"* {escaped(remark)}" for remark in section.remarks)


def images(figures: Sequence[Drawing], kind: str) -> list[str]:
    """Return a link to every figure of a kind."""
    return [f"![{escaped(f.alt)}](figures/{f.name}.png)" for f in figures if f.kind == kind]


def text_of_table(table: TextTable) -> str:
    """Return a table in Markdown."""
    rule = ("---:" if column in table.numeric else "---" for column in table.columns)
    lines = [tuple(escaped(column) for column in table.columns), tuple(rule)]
    lines += [tuple(escaped(cell) for cell in row) for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    plain = html.escape(" ".join(text.split()), quote=False)
    for mark in "\\`*_[]|":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
