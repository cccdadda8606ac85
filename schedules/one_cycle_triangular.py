"""One cycle as Smith and Topin draw it: a triangle, then a linear tail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from schedules import phases, rules
from schedules.checks import Rule, fields_only, settle
from schedules.one_cycle_three_phase import three_phases
from schedules.protocol import SearchSpace, search_space

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "warmup_frac": rules.HALF_WARMUP_FRAC,
    "initial_div": rules.INITIAL_DIV,
    "final_div": rules.FINAL_DIV,
}


@dataclass(frozen=True, kw_only=True)
class OneCycleTriangular:
    """Rise linearly to the peak rate, fall back in as many updates, then anneal below the initial rate.

    With ``peak = max(0, floor(warmup_frac * total_steps + 0.5) - 1)``, straight lines through

    ====================  =================================
    step                  factor
    ====================  =================================
    0                     1 / initial_div
    peak                  1
    2 * peak              1 / initial_div
    total_steps - 1       1 / (initial_div * final_div)
    ====================  =================================

    Where some of these steps coincide, the peak wins, and the end of the run wins over step ``2 * peak``.

    Args:
        total_steps: length of the run in updates, >= 1.
        warmup_frac: part of the run in which the rate rises, in [0, 0.5]; 0 starts at the peak.
        initial_div: peak rate / initial rate, >= 1.
        final_div: initial rate / final rate, >= 1.

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        Smith and Topin, "Super-Convergence" (arXiv 1708.07120), as run in ``clrsolver.prototxt`` of their
        code: 0.1 to 3.0 and back in 2 x 5000 updates, which is ``warmup_frac=0.5, initial_div=30`` without
        a tail (to the digit that their log prints, it is ``triangular`` with one cycle). The defaults follow
        Smith's later ``lnsmith54/hyperParam1``: initial rate peak / 10, tail at initial / 1000; the tail is flat
        there, here the rate goes down to it. Equal to
        ``torch.optim.lr_scheduler.OneCycleLR`` with ``three_phase=True`` and ``anneal_strategy="linear"``
        wherever ``warmup_frac * total_steps`` is a whole number above 1.
    """

    total_steps: int
    warmup_frac: float = 0.45
    initial_div: float = 10.0
    final_div: float = 1e3

    default_search: ClassVar[SearchSpace] = search_space(warmup_frac={"float": [0.2, 0.5]})

    __getstate__ = fields_only

    def __post_init__(self) -> None:
        settle(self, _RULES)

    @cached_property
    def _path(self) -> phases.Path:
        ends = (1.0 / self.initial_div, 1.0 / self.initial_div / self.final_div)
        return three_phases(self.total_steps, self.warmup_frac, ends, phases.linear)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        return self._path(phases.checked_step(step, self.total_steps))
