"""Define the rows about tuning: what the searches found, how fast, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scale = Literal["log", "float", "int"]


@dataclass(frozen=True, kw_only=True)
class CrossingPoint:
    """Where the tuning curve of an arm and that of the control change order."""

    draws: int
    """Least number of draws at which the new order holds."""
    overtakes: bool
    """Whether the arm takes the lead here; it loses it where false."""
    shown: bool
    """Whether the bands separate one way before and the other way from here on; if not, it may be noise."""


@dataclass(frozen=True, kw_only=True)
class TuningSummaryRow:
    """What the draws of one tuned arm in one cell found, and how many it took."""

    workload: str
    budget: int | float
    arm: str
    sampler: str
    dimensions: int
    """Dimensions of the search space; every arm gets the same number of draws, whatever it has to tune."""
    shared_dimensions: int
    """Those that all tuned arms share."""
    searches: int
    draws: int
    """Draws of one search; of the longest one where they differ. With successive halving, those of the lowest rung."""
    draws_per_dimension: float | None
    tried: int
    """Draws of all searches together, diverged ones included; with successive halving, at the cell's own budget."""
    diverged: int
    share_diverged: float | None
    best: float | None
    """Highest validation accuracy of any draw."""
    draws_to_near_best: int | None
    """Least number of draws whose median best is within the equivalence margin of that of a whole search."""
    crossings: tuple[CrossingPoint, ...]
    """With the curve of the control, by bands that hold together at confidence 1 - alpha."""
    no_curve_because: str
    """Why there is no tuning curve; empty where there is one."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TuningCurveRow:
    """What a search of n draws finds with one arm in one cell; the tuples have one entry per n = 1, 2, ..."""

    workload: str
    budget: int | float
    arm: str
    draws: tuple[int, ...]
    median: tuple[float | None, ...]
    """Median over searches of the best validation accuracy of n draws; null where that draw diverged."""
    low: tuple[float | None, ...]
    """Lower end of the band that holds for all n at once at confidence 1 - alpha; null where there is no bound."""
    high: tuple[float | None, ...]
    expected: tuple[float | None, ...]
    """Expected best, unbiased; null where n draws may all have diverged."""
    tried: int
    """Draws that the curve is made from."""
    diverged: int
    """Of these: worse than any other draw."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ResponseRow:
    """How one arm responds to one searched number in one cell; values, validation, run_ids have one entry per draw."""

    workload: str
    budget: int | float
    arm: str
    dimension: str
    scale: Scale
    space_low: float | None
    """Lower end of the range that was searched; null where it is not recorded."""
    space_high: float | None
    values: tuple[float, ...]
    validation: tuple[float | None, ...]
    """Final validation accuracy; null where the draw diverged."""
    best_value: float | None
    near_low: float | None
    """Lower end of the range in which the running median of draws is within the equivalence margin of its highest."""
    near_high: float | None
    open_low: bool
    """Whether that range holds the least value that was drawn, so that it may go on."""
    open_high: bool
    width_decades: float | None
    """Width of that range in powers of ten; null on other scales than log."""
    width_share: float | None
    """Its width as a share of the range that was searched, on the scale of the search."""
    near: int
    """Draws within the equivalence margin of the best draw, in that range or not."""
    share_near: float | None
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ImportanceRow:
    """How much of the variance of validation accuracy each dimension explains, for one arm in one cell."""

    workload: str
    budget: int | float
    arm: str
    draws: int
    """Draws that were used: of those that did not diverge, at most 256."""
    r2: float | None
    """Share of the variance that a random forest predicts on draws that it has not seen."""
    shares: dict[str, float] | None
    """Share of the variance per dimension, alone or with others; null where the forest predicts nothing."""
    run_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SearchVarianceRow:
    """Variance between searches told apart from that between seeds, for one arm in one cell with several searches."""

    workload: str
    budget: int | float
    arm: str
    control: str
    searches: int
    seeds: int
    """Confirm seeds on which every one of these winners has an accuracy."""
    left_out: int
    """Confirm runs that diverged, are missing, or share a seed or search with one that is."""
    mean: float | None
    """Mean test accuracy over searches and seeds."""
    ci_low: float | None
    """Lower end of its interval at confidence 1 - alpha for new searches on new seeds."""
    ci_high: float | None
    search_sd: float | None
    """Standard deviation between the winners of searches; 0 where the estimate of its square is negative."""
    search_sd_low: float | None
    search_sd_high: float | None
    seed_sd: float | None
    """Standard deviation between seeds for one winner."""
    seed_sd_low: float | None
    seed_sd_high: float | None
    shared_seed_sd: float | None
    """The part of the seed deviation that all winners share."""
    difference: float | None
    """Arm minus control over the searches and seeds that both have; null for the control and arms searched once."""
    difference_low: float | None
    """Lower end of its interval at confidence 1 - alpha for new searches on new seeds; paired by search and seed."""
    difference_high: float | None
    run_ids: tuple[str, ...]
