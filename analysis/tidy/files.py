"""Load a table as it stands in a file: text in cells, nothing interpreted yet."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.tidy.problems import TableError, offence, shown_value

MAX_MEBIBYTES = 1024
_SPREADSHEETS = frozenset({".xlsx", ".xls", ".ods", ".numbers"})
_UTF8 = "the file must be UTF-8 text; {} is not. Save it as UTF-8 (in a spreadsheet: CSV UTF-8)."


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """A table as it was found.

    Attributes:
        source: File name, for messages and for the provenance.
        frame: The cells; text where they come from a text file. Missing cells are NaN.
        rows: Number of each row as its file shows it, ``(num_rows,)``: in a spreadsheet the header is row 1.
        sha256: Hash of the file; empty where there was none.
    """

    source: str
    frame: pd.DataFrame
    rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    sha256: str = ""


def load_table(table: Path | str | pd.DataFrame, name: str = "table") -> RawTable:
    """Load a file by its suffix (``.csv``, ``.tsv``, ``.json``, ``.jsonl``, ``.parquet``), or take a data frame.

    Raises:
        TableError: If there is no such file, or it is not a table.
    """
    if isinstance(table, pd.DataFrame):
        frame = table.reset_index(drop=True)
        raw = RawTable(source=name, frame=frame.rename(columns=str), rows=np.arange(len(frame)))
    else:
        raw = _load_file(Path(table))
    columns = [str(column).strip() for column in raw.frame.columns]
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise TableError(raw.source, [f"columns must have different names; {', '.join(twice)} stands twice."])
    frame = raw.frame.set_axis(columns, axis=1)
    filled = frame.notna().any(axis=1).to_numpy()
    if not filled.any():
        raise TableError(raw.source, ["the table must have a header and at least one row; it has no rows."])
    return RawTable(
        source=raw.source, frame=frame[filled].reset_index(drop=True), rows=raw.rows[filled], sha256=raw.sha256
    )


def _load_file(path: Path) -> RawTable:
    loaders: dict[str, Callable[[Path], tuple[pd.DataFrame, int]]] = {
        ".csv": _load_csv,
        ".tsv": _load_csv,
        ".json": _load_json,
        ".jsonl": _load_json,
        ".ndjson": _load_json,
        ".parquet": _load_parquet,
    }
    source = path.name or str(path)
    load = loaders.get(path.suffix.lower())
    if path.is_dir():
        raise TableError(str(path), ["the table must be a file; got a folder."])
    if load is None:
        remedy = " Save the sheet as CSV UTF-8." if path.suffix.lower() in _SPREADSHEETS else ""
        got = path.suffix or "no suffix"
        raise TableError(source, [f"the file must end in {', '.join(loaders)}; got {got}.{remedy}"])
    try:
        size = path.stat().st_size
        if size > MAX_MEBIBYTES * 2**20:
            raise TableError(
                source,
                [f"the file must be smaller than {MAX_MEBIBYTES} MiB; it has {size >> 20}. Keep one row per run here."],
            )
        frame, first_row = load(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise TableError(str(path), [f"the file cannot be read: {error.strerror or error}."]) from error
    return RawTable(source=source, frame=frame, rows=np.arange(first_row, first_row + len(frame)), sha256=sha256)


def _load_csv(path: Path) -> tuple[pd.DataFrame, int]:
    separator = _separator(path)
    try:
        cells = pd.read_csv(
            path,
            header=None,
            sep=separator,
            dtype=object,
            keep_default_na=False,
            na_values=[""],
            skip_blank_lines=False,
            skipinitialspace=True,
            encoding="utf-8-sig",
            index_col=False,
        )
    except pd.errors.EmptyDataError:
        raise TableError(path.name, ["the file must have a header and at least one row; it is empty."]) from None
    except UnicodeDecodeError as error:
        raise TableError(path.name, [_UTF8.format(f"byte {error.start}")]) from None
    except pd.errors.ParserError as error:
        raise TableError(path.name, _ragged(path, separator) or [_unread(error)]) from None
    # A row with too few cells lacks the last one.
    ragged = _ragged(path, separator) if cells.iloc[:, -1].isna().any() else []
    if ragged:
        raise TableError(path.name, ragged)
    names = [f"column {i}" if pd.isna(name) else name for i, name in enumerate(cells.iloc[0], 1)]
    return cells.iloc[1:].set_axis(names, axis=1).reset_index(drop=True), 2


def _unread(error: pd.errors.ParserError) -> str:
    reason = str(error).strip().rpartition("error: ")[2].rstrip(".")
    opened = re.search(r"EOF inside string starting at row (\d+)", reason)
    if opened:
        return f"every quotation mark must be closed; that opened in row {int(opened[1]) + 1} is not."
    return f"the file must have rows of cells between separators ({reason})."


def _ragged(path: Path, separator: str) -> list[str]:
    """Say which rows of a text file have fewer cells than its header, and which have more; blank rows may have none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter=separator, skipinitialspace=True, strict=True)
            counts = [len(cells) if any(map(str.strip, cells)) else 0 for cells in rows]
    except (csv.Error, UnicodeDecodeError):
        return []
    width = counts[0]
    fewer = [(count, row) for row, count in enumerate(counts, 1) if 0 < count < width]
    more = [(count, row) for row, count in enumerate(counts, 1) if count > width]
    than = f"cells than the header, which has {width}"
    remedy = "Put a text with the separator in it into quotation marks"
    remedy += ", and write decimal points." if separator == "," else "."
    return [
        *offence(f"no row may have fewer {than}", fewer, "An empty cell needs its separator too."),
        *offence(f"no row may have more {than}", more, remedy),
    ]


def _separator(path: Path) -> str:
    """Return what separates the names in the header: spreadsheets of some countries write semicolons."""
    with path.open("rb") as file:
        header = file.readline(1 << 20).decode("utf-8", errors="replace")
    counts = {mark: header.count(mark) for mark in ("\t" if path.suffix.lower() == ".tsv" else ",", "\t", ";", ",")}
    return max(counts, key=lambda mark: counts[mark])


def _load_json(path: Path) -> tuple[pd.DataFrame, int]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(path.name, [_UTF8.format(f"byte {error.start}")]) from None
    try:
        rows = _json_rows(text, path)
    except json.JSONDecodeError as error:
        raise TableError(
            path.name, [f"every line must be a JSON object, or the file a list of them ({error}).".replace("\n", " ")]
        ) from None
    strangers = [number for number, row in enumerate(rows, 1) if not isinstance(row, dict)]
    if strangers:
        raise TableError(path.name, [f"every row must be a JSON object; row {strangers[0]} is not."])
    return pd.DataFrame([_flat(row) for row in rows], dtype=object), 1


def _json_rows(text: str, path: Path) -> list[Any]:
    """Return the entries of a JSON list, or of JSON lines; refuse a single object that is no line of many."""
    if text.lstrip().startswith("["):
        return list(json.loads(text))
    if path.suffix.lower() == ".json":
        try:
            whole = json.loads(text)
        except json.JSONDecodeError:
            pass  # JSON lines, or neither
        else:
            raise TableError(path.name, [_no_list(whole)])
    return [json.loads(line or "{}") for line in text.splitlines()]


def _no_list(whole: object) -> str:
    if not isinstance(whole, dict):
        return f"the file must be a list of objects, one per run; got {shown_value(whole)}."
    lists = [name for name, value in whole.items() if isinstance(value, list)]
    remedy = f"Write the list {lists[0]} alone" if lists else "Write a list, even of one run"
    names = shown_value(", ".join(map(str, whole)))
    return (
        f"the file must be a list of objects, one per run; got one object with the keys {names}. {remedy} (pandas: "
        'to_json(orient="records")).'
    )


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row in which an object of settings has become one column per setting."""
    flat = {name: value for name, value in row.items() if not isinstance(value, dict)}
    nested = {name: value for name, value in row.items() if isinstance(value, dict)}
    return flat | {f"{name}.{inner}": value for name, inside in nested.items() for inner, value in inside.items()}


def _load_parquet(path: Path) -> tuple[pd.DataFrame, int]:
    try:
        return pd.read_parquet(path), 1
    except ImportError:
        raise TableError(path.name, ["reading .parquet needs pyarrow, which is not installed; save as .csv."]) from None
    except ValueError as error:
        raise TableError(path.name, [f"the file must be a parquet table ({error})."]) from None
