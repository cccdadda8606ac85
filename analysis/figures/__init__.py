"""Draw the figures of a report from its rows."""

from __future__ import annotations

from analysis.figures.accuracy import draw_accuracy
from analysis.figures.critical_difference import draw_critical_differences
from analysis.figures.curves import draw_curves
from analysis.figures.drawing import Drawing
from analysis.figures.effects import draw_effects
from analysis.figures.frontier import draw_frontier
from analysis.figures.profiles import draw_profiles
from analysis.figures.response import draw_response
from analysis.figures.seeds import draw_seeds
from analysis.figures.selection import drawn_by_cell, drawn_by_workload
from analysis.figures.skeptic import draw_skeptic
from analysis.figures.survival import draw_survival
from analysis.figures.target_grid import draw_target_grid
from analysis.figures.tuning import draw_tuning
from analysis.tables.contents import Report

__all__ = ["Drawing", "draw_figures"]


def draw_figures(report: Report) -> tuple[Drawing, ...]:
    """Return figures of every kind that the report has rows for: per workload, per cell, and over all workloads."""
    workloads, cells = drawn_by_workload(report), drawn_by_cell(report)
    return (
        *draw_accuracy(workloads),
        *draw_frontier(workloads),
        *draw_skeptic(workloads),
        *draw_curves(cells),
        *draw_seeds(cells),
        *draw_effects(workloads),
        *draw_tuning(cells),
        *draw_response(cells),
        *draw_survival(cells),
        *draw_target_grid(cells),
        *draw_profiles(report),
        *draw_critical_differences(report),
    )
