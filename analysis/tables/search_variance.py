"""Tabulate variance between searches apart from that between seeds, where searches were replicated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.record import CONFIRM, FAILED, SEEDS, StudyRecord
from analysis.rules import Place
from analysis.statistics.search_variance import search_variance
from analysis.tables.rows import SearchVarianceRow, finite_or_none

Layout = pd.DataFrame
"""Test accuracies, one row per search and one column per seed; NaN where there is none."""


def search_variance_rows(record: StudyRecord) -> tuple[SearchVarianceRow, ...]:
    """Return the variance components and the difference to the control for every arm with several winners in a cell.

    Empty where nothing was searched twice, or where the record does not say which run had which seed.
    """
    rules = record.rules
    if rules.tuning.searches < 2 or SEEDS not in record.recorded:
        return ()
    layouts = {place: _layout(record, place) for place in record.rules.places if place.arm in rules.tuned_arms}
    return tuple(_row(record, place, layouts) for place, layout in layouts.items() if len(layout) > 1)


def _layout(record: StudyRecord, place: Place) -> Layout:
    runs = record.trials_at(place, CONFIRM)
    runs = runs[(runs["outcome"] != FAILED) & runs["search"].notna() & runs["seed_index"].notna()]
    accuracies = runs["test"].where(~runs["diverged"])
    table = runs.assign(test=accuracies).pivot_table(
        index="search", columns="seed_index", values="test", aggfunc="first", dropna=False
    )
    return table.astype(np.float64)


def _complete(layout: Layout) -> Layout:
    """Return the seeds on which every winner has an accuracy; a search without any accuracy is left out first."""
    return layout.dropna(axis="index", how="all").dropna(axis="columns", how="any")


def _row(record: StudyRecord, place: Place, layouts: Mapping[Place, Layout]) -> SearchVarianceRow:
    rules, confidence = record.rules, 1 - record.rules.alpha
    own, control = layouts[place], layouts.get(place._replace(arm=rules.control))
    used = _complete(own)
    found = search_variance(used.to_numpy(), confidence)
    differences = None
    if place.arm != rules.control and control is not None:
        # Subtracting aligns searches and seeds, and leaves NaN where either arm lacks one.
        paired = _complete(own - control)
        differences = search_variance(paired.to_numpy(), confidence) if len(paired) > 1 else None
    places = (place, *((place._replace(arm=rules.control),) if differences else ()))
    return SearchVarianceRow(
        **place._asdict(),
        control=rules.control,
        searches=found.num_searches,
        seeds=found.num_seeds,
        left_out=max(rules.confirm.seeds * rules.searches(place.arm), own.size) - used.size,
        mean=finite_or_none(found.mean),
        ci_low=finite_or_none(found.low),
        ci_high=finite_or_none(found.high),
        search_sd=finite_or_none(found.search.sd),
        search_sd_low=finite_or_none(found.search.low),
        search_sd_high=finite_or_none(found.search.high),
        seed_sd=finite_or_none(found.seed.sd),
        seed_sd_low=finite_or_none(found.seed.low),
        seed_sd_high=finite_or_none(found.seed.high),
        shared_seed_sd=finite_or_none(found.shared_seed_sd),
        difference=finite_or_none(differences.mean) if differences else None,
        difference_low=finite_or_none(differences.low) if differences else None,
        difference_high=finite_or_none(differences.high) if differences else None,
        run_ids=tuple(run_id for where in places for run_id in record.trials_at(where, CONFIRM)["run_id"]),
    )
