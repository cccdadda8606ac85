"""Simulate comparisons over several workloads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from analysis.statistics.profiles import (
    algoperf_scores,
    geometric_speed_up,
    performance_ratios,
    profile_scores,
)
from analysis.statistics.ranks import average_ranks, critical_difference, friedman_test
from tests.calibration.experiments import Experiment, Table, holds
from tests.calibration.judgement import Claim
from tests.calibration.populations import HEAVY, NORMAL, SKEWED, FloatArray, Population

SIZES = (3, 5, 10, 20)
NUM_WORKLOADS = 8
# The middle and the 90th percentile of the coefficient of variation of a time to target on AlgoPerf.
NOISES = {"7 %": 0.073, "18 %": 0.18}


@dataclass(frozen=True, kw_only=True)
class Contest:
    """The true times of several arms on 8 workloads, in multiples of the first arm's."""

    name: str
    factors: tuple[tuple[float, ...], ...]
    judged: int

    def medians(self) -> FloatArray:
        """Return the true times, shape ``(num_arms, 8)``; every other workload has the factors reversed in order."""
        base = np.geomspace(10, 1000, NUM_WORKLOADS)
        return np.array(self.factors) * base


CONTESTS = (
    Contest(name="two arms, equally fast", factors=((1.0,) * 8, (1.0,) * 8), judged=1),
    Contest(name="two arms, the slower by 1.3", factors=((1.0,) * 8, (1.3,) * 8), judged=1),
    Contest(name="two arms, the faster by 1.3", factors=((1.0,) * 8, (1.3,) * 8), judged=0),
    Contest(name="two arms, each faster by 2 on four", factors=((1.0, 2.0) * 4, (2.0, 1.0) * 4), judged=1),
    Contest(
        name="four arms, 1 to 8 times the best",
        factors=((1.0, 1.2) * 4, (1.1, 1.0) * 4, (2.0, 1.5) * 4, (8.0, 3.0) * 4),
        judged=2,
    ),
)


def score_holds(contest: Contest, noise: float, studies: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say for each comparison whether the interval of one arm's AlgoPerf score held the score of the true times."""
    medians = contest.medians()
    truth = profile_scores(performance_ratios(medians))[contest.judged]
    spread = np.sqrt(np.log1p(noise**2))
    found = np.empty(count)
    for index in range(count):
        factors = np.exp(spread * generator.normal(size=(*medians.shape, studies, 1)))
        times = medians[..., np.newaxis, np.newaxis] * factors
        scores = algoperf_scores(times, generator=generator, num_replicates=200)
        found[index] = holds(scores.low[contest.judged], scores.high[contest.judged], float(truth))
    return found


def speed_up_holds(population: Population, workloads: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say for each set of workloads whether the interval held the geometric mean over all workloads there are.

    The logarithm of the speed-up varies between workloads with a deviation of 0.4 around log 1.3.
    """
    truth, found = 1.3, np.empty(count)
    for index in range(count):
        standard = (population.draw(generator, (workloads,)) - population.true_mean) / population.true_sd
        control = np.exp(generator.normal(5, 1, workloads))
        estimate = geometric_speed_up(control / np.exp(np.log(truth) + 0.4 * standard), control)
        found[index] = holds(estimate.low, estimate.high, truth)
    return found


def ranks_reject(arms: int, blocks: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say for arms without a difference whether Friedman's or Nemenyi's test finds one, shape ``(count, 2)``."""
    largest = critical_difference(arms, blocks)
    tables = generator.normal(size=(count, blocks, arms))
    friedman = [friedman_test(table).f_p <= 0.05 for table in tables]
    nemenyi = [np.ptp(average_ranks(table)) >= largest for table in tables]
    return np.column_stack([friedman, nemenyi]).astype(np.float64)


def _ranks() -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            row=(f"{arms}", f"{blocks}"),
            columns=("Friedman, F of Iman and Davenport", "Nemenyi, any pair"),
            claims=(Claim(promise="predicted", level=0.05, tolerance=0.02), Claim(promise="at most", level=0.05)),
            simulate=partial(ranks_reject, arms, blocks),
            simulations=4000,
        )
        for arms in (3, 5)
        for blocks in (6, 12, 24)
    )


def _scores() -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            row=(contest.name, name),
            columns=(f"n = {studies}",),
            simulate=partial(score_holds, contest, noise, studies),
            simulations=1000,
            chunk=250,
        )
        for contest in CONTESTS
        for name, noise in NOISES.items()
        for studies in SIZES
    )


def _speed_ups() -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            row=(population.name,),
            columns=(f"{workloads} workloads",),
            simulate=partial(speed_up_holds, population, workloads),
        )
        for population in (NORMAL, SKEWED, HEAVY)
        for workloads in SIZES
    )


TABLES = (
    Table(name="ranks", heads=("arms", "blocks"), experiments=_ranks()),
    Table(name="geometric-speed-up", heads=("log of the speed-up",), experiments=_speed_ups()),
    Table(name="algoperf-score", heads=("times", "noise"), experiments=_scores()),
)
