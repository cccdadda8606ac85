"""Open the tracking store and read studies back from it."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run, ViewType
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from analysis import layout
from analysis.results.database import database_runs, engine_of
from analysis.results.runs import every_run, study_run_order
from analysis.trial_table import RunFacts
from sweeps.errors import InputError, suggest
from sweeps.extending import Change, changes, extends, refusal
from sweeps.places import Places, is_served, without_credentials
from sweeps.protocol import Outcome, OutcomeKind
from sweeps.recording.trouble import TROUBLE, TrackerError, explain
from sweeps.spec import Study
from sweeps.spec.study import SLUG, as_in_a_file

#: Requests to a server at a time where much is read.
_READS_AT_A_TIME = 4
#: Unless the user has set them. By default MLflow waits two minutes for each answer and repeats each request seven
#: times, even those that create something. What is to be repeated is known here; and an answer may take its time, since
#: nothing but the delivery waits for it.
_CLIENT_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "45",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}

for _noisy in ("mlflow", "alembic", "urllib3"):  # what goes wrong is said by whoever catches it
    logging.getLogger(_noisy).setLevel(logging.CRITICAL)


def connect(places: Places) -> MlflowClient:
    """Return a client of the tracking store.

    Raises:
        TrackerError: the store cannot be opened.
    """
    for name, value in _CLIENT_DEFAULTS.items():
        os.environ.setdefault(name, value)
    if not is_served(places.tracking_uri):
        try:
            places.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrackerError(
                f"FAIRSWEEP_HOME must be a folder that can be written; got {places.home}: {error.strerror}."
            ) from error
    try:
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


def find_experiment(client: MlflowClient, name: str) -> Experiment | None:
    """Return the experiment that a launch of the study called `name` goes on with, None if there is none yet.

    Raises:
        InputError: it is deleted, no study's, or of another version of fairsweep.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        return None
    if found.lifecycle_stage != "active":
        raise InputError(f"experiment {name} was deleted in MLflow; restore it there, or give the study another name.")
    if layout.EXPERIMENT_PROTOCOL_HASH not in found.tags:
        raise InputError(
            f"MLflow has an experiment {name} that is not a study of fairsweep; give the study another name."
        )
    if (version := found.tags.get(layout.EXPERIMENT_LAYOUT)) != layout.LAYOUT_VERSION:
        raise InputError(
            f"study {name} was recorded by another version of fairsweep (layout {version}, this one writes "
            f"{layout.LAYOUT_VERSION}). Its report can still be written; to run it, give the study another name."
        )
    return found


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
            found += [experiment for experiment in page if _is_study(experiment)]
            token = page.token
            if not token:
                return sorted(found, key=lambda experiment: str(experiment.name))
    except TROUBLE as error:
        raise TrackerError(explain(client.tracking_uri, error)) from error


def _is_study(experiment: Experiment) -> bool:
    """Tell whether an experiment is a study; one whose name no study file may have reaches no path and no shell."""
    return layout.EXPERIMENT_STUDY in experiment.tags and bool(re.fullmatch(SLUG, str(experiment.name)))


def study_run(client: MlflowClient, experiment_id: str) -> Run | None:
    """Return the study run of an experiment, or None; of several the one that counts, see `study_run_order`."""
    runs = study_runs(client, experiment_id)
    return min(
        runs, key=lambda run: study_run_order(run.data.params, run.info.start_time, run.info.run_id), default=None
    )


def study_runs(client: MlflowClient, experiment_id: str) -> list[Run]:
    """Return all study runs of an experiment; more than one if launches came at the same moment."""
    return list(client.search_runs([experiment_id], f"tags.`{layout.ROLE}` = '{layout.ROLE_STUDY}'"))


def trial_runs(client: MlflowClient, experiment_id: str) -> list[RunFacts]:
    """Return the runs of all recorded trials, unfinished ones included.

    Read from the database where it is at hand: MLflow takes 2 ms for each. A server has several workers, each of which
    is asked for the runs whose ids begin with another digit.
    """
    engine = engine_of(client)
    runs: Iterable[RunFacts] | None = None
    if engine is not None:
        with suppress(SQLAlchemyError):  # not the tables that are expected: MLflow knows its own
            runs = database_runs(engine, experiment_id)
    elif is_served(client.tracking_uri):
        with suppress(MlflowException):  # a server that cannot select by id; if it is away, the next request says so
            runs = _runs_by_digit(client, experiment_id)
    return [run for run in (every_run(client, experiment_id) if runs is None else runs) if run.is_trial]


def _runs_by_digit(client: MlflowClient, experiment_id: str) -> list[RunFacts]:
    def those_with(digit: str) -> list[RunFacts]:
        return every_run(client, experiment_id, f"attributes.run_id LIKE '{digit}%'")

    pool = ThreadPoolExecutor(_READS_AT_A_TIME)
    try:
        return [run for part in pool.map(those_with, "0123456789abcdef") for run in part]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # who stops it does not wait for a server that hangs


def runs_of_trial(client: MlflowClient, experiment_id: str, key: str) -> list[Run]:
    """Return the runs of one trial, unfinished ones included."""
    return list(client.search_runs([experiment_id], f"tags.`{layout.TRIAL_KEY}` = '{key}'", ViewType.ACTIVE_ONLY))


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


def recorded_file(client: MlflowClient, name: str) -> dict[str, Any] | None:
    """Return the recorded study called `name` as the content of a study file, or None if it is not recorded.

    Raises:
        TrackerError: MLflow cannot be reached.
    """
    try:
        experiment = client.get_experiment_by_name(name)
        if experiment is None or experiment.lifecycle_stage != "active" or not _is_study(experiment):
            return None
        run = study_run(client, experiment.experiment_id)
        return as_in_a_file(read_artifact(client, run.info.run_id, layout.ARTIFACT_STUDY)) if run else None
    except TROUBLE as error:
        raise TrackerError(explain(client.tracking_uri, error)) from error


def recorded_outcomes(client: MlflowClient, name: str, *, failures: bool = False) -> list[Outcome]:
    """Return how the recorded trials of the study called `name` ended; nothing if it is not recorded.

    Args:
        client: of the tracking store.
        name: of the study.
        failures: one of kind ``failed`` too for each trial that has failed and has no result.

    Raises:
        TrackerError: MLflow cannot be reached.
    """
    try:
        experiment = client.get_experiment_by_name(name)
        if experiment is None or layout.EXPERIMENT_STUDY not in experiment.tags:
            return []
        runs = trial_runs(client, experiment.experiment_id)
        results = {run.tags[layout.TRIAL_KEY]: outcome_of(run) for run in runs if run.status == "FINISHED"}
        failed = {run.tags[layout.TRIAL_KEY]: outcome_of(run) for run in runs if run.status == "FAILED"}
        return [*((failed if failures else {}) | results).values()]
    except TROUBLE as error:
        raise TrackerError(explain(client.tracking_uri, error)) from error


def recorded_changes(client: MlflowClient, study: Study) -> tuple[Change, ...]:
    """Return how the rules of `study` differ from those its trials ran under; nothing if none has begun.

    Raises:
        InputError: MLflow has an experiment of that name that cannot be used.
        TrackerError: MLflow cannot be reached.
    """
    try:
        experiment = find_experiment(client, study.study)
        if experiment is None or experiment.tags.get(layout.EXPERIMENT_PROTOCOL_HASH) == study.protocol_hash():
            return ()
        run = study_run(client, experiment.experiment_id)
        if run is None or not trial_runs(client, experiment.experiment_id):
            return ()
        return changes(recorded_rules(client, run), study.recorded())
    except TROUBLE as error:
        raise TrackerError(explain(client.tracking_uri, error)) from error


def refuse_other_rules(client: MlflowClient, study: Study) -> tuple[Change, ...]:
    """Return what `study` adds to the rules its trials ran under, and refuse it if it does more than add.

    Raises:
        InputError: it does more; or MLflow has an experiment of that name that cannot be used.
        TrackerError: MLflow cannot be reached.
    """
    found = recorded_changes(client, study)
    if not extends(found):
        raise InputError(refusal(study.study, found))
    return found


def recorded_rules(client: MlflowClient, run: Run) -> dict[str, Any]:
    """Return the study as it was recorded when its rules were last settled to the end."""
    name = layout.rules_file(max(rules_version(run), 1))
    rules: dict[str, Any] = read_artifact(client, run.info.run_id, name)["study"]
    return rules


def rules_version(run: Run) -> int:
    """Return the version of the rules on record; 0 where none was written to its end."""
    return int(run.data.tags.get(layout.RULES_VERSION, 0))


def outcome_of(run: RunFacts) -> Outcome:
    """Return how the trial of a finished run ended."""
    return Outcome(
        key=run.tags[layout.TRIAL_KEY],
        kind=cast(OutcomeKind, run.tags[layout.OUTCOME]),
        validation=run.metrics.get(layout.FINAL_VALIDATION),
        test=run.metrics.get(layout.FINAL_TEST),
        recorded={name: text for name, text in run.params.items() if name not in layout.IDENTITY_PARAMS},
    )
