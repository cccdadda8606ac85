"""Average times to a target although some runs never reach it, by counting them up to a horizon."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.statistics.arrays import FloatArray, sample_mean, sample_variance
from analysis.statistics.differences import MeanDifference
from analysis.statistics.survival import kaplan_meier
from analysis.statistics.targets import HitTimes


@dataclass(frozen=True, kw_only=True)
class RestrictedMean:
    """The mean of ``min(time to target, horizon)``, its standard error and degrees of freedom.

    What cannot be estimated is NaN. A standard error of 0 (all missed, or all hit at the same evaluation) gives an
    interval of no width, which is not evidence that the mean is known.
    """

    mean: float
    standard_error: float
    degrees_of_freedom: float
    horizon: float

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the two-sided t interval of the mean, cut to where the mean can lie, ``[0, horizon]``.

        Raises:
            ValueError: If the confidence is out of range.
        """
        as_difference = MeanDifference(
            difference=self.mean, standard_error=self.standard_error, degrees_of_freedom=self.degrees_of_freedom
        )
        low, high = as_difference.interval(confidence)
        return (low, high) if math.isnan(low) else (max(low, 0.0), min(high, self.horizon))


def restricted_mean(sample: HitTimes, horizon: float) -> RestrictedMean:
    """Estimate the restricted mean under any censoring: the area below the Kaplan-Meier curve up to the horizon.

    ``var = sum over t_j of A_j^2 d_j / (n_j (n_j - d_j))`` (Greenwood), with ``A_j`` the area from ``t_j`` to the
    horizon. This is the variance of the estimate, not of ``min(T, horizon)``. It is for many runs: infinitely many
    degrees of freedom, every run on its own. :func:`restricted_mean_of_seeds` is for few.

    Args:
        sample: Times to the target; runs may cease to be watched at any time.
        horizon: In the unit of the times, positive.

    Raises:
        ValueError: If the horizon is not positive, or if nobody is watched that long while some are still waiting.

    References:
        Royston and Parmar (2013), Restricted mean survival time; Uno et al. (2014), as in the R package survRM2.
    """
    _check_horizon(horizon)
    if sample.num_runs == 0:
        return RestrictedMean(mean=math.nan, standard_error=math.nan, degrees_of_freedom=math.nan, horizon=horizon)
    curve = kaplan_meier(sample)
    if curve.waiting[-1] > 0 and curve.times[-1] < horizon:
        raise ValueError(
            f"horizon must be at most {curve.times[-1]:g}, where the last run ceases to be watched; got {horizon:g}."
        )
    within = curve.times < horizon
    areas = np.diff([*curve.times[within], horizon]) * curve.waiting[within]
    ahead = np.cumsum(areas[::-1])[::-1]
    at_risk, hits = curve.at_risk[within], curve.hits[within]
    # Where all at risk hit, no area is ahead.
    variance = ahead**2 * hits / (at_risk * np.maximum(at_risk - hits, 1))
    return RestrictedMean(
        mean=float(areas.sum()),
        standard_error=math.sqrt(float(variance.sum())),
        degrees_of_freedom=math.inf,
        horizon=horizon,
    )


def restricted_mean_of_seeds(sample: HitTimes, horizon: float) -> RestrictedMean:
    """Estimate the restricted mean from few seeds, all of them watched to the horizon, with Student's t.

    The mean of ``min(T, horizon)``, averaged per seed first, has the standard error ``sd / sqrt(n)``: Greenwood's
    times ``sqrt(n / (n - 1))``. Where misses are rare, few seeds can contain none, and the interval is then too
    short.

    Args:
        sample: Times to the target.
        horizon: In the unit of the times, positive.

    Raises:
        ValueError: If the horizon is not positive, or a run ceased to be watched before it.
    """
    times = sample.mean_per_seed(restricted_times(sample, horizon))
    return RestrictedMean(
        mean=sample_mean(times),
        standard_error=math.sqrt(sample_variance(times) / times.size) if times.size else math.nan,
        degrees_of_freedom=times.size - 1 if times.size > 1 else math.nan,
        horizon=horizon,
    )


def restricted_times(sample: HitTimes, horizon: float) -> FloatArray:
    """Return ``min(time, horizon)`` of every run, shape ``(num_runs,)``.

    Raises:
        ValueError: If the horizon is not positive, or a run ceased to be watched before it.
    """
    _check_horizon(horizon)
    early = sample.times[~sample.reached & (sample.times < horizon)]
    if early.size:
        raise ValueError(
            f"horizon must be at most {early.min():g}, where a run ceased to be watched; got {horizon:g}. "
            "Use restricted_mean for such runs."
        )
    return np.minimum(sample.times, horizon)


def restricted_mean_difference(treatment: RestrictedMean, control: RestrictedMean) -> MeanDifference:
    """Estimate the difference of two restricted means (treatment - control) of independent samples.

    ``se^2 = se1^2 + se2^2``, degrees of freedom by Welch and Satterthwaite: infinite if they are for both.

    Raises:
        ValueError: If the horizons differ.
    """
    if treatment.horizon != control.horizon:
        raise ValueError(f"horizons must be equal; got {treatment.horizon:g} and {control.horizon:g}.")
    both = (treatment, control)
    standard_error = math.hypot(*(mean.standard_error for mean in both))
    degrees_of_freedom = math.inf
    if standard_error > 0:
        spread = sum((m.standard_error / standard_error) ** 4 / m.degrees_of_freedom for m in both)
        degrees_of_freedom = 1 / spread if spread else math.inf
    return MeanDifference(
        difference=treatment.mean - control.mean,
        standard_error=standard_error,
        degrees_of_freedom=math.nan if math.isnan(standard_error) else degrees_of_freedom,
    )


def equality_p(difference: MeanDifference) -> float:
    """Return the two-sided p-value of no difference; NaN where the standard error is 0 or unknown."""
    if not difference.standard_error > 0:
        return math.nan
    return float(2 * stats.t.sf(abs(difference.difference / difference.standard_error), difference.degrees_of_freedom))


def _check_horizon(horizon: float) -> None:
    if not (horizon > 0 and math.isfinite(horizon)):
        raise ValueError(f"horizon must be positive; got {horizon:g}.")
