"""Say what a study would run and how long it would take, without running it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from analysis.enough_seeds import too_few_seeds
from models.data import DataError
from models.importing import first_line
from models.memory import is_out_of_memory
from models.training import Progress, Training, train_with_pauses
from models.workload import Budget, Workload
from sweeps.errors import FairsweepError
from sweeps.protocol import Cell, Planned, Protocol, cells, planned_trials
from sweeps.spec import Study
from sweeps.trial import job_for, memory_advice

#: Updates of the training that measures how fast this machine is.
CALIBRATION_UPDATES = 40
#: What takes longer than this is estimated from the updates that were done until then.
CALIBRATION_SECONDS = 10.0
#: A backward pass takes about as long as two forward passes, and an evaluation has none.
_UPDATE_FORWARD_PASSES = 3


@dataclass(frozen=True)
class CellPlan:
    """What one cell costs.

    Args:
        cell: the cell.
        tune_trials: trials of the tune phase.
        confirm_trials: trials of the confirm phase, at least.
        most_confirm_trials: trials of the confirm phase, at most.
        updates_per_trial: updates of one training at the cell's budget.
        updates: updates of all trials that run in any case.
    """

    cell: Cell
    tune_trials: int
    confirm_trials: int
    most_confirm_trials: int
    updates_per_trial: int
    updates: int

    @property
    def trials(self) -> int:
        """Return the trials of both phases, at least."""
        return self.tune_trials + self.confirm_trials

    @property
    def most_trials(self) -> int:
        """Return the trials of both phases, at most."""
        return self.tune_trials + self.most_confirm_trials


def cell_plans(study: Study) -> tuple[CellPlan, ...]:
    """Return what each cell of `study` costs."""
    by_cell: dict[Cell, list[Planned]] = {cell: [] for cell in cells(study)}
    for planned in planned_trials(study):
        by_cell[planned.cell].append(planned)
    return tuple(_cell_plan(study, cell, planned) for cell, planned in by_cell.items())


def _cell_plan(study: Study, cell: Cell, planned: list[Planned]) -> CellPlan:
    workload = study.workload(cell.workload)
    confirm_trials = sum(group.trials for group in planned if group.phase == "confirm")
    return CellPlan(
        cell=cell,
        tune_trials=sum(group.trials for group in planned if group.phase == "tune"),
        confirm_trials=confirm_trials,
        most_confirm_trials=confirm_trials * study.confirm.max_seeds // study.confirm.seeds,
        updates_per_trial=_updates(workload, cell.budget),
        updates=sum(group.trials * _updates(workload, group.budget) for group in planned),
    )


def balance_note(study: Study) -> str:
    """Say which numbers of draws would fill the search space more evenly; empty where this one does."""
    draws = study.tuning.draws
    below, above = 1 << draws.bit_length() - 1, 1 << draws.bit_length()
    if study.tuning.sampler != "sobol" or draws == below:
        return ""
    return f"Sobol points balance best at powers of two: {below} or {above} draws rather than {draws}."


def verdict_note(study: Study) -> str:
    """Say so where no verdict of better or worse is possible with these seeds; empty where one is."""
    confirm = study.confirm
    decided = confirm.until == "decided"
    seeds = confirm.max_seeds if decided else confirm.seeds
    return too_few_seeds(seeds, study.num_comparisons, study.alpha, sequential=decided)


def untrainable_because(study: Study) -> str:
    """Say why this machine cannot train as the trials of a study do; empty where it can, given the data."""
    return "trials use a GPU, and torch finds none" if study.resources.gpu and not torch.cuda.is_available() else ""


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

    Measures the second of two moments, so that starting torch does not count, or the first if that was a long one.

    Raises:
        DataError: its data cannot be used.
        FairsweepError: memory ran out, or what the workload names from elsewhere raised something.
    """
    first = next(cell for cell in cells(study) if cell.workload == workload.name)
    trial = Protocol(study).next_trial()
    if trial is None:
        raise AssertionError("a new study has a first trial")
    job = job_for(study, trial)
    updates = min(CALIBRATION_UPDATES, _updates(workload, first.budget))
    training = replace(job.training, workload=workload, budget=Budget(unit="updates", amount=updates), evaluations=1)
    threads = torch.get_num_threads()
    torch.set_num_threads(job.threads)  # as a trial does
    try:
        speed, in_time = _moment(training, job.device)
        return _moment(training, job.device)[0] if in_time else speed
    except Exception as error:
        if is_out_of_memory(error):
            raise FairsweepError(f"workload {workload.name}: {memory_advice(workload, job.device)}") from error
        if workload.elsewhere and not isinstance(error, DataError):
            named = ", ".join(workload.elsewhere.values())
            raise FairsweepError(
                f"workload {workload.name}: training with {named} raised {first_line(error)}"
            ) from error
        raise
    finally:
        torch.set_num_threads(threads)


def _moment(training: Training, device: str) -> tuple[Speed, bool]:
    """Measure one training, without its first update if there are more, and whether it came to its end in time."""
    steps = train_with_pauses(training, device)
    next(steps)  # loads the data
    started, updates, updating_seconds = time.perf_counter(), 0, 0.0
    for step in steps:
        seconds = time.perf_counter() - started
        if isinstance(step, Progress):
            per_update = updating_seconds / updates if updates else step.train_seconds
            return Speed(update_seconds=per_update, evaluation_seconds=step.evaluation_seconds), True
        if step.update > updates + 1:
            updates, updating_seconds = step.update - 1, seconds
        if updates and seconds > CALIBRATION_SECONDS:
            break
    per_update, workload = updating_seconds / updates, training.workload
    batches = (workload.num_available - workload.num_train) / workload.batch_size
    return Speed(update_seconds=per_update, evaluation_seconds=batches * per_update / _UPDATE_FORWARD_PASSES), False


def cell_hours(study: Study, plans: tuple[CellPlan, ...]) -> dict[Cell, float]:
    """Estimate the hours of each cell from a short calibration, one trial at a time."""
    speeds = {workload.name: measure_speed(study, workload) for workload in study.workloads}
    return {
        plan.cell: speeds[plan.cell.workload].hours(
            plan.updates, plan.trials * min(study.recording.evaluations, plan.updates_per_trial)
        )
        for plan in plans
    }
