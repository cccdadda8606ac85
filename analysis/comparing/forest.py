"""Draw what two studies found for the same comparisons, one below the other."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis import wording
from analysis.comparing.values import Comparison, Effect, SharedCell
from analysis.figures.drawing import INK, PALETTE, Drawing, add_legend, add_title, label, panel, slug
from analysis.whereabouts import amount, at_budget, joined

# Height of a row, and how far below its middle the first study, the second and both together are drawn.
ROW = 0.46
FIRST, SECOND, BOTH = -0.24, 0.0, 0.24


def draw_forest(comparison: Comparison) -> tuple[Drawing, ...]:
    """Return one figure per workload: the difference to the control in both studies, and combined where it is."""
    cells = [cell for cell in comparison.cells if None not in (cell.first.difference, cell.second.difference)]
    workloads = list(dict.fromkeys(cell.workload for cell in cells))
    return tuple(
        _draw(comparison, index, [cell for cell in cells if cell.workload == workload])
        for index, workload in enumerate(workloads)
    )


def _draw(comparison: Comparison, index: int, cells: Sequence[SharedCell]) -> Drawing:
    workload = cells[0].workload
    with panel(5.8, 1.5 + ROW * len(cells)) as (figure, axes):
        axes.axvline(0, color=INK, linewidth=1)
        names = _names(comparison)
        for height, cell in enumerate(cells):
            _mark(axes, height + FIRST, _interval(cell.first), names[0], INK, "o")
            _mark(axes, height + SECOND, _interval(cell.second), names[1], PALETTE[1], "s")
            both = (cell.combined, cell.combined_low, cell.combined_high)
            _mark(axes, height + BOTH, both, "combined", PALETTE[0], "D")
        axes.grid(visible=False, axis="y")
        axes.set_yticks(range(len(cells)), [_tick(comparison, cell) for cell in cells])
        axes.set_ylim(len(cells) - 0.45, -0.55)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel("difference to the control in points")
        add_title(figure, workload)
        add_legend(figure, axes)
    return Drawing(
        name=f"forest-{index}-{slug(workload)}",
        kind="forest",
        title=f"Both studies on {workload}",
        alt=_description(comparison, cells),
        figure=figure,
    )


def _names(comparison: Comparison) -> tuple[str, str]:
    first, second = comparison.first.label, comparison.second.label
    return label(f"1: {first}"), label(f"2: {second}")


def _interval(effect: Effect) -> tuple[float | None, float | None, float | None]:
    return effect.difference, effect.ci_low, effect.ci_high


def _mark(
    axes: Axes,
    height: float,
    estimate: tuple[float | None, float | None, float | None],
    name: str,
    color: str,
    marker: str,
) -> None:
    """Draw an estimate with its interval, as far as it has them; only the first of a name is in the legend."""
    value, low, high = estimate
    if value is None:
        return
    known = axes.get_legend_handles_labels()[1]
    if low is not None and high is not None:
        axes.plot([100 * low, 100 * high], [height] * 2, color=color, linewidth=1.6)
    axes.plot(
        [100 * value],
        [height],
        marker=marker,
        markersize=5.5,
        color=color,
        linestyle="none",
        label=None if name in known else name,
    )


def _tick(comparison: Comparison, cell: SharedCell) -> str:
    return "\n".join(part for part in (label(cell.arm, 22), amount(comparison, cell.budget)) if part)


def _description(comparison: Comparison, cells: Sequence[SharedCell]) -> str:
    pairs = "; ".join(
        f"{joined(cell.arm, at_budget(comparison, cell.budget))} {wording.points(cell.first.difference)} then "
        f"{wording.points(cell.second.difference)}"
        for cell in cells
    )
    return (
        f"Difference to the control in percentage points on {cells[0].workload} in {comparison.first.label} and in "
        f"{comparison.second.label}, each with its interval, and combined where possible: {pairs}."
    )
