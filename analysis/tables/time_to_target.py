"""Tabulate when the confirm runs reach the targets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from analysis.rules import Cell, Place, Rules
from analysis.statistics.proportions import wilson_share
from analysis.statistics.restricted_mean import restricted_mean_of_seeds
from analysis.statistics.survival import expected_running_time, kaplan_meier
from analysis.statistics.targets import HitTimes
from analysis.tables.rows.core import finite_or_none
from analysis.tables.rows.time_to_target import SurvivalCurveRow, TargetGridRow, TimeToTargetRow
from analysis.tables.target_runs import TargetRuns

GRID_STEPS = 25

Interval = tuple[float | None, float | None, float | None]


def time_to_target_rows(rules: Rules, runs: Mapping[Place, TargetRuns]) -> tuple[TimeToTargetRow, ...]:
    """Return hits and times of every arm in every cell for every target of the study."""
    return tuple(_row(rules, place, own, target) for place, own in runs.items() for target in rules.targets)


def _row(rules: Rules, place: Place, runs: TargetRuns, target: float) -> TimeToTargetRow:
    confidence = 1 - rules.alpha
    hits = runs.hits(target)
    updates = runs.in_updates(hits)
    rate = wilson_share(*seed_count(updates), confidence)
    mean, low, high = _restricted(updates, runs.horizon_updates, confidence)
    mean_epochs, low_epochs, high_epochs = _restricted(runs.in_epochs(hits), runs.horizon_epochs, confidence)
    return TimeToTargetRow(
        **place._asdict(),
        target=target,
        n=runs.n,
        seeds=updates.num_seeds,
        planned=runs.planned,
        missing=runs.missing,
        hits=updates.hits,
        hit_rate=finite_or_none(rate.share),
        hit_rate_low=finite_or_none(rate.low),
        hit_rate_high=finite_or_none(rate.high),
        sustained_hits=runs.num_sustained(target),
        median_updates=runs.median(hits, runs.curves.updates),
        median_epochs=runs.median(hits, runs.curves.epochs),
        median_seconds=runs.median(hits, runs.curves.train_seconds),
        horizon_updates=finite_or_none(runs.horizon_updates),
        restricted_mean_updates=mean,
        restricted_mean_low_updates=low,
        restricted_mean_high_updates=high,
        restricted_mean_epochs=mean_epochs,
        restricted_mean_low_epochs=low_epochs,
        restricted_mean_high_epochs=high_epochs,
        times_vary=low is not None,
        updates_per_hit=expected_running_time(updates),
        resolution=runs.resolution(hits),
        run_ids=runs.run_ids,
    )


def seed_count(times: HitTimes) -> tuple[float, int]:
    """Return hits and runs as if every seed had one run: runs that share a seed are not independent."""
    shares = times.mean_per_seed(times.reached.astype(np.float64))
    return float(shares.sum()), shares.size


def _restricted(times: HitTimes | None, horizon: float, confidence: float) -> Interval:
    if times is None or not math.isfinite(horizon):
        return None, None, None
    estimate = restricted_mean_of_seeds(times, horizon)
    # An interval of no width would claim that the mean is known.
    low, high = estimate.interval(confidence) if estimate.standard_error > 0 else (math.nan, math.nan)
    return finite_or_none(estimate.mean), finite_or_none(low), finite_or_none(high)


def survival_curve_rows(rules: Rules, runs: Mapping[Place, TargetRuns]) -> tuple[SurvivalCurveRow, ...]:
    """Return the share at target by update of every arm in every cell that has runs, for every target."""
    return tuple(
        _curve_row(rules, place, own, target) for place, own in runs.items() if own.n for target in rules.targets
    )


def _curve_row(rules: Rules, place: Place, runs: TargetRuns, target: float) -> SurvivalCurveRow:
    times = runs.in_updates(runs.hits(target))
    curve = kaplan_meier(times, 1 - rules.alpha)
    return SurvivalCurveRow(
        **place._asdict(),
        target=target,
        n=runs.n,
        seeds=times.num_seeds,
        hits=times.hits,
        horizon_updates=runs.horizon_updates,
        updates=tuple(curve.times.tolist()),
        at_target=tuple(np.round(1 - curve.waiting, 12).tolist()),
        low=tuple((1 - curve.high).tolist()),
        high=tuple((1 - curve.low).tolist()),
        at_risk=tuple(curve.at_risk.tolist()),
        run_ids=runs.run_ids,
    )


def target_grid_rows(rules: Rules, runs: Mapping[Place, TargetRuns]) -> tuple[TargetGridRow, ...]:
    """Return hits and times over a grid of targets, for every arm with runs in a cell where accuracies rise."""
    return tuple(row for cell in rules.cells for row in _grid_rows(rules, cell, runs))


def _grid_rows(rules: Rules, cell: Cell, runs: Mapping[Place, TargetRuns]) -> Iterator[TargetGridRow]:
    own = {place: found for place, found in runs.items() if place[:2] == cell and found.n}
    accuracies = _grid(rules, list(own.values()))
    if len(accuracies) < 2:
        return
    for place, found in own.items():
        hits = [found.hits(accuracy) for accuracy in accuracies]
        samples = [found.in_updates(at) for at in hits]
        yield TargetGridRow(
            **place._asdict(),
            n=found.n,
            accuracies=accuracies,
            hits=tuple(sample.hits for sample in samples),
            median_updates=tuple(found.median(at, found.curves.updates) for at in hits),
            restricted_mean_updates=tuple(
                finite_or_none(restricted_mean_of_seeds(sample, found.horizon_updates).mean) for sample in samples
            ),
            run_ids=found.run_ids,
        )


def _grid(rules: Rules, runs: list[TargetRuns]) -> tuple[float, ...]:
    """Return the accuracies of a cell: from the lowest mean at three quarters of the budget to the best final one."""
    late = [found.accuracy_at(0.75 * found.horizon_updates) for found in runs]
    finals = np.concatenate([np.empty(0), *(found.final_accuracies() for found in runs)])
    known = [accuracy for accuracy in late if math.isfinite(accuracy)]
    if not known or finals.max() <= min(known):
        return ()
    low, high = min(known), float(finals.max())
    steps = np.linspace(low, high, GRID_STEPS + 1).tolist()
    return tuple(sorted({*steps, *(target for target in rules.targets if low < target < high)}))
