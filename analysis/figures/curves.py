"""Draw learning curves: mean test accuracy along training, with pointwise t bands."""

from __future__ import annotations

import numpy as np

from analysis import wording
from analysis.figures.drawing import Drawing, add_legend, add_title, arm_styles, label, panel, slug, staggered
from analysis.tables.contents import Report
from analysis.tables.rows import CurveRow
from analysis.whereabouts import cell_title, on_cell


def draw_curves(report: Report) -> tuple[Drawing, ...]:
    """Return one figure per cell that has evaluations."""
    cells = list(dict.fromkeys((row.workload, row.budget) for row in report.curves))
    return tuple(
        _draw(report, i, [row for row in report.curves if (row.workload, row.budget) == cell])
        for i, cell in enumerate(cells)
    )


def _draw(report: Report, index: int, rows: list[CurveRow]) -> Drawing:
    design, styles = report.design, arm_styles(report.design)
    cell, where = cell_title(design, rows[0]), on_cell(design, rows[0])
    with panel() as (figure, axes):
        for position, row in enumerate(rows):
            style = styles[row.arm]
            mean, low, high = (100 * np.array(v, dtype=np.float64) for v in (row.mean, row.ci_low, row.ci_high))
            axes.plot(
                row.updates,
                mean,
                label=label(row.arm),
                color=style.color,
                linestyle=style.line,
                linewidth=1.5,
                marker=style.marker,
                markerfacecolor=style.fill,
                markersize=5,
                markevery=staggered(position, len(rows), len(row.updates)),
            )
            axes.fill_between(row.updates, low, high, color=style.color, alpha=0.15, linewidth=0)
        for target in design.targets:
            axes.axhline(100 * target, linewidth=0.8, linestyle=(0, (1, 3)), color=styles[design.control].color)
        # An interval of two or three runs can reach far outside of what an accuracy can be.
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(bottom, 0), min(top, 101))
        axes.set_xlim(left=0)
        axes.set_xlabel("updates")
        axes.set_ylabel("test accuracy in %")
        add_title(figure, cell)
        add_legend(figure, axes)
    return Drawing(
        name=f"curves-{index}-{slug(cell)}",
        kind="curves",
        title=f"Learning curves {where}",
        alt=f"Mean test accuracy against updates {where}, "
        f"for {', '.join(row.arm for row in rows)}; "
        f"bands are {wording.confidence(design.alpha)} intervals of the mean, dotted lines the targets.",
        figure=figure,
    )
