"""Hold the difference of two means with its error, test it for equivalence, and estimate it with unequal variances."""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy import stats

from analysis.statistics.arrays import finite_vector, sample_mean, sample_variance


@dataclass(frozen=True, kw_only=True)
class MeanDifference:
    """The difference of two means (treatment - control), its standard error and its degrees of freedom.

    Whatever it was estimated from: two samples (Welch), pairs of seeds, two differences, two restricted means.
    Where the spread is not known the standard error is NaN, and so is everything that follows from it; where nothing
    varies it is 0, and the interval has no width.
    """

    difference: float
    standard_error: float
    degrees_of_freedom: float

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the two-sided Student t interval of the difference.

        Args:
            confidence: Coverage, in (0, 1).

        Raises:
            ValueError: If the confidence is out of range.
        """
        check_confidence(confidence)
        if self.standard_error == 0:
            return self.difference, self.difference
        half_width = float(stats.t.ppf((1 + confidence) / 2, self.degrees_of_freedom)) * self.standard_error
        return self.difference - half_width, self.difference + half_width

    @property
    def p(self) -> float:
        """The two-sided p-value of t = difference / standard error.

        Where the standard error is 0 it is 1 without a difference and NaN with one: an infinite t comes from what has
        not been measured, the spread over seeds.
        """
        if self.standard_error == 0:
            return 1.0 if self.difference == 0 else math.nan
        return 2 * float(stats.t.sf(abs(self.difference) / self.standard_error, self.degrees_of_freedom))

    def is_equivalent(self, margin: float, alpha: float = 0.05) -> bool:
        """Say whether two one-sided t tests at ``alpha`` place the difference within ``+-margin``.

        Both tests reject exactly when the ``1 - 2 alpha`` interval lies strictly inside ``(-margin,
        margin)``.

        Args:
            margin: Largest difference that does not matter, in the unit of the values; positive.
            alpha: Error rate of each one-sided test, in (0, 0.5).

        Returns:
            False too where the interval does not exist, or has no width: the spread over seeds, against which the
            difference is to be judged, has not been measured then.

        Raises:
            ValueError: If the margin or alpha is out of range.

        References:
            Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach.
        """
        if margin <= 0:
            raise ValueError(f"margin must be positive; got {margin}.")
        if not 0 < alpha < 0.5:
            raise ValueError(f"alpha must be in (0, 0.5); got {alpha}.")
        low, high = self.interval(1 - 2 * alpha)
        return -margin < low < high < margin

    def equivalence_p(self, margin: float) -> float:
        """Return the p-value of two one-sided t tests against ``+-margin``: the larger of the two.

        NaN where the standard error is 0, as in `p`.
        """
        if self.standard_error == 0:
            return math.nan
        above = (self.difference + margin) / self.standard_error
        below = (self.difference - margin) / self.standard_error
        return float(max(stats.t.sf(above, self.degrees_of_freedom), stats.t.cdf(below, self.degrees_of_freedom)))


def check_confidence(confidence: float) -> None:
    """Refuse a coverage outside of (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1); got {confidence}.")


def welch_difference(treatment: ArrayLike, control: ArrayLike) -> MeanDifference:
    """Estimate ``mean(treatment) - mean(control)`` without assuming equal variances.

    ``se^2 = s1^2/n1 + s2^2/n2`` and ``df = se^4 / (s1^4/(n1^2 (n1-1)) + s2^4/(n2^2 (n2-1)))``.

    Args:
        treatment: One value per seed, shape ``(num_seeds,)``.
        control: One value per seed, shape ``(num_control_seeds,)``.

    Raises:
        ValueError: If a value is not finite.

    References:
        Welch (1947), The generalization of "Student's" problem when several different population variances
        are involved; Satterthwaite (1946), equation 17, for the degrees of freedom.
    """
    first, second = finite_vector(treatment, "treatment"), finite_vector(control, "control")
    difference = sample_mean(first) - sample_mean(second)
    if min(first.size, second.size) < 2:
        return MeanDifference(difference=difference, standard_error=math.nan, degrees_of_freedom=math.nan)
    parts = [sample_variance(sample) / sample.size for sample in (first, second)]
    total = sum(parts)
    if total == 0:
        return MeanDifference(difference=difference, standard_error=0.0, degrees_of_freedom=math.inf)
    # Shares of the total keep tiny variances from underflowing when squared.
    spread = sum((part / total) ** 2 / (n - 1) for part, n in zip(parts, (first.size, second.size), strict=True))
    return MeanDifference(difference=difference, standard_error=math.sqrt(total), degrees_of_freedom=1 / spread)
