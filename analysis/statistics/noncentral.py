"""Invert the noncentral t distribution in its noncentrality, which is a difference in standard errors."""

from __future__ import annotations

import math

from scipy import special

# Beyond this the z of t = (z + noncentrality) / sqrt(chi2 / df) is lost beside the rest, and scipy's inversion takes
# longer and longer.
_LARGE_STATISTIC = 500.0


def noncentrality(statistic: float, degrees_of_freedom: float, probability: float) -> float:
    """Return the noncentrality at which a noncentral t variable is below ``statistic`` with this probability.

    Args:
        statistic: Of the t distribution; finite.
        degrees_of_freedom: Positive.
        probability: In (0, 1).

    References:
        Steiger and Fouladi (1997), Noncentrality interval estimation and the evaluation of statistical models.
    """
    if statistic < -_LARGE_STATISTIC:
        return -noncentrality(-statistic, degrees_of_freedom, 1 - probability)
    if statistic > _LARGE_STATISTIC:
        return statistic * math.sqrt(float(special.chdtri(degrees_of_freedom, probability)) / degrees_of_freedom)
    return float(special.nctdtrinc(degrees_of_freedom, probability, statistic))
