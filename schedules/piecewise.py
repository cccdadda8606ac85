"""Drops at fixed parts of the run: the step schedule that most baselines use."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from schedules import rules
from schedules.checks import Number, Rule, Several, fields_only, settle
from schedules.phases import TOTAL_STEPS, checked_step, steps_of
from schedules.protocol import SearchSpace, search_space

_RULES: Mapping[str, Rule] = {
    "total_steps": TOTAL_STEPS,
    "milestones": Several(
        Number(0, 1, "()"),
        "increasing fractions in (0, 1)",
        increasing=True,
        remedy="List the parts of the run after which the rate drops, such as [0.5, 0.75].",
    ),
    "factor": rules.DROP_FACTOR,
}


@dataclass(frozen=True, kw_only=True)
class Piecewise:
    """Multiply the rate by ``factor`` at every milestone.

    ``factor ** n(step)`` where ``n`` counts the milestones at or before ``step``. A milestone falls on step
    ``floor(frac * total_steps + 0.5)``, but never on step 0: the peak rate is used for at least one update.

    Args:
        total_steps: length of the run in updates, >= 1.
        milestones: fractions of the run in (0, 1), increasing.
        factor: what the rate is multiplied by at a milestone, in (0, 1].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        Smith and Topin, "Super-Convergence" (arXiv 1708.07120), baseline as run in ``solver.prototxt`` of
        their code: drops at 50k and 70k of 80k updates, factor 0.1, which is ``milestones=(0.625, 0.875)``.
    """

    total_steps: int
    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    default_search: ClassVar[SearchSpace] = search_space(
        milestones={
            "choice": [
                [0.5],
                [0.8],
                [0.5, 0.75],
                [0.625, 0.875],
                [0.7, 0.9],
                [0.3, 0.6, 0.8],
                [0.5, 0.75, 0.9],
            ]
        },
        factor={"log": [0.05, 0.5]},
    )

    __getstate__ = fields_only

    def __post_init__(self) -> None:
        settle(self, _RULES)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = checked_step(step, self.total_steps)
        return self.factor ** bisect_right(self._drop_steps, step)

    @cached_property
    def _drop_steps(self) -> list[int]:
        return [max(1, steps_of(frac, self.total_steps)) for frac in self.milestones]
