"""Compare every tuned arm with every other, not only with the control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.statistics import holm, permutation_test, welch_difference
from analysis.tables.comparisons import why_withheld
from analysis.tables.rows import CheckRow, PairRow, finite_or_none

FEWEST_ARMS = 3


def pair_rows(rules: Rules, samples: Mapping[Place, Sample], checks: Sequence[CheckRow]) -> tuple[PairRow, ...]:
    """Return every pair of tuned arms in every cell; none below three arms, where the control has all pairs.

    Holm runs over all pairs of the study, workloads and budgets together.
    """
    if len(rules.tuned_arms) < FEWEST_ARMS:
        return ()
    pairs = [
        (Place(*cell, arm), Place(*cell, other))
        for cell in rules.cells
        for other, arm in combinations(rules.tuned_arms, 2)
    ]
    p_values = [permutation_test(samples[arm].values, samples[other].values).p for arm, other in pairs]
    adjusted = holm(p_values)
    return tuple(
        _row(rules, samples, pair, (p, float(p_adjusted)), withheld=bool(why_withheld(checks, pair)))
        for pair, p, p_adjusted in zip(pairs, p_values, adjusted, strict=True)
    )


def _row(
    rules: Rules,
    samples: Mapping[Place, Sample],
    pair: tuple[Place, Place],
    p_values: tuple[float, float],
    *,
    withheld: bool,
) -> PairRow:
    (place, other), (p, p_adjusted) = pair, p_values
    welch = welch_difference(samples[place].values, samples[other].values)
    low, high = welch.interval(1 - rules.alpha)
    return PairRow(
        **place._asdict(),
        other=other.arm,
        n=samples[place].n,
        n_other=samples[other].n,
        difference=finite_or_none(welch.difference),
        ci_low=finite_or_none(low),
        ci_high=finite_or_none(high),
        p=finite_or_none(p),
        p_adjusted=finite_or_none(p_adjusted),
        differs=None if withheld or finite_or_none(p_adjusted) is None else p_adjusted < rules.alpha,
        withheld=withheld,
        run_ids=(*samples[place].run_ids, *samples[other].run_ids),
    )
