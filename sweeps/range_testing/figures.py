"""Draw what range tests have shown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from analysis.figures.drawing import INK, PALETTE, Drawing, add_title, label, panel, panel_column, slug
from sweeps.range_testing.proposal import Range
from sweeps.range_testing.running import RangeResult

Line = tuple[Sequence[float], Sequence[float]]
_MARGIN = 2.0  # beyond the highest rate that any seed has reached
_CAVEAT = (
    "Assumes plain SGD, without momentum and weight decay. Where it follows the\n"
    "dashed line, it has seen the noise of batches and not the curvature."
)
_LOSS, _ACCURACY, _NOISE = PALETTE[0], PALETTE[1], PALETTE[2]


def draw_range_test(result: RangeResult, proposed: Range | None) -> Drawing:
    """Draw loss and accuracy against the rate, and below them what each rule suggests.

    Thin lines are single seeds; the thick one is their median, the band their range, as far as all of them still train:
    beyond, those that are left would speak for the others.
    """
    losses = [(curve.smoothed_rates, curve.smoothed_losses) for curve in result.curves]
    accuracies = [(c.evaluated_rates, [100 * a for a in c.accuracies]) for c in result.curves]
    reached = max((rate for curve in result.curves for rate in curve.rates), default=0.0)
    right = min(result.test.high, _MARGIN * reached) if reached > result.test.low else result.test.high
    with panel_column((2.3, 2.0, 1.5), width_inches=6.2) as (figure, (above, middle, below)):
        _draw_lines(above, losses, _LOSS)
        above.set_ylabel("training loss")
        above.set_ylim(0, 1.25 * max((loss[0] for _, loss in losses if loss), default=1.0))
        _draw_lines(middle, accuracies, _ACCURACY)
        middle.set_ylabel("validation accuracy\nin %")
        middle.set_ylim(bottom=0)
        _draw_suggestions(below, result)
        for axes in (above, middle, below):
            if result.test.shape == "exponential":
                axes.set_xscale("log")
            axes.set_xlim(result.test.low, right)
            if proposed is not None:
                axes.axvspan(proposed.low, proposed.high, color=INK, alpha=0.06, linewidth=0)
        below.set_xlabel("learning rate")
        figure.align_ylabels([above, middle])
        add_title(figure, f"Range test of {result.workload}")
    return Drawing(
        name=f"range-test-{slug(result.workload)}",
        title=f"Range test of {result.workload}",
        alt=f"Smoothed training loss and validation accuracy of {result.workload} against the learning rate, for "
        f"{len(result.curves)} seeds with their median and range; below, what each rule suggests. Shaded: proposed.",
        figure=figure,
    )


def _draw_lines(axes: Axes, lines: Sequence[Line], color: str) -> None:
    for x, y in lines:
        axes.plot(x, y, color=color, linewidth=0.7, alpha=0.45)
    x, *bounds = over_seeds(lines, (statistics.median, min, max))
    axes.plot(x, bounds[0], color=color, linewidth=2)
    axes.fill_between(x, bounds[1], bounds[2], color=color, alpha=0.15, linewidth=0)


def over_seeds(
    lines: Sequence[Line], summaries: Sequence[Callable[[Sequence[float]], float]]
) -> tuple[Sequence[float], ...]:
    """Summarise lines on one x axis, as far as all of them go.

    Args:
        lines: x and y of each; the x of one is a beginning of the x of another.
        summaries: what to say of the values at one x.

    Returns:
        x, and then for each summary its values.
    """
    length = min(len(x) for x, _ in lines)
    columns = list(zip(*(y[:length] for _, y in lines), strict=True))
    return lines[0][0][:length], *([summary(column) for column in columns] for summary in summaries)


def _draw_suggestions(axes: Axes, result: RangeResult) -> None:
    names = list(result.suggestions)
    for place, name in enumerate(names):
        rates = [rate for rate in result.suggestions[name] if rate is not None]
        if rates:
            axes.plot([min(rates), max(rates)], [place, place], color=INK, linewidth=1)
            axes.plot(rates, [place] * len(rates), linestyle="", marker="|", color=INK, markersize=9)
            axes.plot(statistics.median(rates), place, marker="o", color=INK, markersize=5)
        else:
            axes.text(0.5, place, "no suggestion", transform=axes.get_yaxis_transform(), ha="center", va="center")
    axes.set_yticks(range(len(names)), [label(name.replace("_", " ")) for name in names], fontsize=9)
    axes.set_ylim(len(names) - 0.5, -0.5)


def draw_estimates(result: RangeResult) -> Drawing:
    """Draw the estimated optimal rate along the trainings, beside the rate that was used and what noise alone gives."""
    lines = [([e.update for e in es], [e.average for e in es]) for es in result.estimates if es]
    used = max(result.estimates, key=len)
    with panel(6.2, 3.9) as (figure, axes):
        _draw_lines(axes, lines, _ACCURACY)
        axes.plot([], [], color=_ACCURACY, linewidth=2, label="estimate, median and range over seeds")
        updates = [e.update for e in used]
        axes.plot(updates, [e.rate for e in used], color=INK, linewidth=1.5, label="rate used")
        axes.plot(
            updates,
            [e.noise for e in used],
            color=_NOISE,
            linestyle="--",
            linewidth=1.2,
            label="what noise alone would give",
        )
        axes.set_yscale("log")
        axes.set_xlim(left=0)
        axes.set_xlabel("updates")
        axes.set_title(_CAVEAT, fontsize=9, loc="left")
        axes.set_ylabel("learning rate")
        axes.legend(fontsize=9)
        add_title(figure, f"Estimated optimal rate, {result.workload}")
    return Drawing(
        name=f"curvature-{slug(result.workload)}",
        title=f"Estimated optimal rate, {result.workload}",
        alt=f"Hessian-free estimate of the optimal learning rate of {result.workload} along training, with the rate "
        "that was used, and with what the noise of batches alone would give.",
        figure=figure,
    )
