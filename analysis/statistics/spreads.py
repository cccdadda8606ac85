"""Test whether two samples spread alike, without leaning on normal values as the F test does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import finite_vector, sample_variance


@dataclass(frozen=True, kw_only=True)
class SpreadRatio:
    """The standard deviation of one sample over that of another, and the two-sided p of equal ones."""

    ratio: float
    p: float


def spread_ratio(first: ArrayLike, second: ArrayLike) -> SpreadRatio:
    """Estimate ``s1 / s2``, and test equality by F with degrees of freedom that heed how heavy the tails are.

    ``F = s1^2 / s2^2`` with ``df_i = 2 n_i / (k - (n_i - 3) / (n_i - 1))``, where k is the kurtosis of both samples
    about their own means: then ``df_i`` gives F the variance that it has for values of that kurtosis. With k near
    3 they are near ``n_i - 1``; the plain F test would take heavy tails for unequal spread.

    Args:
        first: Shape ``(n1,)``.
        second: Shape ``(n2,)``.

    Returns:
        NaN below three values in either sample, or where one of them is constant: it may be so by rounding.

    Raises:
        ValueError: If a value is not finite.

    References:
        Shoemaker (2003), Fixing the F test for equal variances, for the degrees of freedom.
    """
    samples = finite_vector(first, "first"), finite_vector(second, "second")
    if min(sample.size for sample in samples) < 3 or any(np.ptp(sample) == 0 for sample in samples):
        return SpreadRatio(ratio=math.nan, p=math.nan)
    f = sample_variance(samples[0]) / sample_variance(samples[1])
    deviations = np.concatenate([sample - sample.mean() for sample in samples])
    squares = (deviations / np.abs(deviations).max()) ** 2
    kurtosis = float(np.mean(squares**2) / np.mean(squares) ** 2)
    degrees = [2 * n / (kurtosis - (n - 3) / (n - 1)) for n in (sample.size for sample in samples)]
    p = 2 * min(float(stats.f.sf(f, *degrees)), float(stats.f.cdf(f, *degrees)))
    return SpreadRatio(ratio=math.sqrt(f), p=min(p, 1.0))
