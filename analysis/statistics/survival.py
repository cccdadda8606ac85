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

    The band is pointwise: ``exp(-exp(log(-log S) +- z se))`` with Greenwood's variance. It does not exist where S is
    0 or 1; there the exact binomial bound for as many runs as are known to be done or waiting takes its place, as a
    band of no width would claim certainty. Runs that share a seed are pooled; the variance is multiplied by runs per
    seed, as if they were copies of each other, which errs on the side of a wide band.

    Args:
        sample: Runs that missed count as waiting until their time.
        confidence: Pointwise coverage, in (0, 1).

    Raises:
        ValueError: If the confidence is out of range, or there are no runs.

    References:
        Kaplan and Meier (1958); Kalbfleisch and Prentice (1980) for the log-log band; Clopper and Pearson (1934)
        for its ends.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1); got {confidence}.")
    if sample.num_runs == 0:
        raise ValueError("sample must have a run; got none.")
    estimate = stats.ecdf(stats.CensoredData(sample.times[sample.reached], right=sample.times[~sample.reached])).sf
    times = np.union1d(0.0, estimate.quantiles)
    waiting = np.asarray(estimate.evaluate(times), dtype=np.float64)
    reached_at = np.sort(sample.times[sample.reached])
    hits = np.searchsorted(reached_at, times, side="right") - np.searchsorted(reached_at, times)
    at_risk = numbers_at_risk(sample, times)
    independent = sample.num_seeds / sample.num_runs
    inner = (waiting > 0) & (waiting < 1)
    greenwood = np.cumsum(hits / (at_risk * np.maximum(at_risk - hits, 1))) / independent
    log_waiting = np.log(np.where(inner, waiting, 0.5))
    reach = np.exp(special.ndtri((1 + confidence) / 2) * np.sqrt(greenwood) / -log_waiting)
    # Runs whose state is known: all but those that ceased to be watched before.
    known = sample.num_runs - np.searchsorted(np.sort(sample.times[~sample.reached]), times)
    exact = ((1 - confidence) / 2) ** (1 / (independent * known))
    return SurvivalCurve(
        times=times,
        at_risk=at_risk,
        hits=hits,
        waiting=waiting,
        low=np.where(inner, np.exp(log_waiting * reach), np.where(waiting > 0, exact, 0.0)),
        high=np.where(inner, np.exp(log_waiting / reach), np.where(waiting > 0, 1.0, 1 - exact)),
    )


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
