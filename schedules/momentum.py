"""Momentum policies: the momentum as a function of the factor on the peak rate, and of the peak rate.

The value is the ``momentum`` of SGD and the ``beta1`` of Adam-type optimizers alike: both weigh the past of the
gradient by it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from schedules.checks import Number, Rule, complaint, settle
from schedules.protocol import SearchSpace, search_space

_MOMENTUM = Number(0, 1, "[)", "Give the largest momentum of the run, such as 0.9.")
_FACTOR = Number(0, 1)
_CRITICAL_RULES: Mapping[str, Rule] = {
    "momentum": _MOMENTUM,
    "momentum_floor": Number(0, 1, "[)", "Give the smallest momentum of the run, such as 0."),
}


@dataclass(frozen=True, kw_only=True)
class ConstantMomentum:
    """Hold the momentum.

    Args:
        momentum: momentum, or beta1 of Adam-type optimizers, in [0, 1).

    Raises:
        ValueError: if a field breaks its range.

    Reference:
        Smith and Topin, "Super-Convergence" (arXiv 1708.07120), as run in ``solver.prototxt`` and
        ``clrsolver.prototxt`` of their code: 0.9, for the step schedule and for the cycle.
    """

    momentum: float = 0.9

    default_search: ClassVar[SearchSpace] = search_space()

    def __post_init__(self) -> None:
        settle(self, {"momentum": _MOMENTUM})

    def __call__(self, factor: float, _peak_lr: float, /) -> float:
        """Return ``momentum`` for a ``factor`` in [0, 1], whatever the rate; raise ``ValueError`` outside."""
        _check_factor(factor)
        return self.momentum


@dataclass(frozen=True, kw_only=True)
class CycledMomentum:
    """Lower the momentum as the rate rises: ``momentum - momentum_drop * factor``.

    Args:
        momentum: momentum, or beta1 of Adam-type optimizers, at rate 0, the largest of the run, in [0, 1).
        momentum_drop: how much lower it is at the peak rate, in [0, momentum].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        The 0.95 to 0.85 of fast.ai's ``fit_one_cycle`` and of ``torch.optim.lr_scheduler.OneCycleLR``; 0.95
        to 0.85 and 0.95 to 0.8 of the logs in Smith's ``lnsmith54/hyperParam1``. fast.ai and torch start at
        the largest momentum itself; here a run whose initial rate is not 0 starts a little lower (0.946 for
        an ``initial_div`` of 25).
    """

    momentum: float = 0.95
    momentum_drop: float = 0.1

    default_search: ClassVar[SearchSpace] = search_space(momentum_drop={"choice": [0.05, 0.1, 0.15]})

    def __post_init__(self) -> None:
        settle(self, {"momentum": _MOMENTUM, "momentum_drop": Number(0, 1, "[)")})
        if self.momentum_drop > self.momentum:
            condition = f"at most momentum ({self.momentum:g})"
            raise ValueError(
                complaint("momentum_drop", condition, self.momentum_drop, "The lowest momentum would be negative.")
            )

    def __call__(self, factor: float, _peak_lr: float, /) -> float:
        """Return the momentum for a ``factor`` in [0, 1], whatever the rate; raise ``ValueError`` outside."""
        _check_factor(factor)
        return self.momentum - self.momentum_drop * factor


@dataclass(frozen=True, kw_only=True)
class CriticalDamping:
    """Damp critically at every rate: ``1 - 2 * sqrt(lr)``, clipped to [momentum_floor, momentum].

    With ``lr = peak_lr * factor``. The clip acts below ``lr = (1 - momentum)**2 / 4`` and above
    ``lr = (1 - momentum_floor)**2 / 4``, which is 0.25 for a floor of 0: of a run with a peak rate of 3, most
    trains without momentum. Where a study searches ``momentum``, it is the upper bound that is searched.

    Args:
        momentum: momentum, or beta1 of Adam-type optimizers, at rate 0, the largest of the run, in [0, 1).
        momentum_floor: smallest momentum of the run, in [0, momentum].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        Pasichnyk, "Beta-Scheduling: Momentum from Critical Damping" (2026, arXiv 2603.28921), abstract. The
        rule is derived for gradient descent with momentum at unit curvature; for Adam-type optimizers, whose
        steps are rescaled, it is a rule of thumb. The clip is ours: the formula is negative above a rate of
        0.25.
    """

    momentum: float = 0.999
    momentum_floor: float = 0.0

    default_search: ClassVar[SearchSpace] = search_space()

    def __post_init__(self) -> None:
        settle(self, _CRITICAL_RULES)
        if self.momentum_floor > self.momentum:
            condition = f"at most momentum ({self.momentum:g})"
            raise ValueError(complaint("momentum_floor", condition, self.momentum_floor, "Lower it."))

    def __call__(self, factor: float, peak_lr: float, /) -> float:
        """Return the momentum for a ``factor`` in [0, 1] of ``peak_lr`` > 0; raise ``ValueError`` outside."""
        _check_factor(factor)
        if not 0.0 < peak_lr < math.inf:
            raise ValueError(complaint("peak_lr", "a finite number > 0", peak_lr, "Give the rate at factor 1."))
        return min(self.momentum, max(self.momentum_floor, 1.0 - 2.0 * math.sqrt(peak_lr * factor)))


def _check_factor(factor: float) -> None:
    if type(factor) is float and 0.0 <= factor <= 1.0:  # the rule below takes three times as long
        return
    try:
        _FACTOR.read(factor)
    except ValueError:
        raise ValueError(complaint("factor", _FACTOR.condition, factor)) from None
