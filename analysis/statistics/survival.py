"""Describe and compare times to a target when some runs never reach it: survival analysis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from analysis.statistics.arrays import FloatArray
from analysis.statistics.relabelling import score_test
from analysis.statistics.targets import HitTimes

RankTestKind = Literal["log-rank", "Gehan"]


@dataclass(frozen=True, kw_only=True)
class SurvivalCurve:
    """The Kaplan-Meier estimate of the share of runs that are not yet at the target, as a step function.

    Attributes:
        times: 0, and where runs reached the target or ceased to be watched, ascending, shape ``(num_times,)``; each
            entry of the others holds from its time to the next.
        at_risk: Runs watched and not at the target just before each time.
        hits: Runs that reached the target at each time.
        waiting: Share not yet at the target.
        low: Lower end of the pointwise band of ``waiting``.
        high: Upper end.
    """

    times: FloatArray
    at_risk: NDArray[np.int64]
    hits: NDArray[np.int64]
    waiting: FloatArray
    low: FloatArray
    high: FloatArray

    def waiting_at(self, times: ArrayLike) -> FloatArray:
        """Return the share not yet at the target at the given times."""
        return self.waiting[np.searchsorted(self.times, np.asarray(times, dtype=np.float64), side="right") - 1]

    def median(self) -> float | None:
        """Return the first time at which at most half are still waiting; None if more than half wait to the end."""
        # A product of fractions that should be one half can be off in its last bits.
        done = np.flatnonzero(self.waiting <= 0.5 + 1e-12)
        return float(self.times[done[0]]) if done.size else None


def kaplan_meier(sample: HitTimes, confidence: float = 0.95) -> SurvivalCurve:
    """Estimate the share of runs not yet at the target, ``prod over t_j <= t of (1 - d_j / n_j)``, with a band.

    The band is pointwise: the beta product confidence procedure (:func:`_beta_product_band`). Where all runs are
    watched it is the exact binomial interval of the share, which never holds the truth less often than it promises.
    Runs that share a seed are pooled; each counts as the share of a seed that it is, as if they were copies of each
    other, which errs on the side of a wide band.

    Args:
        sample: Runs that missed count as waiting until their time.
        confidence: Pointwise coverage, in (0, 1).

    Raises:
        ValueError: If the confidence is out of range, or there are no runs.

    References:
        Kaplan and Meier (1958); Fay, Brittain and Proschan (2013), Pointwise confidence intervals for a survival
        distribution with small samples or heavy censoring, for the band.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1); got {confidence}.")
    if sample.num_runs == 0:
        raise ValueError("sample must have a run; got none.")
    estimate = stats.ecdf(stats.CensoredData(sample.times[sample.reached], right=sample.times[~sample.reached])).sf
    times = np.union1d(0.0, estimate.quantiles)
    reached_at = np.sort(sample.times[sample.reached])
    hits = np.searchsorted(reached_at, times, side="right") - np.searchsorted(reached_at, times)
    at_risk = numbers_at_risk(sample, times)
    low, high = _beta_product_band(at_risk, hits, sample.num_seeds / sample.num_runs, confidence)
    return SurvivalCurve(
        times=times,
        at_risk=at_risk,
        hits=hits,
        waiting=np.asarray(estimate.evaluate(times), dtype=np.float64),
        low=low,
        high=high,
    )


def _beta_product_band(
    at_risk: NDArray[np.int64], hits: NDArray[np.int64], seeds_per_run: float, confidence: float
) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the beta product band of the share still waiting, shape ``(num_times,)`` each.

    Upper end: the quantile of order ``(1 + confidence) / 2`` of ``W = prod over t_j <= t of Beta(n_j - d_j + 1, d_j)``,
    independent factors. Lower end: that of order ``(1 - confidence) / 2`` of ``W Beta(m, 1)``, with m the runs that
    are left. Products are replaced by the beta distribution of equal mean and variance. Where no run has ceased to be
    watched that replacement is exact, and the ends are those of Clopper and Pearson (1934).

    An entry holds until the next time, so m are those at risk there. The last entry holds at its own time, at which
    runs that are watched until then are known to wait.

    References:
        Fay, Brittain and Proschan (2013), with their method of moments; Fay and Brittain (2016), Finite sample
        pointwise confidence intervals for a survival distribution with right-censored data, for what holds at the
        time of a hit itself.
    """
    tail = (1 - confidence) / 2
    left = np.multiply(seeds_per_run, np.append(at_risk[1:], at_risk[-1] - hits[-1]), dtype=np.float64)
    done = np.multiply(seeds_per_run, hits, dtype=np.float64)
    alive = np.asarray(seeds_per_run * at_risk - done + 1, dtype=np.float64)
    # Logarithms of the mean, and of the mean square over the squared mean.
    log_mean, log_ratio = np.cumsum(np.log1p(-done / (alive + done))), np.cumsum(_log_ratio(alive, done))
    some = left > 0
    remain = np.where(some, left, 1.0)
    low = _beta_quantile(tail, log_mean - np.log1p(1 / remain), log_ratio + _log_ratio(remain, 1.0))
    high = _beta_quantile(1 - tail, log_mean, log_ratio)
    return np.where(some, low, 0.0), np.where(log_mean < 0, high, 1.0)


def _log_ratio(first: FloatArray, second: FloatArray | float) -> FloatArray:
    """Return ``log(E[X^2] / E[X]^2)`` of a beta variable."""
    return np.asarray(np.log1p(second / (first * (first + second + 1))))


def _beta_quantile(order: float, log_mean: FloatArray, log_ratio: FloatArray) -> FloatArray:
    """Return the quantile of the beta distribution with this mean and this ratio of moments; NaN without variance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, relative_variance = np.exp(log_mean), np.expm1(log_ratio)
        total = -np.expm1(log_mean) / (mean * relative_variance) - 1
        return np.asarray(special.betaincinv(mean * total, -np.expm1(log_mean) * total, order))


def numbers_at_risk(sample: HitTimes, times: ArrayLike) -> NDArray[np.int64]:
    """Return how many runs are watched and not at the target just before each of the times."""
    return sample.num_runs - np.searchsorted(np.sort(sample.times), np.asarray(times, dtype=np.float64))


def expected_running_time(sample: HitTimes) -> float | None:
    """Return what one hit costs if missed runs are repeated: the time of all runs over the number of hits.

    Returns:
        None where nobody hits: the expectation is infinite.

    References:
        Hansen et al. (2016), COCO: Performance assessment, as average runtime (aRT, formerly ERT).
    """
    return float(sample.times.sum() / sample.hits) if sample.hits else None


@dataclass(frozen=True, kw_only=True)
class RankTest:
    """A comparison of two samples of times to a target.

    Attributes:
        excess: Weighted hits of the treatment beyond those expected if both samples were alike; positive where the
            treatment is sooner.
        chi2: ``excess^2`` over its hypergeometric variance; NaN where that is 0.
        p_asymptotic: Of ``chi2`` with one degree of freedom. Doubtful below about 10 hits in a sample, and invalid
            where runs share seeds.
        p: By permutation of seeds between the samples.
        exact: Whether every relabelling was enumerated.
        minimum_p: Least p that so many seeds can give.
    """

    excess: float
    chi2: float
    p_asymptotic: float
    p: float
    exact: bool
    minimum_p: float


def rank_test(treatment: HitTimes, control: HitTimes, kind: RankTestKind = "log-rank") -> RankTest:
    """Test whether two samples reach a target at the same times, two-sided.

    ``excess = sum over hit times of w_j (d_1j - d_j n_1j / n_j)``, with weights ``w_j = 1`` (log-rank) or
    ``w_j = n_j`` (Gehan, which heeds early times more and so sees curves that cross early).

    The excess is a sum of one score per run, ``w_i - sum over t_j <= t_i of w_j d_j / n_j`` with ``w_i = 0`` for a
    miss. Relabelling these scores is the exact test where runs are watched equally long. They are averaged per seed
    first, as runs that share a seed are not independent. Only the order of times matters.

    Args:
        treatment: Times to the target of the arm.
        control: The same of the control, in the same unit.
        kind: Which weights.

    Returns:
        p is NaN where nobody hits in either sample, and below two seeds in one of them.

    Raises:
        ValueError: If the kind is not known.

    References:
        Mantel (1966); Gehan (1965); Mantel (1967), Ranking procedures for arbitrarily restricted observation, for
        the scores and their permutation.
    """
    if kind not in {"log-rank", "Gehan"}:
        raise ValueError(f"kind must be one of log-rank, Gehan; got {kind!r}.")
    times = np.concatenate([treatment.times, control.times])
    reached = np.concatenate([treatment.reached, control.reached])
    hit_at, hits = np.unique(times[reached], return_counts=True)
    at_risk = times.size - np.searchsorted(np.sort(times), hit_at)
    weights = np.ones(hit_at.size) if kind == "log-rank" else at_risk.astype(np.float64)
    scores = _scores(times, reached, hit_at, weights, weights * hits / at_risk)
    first, second = scores[: treatment.num_runs], scores[treatment.num_runs :]
    excess = float(first.sum())
    at_risk_first = numbers_at_risk(treatment, hit_at)
    # One run alone at risk adds nothing to the variance, whatever the divisor.
    shares = at_risk_first * (at_risk - at_risk_first) * hits * (at_risk - hits)
    variance = float((weights**2 * shares / (at_risk**2 * np.maximum(at_risk - 1, 1))).sum())
    chi2 = excess**2 / variance if variance > 0 else math.nan
    test = score_test(treatment.mean_per_seed(first), control.mean_per_seed(second))
    return RankTest(
        excess=excess,
        chi2=chi2,
        p_asymptotic=float(stats.chi2.sf(chi2, 1)),
        p=test.p if reached.any() else math.nan,
        exact=test.exact,
        minimum_p=test.minimum_p,
    )


def _scores(
    times: FloatArray, reached: NDArray[np.bool_], hit_at: FloatArray, weights: FloatArray, steps: FloatArray
) -> FloatArray:
    """Return the part of each run in the excess, shape ``(num_runs,)``; they sum to 0 over both samples."""
    passed = np.searchsorted(hit_at, times, side="right")
    own = np.where(reached, np.insert(weights, 0, 0.0)[passed], 0.0)
    return np.asarray(own - np.insert(np.cumsum(steps), 0, 0.0)[passed])
