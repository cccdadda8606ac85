"""The peak rate throughout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from schedules.checks import settle
from schedules.phases import TOTAL_STEPS, checked_step
from schedules.protocol import SearchSpace, search_space


@dataclass(frozen=True, kw_only=True)
class Constant:
    """Hold the factor at 1.

    Args:
        total_steps: length of the run in updates, >= 1.

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        ``torch.optim.lr_scheduler.ConstantLR`` with ``factor=1``, or no schedule at all.
    """

    total_steps: int

    default_search: ClassVar[SearchSpace] = search_space()

    def __post_init__(self) -> None:
        settle(self, {"total_steps": TOTAL_STEPS})

    def __call__(self, step: int) -> float:
        """Return 1.0 for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        checked_step(step, self.total_steps)
        return 1.0
