"""Hand the protocol's trials to Tune, again if they are lost, and pass on what came of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from models.training import Progress
from sweeps.cluster.placement import Lanes, Placement
from sweeps.faults import Fault, fault_of, halt_message, runs_again, signature
from sweeps.protocol import Protocol, Trial
from sweeps.runner.actor import JOB, PROGRESS, RESULT
from sweeps.trial import Job, TrialResult, failed_result, job_for


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What the trials that are handed out do at a moment.

    Args:
        running: keys of those that train.
        starting: number of those whose process starts, or takes them over.
        waiting: number of those for which there is no room.
    """

    running: frozenset[str]
    starting: int
    waiting: int


@dataclass(frozen=True)
class Observer:
    """What to call as a study runs, in the launching process. An exception ends the run and comes out of it.

    Args:
        started: a trial was handed to the cluster.
        progressed: a long trial makes progress; with its last evaluation, if there was one since the last call.
        active: told every second or so what the trials do.
        ended: a trial ended; must make the result durable before it returns.
        halted: returns why no more trials should be handed out, else nothing.
    """

    started: Callable[[Trial], None]
    progressed: Callable[[Trial, Progress | None], None]
    active: Callable[[Activity], None]
    ended: Callable[[TrialResult], None]
    halted: Callable[[], str]


class ObserverError(BaseException):
    """The observer or the protocol raised: carry its exception through Tune, which swallows those of its searchers.

    Args:
        error: what was raised.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def _ends_the_run() -> Iterator[None]:
    """Let whatever is raised here, by the observer or the protocol, end the run instead of vanishing in Tune."""
    try:
        yield
    except Exception as error:
        raise ObserverError(error) from error


class ProtocolSearcher(Searcher):
    """Hand the protocol's trials to Tune, and what came of them to the protocol and the observer.

    To Tune every attempt is a trial of its own, that may fail once: retries are counted here.

    Args:
        protocol: says what runs next.
        observer: told what happens.
        placement: where the trials of each cell run.
        checkpoints: folder for the state of long trials.
    """

    def __init__(self, protocol: Protocol, observer: Observer, placement: Placement, checkpoints: Path) -> None:
        super().__init__(metric="unused", mode="max")
        self.halted = ""
        self.faults = protocol.study.faults
        self._protocol = protocol
        self._observer = observer
        self._checkpoints = checkpoints
        self._lanes = Lanes(protocol.next_trial, placement)
        self._jobs: dict[str, Job] = {}  # by Tune's id of the attempt
        self._faults: dict[str, Fault] = {}  # likewise
        self._slots = placement.total
        self._attempts: Counter[str] = Counter()  # by the trial's key, as the next
        self._losses: Counter[str] = Counter()
        self._unbegun: Counter[str] = Counter()
        self._furthest: dict[str, int] = {}  # the last update that any attempt has told
        self._failures: Counter[str] = Counter()  # by signature

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # FINISHED is a str
        """Return the next job, None to wait, or FINISHED."""
        finished: str = Searcher.FINISHED
        self.look()
        with _ends_the_run():
            trial = None if self.halted else self._lanes.next()
            if trial is None:
                return finished if self.halted or self._protocol.is_done else None
            job = job_for(self._protocol.study, trial, self._checkpoints)
            self._observer.started(trial)
        self._jobs[trial_id] = job
        self._attempts[trial.key] += 1
        return {JOB: job}

    @property
    def is_closing(self) -> bool:
        """Tell whether every trial of the study has ended or runs."""
        return self._protocol.is_closing and self._lanes.is_empty

    def look(self) -> None:
        """Ask the observer whether to go on, also while nothing ends."""
        with _ends_the_run():
            self.halted = self.halted or self._observer.halted()

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass on the progress of a long trial. One that got further than all attempts before it starts afresh."""
        if PROGRESS not in result:
            return
        trial, progress = self._jobs[trial_id].trial, result[PROGRESS]
        if progress is not None and progress.update > self._furthest.get(trial.key, 0):
            self._furthest[trial.key] = progress.update
            self._losses.pop(trial.key, None)
        with _ends_the_run():
            self._observer.progressed(trial, progress)

    def note_activity(self, running: Iterable[str], starting: Iterable[str]) -> None:
        """Pass on which attempts train, and which have a process that starts; by Tune's ids."""
        keys = frozenset(self._jobs[trial_id].trial.key for trial_id in running if trial_id in self._jobs)
        begin = sum(trial_id in self._jobs for trial_id in starting)
        waiting = max(len(self._jobs) - len(keys) - begin, 0)
        with _ends_the_run():
            self._observer.active(Activity(running=keys, starting=begin, waiting=waiting))

    def note_fault(self, trial_id: str, fault: Fault) -> None:
        """Take note of why an attempt is about to end without a result."""
        self._faults[trial_id] = fault

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Make the result durable and let the protocol go on, or hand the trial out again."""
        job = self._jobs.pop(trial_id, None)
        if job is None:
            return
        fault = self._faults.pop(trial_id, None)
        with _ends_the_run():
            if error or not result or RESULT not in result:
                fault = fault or fault_of(None)
                self._lose(fault, failed_result(job, fault.message))
            elif result[RESULT].out_of_memory:
                self._lose(Fault(kind="lost", message=result[RESULT].error), result[RESULT])
            else:
                self._end(result[RESULT])

    def _lose(self, fault: Fault, result: TrialResult) -> None:
        """Hand a trial out again, or end it with `result` where that has been done often enough."""
        key, kind = result.trial.key, fault.kind
        if kind == "unbegun":
            self._attempts[key] -= 1
            self._unbegun[key] += 1
            if self._unbegun[key] > self._slots:  # more than can have died idle: it is the trial that kills them
                kind = "lost"
        self._losses[key] += kind == "lost"
        if runs_again(kind, self._losses[key], self.faults.retries) and not self.halted:
            self._lanes.put_back(result.trial)
        else:
            self._end(result)

    def _end(self, result: TrialResult) -> None:
        key = result.trial.key
        self._lanes.ended(result.trial)
        for kept in (self._losses, self._unbegun, self._furthest):
            kept.pop(key, None)
        result = replace(result, attempts=max(self._attempts.pop(key, 1), 1))
        self._observer.ended(result)
        self._protocol.record(result.outcome)
        if result.kind == "failed":
            self._failures[signature(result.error)] += 1
            self.halted = self.halted or halt_message(self._failures, self.faults.stop_after)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing: the Tuner pickles what it is given, for a restore that is never done."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> ProtocolSearcher:
        return self

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the record in MLflow is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""
