"""One search: the draws of one arm in one cell, and which of them wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from analysis.halving import promoted, ranked
from sweeps.protocol.ladder import ladder
from sweeps.protocol.values import Cell, OtherDraw, Outcome, Trial, tune_key, tune_seed
from sweeps.space import (
    TPE_STARTUP_DRAWS,
    PastDraw,
    Setting,
    draw_settings,
    read_settings,
    reads_as,
    setting_text,
)
from sweeps.spec import Study


class Place(NamedTuple):
    """A trial to come: a draw on a rung of a search."""

    search: Search
    rung: int
    draw: int

    def trial(self) -> Trial:
        """Return the trial, its settings drawn."""
        return self.search.trial(self.rung, self.draw)


class Search:
    """Tune one arm in one cell, once.

    Args:
        study: the study.
        cell: the cell.
        arm: a tuned arm.
        index: which of the replicated searches this is.
        outcomes: how trials ended, by key; grows as the protocol is told.
    """

    def __init__(self, study: Study, cell: Cell, arm: str, index: int, outcomes: Mapping[str, Outcome]) -> None:
        self.cell = cell
        self.arm = arm
        self.index = index
        self._study = study
        self._space = study.space(arm)
        self._outcomes = outcomes
        self._rungs = ladder(study.tuning, cell.budget)
        self._handed_out = 0
        self._open = [rung.draws for rung in self._rungs]
        self._entrants: list[list[int]] = [list(range(study.tuning.draws)), *([] for _ in self._rungs[1:])]
        self._settings: dict[int, Mapping[str, Setting]] = {}

    def first(self) -> list[Place]:
        """Return the draws that wait for nothing: all of them, or those before an adaptive sampler has a model."""
        draws = self._study.tuning.draws
        return self._hand_out(min(TPE_STARTUP_DRAWS, draws) if self._is_adaptive else draws)

    def after(self, trial: Trial) -> list[Place]:
        """Take note that one of the search's trials has ended, and return what may run because of it."""
        rung = len(self._rungs) - 1 if trial.rung is None else trial.rung
        self._open[rung] -= 1
        if not self._open[rung]:
            return self._promote(rung) if rung + 1 < len(self._rungs) else []
        ended = self._rungs[0].draws - self._open[0]
        return self._hand_out(1) if rung == 0 and ended == self._handed_out else []

    @property
    def is_done(self) -> bool:
        """Tell whether every draw has ended on every rung."""
        return not any(self._open)

    def trial(self, rung: int, draw: int) -> Trial:
        """Return the trial of a draw on a rung."""
        step = self._rungs[rung]
        return Trial(
            cell=self.cell,
            arm=self.arm,
            phase="tune",
            search=self.index,
            index=draw,
            seed=tune_seed(self._study, self.cell, self.index, draw),
            settings=self.settings(draw),
            budget=step.budget,
            rung=step.number,
        )

    def settings(self, draw: int) -> Mapping[str, Setting]:
        """Return every setting of a draw, searched and fixed."""
        if draw not in self._settings:
            self._settings[draw] = {**self._study.arms[self.arm].fixed, **self._drawn(draw)}
        return self._settings[draw]

    def other_draws(self) -> Iterator[OtherDraw]:
        """Yield the settings of recorded draws that are drawn otherwise here.

        Draws that an adaptive sampler proposed are read from the record, and are never among them.
        """
        for draw in range(self._study.tuning.draws):
            key = self._key(0, draw)
            known = self._outcomes.get(key)
            if known is None or not known.recorded or self._has_model(draw):
                continue
            settings = self.settings(draw)
            for name, dimension in self._space.dimensions.items():
                text = known.recorded.get(name)
                if text is not None and not reads_as(dimension, text, settings[name]):
                    yield OtherDraw(key=key, name=name, recorded=text, drawn=setting_text(settings[name]))

    def winner(self) -> int | None:
        """Return the draw with the best validation metric at the cell's budget, the first of equals.

        None if all diverged.
        """
        best = ranked(self._validation(len(self._rungs) - 1))
        return best[0] if best else None

    def leader(self) -> int | None:
        """Return the best draw at the cell's budget so far, of all that have ended there, whether promoted yet or not.

        None if none has, or all diverged.
        """
        rung = len(self._rungs) - 1
        ends = {draw: self._outcomes.get(self._key(rung, draw)) for draw in range(self._study.tuning.draws)}
        best = ranked({draw: end.validation for draw, end in ends.items() if end is not None})
        return best[0] if best else None

    @property
    def _is_adaptive(self) -> bool:
        return self._study.tuning.sampler == "tpe"

    def _has_model(self, draw: int) -> bool:
        return self._is_adaptive and draw >= TPE_STARTUP_DRAWS

    def _hand_out(self, count: int) -> list[Place]:
        new = range(self._handed_out, self._handed_out + count)
        self._handed_out = new.stop
        return [Place(self, 0, draw) for draw in new]

    def _promote(self, rung: int) -> list[Place]:
        """Return the best draws of a rung on the next one; draws added later may push others off it."""
        places = self._rungs[rung + 1].draws
        self._entrants[rung + 1] = list(promoted(self._validation(rung), places))
        return [Place(self, rung + 1, draw) for draw in self._entrants[rung + 1]]

    def _validation(self, rung: int) -> dict[int, float | None]:
        """Return the validation metrics of the draws of a rung that have ended."""
        ends = {draw: self._outcomes.get(self._key(rung, draw)) for draw in self._entrants[rung]}
        return {draw: end.validation for draw, end in ends.items() if end is not None}

    def _key(self, rung: int, draw: int) -> str:
        return tune_key(self.cell, self.arm, self.index, draw, self._rungs[rung].number)

    def _drawn(self, draw: int) -> Mapping[str, Setting]:
        study, space, has_model = self._study, self._space, self._has_model(draw)
        known = self._outcomes.get(self._key(0, draw))
        if has_model and known is not None and known.recorded:
            return read_settings(space, known.recorded)
        stream = (study.seed, self.cell.slug, self.index)
        history = [self._past(past) for past in range(draw)] if has_model else ()
        return draw_settings(study.tuning.sampler, space, stream, draw, history)

    def _past(self, draw: int) -> PastDraw:
        return PastDraw(self.settings(draw), self._outcomes[self._key(0, draw)].validation)
