"""The arms of a study file: a schedule, a momentum policy, and the space in which they are tuned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from models.training import REQUIRED, check_settings, setting_names
from schedules import MOMENTUM, SCHEDULES
from sweeps.errors import Problem, name_options, suggest
from sweeps.space import Choice, Dimension, Setting, parse_dimension, unparse_dimension
from sweeps.spec.part import Part, raise_problems

_NUMBER_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_DIMENSION_SCHEMA = {
    "description": "One dimension to search: exactly one of float, log, int, choice.",
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {
        "float": {**_NUMBER_PAIR, "description": "Uniform between low and high."},
        "log": {**_NUMBER_PAIR, "description": "Uniform in the logarithm between low > 0 and high."},
        "int": {
            **_NUMBER_PAIR,
            "items": {"type": "integer"},
            "description": "Integers from low to high, included.",
        },
        "choice": {"type": "array", "minItems": 1, "description": "One of the options listed."},
    },
}

SearchDimension = Annotated[
    Dimension,
    BeforeValidator(parse_dimension),
    PlainSerializer(unparse_dimension),
    WithJsonSchema(_DIMENSION_SCHEMA),
]


def _one_of(options: Mapping[str, Any], field: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str) and value not in options:
            raise ValueError(f"{field} must be {name_options(options)}; got {value!r}.{suggest(value, options)}")
        return value

    return BeforeValidator(check)


def _default_search(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default space of the schedule and policy, less what the arm fixes."""
    if data.get("as_published") or "schedule" not in data or "momentum_policy" not in data:
        return {}
    own = {**SCHEDULES[data["schedule"]].default_search, **MOMENTUM[data["momentum_policy"]].default_search}
    return {name: parse_dimension(raw) for name, raw in own.items() if name not in data.get("settings", {})}


class Arm(Part):
    """One contender: a schedule and a momentum policy with the space in which they are tuned."""

    schedule: Annotated[str, _one_of(SCHEDULES, "schedule"), WithJsonSchema({"enum": sorted(SCHEDULES)})] = Field(
        description="The learning-rate schedule."
    )
    momentum_policy: Annotated[
        str, _one_of(MOMENTUM, "momentum_policy"), WithJsonSchema({"enum": sorted(MOMENTUM)})
    ] = Field("constant", description="How momentum moves with the rate.")
    as_published: bool = Field(
        False,
        description="Run with the settings of a publication instead of tuned ones; has no search space.",
    )
    reference: str = Field("", max_length=500, description="Where the settings of an as_published arm come from.")
    reference_accuracy: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Test accuracy that others have published for this arm at the longest budget: what it must reach.",
    )
    settings: dict[str, bool | int | float | str | list[bool | int | float | str]] = Field(
        default_factory=dict, description="Fixed settings, the same in every trial of this arm."
    )
    search: dict[str, SearchDimension] = Field(
        default_factory=_default_search,
        description="Dimensions of this arm beyond the shared ones; by default the schedule's own.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_problems(list(_arm_problems(self)))
        return self

    @property
    def fixed(self) -> dict[str, Setting]:
        """Return the fixed settings with lists as tuples, so that they are hashable."""
        return {name: tuple(v) if isinstance(v, list) else v for name, v in self.settings.items()}


def _arm_problems(arm: Arm) -> Iterator[Problem]:
    known = setting_names(arm.schedule, arm.momentum_policy)
    for part, names in (("settings", arm.settings), ("search", arm.search)):
        for name in names:
            if name not in known:
                yield Problem(
                    (part, name),
                    f"unknown setting for schedule {arm.schedule} with momentum policy {arm.momentum_policy}"
                    f"; must be {name_options(known)}.{suggest(name, known)}",
                )
    for name in set(arm.settings) & set(arm.search):
        yield Problem(("search", name), "must not be both fixed and searched; remove one of the two.")
    if arm.as_published and arm.search:
        yield Problem(("search",), "must be empty for an as_published arm, which is run as it was published.")
    missing = [name for name, default in known.items() if default is REQUIRED and name not in arm.settings]
    if arm.as_published and missing:
        yield Problem(("settings",), f"must name {', '.join(missing)}: an as_published arm takes part in no search.")
    yield from _value_problems(arm, known)


def _value_problems(arm: Arm, known: Mapping[str, Any]) -> Iterator[Problem]:
    """Build the schedule with each fixed value, bound and option, and report what it refuses."""
    fixed = {name: value for name, value in arm.fixed.items() if name in known}
    for name, value in fixed.items():
        yield from refusal(arm, {name: value}, ("settings", name))
    for name, dimension in arm.search.items():
        if name in known:
            for value in extremes(dimension):
                yield from refusal(arm, {**fixed, name: value}, ("search", name))
    if len(fixed) > 1:
        singly_fine = not any(next(refusal(arm, {n: v}, ()), None) for n, v in fixed.items())
        if singly_fine:
            yield from refusal(arm, fixed, ("settings",))


def extremes(dimension: Dimension) -> tuple[Setting, ...]:
    """Return the values of a dimension that a schedule must accept for all of them to be fine."""
    return dimension.options if isinstance(dimension, Choice) else (dimension.low, dimension.high)


def refusal(arm: Arm, settings: Mapping[str, Setting], path: tuple[str, ...]) -> Iterator[Problem]:
    """Yield what the schedule and the policy of an arm refuse about `settings`, as a problem at `path`."""
    try:
        check_settings(arm.schedule, arm.momentum_policy, settings)
    except ValueError as error:
        yield Problem(path, str(error))
