"""One trial as plain code: what to train, and what came of it. No Ray here, so that tests run it in-process."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from models.training import Progress, Training, train
from sweeps.protocol import Outcome, OutcomeKind, Trial
from sweeps.spec import Study


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
        started_at: Unix time in seconds.
        ended_at: Unix time in seconds.
        error: traceback of a failed trial.
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
    """A trial with all that is needed to run it anywhere: picklable, free of the study."""

    trial: Trial
    training: Training
    device: str = "cpu"
    threads: int = 1


def job_for(study: Study, trial: Trial) -> Job:
    """Return the job that runs `trial` of `study`."""
    arm = study.arms[trial.arm]
    training = Training(
        workload=study.workload(trial.cell.workload),
        budget=trial.cell.budget,
        schedule=arm.schedule,
        momentum_policy=arm.momentum_policy,
        settings=trial.settings,
        seed=trial.seed,
        read_test=trial.phase == "confirm",
        evaluations=study.recording.evaluations,
    )
    threads = max(1, int(study.resources.cpu))
    return Job(trial=trial, training=training, device="cuda" if study.resources.gpu else "cpu", threads=threads)


def run_job(job: Job) -> Iterator[Progress | TrialResult]:
    """Yield the progress of a trial, and at last its result.

    An exception in the training does not escape: it is the result, with its traceback.
    """
    started_at, curve, error = time.time(), [], ""
    try:
        for progress in train(job.training, job.device):
            curve.append(progress)
            yield progress
    except Exception:  # noqa: BLE001 (whatever a user's network raises fails this trial, not the sweep)
        error = traceback.format_exc()
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
    )


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
