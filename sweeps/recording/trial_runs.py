"""Write the record of one trial to MLflow as one run, whatever was begun before and killed when.

MLflow gives each run a name of its own choice, so that a request to create one is not safe to repeat: where the answer
was lost, the run may be there or not. A trial's key is looked up before it is asked for again.

A trial may be tried several times, in one launch after the other: each attempt that failed is a run, and the one that
has a result is. An attempt is known by its trial and when it began, so that delivering it again changes nothing. A run
that another attempt began and nobody completed is deleted: its points are not those of this one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.exceptions import MlflowException

from analysis import layout
from analysis.trial_table import RunFacts
from sweeps.mlflow_page import RUN_COLOR
from sweeps.recording.store import runs_of_trial

_MAX_ENTITIES_PER_BATCH = 1000
_GONE = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "INVALID_STATE"}


@dataclass(frozen=True)
class _Known:
    """A run that MLflow has for a trial key."""

    run_id: str
    status: str
    start_ms: int

    def settles(self, record: Mapping[str, Any]) -> bool:
        """Tell whether nothing is left to deliver of a record: the trial has its result, the failure its run."""
        if record["kind"] == "failed":
            return self.status == "FAILED" and self.start_ms == record["start_ms"]
        return self.status == "FINISHED"


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
        self._known: dict[str, dict[str, _Known]] = {}
        self._doubtful: set[str] = set()
        self._begun_anew: set[str] = set()
        self._lock = threading.Lock()

    def remember(self, runs: Iterable[RunFacts]) -> None:
        """Take note of runs that MLflow has."""
        for run in runs:
            self._note(run.tags.get(layout.TRIAL_KEY, ""), _Known(run.run_id, run.status, run.start_time))

    def doubt(self, keys: Iterable[str]) -> None:
        """Look these up before they are written, and at the end: a killed launch may have been writing them."""
        with self._lock:
            self._doubtful.update(keys)

    def _note(self, key: str, known: _Known) -> None:
        """Take note of a run; where a trial has another that was begun, one of them is too much."""
        with self._lock:
            runs = self._known.setdefault(key, {})
            runs[known.run_id] = known
            if len(runs) > 1 and any(run.status == "RUNNING" for run in runs.values()):
                self._doubtful.add(key)

    def write(self, record: Mapping[str, Any]) -> None:
        """Write one record: as a new run, or by completing the one that a killed process began for this attempt."""
        key = record["trial_key"]
        if key in self._doubtful:
            self._look_up(key)
        runs = self._runs_of(key)
        if any(run.settles(record) for run in runs):
            return
        begun = [run for run in runs if run.status == "RUNNING"]
        mine = next((run for run in begun if run.start_ms == record["start_ms"]), None)
        for other in begun:
            if other is not mine:
                self._delete(key, other)
        known = mine or self._create(record)
        try:
            self._fill(known.run_id, record, tags=record["tags"] if mine else {})
        except MlflowException as error:
            if error.error_code in _GONE and key not in self._begun_anew:  # the run was deleted, or is not as thought
                self._begun_anew.add(key)
                self._known[key].pop(known.run_id, None)
            raise
        status = "FAILED" if record["kind"] == "failed" else "FINISHED"
        self._known[key][known.run_id] = replace(known, status=status)

    def _runs_of(self, key: str) -> list[_Known]:
        return list(self._known.get(key, {}).values())

    def _create(self, record: Mapping[str, Any]) -> _Known:
        key = record["trial_key"]
        colour = self._colours.get(record["tags"][layout.ARM], "")
        tags = {**record["tags"], "mlflow.parentRunId": self._study_run_id, RUN_COLOR: colour}
        with self._lock:
            was_doubtful = key in self._doubtful  # a request whose answer was lost may yet be fulfilled
            self._doubtful.add(key)
        run = self._client.create_run(
            self._experiment_id, start_time=record["start_ms"], tags=tags, run_name=record["run_name"]
        )
        if not was_doubtful:
            with self._lock:
                self._doubtful.discard(key)
        known = _Known(str(run.info.run_id), "RUNNING", record["start_ms"])
        self._known.setdefault(key, {})[known.run_id] = known
        return known

    def _fill(self, run_id: str, record: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        metrics = [Metric(name, value, record["end_ms"], step) for name, value, step in record["metrics"]]
        params = [Param(name, value) for name, value in record["params"].items()]
        marks = [RunTag(name, value) for name, value in tags.items()]
        size = _MAX_ENTITIES_PER_BATCH - len(params) - len(marks)
        for start in range(0, max(len(metrics), 1), size):
            first = start == 0
            batch = metrics[start : start + size]
            self._client.log_batch(run_id, batch, params if first else (), marks if first else ())
        status = RunStatus.FAILED if record["kind"] == "failed" else RunStatus.FINISHED
        self._confirm()  # the requests above may have taken longer than a lease holds
        self._client.set_terminated(run_id, RunStatus.to_string(status), end_time=record["end_ms"])

    def _look_up(self, key: str) -> None:
        """Find out which runs MLflow has for a key; an attempt to create one has ended without an answer."""
        found = runs_of_trial(self._client, self._experiment_id, key)
        self._known[key] = {}
        for run in found:
            self._note(key, _Known(run.info.run_id, run.info.status, run.info.start_time))

    def _delete(self, key: str, run: _Known) -> None:
        self._client.delete_run(run.run_id)
        self._known[key].pop(run.run_id, None)

    def tidy(self) -> None:
        """Delete runs that were begun twice because an answer was lost; each is empty or a copy of one that ended."""
        for key in sorted(self._doubtful):
            if not any(run.status != "RUNNING" for run in self._runs_of(key)):
                continue
            self._look_up(key)
            runs = self._runs_of(key)
            ended = {run.start_ms for run in runs if run.status != "RUNNING"}
            has_result = any(run.status == "FINISHED" for run in runs)
            for run in runs:
                if run.status == "RUNNING" and (has_result or run.start_ms in ended):
                    self._delete(key, run)
            self._doubtful.discard(key)
