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
    from analysis.report import VerdictRow

_COLOURS = {"better": "green", "worse": "red", "equivalent": "cyan", "undecided": "yellow", "control": "bold"}


def print_report(places: Places, study: str, folder: Path) -> None:
    """Write the report of a recorded study to `folder` and into MLflow, and print its verdicts.

    Raises:
        InputError: the study is not recorded, or `folder` cannot be written.
        FairsweepError: MLflow does not answer.
    """
    with err.status("reading the record and writing the report ..."):
        # These take seconds to import, which other commands should not cost.
        from analysis.report import build_report, verdict_rows, write_report  # noqa: PLC0415
        from analysis.results import StudyNotFoundError, StudyReadError, read_study  # noqa: PLC0415
        from sweeps.recording import record_report  # noqa: PLC0415

        try:
            report = build_report(read_study(places.tracking_uri, study))
            files = write_report(report, folder)
        except StudyNotFoundError as error:
            raise InputError(str(error)) from error
        except StudyReadError as error:
            raise FairsweepError(str(error)) from error
        except OSError as error:
            raise InputError(f"the report cannot be written to {folder}: {error.strerror}.") from error
        record_report(places, study, folder, report.headline)
    out.print(_verdict_table(verdict_rows(report), report.design.budget_unit))
    out.print()
    for check in report.checks:
        if check.status != "pass":
            colour = "red" if check.status == "fail" else "yellow"
            out.print(f"[{colour}]{check.status}[/] {escape(check.evidence)}", soft_wrap=True)
    for sentence in report.sentences:
        out.print(sentence, markup=False)
    out.print(f"\nReport:  {_shown(files.html)}", soft_wrap=True, markup=False)
    out.print(f"Look at the runs:  fairsweep ui {study}", soft_wrap=True, markup=False)


def _verdict_table(rows: Sequence[VerdictRow], unit: str) -> Table:
    """Return the verdicts, 80 columns wide, under one heading per cell."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("arm", no_wrap=True, overflow="ellipsis", min_width=10)
    table.add_column("accuracy %", justify="right", no_wrap=True)
    table.add_column("difference in points", justify="right", no_wrap=True)
    table.add_column("adj. p", justify="right", no_wrap=True, min_width=6)
    table.add_column("verdict", no_wrap=True, min_width=10)
    for (workload, budget), cell in groupby(rows, key=lambda row: (row.workload, row.budget)):
        table.add_row(f"[dim]{workload}, {budget} {unit.removesuffix('s') if budget == '1' else unit}[/]")
        for row in cell:
            colour = _COLOURS.get(row.verdict, "default")
            table.add_row(row.arm, row.accuracy, row.difference, row.p_adjusted, f"[{colour}]{row.verdict}[/]")
    return table


def _shown(path: Path) -> str:
    """Return `path` as short as it can be clicked or typed here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
