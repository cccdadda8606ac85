"""Estimate a mean from a few seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.statistics.arrays import FloatArray, finite_vector, sample_mean, sample_variance


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


@dataclass(frozen=True, kw_only=True)
class MeanEstimates:
    """The means of several groups with their Student t intervals, shape ``(num_groups,)``, NaN as in one estimate."""

    n: NDArray[np.intp]
    mean: FloatArray
    low: FloatArray
    high: FloatArray


def mean_estimates(
    values: FloatArray, groups: NDArray[np.intp], num_groups: int, confidence: float = 0.95
) -> MeanEstimates:
    """Estimate the means of many groups at once, each as :func:`mean_estimate` does.

    Args:
        values: Finite, shape ``(num_values,)``.
        groups: Position of the group of each value, in ``[0, num_groups)``, shape ``(num_values,)``.
        num_groups: How many groups there are.
        confidence: Coverage, in (0, 1).
    """
    number = np.bincount(groups, minlength=num_groups)
    lowest, highest = np.full(num_groups, np.inf), np.full(num_groups, -np.inf)
    np.minimum.at(lowest, groups, values)
    np.maximum.at(highest, groups, values)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(groups, values, num_groups) / number
        # The mean of n equal floats need not be that float.
        mean = np.where(lowest == highest, lowest, mean)
        variance = np.bincount(groups, (values - mean[groups]) ** 2, num_groups) / (number - 1)
        half_width = stats.t.ppf((1 + confidence) / 2, number - 1) * np.sqrt(variance / number)
    return MeanEstimates(n=number, mean=mean, low=mean - half_width, high=mean + half_width)
