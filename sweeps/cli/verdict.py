"""Write the report of a study and print its verdicts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from sweeps.cli.console import err, out
from sweeps.errors import FairsweepError, InputError
from sweeps.places import Places

if TYPE_CHECKING:
    from analysis.report import Report, VerdictRow
    from analysis.tidy import TableOptions

_COLOURS = {"better": "green", "worse": "red", "equivalent": "cyan", "undecided": "yellow", "control": "bold"}
_TABLE_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")


def is_table(name: str) -> bool:
    """Tell whether the argument of ``report`` is a file with a table, and not the name of a recorded study."""
    return name.lower().endswith(_TABLE_SUFFIXES) or Path(name).is_file()


def print_table_report(table: Path, curves: Path | None, options: TableOptions, folder: Path | None) -> None:
    """Write the report of a table of results to `folder`, by default beside the user, and print its verdicts.

    Raises:
        InputError: the table cannot be used as it is, or `folder` cannot be written.
    """
    folder = folder or Path(f"{table.stem}-report")
    with err.status("reading the table and writing the report ..."):
        from analysis.report import build_report, write_report  # noqa: PLC0415
        from analysis.tidy import TableError, read_table  # noqa: PLC0415

        try:
            record = read_table(table, curves, options=options)
            report = build_report(record)
            files = write_report(report, folder, record=record)
        except TableError as error:
            raise InputError(str(error)) from error
        except OSError as error:
            raise InputError(f"the report cannot be written to {folder}: {error.strerror or error}.") from error
    _print_verdicts(report, files.html)


def print_report(places: Places, study: str, folder: Path) -> None:
    """Write the report of a recorded study to `folder` and into MLflow, and print its verdicts.

    Raises:
        InputError: the study is not recorded, or `folder` cannot be written.
        FairsweepError: MLflow does not answer.
    """
    with err.status("reading the record and writing the report ..."):
        # These take seconds to import, which other commands should not cost.
        from analysis.report import build_report, write_report  # noqa: PLC0415
        from analysis.results import StudyNotFoundError, StudyReadError, read_study  # noqa: PLC0415
        from sweeps.recording import record_report  # noqa: PLC0415

        try:
            record = read_study(places.tracking_uri, study)
            report = build_report(record)
            files = write_report(report, folder, record=record)
        except StudyNotFoundError as error:
            raise InputError(str(error)) from error
        except StudyReadError as error:
            raise FairsweepError(str(error)) from error
        except OSError as error:
            raise InputError(f"the report cannot be written to {folder}: {error.strerror or error}.") from error
        record_report(places, study, files.by_name(folder), report.headline)
    _print_verdicts(report, files.html)
    out.print(f"Look at the runs:  fairsweep ui {study}", soft_wrap=True, markup=False)


def _print_verdicts(report: Report, html: Path) -> None:
    from analysis.report import verdict_rows  # noqa: PLC0415

    out.print(_verdict_table(verdict_rows(report), report.design.budget_unit))
    out.print()
    # Several checks can lack the same part of a table.
    for status, evidence in dict.fromkeys((c.status, c.evidence) for c in report.checks if c.status != "pass"):
        colour = "red" if status == "fail" else "yellow"
        out.print(f"[{colour}]{status}[/] {escape(evidence)}")
    for sentence in report.sentences:
        out.print(sentence, markup=False)
    out.print(f"\nReport:  {shown_path(html)}", soft_wrap=True, markup=False)


def _verdict_table(rows: Sequence[VerdictRow], unit: str) -> Table:
    """Return the verdicts, 80 columns wide, under one heading per cell."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("arm", no_wrap=True, overflow="ellipsis", min_width=10)
    table.add_column("accuracy %", justify="right", no_wrap=True)
    table.add_column("difference in points", justify="right", no_wrap=True)
    table.add_column("adj. p", justify="right", no_wrap=True, min_width=6)
    table.add_column("verdict", no_wrap=True, min_width=10)
    for (workload, budget), cell in groupby(rows, key=lambda row: (row.workload, row.budget)):
        table.add_row(
            f"[dim]{escape(workload)}, {budget} {escape(unit.removesuffix('s') if budget == '1' else unit)}[/]"
        )
        for row in cell:
            colour = _COLOURS.get(row.verdict, "default")
            table.add_row(escape(row.arm), row.accuracy, row.difference, row.p_adjusted, f"[{colour}]{row.verdict}[/]")
    return table


def shown_path(path: Path) -> str:
    """Return `path` as short as it can be clicked or typed here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
