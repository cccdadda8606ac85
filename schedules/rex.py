"""The reflected exponential: late to fall, and then all at once."""

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
class Rex:
    """Decay the factor on the reflected exponential of the REX paper.

    With ``left = 1 - step / total_steps``: ``final_factor + (1 - final_factor) * left / (0.5 + 0.5 * left)``.
    It lies above the straight line and has half its slope at the start, twice its slope at the end. The end
    would be reached at step ``total_steps``, one past the last, so no update is spent at rate 0.

    Args:
        total_steps: length of the run in updates, >= 1.
        final_factor: factor at the end of the run, in [0, 1].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        Chen, Wolfe and Kyrillidis, "REX: Revisiting Budgeted Training with an Improved Schedule" (MLSys 2022,
        arXiv 2107.04197), with ``final_factor=0``, as quoted in ``rex_schedule_family.py`` of
        ``google/init2winit``. Ports in use have other numbers in place of the two 0.5.
    """

    total_steps: int
    final_factor: float = 0.0

    default_search: ClassVar[SearchSpace] = search_space(final_factor={"choice": [0.0, 0.01, 0.1]})

    def __post_init__(self) -> None:
        settle(self, _RULES)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        left = 1.0 - step / self.total_steps
        return phases.between(1.0, self.final_factor, left / (0.5 + 0.5 * left))
