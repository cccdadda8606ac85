"""Simulate the intervals of effect sizes, and of pairs of seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from analysis.statistics.effects import Effect, error_ratio, hedges_g, probability_of_improvement
from analysis.statistics.paired import paired_difference, seed_correlation
from tests.calibration.experiments import Experiment, Table, holds
from tests.calibration.populations import HEAVY, NORMAL, POPULATIONS, SD, SKEWED, FloatArray, Population

SIZES = (3, 5, 10, 20)

SMOOTH = (NORMAL, SKEWED, HEAVY)

Measure = Callable[[FloatArray, FloatArray], Effect]
Pair = tuple[Population, Population]


def true_g(arm: Population, control: Population) -> float:
    """Return the difference of two populations over the root of their mean variance."""
    return (arm.true_mean - control.true_mean) / math.sqrt((arm.true_sd**2 + control.true_sd**2) / 2)


def true_error_ratio(arm: Population, control: Population) -> float:
    """Return the ratio of the mean errors of two populations."""
    return (1 - arm.true_mean) / (1 - control.true_mean)


def effect_holds(
    measure: Measure, truth: float, pair: Pair, seeds: int, generator: np.random.Generator, count: int
) -> FloatArray:
    """Say whether the interval held the effect."""
    arms, controls = (population.draw(generator, (count, seeds)) for population in pair)
    effects = (measure(arm, control) for arm, control in zip(arms, controls, strict=True))
    return np.array([holds(effect.low, effect.high, truth) for effect in effects])


def _pairs() -> dict[tuple[str, str], Pair]:
    """Return arm and control by true difference and accuracies."""
    pairs = {
        (f"{sds:g} sd", population.name): (population.moved(sds * SD), population)
        for sds in (0, 1, 3)
        for population in POPULATIONS
    }
    wide = {
        (f"{sds:g} sd", "normal, arm spreads 3 times"): (NORMAL.wider(3).moved(sds * SD), NORMAL) for sds in (0, 1, 3)
    }
    return {**pairs, **wide}


def _experiments(measure: Measure, truth: Callable[[Population, Population], float]) -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            row=row,
            columns=(f"n = {seeds}",),
            simulate=partial(effect_holds, measure, truth(*pair), pair, seeds),
            simulations=2000,
            chunk=500,
        )
        for row, pair in _pairs().items()
        for seeds in SIZES
    )


def draw_pairs(
    population: Population, correlation: float, size: tuple[int, ...], generator: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return two arms whose seeds share a part; with rounding, the correlation is that before it."""
    common, first, second = (
        (population.draw(generator, size) - population.true_mean) / population.true_sd for _ in range(3)
    )
    shared, own = correlation**0.5, (1 - correlation) ** 0.5
    arms = (population.true_mean + SD * (shared * common + own * part) for part in (first, second))
    step = None if population.steps is None else SD / population.steps
    first, second = (arm if step is None else np.round(arm / step) * step for arm in arms)
    return first, second


def pair_holds(
    population: Population, correlation: float, seeds: int, generator: np.random.Generator, count: int
) -> FloatArray:
    """Say whether the paired t interval held the difference, which is 0."""
    firsts, seconds = draw_pairs(population, correlation, (count, seeds), generator)
    estimates = (paired_difference(a, b) for a, b in zip(firsts, seconds, strict=True))
    return np.array([holds(*estimate.interval(), 0.0) for estimate in estimates])


def correlation_holds(
    population: Population, correlation: float, seeds: int, generator: np.random.Generator, count: int
) -> FloatArray:
    """Say whether Fisher's interval held the correlation of seeds."""
    firsts, seconds = draw_pairs(population, correlation, (count, seeds), generator)
    effects = (seed_correlation(a, b) for a, b in zip(firsts, seconds, strict=True))
    return np.array([holds(effect.low, effect.high, correlation) for effect in effects])


def _paired() -> tuple[Experiment, ...]:
    cases = {"difference, paired t": (pair_holds, POPULATIONS), "correlation, Fisher": (correlation_holds, SMOOTH)}
    return tuple(
        Experiment(
            row=(name, f"{correlation:g}", population.name),
            columns=(f"n = {seeds}",),
            simulate=partial(simulate, population, correlation, seeds),
            simulations=4000,
            chunk=1000,
        )
        for name, (simulate, populations) in cases.items()
        for correlation in (0.0, 0.5)
        for population in populations
        for seeds in SIZES
        if simulate is pair_holds or seeds > 3
    )


HEADS = ("true difference", "accuracies")
TABLES = (
    Table(name="hedges-g", heads=HEADS, experiments=_experiments(hedges_g, true_g)),
    Table(
        name="superiority",
        heads=HEADS,
        experiments=_experiments(probability_of_improvement, Population.superiority_over),
    ),
    Table(name="error-ratio", heads=HEADS, experiments=_experiments(error_ratio, true_error_ratio)),
    Table(name="paired", heads=("interval", "true correlation", "accuracies"), experiments=_paired()),
)
