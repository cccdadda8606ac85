"""What a schedule and a momentum policy are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

SearchSpace = Mapping[str, Mapping[str, Any]]
"""Ranges by field as in a study file: ``float``, ``log`` or ``int: [lo, hi]``, or ``choice: [...]``."""


class Schedule(Protocol):
    """The factor on the peak rate over the updates of one run.

    A frozen, keyword-only dataclass whose settings all have defaults. Its largest factor over a run is
    exactly 1, whatever the length of the run, so ``peak_lr`` means the same for every schedule.
    """

    default_search: ClassVar[SearchSpace]

    def __init__(self, *, total_steps: int, **settings: Any) -> None: ...

    @property
    def total_steps(self) -> int:
        """Length of the run in updates, >= 1."""

    def __call__(self, step: int) -> float:
        """Return the factor, in [0, 1], for the update with index ``step`` in ``[0, total_steps)``."""


class MomentumPolicy(Protocol):
    """The momentum as a function of the factor on the peak rate.

    It sees the factor and not the step, so it moves against the rate of any schedule it is paired with.
    ``momentum`` is always the largest momentum of the run, a dimension that all policies share.
    """

    default_search: ClassVar[SearchSpace]

    def __init__(self, *, momentum: float = ..., **settings: Any) -> None: ...

    @property
    def momentum(self) -> float:
        """Largest momentum of the run, in [0, 1)."""

    def __call__(self, factor: float) -> float:
        """Return the momentum, in [0, 1), that goes with a factor in [0, 1]."""
