"""Read a study back from MLflow; the only module here that knows it exists."""

from __future__ import annotations

import difflib
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Experiment, Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.rest_utils import http_request
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from analysis import layout
from analysis.record import CONFIRM, EVALUATION_COLUMNS, StudyRecord, typed
from analysis.rules import Rules
from analysis.trial_table import is_trial, trial_table

__all__ = ["StudyNotFoundError", "StudyReadError", "StudyRecord", "read_study"]

RUNS_PER_PAGE = 5_000
# What the server allows in one bulk request.
RUNS_PER_BULK_READ = 100
POINTS_PER_BULK_READ = 25_000

# Unless the user has set them: by default MLflow tries for minutes to reach a server, and draws progress bars.
_CLIENT_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_CURVE_COLUMNS = {
    layout.CURVE_EPOCH: "epoch",
    layout.CURVE_TRAIN_SECONDS: "train_seconds",
    layout.CURVE_VALIDATION: "validation",
    layout.CURVE_TEST: "test",
    layout.CURVE_TRAIN_LOSS: "train_loss",
    layout.CURVE_LR: "lr",
    layout.CURVE_MOMENTUM: "momentum",
}


class StudyReadError(RuntimeError):
    """The tracking store cannot be read, or what it holds is not a study."""


class StudyNotFoundError(StudyReadError):
    """The tracking store holds no study of that name."""


def read_study(tracking_uri: str, study: str, *, curve_phases: Collection[str] = (CONFIRM,)) -> StudyRecord:
    """Read the rules, trials and curves of a study.

    Only runs with the role of a trial and the status ``FINISHED`` count: what was killed will be run again.

    Args:
        tracking_uri: Of the MLflow server or store, such as ``http://localhost:5000`` or
            ``sqlite:///mlflow.db``.
        study: Name of the study, which is the name of its experiment.
        curve_phases: Phases whose evaluations are read; tuning curves are many and the report needs none of
            them.

    Returns:
        Tables in an order that depends on the trials alone, not on when or where they ran.

    Raises:
        StudyNotFoundError: If there is no such study; names those there are.
        StudyReadError: If the store cannot be reached, or has no readable rules for the study.
    """
    for name, value in _CLIENT_DEFAULTS.items():
        os.environ.setdefault(name, value)
    shown_uri = _without_credentials(tracking_uri)
    _refuse_missing_database(tracking_uri)
    try:
        client = MlflowClient(tracking_uri)
        experiment = _find_experiment(client, study, shown_uri)
        runs = list(_every_run(client, experiment.experiment_id))
        study_run = _latest_study_run(runs, study)
        rules = _read_rules(client, study_run, experiment)
        finished = [run for run in runs if is_trial(run) and run.info.status == "FINISHED"]
        trials = trial_table(finished, rules)
        evaluations = _evaluation_table(client, trials[trials["phase"].isin(list(curve_phases))])
        provenance = _provenance(client, shown_uri, experiment, study_run)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise StudyReadError(
            f"tracking_uri must name a store that answers; got {shown_uri} ({_reason(error)}). Is it running?"
        ) from error
    unfinished = sum(is_trial(run) and run.info.status not in {"FINISHED", "FAILED"} for run in runs)
    return StudyRecord(
        rules=rules,
        trials=trials,
        evaluations=evaluations,
        provenance={**provenance, "unfinished_runs_left_out": str(unfinished)},
        failures=Counter(_spender(run) for run in runs if is_trial(run) and run.info.status == "FAILED"),
    )


def _spender(run: Run) -> tuple[str, str, str]:
    tags = run.data.tags
    return tags.get(layout.WORKLOAD, ""), tags.get(layout.ARM, ""), tags.get(layout.PHASE, "")


def _without_credentials(text: str) -> str:
    """Return text in which addresses have lost their user and password."""
    return re.sub(r"//[^/@\s]+@", "//", text)


def _reason(error: Exception) -> str:
    """Return the system's own words for a failed connection, or the start of the message."""
    found = re.search(r"\[Errno -?\d+\] [\w ]+|timed out", str(error))
    return found.group() if found else _without_credentials(str(error).partition("\n")[0])[:200]


def _refuse_missing_database(uri: str) -> None:
    """Raise where MLflow would create an empty database in place of the one that was mistyped."""
    path = uri.removeprefix("sqlite:///")
    if path != uri and not Path(path).exists():
        raise StudyReadError(f"tracking_uri must name a store that exists; there is no file {path}.")


def _find_experiment(client: MlflowClient, study: str, tracking_uri: str) -> Experiment:
    experiment = client.get_experiment_by_name(study)
    if experiment is not None and experiment.lifecycle_stage == "active":
        return experiment
    names = sorted(e.name for e in client.search_experiments() if layout.EXPERIMENT_STUDY in e.tags)
    close = difflib.get_close_matches(study, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    found = f"one of {', '.join(names)}" if names else "recorded first (there are none yet)"
    raise StudyNotFoundError(f"study must be {found}; got {study!r} in {tracking_uri}.{hint}")


def _every_run(client: MlflowClient, experiment_id: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs([experiment_id], max_results=RUNS_PER_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _latest_study_run(runs: Sequence[Run], study: str) -> Run:
    studies = [run for run in runs if run.data.tags.get(layout.ROLE) == layout.ROLE_STUDY]
    if not studies:
        raise StudyReadError(
            f"{study} must have a run tagged {layout.ROLE}={layout.ROLE_STUDY}; its experiment has none."
        )
    return max(studies, key=lambda run: (run.info.start_time, run.info.run_id))


def _read_json(client: MlflowClient, run: Run, artifact: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(run.info.run_id, artifact, folder)
        return json.loads(Path(path).read_text(encoding="utf-8"))


def _artifacts(client: MlflowClient, run: Run) -> set[str]:
    return {item.path for item in client.list_artifacts(run.info.run_id)}


def _read_rules(client: MlflowClient, study_run: Run, experiment: Experiment) -> Rules:
    if layout.ARTIFACT_STUDY not in _artifacts(client, study_run):
        raise StudyReadError(
            f"{experiment.name} must hold its rules as {layout.ARTIFACT_STUDY}; its study run has none."
        )
    try:
        rules = Rules.model_validate(_read_json(client, study_run, layout.ARTIFACT_STUDY))
    except (ValidationError, json.JSONDecodeError) as error:
        raise StudyReadError(f"{layout.ARTIFACT_STUDY} of {experiment.name} cannot be read: {error}") from error
    return rules.model_copy(update={"protocol_hash": experiment.tags.get(layout.EXPERIMENT_PROTOCOL_HASH, "")})


def _evaluation_table(client: MlflowClient, trials: pd.DataFrame) -> pd.DataFrame:
    """Return one row per trial and update with a point on any curve; of repeated points the last counts."""
    run_ids = trials["run_id"].tolist()
    points: dict[str, dict[int, dict[str, float]]] = {run_id: {} for run_id in run_ids}
    for key, column in _CURVE_COLUMNS.items():
        for run_id, metric in _histories(client, run_ids, key):
            points[run_id].setdefault(metric.step, {})[column] = metric.value
    shared = ["trial_key", "run_id", "workload", "budget", "arm", "phase", "seed_index"]
    rows = [
        {**trial, "update": update, **points[trial["run_id"]][update]}
        for trial in trials[shared].to_dict("records")
        for update in sorted(points[trial["run_id"]])
    ]
    return typed([{str(k): v for k, v in row.items()} for row in rows], EVALUATION_COLUMNS)


def _histories(client: MlflowClient, run_ids: Sequence[str], key: str) -> Iterator[tuple[str, Metric]]:
    """Yield every point of one curve of many runs, oldest first within a run, in few requests."""
    for start in range(0, len(run_ids), RUNS_PER_BULK_READ):
        batch = run_ids[start : start + RUNS_PER_BULK_READ]
        bulk = _bulk_history(client, batch, key)
        if bulk is None:
            for run_id in batch:
                history = sorted(client.get_metric_history(run_id, key), key=lambda metric: metric.timestamp)
                yield from ((run_id, metric) for metric in history)
        else:
            yield from bulk


def _bulk_history(client: MlflowClient, run_ids: Sequence[str], key: str) -> list[tuple[str, Metric]] | None:
    """Return one curve of many runs in one read, or None where the store has no such read or cuts it short.

    MLflow has no public call for this; both routes below are what its own pages use.
    """
    store = client._tracking_client.store
    limit = POINTS_PER_BULK_READ
    if hasattr(store, "get_metric_history_bulk"):
        found = [(m.run_id, m) for m in store.get_metric_history_bulk(list(run_ids), key, limit)]
    elif hasattr(store, "get_host_creds"):
        response = http_request(  # type: ignore[no-untyped-call]
            store.get_host_creds(),
            "/ajax-api/2.0/mlflow/metrics/get-history-bulk",
            "GET",
            params={"run_id": list(run_ids), "metric_key": key, "max_results": limit},
        )
        if response.status_code != 200:
            return None
        found = [
            (p["run_id"], Metric(p["key"], float(p["value"]), p["timestamp"], p["step"]))
            for p in response.json()["metrics"]
        ]
    else:
        return None
    return found if len(found) < limit else None


def _provenance(client: MlflowClient, tracking_uri: str, experiment: Experiment, study_run: Run) -> dict[str, str]:
    facts = {
        "tracking_uri": tracking_uri,
        "experiment_id": experiment.experiment_id,
        "study_run_id": study_run.info.run_id,
        "layout_version": experiment.tags.get(layout.EXPERIMENT_LAYOUT, ""),
    }
    if layout.ARTIFACT_ENVIRONMENT in _artifacts(client, study_run):
        environment = _read_json(client, study_run, layout.ARTIFACT_ENVIRONMENT)
        facts |= {f"environment.{name}": value for name, value in _flat(environment)}
    return facts


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name in sorted(value):
            yield from _flat(value[name], f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, value if isinstance(value, str) else json.dumps(value)
