"""Tabulate what the searches found: tuning curves, and how many draws they took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.record import FAILED, TUNE, StudyRecord
from analysis.rules import Place, Rules
from analysis.statistics.arrays import FloatArray
from analysis.statistics.best_of import expected_best_of
from analysis.statistics.tuning_curves import TuningCurve, crossings, draws_within, tuning_curve
from analysis.tables.rows import CrossingPoint, TuningCurveRow, TuningSummaryRow, finite_or_none

# Samplers whose draws do not depend on what earlier draws found.
BLIND_SAMPLERS = frozenset({"sobol", "random"})


@dataclass(frozen=True, kw_only=True)
class Draws:
    """The draws of one tuned arm in one cell over all searches.

    Attributes:
        trials: Those that diverged or have a validation accuracy; one row each.
        validation: Accuracies, shape ``(num_draws,)``; NaN where diverged.
        longest: Draws of the longest search.
    """

    trials: pd.DataFrame
    validation: FloatArray
    longest: int

    @property
    def diverged(self) -> int:
        """Draws that diverged."""
        return int(np.isnan(self.validation).sum())

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Run of every draw."""
        return tuple(self.trials["run_id"])


def collect_draws(record: StudyRecord) -> Mapping[Place, Draws]:
    """Return the draws of every tuned arm in every cell that has any, in the order of the rules.

    With successive halving, these are the draws that were trained at the cell's own budget.
    """
    tuned = set(record.rules.tuned_arms)
    found = {place: _draws(record, place) for place in record.rules.places if place.arm in tuned}
    return {place: draws for place, draws in found.items() if len(draws.trials)}


def _draws(record: StudyRecord, place: Place) -> Draws:
    trials = record.trials_at(place, TUNE)
    trials = trials[trials["outcome"] != FAILED]
    # A draw that neither diverged nor has an accuracy says nothing.
    trials = trials[trials["diverged"] | np.isfinite(trials["validation"])]
    return Draws(
        trials=trials,
        validation=trials["validation"].where(~trials["diverged"]).to_numpy(dtype=np.float64),
        longest=int(trials.groupby("search", dropna=False).size().max()) if len(trials) else 0,
    )


def tuning_curve_rows(rules: Rules, draws: Mapping[Place, Draws]) -> tuple[TuningCurveRow, ...]:
    """Return the tuning curve of every arm in every cell, over all searches together; none for adaptive samplers."""
    if why_no_curve(rules):
        return ()
    return tuple(_curve_row(place, found, 1 - rules.alpha) for place, found in draws.items())


def why_no_curve(rules: Rules) -> str:
    """Return why the draws of a study make no tuning curve; empty where they do."""
    if rules.tuning.halving:
        return "with successive halving only the best draws of shorter budgets are trained at a cell's own"
    if rules.tuning.sampler in BLIND_SAMPLERS:
        return ""
    return f"draws of {rules.tuning.sampler} depend on what earlier draws found"


def _curve_row(place: Place, draws: Draws, confidence: float) -> TuningCurveRow:
    curve = tuning_curve(draws.validation, num_points=draws.longest, confidence=confidence)
    counts = tuple(range(1, draws.longest + 1))
    return TuningCurveRow(
        **place._asdict(),
        draws=counts,
        median=_known(curve.median),
        low=_known(curve.low),
        high=_known(curve.high),
        expected=tuple(finite_or_none(expected_best_of(draws.validation, count)) for count in counts),
        tried=len(draws.trials),
        diverged=draws.diverged,
        run_ids=draws.run_ids,
    )


def _known(values: FloatArray) -> tuple[float | None, ...]:
    return tuple(finite_or_none(value) for value in values)


def tuning_summary_rows(rules: Rules, draws: Mapping[Place, Draws]) -> tuple[TuningSummaryRow, ...]:
    """Return draws, dimensions, divergence, speed of the search and crossings for every tuned arm in every cell."""
    # Two curves are compared: both bands hold together at 1 - alpha if each does at 1 - alpha / 2.
    curves = {
        place: tuning_curve(found.validation, num_points=found.longest, confidence=1 - rules.alpha / 2)
        for place, found in draws.items()
        if not why_no_curve(rules)
    }
    return tuple(_summary_row(rules, place, found, curves) for place, found in draws.items())


def _summary_row(rules: Rules, place: Place, draws: Draws, curves: Mapping[Place, TuningCurve]) -> TuningSummaryRow:
    dimensions = len(rules.search_space(place.arm))
    per_search = rules.tuning.draws if rules.tuning.halving else draws.longest
    curve, control = curves.get(place), curves.get(place._replace(arm=rules.control))
    crossed = crossings(curve, control) if curve and control and place.arm != rules.control else ()
    return TuningSummaryRow(
        **place._asdict(),
        sampler=rules.tuning.sampler,
        dimensions=dimensions,
        shared_dimensions=len(rules.search),
        searches=int(draws.trials["search"].nunique(dropna=False)),
        draws=per_search,
        draws_per_dimension=per_search / dimensions if dimensions else None,
        tried=len(draws.trials),
        diverged=draws.diverged,
        share_diverged=draws.diverged / len(draws.trials),
        best=finite_or_none(np.nanmax(draws.validation)) if draws.diverged < len(draws.trials) else None,
        draws_to_near_best=draws_within(curve.median, rules.equivalence_margin) if curve else None,
        crossings=tuple(
            CrossingPoint(draws=crossing.draws, overtakes=crossing.overtakes, shown=crossing.shown)
            for crossing in crossed
        ),
        no_curve_because=why_no_curve(rules),
        run_ids=draws.run_ids,
    )
