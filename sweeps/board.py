"""Count how far a study is: per cell and arm, and in time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sweeps.protocol import Cell, Outcome, Protocol, cells, is_on_rung, planned_trials
from sweeps.spec import Study


@dataclass
class Tally:
    """Counts of one arm in one cell.

    Args:
        draws: tune trials planned.
        seeds: confirm trials planned, at least.
        most_seeds: confirm trials at most: more where seeds are added until a cell is decided.
        tuned: tune trials ended, diverged ones included.
        confirmed: confirm trials ended, diverged ones included.
        diverged: of these, diverged ones.
        failed: trials of this launch without a result.
        best: best validation metric so far at the cell's own budget.
    """

    draws: int = 0
    seeds: int = 0
    most_seeds: int = 0
    tuned: int = 0
    confirmed: int = 0
    diverged: int = 0
    failed: int = 0
    best: float | None = None

    @property
    def planned(self) -> int:
        """Return the number of trials planned, at least."""
        return self.draws + self.seeds

    @property
    def most_planned(self) -> int:
        """Return the number of trials planned, at most."""
        return self.draws + self.most_seeds

    @property
    def ended(self) -> int:
        """Return the number of trials with a result."""
        return self.tuned + self.confirmed


@dataclass
class Board:
    """The state of a study in numbers.

    Args:
        study: the study.
    """

    study: Study
    tallies: dict[tuple[Cell, str], Tally] = field(init=False)
    _seconds: dict[Cell, list[float]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.tallies = {(cell, arm): Tally() for cell in cells(self.study) for arm in self.study.arms}
        for planned in planned_trials(self.study):
            tally = self.tallies[planned.cell, planned.arm]
            if planned.phase == "tune":
                tally.draws += planned.trials
            else:
                tally.seeds += planned.trials
        for tally in self.tallies.values():
            tally.most_seeds = tally.seeds * self.study.confirm.max_seeds // self.study.confirm.seeds

    @property
    def total(self) -> Tally:
        """Return the sums over cells and arms."""
        total = Tally()
        for tally in self.tallies.values():
            for name in ("draws", "seeds", "most_seeds", "tuned", "confirmed", "diverged", "failed"):
                setattr(total, name, getattr(total, name) + getattr(tally, name))
        return total

    @property
    def open_cells(self) -> tuple[Cell, ...]:
        """Return the cells of which not all planned trials have ended."""
        return tuple(dict.fromkeys(cell for (cell, _), tally in self.tallies.items() if tally.ended < tally.planned))

    def add(self, outcome: Outcome, seconds: float | None = None) -> None:
        """Count a trial that ended, and the wall seconds it took if it ran in this launch."""
        workload, budget, arm, phase, *_ = outcome.key.split("/")
        found = next((cell for cell, _ in self.tallies if cell.slug == f"{workload}/{budget}"), None)
        if found is None or (found, arm) not in self.tallies:
            return
        self._count(self.tallies[found, arm], phase, outcome)
        if seconds is not None:
            self._seconds.setdefault(found, []).append(seconds)

    def follow(self, protocol: Protocol) -> None:
        """Count what earlier launches recorded and the protocol has come to, and take over the confirm trials to come.

        Their number changes where a search has no winner, and where seeds are added until a cell is decided.
        """
        for outcome in protocol.take_met():
            self.add(outcome)
        for (cell, arm), tally in self.tallies.items():
            winners = protocol.num_winners(cell, arm)
            tally.seeds, tally.most_seeds = (winners * blocks for blocks in protocol.blocks(cell))

    def hours_left(self, slots: int) -> float | None:
        """Estimate the hours left with `slots` trials at a time; None before the first trial has ended.

        Seeds that may be added until a cell is decided do not count.

        A cell without a finished trial is taken to cost in proportion to its budget, at the rate of the longest known.
        """
        if not self._seconds:
            return None
        means = {cell: sum(seconds) / len(seconds) for cell, seconds in self._seconds.items()}
        longest = max(means, key=lambda cell: cell.budget.amount)
        rate = means[longest] / longest.budget.amount
        left = sum(
            max(tally.planned - tally.ended, 0) * means.get(cell, rate * cell.budget.amount)
            for (cell, _), tally in self.tallies.items()
        )
        return left / max(slots, 1) / 3600

    @staticmethod
    def _count(tally: Tally, phase: str, outcome: Outcome) -> None:
        if outcome.kind == "failed":
            tally.failed += 1
            return
        tally.tuned += phase == "tune"
        tally.confirmed += phase == "confirm"
        tally.diverged += outcome.kind == "diverged"
        if phase == "tune" and outcome.validation is not None and not is_on_rung(outcome.key):
            tally.best = outcome.validation if tally.best is None else max(tally.best, outcome.validation)


def board_of(study: Study, outcomes: Iterable[Outcome]) -> Board:
    """Return the state of a study of which these trials have ended."""
    board, protocol = Board(study), Protocol(study)
    for outcome in outcomes:
        protocol.record(outcome)
    protocol.replay()
    board.follow(protocol)
    return board
