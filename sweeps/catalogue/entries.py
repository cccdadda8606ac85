"""Read what an entry of the tables says of itself: its docstring, its settings, its default search space."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schedules import MOMENTUM, SCHEDULES, MomentumPolicy, Schedule, schedule_settings, setting_defaults

_SECTION = re.compile(r"^(Args|Raises|Returns|Reference|References):$", re.MULTILINE)
_ARGUMENT = re.compile(r"^(\w+): ", re.MULTILINE)
_OF_WARMUP = "of a warm-up in front of it."


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of an entry.

    Attributes:
        name: key in a study file.
        default: value where a study gives none.
        meaning: what it is, with its range.
        search: dimension of the default search space; None where it is not searched by default.
    """

    name: str
    default: Any
    meaning: str
    search: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One schedule or momentum policy; its texts are as in the docstring.

    Attributes:
        name: key of its table.
        summary: one sentence.
        formula: the rest of the description.
        settings: its own, in the order of its fields, and any of a warm-up that is searched by default.
        reference: where it comes from; empty where there is nothing to cite.
    """

    name: str
    summary: str
    formula: str
    settings: tuple[Setting, ...]
    reference: str

    @property
    def searched(self) -> tuple[str, ...]:
        """Names of the settings that are searched by default."""
        return tuple(setting.name for setting in self.settings if setting.search is not None)

    @property
    def variants(self) -> tuple[Mapping[str, Any], ...]:
        """The options and ends of what is searched by default, one setting at a time."""
        return tuple(
            {setting.name: value}
            for setting in self.settings
            if setting.search is not None
            for values in setting.search.values()
            for value in values
            if value != setting.default
        )


def schedule_entries() -> tuple[Entry, ...]:
    """Return an entry for every schedule, in the order of the table."""
    return tuple(_read(name, kind, schedule_settings(name)) for name, kind in SCHEDULES.items())


def policy_entries() -> tuple[Entry, ...]:
    """Return an entry for every momentum policy, in the order of the table."""
    return tuple(_read(name, kind, setting_defaults(kind)) for name, kind in MOMENTUM.items())


def search_words(dimension: Mapping[str, Any]) -> str:
    """Say a dimension for people, e.g. ``0.1 to 0.5``, ``log 0.05 to 0.5``, ``one of 0, 0.01, 0.1``."""
    ((form, values),) = dimension.items()
    if form == "choice":
        return f"one of {', '.join(value_words(value) for value in values)}"
    scale = {"float": "", "log": "log ", "int": "whole "}[form]
    return f"{scale}{value_words(values[0])} to {value_words(values[1])}"


def value_words(value: object) -> str:
    """Say the value of a setting as a study file has it, numbers as short as they can be."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(value_words(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _read(name: str, kind: type[Schedule] | type[MomentumPolicy], known: Mapping[str, Any]) -> Entry:
    head, *rest = _SECTION.split(inspect.cleandoc(kind.__doc__ or ""))
    sections = {title: inspect.cleandoc(text) for title, text in zip(rest[::2], rest[1::2], strict=True)}
    summary, _, formula = head.strip().partition("\n\n")
    _, *arguments = _ARGUMENT.split(sections.get("Args", ""))
    meanings = {key: " ".join(text.split()) for key, text in zip(arguments[::2], arguments[1::2], strict=True)}
    own, search = setting_defaults(kind), kind.default_search
    settings = tuple(
        Setting(name=key, default=default, meaning=meanings.get(key, _OF_WARMUP), search=search.get(key))
        for key, default in known.items()
        if key in own or key in search
    )
    return Entry(
        name=name,
        summary=" ".join(summary.split()),
        formula=formula.strip(),
        settings=settings,
        reference=sections.get("Reference", sections.get("References", "")),
    )
