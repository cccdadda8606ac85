"""One cycle in two cosine phases, as torch does it."""

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
    "warmup_frac": rules.WARMUP_FRAC,
    "initial_div": rules.INITIAL_DIV,
    "final_div": rules.FINAL_DIV,
}


@dataclass(frozen=True, kw_only=True)
class OneCycle:
    """Rise to the peak rate on half a cosine wave, then fall on another.

    With ``peak = max(0, floor(warmup_frac * total_steps + 0.5) - 1)``, ``first = 1 / initial_div``,
    ``last = first / final_div`` and ``cos(a, b, p)`` half a cosine wave from ``a`` to ``b``::

        cos(first, 1, step / peak)                              up to step peak
        cos(1, last, (step - peak) / (total_steps - 1 - peak))  from there on

    The peak falls on the last update of the rise, as in torch. The last update of the run has the final rate,
    unless it is the peak itself, as in a run of one update.

    Args:
        total_steps: length of the run in updates, >= 1.
        warmup_frac: part of the run in which the rate rises, in [0, 1); 0 starts at the peak.
        initial_div: peak rate / initial rate, >= 1.
        final_div: initial rate / final rate, >= 1.

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        ``torch.optim.lr_scheduler.OneCycleLR`` with ``three_phase=False`` and ``anneal_strategy="cos"``,
        equal wherever ``warmup_frac * total_steps`` is a whole number above 1. At 1 torch divides by zero,
        and between whole numbers it never reaches the peak; here every run does. The defaults are torch's.
    """

    total_steps: int
    warmup_frac: float = 0.3
    initial_div: float = 25.0
    final_div: float = 1e4

    default_search: ClassVar[SearchSpace] = search_space(warmup_frac={"float": [0.1, 0.5]})

    __getstate__ = fields_only

    def __post_init__(self) -> None:
        settle(self, _RULES)

    @cached_property
    def _path(self) -> phases.Path:
        peak = max(0, phases.steps_of(self.warmup_frac, self.total_steps) - 1)
        initial = 1.0 / self.initial_div
        points = [(0, initial), (peak, 1.0), (self.total_steps - 1, initial / self.final_div)]
        return phases.path_through(points, self.total_steps, phases.cosine)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        return self._path(phases.checked_step(step, self.total_steps))
