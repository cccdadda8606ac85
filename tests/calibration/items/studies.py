"""Simulate two studies of the same question."""

from __future__ import annotations

from functools import partial

import numpy as np

from analysis.statistics import welch_difference
from analysis.statistics.combination import change_of_differences, combine_differences
from tests.calibration.experiments import Experiment, Table, holds
from tests.calibration.populations import POPULATIONS, SD, FloatArray, Population

SIZES = (3, 5, 10, 20)
DIFFERENCE = SD


def studies_hold(population: Population, seeds: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say whether the intervals of the change between studies, and of their common difference, held the truth.

    The second study has twice as many seeds. Shape ``(count, 2)``.
    """
    arm = population.moved(DIFFERENCE)
    truth, found = arm.true_mean - population.true_mean, np.empty((count, 2))
    for index in range(count):
        first, second = (
            welch_difference(arm.draw(generator, (n,)), population.draw(generator, (n,))) for n in (seeds, 2 * seeds)
        )
        change = change_of_differences(first, second)
        common = combine_differences([first, second]).common
        found[index] = holds(*change.interval(), 0.0), holds(*common.interval(), truth)
    return found


def _experiments() -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            row=(population.name,),
            columns=(f"change, n = {seeds}", f"common, n = {seeds}"),
            simulate=partial(studies_hold, population, seeds),
            simulations=4000,
            chunk=500,
        )
        for population in POPULATIONS
        for seeds in SIZES
    )


TABLES = (Table(name="two-studies", heads=("accuracies",), experiments=_experiments()),)
