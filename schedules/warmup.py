"""A ramp in front of a schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from schedules import phases, rules
from schedules.checks import Number, OneOf, Rule, Whole, attempt, complaint, read_settings, settle
from schedules.protocol import Schedule, SearchSpace, search_space

_SHAPES: Mapping[str, phases.Shape] = {"linear": phases.linear, "cosine": phases.cosine}
_SHAPE = OneOf(tuple(_SHAPES))
_INITIAL_FACTOR = Number(0, 1, remedy="Give the part of the rate with which the warm-up starts, such as 0.01.")

WARMUP_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {"warmup_frac": 0.0, "warmup_shape": "linear", "warmup_initial_factor": 0.01}
)
"""The settings of a warm-up and their defaults: there is none unless it is asked for."""

_RULES: Mapping[str, Rule] = {
    "warmup_frac": rules.WARMUP_FRAC,
    "warmup_shape": _SHAPE,
    "warmup_initial_factor": _INITIAL_FACTOR,
}


@dataclass(frozen=True)
class _BeginsAboveZero:
    """A schedule to which a ramp can lead up."""

    condition: str = "a schedule that begins above 0"
    remedy: str = "The ramp leads up to its first factor."

    def read(self, value: object) -> object:
        """Return the schedule; what is none, or trains nothing at first, is refused."""
        if not callable(value) or not isinstance(getattr(value, "total_steps", None), int) or value(0) == 0.0:
            raise ValueError(self.condition)
        return value


@dataclass(frozen=True, kw_only=True)
class Warmup:
    """Rise to the first factor of a schedule, then follow the schedule.

    With ``n = ramp_steps`` and the way ``shape(a, b, p)`` from ``a`` to ``b``, a line or half a cosine wave::

        schedule(0) * shape(initial_factor, 1, step / n)    for step < n
        schedule(step - n)                                  from there on

    Args:
        ramp_steps: length of the ramp in updates, >= 1.
        schedule: what follows; its first factor is above 0.
        shape: ``linear`` or ``cosine``.
        initial_factor: factor of the first update relative to that at the end of the ramp, in [0, 1].

    Raises:
        ValueError: if a field breaks its range; the message lists every offender.

    Reference:
        The gradual warm-up of Goyal et al., "Accurate, Large Minibatch SGD" (2017, arXiv 1706.02677; read
        second-hand), which is linear. Equal to ``torch.optim.lr_scheduler.LinearLR`` with
        ``start_factor=initial_factor`` in front of another in ``SequentialLR``.
    """

    ramp_steps: int
    schedule: Schedule
    shape: str = "linear"
    initial_factor: float = 0.01

    default_search: ClassVar[SearchSpace] = search_space(warmup_frac={"float": [0.0, 0.2]})

    def __post_init__(self) -> None:
        rules_here: Mapping[str, Rule] = {"ramp_steps": Whole(1), "schedule": _BeginsAboveZero()}
        settle(self, {**rules_here, "shape": _SHAPE, "initial_factor": _INITIAL_FACTOR})

    @property
    def total_steps(self) -> int:
        """Return the length of the run in updates, the ramp included."""
        return self.ramp_steps + self.schedule.total_steps

    def __call__(self, step: int) -> float:
        """Return the factor for ``step`` in ``[0, total_steps)``; raise ``IndexError`` outside."""
        step = phases.checked_step(step, self.total_steps)
        if step >= self.ramp_steps:
            return self.schedule(step - self.ramp_steps)
        return self.schedule(0) * _SHAPES[self.shape](self.initial_factor, 1.0, step / self.ramp_steps)


def with_warmup(build: Callable[[int], Schedule], total_steps: int, settings: Mapping[str, object]) -> Schedule:
    """Put a warm-up in front of a schedule; together they take ``total_steps`` updates.

    The ramp has ``min(steps_of(warmup_frac, total_steps), total_steps - 1)`` updates, so that the schedule has at
    least one; the schedule is stretched to the rest. A schedule that begins at 0 rises by itself: a ramp up to its
    first factor would train nothing.

    Args:
        build: makes the schedule from its length.
        total_steps: length of the run in updates, >= 1.
        settings: one value for each of ``WARMUP_SETTINGS``.

    Returns:
        The schedule alone if the ramp has no updates, else a `Warmup`.

    Raises:
        ValueError: if a setting of either breaks its range, one line per offender; or if there is to be a ramp in
        front of a schedule that begins at 0.
    """
    offences: list[str] = []
    alone = attempt(offences, build, total_steps)
    ramp = attempt(offences, read_settings, settings, _RULES)
    if alone is None or ramp is None:
        raise ValueError("\n".join(offences))
    # In a run of a few updates the peak may have moved to the first; where the shape begins is seen in a long one.
    if ramp["warmup_frac"] > 0.0 and build(phases.LONGEST)(0) == 0.0:
        remedy = "All of the ramp would be trained at rate 0, since it leads up to the first factor."
        raise ValueError(complaint("warmup_frac", "0 for a schedule that begins at 0", ramp["warmup_frac"], remedy))
    ramp_steps = min(phases.steps_of(ramp["warmup_frac"], total_steps), total_steps - 1)
    if ramp_steps == 0:
        return alone
    return Warmup(
        ramp_steps=ramp_steps,
        schedule=build(total_steps - ramp_steps),
        shape=ramp["warmup_shape"],
        initial_factor=ramp["warmup_initial_factor"],
    )


def no_warmup_hint(schedule: str, setting: str) -> str:
    """Say why a schedule does not know a setting of the warm-up; empty for any other setting."""
    if setting not in WARMUP_SETTINGS:
        return ""
    return f"Schedule {schedule} has a rise of its own, of length warmup_frac, and no warm-up in front."
