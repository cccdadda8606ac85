"""Learning-rate schedules and momentum policies as pure, frozen values.

A schedule maps the index of an update to a factor on the peak rate; a momentum policy maps that factor to a
momentum. To add one, write its file and add its line to a table below.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from schedules.constant import Constant
from schedules.cosine import Cosine
from schedules.linear import Linear
from schedules.momentum import ConstantMomentum, CycledMomentum
from schedules.one_cycle import OneCycle
from schedules.one_cycle_triangular import OneCycleTriangular
from schedules.piecewise import Piecewise
from schedules.protocol import MomentumPolicy, Schedule, SearchSpace

SCHEDULES: Mapping[str, type[Schedule]] = {
    "constant": Constant,
    "piecewise": Piecewise,
    "linear": Linear,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "one_cycle_triangular": OneCycleTriangular,
}

MOMENTUM: Mapping[str, type[MomentumPolicy]] = {
    "constant": ConstantMomentum,
    "cycled": CycledMomentum,
}

__all__ = [
    "MOMENTUM",
    "SCHEDULES",
    "Constant",
    "ConstantMomentum",
    "Cosine",
    "CycledMomentum",
    "Linear",
    "MomentumPolicy",
    "OneCycle",
    "OneCycleTriangular",
    "Piecewise",
    "Schedule",
    "SearchSpace",
    "setting_defaults",
]


def setting_defaults(kind: type[Schedule] | type[MomentumPolicy]) -> dict[str, Any]:
    """List the settings of an entry of either table: its fields but ``total_steps``, with their defaults."""
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]  # the tables hold dataclasses only
    return {field.name: field.default for field in fields if field.name != "total_steps"}
