"""Half a cosine wave down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from schedules import phases, rules
from schedules.checks import Rule, settle
from schedules.protocol import SearchSpace, search_space

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "final_factor": rules.FINAL_FACTOR,
}


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Decay the factor on half a cosine wave.

    ``final_factor + (1 - final_factor) * (1 + cos(pi * step / total_steps)) / 2``.
    The end would be reached at step ``total_steps``, one past the last, so no update is spent at rate 0.

    Args:
        total_steps: length of the run in updates, >= 1.
        final_factor: factor at the end of the run, in [0, 1].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        ``torch.optim.lr_scheduler.CosineAnnealingLR`` with ``T_max=total_steps`` and
        ``eta_min=final_factor * peak_lr``.
    """

    total_steps: int
    final_factor: float = 0.0

    default_search: ClassVar[SearchSpace] = search_space(final_factor={"choice": [0.0, 0.01, 0.1]})

    def __post_init__(self) -> None:
        settle(self, _RULES)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        return phases.cosine(1.0, self.final_factor, step / self.total_steps)
