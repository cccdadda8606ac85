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
from analysis.figures.skeptic import draw_skeptic
from analysis.figures.survival import draw_survival
from analysis.figures.target_grid import draw_target_grid
from analysis.figures.tuning import draw_tuning
from analysis.tables.contents import Report

__all__ = ["Drawing", "draw_figures"]


def draw_figures(report: Report) -> tuple[Drawing, ...]:
    """Return accuracy against budget per workload, then learning curves and seeds per cell."""
    return (
        *draw_accuracy(report),
        *draw_frontier(report),
        *draw_skeptic(report),
        *draw_curves(report),
        *draw_seeds(report),
        *draw_effects(report),
        *draw_tuning(report),
        *draw_response(report),
        *draw_survival(report),
        *draw_target_grid(report),
        *draw_profiles(report),
        *draw_critical_differences(report),
    )
