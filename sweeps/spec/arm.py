"""The arms of a study file: a schedule, a momentum policy, and the space in which they are tuned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from models.training import REQUIRED, check_settings, setting_names
from schedules import MOMENTUM, PRESETS, SCHEDULES
from schedules.warmup import no_warmup_hint
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
    preset: Annotated[str, _one_of(PRESETS, "preset"), WithJsonSchema({"enum": sorted(PRESETS)})] | None = Field(
        None, description="A published shape of the schedule, by name: its settings, unless the arm has others."
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

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, data: Any) -> Any:
        return _filled_from_preset(data) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _check(self) -> Self:
        raise_problems(list(_arm_problems(self)))
        return self

    @property
    def fixed(self) -> dict[str, Setting]:
        """Return the fixed settings with lists as tuples, so that they are hashable."""
        return {name: tuple(v) if isinstance(v, list) else v for name, v in self.settings.items()}


def _filled_from_preset(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add what the preset says and the arm does not: settings that it neither fixes nor searches, and the source."""
    name = data.get("preset")
    chosen = PRESETS.get(name) if isinstance(name, str) else None
    fixed, searched = data.get("settings", {}), data.get("search", {})
    if chosen is None or chosen.schedule != data.get("schedule") or not isinstance(fixed, Mapping):
        return data
    added = {
        setting: list(value) if isinstance(value, tuple) else value
        for setting, value in chosen.settings.items()
        if not isinstance(searched, Mapping) or setting not in searched
    }
    return {"reference": chosen.reference, **data, "settings": {**added, **fixed}}


def _arm_problems(arm: Arm) -> Iterator[Problem]:
    if arm.preset is not None and PRESETS[arm.preset].schedule != arm.schedule:
        there = [name for name, preset in PRESETS.items() if preset.schedule == arm.schedule]
        condition = name_options(there) if there else f"left out, since schedule {arm.schedule} has none"
        yield Problem(("preset",), f"must be {condition}; got {arm.preset!r}, of {PRESETS[arm.preset].schedule}.")
    known = setting_names(arm.schedule, arm.momentum_policy)
    for part, names in (("settings", arm.settings), ("search", arm.search)):
        for name in names:
            if name not in known:
                hint = no_warmup_hint(arm.schedule, name)
                yield Problem(
                    (part, name),
                    f"unknown setting for schedule {arm.schedule} with momentum policy {arm.momentum_policy}"
                    f"; must be {name_options(known)}.{f' {hint}' if hint else suggest(name, known)}",
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
    typical = {name: value for name, value in typical_settings(arm).items() if name in known}
    searched = {name: dimension for name, dimension in arm.search.items() if name in known}
    tried = [{**typical, name: value} for name, dimension in searched.items() for value in extremes(dimension)]
    refused = [line for settings in tried or [typical] for line in _refused(arm, settings)]
    for line in dict.fromkeys(refused):
        field = line.partition(" must be ")[0]
        part = "search" if field in arm.search else "settings"
        yield Problem((part, field) if field in getattr(arm, part) else (part,), line)


def _refused(arm: Arm, settings: Mapping[str, Setting]) -> list[str]:
    """Return what the schedule and the policy of an arm refuse about `settings`, a line for each of them."""
    try:
        check_settings(arm.schedule, arm.momentum_policy, settings)
    except ValueError as error:
        return str(error).splitlines()
    return []


def typical_settings(arm: Arm) -> dict[str, Setting]:
    """Return settings that go together: what the arm fixes, and one value of each of its dimensions."""
    return {**arm.fixed, **{name: extremes(dimension)[0] for name, dimension in arm.search.items()}}


def extremes(dimension: Dimension) -> tuple[Setting, ...]:
    """Return the values of a dimension that a schedule must accept for all of them to be fine."""
    return dimension.options if isinstance(dimension, Choice) else (dimension.low, dimension.high)


def refusal(arm: Arm, settings: Mapping[str, Setting], path: tuple[str, ...]) -> Iterator[Problem]:
    """Yield what the schedule and the policy of an arm refuse about `settings`, as a problem at `path`."""
    if refused := _refused(arm, settings):
        yield Problem(path, "\n".join(refused))
