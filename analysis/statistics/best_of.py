"""Say what the best of fewer draws of a search would have been: tuned less, by the draws that were made.

The draws of a search are exchangeable if they are random, and as good as that if they come from a scrambled Sobol
sequence. Those of an adaptive sampler (TPE) are not: the later ones depend on the earlier, and nothing here applies.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, stats
from scipy.special import gammaln

from analysis.statistics.arrays import FloatArray


@lru_cache(maxsize=64)
def _weights(num_draws: int, chosen: int) -> FloatArray:
    ranks = np.arange(1, num_draws + 1, dtype=np.float64)
    # log of C(i - 1, n - 1) / C(N, n); fewer than n - 1 draws below the i-th leave no way to choose.
    possible = ranks >= chosen
    shown = ranks[possible]
    logs = gammaln(shown) - gammaln(shown - chosen + 1) - gammaln(chosen)
    logs -= gammaln(num_draws + 1) - gammaln(num_draws - chosen + 1) - gammaln(chosen + 1)
    weights = np.zeros(num_draws)
    weights[possible] = np.exp(logs)
    # The logarithms are differences of large numbers: at 65 536 draws their sum is off by 1e-10.
    weights /= weights.sum()
    weights.setflags(write=False)
    return weights


def best_of_weights(num_draws: int, chosen: int) -> FloatArray:
    """Return the probability that each draw, from worst to best, is the best of n chosen without replacement.

    ``C(i - 1, n - 1) / C(N, n)`` for the i-th worst of N.

    Args:
        num_draws: N, at least 1.
        chosen: n, from 1 to N.

    Returns:
        Shape ``(num_draws,)``, summing to 1; not to be written to.

    Raises:
        ValueError: If n is out of range.
    """
    if not 1 <= chosen <= num_draws:
        raise ValueError(f"chosen must be from 1 to the {num_draws} draws; got {chosen}.")
    return _weights(num_draws, chosen)


def ranked_draws(values: ArrayLike) -> FloatArray:
    """Return the draws from worst to best, a diverged one (NaN) as minus infinity: it never wins.

    Args:
        values: Validation accuracies, shape ``(num_draws,)``; NaN where diverged.

    Raises:
        ValueError: If there is more than one axis, no draw, or plus infinity.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or vector.size == 0:
        raise ValueError(f"values must have one axis and at least one draw; got shape {vector.shape}.")
    if np.isposinf(vector).any():
        raise ValueError(f"values must be finite, or NaN where diverged; got {vector.tolist()}.")
    return np.sort(np.where(np.isnan(vector), -np.inf, vector))


def expected_best_of(values: ArrayLike, chosen: int) -> float:
    """Return the expected best of n draws, averaged over every way to choose them.

    Unbiased for the best of n new draws.

    Args:
        values: Validation accuracies of all N draws, shape ``(num_draws,)``; NaN where diverged.
        chosen: n, from 1 to N.

    Returns:
        NaN where n draws may all have diverged: their best has no value, and so there is no expectation.

    Raises:
        ValueError: If n is out of range, or a value is infinite.

    References:
        Dodge et al. (2019), Show your work: improved reporting of experimental results, for the biased version with
        replacement; Tang et al. (2020), Showing your work doesn't always work, equation 4, for this one.
    """
    ranked = ranked_draws(values)
    weights = best_of_weights(ranked.size, chosen)
    counted = weights > 0
    if np.isneginf(ranked[counted]).any():
        return math.nan
    return float(weights[counted] @ ranked[counted])


def best_of_quantile(values: ArrayLike, chosen: int, quantile: float = 0.5) -> float:
    """Return a quantile of the best of n draws chosen at random; with 0.5 the median, the lower one of two.

    Args:
        values: Validation accuracies of all N draws, shape ``(num_draws,)``; NaN where diverged.
        chosen: n, from 1 to N.
        quantile: In [0, 1].

    Returns:
        Minus infinity where the best of that quantile has diverged.

    Raises:
        ValueError: If n or the quantile is out of range, or a value is infinite.
    """
    if not 0 <= quantile <= 1:
        raise ValueError(f"quantile must be in [0, 1]; got {quantile}.")
    return float(drawn_best_of(values, chosen, np.array([quantile]))[0])


def drawn_best_of(values: ArrayLike, chosen: int, uniforms: FloatArray) -> FloatArray:
    """Draw the best of n draws chosen at random without replacement, by inverting its distribution.

    Args:
        values: Validation accuracies of all N draws, shape ``(num_draws,)``; NaN where diverged.
        chosen: n, from 1 to N.
        uniforms: Uniform numbers in [0, 1], shape ``(num_replicates,)``.

    Returns:
        Shape ``(num_replicates,)``; minus infinity where all n have diverged.

    Raises:
        ValueError: If n is out of range, or a value is infinite.
    """
    ranked = ranked_draws(values)
    cumulative = np.cumsum(best_of_weights(ranked.size, chosen))
    # A uniform that is exactly a step belongs to the draw below it; sums of weights miss their value by some 1e-16.
    places = np.searchsorted(cumulative, uniforms - 1e-12)
    # The best of n always has n - 1 draws below it.
    return ranked[np.clip(places, chosen - 1, ranked.size - 1)]


@lru_cache(maxsize=256)
def expected_normal_maximum(size: int) -> float:
    """Return the expected maximum of so many standard normal numbers; 0 for one.

    ``integral over x > 0 of 1 - Phi(x)^n - Phi(-x)^n``.

    Args:
        size: n, at least 1.

    Raises:
        ValueError: If there are none.

    References:
        Harter (1961), Expected values of normal order statistics, table 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1; got {size}.")

    def above_less_below(x: float) -> float:
        return float(-np.expm1(size * stats.norm.logcdf(x)) - stats.norm.cdf(-x) ** size)

    return float(integrate.quad(above_less_below, 0, 40, points=(1, 2, 4, 6, 8), limit=200)[0])
