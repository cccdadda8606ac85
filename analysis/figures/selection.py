"""Choose the cells and workloads that get a figure of their own: a study may have more than anybody looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from analysis.tables.contents import Report

# Figures of one kind. A hundred of them take minutes to draw, and make a page that browsers are slow to open.
MOST_FIGURES = 12
# Kinds that are drawn once per cell, and the rows that they are drawn from.
BY_CELL = {
    "seeds": "arms",
    "curves": "curves",
    "survival": "survival_curves",
    "target_grid": "target_grid",
    "tuning": "tuning_curves",
    "response": "responses",
}
BY_WORKLOAD = ("accuracy", "frontier", "skeptic", "effects")
ELSEWHERE = "The numbers of all are in report.json and in the folder tables."

_Cell = tuple[str, float]


def drawn_by_cell(report: Report) -> Report:
    """Return the report with the rows of no more cells than are drawn one by one."""
    cells = set(_chosen(_cells(report)))
    kept: dict[str, Any] = {
        name: tuple(row for row in getattr(report, name) if (row.workload, row.budget) in cells)
        for name in BY_CELL.values()
    }
    return replace(report, **kept)


def drawn_by_workload(report: Report) -> Report:
    """Return the report with no more workloads than are drawn one by one."""
    return replace(report, design=replace(report.design, workloads=report.design.workloads[:MOST_FIGURES]))


def omission(report: Report, kinds: Sequence[str]) -> str:
    """Say which figures of these kinds are left out; nothing where all are there."""
    if any(getattr(report, BY_CELL[kind]) for kind in kinds if kind in BY_CELL):
        cells = _cells(report)
        if len(chosen := _chosen(cells)) < len(cells):
            longest = " with the longest budgets" if len({budget for _, budget in cells}) > 1 else ""
            return f"Figures are drawn for {len(chosen)} of {len(cells)} cells{longest}. {ELSEWHERE}"
    count = len(report.design.workloads)
    if count > MOST_FIGURES and any(kind in BY_WORKLOAD for kind in kinds):
        return f"Figures are drawn for the first {MOST_FIGURES} of {count} workloads. {ELSEWHERE}"
    return ""


def _cells(report: Report) -> list[_Cell]:
    return list(dict.fromkeys((row.workload, row.budget) for row in report.arms))


def _chosen(cells: Sequence[_Cell]) -> list[_Cell]:
    """Return the cells with the longest budgets of every workload, as many budgets as fit."""
    budgets: dict[str, list[float]] = {}
    for workload, budget in cells:
        budgets.setdefault(workload, []).append(budget)
    ranks = {name: sorted(own, reverse=True) for name, own in budgets.items()}
    chosen = [cell for cell in cells if ranks[cell[0]].index(cell[1]) == 0][:MOST_FIGURES]
    for rank in range(1, max(map(len, ranks.values()), default=0)):
        more = [cell for cell in cells if ranks[cell[0]].index(cell[1]) <= rank]
        if len(more) > MOST_FIGURES:
            break
        chosen = more
    return chosen
