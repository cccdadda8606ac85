"""Half a cosine wave down, again and again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import ClassVar

from schedules import phases, rules
from schedules.checks import Number, Rule, fields_only, settle
from schedules.protocol import SearchSpace, search_space

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "cycles": rules.CYCLES,
    "cycle_growth": Number(1, remedy="Give length of a cycle / length of the one before, such as 2."),
    "final_factor": rules.FINAL_FACTOR,
}


@dataclass(frozen=True, kw_only=True)
class CosineRestarts:
    """Decay the factor on half a cosine wave, and start again at the peak rate, ``cycles`` times.

    ``final_factor + (1 - final_factor) * (1 + cos(pi * (step - start) / length)) / 2`` in a cycle of ``length`` steps
    from ``start``. Cycle ``i = 0, 1, ...`` is ``cycle_growth ** i`` times as long as the first; its start, a fraction
    of the run, falls on the nearest step, halves up. Its end is the start of the next, so that no update is spent at
    rate 0.

    Args:
        total_steps: length of the run in updates, >= 1.
        cycles: number of cycles, in [1, 10000]; in a run of fewer updates some have none.
        cycle_growth: length of a cycle / length of the one before, >= 1.
        final_factor: factor at the end of the run, and of every cycle, in [0, 1].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017, arXiv 1608.03983;
        read second-hand). Equal to ``torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`` where all starts are
        whole steps, with ``T_mult=cycle_growth`` and ``T_0`` the first cycle's length.
    """

    total_steps: int
    cycles: int = 3
    cycle_growth: float = 2.0
    final_factor: float = 0.0

    default_search: ClassVar[SearchSpace] = search_space(
        cycles={"int": [2, 4]},
        cycle_growth={"choice": [1, 2]},
        final_factor={"choice": [0.0, 0.01, 0.1]},
    )

    __getstate__ = fields_only

    def __post_init__(self) -> None:
        settle(self, _RULES)

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        """Return where cycles start, and last where the run ends."""
        lengths = [self.cycle_growth ** (i + 1 - self.cycles) for i in range(self.cycles)]
        before = accumulate(lengths[:-1], initial=0.0)
        whole = sum(lengths)
        return (*(phases.steps_of(length / whole, self.total_steps) for length in before), self.total_steps)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        after = bisect_right(self._starts, step)
        start, end = self._starts[after - 1], self._starts[after]
        return phases.cosine(1.0, self.final_factor, (step - start) / (end - start))
