"""Draw how long it takes to reach accuracies, and how many runs do, over a grid of targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from analysis import wording
from analysis.figures.drawing import (
    INK,
    ArmStyle,
    Drawing,
    add_legend,
    add_title,
    arm_styles,
    label,
    slug,
    stacked_panels,
    staggered,
)
from analysis.statistics.arrays import FloatArray
from analysis.tables.contents import Report
from analysis.tables.rows.time_to_target import TargetGridRow
from analysis.whereabouts import cell_title, on_cell


def draw_target_grid(report: Report) -> tuple[Drawing, ...]:
    """Return one figure per cell: median time above, share of runs below, against the accuracy to be reached."""
    by_cell: dict[tuple[str, float], list[TargetGridRow]] = {}
    for row in report.target_grid:
        by_cell.setdefault((row.workload, row.budget), []).append(row)
    return tuple(_draw(report, i, rows) for i, rows in enumerate(by_cell.values()))


def _draw(report: Report, index: int, rows: Sequence[TargetGridRow]) -> Drawing:
    design, styles = report.design, arm_styles(report.design)
    cell, where = cell_title(design, rows[0]), on_cell(design, rows[0])
    accuracies = 100 * np.array(rows[0].accuracies)
    with stacked_panels() as (figure, upper, lower):
        for position, row in enumerate(rows):
            own = staggered(position, len(rows), len(accuracies))
            _plot((upper, lower), accuracies, row, styles[row.arm], own)
        for target in design.targets:
            if accuracies[0] <= 100 * target <= accuracies[-1]:
                for axes in (upper, lower):
                    axes.axvline(100 * target, linewidth=0.9, linestyle=(0, (1, 3)), color=INK)
        upper.set_ylim(bottom=0)
        upper.set_ylabel("median updates to get there")
        lower.set_ylim(-4, 104)
        lower.set_ylabel("runs that do in %")
        lower.set_xlabel("accuracy to be reached in %")
        add_title(figure, cell)
        figure.align_ylabels()
        add_legend(figure, upper)
    return Drawing(
        name=f"target_grid-{index}-{slug(cell)}",
        kind="target_grid",
        title=f"Time to many targets {where}",
        alt=_description(rows, where),
        figure=figure,
    )


def _plot(
    panels: tuple[Axes, Axes], accuracies: FloatArray, row: TargetGridRow, style: ArmStyle, marked: list[int]
) -> None:
    medians = np.array(row.median_updates, dtype=np.float64)
    shares = 100 * np.array(row.hits) / row.n
    ends = np.flatnonzero(np.isfinite(medians))[-1:].tolist()
    for axes, values, at in zip(panels, (medians, shares), ([*marked, *ends], marked), strict=True):
        axes.plot(
            accuracies,
            values,
            label=label(row.arm),
            color=style.color,
            linestyle=style.line,
            linewidth=1.6,
            marker=style.marker,
            markerfacecolor=style.fill,
            markersize=5,
            markevery=sorted(set(at)),
        )


def _description(rows: Sequence[TargetGridRow], where: str) -> str:
    ends = []
    for row in rows:
        known = [a for a, median in zip(row.accuracies, row.median_updates, strict=True) if median is not None]
        ends.append(f"{row.arm} {wording.percent(known[-1], 1)} %" if known else f"{row.arm} none of them")
    low, high = (wording.percent(rows[0].accuracies[i], 1) for i in (0, -1))
    return (
        f"Two panels against the accuracy to be reached {where}, from {low} to {high} %. Above, the median updates "
        f"to get there, up to the accuracy that the median run still reaches: {', '.join(ends)}. Below, the share of "
        "runs that do. Dotted lines are the targets of the study."
    )
