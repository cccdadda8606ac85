"""Draw every seed as a dot, with the mean and its interval."""

from __future__ import annotations

from matplotlib.ticker import MaxNLocator

from analysis import wording
from analysis.figures.drawing import INK, Drawing, add_title, arm_styles, label, panel, slug
from analysis.tables.contents import Report
from analysis.tables.rows import ArmRow
from analysis.whereabouts import cell_title, on_cell


def draw_seeds(report: Report) -> tuple[Drawing, ...]:
    """Return one figure per cell: a line of dots per arm, diverged and missing runs beside its name."""
    cells = list(dict.fromkeys((row.workload, row.budget) for row in report.arms if row.n))
    return tuple(
        _draw(report, i, [row for row in report.arms if (row.workload, row.budget) == cell])
        for i, cell in enumerate(cells)
    )


def _draw(report: Report, index: int, rows: list[ArmRow]) -> Drawing:
    styles = arm_styles(report.design)
    cell, where = cell_title(report.design, rows[0]), on_cell(report.design, rows[0])
    with panel(5.6, 1.3 + 0.42 * len(rows)) as (figure, axes):
        for height, row in enumerate(rows):
            style = styles[row.arm]
            own = (
                seed
                for seed in report.seeds
                if (seed.workload, seed.budget, seed.arm) == (row.workload, row.budget, row.arm)
            )
            values = [100 * seed.test for seed in own if seed.test is not None]
            axes.plot(
                values,
                [height - 0.12] * len(values),
                linestyle="none",
                marker=style.marker,
                color=style.color,
                markerfacecolor=style.fill,
                markersize=5,
                alpha=0.65,
            )
            if row.mean is not None and row.ci_low is not None and row.ci_high is not None:
                axes.plot([100 * row.ci_low, 100 * row.ci_high], [height + 0.22] * 2, color=style.color, linewidth=2)
                axes.plot([100 * row.mean], [height + 0.22], marker="|", markersize=9, markeredgewidth=2, color=INK)
        axes.set_yticks(range(len(rows)), [_tick(row) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("test accuracy in %")
        add_title(figure, cell)
    counts = "; ".join(f"{row.arm}: {wording.percent(row.minimum)} to {wording.percent(row.maximum)} %" for row in rows)
    return Drawing(
        name=f"seeds-{index}-{slug(cell)}",
        kind="seeds",
        title=f"Every seed {where}",
        alt=f"Final test accuracy of every confirm run {where}. {counts}.",
        figure=figure,
    )


def _tick(row: ArmRow) -> str:
    absent = [f"{count} {word}" for count, word in ((row.diverged, "diverged"), (row.missing, "missing")) if count]
    return "\n".join([label(row.arm, 24), *([f"({', '.join(absent)})"] if absent else [])])
