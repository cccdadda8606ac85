"""Draw the share of runs at a target by update (Kaplan-Meier), with bands and the numbers still on their way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import wording
from analysis.figures.drawing import (
    ArmStyle,
    Drawing,
    add_legend,
    add_title,
    arm_styles,
    label,
    panel_column,
    slug,
)
from analysis.tables.contents import Report
from analysis.tables.rows.time_to_target import SurvivalCurveRow
from analysis.whereabouts import cell_title, on_cell

PANEL_INCHES = 2.4
# Of the table below a panel: its heading, and one line per arm.
HEADING_INCHES, LINE_INCHES = 0.3, 0.2
# Opacity of all bands of a panel together.
BAND_INK = 0.25


def draw_survival(report: Report) -> tuple[Drawing, ...]:
    """Return one figure per cell, with a panel per target that some run reaches."""
    by_cell: dict[tuple[str, float], list[SurvivalCurveRow]] = {}
    for row in report.survival_curves:
        by_cell.setdefault((row.workload, row.budget), []).append(row)
    reached = [rows for rows in by_cell.values() if any(row.hits for row in rows)]
    return tuple(_draw(report, i, rows) for i, rows in enumerate(reached))


def _draw(report: Report, index: int, rows: list[SurvivalCurveRow]) -> Drawing:
    design, styles = report.design, arm_styles(report.design)
    targets = sorted({row.target for row in rows if row.hits})
    cell, where = cell_title(design, rows[0]), on_cell(design, rows[0])
    num_arms = len({row.arm for row in rows})
    table_inches = HEADING_INCHES + LINE_INCHES * num_arms
    with panel_column([PANEL_INCHES, table_inches] * len(targets)) as (figure, panels):
        for target, upper, lower in zip(targets, panels[::2], panels[1::2], strict=True):
            own = [row for row in rows if row.target == target]
            ticks = _ticks(own[0].horizon_updates)
            for position, row in enumerate(own):
                # Where steps coincide, the markers of the arms drawn first show around the others.
                _plot(upper, row, styles[row.arm], BAND_INK / len(own), 4 + 1.3 * (len(own) - 1 - position))
            upper.set_title(f"share of runs that have reached {_percent(target)} %", fontsize=11, loc="left")
            upper.set_xlim(0, 1.02 * own[0].horizon_updates)
            upper.set_xticks(ticks)
            upper.set_ylim(-3, 103)
            upper.set_xlabel("updates", loc="right")
            upper.set_ylabel("runs in %")
            _write_waiting(lower, own, styles, ticks)
            lower.set_xlim(upper.get_xlim())
        add_title(figure, cell)
        _legend(figure, panels[0])
    return Drawing(
        name=f"survival-{index}-{slug(cell)}",
        kind="survival",
        title=f"Share of runs at each target {where}",
        alt=_description(report, rows, targets),
        figure=figure,
    )


def _plot(axes: Axes, row: SurvivalCurveRow, style: ArmStyle, opacity: float, size: float) -> None:
    """Draw one curve, with its band from the first hit on: before it, all bands would lie on each other."""
    updates = [*row.updates, max(row.horizon_updates, row.updates[-1])]
    share, low, high = (100 * np.array([*values, values[-1]]) for values in (row.at_target, row.low, row.high))
    axes.step(
        updates,
        share,
        where="post",
        label=label(row.arm),
        color=style.color,
        linestyle=style.line,
        linewidth=1.6,
        marker=style.marker,
        markerfacecolor=style.fill,
        markersize=size,
        markevery=[i for i, (before, after) in enumerate(pairwise(share), start=1) if after > before],
    )
    axes.fill_between(updates, low, high, where=share > 0, step="post", color=style.color, alpha=opacity, linewidth=0)


def _write_waiting(
    axes: Axes, rows: Sequence[SurvivalCurveRow], styles: dict[str, ArmStyle], ticks: Sequence[float]
) -> None:
    """Write below the ticks how many runs are not yet at the target; at the end of the budget, how many missed."""
    axes.set_ylim(len(rows) - 0.4, -1.3)
    axes.set_yticks(range(len(rows)), [label(row.arm, 14) for row in rows], fontsize=9)
    axes.set_xticks([])
    axes.tick_params(length=0, pad=14)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    for name, row in zip(axes.get_yticklabels(), rows, strict=True):
        name.set_color(styles[row.arm].color)
    for tick in ticks:
        for height, row in enumerate(rows):
            # Runs end at the horizon only, so that the share is a count.
            step = int(np.searchsorted(row.updates, tick, side="right")) - 1
            waiting = round(row.n * (1 - row.at_target[step]))
            axes.text(tick, height, str(waiting), ha="center", va="center", fontsize=9)
    axes.text(0, -0.9, "runs not yet there", ha="left", va="center", fontsize=9, style="italic")


def _ticks(horizon: float) -> list[float]:
    """Return round updates, and the end of the budget in place of the last that is near it."""
    even = [float(tick) for tick in MaxNLocator(5, integer=True).tick_values(0, horizon) if tick < horizon]
    step = even[1] - even[0] if len(even) > 1 else horizon
    return [*(tick for tick in even if tick <= horizon - 0.6 * step), horizon]


def _legend(figure: Figure, axes: Axes) -> None:
    if len(axes.get_legend_handles_labels()[0]) > 1:
        add_legend(figure, axes)


def _percent(target: float) -> str:
    return wording.number(100 * target, 4)


def _description(report: Report, rows: Sequence[SurvivalCurveRow], targets: Sequence[float]) -> str:
    shares = "; ".join(
        f"{_percent(target)} %: " + ", ".join(f"{r.arm} {r.hits} of {r.n}" for r in rows if r.target == target)
        for target in targets
    )
    unreached = sorted({row.target for row in rows} - set(targets))
    left_out = f" No run reaches {', '.join(f'{_percent(t)} %' for t in unreached)}." if unreached else ""
    return (
        f"Share of runs that have reached a target, against updates, with pointwise "
        f"{wording.confidence(report.design.alpha)} bands; below each panel the number of runs not yet there. "
        f"By the end of the budget: {shares}.{left_out}"
    )
