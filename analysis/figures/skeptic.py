"""Draw the skeptic's curve: how many times as fast an arm is, by how much the baseline was tuned."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis import wording
from analysis.figures.drawing import ArmStyle, Drawing, add_legend, add_title, arm_styles, label, panel, slug
from analysis.figures.frontier import RATIO_LABEL, add_ratio_axis, draw_ratio, has_ratio, in_words
from analysis.tables.contents import Report
from analysis.tables.rows.speedups import SkepticRow
from analysis.whereabouts import amount, on_cell

# Arms are set this far apart, in categories, so that their error bars do not hide each other.
DODGE = 0.09

_Tuning = tuple[bool, int]


def draw_skeptic(report: Report) -> tuple[Drawing, ...]:
    """Return one figure per workload on which the baseline was tuned to more than one extent."""
    figures: list[Drawing] = []
    for workload in report.design.workloads:
        rows = [row for row in report.skeptic if row.workload == workload and has_ratio(row)]
        if len({_tuning(row) for row in rows}) > 1:
            figures.append(_draw(report, len(figures), rows))
    return tuple(figures)


def _tuning(row: SkepticRow) -> _Tuning:
    """Return what sorts the categories: as published first, then by draws."""
    return not row.as_published, row.draws or 0


def _draw(report: Report, index: int, rows: Sequence[SkepticRow]) -> Drawing:
    design, styles, workload = report.design, arm_styles(report.design), rows[0].workload
    categories = sorted({_tuning(row) for row in rows})
    arms = [arm.name for arm in design.arms if any(row.arm == arm.name for row in rows)]
    with panel(5.8, 4.2) as (figure, axes):
        add_ratio_axis(axes, rows)
        for position, name in enumerate(arms):
            offset = DODGE * (position - (len(arms) - 1) / 2)
            own = sorted((row for row in rows if row.arm == name), key=_tuning)
            _draw_arm(axes, [categories.index(_tuning(row)) + offset for row in own], own, styles[name])
        axes.set_xticks(range(len(categories)), [_tick(category) for category in categories])
        axes.set_xlim(-0.5, len(categories) - 0.5)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(f"draws by which {label(design.control, 20)} was tuned, per cell")
        axes.set_ylabel(RATIO_LABEL)
        add_title(figure, f"{label(workload, 28)}, {amount(design, rows[0].budget)}")
        add_legend(figure, axes)
    return Drawing(
        name=f"skeptic-{index}-{slug(workload)}",
        kind="skeptic",
        title=f"How much of the speed-up on {workload} comes from the baseline",
        alt=_description(report, rows),
        figure=figure,
    )


def _draw_arm(axes: Axes, places: Sequence[float], rows: Sequence[SkepticRow], style: ArmStyle) -> None:
    """Draw a line with a band over the numbers of draws; what was confirmed has bars."""
    bottom, top = axes.get_ylim()
    tuned = [(x, row) for x, row in zip(places, rows, strict=True) if not row.as_published]
    banded = [(x, row) for x, row in tuned if row.interval != "none"]
    lows, highs = [row.ci_low or bottom for _, row in banded], [row.ci_high or top for _, row in banded]
    axes.fill_between([x for x, _ in banded], lows, highs, color=style.color, alpha=0.1, linewidth=0)
    for edge in (lows, highs):
        axes.plot([x for x, _ in banded], edge, color=style.color, alpha=0.5, linewidth=0.8)
    axes.plot(
        [x for x, _ in tuned],
        [row.ratio or (top if row.beyond == "above" else bottom) for _, row in tuned],
        color=style.color,
        linestyle=style.line,
        linewidth=1.5,
    )
    for x, row in zip(places, rows, strict=True):
        draw_ratio(axes, x, row, style, bar=row.confirmed)
    axes.plot(
        [],
        [],
        label=label(rows[0].arm),
        color=style.color,
        linestyle=style.line,
        marker=style.marker,
        markerfacecolor=style.fill,
    )


def _tick(category: _Tuning) -> str:
    tuned, draws = category
    if not tuned:
        return "as\npublished"
    return str(draws) if draws else "as\ntuned"


def _description(report: Report, rows: Sequence[SkepticRow]) -> str:
    found = "; ".join(f"{row.arm} against {_words(row)} {in_words(row)}" for row in rows)
    return (
        f"How many times as fast each arm is at equal accuracy "
        f"{on_cell(report.design, rows[0])}, by how much the baseline {report.design.control} was "
        f"tuned, with {wording.confidence(report.design.alpha)} intervals and lines at 1, 2 and 8: {found}."
    )


def _words(row: SkepticRow) -> str:
    if row.as_published:
        return f"{row.baseline}, as published,"
    if row.draws == 1:
        return "a single draw"
    return f"the best of {row.draws} draws" if row.draws else f"{row.baseline} as tuned"
