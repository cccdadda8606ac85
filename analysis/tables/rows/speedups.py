"""Define the rows about the ratio of budgets at equal accuracy, and about how much of it comes from the baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Beyond = Literal["above", "below"]
IntervalKind = Literal["closed", "open_above", "open_below", "open", "none"]


@dataclass(frozen=True, kw_only=True)
class RatioTest:
    """A ratio that is asked about."""

    ratio: float
    p: float | None
    """Two-sided, not adjusted; None where the budgets cannot show the ratio, and without an interval."""
    excluded: bool | None
    """Whether the ratio lies outside of the interval, also beyond what the budgets can show; None without one."""


@dataclass(frozen=True, kw_only=True)
class SpeedUpRow:
    """How many times as fast one arm is as the control: the ratio of their budgets at equal accuracy.

    The accuracy is that which the worse of the two has at ``budget``: r times as fast means that the better one has it
    at ``budget / r``.
    """

    workload: str
    budget: int | float
    arm: str
    control: str
    primary: bool
    """Whether this is the longest budget of the workload."""
    ratio: float | None
    """Budget of the control over budget of the arm; None where it lies beyond what the budgets can show."""
    beyond: Beyond | None
    """On which side it lies there."""
    ci_low: float | None
    """Lower end of the interval at confidence 1 - alpha; None where it is open."""
    ci_high: float | None
    """Upper end; None where it is open."""
    interval: IntervalKind
    """Which ends are open: there the budgets put no bound on the ratio."""
    least: float | None
    """Least ratio that the budgets can show."""
    most: float | None
    """Greatest."""
    tests: tuple[RatioTest, ...]
    """The ratios 1, 2 and 8."""
    saved: float | None
    """Budget that the arm saves at equal accuracy, in ``design.budget_unit``; negative where it needs more."""
    saved_low: float | None
    """Lower end of its interval; None where it is open."""
    saved_high: float | None
    """Upper end; None where it is open."""
    arm_budgets: tuple[int | float, ...]
    """Budgets through which the arm's curve runs: those around ``budget`` up to the first that cannot be used."""
    control_budgets: tuple[int | float, ...]
    """The same of the control."""
    reason: str
    """Why there is no ratio, no interval, or a curve that starts late; else empty."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SkepticRow:
    """How many times as fast one arm is at the longest budget, by how much the baseline was tuned."""

    workload: str
    budget: int | float
    arm: str
    baseline: str
    """The control, or the arm that runs its schedule as published."""
    as_published: bool
    """Whether the baseline was run as published, without tuning."""
    draws: int | None
    """Draws of the baseline's search; None as published, and where no tuning trials are recorded."""
    confirmed: bool
    """Whether the baseline was run on the confirm seeds. With fewer draws its accuracy is estimated from the draws."""
    accuracy: float | None
    """Of the baseline at this budget: mean of the confirm runs, or the median estimate."""
    ratio: float | None
    """Budget of the baseline over budget of the arm at equal accuracy; None beyond what the budgets can show."""
    beyond: Beyond | None
    """On which side it lies there."""
    ci_low: float | None
    """Lower end of the interval at confidence 1 - alpha; None where it is open."""
    ci_high: float | None
    """Upper end; None where it is open."""
    interval: IntervalKind
    """Which ends are open: there the budgets put no bound on the ratio."""
    excluded: tuple[float, ...]
    """Which of the ratios 1, 2 and 8 lie outside of the interval."""
    reason: str
    """Why there is no ratio, or why fewer draws are not shown; else empty."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WinnerCurseRow:
    """How much the validation accuracy of one winner when chosen overstates that of its confirm runs."""

    workload: str
    budget: int | float
    arm: str
    search: int
    draws: int
    """Draws of the search, diverged ones included."""
    validation_chosen: float | None
    """Validation accuracy of the best draw."""
    n: int
    """Confirm runs with a validation accuracy."""
    validation_confirmed: float | None
    """Their mean validation accuracy."""
    curse: float | None
    """The first minus the second."""
    ci_low: float | None
    """Lower end of its t interval at confidence 1 - alpha, the noise of the one tuning run included."""
    ci_high: float | None
    """Upper end."""
    test: float | None
    """Mean test accuracy of the confirm runs."""
    run_ids: tuple[str, ...]
