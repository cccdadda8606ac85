"""One cycle in two cosine phases, as fast.ai and torch do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from schedules import phases
from schedules.checks import Number, Rule, settle
from schedules.protocol import SearchSpace

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "warmup_frac": Number(0, 1, "[)", "Give the part of the run in which the rate rises, such as 0.3."),
    "initial_div": Number(1, remedy="Give peak rate / initial rate, such as 25."),
    "final_div": Number(1, remedy="Give initial rate / final rate, such as 10000."),
}


@dataclass(frozen=True, kw_only=True)
class OneCycle:
    """Rise to the peak rate on half a cosine wave, then fall on another.

    With ``peak = max(0, floor(warmup_frac * total_steps + 0.5) - 1)`` and ``cos(a, b, p)`` half a cosine
    wave from ``a`` to ``b``::

        cos(1 / initial_div, 1, step / peak)                                              up to step peak
        cos(1, 1 / (initial_div * final_div), (step - peak) / (total_steps - 1 - peak))   from there on

    The last update has the final rate, unless it is the peak itself, as in a run of one update.

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

    default_search: ClassVar[SearchSpace] = {"warmup_frac": {"float": [0.1, 0.5]}}

    def __post_init__(self) -> None:
        settle(self, _RULES)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        peak = max(0, phases.steps_of(self.warmup_frac, self.total_steps) - 1)
        initial = 1.0 / self.initial_div
        if step == peak:
            return 1.0
        if step < peak:
            return phases.cosine(initial, 1.0, step / peak)
        return phases.cosine(1.0, initial / self.final_div, (step - peak) / (self.total_steps - 1 - peak))
