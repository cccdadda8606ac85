"""Draw the speed-up frontier: accuracy against budget, and how many times as fast each arm is as the control."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, NullLocator

from analysis import wording
from analysis.figures.accuracy import label_budgets
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
)
from analysis.statistics.budget_curves import interpolate
from analysis.statistics.frontier import TESTED_RATIOS
from analysis.tables.contents import Report
from analysis.tables.rows import ArmRow
from analysis.tables.rows.speedups import SkepticRow, SpeedUpRow

# Arms are set this far apart, as a ratio of budgets, so that their error bars do not hide each other.
DODGE = 1.05
RATIO_LABEL = "times as fast"
_TICKS = tuple(2.0**power for power in range(-10, 11))
_FEW_TICKS = (1 / 1024, 1 / 256, 1 / 64, 1 / 16, 1 / 4, 1, 2, 8, 32, 128, 512)


def draw_frontier(report: Report) -> tuple[Drawing, ...]:
    """Return one figure per workload on which a ratio of budgets was estimated."""
    drawn = [name for name in report.design.workloads if _rows(report, name)]
    return tuple(_draw(report, i, workload) for i, workload in enumerate(drawn))


def has_ratio(row: SpeedUpRow | SkepticRow) -> bool:
    """Say whether anything is known about the ratio of a row."""
    return row.ratio is not None or row.beyond is not None


def _rows(report: Report, workload: str) -> list[SpeedUpRow]:
    return [row for row in report.speed_ups if row.workload == workload and has_ratio(row)]


def _contenders(report: Report) -> list[str]:
    """Return the tuned arms, or where none but the control is, all others: an untuned arm can be many times slower."""
    others = [arm for arm in report.design.arms if arm.name != report.design.control]
    return [arm.name for arm in others if not arm.as_published] or [arm.name for arm in others]


def _draw(report: Report, index: int, workload: str) -> Drawing:
    design, styles = report.design, arm_styles(report.design)
    others = _contenders(report)
    rows = [row for row in _rows(report, workload) if row.arm in others]
    with stacked_panels() as (figure, upper, lower):
        for arm in design.arms:
            name = f"{arm.name} (control)" if arm.name == design.control else arm.name
            means = [r for r in report.arms if (r.workload, r.arm) == (workload, arm.name) and r.mean is not None]
            _draw_accuracy(upper, means, styles[arm.name], label(name))
        add_ratio_axis(lower, rows)
        for position, name in enumerate(others):
            for row in (row for row in rows if row.arm == name):
                offset = DODGE ** (position - (len(others) - 1) / 2)
                draw_ratio(lower, row.budget * offset, row, styles[name])
        label_budgets(lower, design)
        upper.set_ylabel("test accuracy in %")
        lower.set_ylabel(RATIO_LABEL)
        add_title(figure, workload)
        figure.align_ylabels()
        add_legend(figure, upper)
    return Drawing(
        name=f"frontier-{index}-{slug(workload)}",
        kind="frontier",
        title=f"Speed-up frontier on {workload}",
        alt=_description(report, workload, rows),
        figure=figure,
    )


def _draw_accuracy(axes: Axes, rows: Sequence[ArmRow], style: ArmStyle, legend: str) -> None:
    """Draw the means of one arm with their intervals, and the monotone curve through them."""
    if not rows:
        return
    ordered = sorted(rows, key=lambda row: row.budget)
    budgets = np.array([row.budget for row in ordered], dtype=np.float64)
    means = 100 * np.array([row.mean for row in ordered], dtype=np.float64)
    at = np.geomspace(budgets[0], budgets[-1], 97)
    curve = interpolate(np.log(budgets), means[:, np.newaxis], np.clip(np.log(at), *np.log(budgets[[0, -1]])))
    axes.plot(at, curve[:, 0], color=style.color, linestyle=style.line, linewidth=1.5)
    axes.errorbar(
        budgets,
        means,
        yerr=[0.0 if r.ci_low is None or r.ci_high is None else 50 * (r.ci_high - r.ci_low) for r in ordered],
        color=style.color,
        linestyle="none",
        marker=style.marker,
        markerfacecolor=style.fill,
        markersize=5,
        elinewidth=1.5,
        capsize=2.5,
    )
    axes.plot(
        [], [], label=legend, color=style.color, linestyle=style.line, marker=style.marker, markerfacecolor=style.fill
    )


def add_ratio_axis(axes: Axes, rows: Iterable[SpeedUpRow | SkepticRow]) -> None:
    """Give the axes a logarithmic scale of ratios that holds every row, and lines at those of 1, 2 and 8 in range."""
    known = [1.0, *(v for row in rows for v in (row.ratio, row.ci_low, row.ci_high) if v is not None)]
    # At least from a half to two, so that noise about 1 is not blown up; room above and below for arrows.
    low, high = min(*known, 0.6) / 1.25, max(*known, 1.7) * 1.25
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    ticks = [tick for tick in (_TICKS if high / low < 100 else _FEW_TICKS) if low <= tick <= high]
    axes.set_yticks(ticks, [_tick(tick) for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    for tested in TESTED_RATIOS:
        if low <= tested <= high:
            dotted = (0, (1, 3))
            axes.axhline(tested, color=INK, linewidth=1, linestyle="-" if tested == 1 else dotted, zorder=0.9)


def draw_ratio(axes: Axes, x: float, row: SpeedUpRow | SkepticRow, style: ArmStyle, *, bar: bool = True) -> None:
    """Draw one ratio with its interval; an end that is open is an arrow to the edge of the axes."""
    bottom, top = axes.get_ylim()
    if row.interval != "none":
        low, high = row.ci_low or bottom, row.ci_high or top
        if bar:
            axes.plot([x, x], [low, high], color=style.color, linewidth=1.5)
            caps = [end for end in (row.ci_low, row.ci_high) if end is not None]
            axes.plot([x] * len(caps), caps, color=style.color, linestyle="none", marker="_", markersize=6)
        for end, edge, tail in ((row.ci_low, bottom, 1.25), (row.ci_high, top, 0.8)):
            if end is None:
                arrow = {"arrowstyle": "->", "color": style.color, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
                axes.annotate("", xy=(x, edge), xytext=(x, edge * tail), arrowprops=arrow)
    if row.ratio is not None:
        axes.plot([x], [row.ratio], color=style.color, marker=style.marker, markerfacecolor=style.fill, markersize=5.5)


def in_words(row: SpeedUpRow | SkepticRow) -> str:
    """Write the ratio of a row with its interval."""
    return wording.times_with_interval(row.ratio, row.ci_low, row.ci_high, row.interval)


def _tick(ratio: float) -> str:
    """Write a tick of the axis of ratios: ``8``, ``0.5``, ``1/16``."""
    return wording.number(ratio, 2) if ratio >= 0.25 else f"1/{wording.number(1 / ratio, 2)}"


def _description(report: Report, workload: str, rows: Sequence[SpeedUpRow]) -> str:
    found = "; ".join(f"{row.arm} {in_words(row)} at {wording.number(row.budget)}" for row in rows)
    return (
        f"Two panels against budget in {report.design.budget_unit} on {workload}, with "
        f"{wording.confidence(report.design.alpha)} intervals. Above, mean test accuracy and the curves through it. "
        f"Below, how many times as fast each arm is as the control {report.design.control} at equal accuracy, with "
        f"lines at 1, 2 and 8: {found}."
    )
