"""Show how soon the arms reach the targets: sentences, tables, figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TypeVar

import numpy as np

from analysis import wording
from analysis.rendering.section import MOST_SENTENCES, Section
from analysis.rendering.text_table import TextTable, cell_table
from analysis.tables.contents import Report
from analysis.tables.rows.time_to_target import TargetComparisonRow, TimeToTargetRow
from analysis.whereabouts import capital, joined, where

Key = tuple[str, float, str, float]
AnyRow = TypeVar("AnyRow", TimeToTargetRow, TargetComparisonRow)
MEANS_CAPTION = (
    "mean time below the target up to the end of the budget (restricted mean; a miss counts as all of it) with Student "
    "t interval over seeds; updates of all runs per hit (expected running time, ERT); and the gap between a hit and "
    "the evaluation before, as a share of the time, median over hits."
)


def time_to_target(report: Report) -> Section:
    """Say how soon the targets are reached, and how soon against the control."""
    return Section(
        title="Time to target",
        note="To the first evaluation at or above the target. A run that never gets there, or that diverges, is a miss "
        "and counts as later than any other in the median; a dash means that the median run missed. Sustained runs "
        "stay there to the end. Targets that no run of a cell reached are left out.",
        sentences=_sentences(report),
        tables=(hits_table(report), comparisons_table(report)),
        open=True,
    )


def time_to_target_details(report: Report) -> Section:
    """Show the whole distribution of times, and other targets than those of the study."""
    return Section(
        title="Time to target in detail",
        note="First the share of runs at each target by update (Kaplan-Meier) with pointwise bands, drawn from the "
        "first hit on, and below it the number of runs that are not there yet. Then the time to other accuracies: "
        "these were chosen after the fact, so nothing is tested along them; dotted lines are the targets of the study. "
        f"In the table: {MEANS_CAPTION} Runs of replicated searches that share a seed count as one in every interval "
        "and test.",
        figures=("survival", "target_grid"),
        tables=(means_table(report),),
    )


def _sentences(report: Report) -> tuple[str, ...]:
    """Return one sentence or two per tuned arm and target, and one on how well times are known."""
    arms = [arm.name for arm in report.design.arms if not arm.as_published and arm.name != report.design.control]
    times = {(row.workload, row.budget, row.arm, row.target): row for row in report.time_to_target}
    by_pair = [
        rows
        for pair in product(arms, report.design.targets)
        if (rows := [row for row in report.target_comparisons if (row.arm, row.target) == pair])
    ]
    if len(by_pair) > MOST_SENTENCES:
        found = [_counts(report, target, by_pair) for target in report.design.targets]
    else:
        found = [_finding(report, rows, times) for rows in by_pair]
    return (*found, *_known_to(report.time_to_target))


def _counts(report: Report, target: float, by_pair: Sequence[Sequence[TargetComparisonRow]]) -> str:
    """Say of every arm at how many cells it is sooner and later than the control to one target."""
    own = [rows for rows in by_pair if rows[0].target == target]
    cells = max(len(rows) for rows in own)
    listed = [
        (rows[0].arm, sum(row.finding == "sooner" for row in rows), sum(row.finding == "later" for row in rows))
        for rows in own
    ]
    parts = "; ".join(f"{arm} sooner at {sooner}, later at {later}" for arm, sooner, later in listed if sooner or later)
    none = ", ".join(arm for arm, sooner, later in listed if not sooner and not later)
    neither = f"not shown to be either at any: {none}" if none else ""
    begin = f"To {_percent(target)} %, against {own[0][0].control} at {cells} {_noun(report, cells)}"
    return f"{begin}: {'; '.join(part for part in (parts, neither) if part)}."


def _noun(report: Report, count: int) -> str:
    noun = "budget" if len(report.design.workloads) == 1 else "cell"
    return noun if count == 1 else f"{noun}s"


def _finding(report: Report, rows: Sequence[TargetComparisonRow], times: Mapping[Key, TimeToTargetRow]) -> str:
    """Say at how many budgets an arm is sooner and later than the control, with the numbers of the clearest."""
    arm, control, target = rows[0].arm, rows[0].control, _percent(rows[0].target)
    reached = [row for row in rows if row.hits or row.hits_control]
    if not reached:
        return f"No run of {arm} or {control} reaches {target} % at any {_noun(report, 1)}."
    decided = [row for row in reached if row.finding != "undecided"]
    other = {
        "undecided": len([row for row in reached if row.finding == "undecided" and not row.withheld]),
        "withheld": len([row for row in reached if row.withheld]),
        "reached by neither": len(rows) - len(reached),
    }
    rest = ", ".join(f"{word} at {count}" for word, count in other.items() if count)
    sooner = len([row for row in decided if row.finding == "sooner"])
    counts = f"at {sooner} of {len(rows)} {_noun(report, len(rows))} and later at {len(decided) - sooner}"
    shown = max(
        decided or reached,
        key=lambda row: abs(row.difference_updates or 0.0) / (times[_key(row)].horizon_updates or 1.0),
    )
    example = _example(report, times[_key(shown)], times[_key(shown, control)])
    reservations = f" ({rest})" if rest else ""
    if not decided:
        return f"{arm} is not shown to reach {target} % sooner or later than {control}{reservations}. {example}"
    return f"{arm} reaches {target} % sooner than {control} {counts}{reservations}. {example}"


def _key(row: TargetComparisonRow, arm: str | None = None) -> Key:
    return row.workload, row.budget, arm or row.arm, row.target


def _example(report: Report, arm: TimeToTargetRow, control: TimeToTargetRow) -> str:
    rate = f"Wilson {_share(arm.hit_rate_low)} to {_share(arm.hit_rate_high)} %"
    text = capital(joined(where(report.design, arm), f"it does in {arm.hits} of {arm.n} runs ({rate})"))
    if arm.median_updates is not None:
        text += f", at a median of {wording.number(arm.median_updates, 1)} updates"
    elif arm.hits:
        text += ", so that the median run misses it"
    text += f"; {control.arm} in {control.hits} of {control.n}"
    if control.median_updates is not None:
        text += f" at {wording.number(control.median_updates, 1)}"
    elif control.hits:
        text += ", so that its median run misses it"
    return f"{text}."


def _known_to(rows: Sequence[TimeToTargetRow]) -> Iterator[str]:
    """Say how many hits were lost again, and how finely times are known."""
    hits, sustained = (sum(counts) for counts in ([row.hits for row in rows], [row.sustained_hits for row in rows]))
    gaps = [row.resolution for row in rows if row.resolution is not None]
    if hits:
        yield (
            f"{sustained} of {hits} hits last to the end of the training. A time is known to the gap between two "
            f"evaluations, {_share(float(np.median(gaps)))} % of the time at the median."
        )


def hits_table(report: Report) -> TextTable:
    """Return how many runs reach each target and the median times, the arms of a cell side by side."""
    interval = f"{wording.confidence(report.design.alpha)} interval in %"
    columns = ("target in %", "runs there", interval, "sustained", "median updates", "median epochs", "median seconds")
    rows = (
        (
            *_place(row),
            f"{row.hits} of {row.n}",
            f"{_share(row.hit_rate_low)} to {_share(row.hit_rate_high)}",
            f"{row.sustained_hits} of {row.n}",
            wording.number(row.median_updates, 1),
            wording.number(row.median_epochs, 2),
            wording.number(row.median_seconds, 2),
        )
        for row in _reached(report)
    )
    return cell_table(
        report,
        columns,
        rows,
        numeric=frozenset(columns),
        name="time-to-target",
        caption="Runs that reach the target, with Wilson interval of their share, and median times.",
    )


def comparisons_table(report: Report) -> TextTable:
    """Return how much sooner or later each arm reaches each target than the control."""
    numeric = ("target in %", "difference in updates", "log-rank p", "Gehan p", "p by seconds", "runs there in points")
    compared = _in_order(report, [row for row in report.target_comparisons if row.hits or row.hits_control])
    reasons = any(row.reason for row in compared)
    rows = (
        (
            *_place(row),
            "withheld" if row.withheld else row.finding,
            _difference(row),
            wording.p_value(row.log_rank_p_adjusted),
            wording.p_value(row.gehan_p_adjusted),
            wording.p_value(row.log_rank_p_seconds),
            _rate_difference(row),
            *((row.reason,) if reasons else ()),
        )
        for row in compared
    )
    return cell_table(
        report,
        (numeric[0], "finding", *numeric[1:], *(("because",) if reasons else ())),
        rows,
        numeric=frozenset(numeric),
        prose=frozenset({"because"}),
        name="time-to-target-comparisons",
        caption="Against the control: difference of the mean times up to the end of the budget with its interval "
        "(negative: sooner), which is not adjusted; permutation p-values, those by updates adjusted by Holm over all "
        "arms, cells and targets. The log-rank p decides the finding; Gehan's heeds early times more; p by seconds is "
        "the unadjusted log-rank p with runs in the order of training seconds. Last, the difference of the shares of "
        "runs that get there.",
    )


def means_table(report: Report) -> TextTable:
    """Return mean times up to the end of the budget, what a hit costs, and how finely times are known."""
    columns = ("target in %", "mean updates", "mean epochs", "end of budget", "updates per hit", "gap in %")
    rows = (
        (
            *_place(row),
            _mean(row),
            wording.number(row.restricted_mean_epochs, 2),
            wording.number(row.horizon_updates, 1),
            wording.number(row.updates_per_hit, 1),
            _share(row.resolution),
        )
        for row in _reached(report)
    )
    return cell_table(
        report,
        columns,
        rows,
        numeric=frozenset(columns),
        name="time-to-target-means",
        caption=f"Per arm and target: {MEANS_CAPTION}",
    )


def _place(row: TimeToTargetRow | TargetComparisonRow) -> tuple[str, str, str, str]:
    return row.workload, wording.number(row.budget), row.arm, _percent(row.target)


def _reached(report: Report) -> list[TimeToTargetRow]:
    """Return the rows of targets that some run of their cell reaches: the others would be rows of dashes."""
    reached = {(row.workload, row.budget, row.target) for row in report.time_to_target if row.hits}
    shown = [row for row in report.time_to_target if (row.workload, row.budget, row.target) in reached]
    return _in_order(report, shown)


def _in_order(report: Report, rows: Sequence[AnyRow]) -> list[AnyRow]:
    """Return rows by cell, then target, the arms side by side."""
    cells = {cell: i for i, cell in enumerate(product(report.design.workloads, report.design.budgets))}
    return sorted(rows, key=lambda row: (cells[row.workload, row.budget], row.target))


def _mean(row: TimeToTargetRow) -> str:
    mean, low, high = (
        wording.number(value, 1)
        for value in (row.restricted_mean_updates, row.restricted_mean_low_updates, row.restricted_mean_high_updates)
    )
    if row.times_vary:
        return f"{mean} ({low} to {high})"
    return f"{mean} (no spread)" if row.seeds > 1 else mean


def _difference(row: TargetComparisonRow) -> str:
    difference, low, high = (
        _signed(value) for value in (row.difference_updates, row.ci_low_updates, row.ci_high_updates)
    )
    if row.times_vary:
        return f"{difference} ({low} to {high})"
    return f"{difference} (no spread)" if min(row.n, row.n_control) > 1 else difference


def _rate_difference(row: TargetComparisonRow) -> str:
    difference, low, high = (
        wording.points(value, 0) for value in (row.hit_rate_difference, row.hit_rate_low, row.hit_rate_high)
    )
    return f"{difference} ({low} to {high})"


def _signed(value: float | None) -> str:
    if value is None:
        return wording.NOTHING
    text = wording.number(abs(value), 1)
    return text if text == "0" else f"{'+' if value > 0 else '−'}{text}"


def _share(value: float | None) -> str:
    return wording.number(None if value is None else round(100 * value))


def _percent(target: float) -> str:
    return wording.number(100 * target, 4)
