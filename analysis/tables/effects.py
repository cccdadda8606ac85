"""Say how large every difference to the control is, in measures that can be set beside those of other studies."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.statistics import error_ratio, hedges_g, probability_of_improvement, welch_difference
from analysis.tables.rows import EffectRow, finite_or_none


def effect_rows(rules: Rules, samples: Mapping[Place, Sample]) -> tuple[EffectRow, ...]:
    """Return Hedges' g, probability of improvement and error ratio of every arm but the control in every cell."""
    return tuple(
        _effect_row(rules, place, sample, samples[place._replace(arm=rules.control)])
        for place, sample in samples.items()
        if place.arm != rules.control
    )


def _effect_row(rules: Rules, place: Place, sample: Sample, control: Sample) -> EffectRow:
    confidence = 1 - rules.alpha
    g = hedges_g(sample.values, control.values, confidence)
    improvement = probability_of_improvement(sample.values, control.values, confidence)
    ratio = error_ratio(sample.values, control.values, confidence)
    welch = welch_difference(sample.values, control.values)
    return EffectRow(
        **place._asdict(),
        control=rules.control,
        hedges_g=finite_or_none(g.value),
        hedges_g_low=finite_or_none(g.low),
        hedges_g_high=finite_or_none(g.high),
        improvement=finite_or_none(improvement.value),
        improvement_low=finite_or_none(improvement.low),
        improvement_high=finite_or_none(improvement.high),
        error_ratio=finite_or_none(ratio.value),
        error_ratio_low=finite_or_none(ratio.low),
        error_ratio_high=finite_or_none(ratio.high),
        equivalence_p=finite_or_none(welch.equivalence_p(rules.equivalence_margin)),
        run_ids=(*sample.run_ids, *control.run_ids),
    )
