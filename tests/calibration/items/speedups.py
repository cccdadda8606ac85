"""Simulate learning curves of which one is by a known factor as fast as the other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from analysis.samples import collect_samples
from analysis.statistics.best_of import expected_normal_maximum
from analysis.statistics.budget_curves import anchored, curve_through
from analysis.statistics.frontier import ratios_of_curves, speed_up
from analysis.statistics.skeptic import Search, ratio_bands, winners_curse
from analysis.tables.rows import SkepticRow, SpeedUpRow
from analysis.tables.skeptic import skeptic_rows
from analysis.tables.speedups import speed_up_rows
from tests.analysis.planted import CONTENDER, CURVES, planted_record
from tests.calibration.experiments import COVERS, Experiment, Table, holds
from tests.calibration.judgement import Claim
from tests.calibration.populations import HEAVY, NORMAL, SKEWED, TIED, FloatArray, Population

SIZES = (3, 5, 10, 20)
BUDGETS = (2.0, 5.0, 10.0, 20.0)
RATIOS = (1.0, 1.3, 2.0, 8.0)
SHOWN = Claim(promise="shown")
MEAN = Claim(promise="mean")
AT_LEAST = Claim(promise="at least")

UNTUNED = 8.0
CHOSEN = (1, 4, 16)
NUM_DRAWS = 32
NOISE = 0.002
LONGER = (2.0, 5.0, 10.0, 20.0, 40.0)

LearningCurve = Callable[[Any], Any]


def _around(population: Population, level: float, generator: np.random.Generator, size: tuple[int, ...]) -> FloatArray:
    """Return accuracies around a level, which may make them exceed 1 by a little: nothing here minds."""
    return population.moved(level - population.true_mean).draw(generator, size)


def ratio_holds(
    ratio: float, curve: LearningCurve, design: tuple[Population, int], generator: np.random.Generator, count: int
) -> FloatArray:
    """Say whether the interval held the ratio, and whether it was closed at both ends; shape ``(count, 2)``."""
    population, seeds = design
    arms = [_around(population, curve(ratio * budget), generator, (count, seeds)) for budget in BUDGETS]
    controls = [_around(population, curve(budget), generator, (count, seeds)) for budget in BUDGETS]
    found = np.empty((count, 2))
    for index in range(count):
        result = speed_up(BUDGETS, [sample[index] for sample in arms], [sample[index] for sample in controls])
        closed = result.low > 0 and result.high < math.inf
        found[index] = holds(result.low, result.high, ratio), closed
    return found


def _qualities(generator: np.random.Generator) -> FloatArray:
    """Return how fast each draw of a search is, 1 for the best there is, in an order of chance."""
    return UNTUNED ** -(generator.random(NUM_DRAWS) ** 2)


def _search(budget: float, curve: LearningCurve, seeds: int, generator: np.random.Generator) -> Search:
    """Return a search of the control and the confirm runs of its winner."""
    qualities = _qualities(generator)
    draws = curve(budget * qualities) + NOISE * generator.normal(size=NUM_DRAWS)
    winner = curve(budget * qualities[np.argmax(draws)])
    return Search(draws=draws, validation=winner + NOISE * generator.normal(size=seeds),
                  test=winner + NOISE * generator.normal(size=seeds))  # fmt: skip


def _other_control(chosen: int, curve: LearningCurve, generator: np.random.Generator) -> list[FloatArray]:
    """Return the true accuracy of a control that somebody else tuned by so many draws, one array per budget."""
    found = []
    for budget in LONGER:
        levels = curve(budget * _qualities(generator)[:chosen])
        found.append(levels[[np.argmax(levels + NOISE * generator.normal(size=chosen))]])
    return found


def skeptics_curve(ratio: float, seeds: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Return the estimated ratio against the best of each number of draws, and how the true one lies to it.

    The latter by two outcomes: whether the true one is at most the estimate, and whether the band held it. It is the
    ratio against a control which somebody else tuned anew, by as many draws of the same space. Ratios beyond the
    budgets count as the limit that the budgets set. Shape ``(count, 3 * len(CHOSEN))``.
    """
    curve, most = CURVES["power law"], LONGER[-1] / LONGER[0]
    found = np.empty((count, len(CHOSEN), 3))
    for index in range(count):
        levels = [np.array([curve(ratio * budget)]) for budget in LONGER]
        arm = [level + NOISE * generator.normal(size=seeds) for level in levels]
        searches = [[_search(budget, curve, seeds, generator)] for budget in LONGER]
        bands = ratio_bands(LONGER, arm, [own.test for (own,) in searches], searches, CHOSEN)
        for place, (chosen, band) in enumerate(zip(CHOSEN, bands, strict=True)):
            truth = _within(_true_ratio(levels, _other_control(chosen, curve, generator)), most)
            found[index, place] = _within(band.ratio, most), truth <= band.ratio, holds(band.low, band.high, truth)
    return found.reshape(count, -1)


def _within(ratio: float, most: float) -> float:
    return min(max(ratio, 1 / most), most)


def _true_ratio(arm: Sequence[FloatArray], control: Sequence[FloatArray]) -> float:
    """Return the ratio of two curves without noise, given by one accuracy per budget."""
    amounts, anchor = anchored(LONGER, None)
    through = (curve_through(amounts, levels, anchor, "levels") for levels in (arm, control))
    single = (dataclasses.replace(curve, means=curve.means[:, np.newaxis]) for curve in through)
    return float(ratios_of_curves(*single)[0])


def curse_holds(draws: int, seeds: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say for each search whether the interval held the expected winner's curse: all draws equally good."""
    truth = NOISE * expected_normal_maximum(draws)
    found = np.empty(count)
    for index in range(count):
        search = Search(
            draws=0.9 + NOISE * generator.normal(size=draws),
            validation=0.9 + NOISE * generator.normal(size=seeds),
            test=np.empty(0),
        )
        curse = winners_curse(search)
        found[index] = holds(curse.low, curse.high, truth)
    return found


def planted_studies(ratio: float, generator: np.random.Generator, count: int) -> FloatArray:
    """Say for each planted study what its tables hold, shape ``(count, 3)``.

    Whether the interval against the tuned control holds the ratio, whether that against the control as published holds
    eight times as much, and whether the skeptic's curve falls from there at every step.
    """
    found = np.empty((count, 3))
    for index in range(count):
        record = planted_record(ratio, draws=8, seeds=8, untuned_factor=UNTUNED, seed=int(generator.integers(2**31)))
        samples = collect_samples(record)
        primary = next(row for row in speed_up_rows(record.rules, samples, ()) if row.arm == CONTENDER and row.primary)
        curve = [row for row in skeptic_rows(record, samples, ()) if row.arm == CONTENDER]
        published = next(row for row in curve if row.as_published)
        found[index] = _row_holds(primary, ratio), _row_holds(published, UNTUNED * ratio), _falls(curve)
    return found


def _row_holds(row: SpeedUpRow | SkepticRow, truth: float) -> float:
    if row.interval == "none":
        return math.nan
    return holds(0.0 if row.ci_low is None else row.ci_low, math.inf if row.ci_high is None else row.ci_high, truth)


def _falls(curve: Sequence[SkepticRow]) -> bool:
    """Say whether no ratio of the curve is above the one before; one above all that the budgets show is infinite."""
    limits = {"above": math.inf, "below": 0.0}
    ratios = [limits[row.beyond or "above"] if row.ratio is None else row.ratio for row in curve]
    return all(later <= earlier for earlier, later in pairwise(ratios))


def _planted() -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            row=(f"{ratio:g}",),
            columns=("tuned control", "control as published, 8 times that", "curve falls at every step"),
            claims=(COVERS, COVERS, SHOWN),
            simulate=partial(planted_studies, ratio),
            simulations=700,
            chunk=35,
        )
        for ratio in RATIOS
    )


def _speed_ups() -> tuple[Experiment, ...]:
    conditions = [("power law", population) for population in (NORMAL, SKEWED, HEAVY, TIED)]
    conditions += [(name, NORMAL) for name in ("steep power law", "logistic")]
    return tuple(
        Experiment(
            row=(f"{ratio:g}", name, population.name),
            columns=(f"n = {seeds}", f"closed at {seeds}"),
            claims=(COVERS, SHOWN),
            simulate=partial(ratio_holds, ratio, CURVES[name], (population, seeds)),
            simulations=1500,
            chunk=250,
        )
        for ratio in RATIOS
        for name, population in conditions
        for seeds in SIZES
    )


def _skeptics_curves() -> tuple[Experiment, ...]:
    parts = ("best of {}", "truth is less", "band holds")
    return tuple(
        Experiment(
            row=(f"{ratio:g}",),
            columns=tuple(part.format(k) if "{}" in part else f"{part}, {k}" for k in CHOSEN for part in parts),
            claims=(MEAN, SHOWN, COVERS) * len(CHOSEN),
            simulate=partial(skeptics_curve, ratio, 10),
            simulations=1000,
            chunk=50,
        )
        for ratio in RATIOS[:3]
    )


def _curses() -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            row=(f"{draws}",),
            columns=(f"n = {seeds}",),
            claims=(AT_LEAST,),
            simulate=partial(curse_holds, draws, seeds),
            simulations=5000,
        )
        for draws in (1, 4, 16, 64)
        for seeds in SIZES
    )


TABLES = (
    Table(name="planted", heads=("true ratio",), experiments=_planted()),
    Table(name="speed-up", heads=("true ratio", "curve", "accuracies"), experiments=_speed_ups()),
    Table(name="skeptic", heads=("true ratio, fully tuned",), experiments=_skeptics_curves()),
    Table(name="winners-curse", heads=("draws",), experiments=_curses()),
)
