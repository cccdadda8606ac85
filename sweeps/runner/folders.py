"""The folders that Tune makes for each trial."""

from __future__ import annotations

import shutil
from pathlib import Path


def remove_folder(folder: str) -> None:
    """Remove a folder, nearly always empty: asking what is in it would take several times as long."""
    try:
        Path(folder).rmdir()
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
