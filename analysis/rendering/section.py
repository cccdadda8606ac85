"""Hold one part of a report: a heading, what was found, and the figures and tables that show it."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.figures.drawing import FigureKind
from analysis.rendering.text_table import TextTable

# A section that would need more sentences of one kind gives counts and ranges instead, and leaves details to its table.
MOST_SENTENCES = 6


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a report, which the page, the Markdown file and the exports all show.

    Attributes:
        title: Heading.
        note: What is shown and how to read it, in one or two sentences.
        sentences: What was found, in plain language, made from the same rows as the tables.
        figures: Kinds of the figures, in order.
        tables: Tables; those without rows are left out.
        remarks: A list of remarks below the tables.
        open: Whether the page shows it unfolded.
    """

    title: str
    note: str = ""
    sentences: tuple[str, ...] = ()
    figures: tuple[FigureKind, ...] = ()
    tables: tuple[TextTable, ...] = ()
    remarks: tuple[str, ...] = ()
    open: bool = False

    def is_empty(self, drawn: frozenset[str]) -> bool:
        """Say whether there is nothing to show, given the kinds of figures that were drawn."""
        tables = any(table.rows for table in self.tables)
        return not (tables or self.sentences or self.remarks or drawn.intersection(self.figures))
