"""Set two studies side by side: recorded ones, written reports, or tables of results."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.cli.console import err, out
from sweeps.cli.verdict import is_table, shown_path
from sweeps.errors import FairsweepError, InputError
from sweeps.places import Places

if TYPE_CHECKING:
    from analysis.report import Report
    from analysis.tidy import TableOptions

REPORT_FILE = "report.json"


def is_report(name: str) -> bool:
    """Tell whether an argument is a report that was written: its folder, or its ``report.json``."""
    path = Path(name)
    if path.is_dir():
        return (path / REPORT_FILE).is_file()
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(content, dict) and "schema_version" in content and "comparisons" in content


def print_comparison(first: str, second: str, options: TableOptions, folder: Path | None) -> None:
    """Compare two studies, write the comparison and print what it says.

    Args:
        first: Name of a recorded study, a report or a table.
        second: The same.
        options: How tables are read.
        folder: Where to write it; by default a folder named after both, beside the user.

    Raises:
        InputError: one of them cannot be read, or `folder` cannot be written.
    """
    target = folder or Path(f"{_stem(first)}-and-{_stem(second)}")
    with err.status("reading both and comparing them ..."):
        from analysis.comparing import compare_reports, write_comparison  # noqa: PLC0415 (slow to import)

        comparison = compare_reports(_report(first, options), _report(second, options))
        try:
            files = write_comparison(comparison, target)
        except OSError as error:
            raise InputError(f"the comparison cannot be written to {target}: {error.strerror or error}.") from error
        except ValueError as error:
            raise InputError(str(error).replace("out_dir", "--out")) from error
    for sentence in comparison.sentences:
        out.print(sentence, markup=False)
    out.print(f"\nComparison:  {shown_path(files.html)}", soft_wrap=True, markup=False)


def _stem(name: str) -> str:
    path = Path(name)
    stem = path.resolve().parent.name if path.name == REPORT_FILE else path.stem or path.resolve().name
    return re.sub(r"[^\w.-]+", "-", stem) or "study"


def _report(name: str, options: TableOptions) -> Report:
    from analysis.report import build_report, read_report  # noqa: PLC0415 (slow to import)
    from analysis.tidy import TableError, read_table  # noqa: PLC0415

    if is_report(name):
        path = Path(name)
        path = path / REPORT_FILE if path.is_dir() else path
        try:
            return read_report(path)
        except (OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"{path} must be a report of this version of fairsweep ({reason}); write it again from its study."
            ) from error
    if is_table(name):
        try:
            return build_report(read_table(name, options=options))
        except TableError as error:
            raise InputError(str(error)) from error
    if Path(name).is_dir():
        raise InputError(f"{name} must be a folder with a {REPORT_FILE}; there is none in it.")
    from analysis.results import StudyNotFoundError, StudyReadError, read_study  # noqa: PLC0415

    try:
        return build_report(read_study(Places.from_environment().tracking_uri, name))
    except StudyNotFoundError as error:
        raise InputError(str(error)) from error
    except StudyReadError as error:
        raise FairsweepError(str(error)) from error
