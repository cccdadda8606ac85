"""Momentum policies: the momentum as a function of the factor on the peak rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from schedules.checks import Number, complaint, settle
from schedules.protocol import SearchSpace

_MOMENTUM = Number(0, 1, "[)", "Give the largest momentum of the run, such as 0.9.")
_FACTOR = Number(0, 1)


@dataclass(frozen=True, kw_only=True)
class ConstantMomentum:
    """Hold the momentum.

    Args:
        momentum: in [0, 1).

    Raises:
        ValueError: if a field breaks its range.
    """

    momentum: float = 0.9

    default_search: ClassVar[SearchSpace] = {}

    def __post_init__(self) -> None:
        settle(self, {"momentum": _MOMENTUM})

    def __call__(self, factor: float) -> float:
        """Return ``momentum`` for a ``factor`` in [0, 1]; raise ``ValueError`` outside."""
        _check_factor(factor)
        return self.momentum


@dataclass(frozen=True, kw_only=True)
class CycledMomentum:
    """Lower the momentum as the rate rises: ``momentum - momentum_drop * factor``.

    Args:
        momentum: momentum at rate 0, the largest of the run, in [0, 1).
        momentum_drop: how much lower it is at the peak rate, in [0, momentum].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        The 0.95 to 0.85 of fast.ai's ``fit_one_cycle`` and of ``torch.optim.lr_scheduler.OneCycleLR``.
        Those start at the largest momentum itself; here a run whose initial rate is not 0 starts a little
        lower (0.946 for an ``initial_div`` of 25).
    """

    momentum: float = 0.95
    momentum_drop: float = 0.1

    default_search: ClassVar[SearchSpace] = {"momentum_drop": {"choice": [0.05, 0.1, 0.15]}}

    def __post_init__(self) -> None:
        settle(self, {"momentum": _MOMENTUM, "momentum_drop": Number(0, 1, "[)")})
        if self.momentum_drop > self.momentum:
            condition = f"at most momentum ({self.momentum:g})"
            raise ValueError(
                complaint("momentum_drop", condition, self.momentum_drop, "The lowest momentum would be negative.")
            )

    def __call__(self, factor: float) -> float:
        """Return the momentum for a ``factor`` in [0, 1]; raise ``ValueError`` outside."""
        _check_factor(factor)
        return self.momentum - self.momentum_drop * factor


def _check_factor(factor: float) -> None:
    try:
        _FACTOR.read(factor)
    except ValueError:
        raise ValueError(complaint("factor", _FACTOR.condition, factor)) from None
