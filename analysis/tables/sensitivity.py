"""Ask other analyses about every comparison: would they have come to another verdict?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.statistics import (
    MeanDifference,
    dunnett,
    holm,
    paired_difference,
    seed_correlation,
    shared_seeds,
    welch_difference,
)
from analysis.statistics.arrays import FloatArray
from analysis.tables.rows import ComparisonRow, SensitivityRow, finite_or_none
from analysis.verdict import VerdictWord, decide


@dataclass(frozen=True, kw_only=True)
class _Test:
    """What one analysis says of one comparison; NaN where it cannot say."""

    estimate: MeanDifference
    p: float
    p_adjusted: float


def sensitivity_rows(
    rules: Rules, samples: Mapping[Place, Sample], comparisons: Sequence[ComparisonRow]
) -> tuple[SensitivityRow, ...]:
    """Return Welch's, the paired and Dunnett's test of every comparison, and whether they agree with its verdict.

    Holm runs over all comparisons of the study, as for the verdict. Dunnett's test runs over the arms of a cell, and
    its p is multiplied by the number of cells.
    """
    places = [Place(row.workload, row.budget, row.arm) for row in comparisons]
    controls = [samples[place._replace(arm=rules.control)] for place in places]
    pairs = [_pairs(samples[place], control) for place, control in zip(places, controls, strict=True)]
    unpaired = [welch_difference(samples[p].values, c.values) for p, c in zip(places, controls, strict=True)]
    welch, paired = _with_holm(unpaired), _with_holm([paired_difference(*pair) for pair in pairs])
    many_to_one = _dunnett(rules, samples, dict(zip(places, unpaired, strict=True)))
    return tuple(
        _row(rules, comparison, pairs[i], (welch[i], paired[i], many_to_one[places[i]]))
        for i, comparison in enumerate(comparisons)
    )


def _pairs(sample: Sample, control: Sample) -> tuple[FloatArray, FloatArray]:
    """Return the accuracies of the shared seeds; none where it is not known which run had which seed."""
    if sample.seeds and control.seeds:
        return shared_seeds(sample.values, sample.seeds, control.values, control.seeds)
    return np.empty(0), np.empty(0)


def _with_holm(estimates: Sequence[MeanDifference]) -> list[_Test]:
    adjusted = holm([estimate.p for estimate in estimates])
    return [_Test(estimate=e, p=e.p, p_adjusted=float(p)) for e, p in zip(estimates, adjusted, strict=True)]


def _dunnett(
    rules: Rules, samples: Mapping[Place, Sample], estimates: Mapping[Place, MeanDifference]
) -> dict[Place, _Test]:
    """Return Dunnett's test of every place, with Bonferroni's correction for the number of cells."""
    tests = {}
    for cell in rules.cells:
        places = [place for place in estimates if (place.workload, place.budget) == cell]
        control = samples[Place(*cell, rules.control)]
        p_values = dunnett([samples[place].values for place in places], control.values)
        for place, p in zip(places, p_values, strict=True):
            adjusted = float(np.minimum(p * len(rules.cells), 1))
            tests[place] = _Test(estimate=estimates[place], p=float(p), p_adjusted=adjusted)
    return tests


def _row(
    rules: Rules,
    comparison: ComparisonRow,
    pairs: tuple[FloatArray, FloatArray],
    tests: tuple[_Test, _Test, _Test],
) -> SensitivityRow:
    welch, paired, many_to_one = tests
    low, high = paired.estimate.interval(1 - rules.alpha)
    correlation = seed_correlation(*pairs, 1 - rules.alpha)
    verdicts = [None if comparison.withheld else _verdict(rules, test) for test in tests]
    known = [verdict for verdict in verdicts if verdict]
    return SensitivityRow(
        workload=comparison.workload,
        budget=comparison.budget,
        arm=comparison.arm,
        control=comparison.control,
        welch_p=finite_or_none(welch.p),
        welch_p_adjusted=finite_or_none(welch.p_adjusted),
        welch_verdict=verdicts[0],
        pairs=pairs[0].size,
        paired_difference=finite_or_none(paired.estimate.difference),
        paired_low=finite_or_none(low),
        paired_high=finite_or_none(high),
        paired_p=finite_or_none(paired.p),
        paired_p_adjusted=finite_or_none(paired.p_adjusted),
        paired_verdict=verdicts[1],
        seed_correlation=finite_or_none(correlation.value),
        seed_correlation_low=finite_or_none(correlation.low),
        seed_correlation_high=finite_or_none(correlation.high),
        dunnett_p=finite_or_none(many_to_one.p),
        dunnett_p_adjusted=finite_or_none(many_to_one.p_adjusted),
        dunnett_verdict=verdicts[2],
        agrees=all(verdict == comparison.verdict for verdict in known) if known else None,
        run_ids=comparison.run_ids,
    )


def _verdict(rules: Rules, test: _Test) -> VerdictWord | None:
    """Apply the rules of the verdict to another estimate and p; None where there is none."""
    decision = decide(
        difference=finite_or_none(test.estimate.difference),
        p_adjusted=finite_or_none(test.p_adjusted),
        equivalent=test.estimate.is_equivalent(rules.equivalence_margin, rules.alpha),
        alpha=rules.alpha,
    )
    return None if decision.withheld else decision.verdict
