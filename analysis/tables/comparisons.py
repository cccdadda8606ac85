"""Compare every arm with the control in its cell, and decide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.statistics import MeanDifference, PermutationTest, holm, permutation_test, welch_difference
from analysis.tables.rows import CheckRow, ComparisonRow, PublishedGapRow, finite_or_none
from analysis.tables.sequences import judged_in_sequence, sequence_rows
from analysis.verdict import decide


@dataclass(frozen=True, kw_only=True)
class _Pair:
    place: Place
    sample: Sample
    control: Sample
    welch: MeanDifference
    test: PermutationTest


def comparison_rows(
    rules: Rules, samples: Mapping[Place, Sample], checks: Sequence[CheckRow]
) -> tuple[ComparisonRow, ...]:
    """Return difference, intervals, p-values and verdict of every arm but the control in every cell.

    Holm runs over all comparisons of the study, workloads and budgets together. Where seeds were added until a cell
    was decided, interval, p and verdict come from the e-process instead.
    """
    pairs = [
        _compare(rules, place, sample, samples[place._replace(arm=rules.control)])
        for place, sample in samples.items()
        if place.arm != rules.control
    ]
    adjusted = holm([pair.test.p for pair in pairs])
    rows = tuple(_row(rules, pair, float(p), checks) for pair, p in zip(pairs, adjusted, strict=True))
    if not rules.confirm.is_sequential:
        return rows
    withheld = {p.place: why_withheld(checks, (p.place, p.place._replace(arm=rules.control))) for p in pairs}
    return judged_in_sequence(rules, rows, sequence_rows(rules, samples), withheld)


def _compare(rules: Rules, place: Place, sample: Sample, control: Sample) -> _Pair:
    # The e-process takes the place of the test where seeds were added until a cell was decided.
    untested = PermutationTest(p=math.nan, exact=False, minimum_p=math.nan)
    tested = not rules.confirm.is_sequential
    return _Pair(
        place=place,
        sample=sample,
        control=control,
        welch=welch_difference(sample.values, control.values),
        test=permutation_test(sample.values, control.values) if tested else untested,
    )


def _row(rules: Rules, pair: _Pair, p_adjusted: float, checks: Sequence[CheckRow]) -> ComparisonRow:
    low, high = pair.welch.interval(1 - rules.alpha)
    equivalence_low, equivalence_high = pair.welch.interval(1 - 2 * rules.alpha)
    decision = decide(
        difference=finite_or_none(pair.welch.difference),
        p_adjusted=finite_or_none(p_adjusted),
        equivalent=pair.welch.is_equivalent(rules.equivalence_margin, rules.alpha),
        alpha=rules.alpha,
        withheld=why_withheld(checks, (pair.place, pair.place._replace(arm=rules.control))),
    )
    return ComparisonRow(
        **pair.place._asdict(),
        control=rules.control,
        n=pair.sample.n,
        n_control=pair.control.n,
        difference=finite_or_none(pair.welch.difference),
        ci_low=finite_or_none(low),
        ci_high=finite_or_none(high),
        equivalence_low=finite_or_none(equivalence_low),
        equivalence_high=finite_or_none(equivalence_high),
        p=finite_or_none(pair.test.p),
        p_adjusted=finite_or_none(p_adjusted),
        p_minimum=finite_or_none(pair.test.minimum_p),
        p_exact=pair.test.exact,
        verdict=decision.verdict,
        withheld=decision.withheld,
        significant_below_margin=decision.significant_below_margin,
        reason=decision.reason,
        run_ids=(*pair.sample.run_ids, *pair.control.run_ids),
    )


def why_withheld(checks: Sequence[CheckRow], places: Sequence[Place]) -> list[str]:
    """Return what failed for any of these arms in their cells, each reason once."""
    reasons = (
        finding.evidence
        for check in checks
        if check.status == "fail"
        for finding in check.findings
        if any(finding.covers(*place) for place in places)
    )
    return list(dict.fromkeys(reasons))


def published_gap_rows(
    rules: Rules, samples: Mapping[Place, Sample], checks: Sequence[CheckRow]
) -> tuple[PublishedGapRow, ...]:
    """Return the difference of every tuned arm but the control to the control as published, if any.

    None where a failed check concerns one of the two, such as runs that diverged: those left would flatter it.
    """
    published = rules.published_control
    if published is None:
        return ()
    rows = []
    for place, sample in samples.items():
        if place.arm not in rules.tuned_arms or place.arm == rules.control:
            continue
        baseline = samples[place._replace(arm=published)]
        welch = welch_difference(sample.values, baseline.values)
        low, high = welch.interval(1 - rules.alpha)
        known = not why_withheld(checks, (place, place._replace(arm=published)))
        row = PublishedGapRow(
            **place._asdict(),
            published_control=published,
            difference=finite_or_none(welch.difference) if known else None,
            ci_low=finite_or_none(low) if known else None,
            ci_high=finite_or_none(high) if known else None,
            run_ids=(*sample.run_ids, *baseline.run_ids),
        )
        rows.append(row)
    return tuple(rows)
