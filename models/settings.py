"""The settings of an arm: which there are, whether their values will do, and what they amount to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from schedules import MOMENTUM, SCHEDULES, MomentumPolicy, Schedule, build_schedule, schedule_settings, setting_defaults
from schedules.checks import Number, Rule, attempt, complaint, near_miss, read_settings, unknown_option
from schedules.warmup import no_warmup_hint


class _Required(Enum):
    """A value of its own type, which survives pickling and prints as its name."""

    REQUIRED = "required"

    def __repr__(self) -> str:
        return self.name


REQUIRED: Final[Literal[_Required.REQUIRED]] = _Required.REQUIRED
"""Stands for the default of a setting that has none."""

_OPTIMIZER_DEFAULTS: Mapping[str, Any] = {
    "peak_lr": REQUIRED,
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "clip_norm": 0.0,
    "bn_momentum": None,
}
_OPTIMIZER_RULES: Mapping[str, Rule] = {
    "peak_lr": Number(0, brackets="()", remedy="Give the largest learning rate of the run, such as 0.1."),
    "weight_decay": Number(0, remedy="Give 0 for none."),
    "label_smoothing": Number(0, 1, "[)", "Give 0 for none."),
    "clip_norm": Number(0, remedy="Give 0 for none."),
    "bn_momentum": Number(0, 1, "(]", "It is the weight of the new batch. Leave it out for the network's own."),
}


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """An arm's settings as values that can be used.

    Args:
        schedule: factor on the peak rate by update.
        momentum_policy: momentum, or beta1 of Adam-type optimizers, by factor and peak rate.
        peak_lr: largest learning rate of the run, > 0.
        weight_decay: as the optimizer understands it: SGD and Adam add it to the gradient as an L2 penalty, AdamW
            shrinks the weights by rate times weight decay; >= 0.
        label_smoothing: part of the label spread over all classes, in [0, 1).
        clip_norm: longest gradient of an update; a longer one is shortened to it; 0 for no limit.
        bn_momentum: weight of the new batch in the running statistics of batch norm, in (0, 1]; None for the network's
            own.
    """

    schedule: Schedule
    momentum_policy: MomentumPolicy
    peak_lr: float
    weight_decay: float
    label_smoothing: float
    clip_norm: float = 0.0
    bn_momentum: float | None = None

    def at(self, step: int) -> tuple[float, float]:
        """Return learning rate and momentum of the update with index ``step`` in ``[0, total_steps)``."""
        factor = self.schedule(step)
        return self.peak_lr * factor, self.momentum_policy(factor, self.peak_lr)


def setting_names(schedule: str, momentum_policy: str) -> dict[str, Any]:
    """List every setting that an arm with this schedule and momentum policy may fix or search.

    Args:
        schedule: key of ``schedules.SCHEDULES``.
        momentum_policy: key of ``schedules.MOMENTUM``.

    Returns:
        Defaults by name; ``REQUIRED`` where there is none.

    Raises:
        ValueError: if either name is unknown.
    """
    _check_names(schedule, momentum_policy)
    return {
        **_OPTIMIZER_DEFAULTS,
        **setting_defaults(MOMENTUM[momentum_policy]),
        **schedule_settings(schedule),
    }


def check_settings(schedule: str, momentum_policy: str, settings: Mapping[str, Any]) -> None:
    """Check the settings that are given; required ones may be missing, and the rest take their defaults.

    Args:
        schedule: key of ``schedules.SCHEDULES``.
        momentum_policy: key of ``schedules.MOMENTUM``.
        settings: values by name, see ``setting_names``.

    Raises:
        ValueError: if a name is unknown or a value out of range; one line per offender.
    """
    required = {name: 1.0 for name, value in _OPTIMIZER_DEFAULTS.items() if value is REQUIRED}
    resolve(schedule, momentum_policy, {**required, **settings}, total_updates=1)


def resolve(schedule: str, momentum_policy: str, settings: Mapping[str, Any], total_updates: int) -> Resolved:
    """Build schedule and momentum policy from an arm's settings.

    Args:
        schedule: key of ``schedules.SCHEDULES``.
        momentum_policy: key of ``schedules.MOMENTUM``.
        settings: values by name, see ``setting_names``; what is missing takes its default.
        total_updates: length of the training in updates, >= 1.

    Returns:
        The settings in use.

    Raises:
        ValueError: if a name is unknown, a required setting missing or a value out of range; one line per
        offender.
    """
    known = setting_names(schedule, momentum_policy)
    owner = f"the settings of schedule {schedule} with momentum policy {momentum_policy}"
    offences = [
        complaint(
            name, f"one of {owner}: {', '.join(known)}", value, no_warmup_hint(schedule, name) or near_miss(name, known)
        )
        for name, value in settings.items()
        if name not in known
    ]
    values = {**known, **settings}

    def of(names: Mapping[str, Any]) -> dict[str, Any]:
        return {name: values[name] for name in names}

    policy = MOMENTUM[momentum_policy]
    parts: dict[str, Any] = {
        "schedule": attempt(offences, build_schedule, schedule, total_updates, of(schedule_settings(schedule))),
        "momentum_policy": attempt(offences, policy, **of(setting_defaults(policy))),
        **(attempt(offences, _optimizer_settings, **of(_OPTIMIZER_DEFAULTS)) or {}),
    }
    if offences:
        raise ValueError("\n".join(offences))
    return Resolved(**parts)


def _optimizer_settings(**values: Any) -> dict[str, Any]:
    absent = {name for name, value in values.items() if value is None and _OPTIMIZER_DEFAULTS[name] is None}
    given = {name: None if value is REQUIRED else value for name, value in values.items() if name not in absent}
    return read_settings(given, {name: _OPTIMIZER_RULES[name] for name in given})


def _check_names(schedule: str, momentum_policy: str) -> None:
    offences = []
    if schedule not in SCHEDULES:
        offences.append(unknown_option("schedule", schedule, SCHEDULES))
    if momentum_policy not in MOMENTUM:
        offences.append(unknown_option("momentum_policy", momentum_policy, MOMENTUM))
    if offences:
        raise ValueError("\n".join(offences))
