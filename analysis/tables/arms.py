"""Summarise each arm in each cell: final accuracy, every seed, learning curve, winning settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.record import CONFIRM, SETTING_PREFIX, TUNE, StudyRecord, trials_of
from analysis.rules import Place, Rules
from analysis.samples import Sample
from analysis.statistics import mean_estimate
from analysis.statistics.arrays import FloatArray
from analysis.statistics.estimates import mean_estimates
from analysis.tables.rows import ArmRow, CurveRow, SeedRow, WinnerRow, finite_or_none


def arm_rows(rules: Rules, samples: Mapping[Place, Sample]) -> tuple[ArmRow, ...]:
    """Return mean, sd and Student t interval of the final test accuracy of every arm in every cell."""
    return tuple(_arm_row(rules, place, sample) for place, sample in samples.items())


def _arm_row(rules: Rules, place: Place, sample: Sample) -> ArmRow:
    estimate = mean_estimate(sample.values, 1 - rules.alpha)
    spread = np.quantile(sample.values, [0.5, 0, 1]) if sample.n else np.full(3, np.nan)
    return ArmRow(
        **place._asdict(),
        as_published=rules.arms[place.arm].as_published,
        n=sample.n,
        planned=sample.planned,
        diverged=sample.diverged,
        missing=sample.missing,
        mean=finite_or_none(estimate.mean),
        sd=finite_or_none(estimate.sd),
        ci_low=finite_or_none(estimate.low),
        ci_high=finite_or_none(estimate.high),
        median=finite_or_none(spread[0]),
        minimum=finite_or_none(spread[1]),
        maximum=finite_or_none(spread[2]),
        run_ids=sample.run_ids,
    )


def seed_rows(record: StudyRecord) -> tuple[SeedRow, ...]:
    """Return every confirm run of the winners on its own."""
    trials = record.counted_trials()
    return tuple(
        SeedRow(
            **place._asdict(),
            search=_int_or_none(run["search"]),
            seed_index=_int_or_none(run["seed_index"]),
            test=None if run["diverged"] else finite_or_none(run["test"]),
            validation=None if run["diverged"] else finite_or_none(run["validation"]),
            diverged=bool(run["diverged"]),
            diverged_at_update=_int_or_none(run["diverged_at_update"]),
            train_seconds=finite_or_none(run["train_seconds"]),
            run_ids=(run["run_id"],),
        )
        for place in record.rules.places
        for run in trials_of(trials, place, CONFIRM).to_dict("records")
    )


def curve_rows(record: StudyRecord) -> tuple[CurveRow, ...]:
    """Return the mean test curve of every arm in every cell with pointwise Student t bands."""
    rows = (_curve_row(record, place) for place in record.rules.places)
    return tuple(row for row in rows if row is not None)


def _curve_row(record: StudyRecord, place: Place) -> CurveRow | None:
    curves = {run_id: record.curve_of(run_id) for run_id in record.trials_at(place, CONFIRM)["run_id"]}
    measured = {run_id: np.isfinite(curve.test) for run_id, curve in curves.items()}
    shown = [run_id for run_id, given in measured.items() if given.any()]
    if not shown:
        return None
    updates, tests, epochs = (
        np.concatenate([getattr(curves[run_id], name)[measured[run_id]] for run_id in shown])
        for name in ("updates", "test", "epochs")
    )
    points, which = np.unique(updates, return_inverse=True)
    estimates = mean_estimates(tests, which, points.size, 1 - record.rules.alpha)
    return CurveRow(
        **place._asdict(),
        updates=tuple(map(int, points)),
        epochs=tuple(map(finite_or_none, _means_of_known(epochs, which, points.size))),
        n=tuple(estimates.n.tolist()),
        mean=tuple(map(finite_or_none, estimates.mean)),
        ci_low=tuple(map(finite_or_none, estimates.low)),
        ci_high=tuple(map(finite_or_none, estimates.high)),
        run_ids=tuple(shown),
    )


def _means_of_known(values: FloatArray, groups: NDArray[np.intp], count: int) -> FloatArray:
    """Return the mean of the finite values of each group; NaN where it has none."""
    known = np.isfinite(values)
    numbers = np.bincount(groups[known], minlength=count)
    sums = np.bincount(groups[known], values[known], minlength=count)
    means: FloatArray = np.divide(sums, numbers, out=np.full(count, np.nan), where=numbers > 0)
    return means


def winner_rows(record: StudyRecord) -> tuple[WinnerRow, ...]:
    """Return the settings of the confirm runs of every search, and the tuning trial that they come from."""
    trials = record.counted_trials()
    recorded = [column for column in trials.columns if column.startswith(SETTING_PREFIX)]
    rows = []
    for place in record.rules.places:
        searched = [SETTING_PREFIX + name for name in (*record.rules.search, *record.rules.arms[place.arm].search)]
        columns = [c for c in searched if c in recorded] + sorted(c for c in recorded if c not in searched)
        confirmed = trials_of(trials, place, CONFIRM)
        tuned = trials_of(trials, place, TUNE)
        for search, runs in confirmed.groupby("search", sort=True):
            settings = _settings(runs.iloc[0], columns)
            candidates = tuned[(tuned["search"] == search) & ~tuned["diverged"] & tuned["validation"].notna()]
            matches = [trial for _, trial in candidates.iterrows() if _settings(trial, columns) == settings]
            best = max(matches, key=lambda trial: (trial["validation"], -trial["draw"]), default=None)
            row = WinnerRow(
                **place._asdict(),
                search=int(str(search)),
                settings=settings,
                draw=None if best is None else _int_or_none(best["draw"]),
                validation=None if best is None else finite_or_none(best["validation"]),
                run_ids=(*(() if best is None else (best["run_id"],)), *runs["run_id"]),
            )
            rows.append(row)
    return tuple(rows)


def _settings(trial: pd.Series[Any], columns: list[str]) -> dict[str, Any]:
    values = {column.removeprefix(SETTING_PREFIX): trial[column] for column in columns}
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
    return {name: value for name, value in plain.items() if value is not None and value == value}  # noqa: PLR0124 (NaN)


def _int_or_none(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)
