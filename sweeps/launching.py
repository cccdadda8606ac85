"""Launch or resume a study: protocol, recorder, cluster and runner wired together."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from models.data import DataError
from models.data.prepared import data_facts
from models.training import Progress, cpu_computes_in
from sweeps.board import Board
from sweeps.cluster.addresses import ClusterError
from sweeps.cluster.capacity import placed, shortage
from sweeps.cluster.joining import joined
from sweeps.cluster.placement import Placement
from sweeps.cluster.vitals import dead_here
from sweeps.errors import InputError
from sweeps.extending import Change
from sweeps.imports import check_networks
from sweeps.places import Places
from sweeps.protocol import OtherDraw, Outcome, Protocol, Trial, cells
from sweeps.provenance import environment, package_versions
from sweeps.recording import Recorder
from sweeps.recording.spool import exclusive
from sweeps.runner import Activity, Observer, run_protocol
from sweeps.spec import Study
from sweeps.trial import TrialResult

#: How long a launch that has ended waits for a tracking server that takes nothing.
PATIENCE_SECONDS = 30.0
#: How long a launch that was stopped goes on delivering.
STOP_SECONDS = 10.0
#: How long trials wait for room, and none runs, before that is said.
IDLE_SECONDS = 30.0
#: A thread that delivers computes; by default the launching thread would wait 5 ms for the interpreter at every turn.
_SWITCH_SECONDS = 0.0005
#: What makes the points of a search.
_DRAWN_BY = ("fairsweep", "scipy", "numpy")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a study runs.

    Args:
        address: of the Ray cluster, see `sweeps.cluster.joining.joined`.
        max_concurrent: trials at a time; None for as many as fit.
        allow_open: use a cluster even if it answers to requests without a token.
    """

    address: str = "local"
    max_concurrent: int | None = None
    allow_open: bool = False


HERE = Target()


@dataclass(kw_only=True)
class Launch:
    """A study that is being run.

    Args:
        study: the study.
        places: where things are kept.
        recorder: writes results; open.
        protocol: has been told what earlier launches recorded.
        board: counts, kept up to date.
        placement: where trials run, on a cluster that is joined until `run` ends; None if nothing is left to run.
        target: where the study runs.
        cluster: leaves the cluster.
        resumed: number of trials that earlier launches had ended.
        failures: results of the trials that failed in this launch.
        undelivered: results that MLflow had not taken when the launch ended; they wait in the spool.
        halted: why no more trials were handed out although some were left; empty if that did not happen.
    """

    study: Study
    places: Places
    recorder: Recorder
    protocol: Protocol
    board: Board
    placement: Placement | None
    target: Target
    cluster: ExitStack
    resumed: int
    failures: list[TrialResult] = field(default_factory=list)
    undelivered: int = 0
    halted: str = ""
    _idle_since: float | None = field(init=False, default=None)

    @property
    def is_complete(self) -> bool:
        """Tell whether every trial that can run has a result."""
        return self.protocol.is_done and not self.failures and not self.halted

    @property
    def extension(self) -> tuple[Change, ...]:
        """Return how the study extends the rules that trials were recorded under before."""
        return self.recorder.extension

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what the user should know of where trials run, one sentence each."""
        if self.placement is None:
            return ()
        slow = slow_precisions(self.study) if self.target.address == "local" else ()
        return (*self.placement.notes, *self._too_many(self.placement), *slow)

    def _too_many(self, placement: Placement) -> tuple[str, ...]:
        asked = self.target.max_concurrent
        if asked is None or placement.limit(asked) == asked:
            return ()
        return (f"{asked} trials at a time were asked for; {placement.total} have room.",)

    @property
    def trouble(self) -> str:
        """Return what stands in the way at the moment, in a sentence that says what becomes of it; else nothing."""
        if self.recorder.trouble:
            return f"{self.recorder.trouble}. Training goes on; results wait on disk."
        found = shortage(self.placement) if self.placement else ""
        since = self._idle_since
        if found or since is None or self.target.address == "local" or time.monotonic() - since < IDLE_SECONDS:
            return found
        return "Other work takes all room on the cluster at the moment; trials wait for it."

    def run(self) -> None:
        """Run all that is left, and leave the cluster.

        Raises:
            ClusterError: the cluster cannot be used.
            SpoolError: results cannot be kept.
            LeaseLostError: another launch has taken the study over.
            KeyboardInterrupt: the user stopped the launch.
        """
        observer = Observer(
            started=self._started,
            progressed=self._progressed,
            active=self._active,
            ended=self._ended,
            halted=self._reason_to_halt,
        )
        with self.cluster, _responsive():
            if self.placement is not None:
                self.halted = run_protocol(
                    self.protocol,
                    observer,
                    self.placement,
                    max_concurrent=self.target.max_concurrent,
                    scratch=self.places.scratch(self.study.study),
                    checkpoints=self.places.checkpoints(self.study.study),
                )
        self.board.follow(self.protocol)
        if self.is_complete:  # also where nothing was left to run but a killed launch left its files
            for folder in (self.places.checkpoints(self.study.study), self.places.scratch(self.study.study)):
                shutil.rmtree(folder, ignore_errors=True)

    def _started(self, trial: Trial) -> None:
        self.board.begin(trial.key)

    def _ended(self, result: TrialResult) -> None:
        self.recorder.put(result)
        if result.kind == "failed":
            self.failures.append(result)
        self.board.add(result.outcome, result.ended_at - result.started_at)
        self.board.follow(self.protocol)
        self.recorder.check_lease()

    def _progressed(self, trial: Trial, progress: Progress | None) -> None:
        if progress is not None:
            self.board.progress(trial.key, progress.update / progress.total_updates)
        self.recorder.check_lease()

    def _active(self, activity: Activity) -> None:
        self.board.train(activity.running)
        if activity.running or activity.starting or not activity.waiting:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = time.monotonic()

    def _reason_to_halt(self) -> str:
        self.recorder.check_lease()
        if self.target.address == "local" and (dead_here() or (self.placement and shortage(self.placement))):
            raise ClusterError("Ray on this machine has died. All trials that had ended are safe; launch again.")
        return self.recorder.full


@contextmanager
def prepared(
    study: Study, places: Places, target: Target = HERE, say: Callable[[str], None] = lambda _: None
) -> Iterator[Launch]:
    """Open the record of `study`, replay what it holds, join the cluster, and close the record at the end of the block.

    A cluster that cannot run a new study is found out before the study is recorded.

    Args:
        study: the validated study.
        places: where things are kept.
        target: where it runs.
        say: told in a line what is being waited for.

    Raises:
        InputError: the data cannot be read, the study is being launched already, its rules have changed, or its draws
            would not be the recorded ones.
        ClusterError: the cluster cannot be used.
        TrackerError: MLflow cannot be reached.
    """
    facts = {**check_networks(study), **check_data(study)}
    with exclusive(places.spool(study.study), study.study), ExitStack() as cluster:
        recorder = Recorder(study, places, announce=say)
        if not (is_recorded := recorder.is_recorded()):
            cluster.enter_context(joined(target.address, allow_open=target.allow_open))
            placed(cells(study), study.resources, {}, say)
        recorder.open({**environment(), **facts})
        launch, limit_seconds = None, STOP_SECONDS
        try:
            outcomes = recorder.outcomes()
            protocol, board = _replayed(study, outcomes)
            if others := protocol.other_draws():
                raise InputError(_other_sequence(others, recorder.first_environment()))
            placement = None
            if protocol.has_work():
                if is_recorded:
                    cluster.enter_context(joined(target.address, allow_open=target.allow_open))
                begun = recorder.hardware()
                unfinished = {cell.slug: begun[cell.slug] for cell in board.open_cells if cell.slug in begun}
                placement = placed(protocol.cells, study.resources, unfinished, say)
            launch = Launch(
                study=study,
                places=places,
                recorder=recorder,
                protocol=protocol,
                board=board,
                placement=placement,
                target=target,
                cluster=cluster,
                resumed=len(outcomes),
            )
            yield launch
            limit_seconds = float("inf")
        finally:
            delivered = recorder.flush(PATIENCE_SECONDS, limit_seconds)
            recorder.close(done=launch is not None and launch.is_complete)
            if launch is not None:
                launch.undelivered = 0 if delivered else recorder.waiting


def slow_precisions(study: Study) -> tuple[str, ...]:
    """Say, in a sentence each, which precisions of a study the CPU of this machine has no instructions for."""
    if study.resources.gpu:
        return ()
    slow = {workload.precision for workload in study.workloads if not cpu_computes_in(workload.precision)}
    return tuple(
        f"The CPU of this machine has no instructions for precision {precision}, and takes several times as long with "
        "it as with fp32."
        for precision in sorted(slow)
    )


def _replayed(study: Study, outcomes: list[Outcome]) -> tuple[Protocol, Board]:
    """Return a protocol that has been told what is recorded, and its counts."""
    protocol, board = Protocol(study), Board(study)
    for outcome in outcomes:
        protocol.record(outcome)
    protocol.replay()
    board.follow(protocol)
    return protocol, board


def _other_sequence(others: tuple[OtherDraw, ...], recorded: Mapping[str, str]) -> str:
    """Say that the draws on record are not those of this installation, and what to do about it."""
    first, here = others[0], package_versions()
    versions = ", ".join(
        f"{name} {recorded.get(f'version_{name}', 'of an unknown version')} (here {here[name]})" for name in _DRAWN_BY
    )
    draws = len({other.key for other in others})
    return (
        f"{first.name} of {first.key} must be {first.recorded}, as it is on record; got {first.drawn} "
        f"({draws} recorded draws differ). The study was begun with {versions}, and this installation draws other "
        f"points: arms would not share their draws. Launch with the versions on record, or give the study another name."
    )


@contextmanager
def _responsive() -> Iterator[None]:
    """Let this thread have the interpreter soon, whatever other threads compute."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def check_data(study: Study) -> dict[str, str]:
    """Load the training part of every workload once, so that a missing data set is found before anything starts.

    Returns:
        What is worth recording of the data, by ``data.WORKLOAD.FACT``; see `data_facts`.

    Raises:
        InputError: a data set cannot be read.
    """
    found: dict[str, str] = {}
    for index, workload in enumerate(study.workloads):
        try:
            facts = data_facts(workload)
        except DataError as error:
            lines = str(error).splitlines()
            raise InputError("\n".join(f"workloads[{index}] {workload.name}: {line}" for line in lines)) from error
        found |= {f"data.{workload.name}.{name}": text for name, text in facts.items()}
    return found
