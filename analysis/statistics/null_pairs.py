"""Send one sample, split in two, through the comparison: how often does it find a difference that cannot be there?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.statistics.arrays import FloatArray, finite_vector
from analysis.statistics.sequential import confidence_sequence

FEWEST_SEEDS = 4
MOST_LISTED_SPLITS = 20_000
DRAWN_SPLITS = 5_000


@dataclass(frozen=True, kw_only=True)
class NullPairs:
    """What the comparison of two halves of one sample found, over many splits into halves.

    Splits of one sample overlap, so that the rates are not those of independent studies, and intervals for them would
    promise too much.

    Attributes:
        n: Values in the sample.
        splits: Splits that were tried.
        exhaustive: Whether these are all there are.
        false_positive_rate: Share of splits with p below alpha.
        corrected_rate: Share of splits with p times the number of comparisons below alpha.
        equivalent_rate: Share of splits that were found equivalent.
        smallest_p: Least p over the splits.
    """

    n: int
    splits: int
    exhaustive: bool
    false_positive_rate: float
    corrected_rate: float
    equivalent_rate: float
    smallest_p: float


def null_pairs(
    values: ArrayLike, *, alpha: float, margin: float, num_comparisons: int = 1, seed: int = 0
) -> NullPairs | None:
    """Compare the two halves of a sample by the permutation test of Welch's t and by two one-sided Welch tests.

    All splits have the same values to relabel, so that they share one permutation distribution: the p of a split is
    the share of splits with ``|t|`` at least its own. The rate below alpha is therefore at most alpha by construction;
    it shows how far the steps of p keep it below, and the rate of equivalence shows whether half as many seeds could
    have shown equivalence at this spread. It cannot show what all halves have in common, such as seeds that do nothing.

    Args:
        values: One value per seed, shape ``(num_seeds,)``.
        alpha: Error rate, in (0, 0.5).
        margin: Largest difference that does not matter; positive.
        num_comparisons: Of the study, for the corrected rate.
        seed: Of the splits drawn where there are too many to list.

    Returns:
        None below four values, of which no halves can be compared.

    Raises:
        ValueError: If a value is not finite.
    """
    vector = finite_vector(values, "values")
    if vector.size < FEWEST_SEEDS:
        return None
    halves, exhaustive = _splits(vector.size, seed)
    difference, squared_error, degrees = _welch(vector, halves)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(difference) / np.sqrt(squared_error)
        t = np.where(squared_error > 0, t, np.where(difference == 0, 0, np.inf))
        half_width = np.where(squared_error > 0, stats.t.ppf(1 - alpha, degrees) * np.sqrt(squared_error), 0.0)
    p = _shares_at_least(t, exhaustive)
    return NullPairs(
        n=vector.size,
        splits=len(halves),
        exhaustive=exhaustive,
        false_positive_rate=float(np.mean(p < alpha)),
        corrected_rate=float(np.mean(p * num_comparisons < alpha)),
        equivalent_rate=float(np.mean(np.abs(difference) + half_width < margin)),
        smallest_p=float(p.min()),
    )


def sequential_null_pairs(
    values: ArrayLike, *, alpha: float, margin: float, num_comparisons: int = 1, seed: int = 0
) -> NullPairs | None:
    """Compare the two halves of a sample block by block under the e-process, looking after every block.

    Each split pairs the values of the halves in their order. Unlike the permutation test, the e-process rests on
    near-normal differences, so that its rate can exceed alpha where these are not.

    Args:
        values: One value per seed, shape ``(num_seeds,)``; the last is left out where their number is odd.
        alpha: Error rate, in (0, 1).
        margin: Largest difference that does not matter; positive.
        num_comparisons: Of the study; equivalence and the corrected rate take alpha over it.
        seed: Of the splits drawn where there are too many to list.

    Returns:
        None below four values.

    Raises:
        ValueError: If a value is not finite.
    """
    vector = finite_vector(values, "values")
    if vector.size < FEWEST_SEEDS:
        return None
    size = vector.size - vector.size % 2
    halves, exhaustive = _splits(size, seed)
    chosen = np.zeros((len(halves), size), dtype=bool)
    np.put_along_axis(chosen, halves.astype(np.intp), True, axis=1)
    table = np.broadcast_to(vector[:size], chosen.shape)
    differences = table[chosen].reshape(len(halves), -1) - table[~chosen].reshape(len(halves), -1)
    corrected = confidence_sequence(differences, alpha / num_comparisons)
    p = corrected.p[:, -1]
    return NullPairs(
        n=vector.size,
        splits=len(halves),
        exhaustive=exhaustive,
        false_positive_rate=float(np.mean(p < alpha)),
        corrected_rate=float(np.mean(p * num_comparisons < alpha)),
        equivalent_rate=float(np.mean(corrected.states(margin)[:, -1] == "equivalent")),
        smallest_p=float(p.min()),
    )


def _splits(size: int, seed: int) -> tuple[NDArray[np.intp], bool]:
    """Return the first half of every split, shape ``(num_splits, size // 2)``, and whether all splits are there.

    A split in equal halves is listed once: the last value is never in the first half.
    """
    half = size // 2
    pool = size - 1 if size % 2 == 0 else size
    count = math.comb(pool, half)
    if count <= MOST_LISTED_SPLITS:
        return np.array(list(combinations(range(pool), half)), dtype=np.intp), True
    order = np.argsort(np.random.default_rng(seed).random((DRAWN_SPLITS, pool)), axis=1)
    return np.sort(order[:, :half], axis=1), False


def _welch(values: FloatArray, halves: NDArray[np.intp]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return difference, squared standard error and degrees of freedom of every split."""
    chosen = np.zeros((len(halves), values.size), dtype=bool)
    np.put_along_axis(chosen, halves, True, axis=1)
    means, parts, freedom = [], [], []
    for members in (chosen, ~chosen):
        taken = np.broadcast_to(values, chosen.shape)[members].reshape(len(halves), -1)
        equal = np.ptp(taken, axis=1) == 0
        means.append(np.where(equal, taken[:, 0], taken.mean(axis=1)))
        parts.append(np.where(equal, 0.0, taken.var(axis=1, ddof=1)) / taken.shape[1])
        freedom.append(taken.shape[1] - 1)
    total = parts[0] + parts[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = sum((part / total) ** 2 / df for part, df in zip(parts, freedom, strict=True))
        return means[0] - means[1], total, np.asarray(1 / spread)


def _shares_at_least(t: FloatArray, exhaustive: bool) -> FloatArray:
    """Return for every entry the share of entries at least as large, ties up to rounding included."""
    ordered = np.sort(t)
    with np.errstate(invalid="ignore"):
        bound = np.where(np.isfinite(t), t * (1 - 1e-9), t)
    count = t.size - np.searchsorted(ordered, bound, side="left")
    return np.asarray(count / t.size if exhaustive else (count + 1) / (t.size + 1))
