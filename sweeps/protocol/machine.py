"""The protocol of a fair comparison as a pure state machine.

It is told which trials have ended and how, and says which may start next. It knows neither Ray nor MLflow nor clocks,
so that resuming a study is replaying what is recorded: feed the finished trials, run what is left.

Per cell, every tuned arm gets the same draws; the best draw of each search by *validation* metric is re-run on fresh
seeds, the same for every arm and interleaved over the arms, as soon as all searches of the cell are done. With
``confirm: {until: decided}`` further blocks, one seed in every arm and search, follow one at a time until
`analysis.stopping` finds the cell decided.

No cell waits for another. What others wait for goes first (confirm trials, then draws that follow from earlier ones),
and then the longest trainings, so that a sweep does not end with a few of them on an idle cluster.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import zip_longest

from sweeps.protocol.confirming import Contender, wants_more_seeds
from sweeps.protocol.search import Place, Search
from sweeps.protocol.values import (
    Cell,
    OtherDraw,
    Outcome,
    Trial,
    cells,
    confirm_key,
    confirm_place,
    confirm_seed,
    tuned_arms,
)
from sweeps.spec import Study


class Protocol:
    """Say which trials of a study may run next.

    Args:
        study: the validated study.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.cells = cells(study)
        self._outcomes: dict[str, Outcome] = {}
        self._met: list[Outcome] = []
        #: Confirm trials that earlier launches recorded and that have not come up, by cell and arm.
        self._early: dict[tuple[str, str], set[str]] = {}
        self._in_flight: dict[str, Trial] = {}
        self._searches = {
            cell: [
                Search(study, cell, arm, index, self._outcomes)
                for index in range(study.tuning.searches)
                for arm in tuned_arms(study)
            ]
            for cell in self.cells
        }
        self._blocks = dict.fromkeys(self.cells, study.confirm.seeds)
        self._open_confirms = dict.fromkeys(self.cells, 0)
        self._settled: set[Cell] = set()
        self._contending: dict[Cell, tuple[Contender, ...]] = {}
        self._num_winners: dict[Cell, Counter[str]] = {}
        self._confirming: deque[Trial | Place] = deque()
        self._following: deque[Trial | Place] = deque()
        self._tuning: deque[Trial | Place] = deque()
        for cell in sorted(self.cells, key=lambda cell: -cell.budget.amount):
            self._tuning.extend(_interleaved(self._searches[cell]))
            self._confirm_if_tuned(cell)

    def next_trial(self) -> Trial | None:
        """Return a trial to start now, or None while there is nothing to start.

        None means: wait for trials in flight to end or, when `is_done`, stop.
        """
        while queue := self._confirming or self._following or self._tuning:
            first = queue.popleft()
            trial = first.trial() if isinstance(first, Place) else first
            if not self._is_known(trial):
                self._in_flight[trial.key] = trial
                return trial
        return None

    def record(self, outcome: Outcome) -> None:
        """Take note of how a trial ended.

        Outcomes of an earlier launch are recorded, in any order, before the first `next_trial`; others when they come.
        A failed trial is no result: it runs again at the next launch, and until then its cell is not confirmed.
        """
        trial = self._in_flight.pop(outcome.key, None)
        if outcome.kind == "failed":
            return
        self._outcomes[outcome.key] = outcome
        if trial is not None:
            self._advance(trial)
        elif (place := confirm_place(outcome.key)) is not None:
            self._early.setdefault(place, set()).add(outcome.key)

    def other_draws(self) -> tuple[OtherDraw, ...]:
        """Return the settings of recorded draws that this installation draws otherwise.

        Trials to come would mix with what ran: an arm would not have the draws of the others, a winner not the settings
        that won.
        """
        searches = (search for cell in self.cells for search in self._searches[cell])
        return tuple(other for search in searches for other in search.other_draws())

    def has_work(self) -> bool:
        """Tell whether any trial can start now; false for a study whose record is complete."""
        self.replay()
        return bool(self._confirming or self._following or self._tuning)

    def replay(self) -> None:
        """Go through all that earlier launches recorded, as far as it leads."""
        unknown: list[Trial | Place] = []
        for queue in (self._tuning, self._following, self._confirming):
            unknown.clear()
            while queue:
                first = queue.popleft()
                trial = first.trial() if isinstance(first, Place) else first
                if not self._is_known(trial):
                    unknown.append(trial)
            queue.extend(unknown)

    def take_met(self) -> list[Outcome]:
        """Return the recorded outcomes of earlier launches that have come up since the last call.

        Others do not count, or not yet: the confirm trials of a draw that has been outdone by one added later.
        """
        met, self._met = self._met, []
        return met

    @property
    def is_done(self) -> bool:
        """Tell whether nothing can run any more: all done, or blocked by failed trials."""
        return not (self._in_flight or self._confirming or self._following or self._tuning)

    @property
    def is_closing(self) -> bool:
        """Tell whether all that may still start is what is lost: nothing follows from the trials in flight."""
        if self._confirming or self._following or self._tuning:
            return False
        return all(
            cell in self._contending and (cell in self._settled or self._blocks[cell] == self.study.confirm.max_seeds)
            for cell in {trial.cell for trial in self._in_flight.values()}
        )

    @property
    def in_flight(self) -> tuple[Trial, ...]:
        """Return the trials handed out and not ended."""
        return tuple(self._in_flight.values())

    def winner(self, cell: Cell, arm: str, search: int) -> int | None:
        """Return the draw with the best validation metric (the first of equals); None if all diverged."""
        return self._search(cell, arm, search).winner()

    def blocks(self, cell: Cell) -> tuple[int, int]:
        """Return the seeds that each arm of a cell is confirmed on for certain, and at most."""
        certain = self._blocks[cell]
        return certain, certain if cell in self._settled else self.study.confirm.max_seeds

    def num_winners(self, cell: Cell, arm: str) -> int:
        """Return how many settings of an arm a cell confirms; until it is tuned, how many there are to be.

        A search whose draws all diverged has none.
        """
        if cell in self._contending:
            return self._num_winners[cell][arm]
        return 1 if self.study.arms[arm].as_published else self.study.tuning.searches

    def confirmed_early(self, cell: Cell, arm: str) -> int:
        """Return how many recorded confirm trials of an arm will count if the draws that lead now win.

        So it is while draws that were added to a confirmed cell are tuned; 0 once the cell is tuned.
        """
        early = self._early.get((cell.slug, arm))
        if not early or cell in self._contending:
            return 0
        if self.study.arms[arm].as_published:
            return len(early)
        leaders = [(search, self._search(cell, arm, search).leader()) for search in range(self.study.tuning.searches)]
        seeds = range(self.study.confirm.max_seeds)
        return sum(confirm_key(cell, arm, search, draw, seed) in early for search, draw in leaders for seed in seeds)

    def _is_known(self, trial: Trial) -> bool:
        """Tell whether an earlier launch has recorded `trial`, and if so go on from it."""
        if trial.key not in self._outcomes:
            return False
        self._met.append(self._outcomes[trial.key])
        self._early.get((trial.cell.slug, trial.arm), set()).discard(trial.key)
        self._advance(trial)
        return True

    def _advance(self, trial: Trial) -> None:
        """Queue what the end of `trial` makes possible."""
        if trial.phase == "confirm":
            self._open_confirms[trial.cell] -= 1
            if not self._open_confirms[trial.cell]:
                self._add_block_or_settle(trial.cell)
            return
        self._following.extend(self._search(trial.cell, trial.arm, trial.search).after(trial))
        self._confirm_if_tuned(trial.cell)

    def _search(self, cell: Cell, arm: str, index: int) -> Search:
        arms = tuned_arms(self.study)
        return self._searches[cell][index * len(arms) + arms.index(arm)]

    def _confirm_if_tuned(self, cell: Cell) -> None:
        if all(search.is_done for search in self._searches[cell]):
            self._contending[cell] = tuple(self._contenders(cell))
            self._num_winners[cell] = Counter(arm for arm, _, _ in self._contending[cell])
            self._blocks[cell] = self._blocks_begun(cell)
            self._confirming.extend(self._confirm_trials(cell, range(self._blocks[cell])))

    def _blocks_begun(self, cell: Cell) -> int:
        """Return the seeds that a cell is confirmed on for certain: those that run in any case, or any arm has had.

        Where an earlier launch went on until the cell was decided, a new arm or winner must catch up with the others.
        """
        confirm = self.study.confirm
        contenders = self._contending[cell]
        for index in range(confirm.max_seeds - 1, confirm.seeds - 1, -1):
            if any(confirm_key(cell, arm, search, draw, index) in self._outcomes for arm, search, draw in contenders):
                return index + 1
        return confirm.seeds

    def _add_block_or_settle(self, cell: Cell) -> None:
        """Queue one more seed for every arm of a cell whose confirm trials have all ended, unless it is decided."""
        if not wants_more_seeds(self.study, cell, self._contending[cell], self._blocks[cell], self._outcomes):
            self._settled.add(cell)
            return
        self._blocks[cell] += 1
        self._confirming.extend(self._confirm_trials(cell, range(self._blocks[cell] - 1, self._blocks[cell])))

    def _confirm_trials(self, cell: Cell, indices: range) -> Iterator[Trial]:
        """Yield the confirm trials of a cell, interleaved over arms so that a drifting machine favours none."""
        contenders = self._contending[cell]
        if not contenders:
            self._settled.add(cell)
        self._open_confirms[cell] += len(contenders) * len(indices)
        for index in indices:
            for arm, search, winner in contenders:
                settings = self.study.arms[arm].fixed
                if winner is not None:
                    settings = dict(self._search(cell, arm, search).settings(winner))
                yield Trial(
                    cell=cell,
                    arm=arm,
                    phase="confirm",
                    search=search,
                    index=index,
                    seed=confirm_seed(self.study, index),
                    settings=settings,
                    budget=cell.budget,
                    winner=winner,
                )

    def _contenders(self, cell: Cell) -> Iterator[Contender]:
        """Yield what a cell confirms: the winner of every search that has one, and the arms as published."""
        for search in range(self.study.tuning.searches):
            for name, arm in self.study.arms.items():
                if arm.as_published:
                    if search == 0:
                        yield name, 0, None
                elif (winner := self.winner(cell, name, search)) is not None:
                    yield name, search, winner


def _interleaved(searches: list[Search]) -> Iterator[Place]:
    """Yield the first draws of a cell's searches, all searches within each draw."""
    for places in zip_longest(*(search.first() for search in searches)):
        yield from (place for place in places if place is not None)
