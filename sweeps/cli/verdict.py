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
from sweeps.places import Places, is_served, without_credentials

if TYPE_CHECKING:
    from analysis.record import StudyRecord
    from analysis.report import Report, VerdictRow
    from analysis.tables.contents import Design
    from analysis.tidy import TableOptions

_COLOURS = {"better": "green", "worse": "red", "equivalent": "cyan", "undecided": "yellow", "control": "bold"}
_TABLE_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
_STUDY_FILE_SUFFIXES = (".yaml", ".yml")
REPORT_FILE = "report.json"


def is_table(name: str) -> bool:
    """Tell whether the argument of ``report`` is a file with a table, and not the name of a recorded study."""
    if name.lower().endswith(_TABLE_SUFFIXES):
        return True
    return Path(name).is_file() and not name.lower().endswith(_STUDY_FILE_SUFFIXES)


def print_table_report(table: Path, curves: Path | None, options: TableOptions, folder: Path | None) -> None:
    """Write the report of a table of results to `folder`, by default beside the user, and print its verdicts.

    Raises:
        InputError: the table cannot be used as it is, or `folder` cannot be written.
    """
    folder = folder or Path(f"{table.stem}-report")
    with err.status("reading the table and writing the report ..."):
        from analysis.report import build_report, write_report
        from analysis.tidy import TableError, read_table

        try:
            record = read_table(table, curves, options=options)
            report = build_report(record)
            files = write_report(report, folder, record=record)
        except TableError as error:
            raise InputError(str(error)) from error
        except OSError as error:
            raise InputError(f"the report cannot be written to {folder}: {error.strerror or error}.") from error
    _print_verdicts(report)
    _print_whereabouts(files.html)


def read_recorded(places: Places, study: str, argument: str) -> StudyRecord:
    """Read a recorded study.

    Args:
        places: Where studies are recorded.
        study: What the user gave.
        argument: What that was given as, for the message.

    Raises:
        InputError: nothing of that name is recorded.
        FairsweepError: MLflow does not answer.
    """
    from analysis.results import StudyReadError, read_study

    try:
        _find(places, study)
    except InputError as error:
        raise InputError(
            f"{argument} must be a recorded study, a folder with a {REPORT_FILE}, or a table such as results.csv; got "
            f"{study}. {_what_is_here(study)}, and {error}"
        ) from error
    try:
        return read_study(places.tracking_uri, study)
    except StudyReadError as error:
        raise FairsweepError(str(error)) from error


def _find(places: Places, study: str) -> None:
    from sweeps.recording import connect, find_study

    if places.is_new:
        raise InputError(f"no study is recorded in {without_credentials(places.tracking_uri)} yet.")
    find_study(connect(places), study)


def _what_is_here(name: str) -> str:
    if Path(name).is_dir():
        return f"The folder of that name has no {REPORT_FILE}"
    if Path(name).exists():
        return "The file of that name has no results, as a study file has none"
    return "There is no file or folder of that name"


def print_report(places: Places, study: str, folder: Path, *, host: str = "") -> bool:
    """Write the report of a recorded study to `folder` and into MLflow, and print its verdicts.

    Args:
        places: where studies are recorded.
        study: its name.
        folder: where to write the report.
        host: name of this machine, where the user sits at another one.

    Returns:
        whether there is anything to compare: not every trial diverged.

    Raises:
        InputError: the study is not recorded, or `folder` cannot be written.
        FairsweepError: MLflow does not answer.
    """
    with err.status("reading the record and writing the report ..."):
        # These take seconds to import, which other commands should not cost.
        from analysis.divergence import all_diverged
        from analysis.report import build_report, write_report
        from sweeps.recording import TrackerError, record_report

        record = read_recorded(places, study, "STUDY")
        report = build_report(record)
        try:
            files = write_report(report, folder, record=record)
        except OSError as error:
            raise InputError(f"the report cannot be written to {folder}: {error.strerror or error}.") from error
        try:
            record_report(places, study, files.by_name(folder), report.headline)
            unkept = None
        except TrackerError as error:  # whoever may only read has the report all the same
            unkept = error
    if ruin := all_diverged(record):
        out.print(ruin, markup=False)
    else:
        _print_verdicts(report)
    _print_whereabouts(files.html, host)
    if not host:
        out.print(f"Look at the runs:  fairsweep ui {study}", soft_wrap=True, markup=False)
    elif is_served(places.tracking_uri):
        words = f"Have it on your machine:  fairsweep report {study}, with MLFLOW_TRACKING_URI as it is there."
        out.print(words, soft_wrap=True, markup=False)
    if unkept is not None:
        raise FairsweepError(f"The report is written, and not kept in MLflow as well: {unkept}") from unkept
    return not ruin


def _print_whereabouts(html: Path, host: str = "") -> None:
    where = f"Report, on {host}:  {html}" if host else f"Report:  {shown_path(html)}"
    out.print(f"\n{where}", soft_wrap=True, markup=False)


def _print_verdicts(report: Report) -> None:
    from analysis.rendering.check_groups import lines as check_lines
    from analysis.report import verdict_rows

    out.print(_verdict_table(verdict_rows(report), report.design))
    out.print()
    for kind, text in check_lines(report.checks):
        word = {"fail": "[red]fail[/] ", "warn": "[yellow]warn[/] "}.get(kind, "")
        out.print(f"{word}{escape(text)}")
    for sentence in report.sentences:
        out.print(sentence, markup=False)


def _verdict_table(rows: Sequence[VerdictRow], design: Design) -> Table:
    """Return the verdicts, 80 columns wide, under one heading per cell."""
    from analysis.whereabouts import has_budgets

    unit = design.budget_unit
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("arm", no_wrap=True, overflow="ellipsis", min_width=10)
    table.add_column("accuracy %", justify="right", no_wrap=True)
    table.add_column("difference in points", justify="right", no_wrap=True)
    table.add_column("adj. p", justify="right", no_wrap=True, min_width=6)
    table.add_column("verdict", no_wrap=True, min_width=10)
    for (workload, budget), cell in groupby(rows, key=lambda row: (row.workload, row.budget)):
        length = f", {budget} {unit.removesuffix('s') if budget == '1' else unit}" if has_budgets(design) else ""
        table.add_row(f"[dim]{escape(workload + length)}[/]")
        for row in cell:
            colour = _COLOURS.get(row.verdict, "default")
            table.add_row(escape(row.arm), row.accuracy, row.difference, row.p_adjusted, f"[{colour}]{row.verdict}[/]")
    return table


def shown_path(path: Path) -> str:
    """Return `path` as short as it can be clicked or typed here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") or Path.cwd() == Path("/") else relative
