"""Set two studies side by side: recorded ones, written reports, or tables of results."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.cli.console import err, out
from sweeps.cli.verdict import REPORT_FILE, is_table, read_recorded, shown_path
from sweeps.errors import InputError
from sweeps.places import Places

if TYPE_CHECKING:
    from analysis.report import Report
    from analysis.tidy import TableOptions


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
        InputError: one of them cannot be read, both are the same, or `folder` cannot be written.
        FairsweepError: MLflow does not answer.
    """
    if _place(first) == _place(second):
        raise InputError(f"--compare must be another study than the first; got {second}, which is the same.")
    target = folder or Path("-and-".join(_stems(first, second)))
    with err.status("reading both and comparing them ..."):
        from analysis.comparing import compare_reports, write_comparison

        reports = _report(first, options, "STUDY"), _report(second, options, "--compare")
        comparison = compare_reports(*reports, sources=(first, second))
        try:
            files = write_comparison(comparison, target)
        except OSError as error:
            raise InputError(f"the comparison cannot be written to {target}: {error.strerror or error}.") from error
        except ValueError as error:
            raise InputError(str(error).replace("out_dir", "--out")) from error
    for sentence in comparison.sentences:
        out.print(sentence, markup=False)
    out.print(f"\nComparison:  {shown_path(files.html)}", soft_wrap=True, markup=False)


def _place(name: str) -> Path | str:
    """Return the file behind an argument, or the name of the recorded study."""
    if is_report(name):
        return _report_file(name).resolve()
    return Path(name).resolve() if is_table(name) else name


def _report_file(name: str) -> Path:
    return Path(name) / REPORT_FILE if Path(name).is_dir() else Path(name)


def _stems(*names: str) -> list[str]:
    """Return what to call a folder by for each argument: its name, with the folders above it where one would not do."""
    paths = [_without_suffix(name) for name in names]
    stems = [path.name for path in paths]
    if len(set(stems)) < len(stems):
        common = os.path.commonpath([path.parent for path in paths])
        stems = [str(path.relative_to(common)) for path in paths]
    return [re.sub(r"[^\w.-]+", "-", stem) or "study" for stem in stems]


def _without_suffix(name: str) -> Path:
    if is_report(name):
        return _report_file(name).resolve().parent
    path = Path(name).resolve()
    return path.with_suffix("") if is_table(name) else path


def _report(name: str, options: TableOptions, argument: str) -> Report:
    from analysis.report import build_report, read_report
    from analysis.tidy import TableError, read_table

    if is_report(name):
        path = _report_file(name)
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
    return build_report(read_recorded(Places.from_environment(), name, argument))
