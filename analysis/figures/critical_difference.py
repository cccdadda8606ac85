"""Draw critical-difference diagrams: average ranks on a line, with bars over arms that are not told apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from analysis import wording
from analysis.figures.drawing import INK, ArmStyle, Drawing, add_title, arm_styles, label, panel, slug
from analysis.tables.contents import Report
from analysis.tables.rows import RankRow, RankTestRow
from analysis.whereabouts import amount

MOST_CHARACTERS = 18
BAR_GAP, NAME_GAP = 0.55, 1.0


def draw_critical_differences(report: Report) -> tuple[Drawing, ...]:
    """Return one diagram per budget whose ranks may be grouped: with at least 6 workloads and no verdict withheld."""
    tests = [test for test in report.rank_tests if test.critical_difference is not None and not test.withheld]
    return tuple(_draw(report, test) for test in tests)


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """Where a rank lies on the line; names stand left and right of it, in shares of the width."""

    arms: int
    left: float

    @property
    def right(self) -> float:
        return 1 - self.left

    def __call__(self, rank: float) -> float:
        return self.left + (self.right - self.left) * (rank - 1) / (self.arms - 1)


def _draw(report: Report, test: RankTestRow) -> Drawing:
    rows = sorted(_ranked(report, test.budget), key=lambda row: row.average_rank or 0.0)
    longest = min(max(len(row.arm) for row in rows), MOST_CHARACTERS)
    scale, styles = _Scale(arms=test.arms, left=max(0.1 + 0.0117 * longest, 0.2)), arm_styles(report.design)
    half = (len(rows) + 1) // 2
    bottom = -(0.9 + BAR_GAP * len(test.groups) + NAME_GAP * half)
    with panel(5.8, 0.9 + 0.26 * (2.6 - bottom)) as (figure, axes):
        axes.axis("off")
        axes.set_xlim(0, 1)
        axes.set_ylim(bottom, 2.6)
        _draw_axis(axes, scale, test.critical_difference or 0.0)
        _draw_groups(axes, scale, test, {row.arm: row.average_rank or 0.0 for row in rows})
        top = -(0.6 + BAR_GAP * len(test.groups))
        for row, name_height, side in _places(rows, half, top):
            _draw_arm(axes, scale, name_height, side, row, styles[row.arm])
        add_title(figure, _title(report, test))
    return Drawing(
        name=f"ranks-{slug(wording.number(test.budget))}",
        kind="ranks",
        title=_title(report, test),
        alt=_description(test, rows),
        figure=figure,
    )


def _ranked(report: Report, budget: float) -> list[RankRow]:
    return [row for row in report.average_ranks if row.budget == budget and row.average_rank is not None]


def _draw_axis(axes: Axes, scale: _Scale, difference: float) -> None:
    axes.plot([scale.left, scale.right], [0, 0], color=INK, linewidth=1.2)
    for rank in range(1, scale.arms + 1):
        axes.plot([scale(rank)] * 2, [0, 0.22], color=INK, linewidth=1.2)
    # From 8 arms on numbers at every tick would touch each other.
    for rank in range(1, scale.arms + 1, 1 if scale.arms < 8 else 2):
        axes.text(scale(rank), 0.4, str(rank), ha="center", va="bottom", fontsize=10)
    axes.text(scale.left - 0.03, 0.4, "average rank", ha="right", va="bottom", fontsize=10)
    # A critical difference can be longer than the line, which it then leaves on the right.
    start, end = scale.left, min(scale(1 + difference), 1.0)
    axes.plot([start, start, start, end, end, end], [1.65, 1.95, 1.8, 1.8, 1.65, 1.95], color=INK, linewidth=1.2)
    axes.text(start, 2.05, f"critical difference {difference:.2f}", ha="left", va="bottom", fontsize=10)


def _draw_groups(axes: Axes, scale: _Scale, test: RankTestRow, ranks: Mapping[str, float]) -> None:
    for level, group in enumerate(test.groups):
        ends = [scale(rank) for rank in (min(ranks[arm] for arm in group), max(ranks[arm] for arm in group))]
        height = -0.5 - BAR_GAP * level
        axes.plot(
            [ends[0] - 0.008, ends[1] + 0.008], [height] * 2, color=INK, linewidth=4, solid_capstyle="butt", zorder=3
        )


def _places(rows: Sequence[RankRow], half: int, top: float) -> Iterator[tuple[RankRow, float, str]]:
    """Yield each arm with the height and side of its name: the better half on the left, lines never crossing."""
    for index, row in enumerate(rows[:half]):
        yield row, top - NAME_GAP * (index + 0.5), "left"
    for index, row in enumerate(reversed(rows[half:])):
        yield row, top - NAME_GAP * (index + 0.5), "right"


def _draw_arm(axes: Axes, scale: _Scale, height: float, side: str, row: RankRow, style: ArmStyle) -> None:
    x = scale(row.average_rank or 0.0)
    end = scale.left - 0.02 if side == "left" else scale.right + 0.02
    axes.plot([x, x, end], [0, height, height], color=style.color, linewidth=1.1)
    axes.plot([x], [0], marker=style.marker, color=style.color, markerfacecolor=style.fill, markersize=6, zorder=4)
    name, rank = label(row.arm, MOST_CHARACTERS), f"{row.average_rank:.2f}"
    text = f"{name}  {rank}" if side == "left" else f"{rank}  {name}"
    outside, align = (end - 0.01, "right") if side == "left" else (end + 0.01, "left")
    axes.text(outside, height, text, ha=align, va="center", fontsize=10)


def _title(report: Report, test: RankTestRow) -> str:
    return ", ".join(filter(None, (f"Ranks over {test.blocks} workloads", amount(report.design, test.budget))))


def _description(test: RankTestRow, rows: Sequence[RankRow]) -> str:
    ranks = "; ".join(f"{row.arm} {row.average_rank:.2f}" for row in rows)
    groups = "; ".join(", ".join(group) for group in test.groups) or "none"
    return (
        f"Average ranks in test accuracy over {test.blocks} workloads, 1 is best: {ranks}. Critical difference "
        f"{test.critical_difference:.2f}. Bars join arms that are not told apart: {groups}."
    )
