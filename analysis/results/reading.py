"""Read the rules, trials and curves of a study."""

from __future__ import annotations

import difflib
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from analysis import layout
from analysis.record import CONFIRM, StudyRecord
from analysis.results.curves import client_histories, read_evaluations
from analysis.results.database import database_histories, database_runs, engine_of
from analysis.results.errors import StudyNotFoundError, StudyReadError
from analysis.results.runs import every_run, study_run_order
from analysis.rules import Rules, RulesVersion
from analysis.trial_table import RunFacts, trial_table

# Reports need no other curves of the confirm runs.
REPORTED_CURVES = (layout.CURVE_TEST, layout.CURVE_TRAIN_SECONDS, layout.CURVE_EPOCH)

# Unless the user has set them: by default MLflow tries for minutes to reach a server, and draws progress bars.
_CLIENT_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def read_study(
    tracking_uri: str,
    study: str,
    *,
    curve_phases: Collection[str] = (CONFIRM,),
    curves: Collection[str] = REPORTED_CURVES,
) -> StudyRecord:
    """Read the rules, trials and curves of a study.

    Only runs with the role of a trial and the status ``FINISHED`` count: what was killed will be run again.

    Args:
        tracking_uri: Of the MLflow server or store, such as ``http://localhost:5000`` or
            ``sqlite:///mlflow.db``.
        study: Name of the study, which is the name of its experiment.
        curve_phases: Phases whose evaluations are read; tuning curves are many and the report needs none of
            them.
        curves: Names of the curves that are read, of ``layout.CURVES``; the columns of others stay NaN.

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
        runs = _runs(client, experiment.experiment_id)
        study_run = _study_run_of(runs, study)
        rules = _read_rules(client, study_run, experiment)
        trials = trial_table([run for run in runs if run.is_trial and run.status == "FINISHED"], rules)
        measured = trials[trials["phase"].isin(list(curve_phases))]
        evaluations = _evaluations(client, experiment.experiment_id, measured, sorted(curves))
        provenance = _provenance(client, shown_uri, experiment, study_run)
        launches = _launches(client, study_run, trials)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise StudyReadError(
            f"tracking_uri must name a store that answers; got {shown_uri} ({_reason(error)}). Is it running?"
        ) from error
    unfinished = sum(run.is_trial and run.status not in {"FINISHED", "FAILED"} for run in runs)
    return StudyRecord(
        rules=rules,
        trials=trials,
        evaluations=evaluations,
        provenance={**provenance, "unfinished_runs_left_out": str(unfinished)},
        launches=launches,
        failures=Counter(_spender(run) for run in runs if run.is_trial and run.status == "FAILED"),
    )


def _runs(client: MlflowClient, experiment_id: str) -> list[RunFacts]:
    engine = engine_of(client)
    if engine is not None:
        try:
            return database_runs(engine, experiment_id)
        except SQLAlchemyError:
            pass  # not the tables that are expected: MLflow knows its own
    return every_run(client, experiment_id)


def _evaluations(client: MlflowClient, experiment_id: str, trials: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    engine, phases = engine_of(client), tuple(trials["phase"].unique())
    if engine is not None:
        try:
            return read_evaluations(trials, keys, partial(database_histories, engine, experiment_id, phases))
        except SQLAlchemyError:
            pass
    return read_evaluations(trials, keys, client_histories(client))


def _spender(run: RunFacts) -> tuple[str, str, str]:
    tags = run.tags
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


def _study_run_of(runs: Sequence[RunFacts], study: str) -> RunFacts:
    studies = [run for run in runs if run.tags.get(layout.ROLE) == layout.ROLE_STUDY]
    if not studies:
        raise StudyReadError(
            f"{study} must have a run tagged {layout.ROLE}={layout.ROLE_STUDY}; its experiment has none."
        )
    return min(studies, key=lambda run: study_run_order(run.params, run.start_time, run.run_id))


def _read_json(client: MlflowClient, run: RunFacts, artifact: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(run.run_id, artifact, folder)
        return json.loads(Path(path).read_text(encoding="utf-8"))


def _artifacts(client: MlflowClient, run: RunFacts) -> set[str]:
    return {item.path for item in client.list_artifacts(run.run_id)}


def _read_rules(client: MlflowClient, study_run: RunFacts, experiment: Experiment) -> Rules:
    if layout.ARTIFACT_STUDY not in _artifacts(client, study_run):
        raise StudyReadError(
            f"{experiment.name} must hold its rules as {layout.ARTIFACT_STUDY}; its study run has none."
        )
    try:
        rules = Rules.model_validate(_read_json(client, study_run, layout.ARTIFACT_STUDY))
        versions = _versions(client, study_run)
    except (ValidationError, json.JSONDecodeError) as error:
        raise StudyReadError(f"{layout.ARTIFACT_STUDY} of {experiment.name} cannot be read: {error}") from error
    protocol_hash = experiment.tags.get(layout.EXPERIMENT_PROTOCOL_HASH, "")
    return rules.model_copy(update={"protocol_hash": protocol_hash, "versions": versions})


def _versions(client: MlflowClient, study_run: RunFacts) -> tuple[RulesVersion, ...]:
    """Return the history of the rules, from its tag; what each version changed stands in an artifact of its own."""
    history = json.loads(study_run.tags.get(layout.RULES_HISTORY, "[]"))
    versions = [RulesVersion.model_validate(entry) for entry in history]
    return tuple(v.model_copy(update={"changes": _changes(client, study_run, v.version)}) for v in versions)


def _changes(client: MlflowClient, study_run: RunFacts, version: int) -> tuple[str, ...]:
    if version == 1:
        return ()
    changes = _read_json(client, study_run, layout.rules_file(version))["changes"]
    return tuple(f"{change['field']} was {change['was']}, is {change['is']}" for change in changes)


def _provenance(client: MlflowClient, tracking_uri: str, experiment: Experiment, study_run: RunFacts) -> dict[str, str]:
    facts = {
        "tracking_uri": tracking_uri,
        "experiment_id": experiment.experiment_id,
        "study_run_id": study_run.run_id,
        "layout_version": experiment.tags.get(layout.EXPERIMENT_LAYOUT, ""),
    }
    if layout.ARTIFACT_ENVIRONMENT in _artifacts(client, study_run):
        environment = _read_json(client, study_run, layout.ARTIFACT_ENVIRONMENT)
        facts |= {f"environment.{name}": value for name, value in _flat(environment)}
    return facts


def _launches(client: MlflowClient, study_run: RunFacts, trials: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return with what the launches ran that trials name; studies that began under older versions lack some."""
    named = {layout.launch_file(name): name for name in trials["launch"].dropna().unique()}
    if not named or layout.ARTIFACT_LAUNCHES not in _artifacts(client, study_run):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(client.download_artifacts(study_run.run_id, layout.ARTIFACT_LAUNCHES, folder))
        files = {f"{layout.ARTIFACT_LAUNCHES}/{file.name}": file for file in path.glob("*.json")}
        return {
            name: dict(_flat(json.loads(files[file].read_text(encoding="utf-8"))["environment"]))
            for file, name in sorted(named.items())
            if file in files
        }


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name in sorted(value):
            yield from _flat(value[name], f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, value if isinstance(value, str) else json.dumps(value)
