"""Tell the variance between searches apart from the variance between seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import FloatArray, sample_mean


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """A standard deviation with its interval; NaN where it cannot be estimated."""

    sd: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class SearchVariance:
    """The mean over searches and seeds, and where its variance comes from.

    Attributes:
        num_searches: Searches, each with one winner.
        num_seeds: Seeds on which every winner was run.
        mean: Over all runs.
        low: Lower end of an interval that holds for new searches on new seeds.
        high: Upper end.
        degrees_of_freedom: Of that interval.
        search: Deviation between the winners of searches, seeds averaged out.
        seed: Deviation between seeds for one and the same winner.
        shared_seed_sd: The part of that which all winners share: a seed that is good for one is good for all.
    """

    num_searches: int
    num_seeds: int
    mean: float
    low: float
    high: float
    degrees_of_freedom: float
    search: Deviation
    seed: Deviation
    shared_seed_sd: float


@dataclass(frozen=True, kw_only=True)
class _MeanSquares:
    """Mean squares of the two-way layout with one run per search and seed, and their degrees of freedom."""

    search: float
    seed: float
    rest: float
    num_searches: int
    num_seeds: int

    @property
    def freedom(self) -> tuple[int, int, int]:
        searches, seeds = self.num_searches - 1, self.num_seeds - 1
        return searches, seeds, searches * seeds


def search_variance(accuracies: ArrayLike, confidence: float = 0.95) -> SearchVariance:
    """Split the variance of confirm runs into searches and seeds, both random and crossed.

    ``y_ij = mean + search_i + seed_j + rest_ij``: each of S winners is run on the same R seeds, once. From the mean
    squares, ``var_search = (MS_search - MS_rest) / R`` and ``var_seed = (MS_seed - MS_rest) / S``, set to 0 where
    negative; the deviation between seeds of one winner has the variance ``var_seed + var_rest``. The mean has the
    variance ``var_search / S + var_seed / R + var_rest / (S R)``, and a t interval with degrees of freedom by
    Satterthwaite. The intervals of the deviations are modified large-sample ones.

    For the difference of two arms, give the differences of runs with the same search and seed: replicated searches
    share their draws between arms, and all winners share the seeds, so runs are paired in both.

    Args:
        accuracies: Or differences, shape ``(num_searches, num_seeds)``, all finite.
        confidence: Of each interval, in (0, 1).

    Returns:
        NaN for what cannot be estimated: every spread below two searches or two seeds.

    Raises:
        ValueError: If there are not two axes, a value is not finite, or the confidence is out of range.

    References:
        Searle, Casella and McCulloch (1992), Variance components, section 4.7, for the estimates; Satterthwaite
        (1946), equation 17; Burdick and Graybill (1992), Confidence intervals on variance components, section 3.3
        (differences: Ting et al. 1990, sums: Graybill and Wang 1980).
    """
    runs = np.asarray(accuracies, dtype=np.float64)
    if runs.ndim != 2:
        raise ValueError(f"accuracies must have the axes searches and seeds; got shape {runs.shape}.")
    if not np.isfinite(runs).all():
        raise ValueError("accuracies must be finite. Leave out seeds and searches with a run without a value.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1); got {confidence}.")
    searches, seeds = runs.shape
    mean = sample_mean(runs.ravel())
    if min(searches, seeds) < 2:
        unknown = Deviation(sd=math.nan, low=math.nan, high=math.nan)
        return SearchVariance(
            num_searches=searches, num_seeds=seeds, mean=mean, low=math.nan, high=math.nan,
            degrees_of_freedom=math.nan, search=unknown, seed=unknown, shared_seed_sd=math.nan,
        )  # fmt: skip
    squares = _mean_squares(runs)
    error, freedom = _error_of_mean(squares)
    half_width = float(stats.t.ppf((1 + confidence) / 2, freedom)) * error if error > 0 else 0.0
    return SearchVariance(
        num_searches=searches,
        num_seeds=seeds,
        mean=mean,
        low=mean - half_width,
        high=mean + half_width,
        degrees_of_freedom=freedom,
        search=_difference_interval(squares, confidence),
        seed=_sum_interval(squares, confidence),
        shared_seed_sd=math.sqrt(max(squares.seed - squares.rest, 0.0) / searches),
    )


def _mean_squares(runs: FloatArray) -> _MeanSquares:
    """Return the two-way analysis of variance; rounding is not left to pass for variance."""
    searches, seeds = runs.shape
    centred = runs - runs.flat[0]
    by_search, by_seed = centred.mean(axis=1), centred.mean(axis=0)
    rest = centred - by_search[:, np.newaxis] - by_seed + centred.mean()
    floor = (1e-12 * float(np.abs(runs).max(initial=0.0))) ** 2
    squares = (
        seeds * float(by_search.var(ddof=1)),
        searches * float(by_seed.var(ddof=1)),
        float((rest**2).sum()) / ((searches - 1) * (seeds - 1)),
    )
    search, seed, left = (square if square > floor else 0.0 for square in squares)
    return _MeanSquares(search=search, seed=seed, rest=left, num_searches=searches, num_seeds=seeds)


def _error_of_mean(squares: _MeanSquares) -> tuple[float, float]:
    """Return the standard error of the mean and its degrees of freedom (Satterthwaite).

    A component that is estimated at 0 or less is left out, with one exception: two searches often look alike when
    searches differ, and leaving them out covered 88 % at a nominal 95 %. From three on it covers at least 93 %.
    """
    of_search, of_seed, of_rest = squares.freedom
    search, rest = max(squares.search, squares.rest), squares.rest
    by_search = int(squares.search > rest or squares.num_searches == 2)
    by_seed = int(squares.seed > rest)
    by_rest = 1 - by_search - by_seed
    total = by_search * search + by_seed * squares.seed + by_rest * rest
    if total <= 0:
        return 0.0, math.inf
    parts = ((by_search, search, of_search), (by_seed, squares.seed, of_seed), (by_rest, rest, of_rest))
    spread = sum((count * square / total) ** 2 / freedom for count, square, freedom in parts)
    return math.sqrt(total / (squares.num_searches * squares.num_seeds)), 1 / spread


def _difference_interval(squares: _MeanSquares, confidence: float) -> Deviation:
    """Return the deviation between searches, ``sqrt((MS_search - MS_rest) / R)``, with the interval of Ting et al.

    Its lower end is above 0 exactly where the F test of no variance between searches rejects.
    """
    tail = (1 - confidence) / 2
    first, _, second = squares.freedom
    one, two = squares.search, squares.rest
    upper_f, lower_f = (float(stats.f.ppf(p, first, second)) for p in (1 - tail, tail))
    g1, h1 = _spreads(tail, first)
    g2, h2 = _spreads(tail, second)
    g12 = ((upper_f - 1) ** 2 - (g1 * upper_f) ** 2 - h2**2) / upper_f
    h12 = ((1 - lower_f) ** 2 - (h1 * lower_f) ** 2 - g2**2) / lower_f
    down = max((g1 * one) ** 2 + (h2 * two) ** 2 + g12 * one * two, 0.0)
    # Searches that look more alike than their seeds allow are luck, and no proof that searches never differ.
    most = max(one, two)
    up = max((h1 * most) ** 2 + (g2 * two) ** 2 + h12 * most * two, 0.0)
    ends = (one - two, one - two - math.sqrt(down), most - two + math.sqrt(up))
    sd, low, high = (math.sqrt(max(end, 0.0) / squares.num_seeds) for end in ends)
    return Deviation(sd=sd, low=low, high=high)


def _sum_interval(squares: _MeanSquares, confidence: float) -> Deviation:
    """Return the deviation between seeds of one winner with the interval of Graybill and Wang.

    Its variance is ``(MS_seed + (S - 1) MS_rest) / S``; where the seeds share nothing, ``MS_seed < MS_rest``, it still
    is an unbiased estimate and needs no clamp.
    """
    tail = (1 - confidence) / 2
    _, seeds, both = squares.freedom
    parts = (squares.seed / squares.num_searches, squares.rest * (1 - 1 / squares.num_searches))
    (g1, h1), (g2, h2) = _spreads(tail, seeds), _spreads(tail, both)
    total = sum(parts)
    low = total - math.hypot(g1 * parts[0], g2 * parts[1])
    high = total + math.hypot(h1 * parts[0], h2 * parts[1])
    return Deviation(sd=math.sqrt(total), low=math.sqrt(max(low, 0.0)), high=math.sqrt(high))


def _spreads(tail: float, freedom: int) -> tuple[float, float]:
    """Return how far a mean square may be below and above its estimate, as shares of it: ``1 - 1/F``, ``1/F - 1``."""
    upper, lower = (float(stats.chi2.ppf(p, freedom)) / freedom for p in (1 - tail, tail))
    return 1 - 1 / upper, 1 / lower - 1
