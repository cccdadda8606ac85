"""Turn a second table, one row per evaluation, into the evaluations of a record."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.record import CONFIRM, EVALUATION_COLUMNS, TUNE
from analysis.tidy.columns import Columns, demand, match_columns
from analysis.tidy.files import RawTable
from analysis.tidy.problems import TableError

NAMES = ("workload", "budget", "arm", "phase", "search", "draw", "seed")
_SHARED = ("trial_key", "run_id", "workload", "budget", "arm", "phase", "seed_index")


def tidy_curves(raw: RawTable, trials: pd.DataFrame, *, percent: bool) -> pd.DataFrame:
    """Check and type every evaluation, and find its run: by ``run_id``, else by what both tables name.

    Raises:
        TableError: With everything that is wrong.
    """
    known = (*EVALUATION_COLUMNS, "search", "draw", "seed")
    columns = match_columns(raw, known)
    demand(columns, "update", "the number of updates done; epochs times updates per epoch")
    demand(columns, "test", "the test accuracy after that update")
    by = ["run_id"] if "run_id" in columns else [name for name in NAMES if name in columns]
    if not by:
        demand(columns, "run_id", "or arm, workload, budget and seed, as in the table of runs")
    frame = pd.DataFrame({"update": columns.counts("update"), "epoch": columns.numbers("epoch")})
    without = frame["update"].isna() & ("update" in columns)
    columns.refuse("update must be there in every row", without, columns.cells("update"))
    for name in ("validation", "test"):
        frame[name] = columns.fractions(name, percent=percent)
    for name in ("train_seconds", "train_loss", "lr", "momentum"):
        frame[name] = columns.numbers(name)
    if columns.problems:
        raise TableError(raw.source, columns.problems)
    frame["position"] = _runs_of(columns, trials, by)
    twice = frame[["position", "update"]].duplicated(keep=False) & (frame["position"] >= 0)
    columns.refuse("every run must have one row per update", twice, frame["update"])
    if columns.problems:
        raise TableError(raw.source, columns.problems)
    return _joined(frame, trials)


def _runs_of(columns: Columns, trials: pd.DataFrame, by: list[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the position of the run of every evaluation in the table of runs."""
    confirmed = trials if {"phase", "run_id"} & set(by) else trials[trials["phase"] == CONFIRM]
    keys = pd.MultiIndex.from_frame(confirmed[by].map(_folded))
    if not keys.is_unique:
        columns.problems.append(
            f"the columns {', '.join(by)} do not tell the runs apart. Add run_id, or what does, to both tables."
        )
        return np.full(len(columns.raw.rows), -1)
    cells = pd.DataFrame({name: columns.cells(name).to_numpy() for name in by})
    codes, distinct = pd.factorize(pd.MultiIndex.from_frame(cells))
    wanted = pd.MultiIndex.from_frame(pd.DataFrame(list(distinct), columns=by).map(_folded))
    found = keys.get_indexer(wanted)[codes]
    shown = (
        [" ".join(str(cell) for cell in row) for row in cells.to_numpy()] if (found < 0).any() else [""] * len(cells)
    )
    columns.refuse(f"{' and '.join(by)} must be those of a run in the table of runs", found < 0, shown)
    return np.where(found < 0, -1, confirmed.index.to_numpy()[found])


def _folded(cell: object) -> str:
    """Write a name or number in one way, so that 5, "5" and 5.0 are equal, and the phases in any case."""
    text = " ".join(str(cell).split())
    try:
        return f"{float(text):.12g}"
    except ValueError:
        return text.casefold() if text.casefold() in {TUNE, CONFIRM} else text


def _joined(frame: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Return the evaluations in the order of the runs and of updates; epochs follow from the budget where not given."""
    ordered = frame.sort_values(["position", "update"], kind="stable", ignore_index=True)
    own = trials.iloc[ordered["position"].to_numpy()].reset_index(drop=True)
    shared = own[list(_SHARED)]
    if ordered["epoch"].isna().all() and set(trials["budget_unit"]) == {"epochs"}:
        per_epoch = own["total_updates"].astype("float64") / own["budget"].astype("float64")
        ordered["epoch"] = ordered["update"] / per_epoch
    joined = pd.concat([shared, ordered.drop(columns="position")], axis=1)
    return joined[list(EVALUATION_COLUMNS)].astype(EVALUATION_COLUMNS)
