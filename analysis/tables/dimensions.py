"""Read the dimensions of a search space, and the values that draws have in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.record import SETTING_PREFIX
from analysis.rules import Rules
from analysis.statistics.arrays import FloatArray

Kind = Literal["log", "float", "int", "choice"]
# What spans a power of ten or more was not meant to be searched evenly.
LOG_RATIO = 10


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One dimension that an arm was tuned in.

    Attributes:
        kind: Scale of a number, or ``choice``.
        low: Lower end of the range; None where it is not recorded, and for choices.
        high: Upper end.
        options: Of a choice, in the order of the study file.
    """

    name: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    options: tuple[Any, ...] = ()

    def values(self, draws: pd.DataFrame) -> FloatArray:
        """Return the values of a number, shape ``(num_draws,)``; NaN where one is missing."""
        values = pd.to_numeric(draws[SETTING_PREFIX + self.name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        return np.where(np.isfinite(values) & ((self.kind != "log") | (values > 0)), values, np.nan)

    def on_scale(self, values: FloatArray) -> FloatArray:
        """Return numbers on the scale of the search."""
        return np.log10(values) if self.kind == "log" else values

    def encoded(self, draws: pd.DataFrame) -> FloatArray:
        """Return the draws as numbers, shape ``(num_draws, num_columns)``: one column, or one per unordered option."""
        if self.kind != "choice":
            return self.on_scale(self.values(draws))[:, np.newaxis]
        names = {_key(option): index for index, option in enumerate(self.options)}
        chosen = np.array([names.get(_key(value), -1) for value in draws[SETTING_PREFIX + self.name]], dtype=np.intp)
        # Numbers have an order, and so have any two options.
        ordered = len(names) <= 2 or all(isinstance(option, int | float) for option in self.options)
        ranks = np.argsort(np.argsort(self.options)) if ordered and len(names) > 2 else np.arange(len(names))
        table = ranks[:, np.newaxis].astype(np.float64) if ordered else np.eye(len(names))
        return np.where((chosen >= 0)[:, np.newaxis], table[chosen], np.nan)


def dimensions_of(rules: Rules, arm: str, draws: pd.DataFrame) -> tuple[Dimension, ...]:
    """Return the dimensions in which an arm was tuned and whose values are recorded, shared ones first.

    Where the rules give no space, as for a table from elsewhere, every recorded setting that differs between the
    draws is a dimension; a positive number that spans a power of ten is on a log scale.
    """
    if space := rules.search_space(arm):
        read = (_read(name, raw) for name, raw in space.items() if SETTING_PREFIX + name in draws.columns)
        return tuple(dimension for dimension in read if dimension is not None)
    columns = [column for column in draws.columns if str(column).startswith(SETTING_PREFIX)]
    guesses = (_guess(str(column).removeprefix(SETTING_PREFIX), draws[column].dropna()) for column in columns)
    return tuple(dimension for dimension in guesses if dimension is not None)


def _read(name: str, raw: Any) -> Dimension | None:
    """Return a dimension as a study file writes it, such as ``{"log": [0.01, 1.0]}``; None for what is unknown."""
    if not isinstance(raw, Mapping) or len(raw) != 1:
        return None
    [(kind, content)] = raw.items()
    if kind in {"choice", "choices"}:
        return Dimension(name=name, kind="choice", options=tuple(content))
    if kind not in {"log", "float", "int"} or len(content) != 2:
        return None
    return Dimension(name=name, kind=kind, low=float(content[0]), high=float(content[1]))


def _guess(name: str, values: pd.Series[Any]) -> Dimension | None:
    distinct = {_key(value): value for value in values}
    if len(distinct) < 2:
        return None
    if not all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in values):
        return Dimension(name=name, kind="choice", options=tuple(distinct[key] for key in sorted(distinct)))
    low, high = float(values.min()), float(values.max())
    return Dimension(name=name, kind="log" if low > 0 and high / low >= LOG_RATIO else "float")


def _key(value: Any) -> str:
    """Return what makes two options the same: lists and tuples, 1 and 1.0 are."""
    plain = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    if isinstance(plain, list | tuple):
        return json.dumps([_key(item) for item in plain])
    return repr(float(plain)) if isinstance(plain, int | float) and not isinstance(plain, bool) else repr(plain)
