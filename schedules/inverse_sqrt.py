"""One over the square root of the time that has passed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from schedules import phases, rules
from schedules.checks import Rule, settle
from schedules.protocol import SearchSpace, search_space

_RULES: Mapping[str, Rule] = {
    "total_steps": phases.TOTAL_STEPS,
    "timescale_frac": rules.TIMESCALE_FRAC,
}


@dataclass(frozen=True, kw_only=True)
class InverseSqrt:
    """Decay the factor as one over the square root of the time that has passed.

    ``1 / sqrt(1 + step / timescale)`` with ``timescale = timescale_frac * total_steps``, not rounded.
    At the end of the run the factor is ``1 / sqrt(1 + 1 / timescale_frac)``, 0.30 by default.

    Args:
        total_steps: length of the run in updates, >= 1.
        timescale_frac: unit of time as a part of the run, > 0.

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        ``rsqrt`` of ``create_learning_rate_schedule`` in ``google-research/big_vision``, whose timescale is a
        number of steps (10,000 by default) whatever the length of the run. Behind a warm-up of ``n`` updates
        and with a timescale of ``n``, it is ``sqrt(n / step)`` of the whole run, the rule of Vaswani et al.,
        "Attention Is All You Need" (2017, equation 3).
    """

    total_steps: int
    timescale_frac: float = 0.1

    default_search: ClassVar[SearchSpace] = search_space(timescale_frac={"log": [0.01, 1.0]})

    def __post_init__(self) -> None:
        settle(self, _RULES)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        return 1.0 / math.sqrt(1.0 + step / self.total_steps / self.timescale_frac)
