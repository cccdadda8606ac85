"""Statistics and reports on the records of a study; usable without Ray, torch or MLflow.

``read_table`` reads results from anywhere, ``read_study`` those that ``fairsweep`` recorded in MLflow (the only name
here that imports it); ``build_report`` computes a report, ``write_report`` writes its files. The statistics stand on
their own, as functions on arrays, in ``analysis.statistics``. Each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.record import StudyRecord
    from analysis.report import Report, build_report, read_report, report_json, write_report
    from analysis.results import StudyNotFoundError, StudyReadError, read_study
    from analysis.rules import Rules
    from analysis.tidy import TableError, TableOptions, read_table

__all__ = [
    "Report",
    "Rules",
    "StudyNotFoundError",
    "StudyReadError",
    "StudyRecord",
    "TableError",
    "TableOptions",
    "build_report",
    "read_report",
    "read_study",
    "read_table",
    "report_json",
    "write_report",
]

_HOMES = {
    "analysis.record": ("StudyRecord",),
    "analysis.report": ("Report", "build_report", "read_report", "report_json", "write_report"),
    "analysis.results": ("StudyNotFoundError", "StudyReadError", "read_study"),
    "analysis.rules": ("Rules",),
    "analysis.tidy": ("TableError", "TableOptions", "read_table"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
