"""Turn a report and its record into tables for other programs (CSV) and for papers (LaTeX)."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from analysis.record import PLAN, SETTING_PREFIX, TRIAL_COLUMNS, StudyRecord
from analysis.rendering import text_tables
from analysis.rendering.sections import report_sections
from analysis.rendering.text_table import TextTable
from analysis.tables.contents import Report

_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    # After the end of a row these two would be taken for its arguments.
    "[": "{[}",
    "*": "{*}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "–": "--",
    "…": r"\ldots{}",
    "\u00a0": "~",
}


def table_files(report: Report, record: StudyRecord | None) -> dict[str, str]:
    """Return what belongs into the folder ``tables`` of a report, by file name.

    Every kind of row is there as CSV, and every table with a name, as the report shows it, for LaTeX. With the record
    of the study come its trials and rules, which ``read_table`` reads back.
    """
    shown = (text_tables.verdict_table(report), *(t for part in report_sections(report) for t in part.tables))
    files = {f"{name}.csv": text for name, text in csv_tables(report).items()}
    files |= {f"{table.name}.tex": tex_table(table) for table in shown if table.name and table.rows}
    return files if record is None else {**files, "trials.csv": trials_csv(record), "rules.json": rules_json(record)}


def csv_tables(report: Report) -> dict[str, str]:
    """Return every kind of row of a report as CSV, by the name of its field; kinds without rows are left out.

    Numbers have full precision and what is not known is empty. Run ids stand in one cell, separated by spaces, and
    objects as JSON. Where a row holds series, such as a curve, each of their entries has a line of its own, and the run
    ids are those of the arm.
    """
    hints = typing.get_type_hints(type(report))
    tables = {}
    for field in dataclasses.fields(report):
        rows = getattr(report, field.name)
        kind = next(iter(typing.get_args(hints[field.name])), None)
        if isinstance(rows, tuple) and rows and dataclasses.is_dataclass(kind):
            names, series = _columns(kind)
            tables[field.name] = _csv(names, _lines(rows, names, series))
    return tables


def _columns(kind: Any) -> tuple[list[str], frozenset[str]]:
    """Return the columns for a kind of row, and which of them hold one number per point of a curve."""
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    series = frozenset(name for name in names if _is_series(hints[name]))
    return [name for name in names if not series or name != "run_ids"], series


def _lines(rows: Iterable[Any], names: list[str], series: frozenset[str]) -> Iterator[list[object]]:
    for row in rows:
        values = {name: getattr(row, name) for name in names}
        lengths = {len(values[name]) for name in series}
        if len(lengths) == 1:
            for position in range(lengths.pop()):
                yield [_cell(value[position] if name in series else value) for name, value in values.items()]
        else:
            yield [_cell(value) for value in values.values()]


def _is_series(hint: Any) -> bool:
    if typing.get_origin(hint) is not tuple:
        return False
    entry, *rest = typing.get_args(hint)
    return rest == [...] and set(typing.get_args(entry) or (entry,)) <= {int, float, type(None)}


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    if isinstance(value, tuple | list | Mapping) or dataclasses.is_dataclass(value):
        return json.dumps(value, default=dataclasses.asdict, ensure_ascii=False)
    return value


def _csv(header: list[str], lines: Iterable[list[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return buffer.getvalue()


def trials_csv(record: StudyRecord) -> str:
    """Return every trial as a tidy table, which ``read_table`` reads back to the same verdicts with the rules."""
    frame = record.trials.copy()
    for column in frame.columns:
        if column.startswith(SETTING_PREFIX):
            frame[column] = frame[column].map(_setting)
    frame["diverged"] = frame["diverged"].map({True: "true", False: "false"})
    order = [*TRIAL_COLUMNS, *(column for column in frame.columns if column not in TRIAL_COLUMNS)]
    return str(frame[order].to_csv(index=False, lineterminator="\n"))


def _setting(value: object) -> object:
    """Write a setting so that it is read as what it is: text that looks like a number in quotes."""
    if isinstance(value, bool | list | tuple | dict):
        return json.dumps(value)
    if not isinstance(value, str):
        return value
    try:
        json.loads(value)
    except json.JSONDecodeError:
        return value
    return json.dumps(value)


def rules_json(record: StudyRecord) -> str:
    """Return the rules as the file that goes with the table of trials; the plan only if there was one."""
    rules = record.rules.model_dump(mode="json")
    if PLAN not in record.recorded:
        rules = {name: value for name, value in rules.items() if name not in {"confirm", "tuning"}}
    return json.dumps(rules, ensure_ascii=False, indent=1) + "\n"


def tex_table(table: TextTable) -> str:
    """Return a table for LaTeX with the package booktabs: the numbers as the report shows them."""
    widths = (_width(table, column) for column in table.columns)
    lines = [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{tex_escaped(table.caption)}}}",
        rf"  \label{{tab:{table.name}}}",
        rf"  \begin{{tabular}}{{{''.join(widths)}}}",
        r"    \toprule",
        f"    {_tex_row(table.columns)}",
        r"    \midrule",
        *(f"    {_tex_row(row)}" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _width(table: TextTable, column: str) -> str:
    if column in table.numeric:
        return "r"
    return r"p{0.4\linewidth}" if column in table.prose else "l"


def _tex_row(cells: Iterable[str]) -> str:
    return " & ".join(tex_escaped(cell) for cell in cells) + r" \\"


def tex_escaped(text: str) -> str:
    """Return text that LaTeX sets as it is, on one line."""
    return "".join(_TEX.get(character, character) for character in " ".join(text.split()))
