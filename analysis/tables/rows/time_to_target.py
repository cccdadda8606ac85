"""Define the rows of the report on times to target.

Times are counted to the first evaluation at or above the target. A run that never gets there has missed: it is known
to be below the target up to the horizon, the end of its budget, and nothing more. So is a run that diverged, wherever
it was before, and to the same horizon. Runs that failed or are missing are not counted, but their number is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sooner = Literal["sooner", "later", "undecided"]


@dataclass(frozen=True, kw_only=True)
class TimeToTargetRow:
    """When the confirm runs of one arm in one cell first reached a target in test accuracy."""

    workload: str
    budget: int | float
    arm: str
    target: float
    n: int
    """Confirm runs, diverged ones included: they never reach a target."""
    seeds: int
    """Seeds of these runs; less than `n` where winners of several searches run on the same seeds."""
    planned: int
    missing: int
    """Planned runs without a result: not counted in `n`."""
    hits: int
    """Runs with any evaluation at or above the target."""
    hit_rate: float | None
    """Share of `n` that hits."""
    hit_rate_low: float | None
    """Lower end of the Wilson interval at confidence 1 - alpha, for as many independent runs as seeds."""
    hit_rate_high: float | None
    sustained_hits: int
    """Runs that are at or above the target from some evaluation to the last."""
    median_updates: float | None
    """Median over runs of the first hit, a miss being later than any; None where the median run missed."""
    median_epochs: float | None
    median_seconds: float | None
    """Of training, evaluation excluded."""
    horizon_updates: float | None
    """End of the budget: up to here a miss is known to be below the target."""
    restricted_mean_updates: float | None
    """Mean time spent below the target up to the horizon; a miss spends all of it."""
    restricted_mean_low_updates: float | None
    """Lower end of its Student t interval over seeds at confidence 1 - alpha."""
    restricted_mean_high_updates: float | None
    restricted_mean_epochs: float | None
    restricted_mean_low_epochs: float | None
    restricted_mean_high_epochs: float | None
    times_vary: bool
    """False where all seeds took equally long, or all missed, or there is one: then there is no interval."""
    updates_per_hit: float | None
    """Expected running time: updates of all runs, misses to the horizon, over hits; None where nobody hits."""
    resolution: float | None
    """Median over hits of the gap to the evaluation before, as a share of the time; 1 for the first evaluation."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SurvivalCurveRow:
    """Share of the runs of one arm in one cell that are at a target by each update; one entry per step.

    The Kaplan-Meier estimate of the share that is not yet there, subtracted from 1.
    """

    workload: str
    budget: int | float
    arm: str
    target: float
    n: int
    seeds: int
    hits: int
    horizon_updates: float
    updates: tuple[float, ...]
    """Where the share changes or runs end, 0 first; each entry holds from here to the next."""
    at_target: tuple[float, ...]
    """Share of runs that have reached the target."""
    low: tuple[float, ...]
    """Lower end of the pointwise band at confidence at least 1 - alpha: the exact binomial interval."""
    high: tuple[float, ...]
    at_risk: tuple[int, ...]
    """Runs not yet at the target just before."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TargetComparisonRow:
    """How soon one arm reaches a target, against the control in the same cell."""

    workload: str
    budget: int | float
    arm: str
    control: str
    target: float
    n: int
    n_control: int
    hits: int
    hits_control: int
    difference_updates: float | None
    """Restricted mean of the arm minus that of the control, negative where the arm is sooner; None if nobody hits."""
    ci_low_updates: float | None
    """Lower end of its Welch interval over seeds at confidence 1 - alpha."""
    ci_high_updates: float | None
    times_vary: bool
    """False where each arm took equally long on all its seeds, or has one: then there is no interval."""
    hit_rate_difference: float | None
    """Share of runs at the target, arm minus control."""
    hit_rate_low: float | None
    """Lower end of Newcombe's interval at confidence 1 - alpha."""
    hit_rate_high: float | None
    log_rank_p: float | None
    """Two-sided permutation p-value of the log-rank scores; None where nobody hits in either arm."""
    log_rank_p_adjusted: float | None
    """Holm-adjusted over all arms, cells and targets of the study; it decides `finding`."""
    gehan_p: float | None
    """Likewise with Gehan's weights, which heed early times more."""
    gehan_p_adjusted: float | None
    p_minimum: float | None
    """Least unadjusted p that these seeds can give."""
    p_exact: bool
    """Whether every relabelling was enumerated."""
    log_rank_p_seconds: float | None
    """The log-rank p-value with runs in the order of training seconds instead of updates; unadjusted."""
    finding: Sooner
    """Arm against control: by the sign of the log-rank score where its adjusted p is below alpha."""
    withheld: bool
    """Whether nothing is found because the comparison was not fair or not possible."""
    reason: str
    """Why, where it is not plain from the numbers; else empty."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TargetGridRow:
    """Hits and times of one arm in one cell over a grid of targets; one entry per accuracy.

    The grid is set after the fact, from the curves themselves, so nothing is tested along it: the targets of the
    study, and 25 even steps from the lowest mean accuracy of an arm at three quarters of the budget to the highest
    final accuracy of a run.
    """

    workload: str
    budget: int | float
    arm: str
    n: int
    accuracies: tuple[float, ...]
    """Ascending, the same for all arms of a cell."""
    hits: tuple[int, ...]
    median_updates: tuple[float | None, ...]
    """Of the first hit, a miss being later than any; None where the median run missed."""
    restricted_mean_updates: tuple[float | None, ...]
    run_ids: tuple[str, ...]
