"""Cyclical rates: up and down between two rates, again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from schedules import phases, rules
from schedules.checks import Rule, fields_only, settle
from schedules.protocol import SearchSpace, search_space

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "cycles": rules.CYCLES,
    "initial_div": rules.INITIAL_DIV,
}


def triangle(total_steps: int, cycles: int, floor: float, heights: tuple[float, ...]) -> phases.Path:
    """Lay the path up and down through a number of cycles.

    Args:
        total_steps: length of the run in updates.
        cycles: how often it goes up and down.
        floor: factor between cycles.
        heights: factor at the peak of each cycle.

    Returns:
        The path: cycle ``i`` begins a part ``i / cycles`` and has its peak a part ``(i + 0.5) / cycles`` into the run.
    """
    points = [(0, floor)]
    for i, height in enumerate(heights):
        points.append((phases.steps_of((i + 0.5) / cycles, total_steps), height))
        points.append((phases.steps_of((i + 1) / cycles, total_steps), floor))
    return phases.path_through(points, total_steps)


@dataclass(frozen=True, kw_only=True)
class Triangular:
    """Rise and fall linearly between the initial and the peak rate, ``cycles`` times.

    Cycle ``i = 0, 1, ...`` begins at step ``floor(i / cycles * total_steps + 0.5)`` with the factor
    ``1 / initial_div`` and has the factor 1 at step ``floor((i + 0.5) / cycles * total_steps + 0.5)``; in between are
    straight lines. The last cycle ends one past the last update. Where two of these steps coincide, the higher factor
    wins.

    Args:
        total_steps: length of the run in updates, >= 1.
        cycles: number of cycles, in [1, 10000].
        initial_div: peak rate / initial rate, >= 1.

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        Smith, "Cyclical Learning Rates for Training Neural Networks" (2017, arXiv 1506.01186), policy
        ``triangular``, as in ``clr_callback.py`` of ``bckenstler/CLR``: equal where ``total_steps`` is a multiple of
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
        return triangle(self.total_steps, self.cycles, 1.0 / self.initial_div, (1.0,) * self.cycles)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        return self._path(phases.checked_step(step, self.total_steps))
