"""Say in plain language what the searches found, from the same rows as the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from analysis import wording
from analysis.rendering.section import MOST_SENTENCES
from analysis.tables.contents import Report
from analysis.tables.rows import ResponseRow, SearchVarianceRow, TuningSummaryRow
from analysis.whereabouts import InCell, capital, joined, where

PEAK_LR = "peak_lr"
# Below this share of the variance, the other dimensions decide where the draws of one look good.
LEAST_SHARE = 0.1
NO_EFFECT = "no clear effect"


Row = TypeVar("Row", bound=InCell)
ArmRowT = TypeVar("ArmRowT", TuningSummaryRow, ResponseRow, SearchVarianceRow)


def tuning_sentences(report: Report) -> tuple[str, ...]:
    """Return what the searches took and found; of the cells of a workload, the longest budget speaks for the others."""
    return tuple(
        sentence
        for part in (_halving, _speed, _regions, _divergence, _crossings, _dimensions, _no_curves)
        for sentence in part(report)
    )


def search_variance_sentences(report: Report) -> tuple[str, ...]:
    """Return how far searches and seeds vary, and each difference that holds for new searches too."""
    groups = list(_longest(report.search_variance))
    if len(groups) > MOST_SENTENCES:
        return (_variance_of_many(groups),)
    return tuple(_variance(report, rows) for rows in groups)


def _longest(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows of the longest budget of every workload."""
    for workload in dict.fromkeys(row.workload for row in rows):
        own = [row for row in rows if row.workload == workload]
        longest = max(row.budget for row in own)
        yield [row for row in own if row.budget == longest]


def _margin(report: Report) -> str:
    return wording.margin(report.design.equivalence_margin)


def _speed(report: Report) -> Iterator[str]:
    groups = [
        [row for row in rows if row.draws_to_near_best is not None and row.draws > 1]
        for rows in _longest(report.tuning)
    ]
    known = [rows for rows in groups if rows]
    if len(known) > MOST_SENTENCES:
        listed = _ranges(known, lambda row: row.draws_to_near_best, str)
        most = _span([row.draws for rows in known for row in rows], str)
        yield (
            f"Draws needed to come within {_margin(report)} of what all {most} reach, over {len(known)} workloads at "
            f"the longest budget of each: {listed}."
        )
        return
    for first, *others in known:
        listed = "".join(f"; {row.arm} {row.draws_to_near_best}" for row in others)
        needs = f"{first.arm} needs {_count(first.draws_to_near_best, 'draw')}"
        yield (
            f"{capital(joined(where(report.design, first), needs))} to come within {_margin(report)} of what "
            f"{first.draws} draws reach{listed}."
        )


def _regions(report: Report) -> Iterator[str]:
    rows = [row for row in report.responses if row.dimension == PEAK_LR and row.near_low is not None]
    groups = list(_longest(rows))
    if len(groups) > MOST_SENTENCES:
        known = [[row for row in own if row.width_decades is not None] for own in groups]
        listed = _ranges(known, lambda row: row.width_decades, lambda width: wording.number(width, 1))
        yield (
            f"Decades of {PEAK_LR} in which the usual draw is within {_margin(report)} of its best, over {len(groups)} "
            f"workloads at the longest budget of each: {listed}."
        )
        return
    for own in groups:
        listed = "; ".join(f"{row.arm} {near_range(report, row)}" for row in own)
        within = f"the usual draw is within {_margin(report)} of its best for these values of {PEAK_LR}: {listed}."
        yield capital(joined(where(report.design, own[0]), within))


def near_range(report: Report, row: ResponseRow) -> str:
    """Write a region such as ``0.08 to 0.6 (0.9 decades)``; an end that may lie further out is marked.

    Of a dimension that explains too little of the variance, only that is said.
    """
    here = (row.workload, row.budget, row.arm)
    shares = next((r.shares for r in report.importances if (r.workload, r.budget, r.arm) == here), None)
    if shares is not None and shares.get(row.dimension, 1.0) < LEAST_SHARE:
        return NO_EFFECT
    if row.near_low is None or row.near_high is None:
        return wording.NOTHING
    if row.near_low == row.near_high:
        return f"about {row.near_low:.2g}"
    low = f"{row.near_low:.2g}{' or less' if row.open_low else ''}"
    high = f"{row.near_high:.2g}{' or more' if row.open_high else ''}"
    width = "" if row.width_decades is None else f" ({wording.counted(row.width_decades, 'decade', 1)})"
    return f"{low} to {high}{width}"


def _divergence(report: Report) -> Iterator[str]:
    arms = dict.fromkeys(row.arm for row in report.tuning)
    counts = {
        arm: (
            sum(r.diverged for r in report.tuning if r.arm == arm),
            sum(r.tried for r in report.tuning if r.arm == arm),
        )
        for arm in arms
    }
    if any(diverged for diverged, _ in counts.values()):
        listed = ", ".join(f"{diverged} of {tried} with {arm}" for arm, (diverged, tried) in counts.items())
        yield f"Draws that diverged: {listed}."


def _crossings(report: Report) -> Iterator[str]:
    crossed = [(row, crossing) for row in report.tuning for crossing in row.crossings]
    shown = [(row, crossing) for row, crossing in crossed if crossing.shown]
    if len(shown) > MOST_SENTENCES:
        counts = Counter((row.arm, crossing.overtakes) for row, crossing in shown)
        listed = "; ".join(
            f"{arm} {'overtakes' if overtakes else 'is overtaken by'} {report.design.control} in {count}"
            for (arm, overtakes), count in counts.items()
        )
        yield f"Tuning curves cross with bands that separate on both sides, by cells: {listed}."
    for row, crossing in shown if len(shown) <= MOST_SENTENCES else ():
        verb = "overtakes" if crossing.overtakes else "is overtaken by"
        claim = f"{row.arm} {verb} {report.design.control} from {_count(crossing.draws, 'draw')} on"
        yield f"{capital(joined(where(report.design, row), claim))}, and the bands separate on both sides of that."
    loose = sum(not crossing.shown for _, crossing in crossed)
    if loose:
        times = "once" if loose == 1 else f"{loose} times"
        yield (
            f"Curves cross that of {report.design.control} {times} without bands that separate on both sides: "
            "such a crossing may be noise."
        )


def _dimensions(report: Report) -> Iterator[str]:
    sizes = dict.fromkeys((row.arm, row.dimensions) for row in report.tuning if row.dimensions)
    if len({size for _, size in sizes}) > 1:
        listed = ", ".join(f"{arm} {size}" for arm, size in sizes)
        yield f"All arms had the same number of draws, but not the same number of dimensions to tune: {listed}."


def _halving(report: Report) -> Iterator[str]:
    if report.design.halving_factor is not None:
        *shorter, full = report.design.rung_draws
        yield (
            f"Draws competed at shorter budgets first ({', '.join(map(str, shorter))} per search, {full} at the cell's "
            "own): figures and tables of this section show those at the cell's own budget, the best of the others. "
            "They say little about draws in general."
        )


def _no_curves(report: Report) -> Iterator[str]:
    for reason in dict.fromkeys(row.no_curve_because for row in report.tuning if row.no_curve_because):
        yield f"There are no tuning curves: {reason}, and a curve would hold for independent draws only."


def _variance(report: Report, rows: list[SearchVarianceRow]) -> str:
    spreads = "; ".join(
        f"{row.arm} {wording.percent(row.search_sd)} (at most {wording.percent(row.search_sd_high)}) and "
        f"{wording.percent(row.seed_sd)}"
        for row in rows
    )
    sentence = (
        f"{capital(joined(where(report.design, rows[0]), 'the standard deviations'))} of accuracy in points, between "
        f"searches and between seeds of one winner, are {spreads}."
    )
    differences = "; ".join(
        f"{row.arm} {wording.points_with_interval(row.difference, row.difference_low, row.difference_high)}"
        for row in rows
        if row.difference is not None
    )
    if not differences:
        return sentence
    return f"{sentence} Differences to {report.design.control} for new searches on new seeds: {differences}."


def _variance_of_many(groups: Sequence[Sequence[SearchVarianceRow]]) -> str:
    """Return the ranges over workloads; the differences are in the table."""
    spreads = "; ".join(
        f"{arm} {_span([row.search_sd for row in own], wording.percent)} and "
        f"{_span([row.seed_sd for row in own], wording.percent)}"
        for arm, own in _by_arm(groups).items()
    )
    return (
        "The standard deviations of accuracy in points, between searches and between seeds of one winner, are over "
        f"{len(groups)} workloads at the longest budget of each {spreads}."
    )


def _by_arm(groups: Sequence[Sequence[ArmRowT]]) -> dict[str, list[ArmRowT]]:
    by_arm: dict[str, list[ArmRowT]] = {}
    for rows in groups:
        for row in rows:
            by_arm.setdefault(row.arm, []).append(row)
    return by_arm


def _ranges(
    groups: Sequence[Sequence[ArmRowT]], value: Callable[[ArmRowT], float | None], write: Callable[[float], str]
) -> str:
    """Write for every arm from which least to which greatest value it goes."""
    return "; ".join(f"{arm} {_span(map(value, own), write)}" for arm, own in _by_arm(groups).items())


def _span(values: Iterable[float | None], write: Callable[[float], str]) -> str:
    known = sorted(value for value in values if value is not None)
    if not known:
        return wording.NOTHING
    low, high = write(known[0]), write(known[-1])
    return low if low == high else f"{low} to {high}"


def _count(number: int | None, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
