"""Write a study to MLflow.

Results go to a durable spool first and from there, by a background thread, to MLflow: a slow or dead tracking server
never stops a trial and never loses one. Delivery is idempotent by trial key, so that every key is recorded once as
finished, whatever is killed when.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mlflow.entities import Experiment, Metric, Param, Run

from analysis import layout
from sweeps.errors import InputError
from sweeps.places import Places
from sweeps.protocol import Outcome, cells, planned_trials
from sweeps.recording.record import record_of
from sweeps.recording.spool import Spool
from sweeps.recording.store import (
    TROUBLE,
    TrackerError,
    connect,
    explain,
    find_study,
    outcome_of,
    read_artifact,
    study_run,
    trial_runs,
)
from sweeps.spec import Study
from sweeps.trial import TrialResult
from sweeps.views import RUN_COLOR, SharedView, StudyOutline, arm_colors, study_views

_MAX_ENTITIES_PER_BATCH = 1000
_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 15.0
_STATUSES = ("FAILED", "RUNNING", "FINISHED")


@dataclass(frozen=True)
class _Known:
    """A run that MLflow has for a trial key."""

    run_id: str
    status: str

    @property
    def rank(self) -> int:
        """Rank what a key stands for: a finished run before a begun one before a failed one."""
        return _STATUSES.index(self.status) if self.status in _STATUSES else -1


class Recorder:
    """Write one study to MLflow.

    Args:
        study: the validated study.
        places: where the store and the spool are.
    """

    def __init__(self, study: Study, places: Places) -> None:
        self._study = study
        self._places = places
        self._client = connect(places)
        self._spool = Spool(places.spool(study.study))
        self._colours = arm_colors(list(study.arms), study.control)
        self._known: dict[str, _Known] = {}
        self._recorded: list[Outcome] = []
        self._wake = threading.Condition()
        self._closing = False
        self._trouble = ""
        self._thread = threading.Thread(target=self._deliver_for_ever, name="fairsweep-recording", daemon=True)
        self.experiment_id = ""
        self.study_run_id = ""
        self.last_delivery = 0.0

    def open(self, environment: Mapping[str, str]) -> None:
        """Create or find the experiment and its study run, and start delivering.

        Raises:
            InputError: trials of this study were recorded under other rules.
            TrackerError: MLflow cannot be reached or refuses.
        """
        try:
            self.experiment_id = self._experiment()
            self.study_run_id = self._study_run(environment)
            for view in views_of(self._study):
                self._client.set_experiment_tag(self.experiment_id, view.tag, view.tag_value)
            for run in trial_runs(self._client, self.experiment_id):
                self._remember(run)
        except TROUBLE as error:
            raise TrackerError(explain(self._places.tracking_uri, error)) from error
        self._thread.start()

    def outcomes(self) -> list[Outcome]:
        """Return how the trials of earlier launches ended, delivered or still in the spool; failed ones left out."""
        spooled = [
            Outcome(
                key=record["trial_key"],
                kind=record["kind"],
                validation=record["validation"],
                test=record.get("test"),  # a spool of an earlier version has none
            )
            for _, record in self._spool.pending()
            if record["kind"] != "failed"
        ]
        return [*self._recorded, *spooled]

    def put(self, result: TrialResult) -> None:
        """Make a result durable; it is delivered in the background.

        Raises:
            SpoolError: the disk is full or not writable.
        """
        self._spool.put(record_of(result))
        with self._wake:
            self._wake.notify()

    @property
    def waiting(self) -> int:
        """Return the number of results that MLflow has not taken yet."""
        return len(self._spool)

    @property
    def trouble(self) -> str:
        """Return why MLflow does not take results at the moment; empty if it does."""
        return self._trouble

    def flush(self, patience_seconds: float) -> bool:
        """Wait until all results are delivered; give up when `patience_seconds` pass without a delivery."""
        deadline, left = time.monotonic() + patience_seconds, self.waiting
        while left:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
            if self.waiting < left:
                deadline, left = time.monotonic() + patience_seconds, self.waiting
        return True

    def close(self, *, done: bool) -> None:
        """Stop delivering, and mark the study run as finished or as interrupted (``KILLED``)."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout=30)
        if not self._trouble:
            try:
                self._client.set_terminated(self.study_run_id, "FINISHED" if done else "KILLED")
            except TROUBLE as error:
                self._trouble = explain(self._places.tracking_uri, error)

    def _remember(self, run: Run) -> None:
        key, known = run.data.tags.get(layout.TRIAL_KEY, ""), _Known(run.info.run_id, run.info.status)
        if key not in self._known or known.rank > self._known[key].rank:
            self._known[key] = known
        if known.status == "FINISHED":
            self._recorded.append(outcome_of(run))

    def _experiment(self) -> str:
        name, study_hash = self._study.study, self._study.protocol_hash()
        found = self._client.get_experiment_by_name(name)
        if found is None:
            root = self._places.artifact_root
            return self._client.create_experiment(
                name,
                artifact_location=(root / name).as_uri() if root else None,
                tags={
                    layout.EXPERIMENT_STUDY: name,
                    layout.EXPERIMENT_PROTOCOL_HASH: study_hash,
                    layout.EXPERIMENT_LAYOUT: layout.LAYOUT_VERSION,
                    "mlflow.experimentKind": "custom_model_development",
                    "mlflow.note.content": self._study.question or f"Study {name}",
                },
            )
        self._check_same_rules(found, study_hash)
        return str(found.experiment_id)

    def _check_same_rules(self, found: Experiment, study_hash: str) -> None:
        name = self._study.study
        if found.lifecycle_stage != "active":
            raise InputError(
                f"experiment {name} was deleted in MLflow; restore it there, or give the study another name."
            )
        recorded = found.tags.get(layout.EXPERIMENT_PROTOCOL_HASH)
        if recorded is None:
            raise InputError(
                f"MLflow has an experiment {name} that is not a study of fairsweep; give the study another name."
            )
        if recorded == study_hash:
            return
        experiment_id = str(found.experiment_id)
        if not self.waiting and next(trial_runs(self._client, experiment_id), None) is None:
            self._replace_rules(experiment_id, study_hash)
            return
        changes = self._changes(experiment_id)
        raise InputError(
            f"study {name} has trials recorded under other rules: {changes}. Results under different rules cannot be "
            "compared: give the changed study another name (study: ...), or undo the change."
        )

    def _replace_rules(self, experiment_id: str, study_hash: str) -> None:
        """Record the rules anew: no trial has run under the old ones."""
        self._client.set_experiment_tag(experiment_id, layout.EXPERIMENT_PROTOCOL_HASH, study_hash)
        run = study_run(self._client, experiment_id)
        if run is not None:
            self._client.set_tag(run.info.run_id, layout.EXPERIMENT_PROTOCOL_HASH, study_hash)
            self._client.log_dict(run.info.run_id, self._study.recorded(), layout.ARTIFACT_STUDY)

    def _changes(self, experiment_id: str) -> str:
        run = study_run(self._client, experiment_id)
        if run is None:
            return "its study run is missing"
        before = _flat(read_artifact(self._client, run.info.run_id, layout.ARTIFACT_STUDY))
        after = _flat(self._study.recorded())
        changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        shown = [f"{key} was {before.get(key, 'absent')}, is {after.get(key, 'absent')}" for key in changed[:5]]
        return "; ".join(shown) + (f"; and {len(changed) - 5} more" if len(changed) > 5 else "")

    def _study_run(self, environment: Mapping[str, str]) -> str:
        found = study_run(self._client, self.experiment_id)
        if found is not None:
            run_id = str(found.info.run_id)
            self._client.update_run(run_id, status="RUNNING")
            return run_id
        run_id = str(
            self._client.create_run(
                self.experiment_id,
                run_name=f"study {self._study.study}",
                tags={layout.ROLE: layout.ROLE_STUDY, layout.EXPERIMENT_PROTOCOL_HASH: self._study.protocol_hash()},
            ).info.run_id
        )
        self._client.log_dict(run_id, self._study.recorded(), layout.ARTIFACT_STUDY)
        self._client.log_dict(run_id, dict(environment), layout.ARTIFACT_ENVIRONMENT)
        return run_id

    def _deliver_for_ever(self) -> None:
        retry_seconds = _FIRST_RETRY_SECONDS
        while True:
            delivered = False
            try:
                for path, record in self._spool.pending():
                    self._deliver(record)
                    path.unlink()
                    delivered = True
                    self.last_delivery = time.perf_counter()
                self._trouble, retry_seconds = "", _FIRST_RETRY_SECONDS
            except TROUBLE as error:
                self._trouble = explain(self._places.tracking_uri, error)
            with self._wake:
                if self._closing and (self._trouble or not self.waiting):
                    return
                if self._trouble:
                    self._wake.wait_for(lambda: self._closing, timeout=retry_seconds)
                    retry_seconds = min(2 * retry_seconds, _LONGEST_RETRY_SECONDS)
                elif not delivered:
                    self._wake.wait(timeout=1.0)

    def _deliver(self, record: Mapping[str, Any]) -> None:
        """Write one record to MLflow: as a new run, or by completing the one that a killed process began."""
        key = record["trial_key"]
        known = self._known.get(key)
        if known is not None and known.status == "FINISHED":
            return
        if known is not None and known.status == "RUNNING":
            run_id = known.run_id
        else:
            colour = self._colours.get(record["tags"][layout.ARM], "")
            tags = {**record["tags"], "mlflow.parentRunId": self.study_run_id, RUN_COLOR: colour}
            run = self._client.create_run(
                self.experiment_id, start_time=record["start_ms"], tags=tags, run_name=record["run_name"]
            )
            run_id = str(run.info.run_id)
            self._known[key] = _Known(run_id, "RUNNING")
        metrics = [Metric(name, value, record["end_ms"], step) for name, value, step in record["metrics"]]
        params = [Param(name, value) for name, value in record["params"].items()]
        for start in range(0, max(len(metrics), 1), _MAX_ENTITIES_PER_BATCH - len(params)):
            batch = metrics[start : start + _MAX_ENTITIES_PER_BATCH - len(params)]
            self._client.log_batch(run_id, batch, params=params if start == 0 else ())
        status = "FAILED" if record["kind"] == "failed" else "FINISHED"
        self._client.set_terminated(run_id, status, end_time=record["end_ms"])
        self._known[key] = _Known(run_id, status)


def views_of(study: Study) -> tuple[SharedView, ...]:
    """Return the prepared MLflow pages of `study`."""
    all_cells = cells(study)
    counts = Counter(phase for _, _, phase, _, _ in planned_trials(study))
    confirm_trials = counts["confirm"] // len(all_cells) * study.confirm.max_seeds // study.confirm.seeds
    return study_views(
        StudyOutline(
            arms=list(study.arms),
            cells={cell.slug: str(cell.budget.amount) for cell in all_cells},
            search_params=list(study.search),
            confirm_trials_per_cell=confirm_trials,
            tune_trials_per_cell=counts["tune"] // len(all_cells),
        )
    )


def record_report(places: Places, study: str, files: Mapping[str, Path], headline: str) -> tuple[str, str]:
    """Log a report to the study run and its headline as the experiment's note.

    Args:
        places: where the store is.
        study: its name.
        files: the files of the report by their names inside its folder, which may hold others too.
        headline: the verdict in a paragraph.

    Returns:
        The ids of the experiment and of the study run.
    """
    client = connect(places)
    experiment = find_study(client, study)
    try:
        run = study_run(client, experiment.experiment_id)
        if run is None:
            raise InputError(f"experiment {study} has no study run; launch the study again to repair it.")
        for name, path in files.items():
            inside = PurePosixPath(layout.ARTIFACT_REPORT, name).parent
            client.log_artifact(run.info.run_id, str(path), str(inside))
        client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", headline)
        client.set_tag(run.info.run_id, "mlflow.note.content", headline)
    except TROUBLE as error:
        raise TrackerError(explain(places.tracking_uri, error)) from error
    return str(experiment.experiment_id), str(run.info.run_id)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        pairs: Iterable[tuple[str, Any]] = value.items()
        return {k: v for key, item in pairs for k, v in _flat(item, f"{prefix}.{key}" if prefix else str(key)).items()}
    return {prefix: value}
