"""The protocol of a fair comparison as a pure state machine.

It is told which trials have ended and how, and says which may start next. It knows neither Ray nor MLflow nor clocks,
so that resuming a study is replaying what is recorded: feed the finished trials, run what is left.

Per cell, every tuned arm gets the same draws; the best draw of each search by *validation* metric is re-run on fresh
seeds, the same for every arm and interleaved over the arms, as soon as all searches of the cell are done. With
``confirm: {until: decided}`` further blocks, one seed in every arm and search, follow one at a time until
`analysis.stopping` finds the cell decided.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from models.workload import Budget
from sweeps.space import PastDraw, Setting, derive_seed, draw_settings
from sweeps.spec import Study

Phase = Literal["tune", "confirm"]
OutcomeKind = Literal["finished", "diverged", "failed"]


@dataclass(frozen=True)
class Cell:
    """The place where arms are compared: a workload at a budget."""

    workload: str
    budget: Budget

    @property
    def slug(self) -> str:
        """Return the cell's part of a trial key, e.g. ``mnist1d-conv/epochs-5``."""
        return f"{self.workload}/{self.budget.slug}"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training run that the protocol asks for.

    Args:
        cell: workload and budget.
        arm: name of the arm.
        phase: ``tune`` reads validation only; ``confirm`` reads the test split too.
        search: index of the search whose draw or winner this is; 0 for as_published arms.
        index: index of the draw (tune) or of the seed (confirm).
        seed: seeds initialisation, data order and augmentation; even when tuning, odd when confirming.
        settings: every setting of the training, searched and fixed.
    """

    cell: Cell
    arm: str
    phase: Phase
    search: int
    index: int
    seed: int
    settings: Mapping[str, Setting]

    @property
    def key(self) -> str:
        """Return the key that names this trial in every launch of the study."""
        return trial_key(self.cell, self.arm, self.phase, self.search, self.index)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a trial ended.

    Args:
        key: the trial's key.
        kind: ``finished``; ``diverged`` (a result: spent, shown, never the winner); ``failed`` (no result).
        validation: final validation metric of a finished trial, else None.
        test: final test metric of a finished confirm trial, else None; it decides nothing but whether a cell whose
            seeds are added until it is decided needs more of them.
    """

    key: str
    kind: OutcomeKind
    validation: float | None = None
    test: float | None = None


def trial_key(cell: Cell, arm: str, phase: Phase, search: int, index: int) -> str:
    """Return the deterministic key of a trial, e.g. ``w/epochs-5/cosine/confirm/search-0/seed-3``."""
    return f"{cell.slug}/{arm}/{phase}/search-{search}/{'draw' if phase == 'tune' else 'seed'}-{index}"


def cells(study: Study) -> tuple[Cell, ...]:
    """Return the cells of `study`, workload by workload, shortest budget first."""
    return tuple(Cell(w.name, budget) for w in study.workloads for budget in study.budgets.each)


def tune_seed(study: Study, cell: Cell, search: int, draw: int) -> int:
    """Return the seed of a draw: the same for every arm, never equal to a confirm seed."""
    return 2 * derive_seed(study.seed, "tune", cell.slug, search, draw)


def confirm_seed(study: Study, index: int) -> int:
    """Return a fresh seed: the same for every arm and cell, never equal to a tuning seed."""
    return 2 * derive_seed(study.seed, "confirm", index) + 1


class Protocol:
    """Say which trials of a study may run next.

    Args:
        study: the validated study.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.cells = cells(study)
        self._tuned = tuple(name for name, arm in study.arms.items() if not arm.as_published)
        self._outcomes: dict[str, Outcome] = {}
        self._settings: dict[str, Mapping[str, Setting]] = {}
        self._in_flight: dict[str, Trial] = {}
        self._open_draws = {cell: len(self._tuned) * study.tuning.searches * study.tuning.draws for cell in self.cells}
        self._blocks = dict.fromkeys(self.cells, study.confirm.seeds)
        self._open_confirms = dict.fromkeys(self.cells, 0)
        self._settled: set[Cell] = set()
        self._confirming: deque[Trial] = deque()
        self._tuning: deque[Trial] = deque()
        for cell in self.cells:
            self._tuning.extend(self._first_draws(cell))

    def next_trial(self) -> Trial | None:
        """Return a trial to start now, or None while there is nothing to start.

        None means: wait for trials in flight to end or, when `is_done`, stop.
        """
        while queue := self._confirming or self._tuning:
            trial = queue.popleft()
            if trial.key in self._outcomes:  # known from an earlier launch
                self._advance(trial)
                continue
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

    @property
    def is_done(self) -> bool:
        """Tell whether nothing can run any more: all done, or blocked by failed trials."""
        return not (self._in_flight or self._confirming or self._tuning)

    def has_work(self) -> bool:
        """Tell whether any trial can start now; false for a study whose record is complete."""
        trial = self.next_trial()
        if trial is None:
            return False
        del self._in_flight[trial.key]
        (self._confirming if trial.phase == "confirm" else self._tuning).appendleft(trial)
        return True

    @property
    def in_flight(self) -> tuple[Trial, ...]:
        """Return the trials handed out and not ended."""
        return tuple(self._in_flight.values())

    def winner(self, cell: Cell, arm: str, search: int) -> int | None:
        """Return the draw with the best validation metric (the first of equals); None if all diverged."""
        scored = [
            (outcome.validation, -draw)
            for draw in range(self.study.tuning.draws)
            if (outcome := self._outcomes.get(trial_key(cell, arm, "tune", search, draw)))
            and outcome.validation is not None
        ]
        return -max(scored)[1] if scored else None

    def _first_draws(self, cell: Cell) -> Iterator[Trial]:
        """Yield a cell's draws, arm after arm within each draw; an adaptive sampler starts with its first."""
        adaptive = self.study.tuning.sampler == "tpe"
        if not self._open_draws[cell]:
            yield from self._confirm_trials(cell, range(self._blocks[cell]))
        for draw in range(1 if adaptive else self.study.tuning.draws):
            for search in range(self.study.tuning.searches):
                for arm in self._tuned:
                    yield self._tune_trial(cell, arm, search, draw)

    def _tune_trial(self, cell: Cell, arm: str, search: int, draw: int) -> Trial:
        study = self.study
        stream = (study.seed, cell.slug, search)
        drawn = draw_settings(
            study.tuning.sampler, study.space(arm), stream, draw, self._history(cell, arm, search, draw)
        )
        return Trial(
            cell=cell,
            arm=arm,
            phase="tune",
            search=search,
            index=draw,
            seed=tune_seed(study, cell, search, draw),
            settings=self._remember(cell, arm, search, draw, drawn),
        )

    def _remember(
        self, cell: Cell, arm: str, search: int, draw: int, drawn: Mapping[str, Setting]
    ) -> Mapping[str, Setting]:
        settings = {**self.study.arms[arm].fixed, **drawn}
        self._settings[trial_key(cell, arm, "tune", search, draw)] = settings
        return settings

    def _history(self, cell: Cell, arm: str, search: int, draw: int) -> list[PastDraw]:
        if self.study.tuning.sampler != "tpe":
            return []
        keys = [trial_key(cell, arm, "tune", search, past) for past in range(draw)]
        return [PastDraw(self._settings[key], self._outcomes[key].validation) for key in keys]

    def _advance(self, trial: Trial) -> None:
        """Queue what the end of `trial` makes possible."""
        if trial.phase == "confirm":
            self._open_confirms[trial.cell] -= 1
            if not self._open_confirms[trial.cell]:
                self._add_block_or_settle(trial.cell)
            return
        self._open_draws[trial.cell] -= 1
        if self.study.tuning.sampler == "tpe" and trial.index + 1 < self.study.tuning.draws:
            self._tuning.append(self._tune_trial(trial.cell, trial.arm, trial.search, trial.index + 1))
        if not self._open_draws[trial.cell]:
            self._confirming.extend(self._confirm_trials(trial.cell, range(self._blocks[trial.cell])))

    def blocks(self, cell: Cell) -> tuple[int, int]:
        """Return the seeds that each arm of a cell is confirmed on for certain, and at most."""
        certain = self._blocks[cell]
        return certain, certain if cell in self._settled else self.study.confirm.max_seeds

    def _add_block_or_settle(self, cell: Cell) -> None:
        """Queue one more seed for every arm of a cell whose confirm trials have all ended, unless it is decided."""
        if not self._is_undecided(cell):
            self._settled.add(cell)
            return
        self._blocks[cell] += 1
        self._confirming.extend(self._confirm_trials(cell, range(self._blocks[cell] - 1, self._blocks[cell])))

    def _is_undecided(self, cell: Cell) -> bool:
        study = self.study
        if study.confirm.until == "planned":
            return False
        # Brings scipy, which commands that only read a study file should not wait for.
        from analysis.stopping import StoppingRule, wants_another_block  # noqa: PLC0415

        rule = StoppingRule(
            seeds=study.confirm.seeds,
            max_seeds=study.confirm.max_seeds,
            margin=study.equivalence_margin,
            alpha=study.alpha,
            num_comparisons=len(self.cells) * (len(study.arms) - 1),
        )
        others = [name for name in study.arms if name != study.control]
        tuned = [name for name in others if name in self._tuned]
        return wants_another_block(self._test_accuracies(cell), study.control, tuned or others, rule)

    def _test_accuracies(self, cell: Cell) -> dict[str, list[float | None]]:
        """Return the final test metric per arm and block; over several winners their mean, None if one has none."""
        searches: dict[str, list[int]] = {}
        for arm, search, _ in self._contenders(cell):
            searches.setdefault(arm, []).append(search)

        def mean_of(arm: str, index: int) -> float | None:
            keys = (trial_key(cell, arm, "confirm", search, index) for search in searches[arm])
            values = [self._outcomes[key].test for key in keys]
            known = [value for value in values if value is not None]
            return sum(known) / len(known) if len(known) == len(values) else None

        return {arm: [mean_of(arm, index) for index in range(self._blocks[cell])] for arm in searches}

    def _confirm_trials(self, cell: Cell, indices: range) -> Iterator[Trial]:
        """Yield the confirm trials of a cell, interleaved over arms so that a drifting machine favours none."""
        contenders = list(self._contenders(cell))
        if not contenders:
            self._settled.add(cell)
        self._open_confirms[cell] += len(contenders) * len(indices)
        for index in indices:
            for arm, search, settings in contenders:
                yield Trial(
                    cell=cell,
                    arm=arm,
                    phase="confirm",
                    search=search,
                    index=index,
                    seed=confirm_seed(self.study, index),
                    settings=settings,
                )

    def _contenders(self, cell: Cell) -> Iterator[tuple[str, int, Mapping[str, Setting]]]:
        for search in range(self.study.tuning.searches):
            for name, arm in self.study.arms.items():
                if arm.as_published:
                    if search == 0:
                        yield name, 0, arm.fixed
                elif (draw := self.winner(cell, name, search)) is not None:
                    yield name, search, self._settings[trial_key(cell, name, "tune", search, draw)]


def planned_trials(study: Study) -> Iterator[tuple[Cell, str, Phase, int, int]]:
    """Yield cell, arm, phase, search and index of every trial of the study, without drawing settings.

    An arm whose draws all diverge in a cell has no winner, so that its confirm trials never run. Where seeds are added
    until a cell is decided, these are the trials that run in any case.
    """
    for cell in cells(study):
        for name, arm in study.arms.items():
            for search in range(1 if arm.as_published else study.tuning.searches):
                if not arm.as_published:
                    yield from ((cell, name, "tune", search, draw) for draw in range(study.tuning.draws))
                yield from ((cell, name, "confirm", search, index) for index in range(study.confirm.seeds))
