"""One trial as plain code: what to train, and what came of it. No Ray here, so that tests run it in-process."""

from __future__ import annotations

import gc
import hashlib
import math
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.data.prepared import data_digest
from models.memory import is_out_of_memory
from models.training import (
    Checkpoint,
    CheckpointError,
    Pause,
    Progress,
    Training,
    load_checkpoint,
    remove_checkpoint,
    save_checkpoint,
    train_with_pauses,
    training_identity,
)
from models.workload import Workload
from sweeps.protocol import Outcome, OutcomeKind, Trial
from sweeps.spec import Study

#: A long trial reports at least this often; a shorter one reports once, at its end.
REPORT_SECONDS = 5.0
#: Reports that a trial can miss before it is taken for hung, at the least.
_REPORTS_PER_HANG = 4


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """What came of a trial.

    Args:
        trial: the trial.
        schedule: name of the schedule it used.
        momentum_policy: name of its momentum policy.
        kind: ``finished``, ``diverged`` or ``failed``.
        curve: one entry per evaluation; a diverged trial's last entry is the update where it diverged.
        total_updates: updates of the budget (0 if the trial failed before it knew).
        started_at: Unix time in seconds, of the last attempt.
        ended_at: Unix time in seconds.
        error: traceback of a failed trial, or what is known of why it was lost.
        attempts: how often the trial was begun in this launch; more than 1 if its process or node was lost.
        hardware: what it ran on: kind of accelerator, or model of CPU; empty if it was lost.
        data: hash of the data that it used, see `models.data.prepared.data_digest`; empty if it failed or was lost.
        note: what a reader should know besides, in a sentence or none.
        out_of_memory: whether it failed for want of memory, which it may find at another attempt: trials share nodes.
    """

    trial: Trial
    schedule: str
    momentum_policy: str
    kind: OutcomeKind
    curve: tuple[Progress, ...]
    total_updates: int
    started_at: float
    ended_at: float
    error: str = ""
    attempts: int = 1
    hardware: str = ""
    data: str = ""
    note: str = ""
    out_of_memory: bool = False

    @property
    def outcome(self) -> Outcome:
        """Return what the protocol needs to know."""
        last = self.curve[-1] if self.kind == "finished" else None
        return Outcome(
            key=self.trial.key,
            kind=self.kind,
            validation=last.validation if last else None,
            test=last.test if last else None,
        )


@dataclass(frozen=True, kw_only=True)
class Job:
    """A trial with all that is needed to run it anywhere: picklable, free of the study.

    Args:
        trial: the trial.
        training: what it trains.
        device: where.
        threads: threads of its process.
        checkpoint: file for its state while it runs; None to keep none.
        checkpoint_seconds: how often its state is kept.
        report_seconds: how often its process says that it makes progress.
    """

    trial: Trial
    training: Training
    device: str = "cpu"
    threads: int = 1
    checkpoint: Path | None = None
    checkpoint_seconds: float = math.inf
    report_seconds: float = REPORT_SECONDS

    def __deepcopy__(self, memo: dict[int, Any]) -> Job:  # Tune copies a trial's configuration several times
        return self


def job_for(study: Study, trial: Trial, checkpoints: Path | None = None) -> Job:
    """Return the job that runs `trial` of `study`.

    Args:
        study: the study.
        trial: one of its trials.
        checkpoints: folder for the state of long trials; None to keep none.
    """
    arm = study.arms[trial.arm]
    training = Training(
        workload=study.workload(trial.cell.workload),
        budget=trial.budget,
        schedule=arm.schedule,
        momentum_policy=arm.momentum_policy,
        settings=trial.settings,
        seed=trial.seed,
        read_test=trial.phase == "confirm",
        evaluations=study.recording.evaluations,
    )
    digest = hashlib.blake2b(trial.key.encode(), digest_size=16).hexdigest()
    return Job(
        trial=trial,
        training=training,
        device="cuda" if study.resources.gpu else "cpu",
        threads=max(1, int(study.resources.cpu)),
        checkpoint=checkpoints / f"{digest}.pt" if checkpoints else None,
        checkpoint_seconds=60 * study.faults.checkpoint_minutes,
        report_seconds=min(REPORT_SECONDS, 60 * study.faults.hang_minutes / _REPORTS_PER_HANG),
    )


def run_job(job: Job) -> Iterator[Progress | Pause | TrialResult]:
    """Yield the progress of a trial, pauses in between, and at last its result.

    It goes on from its checkpoint if there is one, keeps its state while it runs, and removes it when it has ended,
    unless memory ran out. An exception in the training does not escape: it is the result, with its traceback.

    Raises:
        RuntimeError: with that traceback as its text, if the process can train no more.
    """
    started_at, error, out_of_memory, data = time.time(), "", False, ""
    keeper = _Keeper(job)
    curve: list[Progress] = []
    try:
        start = keeper.load()
        curve.extend(start.curve if start else ())
        for step in train_with_pauses(job.training, job.device, start):
            if isinstance(step, Progress):
                curve.append(step)
            else:
                keeper.save_if_due(step)
            yield step
        data = _data_digest(job)
    except Exception as raised:  # noqa: BLE001 (whatever a user's network raises fails this trial, not the sweep)
        out_of_memory = is_out_of_memory(raised)
        error = traceback.format_exc()
        if out_of_memory:
            error += f"\n{memory_advice(job.training.workload, job.device)}\n"
    if not out_of_memory:
        keeper.remove()
    if error:
        _clear_up(error)
    diverged = bool(curve) and curve[-1].diverged
    yield TrialResult(
        trial=job.trial,
        schedule=job.training.schedule,
        momentum_policy=job.training.momentum_policy,
        kind="failed" if error else "diverged" if diverged else "finished",
        curve=tuple(curve),
        total_updates=curve[-1].total_updates if curve else 0,
        started_at=started_at,
        ended_at=time.time(),
        error=error,
        data=data,
        note=keeper.note,
        out_of_memory=out_of_memory,
    )


def _data_digest(job: Job) -> str:
    training = job.training
    return data_digest(training.workload, torch.device(job.device), with_test=training.read_test)


class _Keeper:
    """Keep the state of a long trial in its file. Trouble with the file is a note, and never fails the trial."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._saved_at = time.monotonic()
        self.note = ""

    def _identity(self) -> dict[str, str]:
        return {"trial": self._job.trial.key, **training_identity(self._job.training, self._job.device)}

    def load(self) -> Checkpoint | None:
        """Return the state to go on from, if an earlier attempt left one."""
        if self._job.checkpoint is None or not self._job.checkpoint.exists():
            return None
        try:
            return load_checkpoint(self._job.checkpoint, self._identity())
        except CheckpointError as error:
            self.note = f"Began anew: a checkpoint was there, but {error}."
            return None

    def save_if_due(self, pause: Pause) -> None:
        """Write the state of the training, if it is time to."""
        path = self._job.checkpoint
        if path is None or time.monotonic() - self._saved_at < self._job.checkpoint_seconds:
            return
        try:
            save_checkpoint(path, pause.checkpoint(), self._identity())
        except OSError as error:
            self.note = f"A checkpoint could not be written: {error.strerror}."
        self._saved_at = time.monotonic()

    def remove(self) -> None:
        """Remove what was kept: the trial has ended."""
        if self._job.checkpoint:
            remove_checkpoint(self._job.checkpoint)


def memory_advice(workload: Workload, device: str) -> str:
    """Say that memory ran out in a training, and what would need less."""
    at_once = f" and micro_batch {workload.micro_batch}" if workload.micro_batch else ""
    return (
        f"Out of memory on {device} with batch_size {workload.batch_size}{at_once}: set a smaller micro_batch, which "
        "computes a batch in parts, or give each trial more (resources in the study file)."
    )


def _clear_up(error: str) -> None:
    """Free what a failed training held, so that the next trial of this process finds it free.

    Raises:
        RuntimeError: with `error` as its text, if the GPU serves this process no more (an assertion in a kernel).
    """
    gc.collect()
    if not torch.cuda.is_available():
        return
    try:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
    except RuntimeError:
        raise RuntimeError(error) from None


def failed_result(job: Job, error: str) -> TrialResult:
    """Return the result of a trial whose process was lost before it could tell."""
    now = time.time()
    return TrialResult(
        trial=job.trial,
        schedule=job.training.schedule,
        momentum_policy=job.training.momentum_policy,
        kind="failed",
        curve=(),
        total_updates=0,
        started_at=now,
        ended_at=now,
        error=error,
    )


def run_to_end(job: Job) -> TrialResult:
    """Run a trial here and now and return its result."""
    for step in run_job(job):
        if isinstance(step, TrialResult):
            return step
    raise AssertionError("run_job ends with a result")
