"""Cyclical rates whose range shrinks exponentially."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from schedules import phases, rules
from schedules.checks import Number, Rule, fields_only, settle
from schedules.protocol import SearchSpace, search_space
from schedules.triangular import triangle

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "cycles": rules.CYCLES,
    "initial_div": rules.INITIAL_DIV,
    "final_range": Number(0, 1, "(]", "Give the part of the range that is left at the end, such as 0.1."),
}


@dataclass(frozen=True, kw_only=True)
class ExpRange:
    """Rise and fall, ``cycles`` times, in a range that shrinks exponentially from the first peak on.

    ``1 / initial_div + (1 - 1 / initial_div) * triangle(step) * final_range ** p``, where ``triangle`` goes from 0 to
    1 and back as in ``triangular``, and ``p = max(0, step - peak) / (total_steps - peak)`` goes from 0 at the first
    peak to 1 one past the last update.

    Args:
        total_steps: length of the run in updates, >= 1.
        cycles: number of cycles, in [1, 10000].
        initial_div: peak rate / initial rate, >= 1.
        final_range: part of the range between initial and peak rate that is left at the end, in (0, 1].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        Smith, "Cyclical Learning Rates for Training Neural Networks" (2017, arXiv 1506.01186), policy
        ``exp_range``, as in ``clr_callback.py`` of ``bckenstler/CLR``. There the range shrinks by ``gamma`` in
        every update from the first on, so that the peak rate is never reached; here it begins to shrink at the
        first peak, and ``gamma = final_range ** (1 / (total_steps - peak))``.
    """

    total_steps: int
    cycles: int = 4
    initial_div: float = 6.0
    final_range: float = 0.1

    default_search: ClassVar[SearchSpace] = search_space(
        cycles={"int": [1, 8]},
        initial_div={"log": [3, 20]},
        final_range={"log": [0.01, 0.5]},
    )

    __getstate__ = fields_only

    def __post_init__(self) -> None:
        settle(self, _RULES)

    @cached_property
    def _triangle(self) -> phases.Path:
        return triangle(self.total_steps, self.cycles, 0.0, (1.0,) * self.cycles)

    @cached_property
    def _peak(self) -> int:
        return self._triangle.steps[self._triangle.factors.index(1.0)]

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        shrunk = max(0, step - self._peak) / (self.total_steps - self._peak)
        return phases.between(1.0, 1.0 / self.initial_div, self._triangle(step) * self.final_range**shrunk)
