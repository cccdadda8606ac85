"""Check how the arms were tuned: threats to be read with the verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.checks.outcome import Condition, at_place, everywhere, not_recorded, outcome
from analysis.record import CONFIRM, TUNE, TUNING, StudyRecord
from analysis.rules import Place
from analysis.statistics.arrays import FloatArray
from analysis.tables.dimensions import Dimension, dimensions_of
from analysis.tables.rows import CheckRow, Finding

PEAK_LR = "peak_lr"
# A winner so near to an end of its range, and the best draws in so wide a strip along it, point beyond the range.
EDGE_SHARE = 0.05
STRIP_SHARE = 0.1
TOP_DRAWS, TOP_SHARE = 3, 0.1
MOST_DIVERGED = 0.5
FEWEST_FEASIBLE = 3

WINNERS_INSIDE = Condition(
    name="winner_inside_the_space",
    title="The best draws are not at the edge of the search space",
    severity="warn",
    met="In every searched number the best draws lie away from the ends of its range.",
    remedy="Widen the range on that side in a new study: the best value may lie outside.",
)
FEASIBLE = Condition(
    name="enough_feasible_draws",
    title="Enough draws of every search kept a finite loss",
    severity="warn",
    met=f"No arm lost more than {100 * MOST_DIVERGED:g} % of its draws to divergence.",
    remedy="Narrow the range of peak_lr in a new study: an arm that loses its draws is tuned with fewer of them.",
)
SAMPLER = Condition(
    name="independent_draws",
    title="Draws do not depend on earlier results",
    severity="warn",
    met="Draws are random or quasi-random, so that the best of fewer draws can be estimated.",
    remedy="Do not read the best of n draws off this study: an adaptive sampler would have drawn otherwise.",
)
DIMENSIONS = Condition(
    name="equal_dimensions",
    title="The arms search as many dimensions with their draws",
    severity="warn",
    met="All tuned arms search the same number of dimensions.",
    remedy="Read a disadvantage of the arm with more dimensions as part of its cost, or give all arms more draws.",
)


@dataclass(frozen=True, kw_only=True)
class _Edge:
    """One end of the range of a dimension, with positions from 0 at this end to 1 at the other."""

    name: str
    end: str
    winner: float
    winner_value: float
    top: FloatArray

    @property
    def crowded(self) -> int:
        """How many of the best draws lie along this end."""
        return int(np.count_nonzero(self.top <= STRIP_SHARE))

    @property
    def is_threat(self) -> bool:
        """Whether the winner, or what surrounds it, points beyond this end.

        One dimension in ten has its winner by chance where it does not matter at all, so that the winner alone is
        enough for the peak learning rate only; others need the best draws beside it, or most of these alone.
        """
        at_end = self.winner <= EDGE_SHARE
        if at_end and (self.name == PEAK_LR or 2 * self.crowded > self.top.size > 0):
            return True
        return self.top.size >= TOP_DRAWS and self.crowded >= max(TOP_DRAWS, math.ceil(2 * self.top.size / 3))

    @property
    def evidence(self) -> str:
        """What was seen there."""
        place = "at" if self.winner <= EDGE_SHARE else "not at"
        text = f"winning {self.name} {self.winner_value:.3g} is {place} the {self.end} edge of its range"
        return text + (f" ({self.crowded} of the {self.top.size} best draws are near it)" if self.top.size else "")


def check_winners_inside(record: StudyRecord) -> CheckRow:
    """Find searches whose winner or best draws crowd an end of a range, on the axis of the search.

    The best draws are the best tenth by validation accuracy, three at least; they count where there are twice as many.
    """
    rules = record.rules
    if not any(rules.search_space(arm) for arm in rules.tuned_arms):
        return not_recorded(WINNERS_INSIDE, "the ranges that were searched", "Give the search space with --rules.")

    def findings() -> Iterator[Finding]:
        for place in rules.places:
            if rules.arms[place.arm].as_published:
                continue
            confirmed, draws = record.trials_at(place, CONFIRM), record.trials_at(place, TUNE)
            for search, runs in confirmed.groupby("search", sort=True):
                own = draws[(draws["search"] == search) & ~draws["diverged"] & draws["validation"].notna()]
                for edge in _edges(record, place, runs, own):
                    if edge.is_threat:
                        yield at_place(rules, place, edge.evidence, runs["run_id"])

    return outcome(WINNERS_INSIDE, findings())


def _edges(record: StudyRecord, place: Place, winner: pd.DataFrame, draws: pd.DataFrame) -> Iterator[_Edge]:
    size = max(TOP_DRAWS, math.ceil(TOP_SHARE * len(draws)))
    best = draws.sort_values("validation", ascending=False, kind="stable").head(size if len(draws) >= 2 * size else 0)
    for dimension in dimensions_of(record.rules, place.arm, winner):
        value, positions = dimension.values(winner)[:1], _positions(dimension, best)
        position = _unit(dimension, value)
        if position.size == 0 or not np.isfinite(position[0]):
            continue
        for end, low in (("lower", True), ("upper", False)):
            yield _Edge(
                name=dimension.name,
                end=end,
                winner=float(position[0] if low else 1 - position[0]),
                winner_value=float(value[0]),
                top=positions if low else 1 - positions,
            )


def _positions(dimension: Dimension, draws: pd.DataFrame) -> FloatArray:
    units = _unit(dimension, dimension.values(draws))
    return units[np.isfinite(units)]


def _unit(dimension: Dimension, values: FloatArray) -> FloatArray:
    """Return where values lie in their range, 0 to 1 on the scale of the search; NaN for what has no range."""
    if dimension.low is None or dimension.high is None:
        return np.full(values.shape, np.nan)
    low, high = dimension.low, dimension.high
    if dimension.kind == "int":  # every whole number stands for an interval of its own
        low, high = low - 0.5, high + 0.5
    ends = dimension.on_scale(np.array([low, high]))
    return np.asarray((dimension.on_scale(values) - ends[0]) / (ends[1] - ends[0]))


def check_feasible(record: StudyRecord) -> CheckRow:
    """Find arms most of whose draws diverged, so that few were left to choose from."""
    rules = record.rules
    if TUNING not in record.recorded:
        return not_recorded(FEASIBLE, "how many draws diverged", "Add the tuning trials to the table (phase tune).")

    def findings() -> Iterator[Finding]:
        for place in rules.places:
            draws = record.first_draws_at(place)
            diverged = int(draws["diverged"].sum())
            left = len(draws) - diverged
            if diverged and (diverged > MOST_DIVERGED * len(draws) or left < FEWEST_FEASIBLE):
                text = f"{diverged} of {len(draws)} draws diverged, {left} were left to choose from"
                yield at_place(rules, place, text, draws["run_id"][draws["diverged"]])

    return outcome(FEASIBLE, findings())


def check_sampler(record: StudyRecord) -> CheckRow:
    """Note an adaptive sampler: formulas for the best of n draws hold for independent ones only."""
    sampler = record.rules.tuning.sampler
    adaptive = sampler not in {"sobol", "random"}
    return outcome(SAMPLER, [everywhere(f"the sampler {sampler} learns from earlier draws")] if adaptive else [])


def check_dimensions(record: StudyRecord) -> CheckRow:
    """Note arms that spread the same draws over different numbers of dimensions."""
    rules = record.rules
    counts = {arm: len(rules.search_space(arm)) for arm in rules.tuned_arms}
    if not any(counts.values()):
        return not_recorded(DIMENSIONS, "the ranges that were searched", "Give the search space with --rules.")
    unequal = len(set(counts.values())) > 1
    listed = ", ".join(f"{arm} {count}" for arm, count in counts.items())
    text = f"at the same {rules.tuning.draws} draws the arms search different numbers of dimensions: {listed}"
    return outcome(DIMENSIONS, [everywhere(text)] if unequal else [])
