"""Draw every difference to the control against the equivalence margin, with the interval that decides equivalence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from analysis import wording
from analysis.figures.drawing import INK, ArmStyle, Drawing, add_title, arm_styles, label, panel, slug
from analysis.tables.contents import Report
from analysis.tables.rows import ComparisonRow
from analysis.whereabouts import amount, at_budget, has_budgets, joined

# An interval of two or three seeds may be a hundred times as wide as what it is about; it is cut off at this many times
# the largest difference or the margin.
WIDEST_VIEW = 4.0
# Height of a row, and of the heading above the rows of a budget, in inches.
ROW_INCHES, HEADING_INCHES = 0.27, 0.34


def draw_effects(report: Report) -> tuple[Drawing, ...]:
    """Return one figure per workload: a line per budget and arm, its verdict at the right."""
    figures: list[Drawing] = []
    for workload in report.design.workloads:
        rows = [row for row in report.comparisons if row.workload == workload and row.difference is not None]
        if rows:
            figures.append(_draw(report, len(figures), rows))
    return tuple(figures)


def _draw(report: Report, index: int, rows: Sequence[ComparisonRow]) -> Drawing:
    design, styles, workload = report.design, arm_styles(report.design), rows[0].workload
    budgets = [(budget, list(members)) for budget, members in groupby(rows, lambda row: row.budget)]
    heading = HEADING_INCHES if has_budgets(design) else 0.0
    height = ROW_INCHES * len(rows) + heading * len(budgets)
    with panel(5.8, 1.75 + height) as (figure, axes):
        margin, reach = 100 * design.equivalence_margin, _reach(design.equivalence_margin, rows)
        axes.axvspan(-margin, margin, color=INK, alpha=0.1, linewidth=0)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_xlim(-reach, reach)
        depth, ticks = 0.0, {}
        for budget, members in budgets:
            depth += heading
            axes.annotate(
                amount(design, budget), (0, depth), (-4, 3), xycoords=axes.get_yaxis_transform(),
                textcoords="offset points", ha="right", va="bottom", fontsize=10, fontweight="bold",
            )  # fmt: skip
            for row in members:
                depth += ROW_INCHES
                ticks[depth - ROW_INCHES / 2] = label(row.arm, 24)
                _draw_row(axes, depth - ROW_INCHES / 2, row, styles[row.arm])
        axes.set_yticks(list(ticks), list(ticks.values()))
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(depth + 0.08, 0.05)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(f"difference to {label(design.control, 24)} in points")
        add_title(figure, workload)
        figure.legend(handles=_key(design.alpha, margin), loc="outside lower center", ncols=1, fontsize=10)
    return Drawing(
        name=f"effects-{index}-{slug(workload)}",
        kind="effects",
        title=f"Differences against the equivalence margin on {workload}",
        alt=_description(report, rows),
        figure=figure,
    )


def _reach(margin: float, rows: Sequence[ComparisonRow]) -> float:
    """Return how far the axis goes to either side, in points."""
    ends = [abs(end) for row in rows for end in (row.difference, row.ci_low, row.ci_high) if end is not None]
    centre = max(margin, *(abs(row.difference or 0.0) for row in rows))
    return 105 * max(margin * 1.1, min(max(ends), WIDEST_VIEW * centre))


def _draw_row(axes: Axes, y: float, row: ComparisonRow, style: ArmStyle) -> None:
    for low, high, width in (
        (row.ci_low, row.ci_high, 1.2),
        (row.equivalence_low, row.equivalence_high, 3.6),
    ):
        if low is not None and high is not None:
            axes.plot([100 * low, 100 * high], [y, y], color=style.color, linewidth=width, solid_capstyle="butt")
    axes.plot(
        [100 * (row.difference or 0.0)], [y], marker=style.marker, color=style.color, markersize=6.5,
        markerfacecolor=style.fill,
    )  # fmt: skip
    axes.annotate(
        "withheld" if row.withheld else row.verdict, (1, y), (4, 0), xycoords=axes.get_yaxis_transform(),
        textcoords="offset points", va="center", fontsize=10, fontstyle="italic" if row.withheld else "normal",
        annotation_clip=False,
    )  # fmt: skip


def _key(alpha: float, margin: float) -> list[Line2D | Patch]:
    thick, thin = wording.confidence(2 * alpha), wording.confidence(alpha)
    return [
        Line2D([], [], color=INK, linewidth=3.6, label=f"{thick} interval: equivalent where it lies in the band"),
        Line2D([], [], color=INK, linewidth=1.2, label=f"{thin} interval"),
        Patch(color=INK, alpha=0.1, linewidth=0, label=f"margin: ±{wording.counted(margin, 'point', 4)}"),
    ]


def _description(report: Report, rows: Sequence[ComparisonRow]) -> str:
    design = report.design
    by_budget = f", by budget in {design.budget_unit}" if has_budgets(design) else ""
    said = "; ".join(
        f"{joined(row.arm, at_budget(design, row.budget))} {wording.points(row.difference)}, "
        f"{'withheld' if row.withheld else row.verdict}"
        for row in rows
    )
    return (
        f"Difference of every arm to the control {design.control} on {rows[0].workload} in percentage "
        f"points{by_budget}, with the {wording.confidence(2 * design.alpha)} interval that decides "
        f"equivalence (thick), the {wording.confidence(design.alpha)} interval (thin) and the equivalence margin as a "
        f"band: {said}."
    )
