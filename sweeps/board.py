"""Count how far a study is: per cell and arm, and in time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

from sweeps.protocol import Cell, Outcome, Protocol, cells, planned_trials, rung_of
from sweeps.spec import Study

#: Trainings of one length: a cell, and the rung of successive halving or None at the cell's own budget.
Length = tuple[Cell, int | None]


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
        early: confirm trials of an earlier launch that count if the draws that lead now win: draws were added since.
        failed: trials without a result: those of this launch, or of all where no launch is followed.
        best: best validation metric so far at the cell's own budget.
    """

    draws: int = 0
    seeds: int = 0
    most_seeds: int = 0
    tuned: int = 0
    confirmed: int = 0
    diverged: int = 0
    early: int = 0
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
        return self.tuned + self.confirmed + self.early


@dataclass(frozen=True, kw_only=True)
class _Running:
    """A trial that trains.

    Args:
        length: of its training.
        share: part of its updates that it has told of, in [0, 1], those of an earlier attempt included.
        told: clock when it told of them, or was first seen to train.
        first: share and clock when it told for the first time; None before.
    """

    length: Length
    share: float
    told: float
    first: tuple[float, float] | None = None


@dataclass
class Board:
    """The state of a study in numbers.

    Args:
        study: the study.
        clock: seconds from some moment on.
        lost: attempts of this launch at trials that were handed out again, because they or their nodes were lost.
    """

    study: Study
    clock: Callable[[], float] = time.monotonic
    lost: int = field(init=False, default=0)
    tallies: dict[tuple[Cell, str], Tally] = field(init=False)
    _begun: set[str] = field(init=False, default_factory=set)
    _seconds: dict[Length, list[float]] = field(init=False, default_factory=dict)
    _running: dict[str, _Running] = field(init=False, default_factory=dict)
    _failed: Counter[Length] = field(init=False, default_factory=Counter)
    _amounts: dict[Length, int] = field(init=False, default_factory=dict)
    _draws_left: Counter[Length] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self.tallies = {(cell, arm): Tally() for cell in cells(self.study) for arm in self.study.arms}
        for planned in planned_trials(self.study):
            tally = self.tallies[planned.cell, planned.arm]
            self._amounts[planned.cell, planned.rung] = planned.budget.amount
            if planned.phase == "tune":
                tally.draws += planned.trials
                self._draws_left[planned.cell, planned.rung] += planned.trials
            else:
                tally.seeds += planned.trials
        for tally in self.tallies.values():
            tally.most_seeds = tally.seeds * self.study.confirm.max_seeds // self.study.confirm.seeds

    @property
    def total(self) -> Tally:
        """Return the sums over cells and arms."""
        total = Tally()
        for tally in self.tallies.values():
            for name in ("draws", "seeds", "most_seeds", "tuned", "confirmed", "early", "diverged", "failed"):
                setattr(total, name, getattr(total, name) + getattr(tally, name))
        return total

    @property
    def open_cells(self) -> tuple[Cell, ...]:
        """Return the cells of which not all planned trials have ended."""
        return tuple(dict.fromkeys(cell for (cell, _), tally in self.tallies.items() if tally.ended < tally.planned))

    def begin(self, key: str) -> None:
        """Count a trial that is handed out; one that was before has been lost."""
        self.lost += key in self._begun
        self._begun.add(key)

    def add(self, outcome: Outcome, seconds: float | None = None) -> None:
        """Count a trial that ended, and the wall seconds it took if it ran in this launch."""
        self._running.pop(outcome.key, None)
        _, _, arm, phase, *_ = outcome.key.split("/")
        found, rung = self._length(outcome.key)
        if found is None or (found, arm) not in self.tallies:
            return
        _count(self.tallies[found, arm], phase, rung, outcome)
        if outcome.kind == "failed":
            self._failed[found, rung] += 1
            return
        if phase == "tune":
            self._draws_left[found, rung] -= 1
        if seconds is not None:
            self._seconds.setdefault((found, rung), []).append(seconds)

    def follow(self, protocol: Protocol) -> None:
        """Count what earlier launches recorded and the protocol has come to, and take over the confirm trials to come.

        Their number changes where a search has no winner, and where seeds are added until a cell is decided.
        """
        for outcome in protocol.take_met():
            self.add(outcome)
        for (cell, arm), tally in self.tallies.items():
            winners = protocol.num_winners(cell, arm)
            tally.seeds, tally.most_seeds = (winners * blocks for blocks in protocol.blocks(cell))
            tally.early = protocol.confirmed_early(cell, arm)

    def train(self, keys: Collection[str]) -> None:
        """Take note of which trials train at the moment."""
        now = self.clock()
        for gone in self._running.keys() - set(keys):
            self._running.pop(gone)
        for key in keys:
            if key in self._running:
                continue
            cell, rung = self._length(key)
            if cell is not None:
                self._running[key] = _Running(length=(cell, rung), share=0.0, told=now)

    def progress(self, key: str, share: float) -> None:
        """Take note that a trial that trains has done this part of its updates."""
        if key in self._running:
            trial, now = self._running[key], self.clock()
            self._running[key] = replace(trial, share=share, told=now, first=trial.first or (share, now))

    def hours_left(self, slots: int) -> float | None:
        """Estimate the hours left with `slots` trials at a time; None while none has ended or told of progress twice.

        Seeds that may be added until a cell is decided do not count, nor do trials that have failed. Trainings of a
        length of which none has ended, or is known to get on, are taken to cost in proportion to it, at the rate of the
        longest known. It takes at least as long as the trial that is furthest from its end.
        """
        # Copied at one stroke: the launching thread writes to them while another one shows them.
        known, running = self._seconds.copy(), self._running.copy()
        ended = {length: sum(seconds) / len(seconds) for length, seconds in known.items()}
        means = _projected(running.values()) | ended
        if not means:
            return None
        longest = max(means, key=lambda length: self._amounts[length])
        rate = means[longest] / self._amounts[longest]
        left = self._draws_left.copy()
        for (cell, _), tally in self.tallies.items():
            left[cell, None] += tally.seeds - tally.confirmed - tally.early
        left.subtract(self._failed.copy())
        each = {length: means.get(length, rate * self._amounts[length]) for length in left}
        in_all = sum(max(trials, 0) * each[length] for length, trials in left.items())
        now, last = self.clock(), 0.0
        for trial in running.values():
            seconds = each.get(trial.length, 0.0)
            to_go = max((1 - trial.share) * seconds - (now - trial.told), 0.0)
            in_all -= seconds - to_go
            last = max(last, to_go)
        return max(in_all / max(slots, 1), last, 0.0) / 3600

    def _length(self, key: str) -> tuple[Cell | None, int | None]:
        """Return the cell of a trial, None if the study has no such, and its rung."""
        slug = "/".join(key.split("/")[:2])
        return next((cell for cell, _ in self.tallies if cell.slug == slug), None), rung_of(key)


def _projected(running: Iterable[_Running]) -> dict[Length, float]:
    """Return how long trainings take from begin to end at the speed of those that run, where they have told of it."""
    projected: dict[Length, list[float]] = {}
    for trial in running:
        share, told = trial.first or (trial.share, trial.told)
        if trial.share > share:
            projected.setdefault(trial.length, []).append((trial.told - told) / (trial.share - share))
    return {length: sum(seconds) / len(seconds) for length, seconds in projected.items()}


def _count(tally: Tally, phase: str, rung: int | None, outcome: Outcome) -> None:
    if outcome.kind == "failed":
        tally.failed += 1
        return
    tally.tuned += phase == "tune"
    tally.confirmed += phase == "confirm"
    tally.diverged += outcome.kind == "diverged"
    if phase == "tune" and outcome.validation is not None and rung is None:
        tally.best = outcome.validation if tally.best is None else max(tally.best, outcome.validation)


def board_of(study: Study, outcomes: Iterable[Outcome]) -> Board:
    """Return the state of a study of which these trials have ended; those that failed are still to run."""
    board, protocol = Board(study), Protocol(study)
    for outcome in outcomes:
        if outcome.kind == "failed":
            board.add(outcome)
        else:
            protocol.record(outcome)
    protocol.replay()
    board.follow(protocol)
    return board
