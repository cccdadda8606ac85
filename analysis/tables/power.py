"""Say what the seeds of a study can show, and how many more it would take."""

from __future__ import annotations

import math
from collections.abc import Mapping

from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.statistics import (
    detectable_in_standard_errors,
    minimum_attainable_p,
    seeds_for_equivalence,
    seeds_to_detect,
    welch_difference,
)
from analysis.statistics.arrays import sample_variance
from analysis.statistics.differences import MeanDifference
from analysis.statistics.power import DEFAULT_POWER
from analysis.tables.rows import PowerRow, finite_or_none


def power_rows(rules: Rules, samples: Mapping[Place, Sample]) -> tuple[PowerRow, ...]:
    """Return detectable differences and seeds needed for every arm but the control in every cell.

    They are computed from the spread that was seen, which is itself uncertain: with 10 seeds each by a factor of 0.75
    to 1.5, and the seeds needed by its square.
    """
    places = [place for place in samples if place.arm != rules.control]
    return tuple(_row(rules, place, samples, len(places)) for place in places)


def _row(rules: Rules, place: Place, samples: Mapping[Place, Sample], comparisons: int) -> PowerRow:
    sample, control = samples[place], samples[place._replace(arm=rules.control)]
    strictest = rules.alpha / comparisons
    sd = math.sqrt((sample_variance(sample.values) + sample_variance(control.values)) / 2)
    # Without any spread nothing follows about the next seeds.
    margin = rules.equivalence_margin / sd if sd > 0 else math.nan
    welch, least_p = welch_difference(sample.values, control.values), minimum_attainable_p(sample.n, control.n)
    return PowerRow(
        **place._asdict(),
        control=rules.control,
        n=sample.n,
        n_control=control.n,
        sd=finite_or_none(sd),
        power=DEFAULT_POWER,
        comparisons=comparisons,
        minimum_detectable=_detectable(welch, rules.alpha, least_p),
        minimum_detectable_adjusted=_detectable(welch, strictest, least_p),
        seeds_for_margin=seeds_to_detect(margin, rules.alpha),
        seeds_for_margin_adjusted=seeds_to_detect(margin, strictest),
        seeds_for_equivalence=seeds_for_equivalence(margin, rules.alpha),
        significance_possible=least_p < strictest,
        run_ids=(*sample.run_ids, *control.run_ids),
    )


def _detectable(welch: MeanDifference, alpha: float, least_p: float) -> float | None:
    """Return the detectable difference in the unit of the accuracies, if there is any."""
    if not (least_p < alpha and welch.standard_error > 0):
        return None
    return finite_or_none(welch.standard_error * detectable_in_standard_errors(welch.degrees_of_freedom, alpha))
