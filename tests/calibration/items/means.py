"""Simulate the intervals of means and of their differences."""

from __future__ import annotations

from functools import partial

import numpy as np

from analysis.statistics import mean_estimate, welch_difference
from tests.calibration.experiments import Experiment, Table, holds
from tests.calibration.populations import POPULATIONS, FloatArray, Population

SIZES = (3, 5, 10, 20)
# Arm and control: numbers of seeds, and how much more the arm's accuracies spread than the control's.
DESIGNS = {"equal spread": (1, 1.0), "arm spreads 3 times": (1, 3.0), "arm 3 times, twice the control seeds": (2, 3.0)}


def mean_holds(population: Population, n: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say for each simulated sample whether the t interval held the mean."""
    estimates = [mean_estimate(values) for values in population.draw(generator, (count, n))]
    return np.array([holds(estimate.low, estimate.high, population.true_mean) for estimate in estimates])


def welch_holds(
    arm: Population, control: Population, sizes: tuple[int, int], generator: np.random.Generator, count: int
) -> FloatArray:
    """Say for each pair of samples whether the Welch interval held the difference."""
    truth = arm.true_mean - control.true_mean
    arms, controls = arm.draw(generator, (count, sizes[0])), control.draw(generator, (count, sizes[1]))
    return np.array([holds(*welch_difference(a, c).interval(), truth) for a, c in zip(arms, controls, strict=True)])


def _means() -> tuple[Experiment, ...]:
    return tuple(
        Experiment(row=("mean, Student t", population.name), columns=(f"n = {n}",), simulate=simulate)
        for population in POPULATIONS
        for n in SIZES
        for simulate in [partial(mean_holds, population, n)]
    )


def _differences() -> tuple[Experiment, ...]:
    return tuple(
        Experiment(row=(design, population.name), columns=(f"n = {n}",), simulate=simulate)
        for design, (times, factor) in DESIGNS.items()
        for population in POPULATIONS
        for n in SIZES
        for simulate in [partial(welch_holds, population.wider(factor), population, (n, times * n))]
    )


TABLES = (
    Table(name="mean", heads=("interval", "accuracies"), experiments=_means()),
    Table(name="welch", heads=("design", "accuracies"), experiments=_differences()),
)
