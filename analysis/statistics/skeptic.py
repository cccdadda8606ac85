"""Estimate the ratio of budgets against a control that was tuned less: by the best of k of its N draws.

Of a draw only the validation accuracy of one training is known; the winner of all N was trained again on fresh seeds.
The test accuracy of a winner among k draws is estimated by

``validation when chosen + (test - validation of the confirm runs) - curse_k``,

where the winner's curse ``curse_N`` is measured: validation when chosen less mean validation of the confirm runs.
``curse_k = curse_N e_k / e_N`` with e_k the expected maximum of k standard normal numbers, as if draws and noise were
normal. A single draw is not chosen, so that curse_1 = 0, and the best of all N has the accuracy that was confirmed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.stats import qmc

from analysis.statistics.arrays import FloatArray, finite_vector, sample_mean, sample_variance
from analysis.statistics.best_of import drawn_best_of, expected_normal_maximum, ranked_draws
from analysis.statistics.budget_curves import Curve, anchored, curve_through
from analysis.statistics.frontier import ratios_of_curves

NUM_REPLICATES = 2_048


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search of an arm in a cell, and the confirm runs of its winner.

    Attributes:
        draws: Validation accuracy of every draw, shape ``(num_draws,)``; NaN where diverged.
        validation: Of the confirm runs, shape ``(num_seeds,)``.
        test: The same.
    """

    draws: FloatArray
    validation: FloatArray
    test: FloatArray


@dataclass(frozen=True, kw_only=True)
class WinnersCurse:
    """How much the validation accuracy of a winner when chosen overstates that of its confirm runs.

    What cannot be estimated is NaN.
    """

    chosen: float
    confirmed: float
    curse: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class RatioBand:
    """How many times as fast an arm is as a less tuned control.

    Attributes:
        accuracy: Of the control at the anchor, median; minus infinity where it never gets anywhere.
        ratio: Median; 0 or infinity where it lies beyond what the budgets can show.
        low: Lower end of the central band; 0 where it is open. NaN where seeds give no spread.
        high: Upper end; infinity where it is open.
    """

    accuracy: float
    ratio: float
    low: float
    high: float


def winners_curse(search: Search, confidence: float = 0.95) -> WinnersCurse:
    """Estimate the winner's curse of one search with a t interval.

    ``curse = v - mean(confirm) +- t(n - 1) sd sqrt(1 + 1/n)``: the one training by which the winner was chosen is as
    noisy as each of its confirm runs.

    Args:
        search: Draws and confirm runs.
        confidence: Coverage, in (0, 1).

    Raises:
        ValueError: If the confidence is out of range, or an accuracy of a confirm run is not finite.

    References:
        Capen, Clapp and Campbell (1971), Competitive bidding in high-risk situations.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1); got {confidence}.")
    validation = finite_vector(search.validation, "validation")
    best = float(ranked_draws(search.draws)[-1])
    chosen = best if math.isfinite(best) else math.nan
    n, confirmed = validation.size, sample_mean(validation)
    half_width = math.nan
    if n >= 2:
        sd = math.sqrt(sample_variance(validation))
        half_width = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * sd * math.sqrt(1 + 1 / n)
    curse = chosen - confirmed
    return WinnersCurse(
        chosen=chosen, confirmed=confirmed, curse=curse, low=curse - half_width, high=curse + half_width
    )


def accuracies_of_best(search: Search, chosen: int, uniforms: FloatArray) -> FloatArray:
    """Return test accuracies of the best of k draws chosen at random, as estimated in the description of the module.

    Args:
        search: Draws and confirm runs; at least one run of each.
        chosen: k, from 1 to the number of draws.
        uniforms: Uniform numbers in [0, 1], shape ``(num_replicates,)``; they choose the draws.

    Returns:
        Shape ``(num_replicates,)``; minus infinity where all k have diverged.
    """
    num_draws = search.draws.size
    curse = winners_curse(search).curse
    if chosen < num_draws:
        curse *= expected_normal_maximum(chosen) / expected_normal_maximum(num_draws)
    shift = sample_mean(search.test) - sample_mean(search.validation)
    return drawn_best_of(search.draws, chosen, uniforms) + shift - curse


def ratio_bands(
    budgets: ArrayLike,
    arm_samples: Sequence[ArrayLike],
    control_samples: Sequence[ArrayLike],
    searches: Sequence[Sequence[Search]],
    chosen: Sequence[int],
    *,
    confidence: float = 0.95,
) -> tuple[RatioBand, ...]:
    """Estimate how many times as fast the arm is at the longest budget if the control had been tuned by fewer draws.

    Repeats the tuning of the control: in each of its cells k draws are chosen at random, and the means of both arms
    vary by t-scaled standard errors over their seeds. The median and the central band of the ratios of all repetitions
    are returned. The same random numbers (a scrambled Sobol sequence) serve every k.

    Args:
        budgets: Shape ``(num_budgets,)``, positive and rising.
        arm_samples: Test accuracies of the arm at each budget, one per seed. A curve ends where a sample is empty.
        control_samples: The same of the control, tuned by all its draws.
        searches: Searches of the control at each budget; the accuracies of several are averaged. Those without confirm
            runs are left out.
        chosen: Numbers of draws k, each from 1 to the number of draws.
        confidence: Share of the repetitions in the band, in (0, 1).

    Raises:
        ValueError: As :func:`~analysis.statistics.frontier.speed_up`, or if the control has no search at a budget where
            it has a sample.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1); got {confidence}.")
    amounts, index = anchored(budgets, None)
    arm = curve_through(amounts, arm_samples, index, "arm_samples")
    control = curve_through(amounts, control_samples, index, "control_samples")
    confirmed = [[s for s in own if s.test.size and s.validation.size] for own in searches[control.first :]]
    if not all(confirmed):
        raise ValueError("searches must hold a search with confirm runs wherever control_samples has values.")
    sizes = [arm.means.size, control.means.size, *map(len, confirmed)]
    uniforms = np.split(_uniforms(sum(sizes)), np.cumsum(sizes)[:-1])
    arm = dataclasses.replace(arm, means=arm.means[:, np.newaxis] + _noise(arm, uniforms[0]))
    noise = _noise(control, uniforms[1])
    level = confidence if _has_spread(arm) and _has_spread(control) else math.nan
    limits = float(amounts[control.first] / amounts[index]), float(amounts[index] / amounts[arm.first])
    bands = []
    for k in chosen:
        drawn = [_averaged(own, k, rows) for own, rows in zip(confirmed, uniforms[2:], strict=True)]
        less_tuned = dataclasses.replace(control, means=np.stack(drawn) + noise)
        bands.append(_band(arm, less_tuned, limits, level))
    return tuple(bands)


def _uniforms(rows: int) -> FloatArray:
    """Return points of a scrambled Sobol sequence, shape ``(rows, NUM_REPLICATES)``, in (0, 1)."""
    points = qmc.Sobol(rows, rng=np.random.default_rng(0)).random(NUM_REPLICATES)
    return np.clip(points.T, 1e-9, 1 - 1e-9)


def _noise(curve: Curve, uniforms: FloatArray) -> FloatArray:
    """Return t-scaled errors of the means, shape ``(num_budgets, num_replicates)``; 0 where they are not known."""
    known = np.isfinite(curve.squared_errors)
    errors = np.sqrt(np.where(known, curve.squared_errors, 0.0))
    freedom = np.where(known, curve.degrees_of_freedom, 1.0)
    return errors[:, np.newaxis] * np.asarray(stats.t.ppf(uniforms, freedom[:, np.newaxis]), dtype=np.float64)


def _has_spread(curve: Curve) -> bool:
    return bool(np.isfinite(curve.squared_errors).all() and curve.squared_errors[curve.anchor] > 0)


def _averaged(searches: Sequence[Search], chosen: int, uniforms: FloatArray) -> FloatArray:
    """Return accuracies averaged over searches; one whose k draws have all diverged has no winner to count."""
    found = np.stack([accuracies_of_best(search, chosen, u) for search, u in zip(searches, uniforms, strict=True)])
    counted = np.isfinite(found)
    total = np.where(counted, found, 0.0).sum(axis=0)
    return np.where(counted.any(axis=0), total / np.maximum(counted.sum(axis=0), 1), -np.inf)


def _band(arm: Curve, control: Curve, limits: tuple[float, float], confidence: float) -> RatioBand:
    """Return median and central band, given the least and the greatest ratio that the budgets can show."""
    least, most = limits
    ratio, *ends = _quantiles(ratios_of_curves(arm, control), [0.5, (1 - confidence) / 2, (1 + confidence) / 2])
    # Where even this end lies beyond what can be shown, that limit is what is known.
    low, high = min(ends[0], most), max(ends[1], least)
    # Between the budgets of a curve that has only two, nothing is interpolated.
    if arm.log_budgets.size == 2:
        low = 1.0 if 1 < low < most else low
        high = most if 1 < high < most else high
    if control.log_budgets.size == 2:
        low = least if least < low < 1 else low
        high = 1.0 if least < high < 1 else high
    return RatioBand(accuracy=_quantiles(control.means[control.anchor], [0.5])[0], ratio=ratio, low=low, high=high)


def _quantiles(values: FloatArray, shares: Sequence[float]) -> list[float]:
    """Return quantiles that are values themselves, as infinities cannot be averaged; NaN for a share of NaN."""
    ranked = np.sort(values)
    places = [math.nan if math.isnan(q) else min(math.ceil(q * ranked.size), ranked.size) - 1 for q in shares]
    return [math.nan if math.isnan(place) else float(ranked[int(place)]) for place in places]
