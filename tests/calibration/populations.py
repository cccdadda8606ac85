"""Define the populations that seeds are drawn from: final accuracies whose true mean is known exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]

CENTRE = 0.9
SD = 0.004
TEST_EXAMPLES = 500
_POINTS = 20_000


@dataclass(frozen=True, kw_only=True)
class Population:
    """A distribution of final accuracies with mean ``centre + shift`` and standard deviation ``sd``.

    ``shape`` is a scipy distribution, standardised before use. With ``steps`` the accuracies are multiples of 1/500,
    as on a test set of 500 examples, and the standard deviation is that many steps before rounding.
    """

    name: str
    shape: Any
    sd: float = SD
    centre: float = CENTRE
    steps: float | None = None

    def draw(self, generator: np.random.Generator, size: tuple[int, ...]) -> FloatArray:
        """Return accuracies, shape ``size``; one in a million heavy-tailed ones would be above 1, and is 1."""
        values = self.shape.rvs(size, random_state=generator)
        return np.clip(self._placed((values - self.shape.mean()) / self.shape.std()), 0, 1)

    def moved(self, difference: float) -> Population:
        """Return the same population with its centre moved; rounded accuracies move by whole steps."""
        return self._with(centre=self.centre + difference)

    def wider(self, factor: float) -> Population:
        """Return the same population with its spread multiplied."""
        steps = None if self.steps is None else self.steps * factor
        return self._with(sd=self.sd * factor, steps=steps)

    @property
    def true_mean(self) -> float:
        """The mean of what is drawn."""
        return float(np.sum(self._atoms()[0] * self._atoms()[1])) if self.steps else self.centre

    @property
    def true_sd(self) -> float:
        """The standard deviation of what is drawn."""
        if not self.steps:
            return self.sd
        values, weights = self._atoms()
        return math.sqrt(float(np.sum(weights * (values - self.true_mean) ** 2)))

    def superiority_over(self, other: Population) -> float:
        """Return P(self > other) + P(self = other) / 2 for two independent draws."""
        if self.steps:
            (own, own_weights), (others, other_weights) = self._atoms(), other._atoms()
            signs = np.sign(np.round((own[:, None] - others[None]) * TEST_EXAMPLES))
            return float(own_weights @ (signs / 2 + 0.5) @ other_weights)
        quantiles = self._placed(self._standard_quantiles())
        standard = (quantiles - other.centre) / other.sd * other.shape.std() + other.shape.mean()
        return float(other.shape.cdf(standard).mean())

    def _placed(self, standard: FloatArray) -> FloatArray:
        if self.steps:
            step = 1 / TEST_EXAMPLES
            return np.asarray(np.round(self.centre / step + self.steps * standard) * step)
        return np.asarray(self.centre + self.sd * standard)

    def _standard_quantiles(self) -> FloatArray:
        quantiles = self.shape.ppf((np.arange(_POINTS) + 0.5) / _POINTS)
        return np.asarray((quantiles - self.shape.mean()) / self.shape.std())

    def _atoms(self) -> tuple[FloatArray, FloatArray]:
        """Return the values of a rounded normal population and their probabilities."""
        assert self.steps is not None
        middle, reach = self.centre * TEST_EXAMPLES, math.ceil(9 * self.steps) + 1
        grid = np.arange(round(middle) - reach, round(middle) + reach + 1)
        edges = stats.norm.cdf((np.append(grid, grid[-1] + 1) - 0.5 - middle) / self.steps)
        return grid / TEST_EXAMPLES, np.diff(edges)

    def _with(self, **changes: Any) -> Population:
        fields = {"name": self.name, "shape": self.shape, "sd": self.sd, "centre": self.centre, "steps": self.steps}
        return Population(**{**fields, **changes})


def _beta(mean: float, sd: float) -> Any:
    total = mean * (1 - mean) / sd**2 - 1
    return stats.beta(mean * total, (1 - mean) * total)


NORMAL = Population(name="normal", shape=stats.norm())
SKEWED = Population(name="skewed", shape=_beta(0.95, 0.02))
HARSH = Population(name="harshly skewed", shape=stats.pearson3(-2))
HEAVY = Population(name="heavy-tailed", shape=stats.t(4))
TIED = Population(name="tied", shape=stats.norm(), steps=1.5, centre=CENTRE + 0.0006)
COARSE = Population(name="coarsely tied", shape=stats.norm(), steps=1.0, centre=CENTRE + 0.0006)

POPULATIONS = (NORMAL, SKEWED, HARSH, HEAVY, TIED, COARSE)
