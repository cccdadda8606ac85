"""Estimate a mean from a few seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import finite_vector, sample_mean, sample_variance


@dataclass(frozen=True, kw_only=True)
class MeanEstimate:
    """A mean with its Student t interval; what cannot be estimated is NaN."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


def mean_estimate(values: ArrayLike, confidence: float = 0.95) -> MeanEstimate:
    """Estimate the mean with a Student t interval, ``mean +- t(n - 1) * sd / sqrt(n)``.

    The percentile bootstrap is not offered: at five seeds its nominal 95 % interval covers about 83 %.

    Args:
        values: One value per seed, shape ``(num_seeds,)``; may be empty.
        confidence: Coverage, in (0, 1).

    Returns:
        Mean (NaN without values), sd with n - 1 in the denominator and interval (NaN below two values).

    Raises:
        ValueError: If a value is not finite or the confidence is out of range.

    References:
        Student (1908), The probable error of a mean.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1); got {confidence}.")
    vector = finite_vector(values, "values")
    n, mean, sd = vector.size, sample_mean(vector), math.sqrt(sample_variance(vector))
    half_width = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * sd / math.sqrt(n) if n >= 2 else math.nan
    return MeanEstimate(n=n, mean=mean, sd=sd, low=mean - half_width, high=mean + half_width)
