"""Say in plain language what the searches found, from the same rows as the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from analysis import wording
from analysis.tables.contents import Report
from analysis.tables.rows import ResponseRow, SearchVarianceRow

PEAK_LR = "peak_lr"
# Below this share of the variance, the other dimensions decide where the draws of one look good.
LEAST_SHARE = 0.1
NO_EFFECT = "no clear effect"


class _InCell(Protocol):
    @property
    def workload(self) -> str: ...

    @property
    def budget(self) -> int | float: ...


Row = TypeVar("Row", bound=_InCell)


def tuning_sentences(report: Report) -> tuple[str, ...]:
    """Return what the searches took and found; of the cells of a workload, the longest budget speaks for the others."""
    return tuple(
        sentence
        for part in (_speed, _regions, _divergence, _crossings, _dimensions, _no_curves)
        for sentence in part(report)
    )


def search_variance_sentences(report: Report) -> tuple[str, ...]:
    """Return how far searches and seeds vary, and each difference that holds for new searches too."""
    return tuple(_variance(report, rows) for rows in _longest(report.search_variance))


def _longest(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows of the longest budget of every workload."""
    for workload in dict.fromkeys(row.workload for row in rows):
        own = [row for row in rows if row.workload == workload]
        longest = max(row.budget for row in own)
        yield [row for row in own if row.budget == longest]


def _where(report: Report, row: _InCell) -> str:
    on = f"on {row.workload} " if len(report.design.workloads) > 1 else ""
    return f"{on}at {wording.number(row.budget)} {report.design.budget_unit}"


def _margin(report: Report) -> str:
    return f"{wording.number(100 * report.design.equivalence_margin, 4)} points"


def _speed(report: Report) -> Iterator[str]:
    for rows in _longest(report.tuning):
        known = [row for row in rows if row.draws_to_near_best is not None and row.draws > 1]
        if known:
            first, *others = known
            listed = "".join(f"; {row.arm} {row.draws_to_near_best}" for row in others)
            needs = f"{first.arm} needs {_count(first.draws_to_near_best, 'draw')}"
            yield (
                f"{_capital(_where(report, first))} {needs} to come within {_margin(report)} of what "
                f"{first.draws} draws reach{listed}."
            )


def _regions(report: Report) -> Iterator[str]:
    rows = [row for row in report.responses if row.dimension == PEAK_LR and row.near_low is not None]
    for own in _longest(rows):
        listed = "; ".join(f"{row.arm} {near_range(report, row)}" for row in own)
        yield (
            f"{_capital(_where(report, own[0]))} the usual draw is within {_margin(report)} of its best for these "
            f"values of {PEAK_LR}: {listed}."
        )


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
    width = "" if row.width_decades is None else f" ({wording.number(row.width_decades, 1)} decades)"
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
    for row, crossing in crossed:
        if crossing.shown:
            verb = "overtakes" if crossing.overtakes else "is overtaken by"
            yield (
                f"{_capital(_where(report, row))} {row.arm} {verb} {report.design.control} from "
                f"{_count(crossing.draws, 'draw')} on, and the bands separate on both sides of that."
            )
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
        f"{_capital(_where(report, rows[0]))} the standard deviations of accuracy in points, between searches and "
        f"between seeds of one winner, are {spreads}."
    )
    differences = "; ".join(
        f"{row.arm} {wording.points_with_interval(row.difference, row.difference_low, row.difference_high)}"
        for row in rows
        if row.difference is not None
    )
    if not differences:
        return sentence
    return f"{sentence} Differences to {report.design.control} for new searches on new seeds: {differences}."


def _count(number: int | None, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
