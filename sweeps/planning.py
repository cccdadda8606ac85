"""Say what a study would run and how long it would take, without running it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from models.training import train
from models.workload import Budget, Workload
from sweeps.protocol import Cell, Protocol, cells, planned_trials
from sweeps.spec import Study
from sweeps.trial import job_for

#: Updates of the training that measures how fast this machine is.
CALIBRATION_UPDATES = 40


@dataclass(frozen=True)
class CellPlan:
    """What one cell costs.

    Args:
        cell: the cell.
        tune_trials: trials of the tune phase.
        confirm_trials: trials of the confirm phase, at least.
        most_confirm_trials: trials of the confirm phase, at most.
        updates_per_trial: updates of one training.
    """

    cell: Cell
    tune_trials: int
    confirm_trials: int
    most_confirm_trials: int
    updates_per_trial: int

    @property
    def trials(self) -> int:
        """Return the trials of both phases, at least."""
        return self.tune_trials + self.confirm_trials

    @property
    def most_trials(self) -> int:
        """Return the trials of both phases, at most."""
        return self.tune_trials + self.most_confirm_trials

    @property
    def updates(self) -> int:
        """Return the updates of all trials that run in any case."""
        return self.trials * self.updates_per_trial


def cell_plans(study: Study) -> tuple[CellPlan, ...]:
    """Return what each cell of `study` costs."""
    counts: dict[tuple[Cell, str], int] = {}
    for cell, _, phase, _, _ in planned_trials(study):
        counts[cell, phase] = counts.get((cell, phase), 0) + 1
    return tuple(
        CellPlan(
            cell=cell,
            tune_trials=counts.get((cell, "tune"), 0),
            confirm_trials=counts.get((cell, "confirm"), 0),
            most_confirm_trials=counts.get((cell, "confirm"), 0) * study.confirm.max_seeds // study.confirm.seeds,
            updates_per_trial=_updates(study.workload(cell.workload), cell.budget),
        )
        for cell in cells(study)
    )


def _updates(workload: Workload, budget: Budget) -> int:
    return budget.total_updates(workload.num_train, workload.batch_size)


@dataclass(frozen=True)
class Speed:
    """How fast this machine trains a workload.

    Args:
        update_seconds: seconds per update.
        evaluation_seconds: seconds per evaluation of the validation part.
    """

    update_seconds: float
    evaluation_seconds: float

    def hours(self, updates: int, evaluations: int) -> float:
        """Return the hours that many updates and evaluations take, one trial at a time."""
        return (updates * self.update_seconds + evaluations * self.evaluation_seconds) / 3600


def measure_speed(study: Study, workload: Workload) -> Speed:
    """Train `workload` for a moment, with the settings of a first draw, and measure.

    Runs twice and measures the second time, so that loading data and starting torch do not count.
    """
    first = next(cell for cell in cells(study) if cell.workload == workload.name)
    trial = Protocol(study).next_trial()
    if trial is None:
        raise AssertionError("a new study has a first trial")
    job = job_for(study, trial)
    updates = min(CALIBRATION_UPDATES, _updates(workload, first.budget))
    training = replace(job.training, workload=workload, budget=Budget(unit="updates", amount=updates), evaluations=1)
    wall_seconds, train_seconds, done = 0.0, 0.0, 1
    threads = torch.get_num_threads()
    torch.set_num_threads(job.threads)  # as a trial does
    try:
        for _ in range(2):
            started = time.perf_counter()
            for progress in train(training, job.device):
                train_seconds, done = progress.train_seconds, max(progress.update, 1)
            wall_seconds = time.perf_counter() - started
    finally:
        torch.set_num_threads(threads)
    return Speed(update_seconds=train_seconds / done, evaluation_seconds=max(wall_seconds - train_seconds, 0.0))


def cell_hours(study: Study, plans: tuple[CellPlan, ...]) -> dict[Cell, float]:
    """Estimate the hours of each cell from a short calibration, one trial at a time."""
    speeds = {workload.name: measure_speed(study, workload) for workload in study.workloads}
    return {
        plan.cell: speeds[plan.cell.workload].hours(
            plan.updates, plan.trials * min(study.recording.evaluations, plan.updates_per_trial)
        )
        for plan in plans
    }
