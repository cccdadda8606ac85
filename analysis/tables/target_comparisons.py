"""Compare how soon arms reach the targets with how soon the control does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.rules import Place, Rules
from analysis.statistics.multiplicity import holm
from analysis.statistics.proportions import share_difference, wilson_share
from analysis.statistics.restricted_mean import restricted_mean_difference, restricted_mean_of_seeds
from analysis.statistics.survival import RankTest, rank_test
from analysis.statistics.targets import HitTimes
from analysis.tables.comparisons import why_withheld
from analysis.tables.rows.core import CheckRow, finite_or_none
from analysis.tables.rows.time_to_target import Sooner, TargetComparisonRow
from analysis.tables.target_runs import TargetRuns
from analysis.tables.time_to_target import seed_count

# A diverged run has a time to target by rule: never. The others make the comparison unfair, or incomplete.
CHECKS_THAT_DO_NOT_WITHHOLD = frozenset({"no_divergence"})


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Times to a target of an arm and of the control, in updates, and their tests."""

    place: Place
    target: float
    runs: TargetRuns
    control: TargetRuns
    times: HitTimes
    control_times: HitTimes
    log_rank: RankTest
    gehan: RankTest
    p_seconds: float


def target_comparison_rows(
    rules: Rules, runs: Mapping[Place, TargetRuns], checks: Sequence[CheckRow]
) -> tuple[TargetComparisonRow, ...]:
    """Return differences, tests and findings of every arm but the control, in every cell, for every target.

    Holm runs over all of them together, separately for the log-rank test, which decides, and for Gehan's.
    """
    pairs = [
        _pair(place, target, own, runs[place._replace(arm=rules.control)])
        for place, own in runs.items()
        if place.arm != rules.control
        for target in rules.targets
    ]
    log_rank = holm([pair.log_rank.p for pair in pairs])
    gehan = holm([pair.gehan.p for pair in pairs])
    return tuple(
        _row(rules, pair, (float(first), float(second)), checks)
        for pair, first, second in zip(pairs, log_rank, gehan, strict=True)
    )


def _pair(place: Place, target: float, runs: TargetRuns, control: TargetRuns) -> _Pair:
    hits, control_hits = runs.hits(target), control.hits(target)
    times, control_times = runs.in_updates(hits), control.in_updates(control_hits)
    timed, control_timed = runs.in_order_of_seconds(hits), control.in_order_of_seconds(control_hits)
    return _Pair(
        place=place,
        target=target,
        runs=runs,
        control=control,
        times=times,
        control_times=control_times,
        log_rank=rank_test(times, control_times),
        gehan=rank_test(times, control_times, "Gehan"),
        p_seconds=math.nan if timed is None or control_timed is None else rank_test(timed, control_timed).p,
    )


def _row(rules: Rules, pair: _Pair, adjusted: tuple[float, float], checks: Sequence[CheckRow]) -> TargetComparisonRow:
    confidence = 1 - rules.alpha
    difference, low, high = _restricted_difference(pair, confidence)
    rates = (wilson_share(*seed_count(times), confidence) for times in (pair.times, pair.control_times))
    rate = share_difference(*rates)
    finding, withheld, reason = _finding(rules, pair, adjusted[0], checks)
    return TargetComparisonRow(
        **pair.place._asdict(),
        control=rules.control,
        target=pair.target,
        n=pair.runs.n,
        n_control=pair.control.n,
        hits=pair.times.hits,
        hits_control=pair.control_times.hits,
        difference_updates=finite_or_none(difference),
        ci_low_updates=finite_or_none(low),
        ci_high_updates=finite_or_none(high),
        times_vary=math.isfinite(low),
        hit_rate_difference=finite_or_none(rate.share),
        hit_rate_low=finite_or_none(rate.low),
        hit_rate_high=finite_or_none(rate.high),
        log_rank_p=finite_or_none(pair.log_rank.p),
        log_rank_p_adjusted=finite_or_none(adjusted[0]),
        gehan_p=finite_or_none(pair.gehan.p),
        gehan_p_adjusted=finite_or_none(adjusted[1]),
        p_minimum=finite_or_none(pair.log_rank.minimum_p),
        p_exact=pair.log_rank.exact,
        log_rank_p_seconds=finite_or_none(pair.p_seconds),
        finding=finding,
        withheld=withheld,
        reason=reason,
        run_ids=(*pair.runs.run_ids, *pair.control.run_ids),
    )


def _restricted_difference(pair: _Pair, confidence: float) -> tuple[float, float, float]:
    """Return the difference of the restricted means with its interval; NaN where nobody hits in either arm."""
    if pair.times.hits + pair.control_times.hits == 0:
        return math.nan, math.nan, math.nan
    arm, control = (restricted_mean_of_seeds(t, pair.runs.horizon_updates) for t in (pair.times, pair.control_times))
    difference = restricted_mean_difference(arm, control)
    # An interval of no width would claim that the difference is known.
    ends = difference.interval(confidence) if difference.standard_error > 0 else (math.nan, math.nan)
    return difference.difference, *ends


def _finding(rules: Rules, pair: _Pair, p_adjusted: float, checks: Sequence[CheckRow]) -> tuple[Sooner, bool, str]:
    """Return what was found, whether it is withheld, and why."""
    if min(pair.runs.n, pair.control.n) == 0:
        return "undecided", True, "there are no runs to compare"
    if pair.times.hits + pair.control_times.hits == 0:
        return "undecided", True, "nobody reaches the target"
    relevant = [check for check in checks if check.name not in CHECKS_THAT_DO_NOT_WITHHOLD]
    if unfair := why_withheld(relevant, (pair.place, pair.place._replace(arm=rules.control))):
        return "undecided", True, "; ".join(unfair)
    if math.isnan(p_adjusted):
        return "undecided", True, "at least two seeds per arm are needed"
    if p_adjusted >= rules.alpha:
        return "undecided", False, ""
    return ("sooner" if pair.log_rank.excess > 0 else "later"), False, ""
