"""Write a study to MLflow.

Results go to a durable spool first and from there, by threads of their own, to MLflow: a slow or dead tracking server
never stops a trial and never loses one. Delivery is idempotent by trial key, so that every key is recorded once as
finished, whatever is killed when.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from analysis import layout
from analysis.trial_table import RunFacts
from sweeps.errors import InputError
from sweeps.extending import Change
from sweeps.mlflow_page import SharedView
from sweeps.places import Places, is_served
from sweeps.protocol import Outcome, cells, planned_trials
from sweeps.recording.delivery import Delivery
from sweeps.recording.launches import Origin, facts_of, marked, origins_of, tagged
from sweeps.recording.lease import PACE, Claim, Lease, LeaseLostError, OtherRunHeldError, Pace
from sweeps.recording.record import outcome_of_record, record_of
from sweeps.recording.spool import Spool
from sweeps.recording.store import (
    connect,
    find_experiment,
    find_study,
    outcome_of,
    read_artifact,
    study_run,
    trial_runs,
)
from sweeps.recording.study_run import StudyRun, ended_of, open_study_run
from sweeps.recording.trial_runs import TrialRuns
from sweeps.recording.trouble import TROUBLE, TrackerError, explain
from sweeps.spec import Study
from sweeps.trial import TrialResult
from sweeps.views import StudyOutline, arm_colors, study_views

#: A server answers several at a time; a database on this machine is written by one.
_THREADS_TO_A_SERVER = 4
#: A launch that was killed may have been delivering the first of what waits; MLflow may yet do what it was asked then.
_MOST_UNDER_WAY = 2 * _THREADS_TO_A_SERVER
#: How long a delivery under way may hold up the end of a launch.
_STOP_SECONDS = 10.0


def _say_nothing(line: str) -> None:
    pass


class Recorder:
    """Write one study to MLflow.

    Args:
        study: the validated study.
        places: where the store and the spool are.
        announce: shows a line to the user.
        pace: how often the lease is renewed.
    """

    def __init__(
        self, study: Study, places: Places, *, announce: Callable[[str], None] = _say_nothing, pace: Pace = PACE
    ) -> None:
        self._study, self._places, self._announce, self._pace = study, places, announce, pace
        self._client = connect(places)
        self._spool = Spool(places.spool(study.study))
        self._recorded: list[RunFacts] = []
        self._spooled: list[Outcome] = []
        self._lease: Lease | None = None
        self._trials: TrialRuns | None = None
        self._delivery: Delivery | None = None
        self._opened: StudyRun | None = None
        self._origin: Origin | None = None
        #: How the study extends the rules it was recorded under before.
        self.extension: tuple[Change, ...] = ()

    def is_recorded(self) -> bool:
        """Tell whether MLflow has an experiment for the study already.

        Raises:
            InputError: it has one that cannot be used.
            TrackerError: MLflow cannot be reached.
        """
        try:
            return find_experiment(self._client, self._study.study) is not None
        except TROUBLE as error:
            raise self._tracker_error(error) from error

    def open(self, environment: Mapping[str, str]) -> None:
        """Create or find the experiment and its study run, take the lease, settle the rules, and start delivering.

        Raises:
            InputError: the study is being launched elsewhere, or trials ran under rules that this one does not extend.
            TrackerError: MLflow cannot be reached or refuses.
        """
        try:
            opened = open_study_run(self._client, self._study, self._places, environment)
            lease = Lease(self._client, opened.run_id, self._study.study, self._lost, self._pace, opened.others)
            try:
                claim = lease.take(self._announce)
            except OtherRunHeldError:
                opened.give_way()
                raise
            self._lease = lease
            try:
                opened.look_again()
                self._begin(opened, claim)
            except BaseException:
                _within_limit(lease.release)
                raise
        except TROUBLE as error:
            raise self._tracker_error(error) from error

    def _begin(self, opened: StudyRun, claim: Claim) -> None:
        self._recorded = trial_runs(self._client, opened.experiment_id)
        waiting = list(self._spool.pending())
        self._spooled = [outcome_of_record(record) for record in waiting if record["kind"] != "failed"]
        self.extension = opened.settle_rules(ended_of(self._recorded, waiting), self._spool)
        self._leave_trace(opened, claim, origins_of(waiting))
        self._client.update_run(opened.run_id, status="RUNNING")
        for view in views_of(self._study):
            if opened.experiment.tags.get(view.tag) != view.tag_value:
                self._client.set_experiment_tag(opened.experiment_id, view.tag, view.tag_value)
        colours = arm_colors(list(self._study.arms), self._study.control)
        self._trials = TrialRuns(self._client, opened.experiment_id, opened.run_id, colours, self._confirm)
        self._trials.remember(self._recorded)
        self._trials.doubt(record["trial_key"] for record in waiting[:_MOST_UNDER_WAY])
        threads = _THREADS_TO_A_SERVER if is_served(self._places.tracking_uri) else 1
        self._delivery = Delivery(self._spool, self._deliver, self._explain, threads)
        self._opened = opened
        self._delivery.start()

    def _leave_trace(self, opened: StudyRun, claim: Claim, origins: Collection[Origin | None]) -> None:
        """Record what this launch runs with, and what those of another store ran with whose results wait here."""
        rules = self._study.protocol_hash()
        own = Origin(study_run=opened.run_id, number=claim.number, rules=rules)
        facts = facts_of(claim, rules, opened.environment)
        self._spool.forget_launches(but={own.name, *(origin.name for origin in origins if origin)})
        self._spool.keep_launch(own.name, {**facts, "study": self._study.recorded()})
        self._client.log_dict(opened.run_id, facts, layout.launch_file(own.name_in(opened.run_id)))
        kept = self._spool.launches()
        for origin in origins:
            if origin and origin.study_run != opened.run_id and origin.name in kept:
                self._client.log_dict(opened.run_id, kept[origin.name], layout.launch_file(origin.name))
        self._origin = own

    def _deliver(self, record: Mapping[str, Any]) -> None:
        if self._trials is not None:
            self._confirm()
            self._trials.write(tagged(record, self.study_run_id))

    def _confirm(self) -> None:
        if self._lease is not None:
            self._lease.confirm()

    @property
    def experiment_id(self) -> str:
        """Return the id of the experiment; empty before `open`."""
        return self._opened.experiment_id if self._opened else ""

    @property
    def study_run_id(self) -> str:
        """Return the id of the study run; empty before `open`."""
        return self._opened.run_id if self._opened else ""

    def outcomes(self) -> list[Outcome]:
        """Return how the trials of earlier launches ended, failed ones left out: what had been recorded at `open`.

        And what the spool held then, which may have been delivered since.
        """
        outcomes = {outcome.key: outcome for outcome in self._spooled}
        for run in self._recorded:  # what is recorded counts, also where another launch has run the trial meanwhile
            if run.status == "FINISHED":
                outcomes[run.tags[layout.TRIAL_KEY]] = outcome_of(run)
        return list(outcomes.values())

    def first_environment(self) -> Mapping[str, str]:
        """Return the environment of the first launch; nothing if it cannot be read."""
        with suppress(*TROUBLE):
            return read_artifact(self._client, self.study_run_id, layout.ARTIFACT_ENVIRONMENT)
        return {}

    def hardware(self) -> dict[str, set[str]]:
        """Return on what the recorded trials of each cell ran, by the cell's slug."""
        found: dict[str, set[str]] = {}
        for run in self._recorded:
            if run.status == "FINISHED" and run.tags.get(layout.HARDWARE):
                found.setdefault(run.tags[layout.CELL], set()).add(run.tags[layout.HARDWARE])
        return found

    def put(self, result: TrialResult) -> None:
        """Make a result durable; it is delivered in the background.

        Raises:
            SpoolError: the disk is full to the last, or not writable.
        """
        record = record_of(result)
        path = self._spool.put(marked(record, self._origin) if self._origin else record)
        if self._delivery is not None:
            self._delivery.add(path)

    def check_lease(self) -> None:
        """Look whether the study is still ours to launch.

        Raises:
            LeaseLostError: another launch has taken it over.
        """
        if self._lease is not None and self._lease.lost:
            waiting = f" {self.waiting} results that it may lack stay in {self._spool.folder}." if self.waiting else ""
            raise LeaseLostError(self._lease.lost + waiting)

    @property
    def full(self) -> str:
        """Return what to say when the disk has run full and only its reserve is left; empty otherwise."""
        if not self._spool.is_full:
            return ""
        return (
            f"the disk of {self._spool.folder} is full: no more trials were started, and what had started was kept. "
            "Free some space and launch again."
        )

    @property
    def waiting(self) -> int:
        """Return the number of results that MLflow has not taken yet."""
        return len(self._spool)

    @property
    def trouble(self) -> str:
        """Return why MLflow does not take results at the moment; empty if it does."""
        return self._delivery.trouble if self._delivery else ""

    @property
    def last_delivery(self) -> float:
        """Return when the last result was delivered, on the clock of `time.perf_counter`; 0 if none was."""
        return self._delivery.last_delivery if self._delivery else 0.0

    def flush(self, patience_seconds: float, limit_seconds: float = float("inf")) -> bool:
        """Wait until all results are delivered, and return whether they are.

        Args:
            patience_seconds: gives up when so much time passes without a delivery.
            limit_seconds: gives up after so much time in any case.
        """
        return self._delivery is not None and self._delivery.flush(patience_seconds, limit_seconds)

    def close(self, *, done: bool) -> None:
        """Stop delivering, mark the study run as finished or as interrupted (``KILLED``), and let go of the study.

        Takes seconds, however long MLflow takes: what is not delivered by then waits for the next launch, and the lease
        expires.
        """
        if self._delivery is None or self._lease is None:
            return
        self._delivery.stop(_STOP_SECONDS)
        if not self._lease.lost:
            _within_limit(lambda: self._take_leave(done))

    def _take_leave(self, done: bool) -> None:
        """Write what is left while the study is still ours: once the lease is released, another launch may begin."""
        if self._trials is None or self._lease is None:
            return
        with suppress(LeaseLostError, *TROUBLE):
            self._confirm()
            self._client.set_terminated(self.study_run_id, "FINISHED" if done else "KILLED")
            self._trials.tidy()
        with suppress(LeaseLostError, *TROUBLE):
            self._confirm()
            self._lease.release()

    def _lost(self) -> None:
        """Deliver no more: the study is another launch's now."""
        if self._delivery is not None:
            self._delivery.stop(0.0)

    def _explain(self, error: BaseException) -> str:
        return explain(self._places.tracking_uri, error)

    def _tracker_error(self, error: BaseException) -> TrackerError:
        return TrackerError(self._explain(error))


def _within_limit(farewell: Callable[[], None]) -> None:
    """Do something that MLflow may hold up; it is left to itself after `_STOP_SECONDS`."""

    def quietly() -> None:
        with suppress(*TROUBLE):
            farewell()

    thread = threading.Thread(target=quietly, daemon=True)
    thread.start()
    thread.join(_STOP_SECONDS)


def views_of(study: Study) -> tuple[SharedView, ...]:
    """Return the prepared MLflow pages of `study`."""
    all_cells = cells(study)
    counts: Counter[str] = Counter()
    for planned in planned_trials(study):
        counts[planned.phase] += planned.trials
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
