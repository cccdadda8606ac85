"""The same part of the rate is lost in every step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from schedules import phases
from schedules.checks import Number, Rule, settle
from schedules.protocol import SearchSpace, search_space

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "final_factor": Number(0, 1, "(]", "It cannot be 0: an exponential never gets there. Give 0.01, or so."),
}


@dataclass(frozen=True, kw_only=True)
class Exponential:
    """Decay the factor exponentially.

    ``final_factor ** (step / total_steps)``.
    The end would be reached at step ``total_steps``, one past the last.

    Args:
        total_steps: length of the run in updates, >= 1.
        final_factor: factor at the end of the run, in (0, 1].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        ``torch.optim.lr_scheduler.ExponentialLR`` with ``gamma = final_factor ** (1 / total_steps)``;
        ``optax.exponential_decay`` with ``decay_rate=final_factor`` and ``transition_steps=total_steps``; the
        policy ``exp`` of Caffe. Those name the loss per step, which makes another shape of every budget.
    """

    total_steps: int
    final_factor: float = 0.01

    default_search: ClassVar[SearchSpace] = search_space(final_factor={"log": [1e-4, 0.1]})

    def __post_init__(self) -> None:
        settle(self, _RULES)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        return math.pow(self.final_factor, step / self.total_steps)
