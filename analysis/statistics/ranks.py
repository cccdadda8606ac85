"""Compare arms by their ranks over several workloads, each a block of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import FloatArray

FEWEST_BLOCKS = 6
"""Below this many blocks the rank tests can show next to nothing, and their approximations are poor."""


@dataclass(frozen=True, kw_only=True)
class FriedmanTest:
    """Whether all arms rank alike; what cannot be computed is NaN.

    Attributes:
        num_blocks: Blocks, such as workloads.
        num_arms: Arms that were ranked in each.
        chi2: Friedman's statistic without a correction for ties, as in Demsar (2006).
        chi2_tied: The same with the correction; equal without ties.
        p: Of ``chi2_tied``, from the chi-squared distribution with ``num_arms - 1`` degrees of freedom.
        f: Iman and Davenport's statistic, from ``chi2``.
        f_tied: The same from ``chi2_tied``; infinite where all blocks rank the arms alike.
        f_p: Of ``f_tied``, from the F distribution with ``num_arms - 1`` and ``(num_arms - 1) (num_blocks - 1)``
            degrees of freedom; where ``f_tied`` is infinite, the exact chance that all blocks agree.
    """

    num_blocks: int
    num_arms: int
    chi2: float
    chi2_tied: float
    p: float
    f: float
    f_tied: float
    f_p: float


def block_ranks(values: ArrayLike) -> FloatArray:
    """Rank the arms within every block: the greatest value has rank 1, equal values share their mean rank.

    Args:
        values: Such as accuracies, shape ``(num_blocks, num_arms)``; minus infinity ranks last.

    Returns:
        Shape ``(num_blocks, num_arms)``.

    Raises:
        ValueError: If the shape is another or a value is NaN.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"values must have two axes, blocks and arms; got shape {table.shape}.")
    if np.isnan(table).any():
        raise ValueError("values must not be NaN; got some. Leave out blocks in which an arm has no value.")
    if table.shape[0] == 0:
        return table
    return np.asarray(stats.rankdata(-table, axis=1), dtype=np.float64)


def average_ranks(values: ArrayLike) -> FloatArray:
    """Return the mean rank of every arm over the blocks, shape ``(num_arms,)``; NaN without blocks.

    Args:
        values: As for :func:`block_ranks`.
    """
    ranks = block_ranks(values)
    return np.asarray(ranks.mean(axis=0)) if len(ranks) else np.full(ranks.shape[1], np.nan)


def friedman_test(values: ArrayLike) -> FriedmanTest:
    """Test whether all arms have the same distribution of ranks over the blocks.

    ``chi2 = 12 N / (k (k + 1)) * [sum R_j^2 - k (k + 1)^2 / 4]`` with N blocks, k arms and average ranks R_j, and
    ``F = (N - 1) chi2 / (N (k - 1) - chi2)``. For ties chi2 is divided by ``1 - sum (t^3 - t) / (N (k^3 - k))`` over
    the groups of t equal values in a block.

    Args:
        values: Such as accuracies, shape ``(num_blocks, num_arms)``; minus infinity ranks last.

    Returns:
        NaN for every statistic below two arms or two blocks, and where all values of every block are equal.

    Raises:
        ValueError: If the shape is another or a value is NaN.

    References:
        Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 3.2.2; Iman and Davenport
        (1980), Approximations of the critical region of the Friedman statistic; Conover (1999), Practical
        nonparametric statistics, section 5.8, for ties.
    """
    ranks = block_ranks(values)
    num_blocks, num_arms = ranks.shape
    if num_blocks < 2 or num_arms < 2:
        return _friedman(ranks, math.nan, math.nan)
    centre = (num_arms + 1) / 2
    between = 12 * num_blocks / (num_arms * (num_arms + 1)) * float(((ranks.mean(axis=0) - centre) ** 2).sum())
    # Sum of squared deviations of the ranks, as a share of what it is without ties.
    untied = float(((ranks - centre) ** 2).sum()) / (num_blocks * num_arms * (num_arms**2 - 1) / 12)
    return _friedman(ranks, between, between / untied) if untied > 0 else _friedman(ranks, math.nan, math.nan)


def _friedman(ranks: FloatArray, chi2: float, chi2_tied: float) -> FriedmanTest:
    num_blocks, num_arms = ranks.shape
    f, f_tied = (_iman_davenport(value, num_blocks, num_arms) for value in (chi2, chi2_tied))
    p = f_p = math.nan
    if not math.isnan(chi2_tied):
        p = float(stats.chi2.sf(chi2_tied, num_arms - 1))
        f_p = float(stats.f.sf(f_tied, num_arms - 1, (num_arms - 1) * (num_blocks - 1)))
    if math.isinf(f_tied):
        # A block of k arms with groups of t equal values has k! / (t! ...) arrangements, equally likely by chance.
        groups = np.unique(ranks[0], return_counts=True)[1]
        alike = math.prod(math.factorial(int(size)) for size in groups) / math.factorial(num_arms)
        f_p = alike ** (num_blocks - 1)
    return FriedmanTest(
        num_blocks=num_blocks, num_arms=num_arms, chi2=chi2, chi2_tied=chi2_tied, p=p, f=f, f_tied=f_tied, f_p=f_p
    )


def _iman_davenport(chi2: float, num_blocks: int, num_arms: int) -> float:
    left = num_blocks * (num_arms - 1) - chi2
    # Rounding leaves about 1e-15 where every block ranks the arms alike.
    return math.inf if left <= 1e-9 * num_blocks * num_arms else (num_blocks - 1) * chi2 / left


def critical_difference(num_arms: int, num_blocks: int, alpha: float = 0.05) -> float:
    """Return the difference of average ranks that Nemenyi's test asks for, over all pairs of arms.

    ``CD = q * sqrt(k (k + 1) / (6 N))`` with q the upper alpha point of the studentized range of k arms, over sqrt 2.

    Args:
        num_arms: k, at least 2.
        num_blocks: N, at least 1.
        alpha: Error rate over all pairs, in (0, 1).

    Raises:
        ValueError: If an argument is out of range.

    References:
        Nemenyi (1963), Distribution-free multiple comparisons; Demsar (2006), section 3.2.2.
    """
    if num_arms < 2:
        raise ValueError(f"num_arms must be at least 2; got {num_arms}.")
    if num_blocks < 1:
        raise ValueError(f"num_blocks must be at least 1; got {num_blocks}.")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be in (0, 1); got {alpha}.")
    q = float(stats.studentized_range.ppf(1 - alpha, num_arms, np.inf)) / math.sqrt(2)
    return q * math.sqrt(num_arms * (num_arms + 1) / (6 * num_blocks))


def indistinguishable_groups(ranks: ArrayLike, difference: float) -> tuple[tuple[int, ...], ...]:
    """Return the largest groups of arms whose average ranks all lie within the critical difference.

    These are the bars of a critical-difference diagram. Membership is not transitive: an arm can be in two groups.

    Args:
        ranks: Average ranks, shape ``(num_arms,)``.
        difference: The critical difference; arms that far apart, or nearer, are not told apart.

    Returns:
        Indices of each group from the best rank to the worst, groups in that order; groups of one are left out.

    Raises:
        ValueError: If a rank is not finite.
    """
    values = np.asarray(ranks, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"ranks must be finite; got {values.tolist()}.")
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    # Sums of ranks are multiples of a half, so that rounding is far below any real gap.
    ends = np.searchsorted(ordered, ordered + difference + 1e-9, side="right")
    groups, reached = [], 0
    for start, end in enumerate(ends):
        if end - start > 1 and end > reached:
            groups.append(tuple(int(index) for index in order[start:end]))
        reached = max(reached, int(end))
    return tuple(groups)
