"""Measure how wide the region of good values of one setting is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.arrays import FloatArray

# Of all draws, this share is looked at together; fewer let single draws break the region up.
WINDOW_SHARE = 1 / 6


@dataclass(frozen=True, kw_only=True)
class NearOptimalRegion:
    """The range of a setting in which the usual draw is near the best.

    Attributes:
        best: Value of the setting in the best draw, the first of several.
        low: Least value in the region; NaN where half of the draws diverged wherever one looks.
        high: Greatest value in the region.
        open_low: Whether the region holds the least value that was drawn, so that it may go on.
        open_high: Whether it holds the greatest.
        near: Draws within the margin of the best draw, in the region or not.
        share_near: The same as a share of all draws, diverged ones included.
    """

    best: float
    low: float
    high: float
    open_low: bool
    open_high: bool
    near: int
    share_near: float


def near_optimal_region(values: ArrayLike, accuracies: ArrayLike, margin: float) -> NearOptimalRegion | None:
    """Find the unbroken range of a setting in which the running median is within ``margin`` of its highest.

    The draws are put in order of the setting, and each gets the median accuracy of itself and its neighbours, a sixth
    of all draws and at least three (less at either end, and one by one below five draws). The region reaches from the
    highest of these medians to either side until one falls short by more than the margin. The median stands for a draw
    whose other settings and seed are left to chance. Without it one unlucky draw would end the region: the range in
    which *every* draw is near the best shrinks to nothing as draws are added.

    Few draws make the region too narrow rather than too wide. In simulated searches of four dimensions its median width
    was 0.7 to 0.8 of the true one with 16 draws, 0.7 to 0.9 with 32 and 0.9 to 1 with 128; where another dimension
    mattered as much as this one, 0.4, 0.5 and 0.8.

    Args:
        values: Of the setting, one per draw, shape ``(num_draws,)``; draws without a value (NaN) are left out.
        accuracies: Shape ``(num_draws,)``; NaN for a diverged draw, which is worse than any other.
        margin: In the unit of the accuracies, at least 0.

    Returns:
        None where no draw with a value has an accuracy.

    Raises:
        ValueError: If the shapes differ or the margin is negative.
    """
    setting, reached = np.asarray(values, dtype=np.float64), np.asarray(accuracies, dtype=np.float64)
    if setting.ndim != 1 or setting.shape != reached.shape:
        raise ValueError(f"values and accuracies must be vectors of one length; got {setting.shape}, {reached.shape}.")
    if not margin >= 0:
        raise ValueError(f"margin must be at least 0; got {margin}.")
    known = np.isfinite(setting)
    setting, reached = setting[known], np.where(np.isnan(reached), -np.inf, reached)[known]
    if not np.isfinite(reached).any():
        return None
    best = int(np.argmax(reached))
    # Differences of decimal fractions miss the margin by a few units in the last place.
    allowed = margin + 1e-12
    near = reached >= reached[best] - allowed
    order = np.argsort(setting, kind="stable")
    usual = running_median(reached[order])
    top = int(np.argmax(usual))
    bad = np.flatnonzero(usual < usual[top] - allowed)
    first, last = int(bad[bad < top].max(initial=-1)) + 1, int(bad[bad > top].min(initial=usual.size)) - 1
    found = bool(np.isfinite(usual[top]))
    low, high = (float(setting[order][end]) if found else float("nan") for end in (first, last))
    return NearOptimalRegion(
        best=float(setting[best]),
        low=low,
        high=high,
        open_low=found and low == float(setting.min()),
        open_high=found and high == float(setting.max()),
        near=int(near.sum()),
        share_near=float(near.mean()),
    )


def running_median(values: FloatArray) -> FloatArray:
    """Return the median of every value and its neighbours, as many on either side, shape ``(num_draws,)``.

    Args:
        values: In order of the setting; ``-inf`` for a diverged draw.
    """
    size = values.size
    half = max(1, (int(size * WINDOW_SHARE) - 1) // 2) if size >= 5 else 0
    reach = [min(half, i, size - 1 - i) for i in range(size)]
    return np.array([np.median(values[i - side : i + side + 1]) for i, side in enumerate(reach)])
