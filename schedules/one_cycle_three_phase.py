"""One cycle in three cosine phases, as torch does it on demand."""

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


def three_phases(total_steps: int, warmup_frac: float, ends: tuple[float, float], shape: phases.Shape) -> phases.Path:
    """Lay the path up to 1, down in as many updates, and on to the last update.

    Args:
        total_steps: length of the run in updates.
        warmup_frac: part of the run in which the rate rises.
        ends: initial and final factor.
        shape: of each phase.

    Returns:
        The path; the peak falls on the last update of the rise.
    """
    peak = max(0, phases.steps_of(warmup_frac, total_steps) - 1)
    initial, final = ends
    points = [(0, initial), (peak, 1.0), (2 * peak, initial), (total_steps - 1, final)]
    return phases.path_through(points, total_steps, shape)


@dataclass(frozen=True, kw_only=True)
class OneCycleThreePhase:
    """Rise to the peak rate, fall back in as many updates, then anneal below the initial rate, all on cosines.

    With ``peak = max(0, floor(warmup_frac * total_steps + 0.5) - 1)``, half cosine waves through

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
        ``torch.optim.lr_scheduler.OneCycleLR`` with ``three_phase=True`` and ``anneal_strategy="cos"``, equal
        wherever ``warmup_frac * total_steps`` is a whole number above 1. The defaults are torch's.
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
        ends = (1.0 / self.initial_div, 1.0 / self.initial_div / self.final_div)
        return three_phases(self.total_steps, self.warmup_frac, ends, phases.cosine)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        return self._path(phases.checked_step(step, self.total_steps))
