"""Simulate learning curves with a target that some of them never reach."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from analysis.statistics.differences import MeanDifference
from analysis.statistics.proportions import share_difference, wilson_share
from analysis.statistics.restricted_mean import RestrictedMean, restricted_mean_difference, restricted_mean_of_seeds
from analysis.statistics.survival import RankTestKind, SurvivalCurve, kaplan_meier, rank_test
from analysis.statistics.targets import HitTimes, first_hits, hit_times
from tests.calibration.experiments import COVERS, Experiment, Table, holds
from tests.calibration.judgement import Claim
from tests.calibration.populations import FloatArray

SIZES = (3, 5, 10, 20)
BUDGET_EPOCHS = 20.0
TARGET = 0.9
AT_LEAST = Claim(promise="at least", level=0.95)
AT_MOST_ALPHA = Claim(promise="at most", level=0.05)
_TRUTH_CURVES = 100_000


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Learning curves that rise to a level of their own, with noise at every evaluation.

    ``accuracy(t) = level - (level - 0.1) exp(-speed t / budget)``, the level normal with a deviation of 0.004 and the
    speed log-normal with a coefficient of variation of about 0.1.
    """

    name: str
    level: float
    speed: float = 8.0
    evaluations: int = 40

    def faster(self, factor: float) -> Runs:
        """Return the same curves, run through faster."""
        return Runs(name=self.name, level=self.level, speed=self.speed * factor, evaluations=self.evaluations)

    @property
    def epochs(self) -> FloatArray:
        """When the curves are evaluated."""
        return BUDGET_EPOCHS * np.arange(1, self.evaluations + 1) / self.evaluations

    def draw(self, generator: np.random.Generator, count: int) -> tuple[FloatArray, np.ndarray]:
        """Return times to the target, or the budget for a miss, and whether it was reached; ``(count,)`` each."""
        levels = self.level + 0.004 * generator.normal(size=(count, 1))
        speeds = self.speed * np.exp(0.1 * generator.normal(size=(count, 1)))
        curves = levels - (levels - 0.1) * np.exp(-speeds * self.epochs / BUDGET_EPOCHS)
        curves += 0.002 * generator.normal(size=curves.shape)
        positions = first_hits(curves.ravel(), np.arange(count + 1) * self.evaluations, TARGET)
        reached = positions >= 0
        at = self.epochs[np.where(reached, positions % self.evaluations, -1)]
        return np.where(reached, at, BUDGET_EPOCHS), reached

    def sample(self, generator: np.random.Generator, seeds: int) -> HitTimes:
        """Return the times of a few runs."""
        return hit_times(*self.draw(generator, seeds))


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What very many runs show: the share that hits, the restricted mean, and who is still waiting when."""

    share: float
    mean: float
    epochs: FloatArray
    waiting: FloatArray

    def epoch_with(self, share: float) -> int:
        """Return the index of the evaluation at which the share of runs still waiting is nearest to this one."""
        return int(np.argmin(np.abs(self.waiting - share)))


@lru_cache(maxsize=32)
def truth_of(runs: Runs) -> Truth:
    """Return the truth to within a tenth of any standard error here."""
    times, reached = runs.draw(np.random.default_rng(1), _TRUTH_CURVES)
    waiting = np.array([np.mean((times > epoch) | ~reached) for epoch in runs.epochs])
    return Truth(share=float(reached.mean()), mean=float(times.mean()), epochs=runs.epochs, waiting=waiting)


RUNS = (
    Runs(name="all hit", level=0.925),
    Runs(name="few miss", level=0.904),
    Runs(name="half miss", level=0.8977),
    Runs(name="three quarters miss", level=0.895),
    Runs(name="few miss, 8 evaluations", level=0.906, evaluations=8),
)


def mean_holds(runs: Runs, seeds: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say whether the interval of the restricted mean held it."""
    truth = truth_of(runs).mean
    samples = (runs.sample(generator, seeds) for _ in range(count))
    means = (restricted_mean_of_seeds(sample, BUDGET_EPOCHS) for sample in samples)
    return np.array([_interval_holds(mean, truth) for mean in means])


def difference_holds(arm: Runs, control: Runs, seeds: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say whether the interval of the difference of restricted means held it."""
    truth = truth_of(arm).mean - truth_of(control).mean
    found = np.empty(count)
    for index in range(count):
        first, second = (restricted_mean_of_seeds(r.sample(generator, seeds), BUDGET_EPOCHS) for r in (arm, control))
        found[index] = _interval_holds(restricted_mean_difference(first, second), truth)
    return found


def _interval_holds(estimate: RestrictedMean | MeanDifference, truth: float) -> float:
    """Say whether the interval held the truth; no answer where no time varies: the report shows no interval then."""
    return holds(*estimate.interval(), truth) if estimate.standard_error > 0 else math.nan


def band_holds(runs: Runs, waiting: float, seeds: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say whether the band held the share of runs still waiting, at the time when that share is true."""
    truth = truth_of(runs)
    at = truth.epoch_with(waiting)
    curves = (kaplan_meier(runs.sample(generator, seeds)) for _ in range(count))
    return np.array([_band_holds(curve, truth.epochs[at], truth.waiting[at]) for curve in curves])


def _band_holds(curve: SurvivalCurve, epoch: float, truth: float) -> float:
    step = int(np.searchsorted(curve.times, epoch, side="right")) - 1
    return holds(float(curve.low[step]), float(curve.high[step]), truth)


def share_holds(share: float, seeds: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say whether the Wilson interval held the share."""
    shares = (wilson_share(int(hits), seeds) for hits in generator.binomial(seeds, share, count))
    return np.array([holds(found.low, found.high, share) for found in shares])


def share_difference_holds(
    shares: tuple[float, float], seeds: int, generator: np.random.Generator, count: int
) -> FloatArray:
    """Say whether Newcombe's interval held the difference of two shares."""
    found = np.empty(count)
    for index in range(count):
        arm, control = (wilson_share(int(generator.binomial(seeds, share)), seeds) for share in shares)
        difference = share_difference(arm, control)
        found[index] = holds(difference.low, difference.high, shares[0] - shares[1])
    return found


def rejects(runs: Runs, kind: RankTestKind, seeds: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say whether two samples of the same runs are told apart at 5 %; no answer where nobody hits."""
    p_values = [rank_test(runs.sample(generator, seeds), runs.sample(generator, seeds), kind).p for _ in range(count)]
    return np.where(np.isnan(p_values), np.nan, np.array(p_values) <= 0.05)


Case = tuple[tuple[str, ...], Claim, Callable[..., FloatArray]]


def _experiments(
    cases: list[Case], *, sizes: tuple[int, ...] = SIZES, simulations: int = 4000
) -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            row=row,
            columns=(f"n = {seeds}",),
            claims=(claim,),
            simulate=partial(simulate, seeds),
            simulations=simulations,
            chunk=500,
        )
        for row, claim, simulate in cases
        for seeds in sizes
    )


def _means() -> list[Case]:
    alone: list[Case] = [(("mean", runs.name), COVERS, partial(mean_holds, runs)) for runs in RUNS]
    return alone + [
        (("difference, arm 1.3 times as fast", runs.name), COVERS, partial(difference_holds, runs.faster(1.3), runs))
        for runs in RUNS
    ]


def _bands() -> list[Case]:
    return [
        ((runs.name, f"{share:g}"), AT_LEAST, partial(band_holds, runs, share))
        for runs, shares in ((RUNS[0], (0.8, 0.5, 0.2)), (RUNS[2], (0.8, 0.6)))
        for share in shares
    ]


def _shares() -> list[Case]:
    alone: list[Case] = [
        (("share, Wilson", f"{share:g}"), COVERS, partial(share_holds, share)) for share in (0.5, 0.7, 0.9, 0.97)
    ]
    return alone + [
        (
            ("difference, Newcombe", f"{first:g} and {second:g}"),
            COVERS,
            partial(share_difference_holds, (first, second)),
        )
        for first, second in ((0.5, 0.5), (0.9, 0.5), (0.97, 0.9))
    ]


def _rank_tests() -> list[Case]:
    kinds: tuple[RankTestKind, ...] = ("log-rank", "Gehan")
    return [((kind, runs.name), AT_MOST_ALPHA, partial(rejects, runs, kind)) for kind in kinds for runs in RUNS]


TABLES = (
    Table(name="restricted-mean", heads=("interval", "runs"), experiments=_experiments(_means())),
    Table(name="kaplan-meier", heads=("runs", "true share waiting"), experiments=_experiments(_bands())),
    Table(name="hit-rate", heads=("interval", "true share"), experiments=_experiments(_shares(), simulations=10_000)),
    Table(
        name="rank-test",
        heads=("test", "runs"),
        experiments=_experiments(_rank_tests(), sizes=(4, 5, 8), simulations=2000),
    ),
)
