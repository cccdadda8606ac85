"""Draw the figures of a report from its rows."""

from __future__ import annotations

from analysis.figures.accuracy import draw_accuracy
from analysis.figures.curves import draw_curves
from analysis.figures.drawing import Drawing
from analysis.figures.seeds import draw_seeds
from analysis.tables.contents import Report

__all__ = ["Drawing", "draw_figures"]


def draw_figures(report: Report) -> tuple[Drawing, ...]:
    """Return accuracy against budget per workload, then learning curves and seeds per cell."""
    return (*draw_accuracy(report), *draw_curves(report), *draw_seeds(report))
