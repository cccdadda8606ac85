"""A rate that only rises: no schedule to train with, and so in no table, but what a range test trains under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from schedules import SearchSpace, phases
from schedules.checks import Number, OneOf, Rule, complaint, settle

RampShape = Literal["linear", "exponential"]
RAMP_SHAPES: tuple[str, ...] = get_args(RampShape)

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "initial_factor": Number(0, 1),
    "shape": OneOf(RAMP_SHAPES),
}


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """Raise the factor from ``initial_factor`` at the first update to 1 at the last.

    With ``p = step / (total_steps - 1)``: ``initial_factor + (1 - initial_factor) * p`` if linear,
    ``initial_factor ** (1 - p)`` if exponential. A run of one update has the factor 1.

    Args:
        total_steps: length of the run in updates, >= 1.
        initial_factor: factor of the first update, in [0, 1]; above 0 if exponential.
        shape: ``linear`` or ``exponential``.

    Raises:
        ValueError: if a field breaks its range.

    Reference:
        Linear: ``lrRangeSolver.prototxt`` of github.com/lnsmith54/super-convergence, from 0 to 3. Exponential:
        ``LRFinder`` of fast.ai (``fastai/callback/schedule.py``), from 1e-7 to 10.
    """

    total_steps: int
    initial_factor: float = 0.0
    shape: str = "linear"

    default_search: ClassVar[SearchSpace] = {}

    def __post_init__(self) -> None:
        settle(self, _RULES)
        if self.shape == "exponential" and self.initial_factor == 0:
            raise ValueError(complaint("initial_factor", "above 0 where the ramp is exponential", 0.0))

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        progress = step / (self.total_steps - 1) if self.total_steps > 1 else 1.0
        if self.shape == "linear":
            return phases.linear(self.initial_factor, 1.0, progress)
        return float(self.initial_factor ** (1.0 - progress))
