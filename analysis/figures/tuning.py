"""Draw tuning curves: what a search of n draws finds, each arm beside the control."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from analysis import wording
from analysis.figures.drawing import (
    ArmStyle,
    Drawing,
    add_legend,
    add_title,
    arm_styles,
    label,
    label_axes,
    panel_grid,
    slug,
)
from analysis.tables.contents import Report
from analysis.tables.rows import TuningCurveRow
from analysis.whereabouts import cell_title, on_cell

# How far down the panel goes below the lowest median, in heights of all medians.
DEPTH = 1.2


def draw_tuning(report: Report) -> tuple[Drawing, ...]:
    """Return one figure per cell in which an arm has several draws: a panel per arm, with the control in each."""
    cells = list(dict.fromkeys((row.workload, row.budget) for row in report.tuning_curves))
    by_cell = ([row for row in report.tuning_curves if (row.workload, row.budget) == cell] for cell in cells)
    shown = [rows for rows in by_cell if any(len(row.draws) > 1 and row.median[-1] is not None for row in rows)]
    return tuple(_draw(report, i, rows) for i, rows in enumerate(shown))


def _draw(report: Report, index: int, rows: Sequence[TuningCurveRow]) -> Drawing:
    design, styles = report.design, arm_styles(report.design)
    control = [row for row in rows if row.arm == design.control]
    groups = [[*control, row] for row in rows if row.arm != design.control] or [control]
    cell, where = cell_title(design, rows[0]), on_cell(design, rows[0])
    with panel_grid(len(groups)) as (figure, grid):
        for axes, group in zip(grid, groups, strict=True):
            for row in group:
                _plot(axes, row, styles[row.arm], label(f"{row.arm} (control)") if row in control else None)
            axes.set_title(label(group[-1].arm), fontsize=11)
        _set_limits(grid[0], rows)
        label_axes(figure, grid, "draws", "median best validation accuracy in %")
        add_title(figure, cell)
        if len(groups[0]) > 1:
            add_legend(figure, grid[0])
    return Drawing(
        name=f"tuning-{index}-{slug(cell)}",
        kind="tuning",
        title=f"Tuning curves {where}",
        alt=_description(report, rows),
        figure=figure,
    )


def _plot(axes: Axes, row: TuningCurveRow, style: ArmStyle, legend: str | None) -> None:
    if row.median[-1] is None:
        most = "every draw diverged" if row.diverged == row.tried else "nearly every draw diverged"
        axes.text(0.5, 0.12, most, ha="center", transform=axes.transAxes)
        return
    median, low, high = (100 * np.array(v, dtype=np.float64) for v in (row.median, row.low, row.high))
    axes.plot(
        row.draws,
        median,
        label=legend,
        color=style.color,
        linestyle=style.line,
        linewidth=1.8,
        marker=style.marker if len(row.draws) < 3 else "",
        markersize=5,
    )
    # Where there is no bound the band goes on to the edge of the panel.
    band = np.where(np.isnan(low), -100, low), np.where(np.isnan(high), 300, high)
    axes.fill_between(row.draws, *band, color=style.color, alpha=0.14, linewidth=0)
    for edge in (low, high):
        axes.plot(row.draws, edge, color=style.color, linewidth=0.6, alpha=0.7)


def _set_limits(axes: Axes, rows: Sequence[TuningCurveRow]) -> None:
    """Show every median; bands may go on above and below the panel, so that the curves are not squeezed."""
    medians = [100 * value for row in rows for value in row.median if value is not None]
    bounds = [100 * value for row in rows for value in (*row.low, *row.high) if value is not None]
    height = max(max(medians) - min(medians), 0.2)
    bottom = max(min([*bounds, *medians]), min(medians) - DEPTH * height)
    top = min(max([*bounds, *medians]), max(medians) + height)
    axes.set_ylim(bottom - 0.08 * height, top + 0.08 * height)
    most = max(row.draws[-1] for row in rows)
    axes.set_xscale("log", base=2)
    axes.set_xlim(1, most)
    ticks = [2**power for power in range(most.bit_length()) if 2**power <= most]
    ticks = ticks[:: max(1, len(ticks) // 5)]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)


def _description(report: Report, rows: Sequence[TuningCurveRow]) -> str:
    ends = "; ".join(
        f"{row.arm} from {_reached(row.median[0])} with one draw to {_reached(row.median[-1])} with {row.draws[-1]}"
        for row in rows
    )
    return (
        f"Median best validation accuracy against the number of draws {on_cell(report.design, rows[0])}, one panel per "
        f"arm, with the control {report.design.control} in each. {ends}. Bands hold for all numbers of draws at once "
        f"at {wording.confidence(report.design.alpha)}; where a band reaches the edge, the draws set no bound."
    )


def _reached(median: float | None) -> str:
    return "a diverged draw" if median is None else f"{wording.percent(median, 1)} %"
