"""Run experiments on several processes; the result does not depend on how many."""

from __future__ import annotations

import gc
import multiprocessing
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from tests.calibration.experiments import Experiment, Table
from tests.calibration.judgement import Judgement, judge

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A share of an experiment that one process runs in one go."""

    table: str
    experiment: int
    chunk: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a task yielded: hits and answers per column, or the reason why it failed."""

    task: Task
    hits: tuple[float, ...] = ()
    answers: tuple[int, ...] = ()
    seconds: float = 0.0
    failure: str = ""


@dataclass(kw_only=True)
class Tally:
    """The sums of all tasks of one experiment."""

    experiment: Experiment
    hits: list[float] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    simulations: int = 0
    seconds: float = 0.0
    failure: str = ""

    def add(self, outcome: Outcome) -> None:
        """Add what a task yielded; the first failure stays."""
        self.seconds += outcome.seconds
        if outcome.failure:
            self.failure = self.failure or outcome.failure
            return
        self.simulations += outcome.task.count
        self.hits = _added(self.hits, outcome.hits)
        self.answers = _added(self.answers, outcome.answers)

    def judgement(self, column: str) -> Judgement:
        """Judge one cell over the simulations that gave an answer."""
        index = self.experiment.columns.index(column)
        return judge(self.experiment.claim(column), self.hits[index], self.answers[index])

    def share_without_answer(self, column: str) -> float:
        """Return how often the statistic gave no answer."""
        return 1 - self.answers[self.experiment.columns.index(column)] / self.simulations


def _added(sums: Sequence[Number], more: Sequence[Number]) -> list[Number]:
    return [a + b for a, b in zip(sums or [0] * len(more), more, strict=True)]


def tasks_of(tables: Sequence[Table], share: float = 1.0) -> list[Task]:
    """Split all experiments, or this share of their simulations, into tasks."""
    tasks = []
    for table in tables:
        for index, experiment in enumerate(table.experiments):
            total = max(round(share * experiment.simulations), 1)
            for chunk, start in enumerate(range(0, total, experiment.chunk)):
                count = min(experiment.chunk, total - start)
                tasks.append(Task(table=table.name, experiment=index, chunk=chunk, count=count))
    return tasks


def run_task(task: Task, experiment: Experiment) -> Outcome:
    """Run one task; whatever goes wrong is the outcome."""
    started = time.perf_counter()
    # The seed depends on what is simulated, not on the order or number of the other experiments.
    key = zlib.crc32("/".join([task.table, *experiment.row, *experiment.columns]).encode())
    generator = np.random.default_rng([key, task.chunk])
    try:
        outcomes = np.asarray(experiment.simulate(generator, task.count), dtype=np.float64)
        table = outcomes.reshape(task.count, len(experiment.columns))
    except Exception as error:  # noqa: BLE001 (one failing experiment must not stop the others)
        where = traceback.extract_tb(error.__traceback__)[-1]
        failure = f"{type(error).__name__}: {error} ({where.filename.rpartition('/')[2]}:{where.lineno})"
        return Outcome(task=task, seconds=time.perf_counter() - started, failure=failure)
    return Outcome(
        task=task,
        hits=tuple(float(hits) for hits in np.nansum(table, axis=0)),
        answers=tuple(int(answers) for answers in np.isfinite(table).sum(axis=0)),
        seconds=time.perf_counter() - started,
    )


_LOADED: dict[str, Table] = {}


def _prepare_worker() -> None:
    from tests.calibration.catalogue import load_tables

    _LOADED.update({table.name: table for table in load_tables()[0]})
    # statsmodels collects garbage at every call of multipletests, which takes 50 ms with all these modules loaded.
    gc.freeze()


def _run_in_worker(task: Task) -> Outcome:
    return run_task(task, _LOADED[task.table].experiments[task.experiment])


def measure(
    tables: Sequence[Table], *, processes: int, share: float = 1.0, progress: Callable[[int, int, Task], None]
) -> dict[str, list[Tally]]:
    """Run all experiments and return one tally per experiment, by table.

    Args:
        tables: From the catalogue: with several processes each of these reads it anew.
        processes: 1 runs everything in this process.
        share: Of the simulations of each experiment to run, in (0, 1].
        progress: Called with the number of finished tasks, the number of all, and the task that has just ended.
    """
    tallies = {table.name: [Tally(experiment=e) for e in table.experiments] for table in tables}
    tasks = tasks_of(tables, share)
    outcomes = _in_this_process(tasks, tallies) if processes == 1 else _in_processes(tasks, processes)
    for done, outcome in enumerate(outcomes, start=1):
        tallies[outcome.task.table][outcome.task.experiment].add(outcome)
        progress(done, len(tasks), outcome.task)
    return tallies


def _in_this_process(tasks: Sequence[Task], tallies: dict[str, list[Tally]]) -> Iterator[Outcome]:
    for task in tasks:
        yield run_task(task, tallies[task.table][task.experiment].experiment)


def _in_processes(tasks: Sequence[Task], processes: int) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _prepare_worker) as pool:
        futures = {pool.submit(_run_in_worker, task): task for task in tasks}
        for future in as_completed(futures):
            error = future.exception()  # a worker that was killed
            yield future.result() if error is None else Outcome(task=futures[future], failure=repr(error))
