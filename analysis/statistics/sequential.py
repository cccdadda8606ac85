"""Look at paired differences after every block of seeds without inflating the error rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.arrays import FloatArray

SequenceState = Literal["better", "worse", "equivalent", "undecided", "contradictory"]

PRIOR_VARIANCE = 1.0
# Differences that agree to this share of the largest are equal up to rounding.
_EQUAL = 1e-9


@dataclass(frozen=True, kw_only=True)
class ConfidenceSequence:
    """Intervals of a mean difference after each block, valid at all blocks at once.

    Attributes:
        low: Lower end after each block, shape ``(..., num_blocks)``; the intervals so far are intersected, so that it
            never falls. ``-inf`` while nothing is excluded.
        high: Upper end; it never rises. Below ``low`` where the intervals contradict each other, which differences
            that drift or are far from normal can cause.
        p: Anytime-valid p of no difference after each block, ``1 / max E`` so far, at most 1; it never rises.
    """

    low: FloatArray
    high: FloatArray
    p: FloatArray

    def states(self, margin: float) -> NDArray[np.str_]:
        """Return what is shown after each block, shape ``(..., num_blocks)``: a :data:`SequenceState` each.

        *equivalent* where the interval lies strictly inside ``(-margin, margin)``, also where it excludes zero;
        *better* or *worse* where it excludes zero; *contradictory* where it is empty.

        Args:
            margin: Largest difference that does not matter; positive.

        Raises:
            ValueError: If the margin is not positive.
        """
        if not margin > 0:
            raise ValueError(f"margin must be positive; got {margin}.")
        shown = [
            self.low > self.high,
            (self.low > -margin) & (self.high < margin),
            self.low > 0,
            self.high < 0,
        ]
        return np.select(shown, ["contradictory", "equivalent", "better", "worse"], default="undecided")


def log_e_values(differences: ArrayLike, *, null: float = 0.0, prior_variance: float = PRIOR_VARIANCE) -> FloatArray:
    """Return the logarithm of the right-Haar t e-process against one mean, after each block.

    ``log E_n = -log(1 + n g)/2 + (n/2) [log(1 + t^2/(n - 1)) - log(1 + t^2/((n - 1)(1 + n g)))]`` with the one-sample
    t statistic of the first n differences. If they are independent and normal with mean ``null``, whatever their
    variance, the probability that E ever reaches ``1/alpha`` is at most alpha.

    Args:
        differences: Treatment minus control, one per block, shape ``(..., num_blocks)``, in the order in which the
            blocks were run.
        null: The mean that is tested.
        prior_variance: g, the variance of a normal prior on the mean over the standard deviation; positive.

    Returns:
        Shape ``(..., num_blocks)``. 0, no evidence, after the first block and while all differences are equal: with
        values that come in steps, such as accuracies, equal differences say little, and are never taken as proof.

    Raises:
        ValueError: If a difference is not finite or g is not positive.

    References:
        Jeffreys (1961), Theory of Probability, 5.2; Perez-Ortiz, Lardy, de Heide and Gruenwald (2024), E-statistics,
        group invariance and anytime-valid testing, section 4.
    """
    values = _checked(differences, prior_variance)
    n, mean, sd = _running(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        squared_t_per_df = n * ((mean - null) / sd) ** 2 / (n - 1)
        shrunk = squared_t_per_df / (1 + n * prior_variance)
        log_e = -np.log1p(n * prior_variance) / 2 + n / 2 * (np.log1p(squared_t_per_df) - np.log1p(shrunk))
    return np.asarray(np.where(sd > 0, log_e, 0.0))


def confidence_sequence(
    differences: ArrayLike, alpha: float, *, prior_variance: float = PRIOR_VARIANCE
) -> ConfidenceSequence:
    """Return intervals of the mean difference that hold after every block at once with probability 1 - alpha.

    After n blocks the means with ``E_n <= 1/alpha``: ``mean +- sd/sqrt(n) sqrt((n - 1) (c - 1)/(1 - c/(1 + n g)))``,
    ``c = ((1 + n g)/alpha^2)^(1/n)``, and every mean where ``c >= 1 + n g``; then intersected with those before. By
    Ville's inequality it holds wherever the sequence is stopped, for whatever reason.

    Args:
        differences: Treatment minus control, one per block, shape ``(..., num_blocks)``, in the order in which the
            blocks were run.
        alpha: Probability that the mean is ever left out, in (0, 1).
        prior_variance: As in :func:`log_e_values`.

    Raises:
        ValueError: If a difference is not finite, or alpha or g is out of range.

    References:
        Wang and Ramdas (2024), Anytime-valid t-tests and confidence sequences for Gaussian means with unknown
        variance.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be in (0, 1); got {alpha}.")
    values = _checked(differences, prior_variance)
    n, mean, sd = _running(values)
    factor = _half_widths(n, alpha, prior_variance)
    half_width = np.where(sd > 0, np.where(sd > 0, sd, 1.0) * factor, np.inf)
    log_e = log_e_values(values, prior_variance=prior_variance)
    return ConfidenceSequence(
        low=np.maximum.accumulate(mean - half_width, axis=-1),
        high=np.minimum.accumulate(mean + half_width, axis=-1),
        p=np.exp(-np.maximum(np.maximum.accumulate(log_e, axis=-1), 0.0)),
    )


def settled_after(differences: ArrayLike, margin: float, alpha: float) -> NDArray[np.intp]:
    """Return the number of blocks after which a comparison is first settled, shape ``(...)``; 0 where it never is.

    Args:
        differences: Shape ``(..., num_blocks)``, as in :func:`confidence_sequence`.
        margin: Largest difference that does not matter; positive.
        alpha: Error rate of this comparison, in (0, 1).
    """
    settled = confidence_sequence(differences, alpha).states(margin) != "undecided"
    first = np.argmax(settled, axis=-1) + 1 if settled.shape[-1] else np.zeros(settled.shape[:-1], dtype=np.intp)
    return np.asarray(np.where(settled.any(axis=-1), first, 0), dtype=np.intp)


def fewest_blocks(alpha: float, *, prior_variance: float = PRIOR_VARIANCE) -> int:
    """Return the number of blocks before which the sequence excludes nothing, however large the difference.

    The least n with ``(1 + n g)^((n - 1)/2) > 1/alpha``.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be in (0, 1); got {alpha}.")
    n = 2
    while (n - 1) / 2 * math.log1p(n * prior_variance) <= -math.log(alpha):
        n += 1
    return n


def _half_widths(n: FloatArray, alpha: float, prior_variance: float) -> FloatArray:
    """Return the half-width of the interval after n blocks in standard deviations; infinite for too few blocks."""
    most = 1 + n * prior_variance
    log_c = (np.log(most) - 2 * math.log(alpha)) / n
    bounded = log_c < np.log(most)
    c = np.exp(np.where(bounded, log_c, 0.0))
    with np.errstate(invalid="ignore"):
        factor = np.sqrt((n - 1) * (c - 1) / (1 - c / most) / n)
    return np.where(bounded & (n > 1), factor, np.inf)


def _checked(differences: ArrayLike, prior_variance: float) -> FloatArray:
    values = np.atleast_1d(np.asarray(differences, dtype=np.float64))
    if not np.isfinite(values).all():
        raise ValueError("differences must be finite; got NaN or infinity. End the sequence before such a block.")
    if not prior_variance > 0:
        raise ValueError(f"prior_variance must be positive; got {prior_variance}.")
    return values


def _running(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return n, mean and standard deviation of the first n values for every n; exactly 0 for equal values."""
    n = np.arange(1, values.shape[-1] + 1, dtype=np.float64)
    start = values[..., :1]
    shifted = values - start
    sums, squares = np.cumsum(shifted, axis=-1), np.cumsum(shifted**2, axis=-1)
    variance = np.maximum(squares - sums**2 / n, 0.0) / np.maximum(n - 1, 1.0)
    spread = np.maximum.accumulate(values, axis=-1) - np.minimum.accumulate(values, axis=-1)
    equal = spread <= _EQUAL * np.maximum.accumulate(np.abs(values), axis=-1)
    return n, start + sums / n, np.where(equal, 0.0, np.sqrt(variance))
