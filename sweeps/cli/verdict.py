"""Write the report of a study and print its verdicts."""

from __future__ import annotations

from pathlib import Path

from sweeps.cli.console import err, out
from sweeps.places import Places


def print_report(places: Places, study: str, folder: Path) -> None:
    out.print("(report)")
