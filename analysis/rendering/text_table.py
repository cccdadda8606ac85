"""Hold a table of text, which Markdown, HTML, LaTeX and the command line all show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from analysis.tables.contents import Report
from analysis.whereabouts import has_budgets


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table of text.

    Attributes:
        columns: Headings.
        num_keys: How many leading columns name the row; the others hold its values, set to the right where
            numeric.
        rows: Cells, shape ``(num_rows, num_columns)``.
        numeric: Headings of the columns that hold numbers.
        prose: Headings of the columns that hold sentences, whose lines are broken.
        chips: Headings of the columns that hold a verdict or a status, which pages colour.
        name: Name of the file to which the table is exported, without suffix; lower case, words joined by ``-``.
            Empty where it is not exported.
        caption: What the table shows, in one sentence.
    """

    columns: tuple[str, ...]
    num_keys: int
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[str] = frozenset()
    prose: frozenset[str] = frozenset()
    chips: frozenset[str] = frozenset({"verdict", "status"})
    name: str = ""
    caption: str = ""


def cell_table(report: Report, values: tuple[str, ...], rows: Iterable[tuple[str, ...]], **more: Any) -> TextTable:
    """Return a table whose rows start with workload, budget and arm; one workload and unknown budgets are left out.

    Args:
        report: The report that the rows are of.
        values: Headings after workload, budget and arm.
        rows: Cells, each row starting with workload, budget and arm.
        more: Further fields of the table, such as ``numeric``, ``name`` and ``caption``.
    """
    design = report.design
    several, budgets = len(design.workloads) > 1, has_budgets(design)
    keys = (*(("workload",) if several else ()), *((design.budget_unit,) if budgets else ()), "arm")
    return TextTable(
        columns=(*keys, *values),
        num_keys=len(keys),
        rows=tuple((*row[: 1 if several else 0], *row[1 if budgets else 2 :]) for row in rows),
        **more,
    )
