"""Estimate the share of runs that do something, and the difference of two such shares."""

from __future__ import annotations

import math
from dataclasses import dataclass

from statsmodels.stats.proportion import proportion_confint


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share with its Wilson interval; NaN without runs."""

    share: float
    low: float
    high: float


def wilson_share(successes: float, n: float, confidence: float = 0.95) -> Share:
    """Estimate a share with the Wilson score interval: all ``p`` with ``|share - p| <= z sqrt(p (1 - p) / n)``.

    It stays within [0, 1] and has a width where nobody or everybody succeeds, which the textbook interval has not.

    Args:
        successes: In [0, n]; need not be whole, so that runs that are not independent can count as fewer.
        n: Number of independent runs.
        confidence: Coverage, in (0, 1).

    Raises:
        ValueError: If the successes or the confidence are out of range.

    References:
        Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1); got {confidence}.")
    if not 0 <= successes <= n:
        raise ValueError(f"successes must be in [0, {n:g}]; got {successes:g}.")
    if n == 0:
        return Share(share=math.nan, low=math.nan, high=math.nan)
    low, high = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    share = successes / n
    # Rounding would otherwise leave 1e-17 where the bound is the share itself.
    return Share(share=share, low=0.0 if share == 0 else float(low), high=1.0 if share == 1 else float(high))


def share_difference(treatment: Share, control: Share) -> Share:
    """Estimate the difference of two shares (treatment - control) with Newcombe's hybrid score interval.

    ``low = d - sqrt((p1 - l1)^2 + (u2 - p2)^2)`` and ``high = d + sqrt((u1 - p1)^2 + (p2 - l2)^2)``, with the
    Wilson intervals ``(l, u)`` of the two.

    References:
        Newcombe (1998), Interval estimation for the difference between independent proportions, method 10.
    """
    difference = treatment.share - control.share
    below = math.hypot(treatment.share - treatment.low, control.high - control.share)
    above = math.hypot(treatment.high - treatment.share, control.share - control.low)
    return Share(share=difference, low=difference - below, high=difference + above)
