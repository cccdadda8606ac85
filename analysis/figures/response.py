"""Draw how each arm responds to the peak learning rate, with every draw and every divergence."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from analysis import wording
from analysis.figures.drawing import INK, ArmStyle, Drawing, add_title, arm_styles, label, label_axes, panel_grid, slug
from analysis.tables.contents import Report
from analysis.tables.rows import ResponseRow
from analysis.whereabouts import cell_title, on_cell

PEAK_LR = "peak_lr"


def draw_response(report: Report) -> tuple[Drawing, ...]:
    """Return one figure per cell in which peak_lr was searched: a panel per arm, on the same axes."""
    rows = [row for row in report.responses if row.dimension == PEAK_LR and row.values]
    cells = list(dict.fromkeys((row.workload, row.budget) for row in rows))
    return tuple(
        _draw(report, i, [row for row in rows if (row.workload, row.budget) == cell]) for i, cell in enumerate(cells)
    )


def _draw(report: Report, index: int, rows: Sequence[ResponseRow]) -> Drawing:
    design, styles = report.design, arm_styles(report.design)
    cell = cell_title(design, rows[0])
    with panel_grid(len(rows)) as (figure, grid):
        for axes, row in zip(grid, rows, strict=True):
            _plot(axes, row, styles[row.arm])
            name = f"{row.arm} (control)" if row.arm == design.control else row.arm
            axes.set_title(label(name), fontsize=11)
        _set_axes(grid[0], rows)
        crosses = " (× diverged)" if any(None in row.validation for row in rows) else ""
        label_axes(figure, grid, f"{PEAK_LR}{crosses}", "validation accuracy in %")
        add_title(figure, cell)
    return Drawing(
        name=f"response-{index}-{slug(cell)}",
        kind="response",
        title=f"Response to {PEAK_LR} {on_cell(design, rows[0])}",
        alt=_description(report, rows),
        figure=figure,
    )


def _plot(axes: Axes, row: ResponseRow, style: ArmStyle) -> None:
    if row.near_low is not None and row.near_high is not None:
        axes.axvspan(row.near_low, row.near_high, color=style.color, alpha=0.14, linewidth=0)
    drawn = [(x, 100 * y) for x, y in zip(row.values, row.validation, strict=True) if y is not None]
    many = len(row.values) > 100
    axes.plot(
        [x for x, _ in drawn],
        [y for _, y in drawn],
        linestyle="none",
        marker=style.marker,
        color=style.color,
        markersize=3 if many else 5,
        alpha=0.5 if many else 0.75,
        markeredgewidth=0,
    )
    if diverged := [x for x, y in zip(row.values, row.validation, strict=True) if y is None]:
        axes.plot(
            diverged,
            [0.04] * len(diverged),
            linestyle="none",
            marker="x",
            color=INK,
            markersize=4 if many else 5.5,
            markeredgewidth=1.2,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )


def _set_axes(axes: Axes, rows: Sequence[ResponseRow]) -> None:
    """Put a searched logarithm on a log axis, and leave room for the crosses below the lowest draw."""
    if all(row.scale == "log" for row in rows):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    ends = [end for row in rows for end in (row.space_low, row.space_high) if end is not None]
    if ends and max(ends) > min(ends):
        axes.set_xlim(min(ends), max(ends))
    known = [100 * value for row in rows for value in row.validation if value is not None]
    if not known:
        axes.set_ylim(0, 100)
        return
    height = max(max(known) - min(known), 0.2)
    room = 0.16 if any(None in row.validation for row in rows) else 0.06
    axes.set_ylim(min(known) - room * height, max(known) + 0.06 * height)


def _description(report: Report, rows: Sequence[ResponseRow]) -> str:
    regions = "; ".join(f"{row.arm}: {_region(row)}" for row in rows)
    margin = wording.margin(report.design.equivalence_margin)
    return (
        f"Validation accuracy of every draw against {PEAK_LR} {on_cell(report.design, rows[0])}, one panel per arm. "
        "Crosses at the bottom are draws that diverged. Shaded is where the running median is within "
        f"{margin} of its highest. {regions}."
    )


def _region(row: ResponseRow) -> str:
    diverged = sum(value is None for value in row.validation)
    ended = f", {diverged} of {len(row.values)} diverged" if diverged else ""
    if row.near_low is None or row.near_high is None:
        return f"no draw with an accuracy{ended}"
    return f"best at {row.best_value:.3g}, near it from {row.near_low:.3g} to {row.near_high:.3g}{ended}"
