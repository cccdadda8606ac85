"""Draw final accuracy against budget: the figure that carries the verdict."""

from __future__ import annotations

from collections.abc import Sequence

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
)
from analysis.tables.contents import Design, Report
from analysis.tables.rows import ArmRow, ComparisonRow
from analysis.whereabouts import at_budget, has_budgets, joined

# Arms are set this far apart, as a ratio of budgets, so that their error bars do not hide each other.
DODGE = 1.025


def draw_accuracy(report: Report) -> tuple[Drawing, ...]:
    """Return one figure per workload: accuracy, and difference to the control, against budget on a log axis."""
    return tuple(_draw(report, i, workload) for i, workload in enumerate(report.design.workloads))


def _draw(report: Report, index: int, workload: str) -> Drawing:
    design, styles = report.design, arm_styles(report.design)
    with stacked_panels() as (figure, upper, lower):
        for arm in design.arms:
            means = [r for r in report.arms if (r.workload, r.arm) == (workload, arm.name) and r.mean is not None]
            name = f"{arm.name} (control)" if arm.name == design.control else arm.name
            _plot(upper, design, means, styles[arm.name], label(name))
            gaps = [
                row
                for row in report.comparisons
                if (row.workload, row.arm) == (workload, arm.name) and row.difference is not None
            ]
            _plot(lower, design, gaps, styles[arm.name])
        margin = 100 * design.equivalence_margin
        lower.axhspan(-margin, margin, color=INK, alpha=0.1, linewidth=0)
        lower.axhline(0, color=INK, linewidth=1)
        label_budgets(lower, design)
        upper.set_ylabel("test accuracy in %")
        lower.set_ylabel("difference in points")
        add_title(figure, workload)
        figure.align_ylabels()
        add_legend(figure, upper)
    return Drawing(
        name=f"accuracy-{index}-{slug(workload)}",
        kind="accuracy",
        title=f"Test accuracy against budget on {workload}",
        alt=_description(report, workload),
        figure=figure,
    )


def label_budgets(axes: Axes, design: Design) -> None:
    """Put a tick at every budget of a log axis; none where no budget is recorded."""
    known = design.budgets if has_budgets(design) else ()
    axes.set_xscale("log")
    axes.set_xticks(list(known), [wording.number(budget) for budget in known])
    axes.set_xticks([], minor=True)
    if len(known) == 1:  # or else the distance between arms would be taken for one between budgets
        axes.set_xlim(known[0] / 2, known[0] * 2)
    if known:
        axes.set_xlabel(f"budget in {design.budget_unit} (each budget is a training of its own)")


def _plot(
    axes: Axes,
    design: Design,
    rows: Sequence[ArmRow] | Sequence[ComparisonRow],
    style: ArmStyle,
    legend: str | None = None,
) -> None:
    """Draw one arm, with intervals where it has them."""
    if not rows:
        return
    position = [arm.name for arm in design.arms].index(rows[0].arm) - (len(design.arms) - 1) / 2
    centres = [row.mean if isinstance(row, ArmRow) else row.difference for row in rows]
    axes.errorbar(
        [row.budget * DODGE**position for row in rows],
        [100 * (centre or 0.0) for centre in centres],
        yerr=[0.0 if row.ci_low is None or row.ci_high is None else 50 * (row.ci_high - row.ci_low) for row in rows],
        label=legend,
        color=style.color,
        linestyle=style.line,
        marker=style.marker,
        markerfacecolor=style.fill,
        markersize=5,
        linewidth=1.5,
        capsize=2.5,
    )


def _description(report: Report, workload: str) -> str:
    design = report.design
    means = "; ".join(
        joined(f"{row.arm} {wording.percent(row.mean, 1)} %", at_budget(design, row.budget))
        for row in report.arms
        if row.workload == workload
    )
    return (
        f"Two panels {f'against budget in {design.budget_unit} ' if has_budgets(design) else ''}on {workload}, with "
        f"{wording.confidence(design.alpha)} intervals. Above, mean test accuracy: {means}. Below, the differences "
        f"to the control {design.control}; the grey band is the equivalence margin."
    )
