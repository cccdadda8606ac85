"""The peak rate for most of the run, and a cooldown at its end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from schedules import phases, rules
from schedules.checks import Number, OneOf, Rule, fields_only, settle
from schedules.protocol import SearchSpace, search_space


def _one_minus_sqrt(start: float, end: float, progress: float) -> float:
    return phases.between(start, end, 1.0 - math.sqrt(progress))


_SHAPES: Mapping[str, phases.Shape] = {
    "linear": phases.linear,
    "one_minus_sqrt": _one_minus_sqrt,
    "cosine": phases.cosine,
}
_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "cooldown_frac": Number(0, 1, remedy="Give the part of the run in which the rate falls, such as 0.2."),
    "cooldown_shape": OneOf(tuple(_SHAPES)),
    "final_factor": rules.FINAL_FACTOR,
}


@dataclass(frozen=True, kw_only=True)
class WarmupStableDecay:
    """Hold the peak rate, then cool down in the last part of the run.

    With ``n = floor(cooldown_frac * total_steps + 0.5)`` steps of cooldown and
    ``p = max(0, step - (total_steps - n)) / n``: ``final_factor + (1 - final_factor) * shape(p)``, where
    ``shape(p)`` is

    ==================  ========================
    cooldown_shape      shape(p)
    ==================  ========================
    ``linear``          1 - p
    ``one_minus_sqrt``  1 - sqrt(p)
    ``cosine``          (1 + cos(pi * p)) / 2
    ==================  ========================

    The end would be reached at step ``total_steps``, one past the last. The name is the field's, but there is no
    warm-up in this class: it is composed, ``warmup_frac`` and its kin in front as of any schedule, and
    ``cooldown_frac`` is a part of what follows it.

    Args:
        total_steps: length of the run in updates, >= 1.
        cooldown_frac: part of the run in which the rate falls, in [0, 1]; 0 holds it to the end.
        cooldown_shape: way of falling, ``linear``, ``one_minus_sqrt`` or ``cosine``.
        final_factor: factor at the end of the run, in [0, 1].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        ``wsd_schedule`` in ``src/optim/utils.py`` of ``epfml/schedules-and-scaling``, the code of Hägele et al.,
        "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations" (2024, arXiv 2405.18392);
        that rounds the cooldown down and counts it as a part of the whole run, warm-up included. With
        ``cosine`` it is ``fit_flat_cos`` of fast.ai, which cools down in the last quarter.
    """

    total_steps: int
    cooldown_frac: float = 0.2
    cooldown_shape: str = "linear"
    final_factor: float = 0.0

    default_search: ClassVar[SearchSpace] = search_space(
        warmup_frac={"float": [0.0, 0.1]},
        cooldown_frac={"float": [0.05, 0.5]},
        cooldown_shape={"choice": ["linear", "one_minus_sqrt"]},
    )

    __getstate__ = fields_only

    def __post_init__(self) -> None:
        settle(self, _RULES)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        cooled = phases.checked_step(step, self.total_steps) - self._hold_steps
        if cooled <= 0:
            return 1.0
        shape = _SHAPES[self.cooldown_shape]
        return shape(1.0, self.final_factor, cooled / (self.total_steps - self._hold_steps))

    @cached_property
    def _hold_steps(self) -> int:
        return self.total_steps - phases.steps_of(self.cooldown_frac, self.total_steps)
