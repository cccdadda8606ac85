"""Fetch the runs of an experiment through MLflow's client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from analysis import layout
from analysis.trial_table import RunFacts

# A server needs about two milliseconds for each, and must answer within the client's timeout.
RUNS_PER_PAGE = 500


def every_run(client: MlflowClient, experiment_id: str, condition: str = "") -> list[RunFacts]:
    """Return every run of an experiment that is not deleted and meets a condition in MLflow's language."""
    # Pages are counted off from the first run: one that is recorded meanwhile may move others to the next page.
    return list({run.info.run_id: _facts(run) for run in _pages(client, experiment_id, condition)}.values())


def study_run_order(params: Mapping[str, str], start_time: int, run_id: str) -> tuple[bool, int, str]:
    """Return by what study runs are sorted; the first counts.

    Launches that come at the same moment may each make one: what counts is one that a launch was recorded in, of
    several the oldest.
    """
    return not any(name.startswith(layout.LAUNCH_PREFIX) for name in params), start_time, run_id


def _pages(client: MlflowClient, experiment_id: str, condition: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs(
            [experiment_id],
            condition,
            max_results=RUNS_PER_PAGE,
            order_by=["attributes.start_time ASC"],  # so that what is recorded meanwhile comes last
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _facts(run: Run) -> RunFacts:
    return RunFacts(
        run_id=run.info.run_id,
        status=run.info.status,
        start_time=run.info.start_time,
        tags=run.data.tags,
        params=run.data.params,
        metrics=run.data.metrics,
    )
