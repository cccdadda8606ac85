"""Say how many trials a study has, and how long each is, without drawing settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from models.workload import Budget
from sweeps.protocol.ladder import Rung, ladder
from sweeps.protocol.values import Cell, Phase, cells
from sweeps.spec import Study


@dataclass(frozen=True, kw_only=True)
class Planned:
    """Trials of a study that differ in draw, seed and search only.

    Args:
        cell: workload and budget that they belong to.
        arm: name of the arm.
        phase: tune or confirm.
        budget: the length of each training.
        rung: the rung of successive halving; None at the cell's own budget.
        trials: how many there are; where seeds are added until a cell is decided, how many run in any case.
    """

    cell: Cell
    arm: str
    phase: Phase
    budget: Budget
    rung: int | None
    trials: int


def planned_trials(study: Study) -> Iterator[Planned]:
    """Yield the trials of a study, by cell, arm, phase and length.

    An arm whose draws all diverge in a cell has no winner, so that its confirm trials never run.
    """
    for cell in cells(study):
        rungs = ladder(study.tuning, cell.budget)
        for name, arm in study.arms.items():
            searches = 1 if arm.as_published else study.tuning.searches
            for rung in () if arm.as_published else rungs:
                yield _tuning(cell, name, rung, searches)
            yield Planned(
                cell=cell,
                arm=name,
                phase="confirm",
                budget=cell.budget,
                rung=None,
                trials=searches * study.confirm.seeds,
            )


def _tuning(cell: Cell, arm: str, rung: Rung, searches: int) -> Planned:
    trials = searches * rung.draws
    return Planned(cell=cell, arm=arm, phase="tune", budget=rung.budget, rung=rung.number, trials=trials)
