"""What a schedule and a momentum policy are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

SearchSpace = Mapping[str, Mapping[str, Any]]
"""Ranges by field as in a study file: ``float``, ``log`` or ``int: [lo, hi]``, or ``choice: [...]``."""


def search_space(**dimensions: Mapping[str, Sequence[Any]]) -> SearchSpace:
    """Write a default search space that nobody can change: a dimension by field, lists in it as tuples."""
    return MappingProxyType(
        {
            name: MappingProxyType({form: _as_tuples(values) for form, values in dimension.items()})
            for name, dimension in dimensions.items()
        }
    )


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value


class Schedule(Protocol):
    """The factor on the peak rate over the updates of one run.

    A frozen, keyword-only dataclass whose settings all have defaults. Its largest factor over a run is exactly 1,
    whatever the length of the run, so ``peak_lr`` means the same for every schedule. It rises to one peak and falls
    from there; only one with a setting ``cycles`` may have as many peaks, and knots those they are given. A setting
    whose name another schedule has too means the same in both. One that has a ``warmup_frac`` rises by itself;
    `Warmup` goes in front of others, unless they begin at 0.
    """

    default_search: ClassVar[SearchSpace]
    """What is worth tuning besides the peak rate: settings of its own, or of a warm-up in front of it."""

    def __init__(self, *, total_steps: int, **settings: Any) -> None: ...

    @property
    def total_steps(self) -> int:
        """Length of the run in updates, >= 1."""

    def __call__(self, step: int) -> float:
        """Return the factor, in [0, 1], for the update with index ``step`` in ``[0, total_steps)``."""


class MomentumPolicy(Protocol):
    """The momentum as a function of the factor on the peak rate, and of the peak rate.

    It sees the factor and not the step, so it moves against the rate of any schedule it is paired with. What it
    returns is the ``momentum`` of SGD and the ``beta1`` of Adam-type optimizers alike. ``momentum`` is always
    the largest of the run, a dimension that all policies share.
    """

    default_search: ClassVar[SearchSpace]

    def __init__(self, *, momentum: float = ..., **settings: Any) -> None: ...

    @property
    def momentum(self) -> float:
        """Largest momentum of the run, in [0, 1)."""

    def __call__(self, factor: float, peak_lr: float, /) -> float:
        """Return the momentum, in [0, 1), that goes with a factor in [0, 1] of a peak rate > 0."""
