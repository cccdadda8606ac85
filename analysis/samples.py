"""Gather the confirm runs of each arm in each cell: the samples on which everything else rests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.record import CONFIRM, FAILED, PLAN, SEEDS, StudyRecord
from analysis.rules import Cell, Place
from analysis.statistics.arrays import FloatArray


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The test accuracies of one arm in one cell after the last update, and what is missing from them.

    Attributes:
        values: One accuracy per seed, shape ``(n,)``, fractions in [0, 1], in order of seeds. Winners of several
            searches run on the same seeds, so their accuracies are averaged seed by seed: runs that share a seed
            are not independent.
        seeds: The index of the seed of each value, ``(n,)``: equal indices in two arms of a cell are one seed. Empty
            where the record does not say which run had which seed; such samples cannot be paired.
        planned: Confirm runs that the rules ask for; where no plan is recorded, those that are there.
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
    seeds: tuple[int, ...] = ()

    @property
    def n(self) -> int:
        """Number of seeds with a final accuracy."""
        return int(self.values.size)


def collect_samples(record: StudyRecord) -> Mapping[Place, Sample]:
    """Return the sample of every arm in every cell, in the order of the rules."""
    return {place: _sample(record, place) for place in record.rules.places}


def _sample(record: StudyRecord, place: Place) -> Sample:
    runs = record.trials_at(place, CONFIRM)
    runs = runs[runs["outcome"] != FAILED]
    scored = runs[~runs["diverged"] & np.isfinite(runs["test"])]
    diverged = int(runs["diverged"].sum())
    searches = record.rules.searches(place.arm) - len(record.lost_searches(place))
    planned = record.rules.confirm.seeds * searches if PLAN in record.recorded else len(runs)
    if record.rules.confirm.is_sequential:
        planned = blocks_begun(record, Cell(place.workload, place.budget)) * searches
    by_seed = scored.groupby("seed_index")["test"].mean()
    return Sample(
        values=by_seed.to_numpy(dtype=np.float64),
        seeds=tuple(int(seed) for seed in by_seed.index) if SEEDS in record.recorded else (),
        planned=planned,
        diverged=diverged,
        missing=max(planned - diverged - len(scored), 0),
        run_ids=tuple(runs["run_id"]),
    )


def blocks_begun(record: StudyRecord, cell: Cell) -> int:
    """Return how many seeds the arms of a cell are to be confirmed on by now.

    Where seeds are added until a cell is decided, these are the blocks of which any run is recorded, and at least those
    that run in any case.
    """
    confirm = record.rules.confirm
    if not confirm.is_sequential:
        return confirm.seeds
    recorded = (record.trials_at(Place(*cell, arm), CONFIRM)["seed_index"].dropna() for arm in record.rules.arms)
    begun = max((int(indices.max()) + 1 for indices in recorded if len(indices)), default=0)
    return min(max(begun, confirm.seeds), confirm.most_seeds)
