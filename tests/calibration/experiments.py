"""Describe what is simulated: tables of experiments, each of which fills one or more cells of a row."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.calibration.judgement import Claim

Simulation = Callable[[np.random.Generator, int], NDArray[np.float64]]

COVERS = Claim()


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One simulated condition.

    Attributes:
        row: What stands in the head columns of the table's row.
        columns: The cells of that row that the experiment fills.
        claims: What is promised for each of these cells; one claim holds for all.
        simulate: Takes a generator and a count and returns outcomes of shape ``(count,)`` or
            ``(count, num_columns)``: 1 if the interval held the truth (or the event took place), 0 if not, NaN where
            the statistic gave no answer.
        simulations: How often, in a full run.
        chunk: How many of them one process runs in one go. It is part of what the random numbers depend on.
    """

    row: tuple[str, ...]
    columns: tuple[str, ...]
    simulate: Simulation
    claims: tuple[Claim, ...] = (COVERS,)
    simulations: int = 10_000
    chunk: int = 1000

    def claim(self, column: str) -> Claim:
        """Return what is promised for a cell."""
        return self.claims[0] if len(self.claims) == 1 else self.claims[self.columns.index(column)]


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of the page, with its experiments."""

    name: str
    heads: tuple[str, ...]
    experiments: tuple[Experiment, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The cells of a row, in order of first use."""
        return tuple(dict.fromkeys(column for experiment in self.experiments for column in experiment.columns))

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The rows, in order of first use."""
        return tuple(dict.fromkeys(experiment.row for experiment in self.experiments))


def holds(low: float, high: float, truth: float) -> float:
    """Return 1 if the interval holds the truth, 0 if not, NaN where an end is NaN.

    The ends count as inside, up to rounding errors.
    """
    if math.isnan(low) or math.isnan(high):
        return math.nan
    slack = 1e-9 * max(1.0, abs(truth))
    return float(low - slack <= truth <= high + slack)
