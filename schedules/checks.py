"""Check settings and say what is wrong with them, all offenders at once.

A rule reads one value: it returns the value in its settled form (an ``int`` given for a rate becomes a
``float``, a list becomes a tuple) or raises ``ValueError``. The message is put together here, so that every
complaint reads ``<field> must be <condition>; got <value>.`` followed by the remedy.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, Literal, Protocol, TypeVar

Built = TypeVar("Built")

_FIRST_NOT_SHOWN = 10**25
"""Whole numbers from here on would fill the message with their digits."""


class Rule(Protocol):
    """A condition on one setting."""

    @property
    def condition(self) -> str:
        """Say what the value must be."""

    @property
    def remedy(self) -> str:
        """Say what to do when it is not."""

    def read(self, value: object) -> object:
        """Return the settled value; raise ``ValueError`` if it breaks the condition."""


@dataclass(frozen=True)
class Number:
    """A finite number in an interval; ``brackets`` tells which ends belong to it."""

    low: float
    high: float = math.inf
    brackets: Literal["[]", "[)", "(]", "()"] = "[]"
    remedy: str = ""

    @property
    def condition(self) -> str:
        """Say the interval in words or in brackets."""
        if math.isinf(self.high):
            return f"a finite number {'>=' if self.brackets[0] == '[' else '>'} {self.low:g}"
        return f"a number in {self.brackets[0]}{self.low:g}, {self.high:g}{self.brackets[1]}"

    def read(self, value: object) -> float:
        """Return the value as a ``float``; text, booleans, NaN and infinities are refused."""
        number = self._as_float(value)
        above = number > self.low or (number == self.low and self.brackets[0] == "[")
        below = number < self.high or (number == self.high and self.brackets[1] == "]")
        if not (math.isfinite(number) and above and below):
            raise ValueError(self.condition)
        return number

    def _as_float(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ValueError(self.condition)  # noqa: TRY004 - one kind of error for every offender
        try:
            return float(value)
        except OverflowError:  # a whole number beyond the largest float
            raise ValueError(self.condition) from None


@dataclass(frozen=True)
class Whole:
    """A whole number of at least ``low`` and, where that is given, at most ``high``."""

    low: int
    remedy: str = ""
    high: int | None = None

    @property
    def condition(self) -> str:
        """Say the ends."""
        return f"a whole number >= {self.low}" if self.high is None else f"a whole number in [{self.low}, {self.high}]"

    def read(self, value: object) -> int:
        """Return the value as an ``int``; booleans and floats are refused, ``3.0`` included."""
        if isinstance(value, bool) or not isinstance(value, Integral) or not self._holds(int(value)):
            raise ValueError(self.condition)
        return int(value)

    def _holds(self, number: int) -> bool:
        return self.low <= number and (self.high is None or number <= self.high)


@dataclass(frozen=True)
class Flag:
    """Yes or no."""

    condition: str = "true or false"
    remedy: str = ""

    def read(self, value: object) -> bool:
        """Return the value; only real booleans pass."""
        if not isinstance(value, bool):
            raise ValueError(self.condition)  # noqa: TRY004 - one kind of error for every offender
        return value


@dataclass(frozen=True)
class OneOf:
    """One of a few words."""

    options: tuple[str, ...]
    remedy: str = ""

    @property
    def condition(self) -> str:
        """List the options."""
        return f"one of {', '.join(self.options)}"

    def read(self, value: object) -> str:
        """Return the value if it is an option."""
        if not isinstance(value, str) or value not in self.options:
            raise ValueError(self.condition)
        return value


@dataclass(frozen=True)
class Several:
    """A list of at least ``least`` values that pass ``each``, rising strictly if ``increasing``."""

    each: Number | Whole
    condition: str
    least: int = 1
    increasing: bool = False
    remedy: str = ""

    def read(self, value: object) -> tuple[float, ...]:
        """Return the values as a tuple, so that the owner stays hashable."""
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) < self.least:
            raise ValueError(self.condition)
        items = tuple(self.each.read(item) for item in value)
        if self.increasing and any(left >= right for left, right in pairwise(items)):
            raise ValueError(self.condition)
        return items


def complaint(field: str, condition: str, value: object, remedy: str = "") -> str:
    """Phrase one offence: ``<field> must be <condition>; got <value>.`` and the remedy."""
    number = _number_in_quotes(value)
    if number is not None and math.isfinite(number):
        remedy = f"{remedy} Write it without quotes, and an exponent as in 1.0e+4.".strip()
    shown = _shown(value) if number is None or math.isfinite(number) else value  # without quotes where it is nan or inf
    return f"{field} must be {condition}; got {shown}.{' ' if remedy else ''}{remedy}"


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= _FIRST_NOT_SHOWN:
        return f"a number of {math.floor(math.log10(abs(value))) + 1} digits"
    return repr(list(value) if isinstance(value, tuple) else value)


def _number_in_quotes(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def unknown_option(field: str, value: object, options: Iterable[str], of: str = "", remedy: str = "") -> str:
    """Phrase a wrong choice: name all options, and the remedy or else the near miss if there is one."""
    names = sorted(options)
    listed = ", ".join(names) or "(there are none)"
    return complaint(field, f"one of {of}{': ' if of else ''}{listed}", value, remedy or near_miss(value, names))


def near_miss(word: object, options: Iterable[str]) -> str:
    """Ask whether the closest of the options was meant; empty if none is close."""
    near = closest(str(word), options)
    return f"Did you mean {near!r}?" if near else ""


def closest(word: str, options: Iterable[str]) -> str:
    """Return the option that looks most like a word, whatever the case; empty if none is close."""
    by_folded = {option.casefold(): option for option in options}
    near = difflib.get_close_matches(word.casefold(), list(by_folded), n=1)
    return by_folded[near[0]] if near else ""


def read_settings(values: Mapping[str, object], rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Read every value by the rule of its name.

    Args:
        values: values by field name; one for every rule.
        rules: rules by field name.

    Returns:
        The settled values by field name.

    Raises:
        ValueError: if any value breaks its rule; one line per offender.
    """
    settled: dict[str, Any] = {}
    offences: list[str] = []
    for name, rule in rules.items():
        try:
            settled[name] = rule.read(values[name])
        except ValueError:
            offences.append(complaint(name, rule.condition, values[name], rule.remedy))
    if offences:
        raise ValueError("\n".join(offences))
    return settled


def attempt(offences: list[str], build: Callable[..., Built], *args: Any, **kwargs: Any) -> Built | None:
    """Call ``build`` and return what it returns; note what it refuses and return None, so that others are tried too."""
    try:
        return build(*args, **kwargs)
    except ValueError as error:
        offences.append(str(error))
        return None


def settle(instance: object, rules: Mapping[str, Rule]) -> None:
    """Check the fields of a frozen dataclass and store their settled values; for its ``__post_init__``."""
    for name, value in read_settings(vars(instance), rules).items():
        object.__setattr__(instance, name, value)


def fields_only(instance: object) -> dict[str, Any]:
    """Return what a pickle of a frozen dataclass holds, its fields; to be its ``__getstate__``.

    What a ``cached_property`` has worked out stays behind, and is worked out again where it is needed.
    """
    return {field.name: getattr(instance, field.name) for field in fields(instance)}  # type: ignore[arg-type]
