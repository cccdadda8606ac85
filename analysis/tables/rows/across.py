"""Define the rows that set arms side by side over several workloads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """Times of one arm to the targets of all workloads, and its AlgoPerf score; the tuples have one entry per workload.

    They are of the longest budget.
    """

    budget: int | float
    arm: str
    target: float | None
    """The same for every workload; None where each has its own: the highest that the control's median run reaches."""
    workloads: tuple[str, ...]
    targets: tuple[float, ...]
    """The target of each workload."""
    n: tuple[int, ...]
    """Confirm runs. Those that diverged, and those of a search whose draws all diverged, never reach a target."""
    hits: tuple[int, ...]
    median_updates: tuple[float | None, ...]
    """Median over runs of the first hit, a miss being later than any; None where the median run missed."""
    ratios: tuple[float | None, ...]
    """Multiple of the median of the fastest arm; None where the median run missed."""
    score: float | None
    """Normalised integral of the performance profile from 1 to 4, in [0, 1]; None for an arm without runs on some
    workload."""
    ci_low: float | None
    """Lower end of the interval at confidence 1 - alpha; it covers the seeds, not the search or the workloads."""
    ci_high: float | None
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ProfileRow:
    """Performance profile of one arm: the share of workloads on which it is within a factor tau of the fastest."""

    budget: int | float
    arm: str
    target: float | None
    """As in the row of its score."""
    tau: tuple[float, ...]
    """Factors at which the profile of any arm rises, from 1 on; it is constant between them and after the last."""
    rho: tuple[float, ...]
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class GeometricSpeedUpRow:
    """How many times faster than the control one arm reaches the targets, as a geometric mean over workloads."""

    budget: int | float
    arm: str
    control: str
    target: float | None
    """As in the row of its score."""
    workloads: int
    entered: int
    """Workloads on which the median runs of both reach the target."""
    not_run: int
    """Workloads on which one of the two has no run at this budget."""
    speed_up: float | None
    """Control's median time over the arm's; None where any median run missed."""
    ci_low: float | None
    """Lower end of the Student t interval over workloads, at confidence 1 - alpha."""
    ci_high: float | None
    restricted: float | None
    """The same over the entered workloads alone, which flatters an arm that misses the others."""
    restricted_low: float | None
    restricted_high: float | None
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RankRow:
    """Average rank of one arm in mean test accuracy over the workloads, at one budget; 1 is best."""

    budget: int | float
    arm: str
    average_rank: float | None
    ranks: tuple[float, ...]
    """On each workload that is ranked; an arm with a diverged run is behind all arms without."""
    workloads: tuple[str, ...]
    """Those on which every arm has a confirm run; the others are not ranked."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RankTestRow:
    """Whether the average ranks of the arms differ at one budget, each workload being a block."""

    budget: int | float
    arms: int
    blocks: int
    """Workloads that are ranked."""
    chi2: float | None
    """Friedman's statistic with the correction for ties; None below 6 blocks, like all that follows."""
    p: float | None
    f: float | None
    """Iman and Davenport's statistic from it; None too where all blocks rank the arms alike."""
    f_p: float | None
    """Of F; where all blocks rank the arms alike, the exact chance of that."""
    critical_difference: float | None
    """Difference of average ranks from which on Nemenyi's test tells two arms apart, at error rate alpha."""
    groups: tuple[tuple[str, ...], ...]
    """Largest groups of arms that are not told apart, best first."""
    withheld: str
    """Why no groups are given; else empty."""
    run_ids: tuple[str, ...]
