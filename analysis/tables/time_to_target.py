"""Tabulate when the confirm runs reach the targets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.record import CONFIRM, FAILED, StudyRecord, trials_of
from analysis.rules import Place
from analysis.statistics import first_hit, median_with_misses, sustained_hit
from analysis.tables.rows import TimeToTargetRow


def time_to_target_rows(record: StudyRecord) -> tuple[TimeToTargetRow, ...]:
    """Return hits and median times of every arm in every cell for every target of the study."""
    trials = record.distinct_trials()
    by_run = {str(run_id): curve for run_id, curve in record.evaluations.groupby("run_id", sort=False)}
    nothing = record.evaluations.iloc[:0]
    rows = []
    for place in record.rules.places:
        runs = trials_of(trials, place, CONFIRM)
        runs = runs[runs["outcome"] != FAILED]
        # A diverged run never reaches a target, wherever it was before it diverged.
        curves = [
            nothing if diverged else by_run.get(run_id, nothing)
            for run_id, diverged in zip(runs["run_id"], runs["diverged"], strict=True)
        ]
        rows += [_row(place, target, curves, tuple(runs["run_id"])) for target in record.rules.targets]
    return tuple(rows)


def _row(place: Place, target: float, curves: list[pd.DataFrame], run_ids: tuple[str, ...]) -> TimeToTargetRow:
    accuracies = [curve["test"].to_numpy(dtype=np.float64) for curve in curves]
    firsts = [first_hit(values, target) for values in accuracies]

    def median_of(column: str) -> float | None:
        times = [None if at is None else curve[column].iloc[at] for curve, at in zip(curves, firsts, strict=True)]
        return median_with_misses(times)

    return TimeToTargetRow(
        **place._asdict(),
        target=target,
        n=len(curves),
        hits=sum(at is not None for at in firsts),
        sustained_hits=sum(sustained_hit(values, target) is not None for values in accuracies),
        median_updates=median_of("update"),
        median_epochs=median_of("epoch"),
        median_seconds=median_of("train_seconds"),
        run_ids=run_ids,
    )
