"""Compare arms over several workloads by their times to target: performance profiles and the scores made from them.

A time is positive, infinite for a miss, and NaN where there is no such run: an absent run is neither a hit nor a
miss and is left out. A workload that no arm reaches has an infinite ratio for every arm and stays in the
denominator, as in AlgoPerf: it lowers every score alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.statistics.arrays import FloatArray
from analysis.statistics.estimates import mean_estimate

LARGEST_RATIO = 4.0
"""Where AlgoPerf ends the integral, ``r_max``: slower than four times the best earns nothing."""
FEWEST_STUDIES = 3
"""Below this many studies of a workload nothing is resampled."""
# Two arms this many bootstrap standard errors apart or closer may be equally fast in truth.
_TIED_WITHIN = 2.0


@dataclass(frozen=True, kw_only=True)
class AlgoPerfRules:
    """What a version of AlgoPerf asks of the external tuning ruleset, as documented.

    Attributes:
        num_studies: Studies per workload, over which the median is taken.
        num_trials: Trials per study, of which the fastest counts. Self-tuning arms have one.
        held_out: Whether held-out workloads can cost an arm its time on the workload they vary.

    References:
        MLCommons, algorithmic-efficiency, docs/DOCUMENTATION.md, sections Tuning and Scoring, of versions 0.5 and 0.6.
    """

    num_studies: int
    num_trials: int
    held_out: bool


ALGOPERF: dict[Literal["0.5", "0.6"], AlgoPerfRules] = {
    "0.5": AlgoPerfRules(num_studies=5, num_trials=5, held_out=True),
    "0.6": AlgoPerfRules(num_studies=3, num_trials=5, held_out=False),
}


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Held-out workloads of AlgoPerf 0.5.

    Attributes:
        times: As for :func:`algoperf_scores`, shape ``(num_arms, num_held_out, num_studies, num_trials)``.
        base: Index of the workload that each of them varies, shape ``(num_held_out,)``.
    """

    times: ArrayLike
    base: ArrayLike


@dataclass(frozen=True, kw_only=True)
class ScoreEstimates:
    """AlgoPerf scores with intervals, each of shape ``(num_arms,)``; NaN where there is none."""

    score: FloatArray = field(repr=False)
    low: FloatArray = field(repr=False)
    high: FloatArray = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class GeometricSpeedUp:
    """The geometric mean over workloads of control's time over arm's time, with its interval; NaN where unknown."""

    ratio: float
    low: float
    high: float
    num_workloads: int
    num_entered: int
    """Workloads that both reach."""


def times_per_workload(times: ArrayLike) -> FloatArray:
    """Return the time of every arm on every workload: the median over studies of the fastest trial of each.

    ``t_w = median_j min_i t_ij``. The fastest trial is the one with the least time, not the one that hits at the
    earliest evaluation: evaluations of different trials need not be equally far apart. With an even number of
    studies the median is the mean of the middle two, so that a miss there is a miss.

    Args:
        times: Times to target, shape ``(num_arms, num_workloads, num_studies, num_trials)``; infinite for a miss, NaN
            for no such run.

    Returns:
        Shape ``(num_arms, num_workloads)``; NaN without a run.

    Raises:
        ValueError: If the shape is another or a time is not positive.

    References:
        MLCommons, AlgoPerf documentation 0.6, External Tuning Ruleset.
    """
    return _medians(_fastest_trials(times))


def performance_ratios(times: ArrayLike) -> FloatArray:
    """Return each arm's time as a multiple of the best arm's on that workload, ``r = t / min over arms t``.

    Args:
        times: Shape ``(..., num_arms, num_workloads)``; infinite for a miss.

    Returns:
        The same shape; at least 1, infinite for a miss and on a workload that nobody reaches, NaN without a time.

    Raises:
        ValueError: If a time is not positive.

    References:
        Dolan and More (2002), Benchmarking optimization software with performance profiles, equation 2.1.
    """
    values = _positive(times, "times")
    best = np.where(np.isnan(values), np.inf, values).min(axis=-2, keepdims=True)
    reached = np.isfinite(values)
    ratios = np.divide(values, best, out=np.full(values.shape, np.inf), where=reached)
    return np.where(np.isnan(values), np.nan, ratios)


def performance_profile(ratios: ArrayLike, taus: ArrayLike) -> FloatArray:
    """Return the share of workloads on which an arm is within a factor tau of the best, ``rho(tau)``.

    Args:
        ratios: Shape ``(num_arms, num_workloads)``, from :func:`performance_ratios`.
        taus: Factors of at least 1, shape ``(num_taus,)``.

    Returns:
        Shape ``(num_arms, num_taus)``, in [0, 1]; NaN for an arm without a time on some workload.

    References:
        Dolan and More (2002), equation 2.2.
    """
    values, factors = np.asarray(ratios, dtype=np.float64), np.asarray(taus, dtype=np.float64)
    within = (values[:, :, np.newaxis] <= factors).mean(axis=1)
    return np.where(np.isnan(values).any(axis=1, keepdims=True), np.nan, within)


def profile_scores(ratios: ArrayLike, largest_ratio: float = LARGEST_RATIO) -> FloatArray:
    """Return the normalised integral of each performance profile over ``1 <= tau <= largest_ratio``.

    ``B = 1/(r_max - 1) * integral of rho(tau) dtau = mean over workloads of max(0, r_max - r) / (r_max - 1)``, exactly.
    AlgoPerf's own program takes the trapezoid rule on 100 points, which differs by up to 0.002 on its leaderboard.

    Args:
        ratios: Shape ``(..., num_arms, num_workloads)``, from :func:`performance_ratios`.
        largest_ratio: Upper end of the integral, above 1.

    Returns:
        Shape ``(..., num_arms)``, in [0, 1]; 1 only for an arm that is the fastest on every workload, NaN for an arm
        without a time on some workload.

    Raises:
        ValueError: If the upper end is not above 1.

    References:
        MLCommons, AlgoPerf documentation 0.6, Integrated Performance Profiles.
    """
    if not largest_ratio > 1:
        raise ValueError(f"largest_ratio must be above 1; got {largest_ratio}.")
    credit = np.maximum(largest_ratio - np.asarray(ratios, dtype=np.float64), 0) / (largest_ratio - 1)
    return np.asarray(credit.mean(axis=-1))


def robust_times(
    times: ArrayLike, held_out_times: ArrayLike, base: ArrayLike, largest_ratio: float = LARGEST_RATIO
) -> FloatArray:
    """Turn times into misses where an arm is too slow, or fails on the held-out variant of the workload.

    A time counts only if it is at most ``largest_ratio`` times the fastest on the workload, the variant is reached too,
    and the time there is at most ``largest_ratio`` times the fastest among the arms that reach the workload itself. A
    workload without a variant has no such condition.

    Args:
        times: Shape ``(..., num_arms, num_workloads)``.
        held_out_times: Shape ``(..., num_arms, num_held_out)``.
        base: Index of the workload that each variant belongs to, shape ``(num_held_out,)``.
        largest_ratio: Largest multiple of the fastest time that counts.

    Returns:
        Times of the shape of ``times``, infinite where a condition fails.

    Raises:
        ValueError: If a time is not positive or an index is out of range.

    References:
        MLCommons, AlgoPerf documentation 0.5, Using held-out workloads in scoring.
    """
    values, variants = _positive(times, "times"), _positive(held_out_times, "held_out_times")
    bases: NDArray[np.intp] = np.asarray(base, dtype=np.intp)
    if bases.shape != variants.shape[-1:] or not ((bases >= 0) & (bases < values.shape[-1])).all():
        raise ValueError(
            f"base must be one index below {values.shape[-1]} per held-out workload; got {bases.tolist()}."
        )
    counted: NDArray[np.bool_] = np.asarray(performance_ratios(values) <= largest_ratio, dtype=np.bool_)
    reached_base = np.isfinite(values)[..., bases]
    fastest = np.where(reached_base & np.isfinite(variants), variants, np.inf).min(axis=-2, keepdims=True)
    passed = np.isfinite(variants) & (variants <= largest_ratio * fastest)
    for position, workload in enumerate(bases):
        counted[..., workload] &= passed[..., position]
    return np.where(counted | np.isnan(values), values, np.inf)


def algoperf_scores(
    times: ArrayLike,
    *,
    generator: np.random.Generator,
    confidence: float = 0.95,
    held_out: HeldOut | None = None,
    num_replicates: int = 1000,
) -> ScoreEstimates:
    """Score every arm by the rules of AlgoPerf, with an interval for the noise of the studies.

    The score is that of :func:`times_per_workload`, by version 0.6 without and by version 0.5 with held-out workloads;
    any number of studies and trials will do. The interval is ``score - min(0, -bias) -+ z * se`` at the lower and
    upper end, cut to [0, 1]; se and bias come from resampling the studies of every arm and workload. Being compared
    with the *best* arm biases a score down: an arm that is exactly as fast as another has a score below 1 in every
    study. The bias for the upper end is therefore the larger of two: as resampled, and as resampled after setting
    arms within two standard errors of the best equal to it. The percentile bootstrap, which does neither, covers
    the truth in 2 to 5 % of cases with two equal arms on 8 workloads; this interval in 93 to 99 % for 3 to 20 studies.

    Workloads, tuning and targets are held fixed: the interval says what other seeds might have given, no more.

    Args:
        times: Times to target, shape ``(num_arms, num_workloads, num_studies, num_trials)``; infinite for a miss, NaN
            for no such run.
        generator: Source of the resampling.
        confidence: Coverage, in (0, 1).
        held_out: Held-out workloads of version 0.5, if any.
        num_replicates: How often the studies are resampled.

    Returns:
        Scores and interval ends, each of shape ``(num_arms,)``; a score is NaN for an arm without a run on some
        workload, an end where some arm has fewer than three studies on some workload.

    Raises:
        ValueError: If a shape does not fit, a time is not positive or the confidence is out of range.

    References:
        MLCommons, AlgoPerf documentation 0.5 and 0.6, Scoring; Andrews and Soares (2010), Inference for parameters
        defined by moment inequalities using generalized moment selection, for setting near ties equal.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1); got {confidence}.")
    studies = _fastest_trials(times)
    variants = None if held_out is None else _fastest_trials(held_out.times)

    def score(medians: FloatArray, of_variants: FloatArray | None) -> FloatArray:
        if of_variants is not None and held_out is not None:
            medians = robust_times(medians, of_variants, held_out.base)
        return profile_scores(performance_ratios(medians))

    medians, of_variants = _medians(studies), None if variants is None else _medians(variants)
    estimate = score(medians, of_variants)
    everything = [studies] if variants is None else [studies, variants]
    if min((~np.isnan(table)).sum(axis=-1).min() for table in everything) < FEWEST_STUDIES:
        nothing = np.full(estimate.shape, np.nan)
        return ScoreEstimates(score=estimate, low=nothing, high=nothing.copy())
    resampled = _resampled_medians(studies, generator, num_replicates)
    resampled_variants = None if variants is None else _resampled_medians(variants, generator, num_replicates)
    replicates = score(resampled, resampled_variants)
    tied, shifted = _with_near_ties_equal(medians, resampled)
    bias = replicates.mean(axis=0) - estimate
    bias_if_tied = score(shifted, resampled_variants).mean(axis=0) - score(tied, of_variants)
    half_width = float(stats.norm.ppf((1 + confidence) / 2)) * replicates.std(axis=0, ddof=1)
    return ScoreEstimates(
        score=estimate,
        low=np.clip(estimate - np.maximum(bias, 0) - half_width, 0, 1),
        high=np.clip(estimate - np.minimum(np.minimum(bias, bias_if_tied), 0) + half_width, 0, 1),
    )


def geometric_speed_up(
    times: ArrayLike, control_times: ArrayLike, *, confidence: float = 0.95, restricted: bool = False
) -> GeometricSpeedUp:
    """Estimate the geometric mean over workloads of the control's time over the arm's, ``exp(mean log(t_c / t_a))``.

    The interval is Student's t over workloads: it treats them as a sample of the workloads that one might have, so it
    is wide for few of them and does not narrow with more seeds.

    Args:
        times: Of the arm, shape ``(num_workloads,)``; infinite for a miss, NaN for no time.
        control_times: Of the control, the same shape.
        confidence: Coverage, in (0, 1).
        restricted: Whether to leave out the workloads that either of them misses. What is left is not a fair sample:
            an arm that fails where it would be slow looks fast.

    Returns:
        Unless restricted, NaN where any time is missing; the ends are NaN below two workloads.

    Raises:
        ValueError: If the shapes differ or a time is not positive.

    References:
        MLCommons, AlgoPerf documentation 0.6, Alternative scores; Fleming and Wallace (1986), How not to lie with
        statistics: the correct way to summarize benchmark results.
    """
    arm, control = _positive(times, "times"), _positive(control_times, "control_times")
    if arm.ndim != 1 or arm.shape != control.shape:
        raise ValueError(f"times must have one axis and the shape of control_times; got {arm.shape}, {control.shape}.")
    entered = np.isfinite(arm) & np.isfinite(control)
    counts = {"num_workloads": arm.size, "num_entered": int(entered.sum())}
    if not entered.any() or not (restricted or entered.all()):
        return GeometricSpeedUp(ratio=math.nan, low=math.nan, high=math.nan, **counts)
    logs = mean_estimate(np.log(control[entered]) - np.log(arm[entered]), confidence)
    ratio, low, high = (_exp(value) for value in (logs.mean, logs.low, logs.high))
    return GeometricSpeedUp(ratio=ratio, low=low, high=high, **counts)


def _exp(value: float) -> float:
    """Return e to this power; beyond all floats infinity, and never an error."""
    return math.exp(value) if not value > 700 else math.inf


def _positive(times: ArrayLike, name: str) -> FloatArray:
    values = np.asarray(times, dtype=np.float64)
    if (values <= 0).any():
        raise ValueError(f"{name} must be positive, infinite for a miss or NaN for no run; got {values.min()}.")
    return values


def _fastest_trials(times: ArrayLike) -> FloatArray:
    """Return the time of every study, present ones first: shape ``(num_arms, num_workloads, num_studies)``."""
    values = _positive(times, "times")
    if values.ndim != 4 or 0 in values.shape:
        raise ValueError(
            "times must have four axes, none empty: arms, workloads, studies and trials; "
            f"got shape {values.shape}. Give one trial per study where there is no tuning in it."
        )
    fastest = np.where(np.isnan(values), np.inf, values).min(axis=-1)
    # NaN sorts last.
    return np.sort(np.where(np.isnan(values).all(axis=-1), np.nan, fastest), axis=-1)


def _medians(studies: FloatArray) -> FloatArray:
    """Return the median over the last axis, present ones first and in order; NaN if none is present."""
    count = (~np.isnan(studies)).sum(axis=-1, keepdims=True)
    lower = np.take_along_axis(studies, np.maximum(count - 1, 0) // 2, axis=-1)
    upper = np.take_along_axis(studies, np.minimum(count // 2, studies.shape[-1] - 1), axis=-1)
    return np.asarray(((lower + upper) / 2)[..., 0])


def _resampled_medians(studies: FloatArray, generator: np.random.Generator, num_replicates: int) -> FloatArray:
    """Resample the studies of each arm and workload: shape ``(num_replicates, num_arms, num_workloads)``."""
    medians = np.empty((num_replicates, *studies.shape[:-1]))
    for place in np.ndindex(studies.shape[:-1]):
        present = studies[place][~np.isnan(studies[place])]
        drawn = present[generator.integers(present.size, size=(num_replicates, present.size))]
        medians[(slice(None), *place)] = _medians(np.sort(drawn, axis=-1))
    return medians


def _with_near_ties_equal(medians: FloatArray, resampled: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Set arms that may be as fast as the best equal to it; return the times and their replicates, shifted alike."""
    logs, replicates = np.log(medians), np.log(resampled)
    hit = np.isfinite(replicates)
    count = np.maximum(hit.sum(axis=0), 1)
    mean = np.where(hit, replicates, 0).sum(axis=0) / count
    away = np.subtract(replicates, mean, out=np.zeros(replicates.shape), where=hit)
    spread = np.sqrt((away**2).sum(axis=0) / count)
    best = np.argmin(medians, axis=0)[np.newaxis]
    best_log, best_spread = np.take_along_axis(logs, best, axis=0), np.take_along_axis(spread, best, axis=0)
    reached = np.isfinite(logs)
    gap = np.subtract(logs, best_log, out=np.zeros(logs.shape), where=reached)
    near = reached & (gap <= _TIED_WITHIN * np.hypot(spread, best_spread))
    factor = np.exp(np.where(near, gap, 0))
    return medians / factor, resampled / factor
