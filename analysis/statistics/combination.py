"""Set the difference found by one study against that of another, and combine them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from analysis.statistics.differences import MeanDifference


@dataclass(frozen=True, kw_only=True)
class CombinedDifference:
    """The common difference of several studies, and how far they disagree; NaN where it cannot be estimated.

    Attributes:
        common: Difference, standard error and degrees of freedom.
        q: Cochran's Q, the weighted sum of squared deviations from the common difference.
        q_p: Of Q from the chi-squared distribution with one degree of freedom fewer than studies. With few seeds per
            study it is too small: the standard errors are estimates.
        i_squared: Share of Q that is more than chance, ``max(0, 1 - (studies - 1) / Q)``.
    """

    common: MeanDifference
    q: float
    q_p: float
    i_squared: float


def difference_of_summaries(treatment: tuple[float, float, int], control: tuple[float, float, int]) -> MeanDifference:
    """Return what :func:`welch_difference` returns for the samples, from their means, sds and sizes alone.

    Args:
        treatment: Mean, standard deviation with n - 1 in the denominator, and n.
        control: The same.

    Returns:
        NaN for the standard error below two values in either sample.

    References:
        Welch (1947); Satterthwaite (1946), equation 17.
    """
    parts = [MeanDifference(difference=mean, **_error_of_mean(sd, n)) for mean, sd, n in (treatment, control)]
    return change_of_differences(parts[1], parts[0])


def _error_of_mean(sd: float, n: int) -> dict[str, float]:
    if n < 2:
        return {"standard_error": math.nan, "degrees_of_freedom": math.nan}
    return {"standard_error": sd / math.sqrt(n), "degrees_of_freedom": n - 1.0}


def change_of_differences(first: MeanDifference, second: MeanDifference) -> MeanDifference:
    """Return ``second - first`` for two independent estimates, with a Welch-type interval.

    ``se^2 = se1^2 + se2^2`` and ``df = se^4 / (se1^4 / df1 + se2^4 / df2)``. For two differences of means this is
    Satterthwaite's approximation over all four samples.

    Args:
        first: Such as the difference that one study found.
        second: The same from a study with other runs.

    References:
        Satterthwaite (1946), An approximate distribution of estimates of variance components, equation 17.
    """
    change = second.difference - first.difference
    variances = [estimate.standard_error**2 for estimate in (first, second)]
    total = sum(variances)
    if math.isnan(total):
        return MeanDifference(difference=change, standard_error=math.nan, degrees_of_freedom=math.nan)
    if total == 0:
        return MeanDifference(difference=change, standard_error=0.0, degrees_of_freedom=math.inf)
    # Shares of the total keep tiny variances from underflowing when squared.
    spread = sum(
        (variance / total) ** 2 / estimate.degrees_of_freedom
        for variance, estimate in zip(variances, (first, second), strict=True)
    )
    degrees_of_freedom = 1 / spread if spread > 0 else math.inf
    return MeanDifference(difference=change, standard_error=math.sqrt(total), degrees_of_freedom=degrees_of_freedom)


def combine_differences(estimates: Sequence[MeanDifference]) -> CombinedDifference:
    """Estimate the one difference that all studies share, weighted by inverse variance.

    ``d = sum w_i d_i / W`` with ``w_i = 1 / se_i^2`` and ``W = sum w_i``. The weights are estimates themselves, which
    the plain ``1 / W`` ignores; Meier's ``var = (1 + 4 sum u_i (1 - u_i) / df_i) / W`` with ``u_i = w_i / W``, on
    ``1 / sum (u_i^2 / df_i)`` degrees of freedom, does not. It assumes that there is one difference: with a large Q
    there is not.

    Args:
        estimates: Independent, one per study.

    Returns:
        NaN without estimates, and where one has no standard error or one of 0.

    References:
        Cochran (1954), The combination of estimates from different experiments; Meier (1953), Variance of a weighted
        mean; Higgins and Thompson (2002), Quantifying heterogeneity in a meta-analysis, for I^2.
    """
    errors = [estimate.standard_error for estimate in estimates]
    if not errors or not all(error > 0 for error in errors):
        nothing = MeanDifference(difference=math.nan, standard_error=math.nan, degrees_of_freedom=math.nan)
        return CombinedDifference(common=nothing, q=math.nan, q_p=math.nan, i_squared=math.nan)
    # Relative to the least error, so that no weight overflows.
    least = min(errors)
    weights = [(least / error) ** 2 for error in errors]
    total = sum(weights)
    shares = [weight / total for weight in weights]
    mean = sum(share * estimate.difference for share, estimate in zip(shares, estimates, strict=True))
    own = [estimate.degrees_of_freedom for estimate in estimates]
    inflation = 1 + 4 * sum(share * (1 - share) / df for share, df in zip(shares, own, strict=True))
    common = MeanDifference(
        difference=mean,
        standard_error=least * math.sqrt(inflation / total),
        degrees_of_freedom=1 / sum(share**2 / df for share, df in zip(shares, own, strict=True)),
    )
    deviations = ((e.difference - mean) / error for e, error in zip(estimates, errors, strict=True))
    q, spare = sum(deviation**2 for deviation in deviations), len(errors) - 1
    return CombinedDifference(
        common=common,
        q=q,
        q_p=float(stats.chi2.sf(q, spare)) if spare else math.nan,
        i_squared=max(0.0, 1 - spare / q) if q > 0 else 0.0,
    )
