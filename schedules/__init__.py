"""Learning-rate schedules and momentum policies as pure, frozen values.

A schedule maps the index of an update to a factor on the peak rate; a momentum policy maps that factor to a
momentum. To add one, write its file and add its line to a table below.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from schedules.checks import attempt, unknown_option
from schedules.constant import Constant
from schedules.cosine import Cosine
from schedules.cosine_restarts import CosineRestarts
from schedules.exp_range import ExpRange
from schedules.exponential import Exponential
from schedules.inverse_power import InversePower
from schedules.inverse_sqrt import InverseSqrt
from schedules.knee import Knee
from schedules.knots import Knots
from schedules.linear import Linear
from schedules.momentum import ConstantMomentum, CriticalDamping, CycledMomentum
from schedules.one_cycle import OneCycle
from schedules.one_cycle_constant_tail import OneCycleConstantTail
from schedules.one_cycle_fastai import OneCycleFastai
from schedules.one_cycle_three_phase import OneCycleThreePhase
from schedules.one_cycle_triangular import OneCycleTriangular
from schedules.piecewise import Piecewise
from schedules.polynomial import Polynomial
from schedules.presets import PRESETS, Preset
from schedules.protocol import MomentumPolicy, Schedule, SearchSpace
from schedules.rex import Rex
from schedules.step import Step
from schedules.triangular import Triangular
from schedules.triangular2 import Triangular2
from schedules.warmup import WARMUP_SETTINGS, Warmup, no_warmup_hint, with_warmup
from schedules.warmup_stable_decay import WarmupStableDecay

SCHEDULES: Mapping[str, type[Schedule]] = MappingProxyType(
    {
        "constant": Constant,
        "piecewise": Piecewise,
        "step": Step,
        "exponential": Exponential,
        "linear": Linear,
        "polynomial": Polynomial,
        "cosine": Cosine,
        "rex": Rex,
        "inverse_sqrt": InverseSqrt,
        "inverse_power": InversePower,
        "warmup_stable_decay": WarmupStableDecay,
        "knee": Knee,
        "one_cycle": OneCycle,
        "one_cycle_three_phase": OneCycleThreePhase,
        "one_cycle_triangular": OneCycleTriangular,
        "one_cycle_constant_tail": OneCycleConstantTail,
        "one_cycle_fastai": OneCycleFastai,
        "triangular": Triangular,
        "triangular2": Triangular2,
        "exp_range": ExpRange,
        "cosine_restarts": CosineRestarts,
        "knots": Knots,
    }
)

MOMENTUM: Mapping[str, type[MomentumPolicy]] = MappingProxyType(
    {
        "constant": ConstantMomentum,
        "cycled": CycledMomentum,
        "critical_damping": CriticalDamping,
    }
)

__all__ = [
    "MOMENTUM",
    "PRESETS",
    "SCHEDULES",
    "Constant",
    "ConstantMomentum",
    "Cosine",
    "CosineRestarts",
    "CriticalDamping",
    "CycledMomentum",
    "ExpRange",
    "Exponential",
    "InversePower",
    "InverseSqrt",
    "Knee",
    "Knots",
    "Linear",
    "MomentumPolicy",
    "OneCycle",
    "OneCycleConstantTail",
    "OneCycleFastai",
    "OneCycleThreePhase",
    "OneCycleTriangular",
    "Piecewise",
    "Polynomial",
    "Preset",
    "Rex",
    "Schedule",
    "SearchSpace",
    "Step",
    "Triangular",
    "Triangular2",
    "Warmup",
    "WarmupStableDecay",
    "build_schedule",
    "schedule_settings",
    "setting_defaults",
]


def setting_defaults(kind: type[Schedule] | type[MomentumPolicy]) -> dict[str, Any]:
    """List the settings of an entry of either table: its fields but ``total_steps``, with their defaults."""
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]  # the tables hold dataclasses only
    return {field.name: field.default for field in fields if field.name != "total_steps"}


def schedule_settings(name: str) -> dict[str, Any]:
    """List the settings that a schedule can be built with, and their defaults.

    Args:
        name: key of ``SCHEDULES``.

    Returns:
        Its own settings, and those of a warm-up in front of it unless it has a ``warmup_frac`` of its own.

    Raises:
        ValueError: if there is no schedule of that name.
    """
    if name not in SCHEDULES:
        raise ValueError(unknown_option("schedule", name, SCHEDULES))
    own = setting_defaults(SCHEDULES[name])
    return own if "warmup_frac" in own else {**own, **WARMUP_SETTINGS}


def build_schedule(name: str, total_steps: int, settings: Mapping[str, Any] = MappingProxyType({})) -> Schedule:
    """Build a schedule, with a warm-up in front of it if the settings ask for one.

    Args:
        name: key of ``SCHEDULES``.
        total_steps: length of the run in updates, >= 1.
        settings: values by name, see ``schedule_settings``; what is missing takes its default.

    Returns:
        An entry of ``SCHEDULES``, or a `Warmup` with one.

    Raises:
        ValueError: if a name is unknown or a value breaks its range; one line per offender.
    """
    known = schedule_settings(name)
    offences = [
        unknown_option("settings", setting, known, f"the settings of schedule {name}", no_warmup_hint(name, setting))
        for setting in settings
        if setting not in known
    ]
    kind, values = SCHEDULES[name], {setting: settings.get(setting, default) for setting, default in known.items()}
    own = {setting: values.pop(setting) for setting in setting_defaults(kind)}

    def build(steps: int) -> Schedule:
        return kind(total_steps=steps, **own)

    if values:
        built = attempt(offences, with_warmup, build, total_steps, values)
    else:
        built = attempt(offences, build, total_steps)
    if built is None or offences:
        raise ValueError("\n".join(offences))
    return built
