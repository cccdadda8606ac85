"""Say what a number of seeds can show, and how many it takes: two arms, a t test, normal accuracies of equal spread.

Simulated, a difference that should be found with 80 % power is found by the permutation test of the Welch statistic
with 78 to 80 % from 5 seeds per arm on and with 68 % at 4, where its p-values are few; below 4 it cannot be found.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import integrate, special, stats

from analysis.statistics.noncentral import noncentrality

DEFAULT_POWER = 0.8
# Beyond this a number of seeds is of no use to anybody.
MOST_SEEDS = 1_000_000


def detectable_in_standard_errors(degrees_of_freedom: float, alpha: float, power: float = DEFAULT_POWER) -> float:
    """Return the difference, in standard errors, that a two-sided t test at ``alpha`` finds with this power.

    The noncentrality at which a noncentral t variable exceeds ``t(1 - alpha / 2, df)`` with probability ``power``; that
    the test may reject on the wrong side is neglected.

    Args:
        degrees_of_freedom: Of the test; positive.
        alpha: Error rate of the test, in (0, 1); divide by the number of comparisons for Bonferroni.
        power: In (0, 1).

    Raises:
        ValueError: If a rate is out of range.

    References:
        Cohen (1988), Statistical power analysis for the behavioral sciences, chapter 2.
    """
    _check_rates(alpha=alpha, power=power)
    if not degrees_of_freedom > 0:
        return math.nan
    critical = float(stats.t.isf(alpha / 2, degrees_of_freedom))
    return noncentrality(critical, degrees_of_freedom, 1 - power)


def minimum_detectable_difference(
    num_treatment: int, num_control: int, alpha: float = 0.05, power: float = DEFAULT_POWER
) -> float:
    """Return the least difference that these seeds find with this power, in standard deviations over seeds.

    Args:
        num_treatment: Seeds of the treatment.
        num_control: Seeds of the control.
        alpha: Error rate of the two-sided test, in (0, 1); divide by the number of comparisons for Bonferroni.
        power: In (0, 1).

    Returns:
        NaN below two seeds in either arm.

    Raises:
        ValueError: If a rate is out of range.
    """
    _check_rates(alpha=alpha, power=power)
    if min(num_treatment, num_control) < 2:
        return math.nan
    in_errors = detectable_in_standard_errors(num_treatment + num_control - 2, alpha, power)
    return in_errors * math.sqrt(1 / num_treatment + 1 / num_control)


def seeds_to_detect(difference: float, alpha: float = 0.05, power: float = DEFAULT_POWER) -> int | None:
    """Return the least number of seeds per arm that finds this difference with this power.

    A permutation test cannot give a p below ``2 / C(2n, n)``; no fewer seeds are asked for than it needs to get below
    alpha.

    Args:
        difference: In standard deviations over seeds; positive, or NaN where the spread is not known.
        alpha: Error rate of the two-sided test, in (0, 1); divide by the number of comparisons for Bonferroni.
        power: In (0, 1).

    Returns:
        None if NaN, or if more than ``MOST_SEEDS``.

    Raises:
        ValueError: If the difference or a rate is out of range.
    """
    _check_rates(alpha=alpha, power=power)
    _check_difference(difference)
    least = fewest_seeds_to_reject(alpha)
    return _least_seeds(lambda n: minimum_detectable_difference(n, n, alpha, power) <= difference, least)


def fewest_seeds_to_reject(alpha: float) -> int:
    """Return the least number n of seeds per arm with ``2 / C(2n, n) < alpha``: fewer can never be significant.

    Args:
        alpha: Error rate of the permutation test, in (0, 1); divide by the number of comparisons for Bonferroni.
    """
    _check_rates(alpha=alpha)
    n = 2
    while 2 / math.comb(2 * n, n) >= alpha:
        n += 1
    return n


def equivalence_power(margin: float, num_seeds: int, alpha: float = 0.05) -> float:
    """Return how likely two one-sided t tests place a true difference of 0 within the margin.

    ``E[2 Phi(margin / se - t S) - 1]`` where positive, with ``se = sqrt(2 / n)``, t the quantile at 1 - alpha and S the
    square root of chi-squared over its ``2 n - 2`` degrees of freedom.

    Args:
        margin: In standard deviations over seeds; positive.
        num_seeds: Per arm.
        alpha: Error rate of each one-sided test, in (0, 0.5).

    Returns:
        NaN below two seeds.

    Raises:
        ValueError: If the margin or alpha is out of range.

    References:
        Phillips (1990), Power of the two one-sided tests procedure in bioequivalence.
    """
    _check_rates(alpha=alpha)
    _check_difference(margin)
    if num_seeds < 2 or math.isnan(margin):
        return math.nan
    df = 2 * num_seeds - 2
    critical, reach = float(stats.t.isf(alpha, df)), margin * math.sqrt(num_seeds / 2)
    scale = 1 / math.sqrt(df)
    most = min(reach / critical, float(stats.chi.isf(1e-12, df, scale=scale)))
    least = float(stats.chi.ppf(1e-12, df, scale=scale))
    if most <= least:
        return 0.0

    def density(spread: float) -> float:
        return float(special.erf((reach - critical * spread) / math.sqrt(2)) * stats.chi.pdf(spread, df, scale=scale))

    return float(integrate.quad(density, least, most, epsabs=1e-8, limit=200)[0])


def seeds_for_equivalence(margin: float, alpha: float = 0.05, power: float = DEFAULT_POWER) -> int | None:
    """Return the least number of seeds per arm that shows equivalence with this power where the arms are equal.

    Args:
        margin: In standard deviations over seeds; positive, or NaN where the spread is not known.
        alpha: Error rate of each one-sided test, in (0, 0.5).
        power: In (0, 1).

    Returns:
        None if NaN, or if more than ``MOST_SEEDS``.

    Raises:
        ValueError: If the margin or a rate is out of range.
    """
    _check_rates(alpha=alpha, power=power)
    _check_difference(margin)
    return _least_seeds(lambda n: equivalence_power(margin, n, alpha) >= power, 2)


def pairs_for_improvement(probability: float = 0.75, alpha: float = 0.05, power: float = 0.95) -> int:
    """Return how many pairs it takes to show that one arm beats the other more often than not.

    ``N >= ((z(1 - alpha) + z(power)) / (sqrt(6) (probability - 1/2)))^2``, one-sided.

    Args:
        probability: The true P(A > B), in (0.5, 1).
        alpha: Error rate of the one-sided test, in (0, 1).
        power: In (0, 1).

    Raises:
        ValueError: If an argument is out of range.

    References:
        Noether (1987), Sample size determination for some common nonparametric tests; Bouthillier et al. (2021),
        Accounting for variance in machine learning benchmarks, appendix C.3: 29 for 0.75.
    """
    _check_rates(alpha=alpha, power=power)
    if not 0.5 < probability < 1:
        raise ValueError(f"probability must be in (0.5, 1); got {probability}.")
    quantiles = float(stats.norm.isf(alpha)) + float(stats.norm.ppf(power))
    return math.ceil((quantiles / (math.sqrt(6) * (probability - 0.5))) ** 2)


def _least_seeds(suffices: Callable[[int], bool], least: int) -> int | None:
    """Return the least number from ``least`` on that suffices, given that all larger ones do too."""
    if suffices(least):
        return least
    short, enough = least, 2 * least
    while not suffices(enough):
        short, enough = enough, 2 * enough
        if enough > MOST_SEEDS:
            return None
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if suffices(middle) else (middle, enough)
    return enough


def _check_rates(**rates: float) -> None:
    for name, rate in rates.items():
        if not 0 < rate < 1:
            raise ValueError(f"{name} must be in (0, 1); got {rate}.")


def _check_difference(difference: float) -> None:
    if difference <= 0:
        raise ValueError(f"difference must be positive, in standard deviations; got {difference}.")
