"""Define the rows that every report has: arms, comparisons, seeds, curves, winners, ledger, checks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from analysis.verdict import VerdictWord

CheckStatus = Literal["pass", "warn", "fail"]


def finite_or_none(value: float) -> float | None:
    """Return a plain float, or None for NaN and infinities."""
    return float(value) if math.isfinite(value) else None


@dataclass(frozen=True, kw_only=True)
class ArmRow:
    """Final test accuracy of one arm in one cell over its confirm runs."""

    workload: str
    budget: int | float
    arm: str
    as_published: bool
    n: int
    """Confirm runs with a final accuracy."""
    planned: int
    diverged: int
    missing: int
    mean: float | None
    sd: float | None
    """Standard deviation over seeds, n - 1 in the denominator."""
    ci_low: float | None
    """Lower end of the Student t interval of the mean at confidence 1 - alpha."""
    ci_high: float | None
    median: float | None
    minimum: float | None
    maximum: float | None
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One arm against the control in one cell."""

    workload: str
    budget: int | float
    arm: str
    control: str
    n: int
    n_control: int
    difference: float | None
    """Mean of the arm minus mean of the control."""
    ci_low: float | None
    """Lower end of the Welch interval of the difference at confidence 1 - alpha."""
    ci_high: float | None
    equivalence_low: float | None
    """Lower end of the Welch interval at confidence 1 - 2 alpha, which decides equivalence."""
    equivalence_high: float | None
    p: float | None
    """Two-sided permutation p-value of the Welch t statistic."""
    p_adjusted: float | None
    """Holm-adjusted over all comparisons of the study."""
    p_minimum: float | None
    """Least unadjusted p that the permutation test can give with these seeds."""
    p_exact: bool
    """Whether every relabelling was enumerated."""
    verdict: VerdictWord
    withheld: bool
    """Whether the verdict is undecided because the comparison was not clean, whatever the numbers say."""
    significant_below_margin: bool
    """Whether the difference is significant though too small to matter."""
    reason: str
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PublishedGapRow:
    """One tuned arm against the control as published: the gap that an untuned baseline would have shown."""

    workload: str
    budget: int | float
    arm: str
    published_control: str
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SeedRow:
    """One confirm run."""

    workload: str
    budget: int | float
    arm: str
    search: int | None
    seed_index: int | None
    test: float | None
    validation: float | None
    diverged: bool
    diverged_at_update: int | None
    train_seconds: float | None
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CurveRow:
    """Mean test accuracy of one arm in one cell along training; the tuples have one entry per evaluation."""

    workload: str
    budget: int | float
    arm: str
    updates: tuple[int, ...]
    epochs: tuple[float | None, ...]
    n: tuple[int, ...]
    """Runs with a value at this evaluation; it falls where runs diverge."""
    mean: tuple[float | None, ...]
    ci_low: tuple[float | None, ...]
    ci_high: tuple[float | None, ...]
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WinnerRow:
    """The settings that one search chose and the confirm runs used."""

    workload: str
    budget: int | float
    arm: str
    search: int
    settings: dict[str, Any]
    draw: int | None
    """Of the best tuning trial with these settings; None for settings taken as published."""
    validation: float | None
    """Of that trial."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """What one arm spent on one workload in one phase."""

    workload: str
    arm: str
    phase: str
    as_published: bool
    trials: int
    updates_charged: int
    """Updates of the full budgets: a diverged trial is charged in full."""
    updates_run: int
    train_seconds: float | None
    diverged: int
    failed: int
    search_dims: int
    """Dimensions of the search space."""
    on_rungs: int
    """Of the trials, those at the shorter budgets of successive halving."""
    superseded: int
    """Of the trials, those that do not count: confirm runs of draws that others of their search outdid, as winners are
    once better draws were added, and draws that lost their place on a rung of successive halving."""
    restarts: int | None
    """How often trials were started again after their process or machine was lost; null where that is not recorded."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check saw, and where: None covers every workload, budget or arm."""

    workload: str | None
    budget: int | float | None
    arm: str | None
    evidence: str
    run_ids: tuple[str, ...]

    def covers(self, workload: str, budget: float, arm: str) -> bool:
        """Say whether the finding concerns this arm in this cell."""
        here = ((self.workload, workload), (self.budget, budget), (self.arm, arm))
        return all(mine is None or mine == theirs for mine, theirs in here)


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """One condition of a fair comparison; where it fails, verdicts are withheld."""

    name: str
    title: str
    status: CheckStatus
    evidence: str
    remedy: str
    """Empty where the check passes."""
    findings: tuple[Finding, ...]
    run_ids: tuple[str, ...]
