"""A power of what is left of the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from schedules import phases, rules
from schedules.checks import Number, Rule, settle
from schedules.protocol import SearchSpace, search_space

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "power": Number(0, brackets="()", remedy="Give 1 for a straight line, more to fall early, less to fall late."),
    "final_factor": rules.FINAL_FACTOR,
}


@dataclass(frozen=True, kw_only=True)
class Polynomial:
    """Decay the factor as a power of what is left of the run.

    ``final_factor + (1 - final_factor) * (1 - step / total_steps) ** power``.
    The end would be reached at step ``total_steps``, one past the last, so no update is spent at rate 0.

    Args:
        total_steps: length of the run in updates, >= 1.
        power: power of what is left of the run, > 0; 1 is a straight line.
        final_factor: factor at the end of the run, in [0, 1].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        ``torch.optim.lr_scheduler.PolynomialLR`` with ``total_iters=total_steps``; the policy ``poly`` of
        Caffe; ``optax.polynomial_schedule`` with ``end_value=final_factor * init_value``. The default search
        is that of ``idiap/hypaobp``, the code of Sivaprasad et al., "Optimizer Benchmarking Needs to Account
        for Hyperparameter Tuning" (2020, arXiv 1910.11758): a power uniform in 0.5 to 5.5.
    """

    total_steps: int
    power: float = 2.0
    final_factor: float = 0.0

    default_search: ClassVar[SearchSpace] = search_space(power={"float": [0.5, 5.5]})

    def __post_init__(self) -> None:
        settle(self, _RULES)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        return phases.between(1.0, self.final_factor, math.pow(1.0 - step / self.total_steps, self.power))
