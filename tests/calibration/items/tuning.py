"""Simulate searches: the bands of tuning curves, and the intervals of replicated searches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import stats
from scipy.stats import qmc

from analysis.statistics.search_variance import search_variance
from analysis.statistics.tuning_curves import distribution_band, tuning_curve
from tests.calibration.experiments import COVERS, Experiment, Table, holds
from tests.calibration.judgement import Claim
from tests.calibration.populations import CENTRE, SD, FloatArray

AT_LEAST = Claim(promise="at least", level=0.95)


@dataclass(frozen=True, kw_only=True)
class Draws:
    """A distribution of the validation accuracy of one draw, by its quantiles; -inf where the draw diverges."""

    name: str
    quantile: Callable[[FloatArray], FloatArray]
    sobol: bool = False

    def sample(self, generator: np.random.Generator, size: int) -> FloatArray:
        """Return the accuracies of one search, NaN for a diverged draw."""
        points = _sobol_points(generator, size) if self.sobol else generator.random(size)
        values = self.quantile(points)
        return np.where(np.isinf(values), np.nan, values)


def _sobol_points(generator: np.random.Generator, size: int) -> FloatArray:
    """Return the first points of a scrambled sequence, as a search takes them."""
    return np.asarray(qmc.Sobol(1, rng=generator).random_base2((size - 1).bit_length())[:size, 0])


def _bell(orders: FloatArray) -> FloatArray:
    return np.asarray(stats.norm.ppf(orders, 0.8, 0.05))


def _ceiling(orders: FloatArray) -> FloatArray:
    """Most draws come close to the best there is, a few are far off."""
    return np.asarray(0.9 - 0.3 * (1 - orders) ** 3)


def _with_divergence(orders: FloatArray) -> FloatArray:
    """One draw in four diverges."""
    return np.where(orders < 0.25, -np.inf, _ceiling((np.maximum(orders, 0.25) - 0.25) / 0.75))


def _tied(orders: FloatArray) -> FloatArray:
    return np.asarray(np.round(_ceiling(orders) * 50) / 50)


DRAWS = (
    Draws(name="normal", quantile=_bell),
    Draws(name="near a ceiling", quantile=_ceiling),
    Draws(name="a quarter diverges", quantile=_with_divergence),
    Draws(name="tied, steps of 0.02", quantile=_tied),
    Draws(name="near a ceiling, Sobol points", quantile=_ceiling, sobol=True),
)


def band_holds(draws: Draws, size: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say for each search whether the band held the median best of n draws for every n at once."""
    truth = draws.quantile(0.5 ** (1 / np.arange(1, size + 1)))
    found = np.empty(count)
    for index in range(count):
        curve = tuning_curve(draws.sample(generator, size))
        found[index] = bool(((curve.low <= truth) & (truth <= curve.high)).all())
    return found


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Replicated searches: how many, on how many seeds, and the spread between searches in seed deviations."""

    searches: int
    seeds: int
    between: float
    tail: float | None = None

    def draw(self, generator: np.random.Generator) -> FloatArray:
        """Return accuracies, shape ``(num_searches, num_seeds)``; a third of the seeds' variance is shared."""
        parts = (
            (self.between, (self.searches, 1)), ((1 / 3) ** 0.5, (1, self.seeds)),
            ((2 / 3) ** 0.5, (self.searches, self.seeds)),
        )  # fmt: skip
        return np.asarray(CENTRE + SD * sum(sd * self._standard(generator, size) for sd, size in parts))

    def _standard(self, generator: np.random.Generator, size: tuple[int, int]) -> FloatArray:
        if self.tail is None:
            return generator.normal(size=size)
        return np.asarray(generator.standard_t(self.tail, size) / (self.tail / (self.tail - 2)) ** 0.5)


def variance_holds(layout: Layout, generator: np.random.Generator, count: int) -> FloatArray:
    """Say whether the intervals of the mean and of both deviations held, shape ``(count, 3)``."""
    found = np.empty((count, 3))
    for index in range(count):
        estimate = search_variance(layout.draw(generator))
        found[index] = (
            holds(estimate.low, estimate.high, CENTRE),
            holds(estimate.search.low, estimate.search.high, layout.between * SD),
            holds(estimate.seed.low, estimate.seed.high, SD),
        )
    return found


def distribution_holds(size: int, generator: np.random.Generator, count: int) -> FloatArray:
    """Say for each set of draws whether the band from which the curve's is made held the whole distribution."""
    low, high = distribution_band(size, 0.95)
    orders = np.sort(generator.random((count, size)), axis=1)
    return np.asarray(((low <= orders) & (orders <= high)).all(axis=1), dtype=np.float64)


def _bands() -> tuple[Experiment, ...]:
    cases: dict[str, tuple[Claim, Callable[..., FloatArray]]] = {
        "distribution of one draw, any": (COVERS, distribution_holds),
        **{draws.name: (AT_LEAST, partial(band_holds, draws)) for draws in DRAWS},
    }
    return tuple(
        Experiment(row=(name,), columns=(f"N = {size}",), claims=(claim,), simulate=partial(simulate, size))
        for name, (claim, simulate) in cases.items()
        for size in (3, 5, 10, 20, 64)
    )


def _variances() -> tuple[Experiment, ...]:
    spreads = {"alike": 0.0, "half the seed deviation": 0.5, "twice the seed deviation": 2.0}
    return tuple(
        Experiment(
            row=(f"{name}, {tails}", f"{searches} x {seeds}"),
            columns=("mean", "deviation between searches", "deviation between seeds"),
            simulate=partial(
                variance_holds,
                Layout(searches=searches, seeds=seeds, between=between, tail=None if tails == "normal" else 4),
            ),
            simulations=4000,
            chunk=500,
        )
        for tails in ("normal", "heavy-tailed")
        for name, between in spreads.items()
        for searches, seeds in ((2, 10), (3, 5), (5, 10), (10, 10))
        if tails == "normal" or between == 0.5
    )


TABLES = (
    Table(name="tuning-curve", heads=("accuracy of one draw",), experiments=_bands()),
    Table(name="search-variance", heads=("searches differ by", "searches x seeds"), experiments=_variances()),
)
