"""Say the verdict in plain language, from the same rows as the tables."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import wording
from analysis.enough_seeds import too_few_seeds
from analysis.record import PLAN, TUNING
from analysis.speed_wording import about_one, how_fast
from analysis.statistics import minimum_attainable_p
from analysis.tables.contents import Design
from analysis.tables.rows import ComparisonRow, PublishedGapRow, SkepticRow, SpeedUpRow
from analysis.whereabouts import at_budget, capital, joined, where

_AGAINST = {
    "better": "better than",
    "worse": "worse than",
    "equivalent": "equivalent to",
    "undecided": "undecided against",
    "withheld": "without a verdict against",
}
_ALONE = {
    **{word: word for word in ("better", "worse", "equivalent", "undecided")},
    "withheld": "without a verdict",
}


def headline_sentences(
    design: Design, comparisons: Sequence[ComparisonRow], gaps: Sequence[PublishedGapRow]
) -> tuple[str, ...]:
    """Return one sentence per tuned arm other than the control, or per any other arm where none is tuned.

    Where the study has the control as published too, the next sentence says how large the gaps to that are. Where no
    arm can be found better or worse with these seeds, the last one says so.
    """
    contenders = [arm for arm in design.arms if arm.name != design.control]
    names = [arm.name for arm in contenders if not arm.as_published] or [arm.name for arm in contenders]
    if not names:
        return (f"There is nothing to compare: {design.control} is the only arm.",)
    sentences = [_sentence(design, name, [row for row in comparisons if row.arm == name]) for name in names]
    said = (f"{sentence}." for sentence in _with_published_gaps(sentences, names, gaps))
    return (*said, *_no_verdict_possible(design, comparisons))


def _sentence(design: Design, arm: str, rows: list[ComparisonRow]) -> str:
    groups: dict[str, list[ComparisonRow]] = {group: [] for group in _AGAINST}
    for row in rows:
        groups["withheld" if row.withheld else row.verdict].append(row)
    parts: list[str] = []
    for group, members in groups.items():
        if not members:
            continue
        if parts:
            parts.append(f"{_ALONE[group]} at {len(members)}{_example(design, group, members)}")
        elif len(rows) == 1:
            parts.append(f"{_AGAINST[group]} {_control(design)}{_example(design, group, members, alone=True)}")
        else:
            places = f"at {len(members)} of {len(rows)} {_places(design)}"
            parts.append(f"{_AGAINST[group]} {_control(design)} {places}{_example(design, group, members)}")
    return f"{arm} is {', '.join(parts)}"


def _places(design: Design) -> str:
    if len(design.workloads) == 1:
        return "budgets"
    return "workloads" if len(design.budgets) == 1 else "cells"


def _control(design: Design) -> str:
    untuned = any(arm.as_published for arm in design.arms if arm.name == design.control)
    if not untuned and TUNING not in design.recorded:
        return f"the control {design.control}"
    return f"the untuned control {design.control}" if untuned else f"the tuned control {design.control}"


def _example(design: Design, group: str, rows: list[ComparisonRow], *, alone: bool = False) -> str:
    """Return the largest difference of better or worse rows, or why the first verdict was withheld.

    Of an arm with only one comparison, return the difference whatever the verdict.
    """
    if group == "withheld":
        return f" ({rows[0].reason.partition('; ')[0]})"
    if group not in {"better", "worse"} and not alone:
        return ""
    row = max(rows, key=lambda candidate: abs(candidate.difference or 0.0))
    difference, low, high = (wording.points(value) for value in (row.difference, row.ci_low, row.ci_high))
    points = joined(f"{difference} points", where(design, row))
    if row.ci_low is None or row.ci_high is None:
        return f" ({points})"
    # Else an interval that excludes 0 would seem to contradict the verdict.
    unadjusted = "unadjusted " if group == "undecided" and design.confirm_until == "planned" else ""
    return f" ({points}, {unadjusted}{wording.confidence(design.alpha)} interval {low} to {high})"


def _no_verdict_possible(design: Design, comparisons: Sequence[ComparisonRow]) -> tuple[str, ...]:
    """Say so where no difference, however large, could be significant with these seeds and comparisons."""
    if not any(row.n and row.n_control for row in comparisons):
        return ()
    if design.confirm_until == "decided":
        said = too_few_seeds(design.max_seeds, len(comparisons), design.alpha, sequential=True)
    else:
        planned = [design.confirm_seeds] if PLAN in design.recorded else []
        seeds = max([*planned, *(min(row.n, row.n_control) for row in comparisons)])
        reached = [row.p_minimum for row in comparisons if row.p_minimum is not None]
        least_p = min([*reached, *(minimum_attainable_p(n, n) for n in planned)], default=1.0)
        said = too_few_seeds(seeds, len(comparisons), design.alpha, sequential=False, least_p=least_p)
    return (said,) if said else ()


def _with_published_gaps(sentences: list[str], names: Sequence[str], gaps: Sequence[PublishedGapRow]) -> list[str]:
    """Say what the gaps would have been with an untuned baseline: after the only sentence, or in one of its own."""
    by_arm = {name: [g.difference for g in gaps if g.arm == name and g.difference is not None] for name in names}
    largest = {name: wording.points(max(known)) for name, known in by_arm.items() if known}
    if not largest:
        return sentences
    instead = "ith the control as published instead of tuned the largest gap"
    if len(sentences) == 1:
        return [f"{sentences[0]}; w{instead} would be {largest[names[0]]} points"]
    listed = ", ".join(f"{gap} for {name}" for name, gap in largest.items())
    return [*sentences, f"W{instead}s in points would be {listed}"]


def speed_up_sentence(
    design: Design, speed_ups: Sequence[SpeedUpRow], skeptic: Sequence[SkepticRow]
) -> tuple[str, ...]:
    """Return one sentence on the speed-up at the longest budget, for one workload and arms with a ratio; else none.

    Where the study has the control as published too, it says how fast an arm would have looked against that.
    """
    tuned = {arm.name for arm in design.arms if not arm.as_published}
    known = [row for row in speed_ups if row.primary and row.arm in tuned and (row.ratio or row.beyond)]
    if len(design.workloads) > 1 or not known:
        return ()
    published = {row.arm: row for row in skeptic if row.as_published and (row.ratio or row.beyond)}
    parts: list[str] = []
    for row in known:
        than = "" if parts else f" as fast as {_control(design)}"
        part = f"{row.arm} is {how_fast(design.alpha, row, than)}"
        if row.arm in published:
            part += f", {_bare(published[row.arm])} times against it as published"
        parts.append(part)
    unadjusted = any(about_one(row) in {"above", "below"} for row in known)
    parts += ["intervals of speed-ups are not adjusted for their number"] if unadjusted else []
    return (f"{capital(at_budget(design, known[0].budget))} and equal accuracy {'; '.join(parts)}.",)


def _bare(row: SkepticRow) -> str:
    """Return the ratio without its interval, or the bound."""
    if row.ratio is not None:
        return wording.times(row.ratio)
    return (
        f"more than {wording.times(row.ci_low)}" if row.beyond == "above" else f"less than {wording.times(row.ci_high)}"
    )
