"""Draw performance profiles: on how large a share of the workloads an arm is within a factor of the fastest."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.ticker import NullFormatter, NullLocator

from analysis import wording
from analysis.figures.drawing import INK, Drawing, add_legend, add_title, arm_styles, label, panel
from analysis.statistics.profiles import LARGEST_RATIO
from analysis.tables.contents import Report
from analysis.tables.rows import ProfileRow
from analysis.whereabouts import amount

# Profiles that coincide are set apart by this share of the workloads, so that none hides another.
DODGE = 0.008
# Beyond this factor an arm is drawn as if it missed; the row has the number.
LARGEST_DRAWN = 16.0


def draw_profiles(report: Report) -> tuple[Drawing, ...]:
    """Return one figure for each workload's own target, or else one for every target that somebody reaches."""
    rows = report.performance_profiles
    targets = list(dict.fromkeys(row.target for row in rows))
    chosen = [None] if None in targets else [t for t in targets if any(r.target == t and max(r.rho) > 0 for r in rows)]
    return tuple(_draw(report, i, [row for row in rows if row.target == target]) for i, target in enumerate(chosen))


def _draw(report: Report, index: int, rows: Sequence[ProfileRow]) -> Drawing:
    styles = arm_styles(report.design)
    last = min(max(max(row.tau) for row in rows), LARGEST_DRAWN)
    right = 1.08 * max(last, LARGEST_RATIO)
    with panel() as (figure, axes):
        axes.axvline(LARGEST_RATIO, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
        for position, row in enumerate(rows):
            style = styles[row.arm]
            offset = DODGE * (position - (len(rows) - 1) / 2)
            axes.step(
                [*row.tau, max(right, row.tau[-1])],
                [share + offset for share in (*row.rho, row.rho[-1])],
                where="post",
                label=label(row.arm),
                color=style.color,
                linestyle=style.line,
                linewidth=1.8,
            )
        axes.set_xscale("log")
        ticks = [tick for tick in (1, 1.5, 2, 3, 4, 6, 8, 12, 16) if tick <= right]
        axes.set_xticks(ticks, [wording.number(tick) for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(1 / 1.03, right)
        axes.set_ylim(-0.04, 1.04)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
        axes.set_xlabel("time to target, as a multiple of the fastest arm's")
        axes.set_ylabel("workloads in %")
        add_title(figure, _title(report, rows[0]))
        add_legend(figure, axes)
    return Drawing(
        name=f"profiles-{index}",
        kind="profiles",
        title=_title(report, rows[0]),
        alt=_description(report, rows),
        figure=figure,
    )


def _title(report: Report, row: ProfileRow) -> str:
    target = "" if row.target is None else f"target {wording.number(100 * row.target, 4)} %"
    return ", ".join(filter(None, ("Performance profiles", amount(report.design, row.budget), target)))


def _description(report: Report, rows: Sequence[ProfileRow]) -> str:
    ends = "; ".join(f"{row.arm} {_share(row, 1)} and {_share(row, LARGEST_RATIO)}" for row in rows)
    return (
        f"Share of {len(report.design.workloads)} workloads on which an arm's time to target is at most a multiple of "
        f"the fastest arm's, against the multiple. At 1, the fastest itself, and at {wording.number(LARGEST_RATIO)}, "
        f"where the score ends: {ends}."
    )


def _share(row: ProfileRow, factor: float) -> str:
    reached = [share for tau, share in zip(row.tau, row.rho, strict=True) if tau <= factor]
    return f"{wording.percent(max(reached, default=0.0), 0)} %"
