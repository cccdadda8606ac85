"""One over a power of the time that has passed: inverse time decay, and Caffe's ``inv``."""

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
    "timescale_frac": rules.TIMESCALE_FRAC,
    "exponent": Number(0, brackets="()", remedy="Give 1 for inverse time decay, 0.75 for Caffe's LeNet."),
}


@dataclass(frozen=True, kw_only=True)
class InversePower:
    """Decay the factor as one over a power of the time that has passed.

    ``(1 + step / timescale) ** -exponent`` with ``timescale = timescale_frac * total_steps``, not rounded.

    Args:
        total_steps: length of the run in updates, >= 1.
        timescale_frac: unit of time as a part of the run, > 0.
        exponent: how fast it falls, > 0; 1 is inverse time decay.

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        The policy ``inv`` of Caffe, ``(1 + gamma * step) ** -power`` with ``gamma = 1 / timescale``. Its
        ``examples/mnist/lenet_solver.prototxt`` has gamma 0.0001 and power 0.75 over 10,000 steps, which is
        ``timescale_frac=1, exponent=0.75``. With ``exponent=1`` it is ``InverseTimeDecay`` of Keras.
    """

    total_steps: int
    timescale_frac: float = 0.1
    exponent: float = 1.0

    default_search: ClassVar[SearchSpace] = search_space(
        timescale_frac={"log": [0.01, 1.0]},
        exponent={"float": [0.5, 1.5]},
    )

    def __post_init__(self) -> None:
        settle(self, _RULES)

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        return math.pow(1.0 + step / self.total_steps / self.timescale_frac, -self.exponent)
