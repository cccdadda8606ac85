"""Lay the learning curves of confirm runs end to end, and find when they reach targets.

The rules: a time is that of the first evaluation at or above the target. A run that never gets there has missed, and is
followed to the horizon: the end of its budget. A diverged run never reaches a target, wherever it was before, and is
followed to the horizon as well, not to where it diverged. A failed run, and a run without any evaluation, is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.record import CONFIRM, CURVES, FAILED, Curve, StudyRecord
from analysis.rules import Cell, Place
from analysis.samples import Sample
from analysis.statistics.arrays import FloatArray
from analysis.statistics.targets import HitTimes, first_hits, hit_times, median_with_misses, sustained_hits


@dataclass(frozen=True, kw_only=True)
class TargetRuns:
    """The confirm runs of one arm in one cell, as far as their times to target are known.

    Attributes:
        run_ids: One per run.
        seeds: Index of the seed of each run, ``(num_runs,)``.
        planned: Runs that the rules ask for.
        horizon_updates: End of the budget, the same for all arms of the cell.
        horizon_epochs: The same in epochs; NaN where the record has no epochs.
        offsets: Where the curve of each run begins, and the end of the last, ``(num_runs + 1,)``. Curves of diverged
            runs are empty.
        curves: All evaluations with a test accuracy, laid end to end.
    """

    run_ids: tuple[str, ...]
    seeds: NDArray[np.int64]
    planned: int
    horizon_updates: float
    horizon_epochs: float
    offsets: NDArray[np.int64]
    curves: Curve

    @property
    def n(self) -> int:
        """Number of runs."""
        return len(self.run_ids)

    @property
    def missing(self) -> int:
        """Number of planned runs that are not there."""
        return max(self.planned - self.n, 0)

    def hits(self, target: float) -> NDArray[np.int64]:
        """Return where each run first hits, as a position among all evaluations; -1 for a miss."""
        return first_hits(self.curves.test, self.offsets, target)

    def num_sustained(self, target: float) -> int:
        """Return how many runs are at or above the target from some evaluation to the last."""
        return int(np.count_nonzero(sustained_hits(self.curves.test, self.offsets, target) >= 0))

    def in_updates(self, hits: NDArray[np.int64]) -> HitTimes:
        """Return the times of hits in updates; misses at the horizon."""
        return self._times(hits, self.curves.updates, self.horizon_updates)

    def in_epochs(self, hits: NDArray[np.int64]) -> HitTimes | None:
        """Return the times of hits in epochs; None where an epoch is not recorded."""
        return self._known_times(hits, self.curves.epochs, self.horizon_epochs)

    def in_order_of_seconds(self, hits: NDArray[np.int64]) -> HitTimes | None:
        """Return times of hits whose order is that of training seconds, misses later than any hit; None if unknown.

        The seconds until a miss ends differ from run to run, and are not known for a run that diverged.
        """
        seconds = self.curves.train_seconds
        return self._known_times(hits, seconds, float(np.finfo(np.float64).max))

    def median(self, hits: NDArray[np.int64], values: FloatArray) -> float | None:
        """Return the median over runs of a column of the curves at the hits, a miss being later than any."""
        reached = values[hits[hits >= 0]]
        if np.isnan(reached).any():
            return None
        return median_with_misses([*reached.tolist(), *[None] * (hits.size - reached.size)])

    def resolution(self, hits: NDArray[np.int64]) -> float | None:
        """Return the median over hits of the gap to the evaluation before, as a share of the time."""
        at, begin = hits[hits >= 0], self.offsets[:-1][hits >= 0]
        if not at.size:
            return None
        updates = self.curves.updates
        before = np.where(at > begin, updates[np.maximum(at - 1, 0)], 0.0)
        return float(np.median(1 - before / np.maximum(updates[at], 1)))

    def accuracy_at(self, updates: float) -> float:
        """Return the mean accuracy over runs at the last evaluation up to some update; NaN where there is none."""
        within = self.curves.updates <= updates
        last = np.insert(np.cumsum(within), 0, 0)
        counts = np.diff(last[self.offsets])
        return (
            float(self.curves.test[(self.offsets[:-1] + counts - 1)[counts > 0]].mean()) if counts.any() else math.nan
        )

    def final_accuracies(self) -> FloatArray:
        """Return the accuracy at the last evaluation of every run that has not diverged."""
        return self.curves.test[self.offsets[1:][np.diff(self.offsets) > 0] - 1]

    def _known_times(self, hits: NDArray[np.int64], values: FloatArray, end: float) -> HitTimes | None:
        known = np.isfinite(end) and np.isfinite(values[hits[hits >= 0]]).all()
        return self._times(hits, values, end) if known else None

    def _times(self, hits: NDArray[np.int64], values: FloatArray, end: float) -> HitTimes:
        reached = hits >= 0
        times = np.full(hits.size, end)
        times[reached] = values[hits[reached]]
        return hit_times(times, reached, self.seeds)


def collect_target_runs(record: StudyRecord, samples: Mapping[Place, Sample]) -> Mapping[Place, TargetRuns]:
    """Return the runs of every arm in every cell; nothing where the record has no curves.

    A cell is left out where runs diverged and the record says neither how long they were to be nor when any other run
    was evaluated: nobody knows until when they missed.
    """
    if CURVES not in record.recorded:
        return {}
    by_cell: dict[Cell, list[Place]] = {}
    for place in record.rules.places:
        by_cell.setdefault(Cell(place.workload, place.budget), []).append(place)
    found = {}
    for cell, places in by_cell.items():
        tables = {place: _counted(record, place) for place in places}
        curves = {place: _joined(record, table) for place, table in tables.items()}
        horizon = _horizon(record, cell, tables.values(), [curve for curve, _ in curves.values()])
        if math.isnan(horizon[0]) and any(len(table) for table in tables.values()):
            continue
        for place, (curve, offsets) in curves.items():
            found[place] = TargetRuns(
                run_ids=tuple(tables[place]["run_id"]),
                seeds=_seeds(tables[place]),
                planned=samples[place].planned,
                horizon_updates=horizon[0],
                horizon_epochs=horizon[1],
                offsets=offsets,
                curves=curve,
            )
    return found


def _counted(record: StudyRecord, place: Place) -> pd.DataFrame:
    """Return the runs of which it is known whether they reach a target."""
    runs = record.trials_at(place, CONFIRM)
    evaluated = np.array([np.isfinite(record.curve_of(run_id).test).any() for run_id in runs["run_id"]], dtype=bool)
    return runs[(runs["outcome"] != FAILED) & (runs["diverged"] | evaluated)]


def _seeds(runs: pd.DataFrame) -> NDArray[np.int64]:
    """Return the seed of each run; a run without one is on its own."""
    index = runs["seed_index"]
    own = -1 - np.arange(len(runs))
    return np.where(index.isna(), own, index.fillna(0).to_numpy(dtype=np.int64))


def _joined(record: StudyRecord, runs: pd.DataFrame) -> tuple[Curve, NDArray[np.int64]]:
    """Return the curves of the runs laid end to end, and where each begins; diverged runs have none."""
    kept = [
        record.curve_of(run_id)
        for run_id, diverged in zip(runs["run_id"], runs["diverged"], strict=True)
        if not diverged
    ]
    # A point of another curve, such as the loss between two evaluations, is no evaluation.
    measured = [np.isfinite(curve.test) for curve in kept]
    lengths = np.zeros(len(runs), dtype=np.int64)
    lengths[~runs["diverged"].to_numpy(dtype=bool)] = [np.count_nonzero(mask) for mask in measured]

    def column(name: str) -> FloatArray:
        parts = [getattr(curve, name)[mask] for curve, mask in zip(kept, measured, strict=True)]
        return np.concatenate(parts) if parts else np.empty(0)

    names = ("updates", "epochs", "train_seconds", "validation", "test")
    return Curve(**{name: column(name) for name in names}), np.cumsum(np.insert(lengths, 0, 0))


def _horizon(
    record: StudyRecord, cell: Cell, tables: Iterable[pd.DataFrame], curves: Sequence[Curve]
) -> tuple[float, float]:
    """Return the end of the budget of a cell in updates and in epochs; NaN where it cannot be told.

    Where the record does not say how many updates a training has, it ends with the last evaluation in the cell.
    """
    charged = [float(total) for table in tables for total in table["total_updates"].dropna()]
    updates = np.concatenate([np.empty(0), *(curve.updates for curve in curves)])
    epochs = np.concatenate([np.empty(0), *(curve.epochs for curve in curves)])
    unit = record.rules.budgets.unit
    uncharged = float(cell.budget) if unit == "updates" else float(max(updates, default=math.nan))
    end = min(charged, default=uncharged)
    if not end > 0:  # a table may say so; no training has it
        end = math.nan
    if unit == "epochs":
        return end, float(cell.budget)
    known = np.isfinite(epochs) & (updates > 0)
    return end, end * float(np.median(epochs[known] / updates[known])) if known.any() else math.nan
