"""One cycle as Smith ran it: a triangle down to almost nothing, then a constant tail."""

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
    "warmup_frac": rules.HALF_WARMUP_FRAC,
    "initial_div": rules.INITIAL_DIV,
    "final_div": rules.FINAL_DIV,
}


@dataclass(frozen=True, kw_only=True)
class OneCycleConstantTail:
    """Rise linearly to the peak rate, fall towards 0 in as many updates, and stay at the final rate.

    With ``peak = floor(warmup_frac * total_steps + 0.5)``, ``first = 1 / initial_div`` and
    ``last = first / final_div``::

        first + (1 - first) * step / peak    up to step peak
        max(1 - (step - peak) / peak, last)  from there on

    The way down is steeper than the way up: it does not end at the initial rate. Where the peak would fall beyond the
    last update, it falls on it; without a rise the factor is 1 once, and the rest is tail.

    Args:
        total_steps: length of the run in updates, >= 1.
        warmup_frac: part of the run in which the rate rises, in [0, 0.5]; 0 starts at the peak.
        initial_div: peak rate / initial rate, >= 1.
        final_div: initial rate / final rate, >= 1.

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        The policy ``1cycle`` of Smith's ``lnsmith54/hyperParam1``, "A disciplined approach to neural network
        hyper-parameters" (2018, arXiv 1803.09820), as in the rates that its logs print: 0.1 to 1 in 2246 of 4882
        updates, to 0 in 2246, 0.0001 for the rest. The defaults are those of that log.
    """

    total_steps: int
    warmup_frac: float = 0.46
    initial_div: float = 10.0
    final_div: float = 1e3

    default_search: ClassVar[SearchSpace] = search_space(warmup_frac={"float": [0.2, 0.5]})

    __getstate__ = fields_only

    def __post_init__(self) -> None:
        settle(self, _RULES)

    @cached_property
    def _path(self) -> phases.Path:
        peak = phases.steps_of(self.warmup_frac, self.total_steps)
        points = [(0, 1.0 / self.initial_div), (peak, 1.0), (max(1, 2 * peak), 0.0)]
        return phases.path_through(points, self.total_steps)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        return max(self._path(step), 1.0 / (self.initial_div * self.final_div))
