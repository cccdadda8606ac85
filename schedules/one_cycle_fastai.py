"""One cycle in two cosine phases, as fast.ai does it."""

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
class OneCycleFastai:
    """Rise to the peak rate on half a cosine wave, then fall on another that ends one past the last update.

    With ``peak = floor(warmup_frac * total_steps + 0.5)``, ``first = 1 / initial_div``,
    ``last = first / final_div`` and ``cos(a, b, p)`` half a cosine wave from ``a`` to ``b``::

        cos(first, 1, step / peak)                          up to step peak
        cos(1, last, (step - peak) / (total_steps - peak))  from there on

    Where the peak would fall beyond the last update, it falls on it.

    Args:
        total_steps: length of the run in updates, >= 1.
        warmup_frac: part of the run in which the rate rises, in [0, 1); 0 starts at the peak.
        initial_div: peak rate / initial rate, >= 1.
        final_div: initial rate / final rate, >= 1.

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        ``fit_one_cycle`` of fast.ai version 2 (``fastai/callback/schedule.py``), equal wherever
        ``warmup_frac * total_steps`` is a whole number; the defaults are its ``pct_start=0.25``, ``div=25`` and
        ``div_final=1e5``, which counts from the peak. Version 1 (``OneCycleScheduler``) has ``warmup_frac=0.3``
        and ``final_div=1e4``.
    """

    total_steps: int
    warmup_frac: float = 0.25
    initial_div: float = 25.0
    final_div: float = 4e3

    default_search: ClassVar[SearchSpace] = search_space(warmup_frac={"float": [0.1, 0.5]})

    __getstate__ = fields_only

    def __post_init__(self) -> None:
        settle(self, _RULES)

    @cached_property
    def _path(self) -> phases.Path:
        peak = phases.steps_of(self.warmup_frac, self.total_steps)
        initial = 1.0 / self.initial_div
        points = [(0, initial), (peak, 1.0), (self.total_steps, initial / self.final_div)]
        return phases.path_through(points, self.total_steps, phases.cosine)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        return self._path(phases.checked_step(step, self.total_steps))
