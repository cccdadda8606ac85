"""Find when a curve reaches a target; a miss is a miss, never a large number."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike


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
