"""Pair the seeds that two arms share: a check on the unpaired comparison, not a replacement of it.

Seeds that start alike need not end alike: over 170 pairs of public results with shared seeds the median correlation is
0, so that pairing costs half the degrees of freedom and buys nothing. The correlation is therefore measured and shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import FloatArray, finite_vector, sample_mean, sample_variance
from analysis.statistics.differences import MeanDifference, check_confidence
from analysis.statistics.effects import Effect

FEWEST_PAIRS_FOR_CORRELATION = 4


def shared_seeds(
    treatment: ArrayLike, treatment_seeds: Sequence[int], control: ArrayLike, control_seeds: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    """Return the values of the seeds that both samples have, in the order of the treatment's seeds.

    Args:
        treatment: One value per seed, shape ``(num_seeds,)``.
        treatment_seeds: Index of the seed of each value, each once.
        control: One value per seed, shape ``(num_control_seeds,)``.
        control_seeds: Index of the seed of each value, each once.

    Returns:
        Two arrays of shape ``(num_shared,)``.

    Raises:
        ValueError: If a value is not finite, a seed occurs twice in a sample, or there are not as many seeds as values.
    """
    first = _by_seed(treatment, treatment_seeds, "treatment")
    second = _by_seed(control, control_seeds, "control")
    shared = [seed for seed in first if seed in second]
    return np.array([first[seed] for seed in shared]), np.array([second[seed] for seed in shared])


def _by_seed(values: ArrayLike, seeds: Sequence[int], name: str) -> dict[int, float]:
    vector = finite_vector(values, name)
    if len(seeds) != vector.size or len(set(seeds)) != vector.size:
        raise ValueError(f"{name} must have one value for each of its seeds; got {vector.size} for {list(seeds)}.")
    return dict(zip(seeds, vector.tolist(), strict=True))


def paired_difference(treatment: ArrayLike, control: ArrayLike) -> MeanDifference:
    """Estimate ``mean(treatment) - mean(control)`` from the differences seed by seed.

    ``se = sd(d) / sqrt(n)`` with n - 1 degrees of freedom.

    Args:
        treatment: One value per shared seed, shape ``(num_pairs,)``.
        control: The control's values at the same seeds, shape ``(num_pairs,)``.

    Returns:
        The standard error is NaN below two pairs.

    Raises:
        ValueError: If a value is not finite or the lengths differ.

    References:
        Student (1908), The probable error of a mean, section 9.
    """
    first, second = _paired(treatment, control)
    gaps, n = first - second, first.size
    if n < 2:
        return MeanDifference(difference=sample_mean(gaps), standard_error=math.nan, degrees_of_freedom=math.nan)
    # Gaps that are equal on paper differ in the last bits of the values they come from.
    if np.ptp(gaps) <= 1e-12 * max(np.abs(first).max(), np.abs(second).max()):
        return MeanDifference(difference=float(np.median(gaps)), standard_error=0.0, degrees_of_freedom=math.inf)
    error = math.sqrt(sample_variance(gaps) / n)
    return MeanDifference(difference=sample_mean(gaps), standard_error=error, degrees_of_freedom=n - 1.0)


def seed_correlation(treatment: ArrayLike, control: ArrayLike, confidence: float = 0.95) -> Effect:
    """Estimate the correlation of two arms over the seeds that they share.

    Pearson's r with Fisher's interval, ``tanh(atanh(r) +- z / sqrt(n - 3))``.

    Args:
        treatment: One value per shared seed, shape ``(num_pairs,)``.
        control: The control's values at the same seeds, shape ``(num_pairs,)``.
        confidence: Coverage, in (0, 1).

    Returns:
        NaN below four pairs, where there is no interval, and where either sample is constant.

    Raises:
        ValueError: If a value is not finite, the lengths differ or the confidence is out of range.

    References:
        Fisher (1921), On the probable error of a coefficient of correlation deduced from a small sample.
    """
    check_confidence(confidence)
    first, second = _paired(treatment, control)
    if first.size < FEWEST_PAIRS_FOR_CORRELATION or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Effect(value=math.nan, low=math.nan, high=math.nan)
    r = float(stats.pearsonr(_scaled(first), _scaled(second)).statistic)
    if abs(r) > 1 - 1e-12:  # as far as rounding lets r go
        return Effect(value=math.copysign(1, r), low=math.copysign(1, r), high=math.copysign(1, r))
    reach = float(stats.norm.ppf((1 + confidence) / 2)) / math.sqrt(first.size - 3)
    return Effect(value=r, low=math.tanh(math.atanh(r) - reach), high=math.tanh(math.atanh(r) + reach))


def _scaled(values: FloatArray) -> FloatArray:
    """Return values on [0, 1]; a correlation does not change, and nothing in it underflows."""
    return np.asarray((values - values.min()) / np.ptp(values))


def _paired(treatment: ArrayLike, control: ArrayLike) -> tuple[FloatArray, FloatArray]:
    first, second = finite_vector(treatment, "treatment"), finite_vector(control, "control")
    if first.size != second.size:
        raise ValueError(
            f"treatment and control must have one value for each shared seed; got {first.size} and {second.size}."
        )
    return first, second
