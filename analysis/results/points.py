"""Hold the points of many curves as arrays, and put curves together as a table of evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.record import EVALUATION_COLUMNS

if TYPE_CHECKING:
    from analysis.statistics.arrays import FloatArray

IntArray = np.ndarray[tuple[int], np.dtype[np.int64]]
_SHARED = ("trial_key", "run_id", "workload", "budget", "arm", "phase", "seed_index")


@dataclass(frozen=True, kw_only=True)
class Points:
    """One curve of many runs; all arrays have the shape ``(num_points,)``.

    Attributes:
        runs: Position of the run of each point in a list of runs.
        steps: Updates done.
        measured: Values; NaN where that was recorded.
    """

    runs: IntArray
    steps: IntArray
    measured: FloatArray


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some points of one curve as they were read, all of one length; times are when they were logged."""

    run_ids: Sequence[str]
    steps: Sequence[int]
    times: Sequence[int]
    values: Sequence[float]


def points_of(chunks: Iterable[Chunk], run_ids: Sequence[str]) -> Points:
    """Gather what was read; of repeated points the last counts, runs that are not asked for do not.

    Returns:
        The points by run and step.
    """
    positions = {run_id: position for position, run_id in enumerate(run_ids)}
    read = [
        (
            np.fromiter((positions.get(run_id, -1) for run_id in chunk.run_ids), np.int64, len(chunk.run_ids)),
            np.array(chunk.steps, dtype=np.int64),
            np.array(chunk.times, dtype=np.int64),
            np.array(chunk.values, dtype=np.float64),
        )
        for chunk in chunks
    ]
    nothing = (np.empty(0, np.int64),) * 3 + (np.empty(0),)
    runs, steps, times, values = (np.concatenate(column) for column in zip(nothing, *read, strict=True))
    order = np.lexsort((times, steps, runs))
    order = order[runs[order] >= 0]
    runs, steps, values = runs[order], steps[order], values[order]
    last = np.append((np.diff(runs) != 0) | (np.diff(steps) != 0), True)[: runs.size]
    return Points(runs=runs[last], steps=steps[last], measured=values[last])


def evaluation_table(trials: pd.DataFrame, curves: Mapping[str, Points]) -> pd.DataFrame:
    """Return one row per trial and update with a point on any curve, by trial and update.

    Args:
        trials: The trials, in the order of the positions in the curves.
        curves: Points by column of the evaluations.
    """
    most = 1 + max((int(points.steps.max()) for points in curves.values() if points.steps.size), default=0)
    places = {name: points.runs * most + points.steps for name, points in curves.items()}
    union = np.unique(np.concatenate([*places.values(), np.empty(0, dtype=np.int64)]))
    table = trials[list(_SHARED)].iloc[union // most].reset_index(drop=True)
    table["update"] = union % most
    for name in EVALUATION_COLUMNS:
        if name in table.columns:
            continue
        column = np.full(union.size, np.nan)
        if name in curves:
            column[np.searchsorted(union, places[name])] = curves[name].measured
        table[name] = column
    return table[list(EVALUATION_COLUMNS)].astype(EVALUATION_COLUMNS)
