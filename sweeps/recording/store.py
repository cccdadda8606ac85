"""Open the tracking store and read studies back from it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run, ViewType
from mlflow.exceptions import MlflowException
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from analysis import layout
from sweeps.errors import FairsweepError, InputError, suggest
from sweeps.places import Places, without_credentials
from sweeps.protocol import Outcome, OutcomeKind
from sweeps.spec import Study

#: What a tracking store raises when it is away, refuses, its disk is full, or its driver is not installed.
TROUBLE = (MlflowException, RequestException, SQLAlchemyError, OSError, ImportError)

logging.getLogger("mlflow").setLevel(logging.ERROR)
logging.getLogger("alembic").setLevel(logging.ERROR)


class TrackerError(FairsweepError):
    """MLflow cannot be reached or refuses."""


def connect(places: Places) -> MlflowClient:
    """Return a client of the tracking store.

    Raises:
        TrackerError: the store cannot be opened.
    """
    try:
        places.home.mkdir(parents=True, exist_ok=True)
        return MlflowClient(tracking_uri=places.tracking_uri)
    except TROUBLE as error:
        raise TrackerError(explain(places.tracking_uri, error)) from error


def find_study(client: MlflowClient, name: str) -> Experiment:
    """Return the experiment of the study called `name`.

    Raises:
        InputError: there is none; the studies there are, are named.
        TrackerError: MLflow cannot be reached.
    """
    studies = {experiment.name: experiment for experiment in recorded_studies(client)}
    if name in studies:
        return studies[name]
    known = f"Recorded are: {', '.join(sorted(studies))}." if studies else "None is recorded there yet."
    raise InputError(
        f"no study {name!r} in {without_credentials(client.tracking_uri)}.{suggest(name, studies)} {known}"
    )


def recorded_studies(client: MlflowClient) -> list[Experiment]:
    """Return the experiments that are studies, by name.

    Raises:
        TrackerError: MLflow cannot be reached.
    """
    found: list[Experiment] = []
    token = None
    try:
        while True:
            page = client.search_experiments(max_results=1000, page_token=token)
            found += [experiment for experiment in page if layout.EXPERIMENT_STUDY in experiment.tags]
            token = page.token
            if not token:
                return sorted(found, key=lambda experiment: str(experiment.name))
    except TROUBLE as error:
        raise TrackerError(explain(client.tracking_uri, error)) from error


def study_run(client: MlflowClient, experiment_id: str) -> Run | None:
    """Return the study run of an experiment, or None."""
    runs = client.search_runs([experiment_id], f"tags.`{layout.ROLE}` = '{layout.ROLE_STUDY}'", max_results=1)
    return runs[0] if runs else None


def trial_runs(client: MlflowClient, experiment_id: str) -> Iterator[Run]:
    """Yield the runs of all recorded trials, unfinished ones included."""
    token = None
    while True:
        page = client.search_runs(
            [experiment_id],
            f"tags.`{layout.ROLE}` = '{layout.ROLE_TRIAL}'",
            ViewType.ACTIVE_ONLY,
            max_results=5000,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def read_artifact(client: MlflowClient, run_id: str, name: str) -> dict[str, Any]:
    """Return the content of a JSON artifact."""
    content: dict[str, Any] = json.loads(Path(client.download_artifacts(run_id, name)).read_text(encoding="utf-8"))
    return content


def recorded_study(client: MlflowClient, experiment: Experiment) -> Study:
    """Return the study as it was recorded.

    Raises:
        InputError: the study run is missing.
        TrackerError: MLflow cannot be reached.
    """
    try:
        run = study_run(client, experiment.experiment_id)
        if run is None:
            raise InputError(f"experiment {experiment.name} has no study run; launch the study again to repair it.")
        return Study.from_recorded(read_artifact(client, run.info.run_id, layout.ARTIFACT_STUDY))
    except TROUBLE as error:
        raise TrackerError(explain(client.tracking_uri, error)) from error


def recorded_outcomes(client: MlflowClient, name: str) -> list[Outcome]:
    """Return how the recorded trials of the study called `name` ended; nothing if it is not recorded.

    Raises:
        TrackerError: MLflow cannot be reached.
    """
    try:
        experiment = client.get_experiment_by_name(name)
        if experiment is None or layout.EXPERIMENT_STUDY not in experiment.tags:
            return []
        runs = trial_runs(client, experiment.experiment_id)
        return [outcome_of(run) for run in runs if run.info.status == "FINISHED"]
    except TROUBLE as error:
        raise TrackerError(explain(client.tracking_uri, error)) from error


def recorded_hash(client: MlflowClient, name: str) -> str | None:
    """Return the hash of the rules under which a study is recorded; None if it is not.

    Raises:
        TrackerError: MLflow cannot be reached.
    """
    try:
        experiment = client.get_experiment_by_name(name)
    except TROUBLE as error:
        raise TrackerError(explain(client.tracking_uri, error)) from error
    return None if experiment is None else experiment.tags.get(layout.EXPERIMENT_PROTOCOL_HASH)


def outcome_of(run: Run) -> Outcome:
    """Return how the trial of a finished run ended."""
    kind = cast(OutcomeKind, run.data.tags[layout.OUTCOME])
    return Outcome(
        key=run.data.tags[layout.TRIAL_KEY],
        kind=kind,
        validation=run.data.metrics.get(layout.FINAL_VALIDATION),
        test=run.data.metrics.get(layout.FINAL_TEST),
    )


def explain(uri: str, error: BaseException) -> str:
    """Say in one line what went wrong between us and the store at `uri`."""
    reason = " ".join(str(error).split())
    if len(reason) > 200:
        reason = f"{reason[:80]} … {reason[-110:]}"
    return without_credentials(f"MLflow at {uri} does not answer as it should: {reason}")
