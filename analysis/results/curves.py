"""Fetch the curves of many runs from a tracking server or store in few reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
from mlflow.tracking import MlflowClient
from mlflow.utils.rest_utils import http_request

from analysis import layout
from analysis.results.points import Chunk, evaluation_table, points_of

# What the server allows in one bulk request.
RUNS_PER_READ = 100
POINTS_PER_READ = 25_000
REQUESTS_AT_A_TIME = 4
SECONDS_PER_REQUEST = 120

BulkRead = Callable[[Sequence[str], str], Chunk | None]
Histories = Callable[[str, Sequence[str]], Iterator[Chunk]]

COLUMNS = {
    layout.CURVE_EPOCH: "epoch",
    layout.CURVE_TRAIN_SECONDS: "train_seconds",
    layout.CURVE_VALIDATION: "validation",
    layout.CURVE_TEST: "test",
    layout.CURVE_TRAIN_LOSS: "train_loss",
    layout.CURVE_LR: "lr",
    layout.CURVE_MOMENTUM: "momentum",
}


def read_evaluations(trials: pd.DataFrame, keys: Sequence[str], histories: Histories) -> pd.DataFrame:
    """Return the evaluations of trials: the curves of these keys.

    Args:
        trials: Rows of the table of trials.
        keys: Names of curves; ``layout.CURVE_EPOCH`` is read for one run per cell, since it follows from the updates.
        histories: Yields the points of one curve of some runs.
    """
    run_ids = trials["run_id"].tolist()
    curves = {COLUMNS[key]: points_of(histories(key, run_ids), run_ids) for key in keys if key != layout.CURVE_EPOCH}
    table = evaluation_table(trials, curves)
    if layout.CURVE_EPOCH in keys and len(table):
        table["epoch"] = _epochs(table, histories)
    return table


def _epochs(table: pd.DataFrame, histories: Histories) -> pd.Series[float]:
    """Return the epoch of every evaluation, read from the run of each cell that has most evaluations.

    Runs that have evaluations after other updates are read themselves.
    """
    counts = table.groupby(["workload", "budget", "run_id"], sort=False).size().reset_index(name="evaluations")
    fullest = counts.sort_values("evaluations", ascending=False, kind="stable").drop_duplicates(["workload", "budget"])
    known = _epochs_of(fullest["run_id"].tolist(), histories)
    cells = {(row.workload, row.budget): row.run_id for row in fullest.itertuples()}
    by_cell = [cells[cell] for cell in zip(table["workload"], table["budget"], strict=True)]
    epochs = pd.Series(known.reindex(pd.MultiIndex.from_arrays([by_cell, table["update"]])).to_numpy())
    lacking = epochs.isna()
    if lacking.any():
        own = _epochs_of(table.loc[lacking, "run_id"].unique().tolist(), histories)
        keys = pd.MultiIndex.from_frame(table.loc[lacking, ["run_id", "update"]])
        epochs[lacking] = own.reindex(keys).to_numpy()
    return epochs


def _epochs_of(run_ids: list[str], histories: Histories) -> pd.Series[float]:
    """Return epochs by run id and update."""
    points = points_of(histories(layout.CURVE_EPOCH, run_ids), run_ids)
    names = np.array(run_ids, dtype=object)[points.runs]
    return pd.Series(points.measured, index=pd.MultiIndex.from_arrays([names, points.steps]), dtype=np.float64)


def client_histories(client: MlflowClient) -> Histories:
    """Return how curves are read through MLflow's client: in bulk where it can, else run by run."""
    bulk = _bulk_read(client)

    def one_by_one(key: str, run_ids: Sequence[str]) -> Iterator[Chunk]:
        for run_id in run_ids:
            history = client.get_metric_history(run_id, key)
            yield _chunk([(run_id, m.step, m.timestamp, m.value) for m in history])

    if bulk is None:
        return one_by_one

    def whole(key: str, run_ids: Sequence[str]) -> list[Chunk]:
        """Read a batch; where the answer may have been cut short, in halves, and where there is none, run by run."""
        found = bulk(run_ids, key)
        if found is not None and len(found.steps) < POINTS_PER_READ:
            return [found]
        if found is None or len(run_ids) == 1:
            return list(one_by_one(key, run_ids))
        middle = len(run_ids) // 2
        return whole(key, run_ids[:middle]) + whole(key, run_ids[middle:])

    def in_bulk(key: str, run_ids: Sequence[str]) -> Iterator[Chunk]:
        if not run_ids:
            return
        first, rest = run_ids[:RUNS_PER_READ], run_ids[RUNS_PER_READ:]
        found = whole(key, first)
        yield from found
        points_per_run = -(-sum(len(chunk.steps) for chunk in found) // len(first))
        size = max(1, min(RUNS_PER_READ, POINTS_PER_READ // (points_per_run + 1)))
        batches = [rest[start : start + size] for start in range(0, len(rest), size)]
        with ThreadPoolExecutor(REQUESTS_AT_A_TIME) as pool:
            for chunks in pool.map(partial(whole, key), batches):
                yield from chunks

    return in_bulk


def _bulk_read(client: MlflowClient) -> BulkRead | None:
    """Return a read of one curve of many runs, or None where the store has none.

    MLflow has no public call for this; both routes are what its own pages use.
    """
    store = client._tracking_client.store
    if hasattr(store, "get_metric_history_bulk"):
        return lambda run_ids, key: _chunk(
            (m.run_id, m.step, m.timestamp, m.value)
            for m in store.get_metric_history_bulk(list(run_ids), key, POINTS_PER_READ)
        )
    if not hasattr(store, "get_host_creds"):
        return None
    credentials = store.get_host_creds

    def request(run_ids: Sequence[str], key: str) -> Chunk | None:
        response = http_request(  # type: ignore[no-untyped-call]
            credentials(),
            "/ajax-api/2.0/mlflow/metrics/get-history-bulk",
            "GET",
            params={"run_id": list(run_ids), "metric_key": key, "max_results": POINTS_PER_READ},
            timeout=SECONDS_PER_REQUEST,
        )
        if response.status_code != 200:
            return None
        return _chunk((p["run_id"], p["step"], p["timestamp"], p["value"]) for p in response.json()["metrics"])

    return request


def _chunk(rows: Iterable[tuple[str, int, int, float]]) -> Chunk:
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return Chunk(run_ids=columns[0], steps=columns[1], times=columns[2], values=columns[3])
