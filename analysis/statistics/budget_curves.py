"""Run a monotone curve through the mean accuracies of one arm at several budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator

from analysis.statistics.arrays import FloatArray, finite_vector, sample_mean, sample_variance


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The curve of one arm up to and beyond the anchor, without gaps.

    Attributes:
        log_budgets: Natural logarithms of the budgets, shape ``(num_budgets,)``, rising.
        means: Mean accuracy at each, shape ``(num_budgets,)`` or ``(num_budgets, num_replicates)``.
        squared_errors: Squared standard errors of the means, shape ``(num_budgets,)``; NaN for a single seed.
        degrees_of_freedom: Seeds less one, shape ``(num_budgets,)``.
        anchor: Index of the anchor.
        first: How many of the study's budgets come before the first of these.
    """

    log_budgets: FloatArray
    means: FloatArray
    squared_errors: FloatArray
    degrees_of_freedom: FloatArray
    anchor: int
    first: int

    @property
    def reach(self) -> float:
        """Logarithm of anchor over shortest budget: how far the ratio can be followed on this curve."""
        return float(self.log_budgets[self.anchor] - self.log_budgets[0])

    def steps(self, points: int) -> FloatArray:
        """Return logarithms of anchor over budget, rising from 0, that hit every shorter budget exactly."""
        knots = self.log_budgets[self.anchor] - self.log_budgets[self.anchor :: -1]
        parts = [np.linspace(a, b, points, endpoint=False) for a, b in pairwise(knots)]
        return np.concatenate([*parts, knots[-1:]])


def curve_through(budgets: FloatArray, samples: Sequence[ArrayLike], anchor: int, name: str) -> Curve:
    """Return the curve of one arm: the budgets with values around the anchor, up to the first without.

    Args:
        budgets: Shape ``(num_budgets,)``, positive and rising.
        samples: Accuracies at each, one per seed.
        anchor: Index of the anchor.
        name: What the samples are called in the error.

    Raises:
        ValueError: If the samples do not match the budgets, or there are none at the anchor.
    """
    if len(samples) != budgets.size:
        raise ValueError(f"{name} must have one sample per budget; got {len(samples)} for {budgets.size}.")
    vectors = [finite_vector(sample, name) for sample in samples]
    if vectors[anchor].size == 0:
        raise ValueError(f"{name} must have values at the anchor {budgets[anchor]}; got none.")
    first, last = gapless([vector.size for vector in vectors], anchor)
    kept = vectors[first:last]
    return Curve(
        log_budgets=np.log(budgets[first:last]),
        means=np.array([sample_mean(vector) for vector in kept]),
        squared_errors=np.array([sample_variance(vector) / vector.size for vector in kept]),
        degrees_of_freedom=np.array([vector.size - 1.0 for vector in kept]),
        anchor=anchor - first,
        first=first,
    )


def gapless(sizes: Sequence[int], anchor: int) -> tuple[int, int]:
    """Return the first index, and the one after the last, of the stretch without empty samples around the anchor."""
    empty = [i for i, size in enumerate(sizes) if size == 0]
    first = max((i + 1 for i in empty if i < anchor), default=0)
    return first, min((i for i in empty if i > anchor), default=len(sizes))


def anchored(budgets: ArrayLike, anchor: float | None) -> tuple[FloatArray, int]:
    """Return the budgets as a vector, and the index of the anchor: the longest if None.

    Raises:
        ValueError: If the budgets are not positive and rising, or the anchor is not one of them.
    """
    amounts = finite_vector(budgets, "budgets")
    if amounts.size == 0 or amounts[0] <= 0 or (np.diff(amounts) <= 0).any():
        raise ValueError(f"budgets must be positive and rising; got {amounts.tolist()}.")
    if anchor is None:
        return amounts, amounts.size - 1
    found = np.flatnonzero(amounts == anchor)
    if not found.size:
        raise ValueError(f"anchor must be one of {amounts.tolist()}; got {anchor}.")
    return amounts, int(found[0])


def interpolate(log_budgets: FloatArray, means: FloatArray, at: FloatArray) -> FloatArray:
    """Return the monotone curve through the means.

    Piecewise cubic with the slopes of Fritsch and Butland. The end slopes follow from continuing the curve by one more
    step at either end whose slope is to the last as the last is to the one before, as on a power law: with SciPy's own
    end slopes, a curve that levels off overshoots in its last piece. Through two means the curve is a straight line.

    Args:
        log_budgets: Shape ``(num_budgets,)``, rising.
        means: Shape ``(num_budgets, num_replicates)``.
        at: Logarithms of budgets within the range, shape ``(num_points,)``.

    Returns:
        Shape ``(num_points, num_replicates)``.
    """
    if log_budgets.size == 1:
        return np.repeat(means, at.size, axis=0)
    if log_budgets.size == 2:
        return _straight(log_budgets, means, at)
    gaps = np.diff(log_budgets)
    slopes = np.diff(means, axis=0) / gaps[:, np.newaxis]
    before = _continued(slopes[0], slopes[1], gaps[0], gaps[1])
    after = _continued(slopes[-1], slopes[-2], gaps[-1], gaps[-2])
    knots = np.concatenate([log_budgets[:1] - gaps[0], log_budgets, log_budgets[-1:] + gaps[-1]])
    values = np.concatenate([means[:1] - before * gaps[0], means, means[-1:] + after * gaps[-1]])
    # Means that differ by next to nothing have slopes whose inverse overflows; the slope at the knot is then rightly 0.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return np.asarray(PchipInterpolator(knots, values, axis=0)(at), dtype=np.float64)


def _continued(slope: FloatArray, inner: FloatArray, gap: float, inner_gap: float) -> FloatArray:
    """Return the slope of one more step outwards; 0 at a turning point."""
    with np.errstate(over="ignore"):
        growth = np.divide(slope, inner, out=np.ones_like(slope), where=inner != 0)
    # Beyond a factor of 1000 the end slope has long reached its limit, twice the slope of the piece.
    return slope * np.clip(growth, 0, 1e3) ** (2 * gap / (gap + inner_gap))


def _straight(log_budgets: FloatArray, means: FloatArray, at: FloatArray) -> FloatArray:
    right = np.clip(np.searchsorted(log_budgets, at), 1, log_budgets.size - 1)
    share = (at - log_budgets[right - 1]) / (log_budgets[right] - log_budgets[right - 1])
    return means[right - 1] + share[:, np.newaxis] * (means[right] - means[right - 1])
