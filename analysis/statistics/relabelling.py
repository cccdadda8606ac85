"""Test the sum of one score per seed by relabelling the seeds, exactly up to 16 against 16."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.arrays import FloatArray, finite_vector
from analysis.statistics.permutation import PermutationTest

# Half of the seeds have 2^16 subsets, a matter of milliseconds.
MOST_EXACT_SEEDS = 32
MONTE_CARLO_RELABELLINGS = 9_999


def score_test(treatment: ArrayLike, control: ArrayLike, *, seed: int = 0) -> PermutationTest:
    """Test whether the scores of two samples add up to no more than relabelling would give, two-sided.

    p is the share of relabellings whose sum over the treatment is at least as far from its mean as observed. Sums
    over subsets of either half of the seeds are sorted and counted against each other, so that the 601 million
    relabellings of 16 against 16 are counted without being listed (Horowitz and Sahni 1974). With as many seeds in
    both samples this is the p of the Welch t statistic of the scores as well.

    Args:
        treatment: One score per seed, shape ``(num_seeds,)``.
        control: One score per seed, shape ``(num_control_seeds,)``.
        seed: Of the relabellings drawn where there are too many seeds to count.

    Returns:
        p in (0, 1], NaN below two seeds in either sample; 1 where all scores are equal.

    Raises:
        ValueError: If a score is not finite.

    References:
        Fisher (1935), The design of experiments; Phipson and Smyth (2010), equation 2, for the Monte
        Carlo p-value.
    """
    first, second = finite_vector(treatment, "treatment"), finite_vector(control, "control")
    pooled = np.concatenate([first, second])
    exact = pooled.size <= MOST_EXACT_SEEDS
    if min(first.size, second.size) < 2:
        return PermutationTest(p=math.nan, exact=exact, minimum_p=math.nan)
    relabellings = math.comb(pooled.size, first.size)
    # Exchanging two labels that are equally common mirrors the sum.
    least = (2 if first.size == second.size else 1) / relabellings if exact else 1 / (MONTE_CARLO_RELABELLINGS + 1)
    centred = pooled - pooled.mean()
    scale = float(np.abs(centred).max())
    if np.ptp(pooled) == 0 or scale == 0:
        return PermutationTest(p=1.0, exact=exact, minimum_p=least)
    centred /= scale
    # Relabellings that tie with the observed one can differ from it in the last bits.
    bound = abs(float(centred[: first.size].sum())) - 1e-9
    if exact:
        p = _count_beyond(centred, first.size, bound) / relabellings
    else:
        sums = centred[_drawn_choices(pooled.size, first.size, seed)].sum(axis=1)
        p = (np.count_nonzero(np.abs(sums) >= bound) + 1) / (MONTE_CARLO_RELABELLINGS + 1)
    return PermutationTest(p=float(p), exact=exact, minimum_p=least)


def _count_beyond(scores: FloatArray, chosen: int, bound: float) -> int:
    """Count the choices of ``chosen`` scores whose sum is at least ``bound`` in absolute value."""
    if bound <= 0:
        return math.comb(scores.size, chosen)
    half = scores.size // 2
    left, right = _sums_by_size(scores[:half]), _sums_by_size(scores[half:])
    count = 0
    for size in range(max(0, chosen - len(right) + 1), min(half, chosen) + 1):
        others = np.sort(right[chosen - size])
        count += left[size].size * others.size - int(np.searchsorted(others, bound - left[size], side="left").sum())
        count += int(np.searchsorted(others, -bound - left[size], side="right").sum())
    return count


def _sums_by_size(scores: FloatArray) -> list[FloatArray]:
    """Return the sums of all subsets, by number of members."""
    sums = np.zeros(1)
    for score in scores:
        sums = np.concatenate([sums, sums + score])
    return [sums[members] for members in _subsets_by_size(scores.size)]


@lru_cache(maxsize=8)
def _subsets_by_size(size: int) -> list[NDArray[np.intp]]:
    """Return the subsets of each number of members; bit i of a subset says whether it holds member i."""
    counts = np.zeros(1, dtype=np.intp)
    for _ in range(size):
        counts = np.concatenate([counts, counts + 1])
    return [np.flatnonzero(counts == members) for members in range(size + 1)]


@lru_cache(maxsize=4)
def _drawn_choices(size: int, chosen: int, seed: int) -> NDArray[np.uint16]:
    """Draw ways to choose the treatment, shape ``(MONTE_CARLO_RELABELLINGS, chosen)``."""
    order = np.random.default_rng(seed).random((MONTE_CARLO_RELABELLINGS, size))
    return np.argpartition(order, chosen, axis=1)[:, :chosen].astype(np.uint16)
