"""Drops at equal distances."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from schedules import rules
from schedules.checks import Rule, Whole, fields_only, settle
from schedules.phases import TOTAL_STEPS, checked_step, steps_of
from schedules.protocol import SearchSpace, search_space

_RULES: Mapping[str, Rule] = {
    "total_steps": TOTAL_STEPS,
    "num_drops": Whole(1, "Give how often the rate drops, such as 2.", high=10_000),
    "factor": rules.DROP_FACTOR,
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """Multiply the rate by ``factor`` at milestones that divide the run evenly.

    ``factor ** n(step)`` where ``n`` counts the milestones at or before ``step``. Milestone ``i`` of
    ``1 ... num_drops`` falls on step ``floor(i / (num_drops + 1) * total_steps + 0.5)``, but never on step 0:
    the peak rate is used for at least one update.

    Args:
        total_steps: length of the run in updates, >= 1.
        num_drops: number of milestones, in [1, 10000].
        factor: what the rate is multiplied by at a milestone, in (0, 1].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        ``torch.optim.lr_scheduler.StepLR`` and the policy ``step`` of Caffe, both with
        ``step_size = total_steps / (num_drops + 1)`` where that is a whole number. The ImageNet baseline of
        ``lnsmith54/hyperParam1`` (``asolver1.prototxt``) drops by 0.94 every 20,000 of 1,600,000 updates:
        ``num_drops=79, factor=0.94``.
    """

    total_steps: int
    num_drops: int = 2
    factor: float = 0.1

    default_search: ClassVar[SearchSpace] = search_space(num_drops={"int": [1, 6]}, factor={"log": [0.05, 0.5]})

    __getstate__ = fields_only

    def __post_init__(self) -> None:
        settle(self, _RULES)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = checked_step(step, self.total_steps)
        return self.factor ** bisect_right(self._milestones, step)

    @cached_property
    def _milestones(self) -> list[int]:
        fracs = (i / (self.num_drops + 1) for i in range(1, self.num_drops + 1))
        return [max(1, steps_of(frac, self.total_steps)) for frac in fracs]
