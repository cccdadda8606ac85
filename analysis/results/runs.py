"""Fetch the runs of an experiment through MLflow's client."""

from __future__ import annotations

from collections.abc import Iterator

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from analysis.trial_table import RunFacts

# A server needs about two milliseconds for each, and must answer within the client's timeout.
RUNS_PER_PAGE = 500


def every_run(client: MlflowClient, experiment_id: str, condition: str = "") -> list[RunFacts]:
    """Return every run of an experiment that is not deleted and meets a condition in MLflow's language."""
    return [_facts(run) for run in _pages(client, experiment_id, condition)]


def _pages(client: MlflowClient, experiment_id: str, condition: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs([experiment_id], condition, max_results=RUNS_PER_PAGE, page_token=token)
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
