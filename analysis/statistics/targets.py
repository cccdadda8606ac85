"""Find when a curve reaches a target; a miss is a miss, never a large number."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.arrays import FloatArray, finite_vector


@dataclass(frozen=True, kw_only=True)
class HitTimes:
    """When each run of a sample reached a target; made by :func:`hit_times`.

    Attributes:
        times: When the run reached the target or, if it missed, until when it was watched; shape ``(num_runs,)``.
        reached: Whether it reached the target, shape ``(num_runs,)``.
        seeds: Which runs belong together, shape ``(num_runs,)``: runs of one seed are not independent.
    """

    times: FloatArray
    reached: NDArray[np.bool_]
    seeds: NDArray[np.int64]

    @property
    def num_runs(self) -> int:
        """Number of runs."""
        return int(self.times.size)

    @property
    def num_seeds(self) -> int:
        """Number of independent units."""
        return int(np.unique(self.seeds).size)

    @property
    def hits(self) -> int:
        """Number of runs that reached the target."""
        return int(np.count_nonzero(self.reached))

    def mean_per_seed(self, values: FloatArray) -> FloatArray:
        """Return the mean over the runs of each seed of one value per run, shape ``(num_seeds,)``."""
        _, unit = np.unique(self.seeds, return_inverse=True)
        return np.asarray(np.bincount(unit, weights=values) / np.bincount(unit), dtype=np.float64)


def hit_times(times: ArrayLike, reached: ArrayLike, seeds: ArrayLike | None = None) -> HitTimes:
    """Put together a sample of times to a target.

    Args:
        times: In any unit, not negative, shape ``(num_runs,)``; may be empty.
        reached: False for a run that had not reached the target at its time (right-censored there).
        seeds: Equal for runs that share a seed, such as the winners of replicated searches; without it every run
            is on its own.

    Raises:
        ValueError: If a time is not finite or negative, or if the shapes differ.
    """
    vector = finite_vector(times, "times")
    if vector.size and vector.min() < 0:
        raise ValueError(f"times must not be negative; got {vector.min():g}.")
    flags = np.asarray(reached, dtype=np.bool_)
    labels = np.arange(vector.size) if seeds is None else np.asarray(seeds, dtype=np.int64)
    for name, array in (("reached", flags), ("seeds", labels)):
        if array.shape != vector.shape:
            raise ValueError(f"{name} must have the shape of times, {vector.shape}; got {array.shape}.")
    return HitTimes(times=vector, reached=flags, seeds=labels)


def first_hit(accuracies: ArrayLike, target: float) -> int | None:
    """Return the index of the first evaluation at or above the target, or None.

    Args:
        accuracies: Shape ``(num_evaluations,)``, in order of updates; NaN is below any target.
        target: In the unit of the accuracies.
    """
    hits = np.flatnonzero(np.asarray(accuracies, dtype=np.float64) >= target)
    return int(hits[0]) if hits.size else None


def sustained_hit(accuracies: ArrayLike, target: float) -> int | None:
    """Return the index of the evaluation from which on all are at or above the target, or None.

    Args:
        accuracies: Shape ``(num_evaluations,)``, in order of updates; NaN is below any target.
        target: In the unit of the accuracies.
    """
    above = np.asarray(accuracies, dtype=np.float64) >= target
    below = np.flatnonzero(~above)
    start = int(below[-1]) + 1 if below.size else 0
    return start if start < above.size else None


def first_hits(accuracies: ArrayLike, offsets: ArrayLike, target: float) -> NDArray[np.int64]:
    """Return :func:`first_hit` of many curves at once, as positions among all evaluations; -1 for a miss.

    Args:
        accuracies: The curves laid end to end, shape ``(num_evaluations,)``; NaN is below any target.
        offsets: Where each curve begins, and the end of the last, shape ``(num_runs + 1,)``; a curve may be empty.
        target: In the unit of the accuracies.
    """
    above = np.asarray(accuracies, dtype=np.float64) >= target
    bounds = np.asarray(offsets, dtype=np.int64)
    hits = np.flatnonzero(above)
    # The first hit at or after the beginning of a curve belongs to it if it comes before the next begins.
    candidates = np.append(hits, above.size)[np.searchsorted(hits, bounds[:-1])]
    return np.where(candidates < bounds[1:], candidates, -1)


def sustained_hits(accuracies: ArrayLike, offsets: ArrayLike, target: float) -> NDArray[np.int64]:
    """Return :func:`sustained_hit` of many curves at once, as positions among all evaluations; -1 for a miss.

    Args:
        accuracies: The curves laid end to end, shape ``(num_evaluations,)``; NaN is below any target.
        offsets: Where each curve begins, and the end of the last, shape ``(num_runs + 1,)``; a curve may be empty.
        target: In the unit of the accuracies.
    """
    above = np.asarray(accuracies, dtype=np.float64) >= target
    bounds = np.asarray(offsets, dtype=np.int64)
    below = np.flatnonzero(~above)
    last_below = np.insert(below, 0, -1)[np.searchsorted(below, bounds[1:])]
    begins = np.maximum(last_below + 1, bounds[:-1])
    return np.where(begins < bounds[1:], begins, -1)


def median_with_misses(times: Iterable[float | None]) -> float | None:
    """Return the median time over runs where a miss (None) counts as later than any time.

    Returns:
        None without runs, and where the median run (or, for an even number, either middle run) missed.
    """
    values = sorted(math.inf if time is None else float(time) for time in times)
    if not values:
        return None
    middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
    return middle if math.isfinite(middle) else None
