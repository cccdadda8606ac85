"""Take the columns of a raw table by name, and turn their cells into typed values; all offences are collected."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.statistics.arrays import FloatArray
from analysis.tidy.files import RawTable
from analysis.tidy.problems import did_you_mean, offence

MAX_NAME_CHARACTERS = 100
_TOO_LARGE = 2.0**53  # from here on floating point skips whole numbers
_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "<na>"})
_TRUE = frozenset({"true", "yes", "y", "1", "1.0", "t"})
_FALSE = frozenset({"false", "no", "n", "0", "0.0", "f"})

# What others call the columns; used to suggest the name that is meant, never to guess.
OTHER_NAMES = {
    "method": "arm",
    "algorithm": "arm",
    "optimizer": "arm",
    "schedule": "arm",
    "scheduler": "arm",
    "model": "arm",
    "accuracy": "test",
    "acc": "test",
    "test_accuracy": "test",
    "test_acc": "test",
    "score": "test",
    "val": "validation",
    "val_acc": "validation",
    "val_accuracy": "validation",
    "validation_accuracy": "validation",
    "dataset": "workload",
    "task": "workload",
    "epochs": "budget",
    "max_epochs": "budget",
    "random_seed": "seed",
    "replicate": "seed",
    "seconds": "train_seconds",
    "time": "train_seconds",
    "train_time": "train_seconds",
    "steps": "updates",
    "iterations": "updates",
    "step": "update",
    "iteration": "update",
    "total_steps": "total_updates",
    "run": "run_id",
    "trial": "run_id",
    "stage": "phase",
}


@dataclass(kw_only=True)
class Columns:
    """The columns of one raw table under the names that are known, and what is wrong with them so far.

    Attributes:
        raw: The table.
        found: Column of the table for every known name that it has.
        problems: One sentence per kind of mistake.
        unused: Columns that mean nothing here.
    """

    raw: RawTable
    found: Mapping[str, str]
    problems: list[str]
    unused: tuple[str, ...] = ()
    prefixed: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def cells(self, name: str) -> pd.Series[Any]:
        """Return the cells of a known column as they stand; nothing but missing ones where there is no such column."""
        if name not in self.found:
            return pd.Series([None] * len(self.raw.rows), dtype=object)
        return self.raw.frame[self.found[name]]

    def refuse(self, condition: str, offending: Any, values: Iterable[object], remedy: str = "") -> None:
        """Note an offence for every row of a mask."""
        mask = np.asarray(offending, dtype=bool)
        got = [(value, row) for value, row, bad in zip(values, self.raw.rows, mask, strict=True) if bad]
        self.problems += offence(condition, got, remedy)

    def flawed(self, names: Iterable[str]) -> bool:
        """Say whether anything is wrong with the cells of a column."""
        return any(problem.startswith(f"{name} must") for problem in self.problems for name in names)

    def missing(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return where a column has no value; everywhere if there is no such column."""
        cells = self.cells(name)
        words = cells.map(lambda cell: isinstance(cell, str) and cell.strip().casefold() in _MISSING)
        return np.asarray(cells.isna() | words.astype(bool), dtype=bool)

    def texts(self, name: str, default: str = "") -> list[str]:
        """Return a column of names on one line; the default where a cell is missing."""
        cells = self.cells(name)
        values = [default if _is_missing(cell) else " ".join(str(cell).split()) or default for cell in cells]
        too_long = [len(value) > MAX_NAME_CHARACTERS for value in values]
        self.refuse(f"{name} must have at most {MAX_NAME_CHARACTERS} characters", too_long, values)
        invisible = [not value.isprintable() for value in values]
        self.refuse(f"{name} must have no invisible characters", invisible, map(ascii, values))
        return values

    def numbers(self, name: str) -> FloatArray:
        """Return a column of finite numbers; NaN where a cell is missing."""
        cells = self.cells(name)
        values = np.array(pd.to_numeric(cells, errors="coerce"), dtype=np.float64)
        unread = ~np.isfinite(values)
        if unread.any():
            unread &= ~self.missing(name)
        comma = any(re.fullmatch(r"\s*-?\d+,\d+\s*", str(cell)) for cell in cells[unread])
        self.refuse(f"{name} must be a number", unread, cells, "Write a decimal point, not a comma." if comma else "")
        values[~np.isfinite(values)] = np.nan
        return values

    def counts(self, name: str) -> FloatArray:
        """Return a column of whole numbers from 0 on; NaN where a cell is missing."""
        values = self.numbers(name)
        with np.errstate(invalid="ignore"):
            wrong = (values < 0) | (values != np.floor(values)) & ~np.isnan(values) | (values >= _TOO_LARGE)
        self.refuse(f"{name} must be a whole number from 0 on", wrong, self.cells(name))
        return values

    def flags(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return a column of truth values; false where a cell is missing."""
        folded = ["" if _is_missing(cell) else str(cell).strip().casefold() for cell in self.cells(name)]
        strange = [text not in _TRUE and text not in _FALSE and text not in _MISSING for text in folded]
        self.refuse(f"{name} must be true or false", strange, self.cells(name))
        return np.array([text in _TRUE for text in folded], dtype=bool)

    def fractions(self, name: str, *, percent: bool) -> FloatArray:
        """Return a column of accuracies as fractions; NaN where a cell is missing."""
        values, cells = self.numbers(name), self.cells(name)
        top = 100 if percent else 1
        if percent and np.nanmax(values, initial=0) <= 1 and np.nanmax(values, initial=0) > 0:
            self.problems.append(
                f"{name} was said to be in percent, but no value is above 1: leave --percent (percent=True) away."
            )
        outside = (values < 0) | (values > top)
        remedy = "" if percent else _about_scale(values)
        self.refuse(f"{name} must be {'in percent' if percent else 'a fraction'} in [0, {top}]", outside, cells, remedy)
        return values / top


def _about_scale(values: FloatArray) -> str:
    """Say what to do where accuracies that should be fractions are above 1."""
    known = values[~np.isnan(values)]
    if not (known > 1).any():
        return ""
    if (known > 100).any():
        return "An accuracy is a share of correct answers; no other metric can be compared."
    if (known > 1).all():
        return "If the accuracies are in percent, say so with --percent (percent=True in Python)."
    return "Other rows have fractions: write all of them alike."


def match_columns(raw: RawTable, known: Iterable[str], prefixes: Iterable[str] = ()) -> Columns:
    """Find the known columns of a table, whatever the case of their names; refuse names that look misspelt."""
    names, starts = tuple(known), tuple(prefixes)
    found: dict[str, str] = {}
    prefixed: dict[str, str] = {}
    problems: list[str] = []
    unused: list[str] = []
    for column in raw.frame.columns:
        name = re.sub(r"[\s-]+", "_", column.casefold())
        start = next((start for start in starts if name.startswith(start) and len(name) > len(start)), None)
        if start is not None:
            prefixed[column] = column[len(start) :]
        elif name in names and name in found:
            problems.append(f"columns must have different names; {found[name]} and {column} are both {name}.")
        elif name in names:
            found[name] = column
        else:
            unused.append(column)
    for column in unused:
        hint = did_you_mean(column, [name for name in names if name not in found], cutoff=0.75)
        if hint:
            problems.append(f"column {column} is not known.{hint} Rename it, or remove it.")
    return Columns(raw=raw, found=found, problems=problems, unused=tuple(unused), prefixed=prefixed)


def demand(columns: Columns, name: str, why: str = "") -> None:
    """Note an offence where a column is missing, with the column that may be meant."""
    misspelt = f" is not known. Did you mean {name}?"
    if name in columns or any(misspelt in problem for problem in columns.problems):
        return
    meant = [column for column in columns.unused if OTHER_NAMES.get(column.casefold().replace(" ", "_")) == name]
    hint = f" If {meant[0]} is it, rename it to {name}." if meant else ""
    if any(_is_number(column) for column in columns.raw.frame.columns):
        hint = " The first row must name the columns."
    got = ", ".join(map(str, columns.raw.frame.columns))
    columns.problems.append(f"the table must have a column {name}{f' ({why})' if why else ''}; got {got}.{hint}")


def setting(cell: object) -> Any:
    """Return a setting as the number, truth value or list it was written from, else as text; None if missing.

    Text is also what JSON cannot hold, such as infinity.
    """
    if _is_missing(cell):
        return None
    if isinstance(cell, np.ndarray | np.generic):
        cell = cell.tolist()
    try:
        value = json.loads(cell) if isinstance(cell, str) else cell
        json.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return str(cell).encode("utf-8", "replace").decode("utf-8")
    return value


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", text.strip(), re.IGNORECASE) is not None


def _is_missing(cell: object) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell))
