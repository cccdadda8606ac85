"""Write the record of one trial to MLflow as one run, whatever was begun before and killed when.

MLflow gives each run a name of its own choice, so that a request to create one is not safe to repeat: where the answer
was lost, the run may be there or not. A trial's key is looked up before it is asked for again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus
from mlflow.exceptions import MlflowException

from analysis import layout
from analysis.trial_table import RunFacts
from sweeps.recording.store import runs_of_trial
from sweeps.views import RUN_COLOR

_MAX_ENTITIES_PER_BATCH = 1000
_STATUSES = ("FAILED", "RUNNING", "FINISHED")
_GONE = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "INVALID_STATE"}


@dataclass(frozen=True)
class _Known:
    """A run that MLflow has for a trial key."""

    run_id: str
    status: str

    @property
    def rank(self) -> int:
        """Rank what a key stands for: a finished run before a begun one before a failed one."""
        return _STATUSES.index(self.status) if self.status in _STATUSES else -1


def _trust() -> None:
    pass


class TrialRuns:
    """The runs of a study's trials.

    Args:
        client: of the tracking store.
        experiment_id: the study's experiment.
        study_run_id: its study run, the parent of the others.
        colours: of each arm, for MLflow's pages.
        confirm: called right before a run is marked as ended; raises where the study is no longer ours.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        study_run_id: str,
        colours: Mapping[str, str],
        confirm: Callable[[], None] = _trust,
    ) -> None:
        self._client = client
        self._confirm = confirm
        self._experiment_id = experiment_id
        self._study_run_id = study_run_id
        self._colours = colours
        self._known: dict[str, _Known] = {}
        self._doubtful: set[str] = set()
        self._begun_anew: set[str] = set()
        self._lock = threading.Lock()

    def remember(self, runs: Iterable[RunFacts]) -> None:
        """Take note of runs that MLflow has."""
        for run in runs:
            self._note(run.tags.get(layout.TRIAL_KEY, ""), _Known(run.run_id, run.status))

    def _note(self, key: str, known: _Known) -> None:
        """Keep the run that a key stands for, and of another that was begun for it take note that it is too much."""
        with self._lock:
            there = self._known.get(key)
            if there is None or known.rank > there.rank:
                self._known[key] = known
            if there is not None and there.run_id != known.run_id and "RUNNING" in {there.status, known.status}:
                self._doubtful.add(key)

    def write(self, record: Mapping[str, Any]) -> None:
        """Write one record: as a new run, or by completing the one that a killed process began."""
        key = record["trial_key"]
        if key in self._doubtful:
            self._look_up(key)
        known = self._known.get(key)
        if known is not None and known.status == "FINISHED":
            return
        run_id = known.run_id if known is not None and known.status == "RUNNING" else self._create(record)
        try:
            self._fill(run_id, record)
        except MlflowException as error:
            if error.error_code in _GONE and key not in self._begun_anew:  # the run was deleted, or is not as thought
                self._begun_anew.add(key)
                self._known.pop(key, None)
            raise
        status = "FAILED" if record["kind"] == "failed" else "FINISHED"
        self._known[key] = _Known(run_id, status)

    def _create(self, record: Mapping[str, Any]) -> str:
        key = record["trial_key"]
        colour = self._colours.get(record["tags"][layout.ARM], "")
        tags = {**record["tags"], "mlflow.parentRunId": self._study_run_id, RUN_COLOR: colour}
        with self._lock:
            self._doubtful.add(key)
        run = self._client.create_run(
            self._experiment_id, start_time=record["start_ms"], tags=tags, run_name=record["run_name"]
        )
        with self._lock:
            self._doubtful.discard(key)
        self._known[key] = _Known(str(run.info.run_id), "RUNNING")
        return str(run.info.run_id)

    def _fill(self, run_id: str, record: Mapping[str, Any]) -> None:
        metrics = [Metric(name, value, record["end_ms"], step) for name, value, step in record["metrics"]]
        params = [Param(name, value) for name, value in record["params"].items()]
        for start in range(0, max(len(metrics), 1), _MAX_ENTITIES_PER_BATCH - len(params)):
            batch = metrics[start : start + _MAX_ENTITIES_PER_BATCH - len(params)]
            self._client.log_batch(run_id, batch, params=params if start == 0 else ())
        status = RunStatus.FAILED if record["kind"] == "failed" else RunStatus.FINISHED
        self._confirm()  # the requests above may have taken longer than a lease holds
        self._client.set_terminated(run_id, RunStatus.to_string(status), end_time=record["end_ms"])

    def _look_up(self, key: str) -> None:
        """Find out which runs MLflow has for a key; an attempt to create one has ended without an answer."""
        for run in runs_of_trial(self._client, self._experiment_id, key):
            self._note(key, _Known(run.info.run_id, run.info.status))

    def tidy(self) -> None:
        """Delete runs that were begun twice because an answer was lost; each is empty or a copy of a finished one."""
        for key in sorted(self._doubtful):
            kept = self._known.get(key)
            if kept is None or kept.status != "FINISHED":
                continue
            for run in runs_of_trial(self._client, self._experiment_id, key):
                if run.info.run_id != kept.run_id and run.info.status == "RUNNING":
                    self._client.delete_run(run.info.run_id)
            self._doubtful.discard(key)
