"""Gather the confirm runs of each arm in each cell: the samples on which everything else rests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.record import CONFIRM, FAILED, StudyRecord, trials_of
from analysis.rules import Place
from analysis.statistics.arrays import FloatArray


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The test accuracies of one arm in one cell after the last update, and what is missing from them.

    Attributes:
        values: One accuracy per seed, shape ``(n,)``, fractions in [0, 1], in order of seeds. Winners of several
            searches run on the same seeds, so their accuracies are averaged seed by seed: runs that share a seed
            are not independent.
        planned: Confirm runs that the rules ask for.
        diverged: Runs whose loss became non-finite. They have no final accuracy and are never dropped from
            the count.
        missing: Planned runs that neither diverged nor have a final accuracy.
        run_ids: Every run counted here, diverged ones included.
    """

    values: FloatArray
    planned: int
    diverged: int
    missing: int
    run_ids: tuple[str, ...]

    @property
    def n(self) -> int:
        """Number of seeds with a final accuracy."""
        return int(self.values.size)


def collect_samples(record: StudyRecord) -> Mapping[Place, Sample]:
    """Return the sample of every arm in every cell, in the order of the rules."""
    trials = record.distinct_trials()
    samples = {}
    for place in record.rules.places:
        runs = trials_of(trials, place, CONFIRM)
        runs = runs[runs["outcome"] != FAILED]
        scored = runs[~runs["diverged"] & np.isfinite(runs["test"])]
        diverged = int(runs["diverged"].sum())
        searches = record.rules.searches(place.arm) - len(record.lost_searches(place))
        planned = record.rules.confirm.seeds * searches
        samples[place] = Sample(
            values=scored.groupby("seed_index")["test"].mean().to_numpy(dtype=np.float64),
            planned=planned,
            diverged=diverged,
            missing=max(planned - diverged - len(scored), 0),
            run_ids=tuple(runs["run_id"]),
        )
    return samples
