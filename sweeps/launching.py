"""Launch or resume a study: protocol, recorder and runner wired together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from models.data import DataError, load_train
from models.training import Progress
from sweeps.board import Board
from sweeps.errors import InputError
from sweeps.places import Places
from sweeps.protocol import Protocol, Trial
from sweeps.provenance import environment
from sweeps.recording import Recorder
from sweeps.recording.spool import exclusive
from sweeps.runner import Observer, run_protocol
from sweeps.spec import Study
from sweeps.trial import TrialResult

#: How long a launch that has ended waits for a tracking server that takes nothing.
PATIENCE_SECONDS = 30.0


@dataclass
class Launch:
    """A study that is being run.

    Args:
        study: the study.
        places: where things are kept.
        recorder: writes results; open.
        protocol: has been told what earlier launches recorded.
        board: counts, kept up to date.
        resumed: number of trials that earlier launches had ended.
        failures: results of the trials that failed in this launch.
        undelivered: results that MLflow had not taken when the launch ended; they wait in the spool.
    """

    study: Study
    places: Places
    recorder: Recorder
    protocol: Protocol
    board: Board
    resumed: int
    failures: list[TrialResult] = field(default_factory=list)
    undelivered: int = 0

    @property
    def is_complete(self) -> bool:
        """Tell whether every trial that can run has a result."""
        return self.protocol.is_done and not self.failures

    def run(self, *, address: str = "local", max_concurrent: int | None = None) -> None:
        """Run all that is left.

        Raises:
            ClusterError: the cluster cannot be used.
            SpoolError: results cannot be kept.
            KeyboardInterrupt: the user stopped the launch.
        """
        observer = Observer(started=_ignore_start, progressed=_ignore_progress, ended=self._ended)
        if self.protocol.has_work():
            run_protocol(
                self.protocol,
                observer,
                address=address,
                max_concurrent=max_concurrent,
                scratch=self.places.scratch(self.study.study),
            )
        self.board.follow(self.protocol)

    def _ended(self, result: TrialResult) -> None:
        self.recorder.put(result)
        if result.kind == "failed":
            self.failures.append(result)
        self.board.add(result.outcome, result.ended_at - result.started_at)
        self.board.follow(self.protocol)


@contextmanager
def prepared(study: Study, places: Places) -> Iterator[Launch]:
    """Open the record of `study`, replay what it holds, and close it at the end of the block.

    Raises:
        InputError: the data cannot be read, the study is being launched already, or its rules have changed.
        TrackerError: MLflow cannot be reached.
    """
    check_data(study)
    with exclusive(places.spool(study.study), study.study):
        recorder = Recorder(study, places)
        recorder.open(environment())
        protocol, board = Protocol(study), Board(study)
        outcomes = recorder.outcomes()
        for outcome in outcomes:
            protocol.record(outcome)
            board.add(outcome)
        protocol.has_work()  # replays what is recorded
        board.follow(protocol)
        launch = Launch(study, places, recorder, protocol, board, resumed=len(outcomes))
        try:
            yield launch
        finally:
            delivered = recorder.flush(PATIENCE_SECONDS)
            launch.undelivered = 0 if delivered else recorder.waiting
            recorder.close(done=launch.is_complete)


def check_data(study: Study) -> None:
    """Load the training part of every workload once, so that a missing data set is found before anything starts.

    Raises:
        InputError: a data set cannot be read.
    """
    for index, workload in enumerate(study.workloads):
        try:
            load_train(workload.dataset, workload.data_root)
        except DataError as error:
            raise InputError(f"workloads[{index}] {workload.name}: {error}") from error


def _ignore_start(trial: Trial) -> None:
    pass


def _ignore_progress(trial: Trial, progress: Progress) -> None:
    pass
