"""Cyclical rates whose range halves with every cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from schedules import phases, rules
from schedules.checks import Rule, fields_only, settle
from schedules.protocol import SearchSpace, search_space
from schedules.triangular import triangle

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "cycles": rules.CYCLES,
    "initial_div": rules.INITIAL_DIV,
}


@dataclass(frozen=True, kw_only=True)
class Triangular2:
    """Rise and fall linearly, ``cycles`` times, every time half as far as the time before.

    As ``triangular``, but the factor at the peak of cycle ``i = 0, 1, ...`` is
    ``1 / initial_div + (1 - 1 / initial_div) / 2 ** i``.

    Args:
        total_steps: length of the run in updates, >= 1.
        cycles: number of cycles, in [1, 10000].
        initial_div: peak rate / initial rate, >= 1.

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        Smith, "Cyclical Learning Rates for Training Neural Networks" (2017, arXiv 1506.01186), policy
        ``triangular2``, as in ``clr_callback.py`` of ``bckenstler/CLR``: equal where ``total_steps`` is a multiple of
        ``2 * cycles``. Its ``base_lr=0.001, max_lr=0.006`` is the default here.
    """

    total_steps: int
    cycles: int = 4
    initial_div: float = 6.0

    default_search: ClassVar[SearchSpace] = search_space(cycles={"int": [1, 8]}, initial_div={"log": [3, 20]})

    __getstate__ = fields_only

    def __post_init__(self) -> None:
        settle(self, _RULES)

    @cached_property
    def _path(self) -> phases.Path:
        floor = 1.0 / self.initial_div
        heights = tuple(phases.between(1.0, floor, 0.5**i) for i in range(self.cycles))
        return triangle(self.total_steps, self.cycles, floor, heights)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        return self._path(phases.checked_step(step, self.total_steps))
